"""Robust per-cell size factors: a weighted sum in which no few genes dominate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts

ROUNDS = 3
SMALLEST_SHARE = 0.05
TEMPER = 1 / 3


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """Weights of the genes in the depth of a cell.

    Parameters
    ----------
    spliced, unspliced
        (G,) weight of each gene's counts.
    level
        Weighted sum of a cell of depth 1.
    """

    spliced: NDArray[np.float64]
    unspliced: NDArray[np.float64]
    level: float

    def of(self, spliced: Counts, unspliced: Counts) -> NDArray[np.float64]:
        """Return the depth of every cell, (n,), from its counts (n, G).

        It is never below 0.05, so that empty cells stay finite.
        """
        total = spliced @ self.spliced + unspliced @ self.unspliced
        return np.maximum(np.asarray(total).ravel() / self.level, SMALLEST_SHARE)


def estimate_depth(spliced: Counts, unspliced: Counts) -> Depth:
    r"""Estimate one depth per cell from both kinds of RNA together.

    The mean :math:`\mu_g` and variance :math:`\mu_g + \varphi_g \mu_g^2` of the counts give the weights
    :math:`1 / (1 + \varphi_g \mu_g)` under which a weighted sum is the least variable unbiased estimate of a common
    factor (the quasi-likelihood score of a negative binomial). A plain total, with equal weights, is ruled by the few
    genes with most counts, but a part of what a gene varies beyond counting noise is the amount of RNA in the cell; the
    cube root of the weights lies between the two. Spliced and unspliced counts share
    the factor, so that their ratio, which tells the direction of time, is left as it is.

    Parameters
    ----------
    spliced, unspliced
        (n, G) counts.

    Returns
    -------
    The weights; the median cell has depth 1.

    Raises
    ------
    DataError
        If there is no count at all.
    """
    layers = [sparse.csr_array(counts) for counts in (spliced, unspliced)]
    both = sparse.csr_array(sparse.hstack(layers).astype(np.float64))
    if not both.nnz or not both.data.any():
        raise DataError("All counts of the chosen genes are 0. Choose the layers with raw counts.")
    factor = np.ones(both.shape[0])
    n_genes = spliced.shape[1]
    squares = sparse.csr_array((both.data**2, both.indices, both.indptr), shape=both.shape)
    for _ in range(ROUNDS):
        weights = _weights(both, squares, 1 / factor)
        total = np.asarray(both @ weights).ravel()
        level = float(np.median(total[total > 0]))
        factor = np.maximum(total / level, SMALLEST_SHARE)
    return Depth(weights[:n_genes], weights[n_genes:], level)


def _weights(counts: sparse.csr_array, squares: sparse.csr_array, factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights for counts times a factor per cell; the scaled counts themselves are not formed."""
    n = counts.shape[0]
    mean = factor @ counts / n
    variance = factor**2 @ squares / n - mean**2
    some = mean > 0
    excess = np.divide(np.maximum(variance - mean, 0), mean, out=np.zeros_like(mean), where=some)
    return np.where(some, (1 + excess) ** -TEMPER, 0.0)
