"""Arrays of a page in one block of bytes, numbers as small whole ones."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Every array begins at a multiple of this many bytes, as typed arrays of a browser require.
ALIGNMENT = 4
KINDS = {"u1": np.uint8, "u2": np.uint16, "u4": np.uint32, "f4": np.float32}
# The code of a value that is missing.
MISSING = {"u1": 255, "u2": 65535}


class Blob:
    """Collects arrays; :meth:`add` returns where a page finds the array."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, values: NDArray[np.generic], kind: str) -> dict[str, Any]:
        """Add an array as it is, of type ``u1``, ``u2``, ``u4`` or ``f4``."""
        flat = np.ascontiguousarray(values, dtype=np.dtype(KINDS[kind]).newbyteorder("<")).ravel()
        stored = flat.tobytes()
        place = {"type": kind, "at": self._size, "n": flat.size}
        stored += b"\0" * (-len(stored) % ALIGNMENT)
        self._parts.append(stored)
        self._size += len(stored)
        return place

    def quantised(
        self,
        values: NDArray[np.floating[Any]],
        kind: str = "u2",
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> dict[str, Any]:
        """Add numbers as steps from ``low`` to ``high``, their extremes if None; the last code is a missing one.

        What lies outside is moved to the end it is beyond. The error is at most half a step, 1/131 068 of the range
        for ``u2`` and 1/508 for ``u1``.
        """
        numbers = np.asarray(values, dtype=np.float64)
        finite = np.isfinite(numbers)
        low = float(numbers[finite].min()) if low is None and finite.any() else float(low or 0.0)
        high = float(numbers[finite].max()) if high is None and finite.any() else float(high or 0.0)
        missing = MISSING[kind]
        span = high - low or 1.0
        codes = np.rint((np.where(finite, numbers, low) - low) / span * (missing - 1))
        codes = np.where(finite, np.clip(codes, 0, missing - 1), missing)
        return {**self.add(codes, kind), "low": low, "high": high}

    def text(self) -> str:
        """Return all of it in base 64."""
        return base64.b64encode(b"".join(self._parts)).decode("ascii")
