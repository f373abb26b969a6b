"""Every loss against a dense or slow version, and its invariants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from napari_tissue_dynamics.steer import velocity_loss as module
from napari_tissue_dynamics.steer.attention import SparseRows
from napari_tissue_dynamics.steer.exact_knn import nearest
from napari_tissue_dynamics.steer.losses import (
    Problem,
    Trends,
    min_cut_loss,
    min_cut_terms,
    reconstruction_loss,
    smoothness_loss,
    structure_loss,
    time_order_loss,
)
from napari_tissue_dynamics.steer.training_loop import memberships, rows_of_equal_length
from napari_tissue_dynamics.steer.velocity_loss import find_aims, find_in_blocks, unit, velocity_loss

N, G = 30, 5


def randn(*shape: int, seed: int = 0, grad: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=grad)


@pytest.fixture
def graph() -> sparse.csr_array:
    table = np.random.default_rng(0).random((N, N)) < 0.25
    return sparse.csr_array((table | np.eye(N, dtype=bool)).astype(np.float32))


def test_reconstruction_loss_is_the_mean_squared_error_with_its_gradient():
    values, x = randn(N, G, seed=1, grad=True), randn(N, G, seed=2)
    got, expected = reconstruction_loss(values, x), torch.nn.functional.mse_loss(values, x)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(*(torch.autograd.grad(3 * loss, values)[0] for loss in (got, expected)))


def test_structure_loss_equals_the_dense_one(graph):
    z = randn(N, 4, grad=True)
    rows, columns = graph.nonzero()
    expected = -torch.log(torch.sigmoid(z @ z.T)[rows, columns] + 1e-15).mean()
    got = structure_loss(z, SparseRows.of(graph))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, z)[0] for loss in (got, expected)))


def normalised(graph: sparse.csr_array) -> torch.Tensor:
    degree = graph.sum(axis=1)
    rows, columns = graph.nonzero()
    return torch.from_numpy(1 / np.sqrt(degree[rows].astype(float) * degree[columns]))


def test_min_cut_equals_the_dense_one(graph):
    logits = randn(N, 3, grad=True)
    weights = normalised(graph)
    got = min_cut_loss(torch.softmax(logits, 1), SparseRows.of(graph), weights)

    c = torch.softmax(logits, 1)
    a = torch.zeros(N, N, dtype=torch.float64)
    a[graph.nonzero()] = weights
    cut = -torch.trace(c.T @ a @ c) / torch.trace(c.T @ torch.diag(a.sum(1)) @ c)
    overlap = c.T @ c
    orthogonality = (overlap / overlap.norm() - torch.eye(3) / 3**0.5).norm()
    expected = cut + orthogonality + 1

    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (got, expected)))


def test_disconnected_balanced_clusters_have_the_least_cut():
    block = np.ones((10, 10))
    graph = sparse.csr_array(np.kron(np.eye(3), block).astype(np.float32))
    gate = torch.eye(3, dtype=torch.float64).repeat_interleave(10, dim=0)
    cut, orthogonality = min_cut_terms(gate, SparseRows.of(graph), normalised(graph))
    assert cut.item() == pytest.approx(-1)
    assert orthogonality.item() == pytest.approx(0, abs=1e-12)


def trends_of(y: torch.Tensor, clusters: np.ndarray, *more: torch.Tensor) -> Trends:
    return Trends.of(memberships(clusters), (y, *more))


def test_time_order_equals_a_loop_over_clusters_and_genes():
    clusters = np.repeat([0, 1, 2, 3], [12, 10, 7, 1])
    np.random.default_rng(1).shuffle(clusters)
    y, time, regulation = randn(N, G, seed=1), torch.sigmoid(randn(N, seed=2)), randn(4, G, seed=3)
    losses = []
    for cluster in range(3):  # the one with a single cell is left out
        cells = clusters == cluster
        rho = [np.corrcoef(time[cells], y[cells, gene])[0, 1] for gene in range(G)]
        r = regulation[cluster].numpy()
        losses.append(1 - (r / np.linalg.norm(r)) @ rho / np.sqrt(G))
    got = time_order_loss(time, regulation, trends_of(y, clusters))
    assert got.item() == pytest.approx(np.mean(losses), abs=1e-6)


def test_time_order_has_the_gradient_of_the_plain_formula():
    clusters = np.repeat([0, 1], [18, 12])
    y = randn(N, G, seed=1)
    trends = trends_of(y, clusters)
    time, regulation = torch.sigmoid(randn(N, seed=2)).requires_grad_(), randn(2, G, seed=3, grad=True)

    def plain(time, regulation):
        parts = []
        for cells, r in zip((slice(0, 18), slice(18, 30)), regulation, strict=True):
            t, own = time[cells] - time[cells].mean(), y[cells] - y[cells].mean(0)
            rho = (t[:, None] * own).sum(0) / (t.square().sum() * own.square().sum(0) + 1e-8).sqrt()
            parts.append(1 - (r / r.norm()) @ rho / G**0.5)
        return torch.stack(parts).mean()

    got, expected = (
        torch.autograd.grad(loss, (time, regulation))
        for loss in (time_order_loss(time, regulation, trends), plain(time, regulation))
    )
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_monotone_genes_give_zero_forwards_and_two_backwards_and_negated_labels_turn_time():
    time = torch.linspace(0.1, 0.9, N, dtype=torch.float64)
    signs = torch.tensor([1.0, -1, 1, 1, -1], dtype=torch.float64)
    trends = trends_of(10 * time[:, None] * signs, np.repeat([0, 1], N // 2))
    regulation = signs.repeat(2, 1)
    assert time_order_loss(time, regulation, trends).item() == pytest.approx(0, abs=1e-6)
    assert time_order_loss(1 - time, regulation, trends).item() == pytest.approx(2, abs=1e-6)
    assert time_order_loss(1 - time, -regulation, trends).item() == pytest.approx(0, abs=1e-6)


def test_both_kinds_of_rna_give_the_mean_of_their_losses():
    clusters = np.repeat([0, 1], N // 2)
    u, s = randn(N, G, seed=1), randn(N, G, seed=2)
    time, regulation = torch.sigmoid(randn(N, seed=3)), randn(2, G, seed=4)
    each = [time_order_loss(time, regulation, trends_of(y, clusters)).item() for y in (u, s)]
    both = time_order_loss(time, regulation, trends_of(u, clusters, s))
    assert both.item() == pytest.approx(np.mean(each))


def test_smoothness_equals_the_dense_one():
    k = 6
    z, time = randn(N, 4, seed=1, grad=True), torch.sigmoid(randn(N, seed=2)).requires_grad_()
    distance = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    without_self = distance.detach() + torch.diag(torch.full((N,), torch.inf))
    near = without_self.topk(k, largest=False).indices
    d = distance.gather(1, near)
    p = torch.exp(-d.square() / (2 * (d.mean() / 2).square()))
    q = 1 / (1 + (time[:, None] - time[near]).square())
    p, q = (x / (x.sum(1, keepdim=True) + 1e-8) for x in (p, q))
    expected = (p * (torch.log(p + 1e-8) - torch.log(q + 1e-8))).mean()

    found = nearest(z.detach(), k)
    got = smoothness_loss(z, time, rows_of_equal_length(found))

    assert torch.equal(found.sort(1).values, near.sort(1).values)
    torch.testing.assert_close(got, expected)
    for one, other in zip(torch.autograd.grad(got, (z, time)), torch.autograd.grad(expected, (z, time)), strict=True):
        torch.testing.assert_close(one, other)


def naive_velocity_loss(p, cells, time, u, s, graph):
    """The published form: one cosine per edge and gene, the best three of every cell and gene, all with autograd."""
    losses = []
    for place, cell in enumerate(cells.tolist()):
        later = [j for j in graph[[cell]].nonzero()[1] if time[j] > time[cell]]
        if not later:
            continue
        d = torch.stack([u[later] - u[cell], s[later] - s[cell]])  # (2, later, genes)
        own = p[:, place][:, None]
        lengths = own.norm(dim=0).clamp(min=1e-8) * d.norm(dim=0).clamp(min=1e-8)
        cosine = (own * d).sum(0) / lengths
        losses.append(1 - cosine.topk(min(3, len(later)), dim=0).values)
    return torch.cat([part.reshape(-1) for part in losses]).mean()


@pytest.mark.parametrize(("find", "block"), [(find_aims, None), (find_in_blocks, 1), (find_in_blocks, 1 << 20)])
@pytest.mark.parametrize("threads", [1, 2])
def test_velocity_loss_has_value_and_gradient_of_the_naive_one(graph, monkeypatch, find, block, threads):
    monkeypatch.setattr(module, "BLOCK_VALUES", block)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    u, s = randn(N, G, seed=1).abs(), randn(N, G, seed=2).abs()
    u[:, 1], s[:, 1] = 0.2, 0.7  # a gene that never moves: its cosines are 0
    time = torch.sigmoid(randn(N, seed=3))
    cells = torch.tensor([4, 0, 17, 29, 8, int(time.argmax())])  # the latest cell has no later neighbor
    p = randn(2, len(cells), G, seed=4, grad=True)

    direction = unit(p)
    got = velocity_loss(direction, find(direction, cells, time, torch.cat([u, s], 1), SparseRows.of(graph)))
    expected = naive_velocity_loss(p, cells, time, u, s, graph)

    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, p)[0] for loss in (got, expected)))


def chain() -> tuple[SparseRows, torch.Tensor, torch.Tensor]:
    table = np.eye(N) + np.eye(N, k=1) + np.eye(N, k=-1)
    time = torch.linspace(0, 1, N, dtype=torch.float64)
    u = time[:, None].repeat(1, G)
    return SparseRows.of(sparse.csr_array(table)), time, torch.cat([u, 0.5 * u], 1)


def test_velocity_loss_is_zero_towards_the_later_neighbor_and_two_away_from_it():
    places, time, x = chain()
    u = x[:, :G]
    cells = torch.arange(N)
    for sign, expected in ((1, 0), (-1, 2)):
        direction = unit(sign * torch.stack([torch.ones_like(u), 0.5 * torch.ones_like(u)]))
        aims = find_aims(direction, cells, time, x, places)
        assert velocity_loss(direction, aims).item() == pytest.approx(expected, abs=1e-9)
        assert aims.number.sum().item() == (N - 1) * G


def test_cells_of_one_time_have_no_aim_and_no_loss():
    places, _, x = chain()
    p = unit(torch.ones(2, N, G, dtype=torch.float64)).requires_grad_()
    loss = velocity_loss(p, find_aims(p, torch.arange(N), torch.zeros(N), x, places))
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, p)[0].any()


def test_order_of_edges_does_not_matter(graph):
    x, time = randn(N, 2 * G, seed=1), randn(N, seed=3)
    direction = unit(randn(2, N, G, seed=4))
    cells = torch.arange(N)
    forwards = SparseRows.of(graph)
    turned = graph.copy()
    for row in range(N):
        part = slice(turned.indptr[row], turned.indptr[row + 1])
        turned.indices[part] = turned.indices[part][::-1].copy()
    losses = [
        velocity_loss(direction, find_aims(direction, cells, time, x, places))
        for places in (forwards, SparseRows.of(turned))
    ]
    torch.testing.assert_close(*losses)


def test_unit_vectors_have_length_one_and_zero_stays_zero():
    vectors = randn(2, N, G, seed=1)
    vectors[:, 0] = 0
    length = unit(vectors).norm(dim=0)
    assert not length[0].any()
    torch.testing.assert_close(length[1:], torch.ones_like(length[1:]))


@pytest.mark.parametrize("find", [find_aims, find_in_blocks])
@pytest.mark.parametrize("copies", [2, 5])
def test_neighbors_that_lie_equally_well_share_the_places(find, copies):
    """Copies of cells give equal cosines; the value is that of any choice among them."""
    clusters = N // copies
    u, s = (randn(clusters, G, seed=seed).repeat(copies, 1) for seed in (1, 2))
    time = torch.sigmoid(randn(len(u), seed=3))
    graph = sparse.csr_array(np.ones((len(u), len(u)), dtype=np.float32))
    cells = torch.arange(len(u))
    p = randn(2, len(u), G, seed=4)
    aims = find(unit(p), cells, time, torch.cat([u, s], 1), SparseRows.of(graph))
    later = (time[None] > time[:, None]).sum(1)
    assert torch.equal(aims.number, later.clamp(max=3)[:, None].expand(-1, G).to(aims.number))
    torch.testing.assert_close(velocity_loss(unit(p), aims), naive_velocity_loss(p, cells, time, u, s, graph))


def test_neighbors_as_far_apart_as_can_be_have_a_finite_loss(graph):
    z = torch.full((2, 1), 1e3, dtype=torch.float64)
    z[1] = -1e3
    apart = SparseRows.of(sparse.csr_array(np.array([[0, 1], [1, 0]], dtype=np.float32)))
    assert structure_loss(z, apart).item() == pytest.approx(-np.log(1e-15))


def test_moments_of_both_kinds_are_the_halves_of_x():
    x = randn(N, 2 * G)
    problem = Problem(x, None, None, None, 3)
    assert torch.equal(problem.u, x[:, :G])
    assert torch.equal(problem.s, x[:, G:])
