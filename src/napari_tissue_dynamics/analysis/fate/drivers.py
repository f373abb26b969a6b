"""Genes whose expression goes with the probability of a fate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data.fate_result import FateDrivers
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress, stopped

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts
    from napari_tissue_dynamics.progress import StopToken

# Values held in double precision at once.
BLOCK = 10_000_000
# A variance below this share of the mean square is rounding.
ROUNDING = 1e-10
FEWEST_CELLS = 4


def drivers_steps(
    probabilities: NDArray[np.floating],
    counts: Counts,
    genes: Sequence[str],
    fates: Sequence[str],
    stop: StopToken | None = None,
) -> Generator[Progress, None, FateDrivers]:
    r"""Correlate the expression of every gene with the probability of every fate.

    Expression is the logarithm of counts of which every cell has the same total, :math:`\log(1 + c_{ig} m / N_i)` with
    the median :math:`m` of the totals :math:`N_i`. The p-value of a correlation r over n cells is that of
    :math:`t = r \sqrt{(n - 2) / (1 - r^2)}` under Student's distribution with n - 2 degrees of freedom; the FDR is that
    of Benjamini and Hochberg. Sparse counts stay sparse.

    Parameters
    ----------
    probabilities
        (n, k) fates; cells with NaN are excluded.
    counts
        (n, G) counts, sparse or dense.
    genes, fates
        Names of the genes and of the fates.

    Raises
    ------
    DataError
        If fewer than four cells have a fate.
    FitError
        If the work was ended early.
    """
    kept = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    if kept.size < FEWEST_CELLS:
        raise DataError(
            f"{kept.size} cells have a fate; genes can be compared with fates in {FEWEST_CELLS} or more. "
            "Choose other terminal states."
        )
    fate = probabilities[kept].astype(np.float64)
    fate -= fate.mean(axis=0)
    total = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    size = total[kept] / (np.median(total[kept]) or 1.0)
    n_genes = counts.shape[1]
    sums, squares, products = np.zeros(n_genes), np.zeros(n_genes), np.zeros((n_genes, fate.shape[1]))
    rows = max(1, BLOCK // max(1, n_genes))
    for start in range(0, kept.size, rows):
        if stopped(stop):
            raise FitError("The search for driver genes was stopped; earlier results are unchanged.")
        part = slice(start, start + rows)
        logarithm = _logarithm(counts[kept[part]], size[part])
        sums += np.asarray(logarithm.sum(axis=0)).ravel()
        square = logarithm.multiply(logarithm) if sparse.issparse(logarithm) else np.square(logarithm)
        squares += np.asarray(square.sum(axis=0)).ravel()
        products += np.asarray(logarithm.T @ fate[part])
        yield Progress("driver genes", start, kept.size, start / kept.size)
    variation = squares - sums**2 / kept.size
    variation[variation < ROUNDING * np.maximum(squares, 1e-300)] = 0
    lengths = np.sqrt(variation)[:, None] * np.linalg.norm(fate, axis=0)
    r = np.divide(products, lengths, out=np.full_like(products, np.nan), where=lengths > 0)
    return _tested(np.clip(r, -1, 1), kept.size, tuple(genes), tuple(fates))


def _logarithm(counts: Counts, size: NDArray[np.float64]) -> sparse.csr_array | NDArray[np.float64]:
    """Return log(1 + counts / size) in double precision; a cell without counts keeps its zeros."""
    scale = 1 / np.where(size > 0, size, 1.0)
    if sparse.issparse(counts):
        scaled = sparse.csr_array(sparse.diags_array(scale) @ counts.astype(np.float64))
        scaled.data = np.log1p(scaled.data)
        return scaled
    return np.log1p(counts.astype(np.float64) * scale[:, None])


def _tested(r: NDArray[np.float64], n: int, genes: tuple[str, ...], fates: tuple[str, ...]) -> FateDrivers:
    from scipy.special import stdtr
    from scipy.stats import false_discovery_control

    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(r) * np.sqrt((n - 2) / (1 - r**2))
    p_value = np.where(np.isnan(r), 1.0, 2 * stdtr(n - 2, -np.nan_to_num(t, posinf=np.inf)))
    fdr = false_discovery_control(p_value, axis=0)
    return FateDrivers(fates, genes, r.astype(np.float32), p_value, fdr, n)
