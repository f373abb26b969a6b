"""Means of counts over the neighborhoods of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts

BLOCK = 2048


def moments(counts: Counts, graph: sparse.csr_array) -> NDArray[np.float32]:
    r"""Return the mean of every gene over the neighborhood of every cell.

    .. math:: M = D^{-1} B X

    with the graph :math:`B`, its row sums :math:`D` and the counts :math:`X`. A graph of ones with a unit
    diagonal gives the plain mean over the neighbors and the cell itself (Bergen et al. 2020, first moments).

    Parameters
    ----------
    counts
        (n, G) counts, sparse or dense, of any unit.
    graph
        (n, n) weights; row i holds the neighborhood of cell i.

    Returns
    -------
    (n, G) float32, dense, in the unit of the counts. A cell without any neighbor gets zeros.

    Raises
    ------
    DataError
        If the graph does not have one row per cell.
    """
    n = counts.shape[0]
    if graph.shape != (n, n):
        raise DataError(f"The graph is {graph.shape}; ({n}, {n}) was expected, one row and one column per cell.")
    weight = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    weight[weight == 0] = 1
    means = np.empty(counts.shape, dtype=np.float32)
    for start in range(0, n, BLOCK):  # a sparse product of all cells would be nearly dense and twice as large
        rows = slice(start, start + BLOCK)
        total = graph[rows] @ counts
        total = total.toarray() if sparse.issparse(total) else total
        means[rows] = total / weight[rows, None]
    return means
