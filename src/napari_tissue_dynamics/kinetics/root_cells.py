"""Where latent time begins, when that is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Known order of the cells.

    Parameters
    ----------
    roots
        Cells with which it begins: (roots,) indices, or None.
    stage
        (n,) a known time or stage of every cell, in any unit, NaN where it is not known, or None.
    """

    roots: NDArray[np.integer] | None = None
    stage: NDArray[np.floating] | None = None

    def fingerprint(self) -> str:
        """Return a hash of the known order."""
        digest = hashlib.blake2b(digest_size=16)
        for known, kind in ((self.roots, np.int64), (self.stage, np.float64)):
            digest.update(b"none" if known is None else np.ascontiguousarray(known, dtype=kind).tobytes())
            digest.update(b"|")
        return digest.hexdigest()

    def among(self, cells: NDArray[np.bool_]) -> Origin:
        """Return the known order of some of the cells, (n,) ``cells``; itself if those are all."""
        if cells.all():
            return self
        roots = None
        if self.roots is not None:
            given = np.asarray(self.roots)
            _check_roots(given, len(cells))
            roots = (np.cumsum(cells) - 1)[given[cells[given]]]
        return Origin(roots, None if self.stage is None else np.asarray(self.stage)[cells])

    def time(self, graph: sparse.csr_array, components: NDArray[np.floating]) -> NDArray[np.float64] | None:
        """Return a first guess of the time, (n,), NaN where there is none; None if no order is given.

        The stage where it is given; else the length of the shortest way from the roots along the graph, a step being
        as long as the cells are different.

        Parameters
        ----------
        graph
            (n, n) neighboring cells.
        components
            (n, c) expression of the cells.

        Raises
        ------
        DataError
            If the roots are not cells, or the stage does not say an order.
        """
        n = graph.shape[0]
        if self.stage is not None:
            return _checked_stage(self.stage, n)
        if self.roots is None or not len(self.roots):
            return None
        roots = np.unique(np.asarray(self.roots))
        _check_roots(roots, n)
        return _way(graph, components, roots)


ANYWHERE = Origin()


def _check_roots(roots: NDArray[np.integer], n: int) -> None:
    if len(roots) and (roots.min() < 0 or roots.max() >= n):
        raise DataError(f"Cell {int(roots.max())} was chosen as a root; there are {n} cells, counted from 0.")


def _checked_stage(stage: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    values = np.asarray(stage, dtype=np.float64)
    if values.shape != (n,):
        raise DataError(f"{values.shape} stages were given; one for each of the {n} cells was expected.")
    values = np.where(np.isfinite(values), values, np.nan)
    if len(np.unique(values[np.isfinite(values)])) < 2:
        raise DataError(
            "All cells with a known stage have the same stage; at least two different stages are needed for an order."
        )
    return values


def _way(graph: sparse.csr_array, components: NDArray[np.floating], roots: NDArray[np.integer]) -> NDArray[np.float64]:
    from scipy.sparse.csgraph import dijkstra

    joined = sparse.coo_array(sparse.triu(graph + graph.T, k=1))
    step = np.linalg.norm(components[joined.row] - components[joined.col], axis=1)
    lengths = sparse.csr_array((np.maximum(step, 1e-12), (joined.row, joined.col)), shape=graph.shape)
    away: NDArray[np.float64] = dijkstra(lengths, directed=False, indices=roots, min_only=True)
    return np.where(np.isfinite(away), away, np.nan)
