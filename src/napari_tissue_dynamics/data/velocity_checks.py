"""What is kept of a velocity beside the velocity itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class VelocityChecks:
    """How the velocities of cells agree and what arrows are made of, as a file keeps it; None or empty if unknown.

    Parameters
    ----------
    neighbor_correlation
        (cells,) float32 mean correlation of the velocity with those of similar cells, -1 to 1.
    confidence
        (cells,) float32 cosine of the arrow with the mean arrow of the nearest cells of its regime, -1 to 1.
    neighbors, cosines
        (cells, k) the cells that every cell may go to and how far its velocity points there; the cell itself stands
        where there are fewer than k. Both or none.
    self_transition
        (cells,) float32 weight of staying, 0 to 1.
    tables
        Tables of the experts, by name.

    Raises
    ------
    DataError
        If the numbers of cells disagree.
    """

    neighbor_correlation: NDArray[np.floating] | None = None
    confidence: NDArray[np.floating] | None = None
    neighbors: NDArray[np.integer] | None = None
    cosines: NDArray[np.floating] | None = None
    self_transition: NDArray[np.floating] | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self._arrays().items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise DataError(
                f"Checks of one velocity have different numbers of cells ({found}). Give checks of one tissue."
            )
        if (self.neighbors is None) != (self.cosines is None):
            raise DataError("Neighbors and cosines form one graph; give both or neither.")

    @property
    def n_cells(self) -> int | None:
        """Number of cells, None if there is no check of cells."""
        return next((len(values) for values in self._arrays().values()), None)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
