"""How well smooth coefficients predict cells that were not seen, and which of them the data support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from napari_tissue_dynamics.compute import one_blas_thread
from napari_tissue_dynamics.travlr.seeds import r_squared
from napari_tissue_dynamics.travlr.smooth_model import coefficients, moments, prior_variances, symmetric_inverse

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_tissue_dynamics.travlr.smooth_model import Layout, Moments, Posterior

Floats = NDArray[np.float64]

FOLDS = 5
# Cells that a type needs for a test.
FEWEST_CELLS = 10
# Pieces of tissue along each side that are held out as a whole.
TILES = 5


def random_folds(n_cells: int, seed: int) -> NDArray[np.intp]:
    """Return the fold of each cell, (cells,), drawn at random."""
    order = np.random.default_rng(seed).permutation(n_cells)
    folds = np.empty(n_cells, dtype=np.intp)
    folds[order] = np.arange(n_cells) % FOLDS
    return folds


def blocked_folds(positions: Floats, seed: int) -> NDArray[np.intp]:
    """Return the fold of each cell, (cells,), alike for all cells of a tile.

    Parameters
    ----------
    positions
        (cells, 2 or 3); tiles hold equally many cells along x, and within those along y.
    seed
        Of which tiles go together.
    """
    columns = _equal_parts(positions[:, 0], TILES)
    tiles = np.empty(len(positions), dtype=np.intp)
    for column in range(TILES):
        rows = np.flatnonzero(columns == column)
        tiles[rows] = column * TILES + _equal_parts(positions[rows, 1], TILES)
    return np.random.default_rng(seed).permutation(TILES * TILES)[tiles] % FOLDS


def _equal_parts(values: Floats, parts: int) -> NDArray[np.intp]:
    ranks = np.empty(len(values), dtype=np.intp)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * parts // max(len(values), 1)


def held_out_steps(
    z: NDArray[np.float32],
    basis: NDArray[np.float32],
    y: Floats,
    codes: NDArray[np.integer],
    folds: NDArray[np.intp],
    fitted: tuple[Moments, Layout, Posterior],
) -> Generator[float, None, tuple[float, ...]]:
    """Predict the cells of each fold from the others.

    The coefficients are found anew for every fold, the few variances are those of all cells.

    Parameters
    ----------
    z, basis, y, codes
        As for :func:`~napari_tissue_dynamics.travlr.smooth_model.moments`.
    folds
        (cells,).
    fitted
        Moments of all cells, their layout, and what was found.

    Yields
    ------
    Share of the work that is done.

    Returns
    -------
    R² of each type.
    """
    data, layout, found = fitted
    predicted = np.zeros(len(y))
    for fold in range(FOLDS):
        out = np.flatnonzero(folds == fold)
        part = moments(z[out], basis[out], y[out], codes[out], len(data.cells))
        weights = coefficients(data.without(part), layout, found.variances)
        predicted[out] = predictions(z[out], basis[out], codes[out], weights)
        yield (fold + 1) / FOLDS
    return tuple(
        r_squared(y[codes == c], predicted[codes == c]) if np.any(codes == c) else float("nan")
        for c in range(len(data.cells))
    )


def predictions(
    z: NDArray[np.float32], basis: NDArray[np.float32], codes: NDArray[np.integer], weights: NDArray[np.floating]
) -> Floats:
    """Return (cells,) predictions of (types, modulators, functions) ``weights``; 0 for cells without a type."""
    result = np.zeros(len(codes))
    for c in range(len(weights)):
        rows = codes == c
        result[rows] = ((basis[rows] @ weights[c].T.astype(np.float32)) * z[rows]).sum(axis=1)
    return result


def coefficient_covariance(found: Posterior, layout: Layout, basis: NDArray[np.float32], c: int) -> Floats:
    """Return the (modulators, modulators) covariance of the coefficients of type ``c``, averaged over its cells.

    Parameters
    ----------
    found, layout
        What was found, and the arrangement of its columns.
    basis
        (cells of the type, functions).
    c
        Number of the type.
    """
    products = (basis.T @ basis).astype(np.float64) / max(len(basis), 1)
    modulator, function = np.divmod(found.columns, layout.functions)
    weighted = found.covariance[c] * products[function[:, None], function]
    inside = np.zeros((layout.modulators, len(found.columns)))
    inside[modulator, np.arange(len(found.columns))] = 1
    return np.asarray(inside @ weighted @ inside.T)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The cells of one type for a test by permutation.

    Parameters
    ----------
    columns
        (cells, active columns) products of modulators and functions.
    residual
        (cells,) what is left of y.
    draws
        Number of permutations.
    """

    columns: NDArray[np.float32]
    residual: Floats
    draws: int


@one_blas_thread()
def null_probabilities(
    data: Moments, layout: Layout, found: Posterior, c: int, sample: Sample, rng: np.random.Generator
) -> Floats:
    r"""Return how likely each modulator of type ``c`` would seem as strong by chance.

    The statistic of a modulator is that of its coefficients in a regression of this type alone, with the variances
    found as prior: :math:`u_k^T Q_{kk}^{-1} u_k` with the mean :math:`u` and the covariance :math:`Q`; what other
    modulators explain is thus taken out. Under the null it is computed from residuals permuted among the cells of
    the type (ter Braak 1992), and its tail is that of the gamma distribution with the mean and the variance of the
    permutations.

    Parameters
    ----------
    data, layout, found
        Moments of all cells, their layout, and what was found.
    c
        Number of the type.
    sample
        The cells of the type, their columns in the order of ``found.columns``.
    rng
        Random numbers.

    Returns
    -------
    (modulators,) probabilities; 1 where a modulator has no coefficients, and in types of fewer than ten cells.
    """
    if len(sample.residual) < FEWEST_CELLS:
        return np.ones(layout.modulators)
    active = found.columns
    modulator = active // layout.functions
    common, own = prior_variances(layout, found.variances)
    noise = np.float32(found.variances.noise[c])
    scale = np.sqrt((common + own)[active]).astype(np.float32)
    white = data.gram[c][active[:, None], active] / noise * scale * scale[:, None]
    white.flat[:: len(active) + 1] += 1
    covariance = symmetric_inverse(white)
    freedom = float((1 - np.diag(covariance)).sum())
    cells = len(sample.residual)
    inflated = sample.residual * np.sqrt(cells / max(cells - freedom, 1.0))
    permuted = np.stack([rng.permutation(inflated) for _ in range(sample.draws)], axis=1)
    seen = np.column_stack([data.cross[c][active], sample.columns.T @ permuted]) * (scale / noise)[:, None]
    means = covariance @ seen
    result = np.ones(layout.modulators)
    for k in np.unique(modulator):
        rows = np.flatnonzero(modulator == k)
        block = covariance[rows[:, None], rows]
        statistic = (means[rows] * np.linalg.solve(block, means[rows])).sum(axis=0)
        chance = statistic[1:]
        mean, spread = float(chance.mean()), float(chance.var())
        if spread > 0:
            result[k] = gammaincc(mean**2 / spread, float(statistic[0]) * mean / spread)
    return result


def false_discovery_rates(probabilities: Floats) -> NDArray[np.float32]:
    """Return the Benjamini-Hochberg rates of an array of probabilities, in its shape."""
    flat = probabilities.ravel()
    order = np.argsort(flat)
    rates = flat[order] * len(flat) / np.arange(1, len(flat) + 1)
    result = np.empty(len(flat), dtype=np.float32)
    result[order] = np.minimum(np.minimum.accumulate(rates[::-1])[::-1], 1)
    return result.reshape(probabilities.shape)
