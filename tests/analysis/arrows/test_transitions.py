import threading

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows import transitions
from napari_tissue_dynamics.analysis.arrows.confidence import neighbor_correlation as confidence
from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph, transition_weights, velocity_graph
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end


@pytest.fixture
def cells():
    rng = np.random.default_rng(3)
    expression = rng.gamma(2.0, size=(25, 9)).astype(np.float32)
    velocity = rng.normal(size=(25, 9)).astype(np.float32)
    neighbors = np.array([rng.permutation(np.delete(np.arange(25), i))[:6] for i in range(25)], dtype=np.int32)
    return velocity, expression, neighbors


def slow_cosines(velocity, expression, neighbors):
    cosines = np.zeros(neighbors.shape)
    for i, row in enumerate(neighbors):
        for place, j in enumerate(row):
            cosines[i, place] = np.corrcoef(expression[j] - expression[i], velocity[i])[0, 1]
    return cosines


@pytest.mark.parametrize("block", [1, 200, 10**6])
def test_graph_equals_slow_loop_whatever_the_block(cells, block, monkeypatch):
    monkeypatch.setattr(transitions, "BLOCK", block)
    np.testing.assert_allclose(velocity_graph(*cells).cosines, slow_cosines(*cells), atol=1e-5)


def test_progress_is_the_share_of_the_cells(cells, monkeypatch):
    monkeypatch.setattr(transitions, "BLOCK", 200)
    reports = []
    run_to_end(transitions.velocity_graph_steps(*cells), reports.append)
    assert len(reports) > 3
    assert [report.fraction for report in reports] == [report.step / 25 for report in reports]
    assert reports[-1].fraction == 1


def test_genes_that_are_not_finite_are_left_out(cells):
    velocity, expression, neighbors = cells
    spoiled = velocity.copy()
    spoiled[3, 2] = np.nan
    kept = np.delete(np.arange(9), 2)
    expected = slow_cosines(velocity[:, kept], expression[:, kept], neighbors)
    np.testing.assert_allclose(velocity_graph(spoiled, expression, neighbors).cosines, expected, atol=1e-5)


def test_no_finite_gene_is_one_sentence(cells):
    velocity, expression, neighbors = cells
    with pytest.raises(DataError, match="None of the 9 genes"):
        velocity_graph(np.full_like(velocity, np.nan), expression, neighbors)


def test_cell_without_velocity_has_no_preference(cells):
    velocity, expression, neighbors = cells
    still = velocity.copy()
    still[4] = 0
    assert (velocity_graph(still, expression, neighbors).cosines[4] == 0).all()


def test_weights_equal_the_formula(cells):
    graph = velocity_graph(*cells)
    weights = transition_weights(graph)
    best = np.maximum(graph.cosines.max(axis=1), 0)
    for i in range(len(best)):
        stay = min(max(np.quantile(best, 0.98) - best[i], 0), 1)
        row = [np.expm1(10 * c) if c > 0 else -np.expm1(-10 * c) for c in graph.cosines[i].astype(float)]
        total = sum(abs(w) for w in row) + np.expm1(10 * stay)
        np.testing.assert_allclose(weights[i], np.array(row) / total, rtol=1e-4)


def test_a_cell_alone_agrees_with_nobody():
    neighbors = np.array([[1, 2], [1, 1], [0, 2]], dtype=np.int32)
    graph = VelocityGraph(neighbors, np.array([[0.2, -0.3], [0, 0], [-0.4, 0]], dtype=np.float32))
    np.testing.assert_allclose(graph.best, [0.2, -1, -0.4])
    np.testing.assert_allclose(graph.bound, np.quantile([0.2, -1, -0.4], 0.98))


def test_weights_have_the_sign_of_the_cosine_and_sum_to_at_most_one():
    cosines = np.array([[0.9, -0.5, 0.0], [0.1, 0.2, 0.3]], dtype=np.float32)
    weights = transition_weights(VelocityGraph(np.zeros((2, 3), np.int32), cosines))
    assert (np.sign(weights) == np.sign(cosines)).all()
    assert (np.abs(weights).sum(axis=1) <= 1 + 1e-6).all()


def test_stop_ends_the_work(cells):
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(transitions.velocity_graph_steps(*cells, stop))


def test_confidence_equals_slow_loop(cells):
    velocity, _, neighbors = cells
    expected = [np.mean([np.corrcoef(velocity[i], velocity[j])[0, 1] for j in row]) for i, row in enumerate(neighbors)]
    np.testing.assert_allclose(confidence(velocity, neighbors), expected, atol=1e-5)


def test_confidence_of_equal_velocities_is_one(cells):
    velocity, _, neighbors = cells
    np.testing.assert_allclose(confidence(np.tile(velocity[0], (25, 1)), neighbors), 1, atol=1e-5)


def test_weak_cosines_are_divided_by_their_own_sum():
    cosines = np.array([[0.02, -0.01], [0.02, 0.02]], dtype=np.float32)
    graph = VelocityGraph(np.array([[1, 1], [0, 0]], np.int32), cosines)
    assert (graph.self_transition == 0).all()
    np.testing.assert_allclose(np.abs(transition_weights(graph)).sum(axis=1), 1, rtol=1e-5)


def test_genes_of_weight_zero_do_not_count(cells):
    velocity, expression, _ = cells
    weight = np.array([1, 0, 0.5, 1, 0, 2, 1, 1, 1])
    assert transitions.usable_genes(velocity, expression, weight).tolist() == [0, 2, 3, 5, 6, 7, 8]
    with pytest.raises(DataError, match="and a weight above zero"):
        transitions.usable_genes(velocity, expression, np.zeros(9))
