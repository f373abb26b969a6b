"""How far the velocities of similar cells agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.transitions import blocks, centered

if TYPE_CHECKING:
    from numpy.typing import NDArray


def confidence(velocity: NDArray[np.float32], neighbors: NDArray[np.int32]) -> NDArray[np.float32]:
    r"""Return the agreement of every cell's velocity with those of its neighbors.

    .. math:: c_i = \operatorname{mean}_j \operatorname{corr}_g(v_{ig}, v_{jg})

    Parameters
    ----------
    velocity
        (cells, genes) velocities; genes with a value that is not finite are left out.
    neighbors
        (cells, k) neighbors of every cell.

    Returns
    -------
    (cells,) float32 in [-1, 1]; 0 for a cell without velocity.
    """
    v = centered(velocity, np.flatnonzero(np.isfinite(velocity).all(axis=0)))
    lengths = np.linalg.norm(v, axis=1, keepdims=True)
    v = np.divide(v, lengths, out=np.zeros_like(v), where=lengths > np.finfo(np.float32).tiny)
    n_cells, k = neighbors.shape
    result = np.empty(n_cells, dtype=np.float32)
    for block in blocks(n_cells, k * v.shape[1]):
        around = v[neighbors[block]].mean(axis=1)  # the mean of products with one vector is a product with the mean
        result[block] = np.einsum("ig,ig->i", around, v[block])
    return result
