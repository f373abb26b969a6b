"""The network against its formulas written out plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional

from napari_tissue_dynamics.steer.attention import SparseRows
from napari_tissue_dynamics.steer.module import Expert, SteerNetwork, velocity

N, G, K, HIDDEN, LATENT = 25, 6, 3, 16, 4


@pytest.fixture
def network() -> SteerNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SteerNetwork(G, K, hidden=HIDDEN, latent=LATENT, expert_size="slim", regulation=torch.zeros(2, G))


@pytest.fixture
def graph() -> sparse.csr_array:
    table = np.random.default_rng(0).random((N, N)) < 0.2
    return sparse.csr_array((table | np.eye(N, dtype=bool)).astype(np.float32))


def plain_forward(network, x, sends, encoder, decoder):
    """The auto-encoder with dense attention and untied weights, widened before it is summed."""
    h = x @ encoder[0]
    scores = torch.sigmoid((h @ network.inward.source)[:, None] + (h @ network.inward.target)[None])
    attention = torch.softmax(scores.masked_fill(~sends, -torch.inf), dim=0)  # over the senders
    h = functional.elu(network.norms[0](attention.T @ h))
    z = network.norms[1](h @ encoder[1])
    h = functional.elu(network.norms[2](attention.T @ (z @ decoder[1].T)))
    return z, torch.sigmoid(network.norms[3](h @ decoder[0].T))


def test_auto_encoder_equals_the_plain_one_and_tied_gradients_add_up(network, graph):
    x = torch.rand(N, 2 * G, generator=torch.Generator().manual_seed(1))
    sends = torch.from_numpy(graph.toarray() > 0)
    encoder = [w.detach().clone().requires_grad_() for w in (network.inward.weight, network.latent_weight)]
    decoder = [w.detach().clone().requires_grad_() for w in encoder]

    got = network(x, SparseRows.of(sparse.csr_array(graph.T.tocsr())))
    z, reconstruction = plain_forward(network, x, sends, encoder, decoder)

    torch.testing.assert_close(got.z, z, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got.reconstruction, reconstruction, rtol=1e-4, atol=1e-5)
    functional.mse_loss(got.reconstruction, x).backward()
    functional.mse_loss(reconstruction, x).backward()
    tied = (network.inward.weight, network.latent_weight)
    for weight, one, other in zip(tied, encoder, decoder, strict=True):
        torch.testing.assert_close(weight.grad, one.grad + other.grad, rtol=1e-3, atol=1e-6)


def test_heads_stay_in_their_ranges(network, graph):
    x = torch.rand(N, 2 * G, generator=torch.Generator().manual_seed(1))
    encoding = network(x, SparseRows.of(graph))
    rates = network.rates(encoding.z, encoding.time, encoding.gate)
    assert rates.shape == (N, G, 3)
    for values in (encoding.time, encoding.gate, encoding.reconstruction, rates):
        assert values.min() > 0
        assert values.max() < 1
    torch.testing.assert_close(encoding.gate.sum(1), torch.ones(N))


def test_a_certain_gate_takes_one_expert_and_the_rates_of_a_gene_stand_together(network):
    network.eval()
    z = torch.randn(N, LATENT, generator=torch.Generator().manual_seed(2))
    time = torch.full((N,), 0.3)
    gate = functional.one_hot(torch.arange(N) % K, K).float()
    rates = network.rates(z, time, gate)
    alone = network.experts[4 % K](torch.cat([z[4], time[4:5]])[None])
    torch.testing.assert_close(rates[4, 2], alone[0, 6:9])


@pytest.mark.parametrize(("size", "expected"), [("original", 3.77e6), ("slim", 0.87e6)])
def test_an_expert_has_as_many_parameters_as_published(size, expected):
    number = sum(parameter.numel() for parameter in Expert(128, 1000, size).parameters())
    assert number == pytest.approx(expected, rel=0.005)


def test_tied_weights_and_the_regulation_state_are_stored_once():
    network = SteerNetwork(1000, 2, regulation=torch.zeros(11, 1000))
    sizes = sorted((parameter.numel() for parameter in network.parameters()), reverse=True)
    assert sizes[:3] == [2000 * 512, 512 * 128, 11 * 1000]
    heads = 128 * 64 + 64 + 64 + 1 + 128 * 64 + 64 + 64 * 2 + 2
    assert sum(sizes) == sum(sizes[:3]) + 2 * 512 + 2 * (512 + 128 + 512 + 2000) + heads


def test_dropout_is_drawn_from_its_own_generator_and_only_in_training(network):
    x = torch.randn(50, LATENT + 1, generator=torch.Generator().manual_seed(3))
    expert = network.experts[0]
    before = torch.get_rng_state()
    one, again, other = (expert(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    expert.eval()
    assert torch.equal(expert(x, torch.Generator().manual_seed(1)), expert(x))


def test_velocity_is_zero_at_the_steady_state_and_follows_its_formula_elsewhere():
    rates = torch.tensor([[[0.2, 0.4, 0.1], [0.9, 0.5, 0.3]]])
    u, s = torch.tensor([[0.5, 0.2]]), torch.tensor([[2.0, 1.0]])
    got = velocity(rates, u, s)
    torch.testing.assert_close(got, torch.tensor([[[0.0, 0.8]], [[0.0, -0.2]]]))
    off = velocity(rates, u, s, alpha=torch.zeros(1, 2))
    torch.testing.assert_close(off[0], torch.tensor([[-0.2, -0.1]]))
