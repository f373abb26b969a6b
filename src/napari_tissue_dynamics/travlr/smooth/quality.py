"""How certain smooth coefficients are, and which of them the data support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.special import gammaincc

from napari_tissue_dynamics.compute import one_blas_thread
from napari_tissue_dynamics.travlr.smooth.hierarchy import lower_inverse, solved, symmetric_inverse
from napari_tissue_dynamics.travlr.smooth.model import prior_variances
from napari_tissue_dynamics.travlr.smooth.moments import Rows, TypeMoments

if TYPE_CHECKING:
    from napari_tissue_dynamics.travlr.smooth.hierarchy import Block
    from napari_tissue_dynamics.travlr.smooth.model import Layout, Posterior

Floats = NDArray[np.floating]

# Cells that a type needs for a test.
FEWEST_CELLS = 10


@one_blas_thread()
def coefficient_covariances(
    found: Posterior, layout: Layout, basis: NDArray[np.float32], codes: NDArray[np.integer]
) -> Floats:
    """Return the covariance of the coefficients of each type, averaged over its cells.

    Parameters
    ----------
    found, layout
        What was found, and the arrangement of its columns.
    basis, codes
        (cells, functions) and (cells,) types.

    Returns
    -------
    (types, modulators, modulators).
    """
    root = lower_inverse(found.reduced.root)
    result = np.empty((len(found.reduced.blocks), layout.modulators, layout.modulators))
    for c, block in enumerate(found.reduced.blocks):
        here = basis[codes == c]
        products = (here.T @ here) / np.float32(max(len(here), 1))
        result[c] = _covariance(block, root, layout, products)
    return result


def _covariance(block: Block, root: Floats, layout: Layout, products: Floats) -> Floats:
    """Return that of one type; ``products`` of the functions, averaged over its cells."""
    prior = block.prior
    # The common part moves the deviation of the type along; what is left of the deviation is its own.
    together = root * prior.scale
    together[:, prior.broad] -= block.through(root).T * prior.type_scale
    result = _averaged(together, prior.columns, layout, products)
    sign, rows = block.alone
    columns = prior.columns[prior.broad]
    own = _averaged(rows * prior.type_scale, columns, layout, products)
    if not sign:
        return result + own
    modulator, function = np.divmod(columns, layout.functions)
    whole = np.bincount(modulator, prior.type_scale**2 * np.diag(products)[function], layout.modulators)
    return np.asarray(result + np.diag(whole) - own)


def _averaged(rows: Floats, columns: NDArray[np.intp], layout: Layout, products: Floats) -> Floats:
    """Return the (modulators, modulators) sums of ``rows' rows`` over functions weighted by their ``products``."""
    wide = np.zeros((len(rows), layout.modulators * layout.functions), dtype=np.float32)
    wide[:, columns] = rows
    by_modulator = wide.reshape(len(rows), layout.modulators, layout.functions).transpose(1, 0, 2)
    weighted = by_modulator @ products
    flat = (layout.modulators, -1)
    return np.asarray(by_modulator.reshape(flat) @ weighted.reshape(flat).T, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The cells of one type for a test by permutation.

    Parameters
    ----------
    columns
        (cells, active columns) products of modulators and functions.
    residual
        (cells,) what is left of y.
    """

    columns: NDArray[np.float32]
    residual: Floats
    draws: int


@one_blas_thread()
def null_probabilities(
    part: TypeMoments, layout: Layout, found: Posterior, c: int, sample: Sample, rng: np.random.Generator
) -> Floats:
    r"""Return how likely each modulator of type ``c`` would seem as strong by chance.

    The statistic of a modulator is that of its coefficients in a regression of this type alone, with the variances
    found as prior: :math:`u_k^T Q_{kk}^{-1} u_k` with the mean :math:`u` and the covariance :math:`Q`; what other
    modulators explain is thus taken out.

    Two things make it large by chance. Noise: the statistic of residuals permuted among the cells of the type (ter
    Braak 1992). And the other maps, of which only so much is known: what shrinkage has left of them is not noise, and
    looks like the map of a modulator that goes along with them. With maps and noise as they are before the data,
    :math:`u` is normal, and in units of prior and noise the statistic has the mean :math:`\mathrm{tr}(1 - Q)` and the
    variance :math:`2\,\mathrm{tr}\,(1 - Q)^2` where a modulator has no effect. Its tail is that of the gamma
    distribution with the larger mean and the larger variance of the two.

    Parameters
    ----------
    part, layout, found
        Moments of the cells of the type, layout of the columns, and the fit.
    sample
        The cells of the type, their columns in the order of ``found.columns``.

    Returns
    -------
    (modulators,) probabilities; 1 where a modulator has no coefficients, and in types of fewer than ten cells.
    """
    if len(sample.residual) < FEWEST_CELLS:
        return np.ones(layout.modulators)
    active = found.columns
    modulator = active // layout.functions
    common, own = prior_variances(layout, found.variances)
    noise = float(found.variances.noise[c])
    scale = np.sqrt((common + own)[active] / noise).astype(np.float32)
    alone = _alone(part.of(active), scale)
    cells = len(sample.residual)
    inflated = sample.residual * np.sqrt(cells / max(cells - alone.freedom, 1.0))
    permuted = np.stack([rng.permutation(inflated) for _ in range(sample.draws)], axis=1)
    means = alone.means(sample.columns, permuted)
    result = np.ones(layout.modulators)
    for k in np.unique(modulator):
        rows = np.flatnonzero(modulator == k)
        covariance = alone.covariance(rows)
        statistic = (means[rows] * np.linalg.solve(covariance, means[rows])).sum(axis=0)
        learned = noise * (np.eye(len(rows)) - covariance)
        mean = max(float(statistic[1:].mean()), float(np.trace(learned)))
        spread = max(float(statistic[1:].var()), 2 * float((learned**2).sum()))
        if spread > 0:
            result[k] = gammaincc(mean**2 / spread, float(statistic[0]) * mean / spread)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _InColumns:
    """Whitened regression of a type of many cells: the right-hand side, and the inverse of the matrix."""

    scale: NDArray[np.float32]
    seen: Floats
    whole: Floats

    @property
    def freedom(self) -> float:
        """Degrees of freedom taken up."""
        return float((1 - np.diag(self.whole)).sum())

    def means(self, columns: NDArray[np.float32], permuted: Floats) -> Floats:
        """Return the coefficients of y and of (cells, draws) ``permuted``, (columns, 1 + draws)."""
        drawn = (columns.T @ permuted.astype(np.float32)) * self.scale[:, None]
        return np.asarray(self.whole @ np.column_stack([self.seen, drawn]))

    def covariance(self, rows: NDArray[np.intp]) -> Floats:
        """Return the covariance of some coefficients."""
        return np.asarray(self.whole[rows[:, None], rows])


@dataclass(frozen=True, slots=True, eq=False)
class _InCells:
    """The same of a type of few cells: with 1 + A A' = L L' of the whitened columns A, half = L⁻¹ A."""

    y: Floats
    factor: Floats
    half: Floats

    @property
    def freedom(self) -> float:
        """Degrees of freedom taken up."""
        return float((self.half**2).sum())

    def means(self, columns: NDArray[np.float32], permuted: Floats) -> Floats:
        """Return the coefficients of y and of (cells, draws) ``permuted``, (columns, 1 + draws)."""
        del columns
        return np.asarray(self.half.T @ solved(self.factor, np.column_stack([self.y, permuted.astype(np.float32)])))

    def covariance(self, rows: NDArray[np.intp]) -> Floats:
        """Return the covariance of some coefficients."""
        part = self.half[:, rows]
        return np.eye(len(rows), dtype=part.dtype) - part.T @ part


def _alone(part: TypeMoments, scale: NDArray[np.float32]) -> _InColumns | _InCells:
    """Set the regression of one type up on the side that is less work; ``scale`` is that of the prior, per noise."""
    if isinstance(part, Rows):
        if part.cells <= len(scale):
            white = part.columns * scale
            matrix = white @ white.T
            matrix.flat[:: len(matrix) + 1] += 1
            factor = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
            return _InCells(part.y, factor, solved(factor, white))
        part = part.summed()
    white = part.gram * scale * scale[:, None]
    white.flat[:: len(white) + 1] += 1
    return _InColumns(scale, part.cross * scale, symmetric_inverse(white))


def false_discovery_rates(probabilities: Floats) -> NDArray[np.float32]:
    """Return the Benjamini-Hochberg rates of an array of probabilities, in its shape."""
    flat = probabilities.ravel()
    order = np.argsort(flat)
    rates = flat[order] * len(flat) / np.arange(1, len(flat) + 1)
    result = np.empty(len(flat), dtype=np.float32)
    result[order] = np.minimum(np.minimum.accumulate(rates[::-1])[::-1], 1)
    return result.reshape(probabilities.shape)
