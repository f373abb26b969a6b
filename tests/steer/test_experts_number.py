from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.steer.experts_number import (
    entropy,
    expert_number,
    merge_components,
    two_segments,
)


def test_a_curve_of_two_straight_lines_bends_where_they_meet():
    bend, error = two_segments(np.array([0.0, 1, 2, 20, 38]))
    assert bend == 3
    assert error == pytest.approx(0, abs=1e-20)


def test_the_near_tie_of_the_publication_bends_at_three():
    curve = np.array([0, 0.5, 8.7, 30, 75.7])
    bend, error = two_segments(curve)
    assert bend == 3
    assert error == pytest.approx(109.2, rel=1e-3)


def test_two_segments_against_polynomial_fits():
    curve = np.cumsum(np.random.default_rng(0).exponential(size=9))
    places = np.arange(1, 10)
    errors = {}
    for bend in range(2, 9):
        parts = [(places[:bend], curve[:bend]), (places[bend - 1 :], curve[bend - 1 :])]
        errors[bend] = sum(((np.polyval(np.polyfit(x, y, 1), x) - y) ** 2).sum() for x, y in parts)
    bend, error = two_segments(curve)
    assert bend == min(errors, key=errors.get)
    assert_allclose(error, errors[bend], rtol=1e-9)


def test_entropy_of_assignments():
    probability = np.random.default_rng(1).dirichlet(np.ones(4), 50)
    probability[0] = [1, 0, 0, 0]
    assert_allclose(entropy(probability), stats.entropy(probability, axis=1).sum())


def test_merging_takes_the_pair_that_lowers_the_entropy_most():
    probability = np.random.default_rng(2).dirichlet([2, 1, 0.3, 0.1, 0.5], 200)
    steps = merge_components(probability)
    assert [step.shape[1] for step in steps] == [1, 2, 3, 4, 5]
    assert_array_equal(steps[-1], probability)
    for finer, coarser in zip(steps[:0:-1], steps[-2::-1], strict=True):
        assert_allclose(coarser.sum(axis=1), 1)
        lowest = min(
            stats.entropy(np.column_stack([np.delete(finer, [a, b], axis=1), finer[:, a] + finer[:, b]]), axis=1).sum()
            for a, b in combinations(range(finer.shape[1]), 2)
        )
        assert_allclose(entropy(coarser), lowest, atol=1e-8)


@pytest.fixture(scope="module")
def crescent():
    """Three far groups, one of which is bent and needs several normal distributions."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 600)
    bent = np.column_stack([8 * np.cos(angle), 8 * np.sin(angle), np.zeros(600)])
    others = np.repeat([[40.0, 0, 0], [0, 40, 30]], 300, axis=0)
    x = np.vstack([bent, others]) + rng.standard_normal((1200, 3))
    return x, np.repeat([0, 1, 2], [600, 300, 300])


def test_components_of_one_bent_group_become_one_expert(crescent):
    x, truth = crescent
    result = expert_number(x, range(2, 6), seed=0)
    assert len(result.numbers) == 5
    assert result.recommended == 3
    assert adjusted_rand_score(truth, result.labels) > 0.98
    assert_array_equal(result.numbers, np.arange(1, len(result.numbers) + 1))
    assert (np.diff(result.entropies) >= -1e-9).all()


def test_the_order_of_cells_hardly_matters(crescent):
    x, _ = crescent
    order = np.random.default_rng(1).permutation(len(x))
    here, there = (expert_number(cells, range(2, 6), seed=0) for cells in (x, x[order]))
    assert here.recommended == there.recommended
    assert adjusted_rand_score(here.labels[order], there.labels) > 0.98


def test_two_groups_give_two():
    rng = np.random.default_rng(3)
    x = np.repeat([[0.0, 0], [12, 0]], 150, axis=0) + rng.standard_normal((300, 2))
    result = expert_number(x, range(2, 6), seed=0)
    assert result.recommended == 2
    assert sorted(np.bincount(result.labels)) == [150, 150]


def test_same_seed_same_result_and_global_state_untouched(crescent):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (expert_number(crescent[0], range(2, 5), seed=4) for _ in range(2))
    assert_array_equal(first.entropies, second.entropies)
    assert_array_equal(first.labels, second.labels)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize("candidates", [[], [1, 2], [0]])
def test_candidates_below_two_are_refused(candidates):
    with pytest.raises(DataError, match="2 or more"):
        expert_number(np.zeros((20, 3)), candidates, seed=0)


def test_a_few_outliers_are_no_expert():
    rng = np.random.default_rng(6)
    x = np.repeat([[0.0, 0, 0], [12, 0, 0]], 150, axis=0) + rng.standard_normal((300, 3))
    x[:3] += [0, 90, 0]
    result = expert_number(x, range(2, 6), seed=0)
    assert result.recommended == 2
    assert np.bincount(result.labels).min() > 140


def test_a_handful_of_cells_is_not_cut_to_pieces():
    x = np.random.default_rng(5).standard_normal((14, 30))
    assert expert_number(x, seed=0).recommended <= 3


def test_too_few_cells_are_refused():
    with pytest.raises(DataError, match="2 cells"):
        expert_number(np.eye(2), seed=0)
