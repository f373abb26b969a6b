"""Fit STEER: from the counts of a tissue to a velocity field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.compute import pick_device
from napari_tissue_dynamics.kinetics.evidence import evidence_of_time
from napari_tissue_dynamics.kinetics.foundation import foundation_steps
from napari_tissue_dynamics.kinetics.informative import fit_informative
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE, Origin
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.steer.checkpoint import Checkpoint
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.model_file import Model, save_model
from napari_tissue_dynamics.steer.overall_progress import Journey
from napari_tissue_dynamics.steer.preprocessing import Scale, prepare, select_genes
from napari_tissue_dynamics.steer.prior.curvature_prior import (
    curvature_prior,
    expert_clusters,
    fine_clusters,
    gene_entropy,
)
from napari_tissue_dynamics.steer.prior.kinetic_prior import Known, clock_settings, know
from napari_tissue_dynamics.steer.prior.n_experts import expert_number
from napari_tissue_dynamics.steer.schedule import Phase, first_stage, second_stage
from napari_tissue_dynamics.steer.to_velocity_field import encode, over_clock, range_of, read_out
from napari_tissue_dynamics.steer.training_loop import Stage, train

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.kinetics.foundation import Foundation
    from napari_tissue_dynamics.progress import Progress, StopToken
    from napari_tissue_dynamics.steer.preprocessing import Prepared


PREVIEW_VALUES = 50_000_000


def fit(tissue: Tissue, config: SteerConfig = SteerConfig()) -> VelocityField:
    """Fit STEER and return the velocity field; see :func:`fit_steps`."""
    return run_to_end(fit_steps(tissue, config))


def fit_steps(
    tissue: Tissue,
    config: SteerConfig = SteerConfig(),
    stop: StopToken | None = None,
    *,
    origin: Origin = ANYWHERE,
    checkpoint: Path | None = None,
    model: Path | None = None,
) -> Generator[Progress, None, VelocityField]:
    """Fit STEER, reporting several times a second (Liu et al. 2026, doi:10.1093/nsr/nwag199).

    In the improved profile one clock for all cells and the kinetic regimes are read from the splicing equation, as in
    the kinetic models (:mod:`..kinetics.foundation`); a graph-attention auto-encoder with a clock, a gate and an expert
    per regime is then trained around them. Velocity and time of the result are those of the clock, which training
    was seen to make worse; the network gives the embedding, and rates that differ from cell to cell where steps between
    cells bear them out. In the faithful profile a first
    auto-encoder finds groups of cells, the curvature of the phase portraits inside the groups says which genes are
    going up or down, and a second auto-encoder learns time, experts and rates from that.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts. Positions are used if they are spatial coordinates.
    config
        Settings; the defaults are the quick schedule.
    stop
        Looked at in every step.
    origin
        Where time begins, if that is known (improved profile).
    checkpoint
        File that the state of the training is written to every half minute and when the fit is stopped. If it is
        there, the fit goes on from it and ends with the result of a fit that was never interrupted; it is deleted
        when the fit is done.
    model
        File that the trained network is written to; see :func:`napari_tissue_dynamics.steer.model_file.apply_model`.

    Yields
    ------
    Progress. Once velocities are trained, some of it has the velocity field of the present state as ``snapshot``,
    unless cells x genes are more than fifty million.

    Returns
    -------
    The velocity field. ``stopped`` is True if it is the best state of a fit that was stopped while it trained
    velocities.

    Raises
    ------
    DataError
        If the counts are missing or unusable, or the checkpoint is of another fit.
    FitError
        If the fit was stopped before it had velocities, or the loss was not finite.
    """
    return (
        yield from fit_informative(
            tissue,
            lambda some, there: _fit_steps(some, config, stop, origin.among(there), checkpoint=checkpoint, model=model),
        )
    )


def _fit_steps(
    tissue: Tissue,
    config: SteerConfig,
    stop: StopToken | None,
    origin: Origin,
    *,
    checkpoint: Path | None,
    model: Path | None,
) -> Generator[Progress, None, VelocityField]:
    device = pick_device(config.device)
    journey = Journey(_costs(config), stop)
    state = yield from journey.wait("checkpoint", lambda: Checkpoint(checkpoint, tissue, config, device, origin))
    if config.faithful:
        plan = yield from _published(tissue, config, device, journey, state)
    else:
        plan = yield from _improved(tissue, config, device, journey, state, origin)
    second, scale = plan.stage, plan.scale.keep(plan.kept)

    def look(*, stopped: bool = False) -> VelocityField:
        return read_out(second.network, second.problem, plan.seen, scale, weight=plan.weight, stopped=stopped)

    def ended(*, stopped: bool) -> VelocityField:
        field = look(stopped=stopped)
        return field if plan.founded is None else over_clock(field, plan.founded, plan.kept)

    phases = second_stage(config)
    preview = look if second.problem.u.numel() <= PREVIEW_VALUES else None
    stopped = yield from train(second, phases, journey, state, preview)
    if model is not None:
        span = range_of(encode(second.network, second.problem).time)
        save_model(model, Model(second.network, plan.genes, plan.kept, plan.scale, span, config, plan.weight))
    if not stopped:
        state.remove()
    if stopped:
        return ended(stopped=True)
    field = yield from journey.wait("velocities", lambda: ended(stopped=False))
    if plan.founded is None:
        time = _time(field)
        evidence = yield from journey.wait(
            "velocities", lambda: evidence_of_time(tissue, time, field.expert, clock_settings(config))
        )
        field = replace(field, evidence=evidence)
    yield journey.at("velocities", 1, 1)
    return field


def _time(field: VelocityField) -> NDArray[np.float32]:
    assert field.time is not None  # every network has a clock
    return field.time


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What the last stage needs: its cells and network, and what is noted beside it.

    ``genes`` and ``scale`` are those of all genes considered, ``kept`` the columns of those in ``seen``.
    """

    seen: Prepared
    stage: Stage
    genes: tuple[str, ...]
    kept: NDArray[np.integer]
    scale: Scale
    weight: NDArray[np.float32] | None = None
    founded: Foundation | None = None


def _published(
    tissue: Tissue, config: SteerConfig, device: torch.device, journey: Journey, state: Checkpoint
) -> Generator[Progress, None, _Plan]:
    """Find the priors with a network of their own."""
    seen = None
    if "label" not in state.found:
        seen = yield from _first_stage(tissue, config, device, journey, state)
    found = state.found
    if seen is None or len(found["genes"]) < len(seen.genes):
        seen = yield from journey.wait("neighbors (stage 2)", lambda: prepare(tissue, config, found["genes"]))
    stage = Stage(seen, int(found["n_experts"]), config, device, clusters=found["clusters"], prior=found["label"])
    return _Plan(seen, stage, seen.genes, np.arange(len(seen.genes)), Scale.of(tissue, seen))


def _improved(
    tissue: Tissue, config: SteerConfig, device: torch.device, journey: Journey, state: Checkpoint, origin: Origin
) -> Generator[Progress, None, _Plan]:
    """Read time and regimes from the splicing equation."""
    found = state.found
    genes = yield from journey.wait("genes", lambda: select_genes(tissue, config))

    def see() -> tuple[Prepared, Scale]:
        seen = prepare(tissue, config, genes)
        return seen, Scale.of(tissue, seen)

    seen, scale = yield from journey.wait("neighbors", see)
    # Cheap against the training, so that it is read again where a fit is resumed.
    founded = yield from journey.part(
        "time and regimes", foundation_steps(tissue, clock_settings(config), origin, journey.token)
    )
    if "units" not in found:
        known, kept = yield from journey.wait("prior", lambda: know(founded, seen, scale, config))
        found.update(known.arrays(), kept=kept)
    known, names = Known.of(found), seen.genes
    seen = seen.keep(found["kept"])
    number = known.probability.shape[1]
    stage = Stage(seen, number, config, device, clusters=known.clusters, prior=known.trend, known=known)
    return _Plan(seen, stage, names, found["kept"], scale, known.weight, founded)


def _first_stage(
    tissue: Tissue, config: SteerConfig, device: torch.device, journey: Journey, state: Checkpoint
) -> Generator[Progress, None, Prepared]:
    """Find what the second stage is made from, and note it in ``state.found``: genes, experts, clusters, labels."""
    found = state.found
    genes = yield from journey.wait("genes", lambda: select_genes(tissue, config))
    seen = yield from journey.wait("neighbors", lambda: prepare(tissue, config, genes))
    if "n_experts" not in found:
        n_experts = config.n_experts
        if not n_experts:
            asked = yield from journey.wait(
                "number of experts", lambda: expert_number(seen.components, seed=config.seed, method="entropy")
            )
            n_experts = asked.recommended
        found["n_experts"] = np.array(n_experts)
    first = Stage(seen, int(found["n_experts"]), config, device)
    yield from train(first, first_stage(config), journey, state)
    z = encode(first.network, first.problem).z.cpu().numpy()
    del first
    fine, experts = yield from journey.wait("groups of cells", lambda: _groups(z, int(found["n_experts"]), config))
    keep = yield from journey.wait("informative genes", lambda: _informative(seen, experts, config))
    label = yield from journey.wait("curvature", lambda: curvature_prior(seen.u[:, keep], seen.s[:, keep], fine).label)
    found.update(genes=genes[keep], clusters=fine, label=label)
    return seen


def _costs(config: SteerConfig) -> dict[str, float]:
    """Return what the parts of a fit cost, an epoch of the first phase being 1."""

    def epochs(phases: Sequence[Phase]) -> dict[str, float]:
        return {phase.name: phase.epochs * phase.cost for phase in phases}

    if not config.faithful:
        return {
            "checkpoint": 0.0,
            "genes": 1.0,
            "neighbors": 10.0,
            "time and regimes": 30.0,
            "prior": 2.0,
            **epochs(second_stage(config)),
            "velocities": 5.0,
        }
    return {
        "checkpoint": 0.0,
        "genes": 1.0,
        "neighbors": 10.0,
        "number of experts": 40.0,
        **epochs(first_stage(config)),
        "groups of cells": 30.0,
        "informative genes": 2.0,
        "curvature": 30.0,
        "neighbors (stage 2)": 10.0,
        **epochs(second_stage(config)),
        "velocities": 5.0,
    }


def _groups(z: NDArray[np.float32], n_experts: int, config: SteerConfig) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the fine cluster, numbered without gaps, and the expert cluster of every cell."""
    experts = expert_clusters(z, n_experts, config.seed, z.shape[1])
    fine = fine_clusters(z, experts, config.fine_cluster_size, config.seed)
    return np.unique(fine, return_inverse=True)[1], experts


def _informative(seen: Prepared, experts: NDArray[np.int32], config: SteerConfig) -> NDArray[np.intp]:
    """Return the genes whose place in the phase plane says most about the group of a cell."""
    if len(seen.genes) <= config.keep_genes:
        return np.arange(len(seen.genes))
    entropy = np.nan_to_num(gene_entropy(seen.u, seen.s, experts), nan=np.inf)
    return np.sort(np.argsort(entropy, kind="stable")[: config.keep_genes])
