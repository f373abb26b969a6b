"""How well smooth coefficients predict cells that were not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from napari_tissue_dynamics.compute import one_blas_thread
from napari_tissue_dynamics.travlr.nets.initial_coefficients import r_squared
from napari_tissue_dynamics.travlr.smooth.hierarchy import lower_inverse
from napari_tissue_dynamics.travlr.smooth.model import posterior
from napari_tissue_dynamics.travlr.smooth.moments import products

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_tissue_dynamics.travlr.smooth.hierarchy import Influence
    from napari_tissue_dynamics.travlr.smooth.model import Layout, Posterior
    from napari_tissue_dynamics.travlr.smooth.moments import Moments

Floats = NDArray[np.float64]

FOLDS = 5
# Regions along each side of the tissue that are held out as a whole.
TILES = 5
# Cells of a fold, per column, up to which its residuals are had without another fit.
FEW = 1.5


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


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The coefficients of one gene and the cells that they were found in.

    Parameters
    ----------
    z, basis, y, codes
        As for :func:`~napari_tissue_dynamics.travlr.smooth.moments.moments`.
    data, layout, found
        Moments of the cells, layout of the columns, and the fit.
    """

    z: NDArray[np.float32]
    basis: NDArray[np.float32]
    y: Floats
    codes: NDArray[np.integer]
    data: Moments
    layout: Layout
    found: Posterior

    def left(self) -> Floats:
        """Return (cells,) what the coefficients leave of y."""
        return np.asarray(self.y - predictions(self.z, self.basis, self.codes, self.found.by_type))


def held_out_steps(
    fitted: Fitted, folds: Mapping[str, NDArray[np.intp]]
) -> Generator[float, None, dict[str, tuple[float, ...]]]:
    r"""Predict the cells of each fold from the others.

    The coefficients are refitted for every fold, the few variances are those of all cells. With these fixed, and
    :math:`A` the covariance of y before the data, noise and all, what the cells o of a fold leave once they are held
    out is :math:`\big[(A^{-1})_{oo}\big]^{-1} (A^{-1} y)_o`: no other fit is needed. Folds of many cells are taken out
    of the sums, and fitted again.

    Parameters
    ----------
    folds
        By name, the fold of each cell, (cells,).

    Yields
    ------
    Share of the work that is done.

    Returns
    -------
    By name the R² of each type.
    """
    largest = max((np.bincount(of).max() for of in folds.values()), default=0)
    cells = _AllCells.of(fitted) if largest <= FEW * len(fitted.found.columns) else None
    codes, scores = fitted.codes, {}
    for k, (name, of) in enumerate(folds.items()):
        left = fitted.y.astype(np.float64)
        for fold in range(FOLDS):
            out = np.flatnonzero((of == fold) & (codes >= 0))
            if len(out):
                left[out] = _left_by_fit(fitted, out) if cells is None else cells.left_without(out)
            yield (k + (fold + 1) / FOLDS) / len(folds)
        scores[name] = tuple(_score(fitted.y[codes == c], left[codes == c]) for c in range(len(fitted.data.types)))
    return scores


def _score(y: Floats, left: Floats) -> float:
    return r_squared(y, y - left) if len(y) else float("nan")


def _left_by_fit(fitted: Fitted, out: NDArray[np.intp]) -> Floats:
    """Fit the other cells; return what is left in the cells ``out``."""
    z, basis, y, codes = fitted.z, fitted.basis, fitted.y, fitted.codes
    gone = np.zeros(len(y), dtype=np.bool_)
    gone[out] = True
    others = posterior(fitted.data.without(gone, z, basis, y, codes), fitted.layout, fitted.found.variances)
    return np.asarray(y[out] - predictions(z[out], basis[out], codes[out], others.by_type))


@dataclass(frozen=True, slots=True, eq=False)
class _AllCells:
    """The inverse of the covariance of y, whitened by the noise: a block by type, less ``shared`` ``shared``'."""

    shared: NDArray[np.floating]  # (cells, columns)
    types: list[Influence]
    codes: NDArray[np.integer]
    place: NDArray[np.intp]  # (cells,) of each cell among those of its type
    noise: Floats  # (cells,) its deviation
    weighted: Floats  # (cells,) the inverse times y, which is what the fit leaves

    @classmethod
    @one_blas_thread()
    def of(cls, fitted: Fitted) -> _AllCells:
        """Return that of all cells."""
        codes, noise = fitted.codes, np.sqrt(fitted.found.variances.noise)
        reduced, prior = fitted.found.reduced, fitted.found.reduced.prior
        root = lower_inverse(reduced.root)
        shared = np.zeros((len(codes), len(prior.columns)), dtype=np.float32)
        types, place = [], np.zeros(len(codes), dtype=np.intp)
        for c, block in enumerate(reduced.blocks):
            rows = np.flatnonzero(codes == c)
            place[rows] = np.arange(len(rows))
            columns = products(fitted.z[rows], fitted.basis[rows])[:, prior.columns]
            columns *= prior.scale / np.float32(noise[c])
            types.append(block.influence(root, columns))
            shared[rows] = types[-1].shared
        of_cell = np.where(codes >= 0, noise[codes], 1.0)
        return cls(shared, types, codes, place, of_cell, fitted.left() / of_cell)

    @one_blas_thread()
    def left_without(self, out: NDArray[np.intp]) -> Floats:
        """Return what the other cells leave in the cells ``out``."""
        part = self.shared[out]
        matrix = -(part @ part.T)
        for c, influence in enumerate(self.types):
            here = np.flatnonzero(self.codes[out] == c)
            matrix[here[:, None], here] += influence.own(self.place[out[here]])
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        return np.asarray(self.noise[out] * cho_solve(factor, self.weighted[out], check_finite=False))


def predictions(
    z: NDArray[np.float32], basis: NDArray[np.float32], codes: NDArray[np.integer], weights: NDArray[np.floating]
) -> Floats:
    """Return (cells,) predictions of (types, modulators, functions) ``weights``; 0 for cells without a type."""
    result = np.zeros(len(codes))
    for c in range(len(weights)):
        rows = codes == c
        result[rows] = ((basis[rows] @ weights[c].T.astype(np.float32)) * z[rows]).sum(axis=1)
    return result
