"""Fit one gene with coefficients that vary smoothly: the fast estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_tissue_dynamics.data.beta_factors import BetaFactors
from napari_tissue_dynamics.data.regulation_field import GeneFit
from napari_tissue_dynamics.progress import Progress, timed
from napari_tissue_dynamics.travlr.nets.initial_coefficients import r_squared
from napari_tissue_dynamics.travlr.smooth.basis import SmoothBasis
from napari_tissue_dynamics.travlr.smooth.held_out import Fitted, blocked_folds, held_out_steps, random_folds
from napari_tissue_dynamics.travlr.smooth.model import Layout, learn_steps
from napari_tissue_dynamics.travlr.smooth.moments import moments, products
from napari_tissue_dynamics.travlr.smooth.quality import (
    Sample,
    coefficient_covariances,
    false_discovery_rates,
    null_probabilities,
)
from napari_tissue_dynamics.travlr.smooth.screen import screened_steps

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Design

Floats = NDArray[np.float64]
Found = TypeVar("Found")

# Half waves along the longest side of the tissue by number of cells, when none are given.
WAVES = ((2500, 4), (15000, 6), (np.inf, 8))
WAVES_3D = ((2500, 3), (15000, 4), (np.inf, 5))
# Numbers of (cells, modulators) held at once.
CHUNK = 2**23
# Half waves that the deviation of a type may have, how many functions all types together (the more types there are,
# the fewer cells each has), and how many columns these make with all modulators, which is what a fit costs.
TYPE_WAVES = 4
TYPE_FUNCTIONS = 90
TYPE_COLUMNS = 2200
# Shares of the whole fit of a gene that are done when its modulators are chosen, its coefficients found, and the
# cells held out.
CHOSEN, LEARNED, HELD_OUT = 0.1, 0.6, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class SmoothPlace:
    """The smooth functions at the cells of one tissue, the same for all genes.

    Parameters
    ----------
    wave_numbers
        (functions,) half waves along the longest side.
    values
        (cells, functions) float32.
    codes
        (cells,) type of each cell, -1 for none.
    folds
        By name (``random``, ``blocked``), the fold of each cell.
    """

    wave_numbers: Floats
    values: NDArray[np.float32]
    codes: NDArray[np.int32]
    clusters: tuple[str, ...]
    folds: Mapping[str, NDArray[np.intp]]

    @classmethod
    def of(
        cls, positions: Floats, codes: NDArray[np.int32], clusters: tuple[str, ...], config: TravlrConfig
    ) -> SmoothPlace:
        """Return the functions over (cells, 2 or 3) positions."""
        by_size = WAVES if positions.shape[1] == 2 else WAVES_3D
        waves = config.waves or next(waves for most, waves in by_size if len(positions) < most)
        basis = SmoothBasis.over(positions, waves)
        folds = {
            "random": random_folds(len(positions), config.seed),
            "blocked": blocked_folds(positions, config.seed),
        }
        return cls(basis.wave_numbers, basis.values(positions), codes, clusters, folds)

    def layout(self, modulators: int) -> Layout:
        """Return how the columns of a gene are arranged; the intercept counts as a modulator."""
        types, broad = len(self.clusters), 0
        for waves in range(TYPE_WAVES + 1):
            functions = int((self.wave_numbers <= waves + 1e-9).sum())
            affordable = types * functions <= min(TYPE_FUNCTIONS, TYPE_COLUMNS / modulators)
            if types > 1 and (waves == 0 or affordable):
                broad = functions
        return Layout(modulators, len(self.wave_numbers), broad, self.wave_numbers)


@dataclass(frozen=True, slots=True, eq=False)
class _Scaled:
    """Columns centered in each type and divided by their spread."""

    z: NDArray[np.float32]  # (cells, 1 + modulators), the first column 1
    y: Floats  # (cells,) centered in each type
    centers: Floats  # (types, modulators)
    spread: Floats  # (modulators,)
    y_centers: Floats  # (types,)

    @classmethod
    def of(cls, x: NDArray[np.float32], y: NDArray[np.float32], codes: NDArray[np.int32], types: int) -> _Scaled:
        centers, y_centers = np.zeros((types, x.shape[1])), np.zeros(types)
        z, centered = np.ones((len(y), 1 + x.shape[1]), dtype=np.float32), np.zeros(len(y))
        z[codes < 0] = 0
        for c in range(types):
            rows = np.flatnonzero(codes == c)
            centers[c], y_centers[c] = x[rows].mean(axis=0, dtype=np.float64), y[rows].mean(dtype=np.float64)
            z[rows, 1:], centered[rows] = x[rows] - centers[c], y[rows] - y_centers[c]
        typed = max(int((codes >= 0).sum()), 1)
        spread = np.sqrt((z[:, 1:].astype(np.float64) ** 2).sum(axis=0) / typed)
        spread[spread == 0] = 1.0
        z[:, 1:] /= spread.astype(np.float32)
        return cls(z, centered, centers, spread, y_centers)

    def only(self, chosen: NDArray[np.intp]) -> _Scaled:
        """Return the same of some modulators."""
        z = self.z[:, np.concatenate([[0], 1 + chosen])]
        return _Scaled(z, self.y, self.centers[:, chosen], self.spread[chosen], self.y_centers)

    def contrast(self, c: int) -> Floats:
        """Return what turns coefficients of the centered columns of type ``c`` into those of the columns themselves.

        (1 + modulators, 1 + modulators).
        """
        result = np.diag(np.concatenate([[1.0], 1 / self.spread]))
        result[0, 1:] = -self.centers[c] / self.spread
        return result


def smooth_gene_steps(
    target: str, design: Design, place: SmoothPlace, config: TravlrConfig, stop: StopToken | None = None
) -> Generator[Progress, None, GeneFit | None]:
    """Fit one gene in all cell types together; None when stopped.

    See :mod:`napari_tissue_dynamics.travlr.smooth.model` for the model. Of more than ``config.max_modulators``
    modulators only the most promising are fitted; the others have coefficients of 0. A type whose R² stays below
    ``config.score_threshold``, or whose R² in held-out cells is below 0, keeps its mean and no coefficients.

    Yields
    ------
    Progress, a few times a second, its ``fraction`` that of this gene alone.
    """
    codes, basis = place.codes, place.values
    if not np.ptp(design.y[codes >= 0]):
        return _means_only(target, design, place)
    every = _Scaled.of(design.x, design.y, codes, len(place.clusters))
    choosing = screened_steps(every.z, basis, every.y, codes, place.wave_numbers, config.max_modulators)
    chosen = yield from timed(choosing, f"{target}: modulators", stop, (0.0, CHOSEN))
    if chosen is None:
        return None
    scaled, layout = every.only(chosen), place.layout(1 + len(chosen))
    data = moments(scaled.z, basis, scaled.y, codes, len(place.clusters), layout.broad)
    found = yield from timed(learn_steps(data, layout), f"{target}: coefficients", stop, (CHOSEN, LEARNED))
    if found is None:
        return None
    cells = Fitted(scaled.z, basis, scaled.y, codes, data, layout, found)
    checking = held_out_steps(cells, place.folds if config.held_out else {})
    held_out = yield from timed(checking, f"{target}: held-out cells", stop, (LEARNED, HELD_OUT))
    if held_out is None:
        return None
    fitted = _Judged(scaled, place, cells)
    phase = f"{target}: significance of the modulators"
    tested = yield from timed(fitted.tested_steps(config), phase, stop, (HELD_OUT, 1.0))
    if tested is None:
        return None
    kept = _worth_keeping(fitted.r2, held_out.get("random", ()), config.score_threshold)
    return _gene_fit(target, design, fitted, chosen, kept, held_out, tested if config.permutations else None)


def _worth_keeping(r2: tuple[float, ...], held_out: tuple[float, ...], threshold: float) -> NDArray[np.bool_]:
    """Return which types keep their coefficients.

    The threshold is one of the training R², as in the original. Many modulators reach it with nothing behind them, so
    that coefficients must also predict held-out cells no worse than their mean does, where that was looked
    at; a threshold below 0 lowers this bar too, so that everything can be seen.
    """
    kept = np.array(r2) >= threshold
    if held_out:
        kept &= ~(np.array(held_out) < min(0.0, threshold))
    return kept


def _means_only(target: str, design: Design, place: SmoothPlace) -> GeneFit:
    """Return the fit of a gene that is the same in all cells: there is nothing to explain."""
    types, columns = len(place.clusters), 1 + len(design.names)
    weights = np.zeros((types, place.values.shape[1], columns), dtype=np.float32)
    weights[:, 0, 0] = design.y[place.codes >= 0][:1]
    factors = BetaFactors(place.values, place.codes, weights, np.ones((types, columns), dtype=np.float32))
    nothing = (0.0,) * types
    return GeneFit(target, design.names, factors, place.clusters, fit_r2=nothing, effects=(0.0,) * len(design.names))


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """The coefficients of centered columns, and what is needed to judge them."""

    scaled: _Scaled
    place: SmoothPlace
    cells: Fitted

    @property
    def r2(self) -> tuple[float, ...]:
        """R² of each type."""
        left, y, codes = self.cells.left(), self.scaled.y, self.place.codes
        types = range(len(self.place.clusters))
        return tuple(r_squared(y[codes == c], (y - left)[codes == c]) for c in types)

    def weights(self, c: int) -> Floats:
        """Return the (functions, 1 + modulators) weights of type ``c`` for the columns as they are."""
        result = self.cells.found.by_type[c].T @ self.scaled.contrast(c).T
        result[0, 0] += self.scaled.y_centers[c]
        return np.asarray(result)

    def deviations(self) -> Floats:
        """Return the (types, 1 + modulators) standard deviations of the coefficients."""
        cells, result = self.cells, []
        covariances = coefficient_covariances(cells.found, cells.layout, cells.basis, cells.codes)
        for c, covariance in enumerate(covariances):
            contrast = self.scaled.contrast(c)
            result.append(np.sqrt(np.maximum(np.diag(contrast @ covariance @ contrast.T), 0)))
        return np.array(result)

    def tested_steps(self, config: TravlrConfig) -> Generator[float, None, Floats]:
        """Return the (types, modulators) probabilities that a modulator seems so strong by chance."""
        cells, found, layout = self.cells, self.cells.found, self.cells.layout
        result = np.ones((len(self.place.clusters), layout.modulators - 1))
        left, rng = cells.left(), np.random.default_rng(config.seed)
        for c in range(len(result) if config.permutations else 0):
            rows = np.flatnonzero(self.place.codes == c)
            columns = products(self.scaled.z[rows], self.place.values[rows])[:, found.columns]
            sample = Sample(columns, left[rows], config.permutations)
            result[c] = null_probabilities(cells.data.types[c], layout, found, c, sample, rng)[1:]
            yield (c + 1) / len(result)
        return result


def _gene_fit(
    target: str,
    design: Design,
    fitted: _Judged,
    chosen: NDArray[np.intp],
    kept: NDArray[np.bool_],
    held_out: Mapping[str, tuple[float, ...]],
    tested: Floats | None,
) -> GeneFit:
    place, types, columns = fitted.place, len(fitted.place.clusters), 1 + len(design.names)
    weights, deviations = np.zeros((types, fitted.cells.layout.functions, columns)), np.zeros((types, columns))
    probabilities = np.ones((types, len(design.names)))
    where = np.concatenate([[0], 1 + chosen])
    weights[:, 0, 0] = fitted.scaled.y_centers
    spread = fitted.deviations()
    for c in np.flatnonzero(kept).tolist():
        weights[c][:, where] = fitted.weights(c)
        deviations[c, where] = spread[c]
        if tested is not None:
            probabilities[c, chosen] = tested[c]
    factors = BetaFactors(
        basis=place.values,
        codes=place.codes,
        weights=weights.astype(np.float32),
        anchors=np.ones((types, columns), dtype=np.float32),
    )
    return GeneFit(
        target,
        design.names,
        factors,
        place.clusters,
        fit_r2=tuple(r2 if keep else 0.0 for r2, keep in zip(fitted.r2, kept, strict=True)),
        effects=effects_of(factors, design.x),
        held_out_r2=held_out.get("random", ()),
        blocked_r2=held_out.get("blocked", ()),
        deviations=deviations.astype(np.float32),
        false_discovery=None if tested is None else false_discovery_rates(probabilities),
    )


def effects_of(factors: BetaFactors, x: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the standard deviation over cells of what each column of (cells, modulators) ``x`` adds."""
    total, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for rows in np.array_split(np.arange(len(x)), max(1, x.size // CHUNK)):
        added = (factors.values(slice(1, None), rows) * x[rows]).astype(np.float64)
        total += added.sum(axis=0)
        squares += (added**2).sum(axis=0)
    return tuple(np.sqrt(np.maximum(squares / len(x) - (total / len(x)) ** 2, 0)).tolist())
