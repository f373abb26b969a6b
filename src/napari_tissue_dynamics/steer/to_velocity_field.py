"""Output of a trained network as a velocity field."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.steer.module import Encoding, SteerNetwork, velocity
from napari_tissue_dynamics.steer.velocity_loss import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.kinetics.foundation import Foundation
    from napari_tissue_dynamics.steer.losses import Problem
    from napari_tissue_dynamics.steer.preprocessing import Prepared, Scale

BLOCK = 1024
MOST_WEIGHT = 5.0


@torch.no_grad()
def encode(network: SteerNetwork, problem: Problem) -> Encoding:
    """Return the output of the network for all cells, with the running means of its training; it is not changed.

    Nothing is reconstructed. The cells may be on another device than the network.
    """
    network.eval()
    z, _ = network.encode(problem.x, problem.incoming.to(network.latent_weight.device))
    return Encoding(z, *network.heads(z))


def read_out(
    network: SteerNetwork,
    problem: Problem,
    seen: Prepared,
    scale: Scale,
    *,
    time_range: tuple[float, float] | None = None,
    weight: NDArray[np.float32] | None = None,
    stopped: bool = False,
) -> VelocityField:
    """Return the velocity field of the present state; nothing is changed in it.

    Parameters
    ----------
    network
        The network, on the device of ``problem``.
    problem, seen
        The cells, as tensors and as arrays.
    scale
        What the moments were divided by; velocities are given in the unit of the moments.
    time_range
        Times that become 0 and 1; the smallest and the largest of these cells if None.
    weight
        (genes,) how much each gene counts, in the improved profile.
    stopped
        Whether the fit was stopped early.

    Returns
    -------
    The field. Rates and velocities of the improved profile are per unit of latent time; in the faithful one a velocity
    has length one in the phase plane of its gene. The regulation state is None if the cells are not those of the
    training, whose clusters have it.
    """
    encoding = encode(network, problem)
    alpha, beta, gamma, unspliced, spliced = _kinetics(network, encoding, problem, scale)
    regulation = None
    if network.regulation is not None and problem.cluster is not None:
        regulation = _array(network.regulation)[problem.cluster.cpu().numpy()]
    return VelocityField(
        genes=seen.genes,
        unspliced=unspliced,
        spliced=spliced,
        moments_unspliced=seen.unspliced,
        moments_spliced=seen.spliced,
        time=_stretched(_array(encoding.time), time_range),
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        expert_probability=_array(encoding.gate),
        regulation=regulation,
        embedding=_array(encoding.z),
        gene_weight=None if weight is None else np.minimum(weight, MOST_WEIGHT),
        model="STEER",
        stopped=stopped,
    )


def over_clock(field: VelocityField, founded: Foundation, kept: NDArray[np.integer]) -> VelocityField:
    """Return what a network found around a clock, with time, velocity and regimes of the clock.

    Rates are those of the regime of a cell, times how far those of the network differ from their mean in the regime;
    the difference of each gene is shrunk to the share that lowers the squares of the steps between neighboring cells
    most, 0 to 1.

    Parameters
    ----------
    field
        What the network says of the kept genes.
    founded
        The clock.
    kept
        (G,) columns of these genes among those of the clock.
    """
    clock, seen = founded.clock, founded.seen.of_genes(kept)
    share = clock.of_genes(kept)
    beta, gamma = share.beta[clock.regime], share.gamma[clock.regime]
    apart_beta, apart_gamma = (_apart(rate, clock.regime) for rate in (field.beta, field.gamma))
    extra = (beta * apart_beta * seen.unspliced - gamma * apart_gamma * seen.spliced).astype(np.float32)
    wanted = share.wanted_share(extra, seen)
    change = (clock.change @ seen.smooth_unspliced.coefficients).astype(np.float32)
    rates = [
        np.asarray(rate * (1 + wanted * apart), dtype=np.float32)
        for rate, apart in ((beta, apart_beta), (gamma, apart_gamma))
    ]
    fine = founded.fine.of_genes(kept)
    alpha = np.maximum(change + rates[0] * fine.unspliced, 0)
    return replace(
        field,
        spliced=share.velocity(seen),
        unspliced=alpha - rates[0] * fine.unspliced,
        moments_unspliced=fine.unspliced,
        moments_spliced=fine.spliced,
        time=clock.shared.time.astype(np.float32),
        alpha=alpha,
        beta=rates[0],
        gamma=rates[1],
        expert_probability=field.expert_probability if clock.probability is None else clock.probability,
        gene_table={"fit_agreement": share.agreement.astype(np.float32)},
        evidence=founded.evidence,
    )


def _apart(rate: NDArray[np.float32] | None, regime: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return by which share the rates of a cell differ from the mean of its regime, (n, G)."""
    assert rate is not None  # a network has rates
    result = np.zeros(rate.shape)
    for code in np.unique(regime):
        cells = regime == code
        mean = rate[cells].mean(axis=0)
        result[cells] = np.divide(rate[cells], mean, out=np.ones_like(rate[cells]), where=mean > 0) - 1
    return result


@torch.no_grad()
def _kinetics(
    network: SteerNetwork, encoding: Encoding, problem: Problem, scale: Scale
) -> tuple[NDArray[np.float32], ...]:
    """Return the three rates and the change of unspliced and of spliced RNA, (cells, genes) each.

    Blocks of cells are written to where they stay; no array is larger than one of the results.
    """
    network.eval()
    calibrated = network.units is not None
    device = encoding.z.device
    ratio = torch.from_numpy(scale.ratio).to(device) if calibrated else None
    results = tuple(np.empty(problem.u.shape, dtype=np.float32) for _ in range(5))
    for start in range(0, len(encoding.z), BLOCK):
        cells = slice(start, start + BLOCK)
        rates = network.rates(encoding.z[cells], encoding.time[cells], encoding.gate[cells])
        change = velocity(rates, problem.u[cells].to(device), problem.s[cells].to(device), ratio=ratio)
        if not calibrated:
            change = unit(change)  # as published: only the direction of the rates is known
        for result, part in zip(results, (*rates.unbind(-1), *change), strict=True):
            result[cells] = part.cpu().numpy()
        results[3][cells] *= scale.unspliced
        results[4][cells] *= scale.spliced
        if calibrated:
            results[0][cells] *= scale.unspliced
    return results


def range_of(time: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest time."""
    return float(time.min()), float(time.max())


def _stretched(time: NDArray[np.float32], limits: tuple[float, float] | None) -> NDArray[np.float32]:
    """Return the time from 0 to 1; all zeros if every cell has the same."""
    low, high = (time.min(), time.max()) if limits is None else (np.float32(limit) for limit in limits)
    return np.clip((time - low) / ((high - low) or np.float32(1)), 0, 1)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
