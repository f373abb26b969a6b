"""Batches of whole communities against dense slicing, and fits that are trained on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.stats import spearmanr

from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer.attention import SparseRows
from napari_tissue_dynamics.steer.batches import Communities
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.losses import Anchors, Problem
from napari_tissue_dynamics.steer.module import SteerNetwork
from napari_tissue_dynamics.steer.to_velocity_field import encode
from napari_tissue_dynamics.steer.training import fit
from napari_tissue_dynamics.steer.training_loop import Stage

N, G = 30, 4
CPU = torch.device("cpu")


def random_graph(n: int = N, seed: int = 0) -> sparse.csr_array:
    table = np.random.default_rng(seed).random((n, n)) < 0.2
    return sparse.csr_array((table | np.eye(n, dtype=bool)).astype(np.float32))


def assert_same_places(one: SparseRows, other: SparseRows):
    for name in ("starts", "columns", "rows", "turned_starts", "turned_columns", "order"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_rows_and_columns_of_some_cells_are_those_of_a_dense_slice():
    graph = random_graph()
    cells = np.array([0, 3, 4, 11, 12, 20, 29])
    places, entries = SparseRows.of(graph).within(torch.from_numpy(cells))
    assert_same_places(places, SparseRows.of(sparse.csr_array(graph.toarray()[np.ix_(cells, cells)])))
    numbered = sparse.csr_array((np.arange(graph.nnz) + 1.0, graph.indices, graph.indptr), shape=graph.shape)
    expected = numbered.toarray()[np.ix_(cells, cells)]
    np.testing.assert_array_equal(entries.numpy() + 1, expected[expected > 0])


def test_a_turned_matrix_is_the_transposed_one_and_turns_back():
    graph = random_graph()
    places = SparseRows.of(graph)
    assert_same_places(places.turned(), SparseRows.of(sparse.csr_array(graph.T.tocsr())))
    assert_same_places(places.turned().turned(), places)


def test_the_problem_of_some_cells_has_their_rows_and_the_edges_among_them():
    rng = np.random.default_rng(0)
    graph, x = random_graph(), torch.rand(N, 2 * G, generator=torch.Generator().manual_seed(0))
    outgoing = SparseRows.of(graph)
    anchors = Anchors(torch.arange(float(N)), torch.rand(N, 2), torch.ones(G))
    weights = torch.from_numpy(rng.random(graph.nnz).astype(np.float32))
    whole = Problem(x, outgoing.turned(), outgoing, weights, 5, anchors=anchors)
    cells = np.array([1, 2, 7, 8, 15, 28])
    part = whole.part(torch.from_numpy(cells), CPU)
    inside = sparse.csr_array(graph.toarray()[np.ix_(cells, cells)])
    assert torch.equal(part.u, x[cells, :G])
    assert torch.equal(part.anchors.time, torch.from_numpy(cells).float())
    assert torch.equal(part.anchors.gate, anchors.gate[cells])
    assert_same_places(part.outgoing, SparseRows.of(inside))
    assert_same_places(part.incoming, SparseRows.of(sparse.csr_array(inside.T.tocsr())))
    table = sparse.csr_array((weights.numpy(), graph.indices, graph.indptr), shape=graph.shape).toarray()
    np.testing.assert_array_equal(part.cut_weights, table[np.ix_(cells, cells)][inside.toarray() > 0])


def test_a_batch_is_made_of_whole_communities_and_all_cells_come_in_turn():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(8), [1000, 300, 300, 200, 100, 60, 30, 10])
    communities = Communities.of(clusters, rng.normal(size=(2000, 3)), 700, seed=0)
    sizes = [len(members) for members in communities.members]
    assert sum(sizes) == 2000
    assert max(sizes) < 1000  # the large cluster was split
    assert all(len(np.unique(clusters[members])) == 1 for members in communities.members)
    assert communities.batches == 3
    generator = torch.Generator().manual_seed(0)
    seen = np.zeros(2000, dtype=int)
    for _ in range(60):
        cells = communities.draw(generator)
        assert torch.equal(cells, cells.unique())
        assert 700 <= len(cells) < 700 + max(sizes)
        for members in communities.members:
            assert torch.isin(members, cells).float().mean() in (0, 1)
        seen[cells.numpy()] += 1
    assert seen.min() >= 5
    draws = [communities.draw(torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draws)


def test_a_batch_of_more_cells_than_there_are_is_all_of_them():
    communities = Communities((torch.tensor([0, 2]), torch.tensor([1])), 10)
    assert communities.draw(torch.Generator()).tolist() == [0, 1, 2]
    assert communities.batches == 1


SHORT = SteerConfig(
    n_experts=2,
    hidden_size=32,
    latent_size=8,
    min_shared_counts=0,
    fine_cluster_size=20,
    autoencoder_epochs=30,
    time_epochs=120,
    velocity_epochs=20,
    learning_rate=3e-3,
    velocity_batch=64,
    device="cpu",
)


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(n_cells=400, n_genes=60, seed=3).tissue


@pytest.fixture(scope="module")
def in_batches(tissue):
    return fit(tissue, replace(SHORT, cell_batch=150))


def test_batches_find_about_the_times_of_all_cells_together(tissue, in_batches):
    whole = fit(tissue, SHORT)
    assert np.abs(in_batches.embedding - whole.embedding).max() > 1e-3  # they are trained differently
    assert spearmanr(in_batches.time, whole.time).statistic > 0.97
    agreement = (in_batches.spliced * whole.spliced).sum() / np.sqrt(
        (in_batches.spliced**2).sum() * (whole.spliced**2).sum()
    )
    assert agreement > 0.9


def test_a_fit_in_batches_depends_on_nothing_but_its_seed(tissue, in_batches):
    again = fit(tissue, replace(SHORT, cell_batch=150))
    np.testing.assert_array_equal(again.time, in_batches.time)
    np.testing.assert_array_equal(again.spliced, in_batches.spliced)


@pytest.mark.parametrize("cell_batch", [0, 400, 20_000])
def test_a_tissue_that_fits_a_batch_is_trained_on_as_a_whole(tissue, cell_batch, monkeypatch):
    def never(*_):
        raise AssertionError("a batch was drawn")

    monkeypatch.setattr(Communities, "draw", never)
    short = replace(SHORT, autoencoder_epochs=1, time_epochs=1, velocity_epochs=1, cell_batch=cell_batch)
    assert fit(tissue, short).n_cells == 400


def test_every_epoch_sees_only_the_cells_of_its_batch(tissue, monkeypatch):
    rows = []
    forward = SteerNetwork.forward
    monkeypatch.setattr(SteerNetwork, "forward", lambda self, x, graph: rows.append(len(x)) or forward(self, x, graph))
    short = replace(SHORT, autoencoder_epochs=3, time_epochs=3, velocity_epochs=3, cell_batch=150)
    field = fit(tissue, short)
    assert len(rows) == 9
    assert 150 <= min(rows) <= max(rows) < 250
    assert field.spliced.shape[0] == 400


def test_the_faithful_profile_has_no_batches(tissue):
    config = replace(SHORT, profile="faithful", cell_batch=10)
    from napari_tissue_dynamics.steer.preprocessing import prepare

    assert Stage(prepare(tissue, config, np.arange(60)), 2, config, CPU).communities is None


def test_an_input_on_another_device_is_encoded_in_blocks(monkeypatch):
    """The meta device stands for an accelerator: it knows shapes and devices only."""
    graph = SparseRows.of(random_graph())
    network = SteerNetwork(G, 2, hidden=6, latent=3, expert_size="slim").to("meta")
    problem = Problem(torch.rand(N, 2 * G), graph.turned(), graph, torch.ones(len(graph.rows)), 5)
    monkeypatch.setattr("napari_tissue_dynamics.steer.attention.BLOCK", 7)
    assert network.inward._narrow(problem.x).shape == (N, 6)
    assert network.inward._narrow(problem.x).device.type == "meta"
    network = SteerNetwork(G, 2, hidden=6, latent=3, expert_size="slim")
    monkeypatch.setattr(torch.Tensor, "split", None)
    assert encode(network, problem).z.shape == (N, 3)  # on one device nothing is cut
