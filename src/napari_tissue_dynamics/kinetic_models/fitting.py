"""Fit a kinetic model: from the counts of a tissue to a velocity field."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_tissue_dynamics.compute import wait_for
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.kinetic_models import stochastic
from napari_tissue_dynamics.kinetic_models.backend import Backend
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.kinetic_models.dynamical import ExpectedSlope, fit_curves_steps, place_cells_steps
from napari_tissue_dynamics.kinetic_models.stochastic import second_moments
from napari_tissue_dynamics.kinetics.config import ClockConfig
from napari_tissue_dynamics.kinetics.foundation import STOPPED, foundation_steps
from napari_tissue_dynamics.kinetics.informative import fit_informative
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE, Origin
from napari_tissue_dynamics.kinetics.shared_time import slope_rate, step_sums
from napari_tissue_dynamics.progress import part_of, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetic_models.dynamical import CellPlaces, Curves
    from napari_tissue_dynamics.kinetics.clock import Clock
    from napari_tissue_dynamics.kinetics.foundation import Foundation
    from napari_tissue_dynamics.kinetics.phase_line import Line
    from napari_tissue_dynamics.kinetics.prepare import Seen
    from napari_tissue_dynamics.kinetics.shared_time import SharedTime
    from napari_tissue_dynamics.progress import Progress, StopToken

Result = TypeVar("Result")

NAMES = {"steady_state": "steady-state", "stochastic": "stochastic", "dynamical": "dynamical"}
# Where the parts of a fit end, as shares of the whole.
FOUNDED, CURVES, PLACED = 0.6, 0.85, 0.95
# Velocity genes of the steady-state and the stochastic model have at least this slope.
LEAST_SLOPE = 0.01
# Where no gene fits well enough, the best of them count.
BEST_SHARE = 0.2
# Total time of a gene where genes share none, as in scVelo.
TIME_OF_A_GENE = 20.0
# Standard deviation of the logarithm of the ratio of the rates, with and without an estimate from the shared time.
SPREAD_TOLD, SPREAD_GUESSED = 0.02, 0.3
# Above this number of values, gene times and states of the cells are not kept.
MOST_KEPT = 100_000_000
BLOCK = 4_000_000
TINY = 1e-12
ROUNDING = 1e-6


def fit(tissue: Tissue, config: KineticsConfig = KineticsConfig(), *, origin: Origin = ANYWHERE) -> VelocityField:
    """Fit a kinetic model and return the velocity field; see :func:`fit_steps`."""
    return run_to_end(fit_steps(tissue, config, origin=origin))


def fit_steps(
    tissue: Tissue,
    config: KineticsConfig = KineticsConfig(),
    stop: StopToken | None = None,
    *,
    origin: Origin = ANYWHERE,
) -> Generator[Progress, None, VelocityField]:
    """Fit a kinetic model, reporting several times a second.

    Moments are taken over similar cells (:mod:`.prepare`), the phase portrait of every gene gives the ratio of its
    rates (:mod:`..phase_line`, :mod:`.stochastic`), a clock that all genes share gives them one unit
    (:mod:`..clock`), the counts are asked whether they support its direction (:mod:`..evidence`), and in the dynamical
    model curves are fitted to the phase portraits (:mod:`.dynamical`).

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    config
        Settings.
    stop
        Looked at several times a second.
    origin
        Where time begins, if that is known.

    Yields
    ------
    Progress.

    Returns
    -------
    The velocity field. Velocities are per unit of the latent time in [0, 1], or in the units that
    :class:`KineticsConfig` defines if genes share no time. ``spliced`` is beta Mu - gamma Ms, less the offset if one
    is fitted; in the dynamical model it is taken from the clock, with rates of the regime of a cell. The steady-state
    and the stochastic model do not estimate transcription; there ``unspliced`` is the derivative of Mu along the
    latent time.

    Raises
    ------
    DataError
        If the counts are missing or unusable, or too few genes are left.
    FitError
        If the fit was stopped.
    """
    return (
        yield from fit_informative(
            tissue, lambda some, there: _fit_steps(some, config, stop, origin=origin.among(there))
        )
    )


def _fit_steps(
    tissue: Tissue, config: KineticsConfig, stop: StopToken | None, *, origin: Origin
) -> Generator[Progress, None, VelocityField]:
    backend = Backend.of(config.device)
    founded = yield from part_of(foundation_steps(tissue, ClockConfig.of(config), origin, stop), 0.0, FOUNDED)
    genes = tuple(tissue.genes[index] for index in founded.counts.genes)
    seen = founded.seen
    if config.model == "dynamical":
        seen = yield from _wait("moments", lambda: founded.fine, FOUNDED, stop)
        expected = _expected(founded.clock.shared, founded.line, config)
        fitted = fit_curves_steps(seen.unspliced, seen.spliced, expected, config, backend, stop)
        curves = yield from part_of(fitted, FOUNDED, CURVES)
        placed = place_cells_steps(seen.unspliced, seen.spliced, curves, backend, stop)
        places = yield from part_of(placed, CURVES, PLACED)
        made = partial(_of_curves, genes, founded, seen, curves, places, config=config)
    else:
        line, variance = yield from _wait("slopes", lambda: _slopes(founded, config), FOUNDED, stop)
        made = partial(_of_slopes, genes, founded, line, variance, config)
    field = yield from _wait("velocities", made, PLACED, stop)
    return replace(field, evidence=founded.evidence)


def _slopes(founded: Foundation, config: KineticsConfig) -> tuple[Line, NDArray[np.float32] | None]:
    """Return the lines through the phase portraits and, in the stochastic model, how the variance changes."""
    if config.model != "stochastic":
        return founded.line, None
    seen, settings = founded.seen, ClockConfig.of(config)
    second = second_moments(founded.counts, seen, settings)
    fitted = stochastic.fit_line(seen.unspliced, seen.spliced, second, settings)
    line = stochastic.keep_slopes(fitted, founded.line)
    return line, stochastic.variance_velocity(seen.unspliced, seen.spliced, second, line)


def _of_slopes(
    genes: tuple[str, ...],
    founded: Foundation,
    line: Line,
    variance: NDArray[np.float32] | None,
    config: KineticsConfig,
) -> VelocityField:
    """Return the velocities of the steady-state and the stochastic model."""
    seen, clock = founded.seen, founded.clock
    shared, beta = clock.shared, np.ones_like(line.slope)
    if config.shared_time:
        u, s = seen.smooth_unspliced.coefficients, seen.smooth_spliced.coefficients
        beta = slope_rate(step_sums(u, s, clock.pairs, shared.time), line.slope)
    change = clock.change / (1.0 if config.shared_time else shared.unit)
    field = _field(genes, seen, clock, beta, beta * line.slope, config, offset=beta * line.offset)
    return replace(
        field,
        unspliced=(change.astype(np.float32) @ seen.smooth_unspliced.coefficients.astype(np.float32)),
        variance=None if variance is None else variance * beta.astype(np.float32),
        velocity_genes=_enough((line.r2 >= config.min_r2) & (line.slope >= LEAST_SLOPE) & _counted(seen), line.r2),
        gene_table={
            "velocity_gamma": _single(line.slope),
            "velocity_offset": _single(line.offset),
            "velocity_r2": _single(line.r2),
            "fit_agreement": _single(shared.agreement),
        },
    )


def _of_curves(
    genes: tuple[str, ...],
    founded: Foundation,
    seen: Seen,
    curves: Curves,
    places: CellPlaces,
    *,
    config: KineticsConfig,
) -> VelocityField:
    """Return the velocities of the dynamical model, :meth:`.Clock.velocity` where genes share a time.

    One unit of the time of a curve is ``pace`` units less of the time of the result: rates are multiplied by it.
    """
    clock, shared = founded.clock, founded.clock.shared
    if config.shared_time:
        beta, gamma = shared.beta, shared.gamma
        degradation = np.where(gamma > 0, gamma, beta * curves.slope)
        pace = degradation / curves.ratio
        pace = np.where(pace > TINY, pace, np.median(pace[pace > TINY]) if (pace > TINY).any() else 1.0)
    else:
        pace = _total_time(curves, places) / TIME_OF_A_GENE
        beta, gamma = pace / curves.scaling, pace * curves.ratio
    field = _field(genes, seen, clock, beta, gamma, config)
    if config.shared_time:
        field = replace(field, spliced=clock.velocity(founded.seen))
        if clock.n_regimes > 1:
            of_cells = (_single(rate)[clock.regime] for rate in (clock.beta, clock.gamma))
            field = replace(field, beta=next(of_cells), gamma=next(of_cells))
    transcription = _single(curves.top * curves.slope * pace)
    kept = places.time.size <= MOST_KEPT
    alpha = places.induction * transcription
    return replace(
        field,
        unspliced=alpha - _single(pace) * seen.unspliced,
        alpha=alpha,
        regulation=2 * places.induction - 1 if kept else None,
        gene_time=places.time / _single(pace) if kept else None,
        velocity_genes=_enough(
            (places.likelihood >= config.min_likelihood) & (places.r2 >= config.min_r2) & _counted(seen),
            places.likelihood,
        ),
        gene_table={
            "fit_alpha": transcription / _single(curves.scaling),
            "fit_beta": _single(beta),
            "fit_gamma": _single(gamma),
            "fit_t_": _single(curves.switch / pace),
            "fit_scaling": _single(curves.scaling),
            "fit_std_u": _single(curves.std_u),
            "fit_std_s": _single(curves.std_s),
            "fit_likelihood": _single(places.likelihood),
            "fit_r2": _single(places.r2),
            "fit_agreement": _single(shared.agreement),
        },
    )


def _field(
    genes: tuple[str, ...],
    seen: Seen,
    clock: Clock,
    beta: NDArray[np.float64],
    gamma: NDArray[np.float64],
    config: KineticsConfig,
    *,
    offset: NDArray[np.float64] | None = None,
) -> VelocityField:
    """Return what all models have in common; the change of unspliced RNA is still to be given."""
    shape = seen.spliced.shape
    b, g, o = _single(beta), _single(gamma), np.float32(0) if offset is None else _single(offset)
    velocity = np.empty(shape, dtype=np.float32)
    rows = max(1, BLOCK // shape[1])
    for start in range(0, shape[0], rows):
        cells = slice(start, start + rows)
        velocity[cells] = b * seen.unspliced[cells] - g * seen.spliced[cells] - o
    weight = _single(clock.shared.agreement)
    return VelocityField(
        genes=genes,
        spliced=velocity,
        unspliced=velocity,
        moments_spliced=seen.spliced,
        moments_unspliced=seen.unspliced,
        time=_single(clock.shared.time),
        beta=np.broadcast_to(b, shape),
        gamma=np.broadcast_to(g, shape),
        expert_probability=clock.probability,
        gene_weight=weight if weight.any() else None,
        model=NAMES[config.model],
    )


def _expected(shared: SharedTime, line: Line, config: KineticsConfig) -> ExpectedSlope:
    """Return the ratio of the rates from the shared time; where it gives none or is not used, that of the line."""
    told = (shared.beta > 0) & (shared.gamma > 0) & config.shared_time
    ratio = np.where(told, shared.gamma / np.where(told, shared.beta, 1.0), line.slope)
    return ExpectedSlope(ratio, np.where(told, SPREAD_TOLD, SPREAD_GUESSED))


def _total_time(curves: Curves, places: CellPlaces) -> NDArray[np.float64]:
    """Return the time that the cells of every gene span in both phases, (G,), 1 where they span none."""
    at_the_end = curves.switch * (1 + ROUNDING)  # cells there are rounded to float32
    before = np.where(places.time <= at_the_end, places.time, 0).max(axis=0)
    after = np.maximum(places.time - curves.switch, 0).max(axis=0)
    total = (before + after).astype(np.float64)
    return np.where(total > TINY, total, 1.0)


def _enough(counts: NDArray[np.bool_], quality: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which genes count; the best of all if hardly any does."""
    if counts.sum() >= 2:
        return counts
    return quality >= np.quantile(quality, 1 - BEST_SHARE)


def _counted(seen: Seen) -> NDArray[np.bool_]:
    """Return which genes have both kinds of RNA, (G,)."""
    return (seen.spliced.max(axis=0) > 0) & (seen.unspliced.max(axis=0) > 0)


def _single(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _wait(
    phase: str, call: Callable[[], Result], fraction: float, stop: StopToken | None
) -> Generator[Progress, None, Result]:
    """Do one long call in a thread of its own; see :func:`.compute.wait_for`."""
    return (yield from wait_for(phase, call, fraction, stop, STOPPED))
