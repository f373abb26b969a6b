"""Slow functions of a graph against a dense decomposition, and smooth counts against their formula and the truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import expression_graph
from napari_tissue_dynamics.kinetics import smooth as module
from napari_tissue_dynamics.kinetics.smooth import slow_functions, smooth

N = 300


@pytest.fixture(scope="module")
def line():
    """Return the places of cells on a line and the graph of neighbors."""
    x = np.sort(np.random.default_rng(0).random(N))
    return x, expression_graph(np.column_stack([x, 0 * x]), 12, "euclidean")


def test_functions_are_the_slowest_of_the_random_walk(line):
    graph = line[1].toarray().astype(float)
    values, vectors = np.linalg.eig(graph / graph.sum(axis=1, keepdims=True))
    slowest = vectors[:, np.argsort(-values.real)[:6]].real
    basis = slow_functions(line[1], 5)
    assert basis.shape == (N, 6)
    assert_allclose(basis[:, 0], 1)
    assert_allclose(basis[:, 1:].T @ basis[:, 1:], np.eye(5), atol=1e-10)
    assert_allclose(basis[:, 1:].mean(axis=0), 0, atol=1e-12)
    # The same space, the constant included.
    assert_allclose(basis @ np.linalg.lstsq(basis, slowest, rcond=None)[0], slowest, atol=1e-8)


def test_parts_of_a_graph_that_are_not_joined_have_functions_of_their_own():
    x = np.concatenate([np.linspace(0, 1, 60), np.linspace(9, 10, 40)])[:, None]
    basis = slow_functions(expression_graph(x, 6, "euclidean"), 7)
    assert basis.shape == (100, 8)
    assert np.linalg.matrix_rank(basis) == 8
    side = (x[:, 0] > 5).astype(float)
    assert_allclose(basis @ np.linalg.lstsq(basis, side, rcond=None)[0], side, atol=1e-6)


def test_smooth_values_follow_their_formula(line):
    rng = np.random.default_rng(1)
    basis = slow_functions(line[1], 6)
    layers = [rng.poisson(2 + np.sin(5 * line[0])[:, None] * rng.random(9), (N, 9)) for _ in range(2)]
    found = smooth([sparse.csr_array(each.astype(np.float32)) for each in layers], basis)
    fits = []
    for counts in layers:
        c = np.linalg.lstsq(basis, counts, rcond=None)[0]
        noise = ((counts - basis @ c) ** 2).sum(axis=0) / (N - 7)
        fits.append((c, noise))
    component = np.maximum(np.mean([c[1:] ** 2 / noise for c, noise in fits], axis=(0, 2)) - 1, 0)
    for one, (c, noise) in zip(found, fits, strict=True):
        assert_allclose(one.noise, noise, rtol=1e-6)
        for gene in range(9):
            own = max((c[1:, gene] ** 2 / noise[gene] - 1).sum(), 0) / component.sum()
            kept = own * component / (own * component + 1)
            expected = np.maximum(basis @ np.concatenate([c[:1, gene], kept * c[1:, gene]]), 0)
            assert_allclose(one.values()[:, gene], expected, atol=1e-5)


def test_smooth_counts_are_nearer_to_the_truth_than_means_over_neighbors(line):
    rng = np.random.default_rng(2)
    level = rng.gamma(1.0, 1.0, 40)
    truth = level * (1.2 + np.sin(line[0][:, None] * 6 + rng.uniform(0, 6, 40)))
    counts = sparse.csr_array(rng.poisson(truth).astype(np.float32))
    found = smooth([counts], slow_functions(line[1], 20))[0].values()
    plain = moments(counts, line[1])
    assert ((found - truth) ** 2).sum() < 0.5 * ((plain - truth) ** 2).sum()


def test_a_gene_without_pattern_is_its_mean(line):
    rng = np.random.default_rng(3)
    counts = rng.poisson(3, (N, 30)).astype(np.float32)
    values = smooth([sparse.csr_array(counts)], slow_functions(line[1], 20))[0].values()
    assert_allclose(values.mean(axis=0), counts.mean(axis=0), rtol=1e-4)
    assert np.median(values.std(axis=0)) < 0.15


def test_blocks_and_genes_without_counts_change_nothing(line, monkeypatch):
    counts = np.random.default_rng(4).poisson(1, (N, 7)).astype(np.float32)
    counts[:, 3] = 0
    smooth_counts = smooth([sparse.csr_array(counts)], slow_functions(line[1], 5))[0]
    whole = smooth_counts.values()
    monkeypatch.setattr(module, "BLOCK", 50)
    assert_allclose(smooth_counts.values(), whole, atol=1e-6)
    assert (whole[:, 3] == 0).all()
    assert (whole >= 0).all()
