"""One loop for all phases of both stages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from napari_tissue_dynamics.compute import seeded_initialisation, torch_generator
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.steer.attention import SparseRows
from napari_tissue_dynamics.steer.journey import STOPPED
from napari_tissue_dynamics.steer.losses import LOSSES, Problem, State, Trends, nearest
from napari_tissue_dynamics.steer.module import Encoding, SteerNetwork

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import Progress
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.steer.journey import Journey
    from napari_tissue_dynamics.steer.preprocessing import Prepared
    from napari_tissue_dynamics.steer.schedule import Phase

CLIP = 10.0
WEIGHT_DECAY = 1e-2
LOWEST_RATE = 1e-5
FIRST_RESTART = 50
REFRESH = 10
BLOCK = 1024


class Stage:
    """A network, its data and its optimiser.

    Parameters
    ----------
    prepared
        What the network sees.
    n_experts
        Number of experts of the gate.
    config
        Settings of the fit.
    device
        Where to compute.
    clusters, prior
        (cells,) fine cluster and (clusters, genes) regulation prior; given in the second stage, which has
        experts.
    """

    def __init__(
        self,
        prepared: Prepared,
        n_experts: int,
        config: SteerConfig,
        device: torch.device,
        *,
        clusters: NDArray[np.integer] | None = None,
        prior: NDArray[np.integer] | None = None,
    ) -> None:
        self.problem = pose(prepared, config, device, clusters)
        self.prior = None if prior is None else torch.tensor(prior, dtype=torch.float32, device=device)
        with seeded_initialisation(config.seed):
            self.network = SteerNetwork(
                len(prepared.genes),
                n_experts,
                hidden=config.hidden_size,
                latent=config.latent_size,
                expert_size=None if prior is None else config.expert_size,
                regulation=self.prior,
            ).to(device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.learning_rate,
            weight_decay=WEIGHT_DECAY,
            fused=device.type in ("cpu", "cuda"),
        )
        self.batch = config.velocity_batch
        self.draw = torch_generator(config.seed)
        self.dropout = torch_generator(config.seed, device)
        self._similar: SparseRows | None = None
        self._age = 0

    def step(self, phase: Phase) -> Generator[None, None, float]:
        """Train one epoch and return its loss; each yield is a place where the epoch can be given up."""
        self.network.train()
        self.optimizer.zero_grad()
        state = self._look(phase)
        yield
        terms = [weight * LOSSES[name](state, self.problem) for name, weight in phase.weights.items()]
        loss = torch.stack(terms).sum()
        yield
        loss.backward()
        yield
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimizer.step()
        return float(loss.detach())

    @torch.no_grad()
    def encoding(self) -> Encoding:
        """Return what the trained network says about all cells."""
        self.network.eval()
        return self.network(self.problem.x, self.problem.incoming)

    @torch.no_grad()
    def rates(self, encoding: Encoding) -> Tensor:
        """Return the rates of all cells, (cells, genes, 3), computed in blocks of cells."""
        self.network.eval()
        columns = (encoding.z, encoding.time, encoding.gate)
        blocks = zip(*(column.split(BLOCK) for column in columns), strict=True)
        return torch.cat([self.network.rates(*block) for block in blocks])

    def _look(self, phase: Phase) -> State:
        encoding = self.network(self.problem.x, self.problem.incoming)
        similar = self._neighbors(encoding.z.detach()) if phase.uses_neighbors else None
        if not phase.uses_experts:
            return State(encoding, similar, self.prior)
        cells = self._cells()
        parts = (encoding.z[cells], encoding.time[cells], encoding.gate[cells])
        rates = self.network.rates(*parts, self.dropout)
        return State(encoding, similar, self.network.regulation, cells, rates)

    def _cells(self) -> Tensor:
        n = len(self.problem.x)
        cells = torch.arange(n)
        if 0 < self.batch < n:
            cells = torch.randperm(n, generator=self.draw)[: self.batch]
        return cells.to(self.problem.x.device)

    def _neighbors(self, z: Tensor) -> SparseRows:
        """Return neighbors in the latent representation, at most ``REFRESH`` epochs old."""
        if self._similar is None or self._age >= REFRESH:
            self._similar = rows_of_equal_length(nearest(z, self.problem.neighbors))
            self._age = 0
        self._age += 1
        return self._similar


def pose(
    prepared: Prepared, config: SteerConfig, device: torch.device, clusters: NDArray[np.integer] | None = None
) -> Problem:
    """Return the constants of one stage as tensors on ``device``."""
    graph = prepared.graph
    x = torch.from_numpy(np.hstack([prepared.u, prepared.s])).to(device)
    incoming, outgoing = graph.T.tocsr(), graph.tocsr()
    incoming.sort_indices()
    degree = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    rows = np.repeat(np.arange(len(degree)), np.diff(outgoing.indptr))
    weights = 1 / np.sqrt(degree[rows] * degree[outgoing.indices])
    problem = Problem(
        x,
        SparseRows.of(incoming, device),
        SparseRows.of(outgoing, device),
        torch.from_numpy(weights.astype(np.float32)).to(device),
        min(config.loss_neighbors, len(x) - 1),
    )
    if clusters is None:
        return problem
    arrays = {"unspliced": (problem.u,), "spliced": (problem.s,), "both": (problem.u, problem.s)}
    trends = Trends.of(memberships(clusters, device), arrays[config.time_from])
    return Problem(problem.x, problem.incoming, problem.outgoing, problem.cut_weights, problem.neighbors, trends)


def memberships(clusters: NDArray[np.integer], device: torch.device | str = "cpu") -> SparseRows:
    """Return one row per cluster with its cells as columns."""
    n = len(clusters)
    table = sparse.csr_array((np.ones(n, np.float32), (clusters, np.arange(n))))
    return SparseRows.of(table, device)


def rows_of_equal_length(columns: Tensor) -> SparseRows:
    """Return the rows of a table (rows, k) of column numbers."""
    n, k = columns.shape
    flat = columns.reshape(-1)
    rows = torch.arange(n, device=flat.device).repeat_interleave(k)
    order = torch.argsort(flat, stable=True)
    turned = torch.zeros(n + 1, dtype=torch.long, device=flat.device)
    turned[1:] = torch.cumsum(torch.bincount(flat, minlength=n), 0)
    return SparseRows(torch.arange(0, n * k + 1, k, device=flat.device), flat, rows, turned, rows[order], order)


def train(
    stage: Stage, phases: Sequence[Phase], config: SteerConfig, journey: Journey
) -> Generator[Progress, None, bool]:
    """Go through the phases; the stage is then in its best state.

    Returns
    -------
    True if the fit was stopped after it had velocities.

    Raises
    ------
    FitError
        If it was stopped earlier, or the loss is not a finite number.
    """
    for phase in phases:
        if (yield from _train_phase(stage, phase, config, journey)):
            return True
    return False


def _train_phase(stage: Stage, phase: Phase, config: SteerConfig, journey: Journey) -> Generator[Progress, None, bool]:
    keeper = Keeper(stage.network, config)
    rates = _restarts(stage.optimizer) if phase.restarts else None
    loss = None
    for epoch in range(phase.epochs):
        yield from _report(journey, phase, epoch, loss)
        loss = yield from _epoch(stage, phase, journey, epoch, loss)
        if loss is None:
            break
        if not math.isfinite(loss):
            raise FitError(
                f"The loss is not a finite number in {phase.name}, epoch {epoch + 1}. "
                f"Try a learning rate below {config.learning_rate:g}."
            )
        if rates is not None:
            rates.step()
            if keeper.enough(loss):
                break
    if loss is None and not phase.uses_experts:
        raise FitError(STOPPED)
    keeper.restore()
    return loss is None


def _epoch(
    stage: Stage, phase: Phase, journey: Journey, epoch: int, last: float | None
) -> Generator[Progress, None, float | None]:
    """Train one epoch; return its loss, or None if the fit is to stop."""
    parts = stage.step(phase)
    while not journey.stopped:
        try:
            next(parts)
        except StopIteration as end:
            loss: float = end.value
            return loss
        yield from _report(journey, phase, epoch, last)
    return None


def _report(journey: Journey, phase: Phase, epoch: int, loss: float | None) -> Generator[Progress, None, None]:
    if journey.due():
        yield journey.at(phase.name, epoch, phase.epochs, loss)


def _restarts(optimizer: torch.optim.Optimizer) -> CosineAnnealingWarmRestarts:
    return CosineAnnealingWarmRestarts(optimizer, T_0=FIRST_RESTART, T_mult=2, eta_min=LOWEST_RATE)


class Keeper:
    """Remembers the best state of a network and when it was reached."""

    def __init__(self, network: nn.Module, config: SteerConfig) -> None:
        self._network = network
        self._config = config
        self._best = math.inf
        self._waited = 0
        self._state: dict[str, Tensor] | None = None

    def enough(self, loss: float) -> bool:
        """Take note of the loss of an epoch; return True if it has not improved for too long."""
        if loss < self._best - self._config.min_improvement:
            self._best, self._waited = loss, 0
            self._state = {name: value.detach().clone() for name, value in self._network.state_dict().items()}
            return False
        self._waited += 1
        return self._waited >= self._config.patience

    def restore(self) -> None:
        """Give the network its best state back, if one was noted."""
        if self._state is not None:
            self._network.load_state_dict(self._state)
