"""Neighbor graphs of cells: in the tissue, in expression, and both together.

Every graph is a CSR matrix of ones with a unit diagonal; its memory grows with the number of edges only
(8 bytes each), never with cells x cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Metric: TypeAlias = Literal["euclidean", "cosine"]

SAMPLE = 500
SAMPLE_BLOCK = 8192


def knn(
    x: NDArray[np.floating], k: int, *, metric: Metric = "euclidean"
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the ``k`` nearest other cells of every cell, exactly.

    A cell is never its own neighbor, not even where several cells lie at the same place. The same input gives
    the same output; cells at the same distance stand in the order of their index. Work grows with the square
    of the number of cells above 15 dimensions; memory does not.

    Parameters
    ----------
    x
        (n, d) coordinates.
    k
        Number of neighbors; there are n - 1 where this is more than the other cells.
    metric
        ``euclidean``, or ``cosine``: one minus the cosine of the angle. For the cosine, rows of zeros lie
        at distance 0 from each other and at distance 1 from all other cells.

    Returns
    -------
    indices, distances
        (n, min(k, n - 1)) each, nearest first.

    Raises
    ------
    DataError
        If ``k`` is below 1 or a coordinate is not a finite number.
    """
    points = _points(x, k, metric)
    n = len(points)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), np.int32), np.empty((n, 0), np.float32)
    indices, distances = _nearest(points, k + 1)
    indices, distances = _without_self(indices, distances)
    if metric == "cosine":  # both lie on the unit sphere: |a - b|^2 = 2 - 2 cos
        distances = distances**2 / 2
    return indices.astype(np.int32), distances.astype(np.float32)


def spatial_graph(positions: NDArray[np.floating], k: int) -> sparse.csr_array:
    """Return the graph of the ``k`` nearest cells in the tissue.

    Parameters
    ----------
    positions
        (n, 2) or (n, 3) coordinates of the cells.
    k
        Neighbors of every cell, not counting itself.

    Returns
    -------
    (n, n) float32 ones, directed: row i holds the neighbors of cell i and i itself.
    """
    return _directed(knn(positions, k)[0])


def expression_graph(x: NDArray[np.floating], k: int, metric: Metric = "cosine") -> sparse.csr_array:
    """Return the symmetric graph of cells with similar expression.

    Two cells are joined if either is among the neighbors of the other. These are the stored entries of the
    fuzzy union of McInnes et al. 2018 (UMAP), without their weights.

    Parameters
    ----------
    x
        (n, d) principal components.
    k
        Neighbors of every cell; as in scanpy the cell itself is one of them.
    metric
        Distance between cells.

    Returns
    -------
    (n, n) float32 ones, symmetric, unit diagonal.
    """
    directed = _directed(knn(x, max(k - 1, 1), metric=metric)[0])
    return union(directed, directed.T.tocsr())


def alike(graph: sparse.csr_array, x: NDArray[np.floating], *, share: float, seed: int) -> sparse.csr_array:
    """Keep the edges between cells that resemble each other.

    An edge stays if, seen from its row, the other cell is among the ``share`` of all cells that are most similar (by
    the cosine; judged on a sample of cells).

    Parameters
    ----------
    graph
        (n, n) ones.
    x
        (n, d) principal components.
    share
        Share of the cells that count as alike, 0 to 1.

    Returns
    -------
    (n, n) float32 ones; the diagonal stays.
    """
    n = len(x)
    direction = np.asarray(x, dtype=np.float32)
    length = np.linalg.norm(direction, axis=1, keepdims=True)
    direction = np.divide(direction, length, out=np.zeros_like(direction), where=length > 0)
    sample = np.random.default_rng(seed).choice(n, size=min(n, SAMPLE), replace=False)
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    keep = rows == graph.indices
    for start in range(0, n, SAMPLE_BLOCK):
        block = slice(start, start + SAMPLE_BLOCK)
        least = np.quantile(direction[block] @ direction[sample].T, 1 - share, axis=1)
        edges = slice(graph.indptr[start], graph.indptr[min(start + SAMPLE_BLOCK, n)])
        near = np.einsum("ed,ed->e", direction[rows[edges]], direction[graph.indices[edges]])
        keep[edges] |= near >= least[rows[edges] - start]
    kept = sparse.csr_array((keep.astype(np.float32), graph.indices, graph.indptr), shape=graph.shape)
    kept.eliminate_zeros()
    return kept


def union(a: sparse.csr_array, b: sparse.csr_array) -> sparse.csr_array:
    """Return the graph with the edges of both: float32 ones wherever ``a`` or ``b`` is not zero."""
    both = sparse.csr_array(abs(a) + abs(b))
    both.eliminate_zeros()
    both.sort_indices()
    both.data = np.ones(both.nnz, dtype=np.float32)
    return both


def _points(x: NDArray[np.floating], k: int, metric: str) -> NDArray[np.float64]:
    if k < 1:
        raise DataError(f"{k} neighbors were requested; at least 1 is required.")
    if metric not in ("euclidean", "cosine"):
        raise DataError(f"There is no metric {metric!r}; choose 'euclidean' or 'cosine'.")
    points = np.asarray(x, dtype=np.float64)
    if points.ndim != 2:
        raise DataError(f"The coordinates have shape {points.shape}; (cells, dimensions) was expected.")
    if not np.isfinite(points).all():
        raise DataError("Some coordinates are not finite numbers; neighbors require coordinates for every cell.")
    if metric == "euclidean":
        return points - points.mean(axis=0)  # brute-force distances lose digits far from the origin
    length = np.linalg.norm(points, axis=1, keepdims=True)
    zero = length == 0
    return np.hstack([points / np.where(zero, 1, length), zero])  # zeros get a direction of their own


def _nearest(points: NDArray[np.float64], k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    from sklearn.neighbors import NearestNeighbors

    distances, indices = NearestNeighbors(n_neighbors=k, algorithm="auto").fit(points).kneighbors(points)
    order = np.lexsort((indices, distances), axis=1)
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _without_self(
    indices: NDArray[np.intp], distances: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    n, k = indices.shape
    other = indices != np.arange(n)[:, None]
    crowded = other.all(axis=1)  # more cells at this very place than neighbors asked for
    other[crowded, -1] = False
    return indices[other].reshape(n, k - 1), distances[other].reshape(n, k - 1)


def _directed(indices: NDArray[np.int32]) -> sparse.csr_array:
    n, k = indices.shape
    columns = np.hstack([np.arange(n, dtype=np.int32)[:, None], indices])
    ends = np.arange(0, n * (k + 1) + 1, k + 1)
    graph = sparse.csr_array((np.ones(columns.size, np.float32), columns.ravel(), ends), shape=(n, n))
    graph.sort_indices()
    return graph
