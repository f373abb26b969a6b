"""Fit STEER: from the counts of a tissue to a velocity field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.compute import pick_device
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.experts_number import expert_number
from napari_tissue_dynamics.steer.journey import Journey
from napari_tissue_dynamics.steer.module import velocity
from napari_tissue_dynamics.steer.preprocessing import prepare, select_genes
from napari_tissue_dynamics.steer.prior import curvature_prior, expert_clusters, fine_clusters, gene_entropy
from napari_tissue_dynamics.steer.schedule import Phase, first_stage, second_stage
from napari_tissue_dynamics.steer.stages import Stage, train
from napari_tissue_dynamics.steer.velocity_loss import unit

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Progress, StopToken
    from napari_tissue_dynamics.steer.preprocessing import Prepared


def fit(tissue: Tissue, config: SteerConfig = SteerConfig()) -> VelocityField:
    """Fit STEER and return the velocity field; see :func:`fit_steps`."""
    return run_to_end(fit_steps(tissue, config))


def fit_steps(
    tissue: Tissue, config: SteerConfig = SteerConfig(), stop: StopToken | None = None
) -> Generator[Progress, None, VelocityField]:
    """Fit STEER, reporting several times a second (Liu et al. 2026, doi:10.1093/nsr/nwag199).

    A graph-attention auto-encoder finds groups of cells; the curvature of the phase portraits inside the groups
    says which genes are going up or down; a second auto-encoder then learns a latent time, experts and rates.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts. Positions are used where they are places in a tissue.
    config
        Settings; the defaults are the fast profile.
    stop
        Looked at in every step.

    Returns
    -------
    The velocity field. The neighbors of the smoothness loss are renewed every ten epochs, not every one.
    ``stopped`` is True if it is the best state of a fit that was stopped while it trained velocities.

    Raises
    ------
    DataError
        If the counts are missing or unusable.
    FitError
        If the fit was stopped before it had velocities, or the loss was not finite.
    """
    device = pick_device(config.device)
    journey = Journey(_costs(config), stop)
    genes = yield from journey.wait("genes", lambda: select_genes(tissue, config))
    seen = yield from journey.wait("neighbors", lambda: prepare(tissue, config, genes))
    n_experts = config.n_experts or (
        yield from journey.wait(
            "number of experts", lambda: expert_number(seen.components, seed=config.seed).recommended
        )
    )
    first = Stage(seen, n_experts, config, device)
    yield from train(first, first_stage(config), config, journey)
    z = first.encoding().z.cpu().numpy()
    del first
    fine, experts = yield from journey.wait("groups of cells", lambda: _groups(z, n_experts, config))
    keep = yield from journey.wait("informative genes", lambda: _informative(seen, experts, config))
    label = yield from journey.wait("curvature", lambda: curvature_prior(seen.u[:, keep], seen.s[:, keep], fine).label)
    if len(keep) < len(seen.genes):
        seen = yield from journey.wait("neighbors (stage 2)", lambda: prepare(tissue, config, genes[keep]))
    second = Stage(seen, n_experts, config, device, clusters=fine, prior=label)
    phases = second_stage(config)
    ended = yield from train(second, phases, config, journey)
    yield journey.at(phases[-1].name, 1, 1)
    return _read_out(second, seen, stopped=ended)


def _costs(config: SteerConfig) -> dict[str, float]:
    """Return what the parts of a fit cost, an epoch of the first phase being 1."""

    def epochs(phases: Sequence[Phase]) -> dict[str, float]:
        return {phase.name: phase.epochs * phase.cost for phase in phases}

    return {
        "genes": 1.0,
        "neighbors": 10.0,
        "number of experts": 40.0,
        **epochs(first_stage(config)),
        "groups of cells": 30.0,
        "informative genes": 2.0,
        "curvature": 30.0,
        "neighbors (stage 2)": 10.0,
        **epochs(second_stage(config)),
    }


def _groups(z: NDArray[np.float32], n_experts: int, config: SteerConfig) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the fine cluster, numbered without gaps, and the expert cluster of every cell."""
    experts = expert_clusters(z, n_experts, config.seed)
    fine = fine_clusters(z, experts, config.fine_cluster_size, config.seed)
    return np.unique(fine, return_inverse=True)[1], experts


def _informative(seen: Prepared, experts: NDArray[np.int32], config: SteerConfig) -> NDArray[np.intp]:
    """Return the genes whose place in the phase plane says most about the group of a cell."""
    if len(seen.genes) <= config.keep_genes:
        return np.arange(len(seen.genes))
    entropy = np.nan_to_num(gene_entropy(seen.u, seen.s, experts), nan=np.inf)
    return np.sort(np.argsort(entropy, kind="stable")[: config.keep_genes])


def _read_out(stage: Stage, seen: Prepared, *, stopped: bool) -> VelocityField:
    problem, network = stage.problem, stage.network
    encoding = stage.encoding()
    rates = stage.rates(encoding)
    direction = unit(velocity(rates, problem.u, problem.s))
    alpha, beta, gamma = (_array(part) for part in rates.unbind(-1))
    assert network.regulation is not None
    assert problem.trends is not None
    return VelocityField(
        genes=seen.genes,
        unspliced=_array(direction[0]) * seen.unspliced.max(axis=0),
        spliced=_array(direction[1]) * seen.spliced.max(axis=0),
        moments_unspliced=seen.unspliced,
        moments_spliced=seen.spliced,
        time=_stretched(_array(encoding.time)),
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        expert_probability=_array(encoding.gate),
        regulation=_array(network.regulation[problem.trends.cluster]),
        embedding=_array(encoding.z),
        model="STEER",
        stopped=stopped,
    )


def _stretched(time: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the time from 0 to 1; all zeros if every cell has the same."""
    time = time - time.min()
    return time / (time.max() or 1)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
