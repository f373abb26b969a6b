"""Kinetic regimes that were planted into residuals."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.regimes import cosines, find_regimes, number_of_regimes

N, G = 600, 40


def planted(number, seed=0, noise=0.4, crossing=False):
    """Return residuals along one course over time per regime, the regimes, the time and similar cells.

    Courses that cross are all 0 in the middle of time, where regimes cannot be told apart.
    """
    rng = np.random.default_rng(seed)
    code, time = rng.integers(number, size=N), rng.random(N)
    way = 2 * time - 1 if crossing else 0.3 + time
    course = rng.normal(size=(number, G))[code] * way[:, None]
    x = course + noise * rng.normal(size=(N, G))
    where = np.column_stack([20 * time, 40 * code, x])
    graph = sparse.csr_array(kneighbors_graph(where, 10, include_self=True))
    return (x - x.mean(axis=0)).astype(np.float32), code, time, graph


@pytest.mark.parametrize(("number", "crossing"), [(2, False), (3, False), (5, False), (2, True), (3, True)])
def test_planted_regimes_are_found(number, crossing):
    x, truth, time, graph = planted(number, crossing=crossing)
    found = find_regimes(x, time, graph, number, seed=0)
    assert adjusted_rand_score(truth, found) > 0.95
    sizes = np.bincount(found)
    assert len(sizes) == number
    assert (np.diff(sizes) <= 0).all()  # the largest first


def test_neighbors_decide_where_courses_cross():
    x, truth, time, graph = planted(2, crossing=True)
    alone = find_regimes(x, time, sparse.csr_array((N, N)), 2, seed=0)
    middle = np.abs(time - 0.5) < 0.05
    with_neighbors = find_regimes(x, time, graph, 2, seed=0)

    def right(found):
        same = found == truth
        return max(same[middle].mean(), 1 - same[middle].mean())

    assert right(with_neighbors) > right(alone)


def test_nearest_cells_of_the_tissue_vote_only_where_regimes_lie_together():
    """Half of the cells are too noisy to be told apart; where they lie says it, unless cells lie anywhere."""
    rng = np.random.default_rng(3)
    x, truth, time, _ = planted(2, noise=0.4)
    unsure = rng.random(N) < 0.1
    x[unsure] = rng.normal(size=(unsure.sum(), G))
    nothing = sparse.csr_array((N, N))
    side = np.column_stack([truth + 0.1 * rng.random(N), rng.random(N)])
    together = sparse.csr_array(kneighbors_graph(side, 8))
    anywhere = sparse.csr_array(kneighbors_graph(rng.random((N, 2)), 8))
    alone = adjusted_rand_score(truth, find_regimes(x, time, nothing, 2, seed=0))
    assert adjusted_rand_score(truth, find_regimes(x, time, nothing, 2, seed=0, tissue=together)) > alone + 0.05
    assert adjusted_rand_score(truth, find_regimes(x, time, nothing, 2, seed=0, tissue=anywhere)) == alone


@pytest.mark.parametrize("number", [1, 2, 3])
def test_number_of_planted_regimes(number):
    x, _, time, graph = planted(number, noise=0.15)
    if number == 1:
        x = np.random.default_rng(0).normal(size=(N, G)).astype(np.float32)
    assert number_of_regimes(x, time, graph, seed=0) == number


def test_genes_that_share_no_regimes_ask_for_one():
    """Every gene has regimes of its own: what half of the genes define explains nothing of the others."""
    rng = np.random.default_rng(1)
    time = rng.random(N)
    x = (rng.integers(2, size=(N, G)) * 2 - 1 + 0.1 * rng.normal(size=(N, G))).astype(np.float32)
    graph = sparse.csr_array(kneighbors_graph(x, 10))
    assert number_of_regimes(x, time, graph, seed=0) == 1


def test_few_cells_have_one_regime_and_too_few_are_refused():
    x, _, time, graph = planted(2)
    few = np.arange(80)
    assert number_of_regimes(x[few], time[few], graph[few][:, few], seed=0) == 1
    assert not find_regimes(x, time, graph, 1, seed=0).any()
    with pytest.raises(DataError, match="3 cells cannot be divided among 4 regimes"):
        find_regimes(x[:3], time[:3], graph[:3][:, :3], 4, seed=0)


def test_the_same_seed_gives_the_same_regimes():
    x, _, time, graph = planted(3, noise=1.5)
    first, second = (find_regimes(x, time, graph, 3, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_functions_of_time_depend_on_its_order_only():
    time = np.random.default_rng(0).random(50)
    rank = np.argsort(np.argsort(time)) / 49
    np.testing.assert_allclose(cosines(time)[:, 3], np.cos(3 * np.pi * rank))
    np.testing.assert_array_equal(cosines(np.exp(5 * time)), cosines(time))
