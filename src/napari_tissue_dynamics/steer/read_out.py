"""What a trained network says about cells, as a velocity field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.steer.module import Encoding, SteerNetwork, velocity
from napari_tissue_dynamics.steer.velocity_loss import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.steer.known import Known
    from napari_tissue_dynamics.steer.losses import Problem
    from napari_tissue_dynamics.steer.preprocessing import Prepared, Scale

BLOCK = 1024
MOST_WEIGHT = 5.0


@torch.no_grad()
def encode(network: SteerNetwork, problem: Problem) -> Encoding:
    """Return what the network says about all cells, with the running means of its training; it stays as it is."""
    network.eval()
    return network(problem.x, problem.incoming)


@torch.no_grad()
def rates_of(network: SteerNetwork, encoding: Encoding) -> Tensor:
    """Return the rates of all cells, (cells, genes, 3), computed in blocks of cells."""
    network.eval()
    columns = (encoding.z, encoding.time, encoding.gate)
    blocks = zip(*(column.split(BLOCK) for column in columns), strict=True)
    return torch.cat([network.rates(*block) for block in blocks])


def read_out(
    network: SteerNetwork,
    problem: Problem,
    seen: Prepared,
    scale: Scale,
    *,
    time_range: tuple[float, float] | None = None,
    known: Known | None = None,
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
        Times that become 0 and 1; the smallest and the largest of these cells when left out.
    known
        What the training was done around, in the improved profile.
    stopped
        Whether the fit was stopped early.

    Returns
    -------
    The field. Rates and velocities of the improved profile are per unit of latent time; in the faithful one a velocity
    has length one in the phase plane of its gene. The regulation state is None if the cells are not those of the
    training, whose clusters have it.
    """
    encoding = encode(network, problem)
    rates = rates_of(network, encoding)
    calibrated = network.units is not None
    if calibrated:
        change = velocity(rates, problem.u, problem.s, ratio=torch.from_numpy(scale.ratio).to(rates.device))
    else:
        change = unit(velocity(rates, problem.u, problem.s))  # as published: only the direction of the rates is known
    alpha, beta, gamma = (_array(part) for part in rates.unbind(-1))
    regulation = None
    if network.regulation is not None and problem.trends is not None:
        regulation = _array(network.regulation[problem.trends.cluster])
    return VelocityField(
        genes=seen.genes,
        unspliced=_array(change[0]) * scale.unspliced,
        spliced=_array(change[1]) * scale.spliced,
        moments_unspliced=seen.unspliced,
        moments_spliced=seen.spliced,
        time=_stretched(_array(encoding.time), time_range),
        alpha=alpha * scale.unspliced if calibrated else alpha,
        beta=beta,
        gamma=gamma,
        expert_probability=_array(encoding.gate),
        regulation=regulation,
        embedding=_array(encoding.z),
        gene_weight=None if known is None else np.minimum(known.weight, MOST_WEIGHT),
        time_spread=None if known is None else known.spread,
        model="STEER",
        stopped=stopped,
    )


def range_of(time: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest time."""
    return float(time.min()), float(time.max())


def _stretched(time: NDArray[np.float32], limits: tuple[float, float] | None) -> NDArray[np.float32]:
    """Return the time from 0 to 1; all zeros if every cell has the same."""
    low, high = (time.min(), time.max()) if limits is None else (np.float32(limit) for limit in limits)
    return np.clip((time - low) / ((high - low) or np.float32(1)), 0, 1)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
