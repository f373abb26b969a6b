"""One function per loss term, and the table of the terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_tissue_dynamics.steer.attention import SparseRows, edge_products, weighted_sum
from napari_tissue_dynamics.steer.module import Encoding, velocity
from napari_tissue_dynamics.steer.velocity_loss import find_aims, unit, velocity_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_tissue_dynamics.steer.prior.kinetic_prior import Known

TINY = 1e-15
NEAR_ZERO = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Trends:
    """What the time of each fine cluster is compared with; constants of the data.

    Parameters
    ----------
    members
        One row per cluster, its columns are the cells.
    cluster
        (cells,) cluster of every cell.
    sizes
        (clusters,) number of cells.
    centred
        (cells, genes) arrays, unspliced or spliced or both, minus the mean of the cluster.
    squares
        (clusters, genes) sums of squares of each array.
    """

    members: SparseRows
    cluster: Tensor
    sizes: Tensor
    centred: tuple[Tensor, ...]
    squares: tuple[Tensor, ...]

    @classmethod
    def of(cls, members: SparseRows, arrays: tuple[Tensor, ...]) -> Trends:
        """Centre the ``arrays`` (cells, genes) inside the clusters ``members``."""
        cluster = members.turned_columns
        sizes = members.starts.diff().to(arrays[0].dtype)
        ones = torch.ones(len(cluster), dtype=arrays[0].dtype, device=cluster.device)
        means = [weighted_sum(members, ones, y) / sizes[:, None] for y in arrays]
        centred = tuple(y - mean[cluster] for y, mean in zip(arrays, means, strict=True))
        squares = tuple(weighted_sum(members, ones, y.square()) for y in centred)
        return cls(members, cluster, sizes, centred, squares)


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """Prior of the cells from the splicing equation, before the network is trained.

    Parameters
    ----------
    time
        (cells,) latent time in [0, 1].
    gate
        (cells, experts) probability of each kinetic regime.
    ratio
        (genes,) what u was divided by over what s was divided by.
    """

    time: Tensor
    gate: Tensor
    ratio: Tensor

    @classmethod
    def of(cls, known: Known, device: torch.device) -> Anchors:
        """Return the prior on ``device``."""
        arrays = (known.time, known.probability, known.ratio)
        return cls(*(torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in arrays))

    def part(self, cells: Tensor, device: torch.device) -> Anchors:
        """Return those of some cells, on ``device``."""
        return Anchors(self.time[cells].to(device), self.gate[cells].to(device), self.ratio.to(device))


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The constants of one stage.

    Parameters
    ----------
    x
        (cells, 2 genes) scaled moments, unspliced first.
    incoming, outgoing
        The graph by receiving and by sending cell.
    cut_weights
        (edges,) symmetric-normalized edge weights in the order of ``outgoing``.
    neighbors
        Number of neighbors of the smoothness term and weight of the structure term.
    cluster
        (cells,) fine cluster of every cell, where the network has a regulation state.
    trends
        What the time is compared with in the fine clusters, in the second stage of the faithful profile only.
    anchors
        Prior of time and regimes (improved profile only).
    """

    x: Tensor
    incoming: SparseRows
    outgoing: SparseRows
    cut_weights: Tensor
    neighbors: int
    cluster: Tensor | None = None
    trends: Trends | None = None
    anchors: Anchors | None = None

    @property
    def ratio(self) -> Tensor | None:
        """(genes,) what u was divided by over what s was divided by, None where rates take no note of it."""
        return None if self.anchors is None else self.anchors.ratio

    def part(self, cells: Tensor, device: torch.device) -> Problem:
        """Return the problem of some cells (ascending) and the edges among them, on ``device``; without clusters."""
        outgoing, edges = self.outgoing.within(cells)
        outgoing = outgoing.to(device)
        anchors = None if self.anchors is None else self.anchors.part(cells, device)
        weights = self.cut_weights[edges].to(device)
        return Problem(self.x[cells].to(device), outgoing.turned(), outgoing, weights, self.neighbors, anchors=anchors)

    @property
    def u(self) -> Tensor:
        """(cells, genes) scaled unspliced moments."""
        return self.x[:, : self.x.shape[1] // 2]

    @property
    def s(self) -> Tensor:
        """(cells, genes) scaled spliced moments."""
        return self.x[:, self.x.shape[1] // 2 :]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Output of the network in one epoch.

    Parameters
    ----------
    encoding
        Heads of all cells.
    similar
        Nearest neighbors in the latent representation, the same number for every cell.
    regulation
        (clusters, genes) regulation state in use.
    cells, rates
        The cells of this velocity step (batch,) and their rates (batch, genes, 3).
    """

    encoding: Encoding
    similar: SparseRows | None = None
    regulation: Tensor | None = None
    cells: Tensor | None = None
    rates: Tensor | None = None


def reconstruction_loss(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Return the mean squared error of the auto-encoder."""
    return _MeanSquare.apply(reconstruction - x)


def structure_loss(z: Tensor, graph: SparseRows) -> Tensor:
    r"""Return how little neighbors resemble each other: the mean of :math:`-\log \sigma(z_i \cdot z_j)` over edges."""
    return -torch.log(torch.sigmoid(edge_products(graph, z, z)) + TINY).mean()


def min_cut_loss(gate: Tensor, graph: SparseRows, weights: Tensor) -> Tensor:
    r"""Return the relaxed normalized cut of the gate, and how far it is from balanced and orthogonal.

    .. math::
        1 - \frac{\mathrm{tr}(C^\top \tilde A C)}{\mathrm{tr}(C^\top \tilde D C)}
        + \left\| \frac{C^\top C}{\|C^\top C\|} - \frac{I}{\sqrt K} \right\|

    summed over the edges (Bianchi et al. 2020).

    Shapes
    ------
    ``gate`` (cells, K), ``weights`` (edges,) in the order of ``graph``.
    """
    cut, orthogonality = min_cut_terms(gate, graph, weights)
    return cut + orthogonality + 1


def min_cut_terms(gate: Tensor, graph: SparseRows, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cut, -1 for clusters without an edge between them, and the deviation from orthogonality."""
    degree = weighted_sum(graph, weights, torch.ones_like(gate[:, :1]))
    inside = (gate * weighted_sum(graph, weights, gate)).sum()
    cut = -inside / ((degree * gate.square()).sum() + TINY)
    overlap = gate.T @ gate
    identity = torch.eye(gate.shape[1], dtype=gate.dtype, device=gate.device)
    return cut, torch.linalg.norm(overlap / torch.linalg.norm(overlap) - identity / gate.shape[1] ** 0.5)


def time_order_loss(time: Tensor, regulation: Tensor, trends: Trends) -> Tensor:
    r"""Return how badly genes rise and fall with time where the regulation state says they do.

    .. math::
        L = \mathrm{mean}_c\; 1 - \langle r_c / \|r_c\|, \rho_c \rangle / \sqrt G

    with the correlation :math:`\rho_{cg}` of time and RNA over the cells of cluster c. It is the only term in
    which the direction of time matters. Clusters of one cell are excluded.

    Shapes
    ------
    ``time`` (cells,), ``regulation`` (clusters, genes).
    """
    total = torch.zeros_like(trends.sizes).index_add(0, trends.cluster, time)
    centred = time - (total / trends.sizes)[trends.cluster]
    spread = torch.zeros_like(trends.sizes).index_add(0, trends.cluster, centred.square())
    state = functional.normalize(regulation, dim=1)
    valid = trends.sizes >= 2
    losses = []
    for y, squares in zip(trends.centred, trends.squares, strict=True):
        shared = weighted_sum(trends.members, centred[trends.members.columns], y)  # (clusters, genes)
        correlation = shared / torch.sqrt(spread[:, None] * squares + NEAR_ZERO)
        agreement = (state * correlation).sum(1) / state.shape[1] ** 0.5
        losses.append((1 - agreement)[valid].mean())
    return torch.stack(losses).mean()


def smoothness_loss(z: Tensor, time: Tensor, similar: SparseRows) -> Tensor:
    r"""Return how much the time differs between neighbors in the latent representation.

    .. math::
        \mathrm{mean}_{ij}\; p_{ij} \log(p_{ij} / q_{ij}), \quad
        p_{ij} \propto e^{-\|z_i - z_j\|^2 / 2\sigma^2}, \quad q_{ij} \propto 1 / (1 + (t_i - t_j)^2)

    with half the mean distance as the one global :math:`\sigma`; p and q sum to one over the neighbors of a
    cell.

    Shapes
    ------
    ``similar`` has the same number of neighbors in each row.
    """
    length = z.square().sum(1)
    square = length[similar.rows] + length[similar.columns] - 2 * edge_products(similar, z, z)
    distance = square.clamp(min=NEAR_ZERO).sqrt()
    width = distance.mean() / 2
    p = _shares(torch.exp(-distance.square() / (2 * width.square())), similar)
    q = _shares(1 / (1 + (time[similar.rows] - time[similar.columns]).square()), similar)
    return (p * (torch.log(p + NEAR_ZERO) - torch.log(q + NEAR_ZERO))).mean()


def cross_entropy(gate: Tensor, probability: Tensor) -> Tensor:
    r"""Return the cross-entropy :math:`-\mathrm{mean}_i \sum_k p_{ik} \log C_{ik}` of (cells, experts), in nats."""
    return -(probability * torch.log(gate + NEAR_ZERO)).sum(1).mean()


class _MeanSquare(torch.autograd.Function):
    """The mean of squares, through memory once in each direction."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        flat = values.reshape(-1)
        return torch.dot(flat, flat) / max(len(flat), 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        slope: Tensor = values * (gradient * (2 / max(values.numel(), 1)))
        return slope


def _shares(values: Tensor, similar: SparseRows) -> Tensor:
    table = values.reshape(similar.n_rows, -1)
    return table / (table.sum(1, keepdim=True) + NEAR_ZERO)


def _reconstruction(state: State, problem: Problem) -> Tensor:
    assert state.encoding.reconstruction is not None
    return reconstruction_loss(state.encoding.reconstruction, problem.x)


def _structure(state: State, problem: Problem) -> Tensor:
    return problem.neighbors * structure_loss(state.encoding.z, problem.outgoing)


def _min_cut(state: State, problem: Problem) -> Tensor:
    return min_cut_loss(state.encoding.gate, problem.outgoing, problem.cut_weights)


def _time_order(state: State, problem: Problem) -> Tensor:
    assert state.regulation is not None
    assert problem.trends is not None
    return time_order_loss(state.encoding.time, state.regulation, problem.trends)


def _smoothness(state: State, problem: Problem) -> Tensor:
    assert state.similar is not None
    return smoothness_loss(state.encoding.z, state.encoding.time, state.similar)


def _velocity(state: State, problem: Problem) -> Tensor:
    return _directed(state, problem, None)


def _forced_velocity(state: State, problem: Problem) -> Tensor:
    assert state.regulation is not None
    assert problem.trends is not None
    on = (state.regulation.detach() > 0).to(problem.x.dtype)
    return _directed(state, problem, on[problem.trends.cluster[state.cells]])


def _directed(state: State, problem: Problem, alpha: Tensor | None) -> Tensor:
    assert state.cells is not None
    assert state.rates is not None
    u, s = problem.u[state.cells], problem.s[state.cells]
    direction = unit(velocity(state.rates, u, s, alpha=alpha, ratio=problem.ratio))
    time = state.encoding.time.detach()
    return velocity_loss(direction, find_aims(direction, state.cells, time, problem.x, problem.outgoing))


def _time_anchor(state: State, problem: Problem) -> Tensor:
    assert problem.anchors is not None
    return functional.mse_loss(state.encoding.time, problem.anchors.time)


def _gate_anchor(state: State, problem: Problem) -> Tensor:
    assert problem.anchors is not None
    return cross_entropy(state.encoding.gate, problem.anchors.gate)


LOSSES: Mapping[str, Callable[[State, Problem], Tensor]] = {
    "reconstruction": _reconstruction,
    "structure": _structure,
    "min_cut": _min_cut,
    "time_order": _time_order,
    "smoothness": _smoothness,
    "forced_velocity": _forced_velocity,
    "velocity": _velocity,
    "time_anchor": _time_anchor,
    "gate_anchor": _gate_anchor,
}
