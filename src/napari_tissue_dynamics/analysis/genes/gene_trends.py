"""Which genes change along latent time, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Interval
from scipy import sparse

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts

FEWEST_CELLS = 10
# Genes whose values are held in double precision at once, times cells.
BLOCK = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendConfig:
    """How genes are followed along time.

    Parameters
    ----------
    bins
        Number of time bins with equal numbers of cells; fewer bins if there are fewer cells.
    smoothing
        Standard deviation of the Gaussian smoothing along cells ordered by time, as a fraction of all cells.
    """

    bins: Annotated[int, Interval(ge=5, le=1000)] = 120
    smoothing: Annotated[float, Interval(ge=0, le=0.5)] = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class GeneTrends:
    """Mean expression along time.

    Parameters
    ----------
    time
        (bins,) mean time of the cells of every bin, rising.
    means
        (genes, bins) float32 smoothed mean expression.
    explained
        (genes,) share of the variance of the gene over cells that the smoothed means have, 0 to 1.
    """

    genes: tuple[str, ...]
    time: NDArray[np.float64]
    means: NDArray[np.float32]
    explained: NDArray[np.float64]

    @property
    def peak(self) -> NDArray[np.float64]:
        """(genes,) time at which the smoothed mean is highest."""
        return self.time[self.means.argmax(axis=1)]

    def scaled(self) -> NDArray[np.float32]:
        """Return (genes, bins) means from 0 at the lowest to 1 at the highest of each gene."""
        low = self.means.min(axis=1, keepdims=True)
        span = self.means.max(axis=1, keepdims=True) - low
        result: NDArray[np.float32] = np.divide(self.means - low, span, out=np.zeros_like(self.means), where=span > 0)
        return result

    def top(self, number: int) -> GeneTrends:
        """Return the genes that time explains best, in the order in which they peak."""
        best = np.argsort(-self.explained, kind="stable")[:number]
        best = best[np.argsort(self.means[best].argmax(axis=1), kind="stable")]
        names = tuple(self.genes[gene] for gene in best)
        return GeneTrends(names, self.time, self.means[best], self.explained[best])


def gene_trends(
    expression: Counts, genes: tuple[str, ...], time: NDArray[np.floating], config: TrendConfig = TrendConfig()
) -> GeneTrends:
    r"""Follow genes along time.

    The cells in the order of their time are cut into bins of as many cells; their means are smoothed by a Gaussian
    over the bins. A gene counts by the variance that the smoothed means explain,

    .. math:: \operatorname{Var}_i(\bar x_{b(i)}) / \operatorname{Var}_i(x_i).

    Parameters
    ----------
    expression
        (cells, genes) sparse or dense.
    time
        (cells,) time; cells whose time is not finite are excluded.

    Raises
    ------
    DataError
        If there are too few cells with a time, or the shapes disagree.
    """
    n_cells, n_genes = expression.shape
    if time.shape != (n_cells,) or len(genes) != n_genes:
        raise DataError(f"{len(time)} times and {len(genes)} names were given for {n_cells} cells and {n_genes} genes.")
    known = np.flatnonzero(np.isfinite(time))
    if len(known) < FEWEST_CELLS:
        raise DataError(f"{len(known)} cells have a time; at least {FEWEST_CELLS} are needed to follow genes along it.")
    order = known[np.argsort(time[known], kind="stable")]
    n_bins = min(config.bins, len(order))
    of_cell = np.arange(len(order)) * n_bins // len(order)
    number = np.bincount(of_cell, minlength=n_bins)
    averaging = sparse.csr_array((1 / number[of_cell], (of_cell, order)), shape=(n_bins, n_cells))
    smoother = _gaussian(n_bins, config.smoothing * n_bins)
    means = np.empty((n_genes, n_bins), dtype=np.float32)
    explained = np.empty(n_genes)
    share = number / len(order)
    for block in _gene_blocks(n_genes, len(order)):
        values = expression[:, block]
        binned: Any = averaging @ values
        trend = smoother @ _dense(binned)
        middle = share @ trend
        total = _variance(values[order])
        means[block] = trend.T
        explained[block] = np.divide(
            share @ (trend - middle) ** 2, total, out=np.zeros_like(total), where=total > np.finfo(np.float32).tiny
        )
    times = averaging @ np.nan_to_num(time.astype(np.float64))
    return GeneTrends(genes, times, means, np.clip(explained, 0, 1))


def _gaussian(n: int, sigma: float) -> NDArray[np.float64]:
    """Return (n, n) weights of a Gaussian over bins; rows sum to one, at the ends too."""
    if sigma <= 0:
        return np.eye(n)
    steps = np.arange(n)
    weight = np.exp(-0.5 * ((steps[:, None] - steps) / sigma) ** 2)
    result: NDArray[np.float64] = weight / weight.sum(axis=1, keepdims=True)
    return result


def _gene_blocks(n_genes: int, n_cells: int) -> list[slice]:
    width = max(1, BLOCK // max(n_cells, 1))
    return [slice(start, min(start + width, n_genes)) for start in range(0, n_genes, width)]


def _dense(values: Counts) -> NDArray[np.float64]:
    return np.asarray(values.toarray() if sparse.issparse(values) else values, dtype=np.float64)


def _variance(values: Counts) -> NDArray[np.float64]:
    """Return the variance of every column."""
    if sparse.issparse(values):
        mean = np.asarray(values.mean(axis=0)).ravel()
        squares = np.asarray(values.multiply(values).mean(axis=0)).ravel()
        return np.maximum(squares - mean**2, 0).astype(np.float64)
    return np.asarray(values, dtype=np.float64).var(axis=0)
