"""The field of a grid as a function of the place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField

# A place is among cells if this share of the weight of its corners belongs to nodes among cells.
LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class GridFlow:
    """Multilinear interpolation between the nodes of a grid; fields that are linear in the place are met exactly.

    Parameters
    ----------
    origin
        (d,) place of the first node.
    spacing
        Distance of neighboring nodes.
    shape
        Number of nodes along every axis.
    nodes
        (nodes of the whole box, d + 1) float64, the arrow and 1 on nodes among cells, zeros outside.
    """

    origin: NDArray[np.float64]
    spacing: float
    shape: tuple[int, ...]
    nodes: NDArray[np.float64]

    @classmethod
    def of(cls, grid: GridField) -> GridFlow:
        """Return the field of a grid, whose nodes among cells are a part of a box."""
        places = np.asarray(grid.positions, dtype=np.float64)
        n_dimensions = places.shape[1]
        origin = places.min(axis=0) if len(places) else np.zeros(n_dimensions)
        node = np.rint((places - origin) / grid.spacing).astype(np.intp)
        # Two nodes along every axis at least, so that every place has its corners.
        shape = tuple(int(n) for n in np.maximum(node.max(axis=0, initial=0) + 1, 2))
        nodes = np.zeros((int(np.prod(shape)), n_dimensions + 1))
        nodes[node @ _strides(shape)] = np.column_stack([grid.arrows, np.ones(len(places))])
        return cls(origin, grid.spacing, shape, nodes)

    def at(self, places: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the field at places, (n, d), and whether they are among cells, (n,).

        Near the border of the cells the nodes outside do not count; outside the field is zero.
        """
        relative = (places - self.origin) / self.spacing
        last = np.array(self.shape) - 2
        low = np.clip(np.floor(relative).astype(np.intp), 0, last)
        part = relative - low
        within = ((part >= -LEAST_SHARE) & (part <= 1 + LEAST_SHARE)).all(axis=1)
        high = np.clip(part, 0, 1)
        shares, strides = (1 - high, high), _strides(self.shape)
        first = low @ strides
        total = np.zeros((len(relative), len(strides) + 1))
        for corner in product((0, 1), repeat=len(strides)):
            share = shares[corner[0]][:, 0]
            for axis in range(1, len(strides)):
                share = share * shares[corner[axis]][:, axis]
            total += share[:, None] * self.nodes.take(first + int(np.array(corner) @ strides), axis=0)
        weight = total[:, -1]
        inside = within & (weight >= LEAST_SHARE)
        field = np.divide(total[:, :-1], weight[:, None], out=np.zeros_like(relative), where=inside[:, None])
        return field, inside


def _strides(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return how far apart in memory neighbors along every axis are, the last axis next to each other."""
    return np.array([int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))], dtype=np.intp)
