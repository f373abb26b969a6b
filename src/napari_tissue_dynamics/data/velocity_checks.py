"""What was found out about a velocity beside the velocity itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

LEVEL = 0.05
"""An arrow is longer than chance where its p-value is at most this."""
RANDOM_AGREEMENT = 0.65
"""Median agreement of the directions of pure noise: samples of the genes share the noise of the genes they share."""


@dataclass(frozen=True, slots=True, eq=False)
class VelocityChecks:
    """How far a velocity can be trusted, as it is kept in a file; whatever is None or empty was not found out.

    Parameters
    ----------
    confidence
        (cells,) float32 agreement of the velocity with those of similar cells, -1 to 1.
    direction_confidence
        (cells,) float32 agreement of the direction of the arrow over samples of the genes, 0 to 1.
    p_value
        (cells,) float32 share of shuffled velocities whose arrow is as long as the cell's.
    null_length, null_limit
        (cells,) float32 length of the arrow before it is scaled for drawing, and the 95 % quantile of those of shuffled
        velocities.
    shuffle, shuffles
        What was shuffled, and how often.
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

    confidence: NDArray[np.floating] | None = None
    direction_confidence: NDArray[np.floating] | None = None
    p_value: NDArray[np.floating] | None = None
    null_length: NDArray[np.floating] | None = None
    null_limit: NDArray[np.floating] | None = None
    shuffle: str = ""
    shuffles: int = 0
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
