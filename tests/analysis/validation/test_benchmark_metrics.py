import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from napari_tissue_dynamics.analysis.validation import benchmark_metrics as agreement
from napari_tissue_dynamics.analysis.validation.benchmark_metrics import gene_cosine, time_agreement
from napari_tissue_dynamics.errors import DataError

known = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[3] / "benchmarks/velocity/direction_metrics.py")))


@pytest.fixture
def cells():
    rng = np.random.default_rng(5)
    positions = rng.uniform(size=(60, 2))
    arrows = rng.normal(size=(60, 2))
    arrows[7] = 0
    labels = rng.integers(0, 4, 60)
    neighbors = np.array([rng.permutation(np.delete(np.arange(60), i))[:6] for i in range(60)], dtype=np.int32)
    return arrows, positions, labels, neighbors


def slow_cosine(a, b):
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / length) if length else 0.0


def slow_across(arrows, positions, labels, edge, neighbors):
    scores = []
    for i in np.flatnonzero(labels == edge[0]):
        near = [j for j in neighbors[i] if labels[j] == edge[1]]
        if near:
            scores.append(np.mean([slow_cosine(positions[j] - positions[i], arrows[i]) for j in near]))
    return np.mean(scores) if scores else np.nan


def slow_coherence(arrows, labels, neighbors):
    groups = {}
    for i, row in enumerate(neighbors):
        same = [slow_cosine(arrows[i], arrows[j]) for j in row if labels[j] == labels[i]]
        if same:
            groups.setdefault(labels[i], []).append(np.mean(same))
    return np.mean([np.mean(values) for values in groups.values()])


def test_direction_accuracy_of_known_angles():
    arrows = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [0.0, 0.0]])
    truth = np.array([[1.0, 0.0], [0.0, -1.0], [1.0, 0.0], [1.0, 0.0]])
    assert known.direction_accuracy(arrows, truth) == pytest.approx((1 - 1 + np.sqrt(0.5) + 0) / 4)


@pytest.mark.parametrize("block", [1, 50, 10**6])
def test_gene_cosine_equals_slow_loop_and_leaves_out_genes_that_are_not_finite(block, monkeypatch):
    monkeypatch.setattr(agreement, "BLOCK", block)
    rng = np.random.default_rng(1)
    velocity, truth = rng.normal(size=(20, 7)).astype(np.float32), rng.normal(size=(20, 7))
    velocity[4] = 0
    velocity[3, 2] = np.nan
    kept = np.delete(np.arange(7), 2)
    expected = np.mean([slow_cosine(v, w) for v, w in zip(velocity[:, kept], truth[:, kept], strict=True)])
    assert gene_cosine(velocity, truth) == pytest.approx(expected)


def test_gene_cosine_without_a_finite_gene_is_one_sentence():
    with pytest.raises(DataError, match="None of the 3 genes"):
        gene_cosine(np.full((4, 3), np.nan), np.ones((4, 3)))


def test_bins_of_time_are_equally_wide():
    time = np.array([0.0, 1.9, 2.0, 3.9, 4.1, 7.9, 8.0, 10.0])
    labels, edges = known.time_labels(time, 5)
    np.testing.assert_array_equal(labels, [0, 0, 1, 1, 2, 3, 4, 4])
    assert edges == ((0, 1), (1, 2), (2, 3), (3, 4))


def test_cross_boundary_direction_equals_slow_loop(cells):
    arrows, positions, labels, neighbors = cells
    edges = [(0, 1), (2, 0), (3, 9)]
    found = known.cross_boundary_direction(arrows, positions, labels, edges, neighbors)
    expected = [slow_across(arrows, positions, labels, edge, neighbors) for edge in edges]
    np.testing.assert_allclose(found.values, expected)
    assert np.isnan(expected[2])
    assert found.mean == pytest.approx(np.mean(expected[:2]))


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0), (0.0, 0.0)])
def test_cross_boundary_direction_on_a_line(sign, expected):
    positions = np.stack([np.arange(10.0), np.zeros(10)], axis=1)
    neighbors = np.array([[max(i - 1, 0), min(i + 1, 9)] for i in range(10)])
    labels, edges = known.time_labels(positions[:, 0], 5)
    found = known.cross_boundary_direction(sign * np.tile([1.0, 0.0], (10, 1)), positions, labels, edges, neighbors)
    np.testing.assert_allclose(found.values, expected)


def test_no_boundary_at_all_has_no_mean(cells):
    arrows, positions, labels, neighbors = cells
    assert np.isnan(known.cross_boundary_direction(arrows, positions, labels, [(8, 9)], neighbors).mean)


def test_coherence_equals_slow_loop(cells):
    arrows, _, labels, neighbors = cells
    assert known.in_cluster_coherence(arrows, labels, neighbors) == pytest.approx(
        slow_coherence(arrows, labels, neighbors)
    )


def test_coherence_leaves_out_cells_without_a_group(cells):
    arrows, _, labels, neighbors = cells
    kept = labels >= 1
    marked = np.where(kept, labels, -1)
    pairs = [
        (code, [slow_cosine(arrows[i], arrows[j]) for j in neighbors[i] if labels[j] == code])
        for i, code in enumerate(labels)
        if kept[i]
    ]
    groups = [[np.mean(values) for code, values in pairs if code == group and values] for group in (1, 2, 3)]
    expected = np.mean([np.mean(group) for group in groups])
    assert known.in_cluster_coherence(arrows, marked, neighbors) == pytest.approx(expected)
    assert np.isnan(known.in_cluster_coherence(arrows, np.full(60, -1), neighbors))


def test_coherence_of_parallel_arrows_is_one(cells):
    _, _, labels, neighbors = cells
    assert known.in_cluster_coherence(np.tile([3.0, 1.0], (60, 1)), labels, neighbors) == pytest.approx(1)


def test_time_agreement_equals_scipy():
    rng = np.random.default_rng(2)
    truth = rng.uniform(size=50).round(1)
    time = truth + rng.normal(0, 0.2, 50).round(1)
    groups = rng.integers(0, 3, 50)
    found = time_agreement(time, truth, groups)
    assert found.overall == pytest.approx(stats.spearmanr(time, truth).statistic)
    each = [stats.spearmanr(time[groups == g], truth[groups == g]).statistic for g in range(3)]
    assert found.within == pytest.approx(np.mean(each))
    assert time_agreement(time, truth).within is None


def test_groups_without_order_are_left_out():
    truth = np.arange(8.0)
    time = np.array([0, 1, 2, 3, 9, 8, 0, 5.0])
    groups = np.array([0, 0, 0, 0, 1, 1, -1, -1])
    assert time_agreement(time, truth, groups).within == pytest.approx(1)
    assert np.isnan(time_agreement(time, truth, np.full(8, -1)).within)


def test_constant_time_agrees_with_nothing():
    assert time_agreement(np.ones(9), np.arange(9.0)).overall == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: known.direction_accuracy(np.ones((3, 2)), np.ones((3, 3))),
            r"\(3, 2\) and the true movements \(3, 3\)",
        ),
        (lambda: known.direction_accuracy(np.ones((0, 2)), np.ones((0, 2))), "no arrows"),
        (lambda: time_agreement(np.array([0, np.nan]), np.arange(2.0)), "1 of 2 times are not finite"),
        (lambda: time_agreement(np.arange(3.0), np.arange(3.0), np.zeros(2, int)), "groups are of 2 cells; 3"),
        (lambda: known.time_labels(np.arange(3.0), 0), "0 bins"),
        (
            lambda: known.in_cluster_coherence(np.ones((3, 2)), np.zeros(3, int), np.zeros((2, 1), int)),
            "neighbors are of 2",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, message):
    with pytest.raises(DataError, match=message):
        call()
