"""One step of training against slow versions of it."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional

from napari_tissue_dynamics.descriptions import with_settings
from napari_tissue_dynamics.steer.best_state import Keeper
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.losses import LOSSES, time_order_loss
from napari_tissue_dynamics.steer.preprocessing import Prepared
from napari_tissue_dynamics.steer.prior.kinetic_prior import Known
from napari_tissue_dynamics.steer.schedule import first_stage, second_stage
from napari_tissue_dynamics.steer.training_loop import Stage, step_length

N, G, CLUSTERS = 40, 6, np.repeat([0, 1, 2], [20, 13, 7])


@pytest.fixture
def seen() -> Prepared:
    rng = np.random.default_rng(0)
    u, s = (rng.random((N, G)).astype(np.float32) for _ in range(2))
    graph = sparse.csr_array(((rng.random((N, N)) < 0.2) | np.eye(N, dtype=bool)).astype(np.float32))
    return Prepared(tuple("abcdef"), u, s, np.hstack([u / u.max(0), s / s.max(0)]), graph, u)


def make(seen: Prepared, *, priors: bool = True, **settings) -> Stage:
    config = with_settings(SteerConfig(hidden_size=16, latent_size=4, device="cpu"), settings)
    rng = np.random.default_rng(1)
    more = {"clusters": CLUSTERS, "prior": np.sign(rng.normal(size=(3, G)))} if priors else {}
    if priors and not config.faithful:
        gate = rng.dirichlet([1, 1], N).astype(np.float32)
        parts = [rng.random(shape).astype(np.float32) for shape in ((N,), (2, G, 3), (G,), (G,))]
        time, units, ratio, weight = parts
        more["known"] = Known(time, gate, CLUSTERS, more["prior"], units, ratio, weight)
    return Stage(seen, 2, config, torch.device("cpu"), **more)


def run(stage: Stage, phase, epochs: int = 1) -> list[float]:
    losses = []
    for epoch in range(epochs):
        steps = stage.step(phase, epoch)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                losses.append(end.value)
                break
    return losses


class SlowAdamW:
    """One parameter after the other, as in Loshchilov & Hutter 2019."""

    def __init__(self, parameters, lr=1e-3, decay=1e-2):
        self.parameters, self.lr, self.decay = parameters, lr, decay
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
        self.t = 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in self.parameters))
        for p, (m, v) in zip(self.parameters, self.moments, strict=True):
            g = p.grad * min(1.0, 10 / (norm + 1e-6))
            p -= self.lr * self.decay * p
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            p -= self.lr * (m / (1 - 0.9**self.t)) / ((v / (1 - 0.999**self.t)).sqrt() + 1e-8)


def slow_training(stage: Stage, seen: Prepared, epochs: int, *, twice: bool) -> torch.nn.Module:
    """The first phase with dense attention; the decoder has parameters on the storage of the encoder's, or them."""
    network = copy.deepcopy(stage.network)
    layer = network.inward
    encoder = [layer.weight, network.latent_weight]
    decoder = [w.detach().requires_grad_() for w in encoder] if twice else encoder
    assert all(one.data_ptr() == other.data_ptr() for one, other in zip(encoder, decoder, strict=True))
    free = [*encoder, layer.source, layer.target, *network.norms.parameters(), *(decoder if twice else [])]
    slow = SlowAdamW(free)
    x, sends = stage.problem.x, torch.from_numpy(seen.graph.toarray() > 0)
    for _ in range(epochs):
        h = x @ encoder[0]
        scores = torch.sigmoid((h @ layer.source)[:, None] + (h @ layer.target)[None])
        attention = torch.softmax(scores.masked_fill(~sends, -torch.inf), dim=0)
        z = network.norms[1](functional.elu(network.norms[0](attention.T @ h)) @ encoder[1])
        h = functional.elu(network.norms[2](attention.T @ (z @ decoder[1].T)))
        reconstruction = torch.sigmoid(network.norms[3](h @ decoder[0].T))
        structure = -torch.log(torch.sigmoid(z @ z.T)[sends] + 1e-15).mean()
        loss = (reconstruction - x).square().mean() + 30 * structure
        for p, g in zip(free, torch.autograd.grad(loss, free), strict=True):
            p.grad = g
        slow.step()
    return network


@pytest.mark.parametrize("profile", ["faithful", "improved"])
def test_tied_weights_move_twice_in_the_faithful_profile_and_once_in_the_improved_one(seen, profile):
    stage = make(seen, priors=False, profile=profile)
    expected = slow_training(stage, seen, 6, twice=profile == "faithful")
    other = slow_training(stage, seen, 6, twice=profile != "faithful")
    run(stage, first_stage(stage.config)[0], 6)
    for name in ("inward.weight", "latent_weight"):
        got, want, not_this = (dict(network.named_parameters())[name] for network in (stage.network, expected, other))
        torch.testing.assert_close(got, want, rtol=0, atol=2e-5)
        assert (got - not_this).abs().max() > 1e-3


@pytest.mark.parametrize("strength", [1.0, 1e4], ids=["short gradient", "clipped gradient"])
def test_a_regulation_state_per_cluster_moves_as_one_per_cell(seen, strength):
    stage = make(seen, profile="faithful", seed=1)
    trends, time = stage.problem.trends, torch.linspace(0, 1, N)
    per_cell = torch.nn.Parameter(stage.network.regulation.detach()[CLUSTERS].clone())
    slow = torch.optim.AdamW([per_cell], lr=1e-3, weight_decay=1e-2)
    average = torch.nn.functional.one_hot(torch.from_numpy(CLUSTERS)).float()
    average /= average.sum(0)
    for _ in range(20):
        stage.optimizer.zero_grad()
        (strength * time_order_loss(time, stage.network.regulation, trends)).backward()
        stage._move(1e-3)
        slow.zero_grad()
        (strength * time_order_loss(time, average.T @ per_cell, trends)).backward()
        torch.nn.utils.clip_grad_norm_([per_cell], 10)
        slow.step()
    assert (per_cell - stage.prior[CLUSTERS]).abs().min() > 1e-4
    torch.testing.assert_close(stage.network.regulation[CLUSTERS], per_cell, rtol=0, atol=1e-6)


def test_neighbors_are_renewed_in_every_epoch_of_the_faithful_profile(seen, monkeypatch):
    stage = make(seen, profile="faithful")
    calls = []
    nearest = torch.zeros(N, 3, dtype=torch.long)
    monkeypatch.setattr("napari_tissue_dynamics.steer.training_loop.nearest", lambda z, k: calls.append(k) or nearest)
    run(stage, second_stage(stage.config)[2], 12)
    assert calls == [30] * 12


def test_what_is_known_anchors_time_and_regimes(seen):
    stage = make(seen, learning_rate=1e-2)
    phase = second_stage(stage.config)[1]
    state = stage._look(phase, stage.problem)
    time, gate = stage.problem.anchors.time, stage.problem.anchors.gate
    expected = sum(float((a - b) ** 2) for a, b in zip(state.encoding.time, time, strict=True)) / N
    assert float(LOSSES["time_anchor"](state, stage.problem)) == pytest.approx(expected, rel=1e-5)
    entropy = -sum(float((p * torch.log(c)).sum()) for c, p in zip(state.encoding.gate, gate, strict=True)) / N
    assert float(LOSSES["gate_anchor"](state, stage.problem)) == pytest.approx(entropy, rel=1e-5)
    run(stage, phase, 200)
    after = stage._look(phase, stage.problem).encoding
    assert torch.corrcoef(torch.stack([after.time.detach(), time]))[0, 1] > 0.9


def test_the_regulation_state_is_the_prior_until_experts_are_trained(seen):
    stage = make(seen, profile="faithful")
    phases = second_stage(stage.config)
    run(stage, phases[2], 3)
    assert torch.equal(stage.network.regulation, stage.prior)
    assert not any(name.startswith("experts") and p.grad is not None for name, p in stage.network.named_parameters())
    run(stage, phases[3], 1)
    assert (stage.network.regulation != stage.prior).all()


def test_a_tenth_of_the_input_is_hidden_and_all_of_it_reconstructed(seen):
    stage = make(seen, priors=False, mask_train=True)
    masked = torch.stack([stage._input(stage.problem) for _ in range(200)])
    visible = stage.problem.x > 0
    assert ((masked == 0) & visible).float().mean() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(masked.amax(0), stage.problem.x)
    open_stage = make(seen, priors=False)
    assert torch.equal(open_stage._input(stage.problem), stage.problem.x)
    phase = first_stage(stage.config)[0]
    assert run(stage, phase) != run(open_stage, phase)


@pytest.mark.parametrize(("profile", "same"), [("faithful", True), ("improved", False)])
def test_the_network_of_the_faithful_profile_has_the_published_seed(seen, profile, same):
    one, other = (make(seen, profile=profile, seed=seed).network.inward.weight for seed in (1, 2))
    assert torch.equal(one, other) == same


def test_step_lengths_are_those_of_cosine_annealing_with_warm_restarts():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
    slow = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=50, T_mult=2, eta_min=1e-5)
    for epoch in range(400):
        assert step_length(epoch, 1e-3) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        slow.step()
    assert step_length(349, 1e-3) < 1.1e-5
    assert step_length(350, 1e-3) == 1e-3


@pytest.mark.parametrize("settings", [{"profile": "faithful"}, {}, {"cell_batch": 15}], ids=str)
def test_an_epoch_that_is_given_up_leaves_no_trace(seen, settings):
    one, other = make(seen, velocity_batch=10, **settings), make(seen, velocity_batch=10, **settings)
    phase = second_stage(one.config)[-1]
    for stage in (one, other):
        run(stage, phase, 2)
    for parts in (1, 2, 3):
        mark = one.mark()
        steps = one.step(phase, 2)
        for _ in range(parts):
            next(steps)
        one.undo(mark)
    assert run(one, phase, 3) == run(other, phase, 3)
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name])


def test_the_best_state_is_that_of_the_least_mean_loss_of_about_as_many_epochs_as_there_are_batches():
    network, config = torch.nn.Linear(1, 1), SteerConfig(patience=3, min_improvement=0.0)
    keeper = Keeper(network, config, batches=4)
    levels = []
    for number, loss in enumerate([8.0, 4.0, 0.0, 12.0, 4.0, 4.0]):
        network.weight.data.fill_(number)
        enough = keeper.enough(loss)
        levels.append(keeper.level)
    assert levels == pytest.approx([8, 7, 5.25, 6.9375, 6.203125, 5.65234375])
    assert (keeper.best, keeper.waited, enough) == (5.25, 3, True)
    keeper.restore()
    assert float(network.weight) == 2
