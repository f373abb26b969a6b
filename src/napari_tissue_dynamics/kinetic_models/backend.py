"""Where the curves of the dynamical model are fitted: numpy, or torch on an accelerator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Backend:
    """Numerical functions and the arrays they take.

    Parameters
    ----------
    xp
        Module ``numpy`` or ``torch``; only functions that both have under one name are used.
    device
        Torch device, None with numpy.
    """

    xp: Any
    device: Any = None

    @classmethod
    def of(cls, device: str) -> Backend:
        """Return numpy for ``cpu``; for ``auto`` and ``cuda`` torch on an accelerator, numpy if auto finds none.

        Raises
        ------
        DataError
            If the named device is not available.
        """
        if device == "cpu":
            return cls(np)
        from napari_tissue_dynamics.compute import pick_device

        found = pick_device(device)
        if device == "auto" and found.type == "cpu":
            return cls(np)
        import torch

        return cls(torch, found)

    def take(self, values: NDArray[np.floating]) -> Any:
        """Return values as float32 where this computes."""
        single = np.ascontiguousarray(values, dtype=np.float32)
        return single if self.device is None else self.xp.from_numpy(single).to(self.device)

    def give(self, values: Any) -> NDArray[Any]:
        """Return what was computed as an array."""
        return np.asarray(values if self.device is None else values.cpu().numpy())
