"""The cell under the pointer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

HALF_SLICE = 0.5
"""Cells of a stack that are seen in one plane: those at most this far from it, in the unit of the positions."""
SAMPLE = 1000
"""How many cells the distance to the next one is measured at."""


class CellFinder:
    """Finds cells by place; a plane of a stack is indexed when it is first asked for.

    Parameters
    ----------
    positions
        (cells, 2) or (cells, 3), (x, y) or (x, y, z).
    shown
        (cells,) which of them can be found; None for all.
    """

    def __init__(self, positions: NDArray[np.floating[Any]], shown: NDArray[np.bool_] | None = None) -> None:
        self._positions = np.asarray(positions, dtype=np.float64)
        self._cells = np.arange(len(positions)) if shown is None else np.flatnonzero(shown)
        self._plane: tuple[float | None, NDArray[np.intp], cKDTree] | None = None

    @cached_property
    def spacing(self) -> float:
        """Median distance of a cell to the nearest one at another place, from an even sample; 1.0 for a single cell."""
        asked = self._positions[:: max(1, len(self._positions) // SAMPLE)]
        flat = self._positions.shape[1] == 2 and len(self._cells) == len(self._positions)
        tree = self._index(None)[1] if flat else cKDTree(self._positions, balanced_tree=False, compact_nodes=False)
        distances, _ = tree.query(asked, k=min(8, len(self._positions)))
        distances = np.where(distances > 0, distances, np.inf).min(axis=-1, initial=np.inf)
        apart = distances[np.isfinite(distances)]
        return float(np.median(apart)) if apart.size else 1.0

    def at(self, place: ArrayLike, reach: float) -> int | None:
        """Return the cell nearest to a place in a plane, None when none is within ``reach``.

        Parameters
        ----------
        place
            (x, y), or (x, y, z) in a stack: of the cells of the plane z.
        reach
            Largest distance in the plane, in the unit of the positions.
        """
        x, y, *z = np.asarray(place, dtype=np.float64)
        cells, tree = self._index(z[0] if z else None)
        if not cells.size:
            return None
        distance, nearest = tree.query((x, y))
        return int(cells[nearest]) if distance <= reach else None

    def along(self, start: ArrayLike, direction: ArrayLike, reach: float) -> int | None:
        """Return the first cell within ``reach`` of a line of sight through a stack, None when it meets none.

        Parameters
        ----------
        start
            (x, y, z) of a point of the line.
        direction
            (x, y, z) in which one looks, of any length.
        reach
            Largest distance from the line, in the unit of the positions.
        """
        along = np.asarray(direction, dtype=np.float64)
        along = along / np.linalg.norm(along)
        offset = self._positions[self._cells] - np.asarray(start, dtype=np.float64)
        depth = offset @ along
        beside = np.einsum("ij,ij->i", offset, offset) - depth**2
        met = np.flatnonzero(beside <= reach**2)
        return int(self._cells[met[depth[met].argmin()]]) if met.size else None

    def _index(self, z: float | None) -> tuple[NDArray[np.intp], cKDTree]:
        if self._plane is None or self._plane[0] != z:
            cells = self._cells
            if z is not None:
                cells = cells[np.abs(self._positions[cells, 2] - z) <= HALF_SLICE]
            # Unbalanced trees are built three times as fast, and points of a tissue are spread evenly anyway.
            tree = cKDTree(self._positions[cells, :2], balanced_tree=False, compact_nodes=False)
            self._plane = (z, cells, tree)
        return self._plane[1:]
