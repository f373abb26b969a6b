"""How far the velocity of every cell agrees with those of the cells around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.analysis.arrows.projection import candidates
from napari_tissue_dynamics.analysis.arrows.transitions import blocks, centered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.velocity_field import VelocityField

AROUND = 60
"""Cells whose mean velocity a cell is compared with. On simulated tissues the cosine with the mean of 60 cells told
wrong velocities from right ones (area under the ROC curve 0.97); the mean of fewer cells is noisier."""
GENES_AT_ONCE = 256
TINY = np.finfo(np.float32).tiny


def confidence(field: VelocityField, space: NDArray[np.floating]) -> NDArray[np.float32]:
    r"""Return the cosine of every cell's velocity with the mean velocity of the similar cells of its regime.

    .. math:: c_i = \cos_g\left(\frac{v_{ig}}{r_g},\; \operatorname{mean}_{j \in N(i)} \frac{v_{jg}}{r_g}\right),
              \qquad r_g = \sqrt{\operatorname{mean}_i v_{ig}^2}

    over the velocity genes, with the at most 60 nearest cells :math:`N(i)` of the same expert. It is high in a smooth
    field of the wrong direction too, so it only means something once the counts support the direction.

    Parameters
    ----------
    field
        The velocities.
    space
        (cells, dimensions) where the cells lie in expression, see :func:`.expression_space`.

    Returns
    -------
    (cells,) float32 in [-1, 1]; NaN for a cell without velocity or without others of its regime.
    """
    counts = np.isfinite(field.spliced.sum(axis=0, dtype=np.float64))
    if field.velocity_genes is not None:
        counts &= field.velocity_genes
    genes, around = np.flatnonzero(counts), _mean_of(candidates(space, AROUND, field.expert))
    products, own, others = np.zeros((3, field.n_cells))
    for start in range(0, len(genes), GENES_AT_ONCE):
        velocity = field.spliced[:, genes[start : start + GENES_AT_ONCE]]
        velocity = velocity / np.maximum(np.sqrt(np.mean(np.square(velocity), axis=0)), TINY)
        mean = around @ velocity
        for total, left, right in ((products, velocity, mean), (own, velocity, velocity), (others, mean, mean)):
            total += np.einsum("ig,ig->i", left, right)
    lengths = np.sqrt(own * others)
    return np.divide(products, lengths, out=np.full(field.n_cells, np.nan), where=lengths > TINY).astype(np.float32)


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
