r"""The stochastic model: the slope of the steady state from first and second moments together.

For the chemical master equation of splicing, first and second moments at the steady state obey

.. math::

    \langle u \rangle = \gamma' \langle s \rangle, \qquad
    \langle u \rangle + 2 \langle u s \rangle = \gamma' \left( 2 \langle s^2 \rangle - \langle s \rangle \right)

(Bergen et al. 2020, Nat Biotechnol 38:1408). Both are solved as one generalized least-squares problem per gene.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.graph.counts import times_rows
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.kinetics.phase_line import (
    TINY,
    Line,
    explained_share,
    extreme_cells,
    gene_blocks,
    least_squares,
)
from napari_tissue_dynamics.kinetics.smooth import smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.kinetics.config import ClockConfig
    from napari_tissue_dynamics.kinetics.prepare import Counts, Seen

# Genes with fewer counts per cell do not say how much all genes vary alike.
TELLING = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SecondMoments:
    r"""Second moments over similar cells.

    Parameters
    ----------
    us, ss
        (n, G) float32 :math:`\langle u s \rangle` and :math:`\langle s^2 \rangle`.
    """

    us: NDArray[np.float32]
    ss: NDArray[np.float32]


def products_of_counts(
    unspliced: sparse.csr_array, spliced: sparse.csr_array, factor: NDArray[np.floating]
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return us and s(s - 1) of raw counts, scaled by the square of the factor of each cell.

    The mean of s(s - 1), not that of s², scales with the square of the share of the RNA that is counted.
    """
    pairs = sparse.csr_array((spliced.data * (spliced.data - 1), spliced.indices, spliced.indptr), shape=spliced.shape)
    both = sparse.csr_array(spliced.multiply(unspliced))
    square = np.asarray(factor, dtype=np.float64) ** 2
    return times_rows(both.astype(np.float32), square), times_rows(pairs, square)


def from_products(
    u: NDArray[np.float32], s: NDArray[np.float32], us: NDArray[np.float32], pairs: NDArray[np.float32]
) -> SecondMoments:
    r"""Return second moments from smooth means of :func:`products_of_counts`.

    Values lost at random, and cells counted more or less deeply than their size says, raise
    :math:`\langle s (s - 1) \rangle` over :math:`\langle s \rangle^2` by the same factor in all genes: the median over
    genes of that factor is divided out.

    Parameters
    ----------
    u, s
        (n, G) smooth means.
    us, pairs
        (n, G) smooth means of the products.
    """
    both, same = _common_factor(us, u, s), _common_factor(pairs, s, s)
    return SecondMoments(us / both, pairs / same + s)


def second_moments(counts: Counts, seen: Seen, config: ClockConfig) -> SecondMoments:
    """Return second moments over the same cells as the first ones."""
    if config.moments == "smooth":
        products = products_of_counts(counts.unspliced, counts.spliced, counts.spliced_factor)
        us, pairs = (each.values() for each in smooth(products, seen.smooth_spliced.basis))
        return from_products(seen.unspliced, seen.spliced, us, pairs)
    unspliced, spliced = counts.scaled()
    both, squares = sparse.csr_array(spliced.multiply(unspliced)), sparse.csr_array(spliced.multiply(spliced))
    return SecondMoments(moments(both, seen.graph), moments(squares, seen.graph))


def fit_line(u: NDArray[np.float32], s: NDArray[np.float32], second: SecondMoments, config: ClockConfig) -> Line:
    """Fit the line of every gene to the moments of its extreme cells by generalized least squares.

    Each of the two equations counts by the inverse of its residual standard deviation, from a least-squares fit of its
    own.

    Parameters
    ----------
    u, s
        (n, G) first moments.
    second
        Second moments.
    config
        ``extremes``, ``quantile`` and ``fit_offset`` are used; an offset belongs to the first equation.

    Returns
    -------
    The lines; r² is that of the first moments.
    """
    slope, offset, r2 = np.zeros((3, u.shape[1]))
    for genes in gene_blocks(u.shape):
        some_u, some_s, us, ss = (np.asarray(each[:, genes], dtype=np.float64) for each in (u, s, second.us, second.ss))
        weight = extreme_cells(some_u, some_s, config)
        slope[genes], offset[genes] = _generalized(some_u, some_s, us, ss, weight, fit_offset=config.fit_offset)
        r2[genes] = explained_share(some_u, offset[genes] + slope[genes] * some_s)
    return Line(slope, offset, r2)


def variance_velocity(
    u: NDArray[np.float32], s: NDArray[np.float32], second: SecondMoments, line: Line
) -> NDArray[np.float32]:
    r"""Return how fast the variance of the spliced RNA changes, (n, G) float32, in units of the splicing rate.

    .. math:: \langle u \rangle + 2 \operatorname{cov}(u, s) - \gamma' \left(2 \operatorname{var}(s)
              - \langle s \rangle \right)

    It is the residual of the second equation with moments around the mean.
    """
    slope = line.slope.astype(np.float32)
    result = np.empty_like(u)
    for genes in gene_blocks(u.shape):
        mean_u, mean_s = u[:, genes], s[:, genes]
        covariance, variance = second.us[:, genes] - mean_u * mean_s, second.ss[:, genes] - mean_s**2
        result[:, genes] = mean_u + 2 * covariance - slope[genes] * (2 * variance - mean_s)
    return result


def keep_slopes(line: Line, first: Line) -> Line:
    """Return the line with slopes of the steady-state model where the second moments say nothing or less than 0."""
    usable = np.isfinite(line.slope) & (line.slope > 0)
    return replace(
        line,
        slope=np.where(usable, line.slope, first.slope),
        offset=np.where(usable, line.offset, first.offset),
        r2=np.where(usable, line.r2, first.r2),
    )


def _generalized(
    u: NDArray[np.float64],
    s: NDArray[np.float64],
    us: NDArray[np.float64],
    ss: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    fit_offset: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = u + 2 * us, 2 * ss - s
    first_slope, offset = least_squares(s, u, weight, fit_offset=fit_offset)
    second_slope, _ = least_squares(x, y, weight, fit_offset=False)
    first = _precision(u - offset - first_slope * s, weight)
    second = _precision(y - second_slope * x, weight)
    square = (weight * x * x).sum(axis=0)
    if not fit_offset:
        product = first * (weight * s * u).sum(axis=0) + second * (weight * x * y).sum(axis=0)
        return product / np.maximum(first * (weight * s * s).sum(axis=0) + second * square, TINY), offset
    # Normal equations of slope and offset; the offset is in the first equation only.
    aa = first * (weight * s * s).sum(axis=0) + second * square
    ab, bb = first * (weight * s).sum(axis=0), first * weight.sum(axis=0)
    ya = first * (weight * s * u).sum(axis=0) + second * (weight * x * y).sum(axis=0)
    yb = first * (weight * u).sum(axis=0)
    determinant = np.maximum(aa * bb - ab**2, TINY)
    return (ya * bb - yb * ab) / determinant, (yb * aa - ya * ab) / determinant


def _precision(residual: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one over the mean square of the residuals, (G,)."""
    return 1 / np.maximum((weight * residual**2).sum(axis=0) / np.maximum(weight.sum(axis=0), 1), TINY)


def _common_factor(products: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    expected = np.einsum("ng,ng->g", a, b, dtype=np.float64)
    telling = np.minimum(a.mean(axis=0), b.mean(axis=0)) > TELLING
    if not telling.any():
        return 1.0
    factor = float(np.median(products.sum(axis=0, dtype=np.float64)[telling] / expected[telling]))
    return factor if factor > 0 else 1.0
