"""One loop for all phases of both stages."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from napari_tissue_dynamics.compute import seeded_initialisation, torch_generator, torch_threads_for
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.steer.attention import SparseRows
from napari_tissue_dynamics.steer.batches import Communities
from napari_tissue_dynamics.steer.best_state import Keeper
from napari_tissue_dynamics.steer.checkpoint import named
from napari_tissue_dynamics.steer.exact_knn import nearest
from napari_tissue_dynamics.steer.losses import LOSSES, Anchors, Problem, State, Trends
from napari_tissue_dynamics.steer.module import SteerNetwork
from napari_tissue_dynamics.steer.overall_progress import STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import Progress
    from napari_tissue_dynamics.steer.checkpoint import Checkpoint
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.steer.overall_progress import Journey
    from napari_tissue_dynamics.steer.preprocessing import Prepared
    from napari_tissue_dynamics.steer.prior.kinetic_prior import Known
    from napari_tissue_dynamics.steer.schedule import Phase

Mark: TypeAlias = "tuple[Tensor, Tensor, dict[str, Tensor]]"

CLIP = 10.0
WEIGHT_DECAY = 1e-2
LOWEST_RATE = 1e-5
FIRST_RESTART = 50
HIDDEN = 0.1
PUBLISHED_SEED = 618


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
    known
        Time, regimes and rates that the training starts from, in the improved profile.
    """

    def __init__(
        self,
        prepared: Prepared,
        n_experts: int,
        config: SteerConfig,
        device: torch.device,
        *,
        clusters: NDArray[np.integer] | None = None,
        prior: NDArray[np.number] | None = None,
        known: Known | None = None,
    ) -> None:
        self.config = config
        self.device = device
        self.communities = None
        if known is not None and 0 < config.cell_batch < len(prepared.x):
            self.communities = Communities.of(known.clusters, prepared.components, config.cell_batch, config.seed)
        # What is trained in batches need not fit an accelerator as a whole.
        home = device if self.communities is None else torch.device("cpu")
        self.problem = pose(prepared, config, home, clusters)
        if known is not None:
            self.problem = replace(self.problem, anchors=Anchors.of(known, home))
        self.prior = None if prior is None else torch.tensor(prior, dtype=torch.float32, device=device)
        seed = PUBLISHED_SEED if config.faithful else config.seed
        with seeded_initialisation(seed):
            self.network = SteerNetwork(
                len(prepared.genes),
                n_experts,
                hidden=config.hidden_size,
                latent=config.latent_size,
                expert_size=None if prior is None else config.published.expert_size,
                regulation=self.prior,
                units=None if known is None else torch.from_numpy(known.units),
            ).to(device)
        self.optimizer = optimizer_of(self.network, config)
        self.keeper = Keeper(self.network, config, 1 if self.communities is None else self.communities.batches)
        self.draw = torch_generator(seed)
        self.dropout = torch_generator(seed, device)

    def step(self, phase: Phase, epoch: int) -> Generator[None, None, float]:
        """Train one epoch and return its loss; each yield is a place where the epoch can be given up."""
        self.network.train()
        self.optimizer.zero_grad()
        problem = self._batch()
        state = self._look(phase, problem)
        yield
        terms = [weight * LOSSES[name](state, problem) for name, weight in phase.weights.items()]
        loss = torch.stack(terms).sum()
        yield
        loss.backward()
        yield
        self._move(step_length(epoch, self.config.learning_rate) if phase.restarts else self.config.learning_rate)
        return float(loss.detach())

    def mark(self) -> Mark:
        """Return what an epoch that is given up has changed already."""
        buffers = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        return self.draw.get_state(), self.dropout.get_state(), buffers

    def undo(self, mark: Mark) -> None:
        """Make as if an epoch that was given up had not begun."""
        draw, dropout, buffers = mark
        self.draw.set_state(draw)
        self.dropout.set_state(dropout)
        for name, buffer in self.network.named_buffers():
            buffer.copy_(buffers[name])

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return everything that training changes: tensors by name, and numbers."""
        moments = self.optimizer.state_dict()["state"].items()
        tensors = {
            **{f"network/{name}": value for name, value in self.network.state_dict().items()},
            **{f"best/{name}": value for name, value in self.keeper.state.items()},
            **{f"moments/{index}/{name}": value for index, own in moments for name, value in own.items()},
            "random/draw": self.draw.get_state(),
            "random/dropout": self.dropout.get_state(),
        }
        return tensors, {"best": self.keeper.best, "level": self.keeper.level, "waited": self.keeper.waited}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        """Resume from a :meth:`state`."""
        self.network.load_state_dict(named(tensors, "network/"))
        self.keeper.state = {name: value.to(self.device) for name, value in named(tensors, "best/").items()}
        self.keeper.best, self.keeper.waited = numbers["best"], int(numbers["waited"])
        self.keeper.level = numbers["level"]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in named(tensors, "moments/").items():
            index, kind = name.split("/")
            moments.setdefault(int(index), {})[kind] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.draw.set_state(tensors["random/draw"])
        self.dropout.set_state(tensors["random/dropout"])

    def _move(self, length: float) -> None:
        """Do a step of the optimizer.

        The published code has a regulation state per cell. The cells of a cluster have the same state and each an
        equal part of its gradient, which counts in the length of the whole gradient and beside the epsilon of Adam.
        """
        regulation, trends = self.network.regulation, self.problem.trends
        part = None
        if self.config.faithful and regulation is not None and regulation.grad is not None and trends is not None:
            part = trends.sizes.rsqrt()[:, None]
            regulation.grad.mul_(part)
        moved = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        nn.utils.clip_grad_norm_(moved, CLIP)
        if part is not None:
            regulation.grad.mul_(part)
        for group in self.optimizer.param_groups:
            group["lr"] = length
        self.optimizer.step()

    def _batch(self) -> Problem:
        """Return the problem of the cells of this epoch."""
        if self.communities is None:
            return self.problem
        return self.problem.part(self.communities.draw(self.draw), self.device)

    def _look(self, phase: Phase, problem: Problem) -> State:
        encoding = self.network(self._input(problem), problem.incoming)
        similar = None
        if phase.uses_neighbors:
            similar = rows_of_equal_length(nearest(encoding.z.detach(), problem.neighbors))
        if not phase.uses_experts:
            return State(encoding, similar, self.prior)
        cells = self._cells(problem)
        parts = (encoding.z[cells], encoding.time[cells], encoding.gate[cells])
        rates = self.network.rates(*parts, self.dropout)
        return State(encoding, similar, self.network.regulation, cells, rates)

    def _input(self, problem: Problem) -> Tensor:
        x = problem.x
        if not self.config.published.mask_train:
            return x
        return x * (torch.rand(x.shape, generator=self.dropout, device=x.device) >= HIDDEN)

    def _cells(self, problem: Problem) -> Tensor:
        n, batch = len(problem.x), self.config.velocity_batch
        cells = torch.arange(n)
        if 0 < batch < n:
            cells = torch.randperm(n, generator=self.draw)[:batch]
        return cells.to(self.device)


def optimizer_of(network: SteerNetwork, config: SteerConfig) -> torch.optim.Optimizer:
    """Return the optimizer; in the faithful profile it moves tied weights twice, one group after the other."""
    groups = [list(network.parameters())]
    if config.faithful:
        groups.append(list(network.move_twice()))
    fused = groups[0][0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(
        [{"params": group} for group in groups], lr=config.learning_rate, weight_decay=WEIGHT_DECAY, fused=fused
    )


def step_length(epoch: int, highest: float) -> float:
    r"""Return the step length of an epoch: a cosine that restarts after 50, 150, 350, 750 epochs and so on.

    .. math:: \eta = \eta_{min} + (\eta_{max} - \eta_{min}) (1 + \cos(\pi e / T)) / 2

    with the epoch e since the last restart and T twice as long after each (Loshchilov & Hutter 2017).
    """
    length = FIRST_RESTART
    while epoch >= length:
        epoch -= length
        length *= 2
    return LOWEST_RATE + (highest - LOWEST_RATE) * (1 + math.cos(math.pi * epoch / length)) / 2


def pose(
    prepared: Prepared, config: SteerConfig, device: torch.device, clusters: NDArray[np.integer] | None = None
) -> Problem:
    """Return the constants of one stage as tensors on ``device``."""
    graph = prepared.graph
    x = torch.from_numpy(prepared.x).to(device)
    outgoing = SparseRows.of(graph, device)
    degree = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    rows = np.repeat(np.arange(len(degree)), np.diff(graph.indptr))
    weights = 1 / np.sqrt(degree[rows] * degree[graph.indices])
    problem = Problem(
        x,
        outgoing.turned(),
        outgoing,
        torch.from_numpy(weights.astype(np.float32)).to(device),
        min(config.published.loss_neighbors, len(x) - 1),
        None if clusters is None else torch.from_numpy(np.asarray(clusters, dtype=np.int64)).to(device),
    )
    if clusters is None or not config.faithful:
        return problem
    arrays = {"unspliced": (problem.u,), "spliced": (problem.s,), "both": (problem.u, problem.s)}
    trends = Trends.of(memberships(clusters, device), arrays[config.published.time_from])
    return replace(problem, trends=trends)


def memberships(clusters: NDArray[np.integer], device: torch.device | str = "cpu") -> SparseRows:
    """Return one row per cluster with its cells as columns."""
    n = len(clusters)
    table = sparse.csr_array((np.ones(n, np.float32), (clusters, np.arange(n))))
    return SparseRows.of(table, device)


def rows_of_equal_length(columns: Tensor) -> SparseRows:
    """Return the rows of a table (rows, k) of column numbers."""
    n, k = columns.shape
    rows = torch.arange(n, device=columns.device).repeat_interleave(k)
    return SparseRows.of_entries(rows, columns.reshape(-1), n)


def train(
    stage: Stage,
    phases: Sequence[Phase],
    journey: Journey,
    checkpoint: Checkpoint,
    preview: Callable[[], object] | None = None,
) -> Generator[Progress, None, bool]:
    """Go through the phases, from where the checkpoint is; the stage is then in its best state.

    Parameters
    ----------
    stage
        What is trained.
    phases
        The phases of the stage.
    journey
        Where the reports come from.
    checkpoint
        Where the training goes on from and is written to.
    preview
        Gives a picture of the present state, for phases that train experts.

    Returns
    -------
    True if the fit was stopped after it had velocities.

    Raises
    ------
    FitError
        If it was stopped earlier, or the loss is not a finite number.
    """
    first, epoch, names = 0, 0, [phase.name for phase in phases]
    if found := checkpoint.resume(names):
        stage.load(found.tensors, found.numbers)
        first, epoch = names.index(found.phase), found.epoch
    for phase in phases[first:]:
        look = preview if phase.uses_experts else None
        if (yield from _train_phase(stage, phase, epoch, journey, checkpoint, look)):
            return True
        epoch = 0
    return False


def _train_phase(
    stage: Stage,
    phase: Phase,
    start: int,
    journey: Journey,
    checkpoint: Checkpoint,
    look: Callable[[], object] | None,
) -> Generator[Progress, None, bool]:
    loss = None
    for epoch in range(start, phase.epochs):
        if checkpoint.due():
            checkpoint.write(*stage.state(), phase=phase.name, epoch=epoch)
        yield from _report(journey, phase, epoch, loss, look)
        mark = stage.mark()
        loss = yield from _epoch(stage, phase, journey, epoch, loss)
        if loss is None:
            stage.undo(mark)
            checkpoint.write(*stage.state(), phase=phase.name, epoch=epoch)
            break
        if not math.isfinite(loss):
            raise FitError(
                f"The loss is not a finite number in {phase.name}, epoch {epoch + 1}. "
                f"Try a learning rate below {stage.config.learning_rate:g}."
            )
        if phase.restarts and stage.keeper.enough(loss):
            break
    stopped = loss is None and start < phase.epochs
    if stopped and not phase.uses_experts:
        raise FitError(STOPPED)
    stage.keeper.restore()
    return stopped


def _epoch(
    stage: Stage, phase: Phase, journey: Journey, epoch: int, last: float | None
) -> Generator[Progress, None, float | None]:
    """Train one epoch; return its loss, or None if the fit is to stop."""
    parts = stage.step(phase, epoch)
    while not journey.stopped:
        try:
            with torch_threads_for(stage.problem.u.numel()):
                next(parts)
        except StopIteration as end:
            loss: float = end.value
            return loss
        yield from _report(journey, phase, epoch, last)
    return None


def _report(
    journey: Journey, phase: Phase, epoch: int, loss: float | None, look: Callable[[], object] | None = None
) -> Generator[Progress, None, None]:
    seen = None if look is None else journey.preview(look)
    if seen is not None or journey.due():
        yield journey.at(phase.name, epoch, phase.epochs, loss, seen)
