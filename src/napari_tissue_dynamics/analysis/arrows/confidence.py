"""How far the arrow and the velocity of every cell agree with those of other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.analysis.arrows.projection import candidates
from napari_tissue_dynamics.analysis.arrows.transitions import blocks, centered

if TYPE_CHECKING:
    from numpy.typing import NDArray

AROUND = 60
"""Cells whose mean arrow a cell is compared with. On twelve simulated data sets the rank correlation with the cosine of
arrow and true movement is 0.44 for 15 cells, 0.49 for 30, 0.51 for 60 and 0.50 for 120; with the nearest cells in
expression in place of those in the tissue it is 0.31, with velocities over genes in place of arrows 0.2."""
TINY = np.finfo(np.float32).tiny


def confidence(
    arrows: NDArray[np.floating], space: NDArray[np.floating], regime: NDArray[np.integer] | None = None
) -> NDArray[np.float32]:
    r"""Return the cosine of every cell's arrow with the mean arrow of the nearest cells of its regime.

    .. math:: c_i = \cos\left(a_i,\; \operatorname{mean}_{j \in N(i)} a_j\right)

    over the at most 60 nearest cells :math:`N(i)` of the same expert. It is high in a smooth field of the wrong
    direction, too, so it only means something once the counts support the direction.

    Parameters
    ----------
    arrows
        (cells, 2 or 3) arrows as they are drawn.
    space
        (cells, dimensions) where the candidates of the arrows are nearest: the tissue, or expression.
    regime
        (cells,) code of the kinetic regime of every cell, or None if all share one.

    Returns
    -------
    (cells,) float32 in [-1, 1]; NaN for a cell without arrow or without others of its regime.
    """
    arrows = np.nan_to_num(arrows).astype(np.float64)
    mean = _mean_of(candidates(space, AROUND, regime)) @ arrows
    lengths = np.linalg.norm(arrows, axis=1) * np.linalg.norm(mean, axis=1)
    products = np.einsum("id,id->i", arrows, mean)
    return np.divide(products, lengths, out=np.full(len(arrows), np.nan), where=lengths > TINY).astype(np.float32)


def neighbor_correlation(velocity: NDArray[np.float32], neighbors: NDArray[np.int32]) -> NDArray[np.float32]:
    r"""Return the mean correlation of every cell's velocity with those of its neighbors.

    .. math:: c_i = \operatorname{mean}_j \operatorname{corr}_g(v_{ig}, v_{jg})

    This is what scVelo writes into ``obs["velocity_confidence"]`` (Bergen et al. 2020).

    Parameters
    ----------
    velocity
        (cells, genes) velocities; genes with a value that is not finite are excluded.
    neighbors
        (cells, k) neighbors of every cell.

    Returns
    -------
    (cells,) float32 in [-1, 1]; 0 for a cell without velocity.
    """
    v = centered(velocity, np.flatnonzero(np.isfinite(velocity).all(axis=0)))
    lengths = np.linalg.norm(v, axis=1, keepdims=True)
    v = np.divide(v, lengths, out=np.zeros_like(v), where=lengths > TINY)
    n_cells, k = neighbors.shape
    result = np.empty(n_cells, dtype=np.float32)
    for block in blocks(n_cells, k * v.shape[1]):
        around = v[neighbors[block]].mean(axis=1)  # the mean of products with one vector is a product with the mean
        result[block] = np.einsum("ig,ig->i", around, v[block])
    return result


def _mean_of(neighbors: NDArray[np.int32]) -> sparse.csr_matrix:
    """Return the (cells, cells) matrix that takes the mean over neighbors; the cell itself is none of its own."""
    n_cells = len(neighbors)
    there = neighbors != np.arange(n_cells)[:, None]
    counts = there.sum(axis=1)
    weights = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    ends = np.concatenate([[0], counts.cumsum()])
    return sparse.csr_matrix((weights, neighbors[there], ends), shape=(n_cells, n_cells))
