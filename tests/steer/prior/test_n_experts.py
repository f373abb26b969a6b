import threading
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.preprocessing import prepare, select_genes
from napari_tissue_dynamics.steer.prior import n_experts as experts_number
from napari_tissue_dynamics.steer.prior.mixture import whiten
from napari_tissue_dynamics.steer.prior.n_experts import (
    entropy,
    expert_number,
    expert_number_steps,
    mean_agreement,
    merge_groups,
    stable_number,
    tissue_expert_number_steps,
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
    groups = merge_groups(probability)
    assert all((group.sum(axis=1) == 1).all() for group in groups)
    steps = [probability @ group for group in groups]
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
    angle = rng.uniform(0, np.pi, 300)
    bent = np.column_stack([8 * np.cos(angle), 8 * np.sin(angle), np.zeros(300)])
    others = np.repeat([[40.0, 0, 0], [0, 40, 30]], 150, axis=0)
    x = np.vstack([bent, others]) + rng.standard_normal((600, 3))
    return x, np.repeat([0, 1, 2], [300, 150, 150])


def test_components_of_one_bent_group_become_one_expert(crescent):
    x, truth = crescent
    result = expert_number(x, range(2, 6), seed=0, method="entropy")
    assert result.recommended == 3
    assert adjusted_rand_score(truth, result.labels) > 0.98
    assert_array_equal(result.numbers, [1, 2, 3, 4, 5])
    assert (np.diff(result.entropies) >= -1e-9).all()


def test_more_components_than_groups_leave_the_stable_number(crescent):
    result = expert_number(crescent[0], seed=0)
    assert result.recommended == 3
    assert_allclose(result.stability[:3], 1, atol=0.02)


def test_the_order_of_cells_hardly_matters(crescent):
    x, _ = crescent
    order = np.random.default_rng(1).permutation(len(x))
    here, there = (expert_number(cells, range(2, 6), seed=0, method="entropy") for cells in (x, x[order]))
    assert here.recommended == there.recommended
    assert adjusted_rand_score(here.labels[order], there.labels) > 0.98


def test_two_groups_give_two():
    rng = np.random.default_rng(3)
    x = np.repeat([[0.0, 0], [12, 0]], 150, axis=0) + rng.standard_normal((300, 2))
    result = expert_number(x, range(2, 6), seed=0)
    assert result.recommended == 2
    assert sorted(np.bincount(result.labels)) == [150, 150]


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1, 2], [200, 150, 100])
    return 7 * rng.standard_normal((3, 5))[truth] + rng.standard_normal((450, 5)), truth


def test_bic_and_icl_against_the_tied_mixture_of_scikit_learn(blobs):
    x = whiten(blobs[0], 30)
    result = expert_number(blobs[0], range(2, 5), seed=0)
    for number in (1, 2, 3):
        model = GaussianMixture(number, covariance_type="tied", tol=1e-7, n_init=5, random_state=0).fit(x)
        assert_allclose(result.bic[number - 1], -model.bic(x), rtol=1e-4)
        doubt = sum(-p * np.log(p) for row in model.predict_proba(x) for p in row if p > 0)
        assert_allclose(result.icl[number - 1], -model.bic(x) - 2 * doubt, rtol=1e-4)
    assert result.recommendations["bic"] == result.recommendations["icl"] == 3


@pytest.mark.parametrize("method", ["stability", "icl", "bic"])
def test_known_groups_are_counted(blobs, method):
    result = expert_number(blobs[0], range(2, 5), seed=0, method=method)
    assert result.recommended == 3
    assert adjusted_rand_score(blobs[1], result.labels) > 0.95


def test_one_cloud_of_cells_is_one_expert_but_never_by_the_elbow():
    x = np.random.default_rng(8).standard_normal((400, 8))
    result = expert_number(x, range(2, 5), seed=0)
    assert [result.recommendations[name] for name in ("stability", "icl", "bic")] == [1, 1, 1]
    assert result.recommendations["entropy"] == 2
    assert (result.labels == 0).all()
    assert result.stability[1] < 0.2


def test_one_bent_trajectory_is_one_expert_though_bic_cuts_it():
    rng = np.random.default_rng(9)
    angle = rng.uniform(0, np.pi, 500)[:, None]
    x = 6 * np.hstack([np.cos(angle), np.sin(angle), np.cos(2 * angle)]) + rng.standard_normal((500, 3))
    result = expert_number(x, range(2, 7), seed=0)
    assert result.recommendations["bic"] >= 3
    assert result.recommendations["entropy"] >= 2
    assert result.recommended == 1


def test_agreement_against_counting_pairs_of_cells():
    rng = np.random.default_rng(10)
    cells = [np.sort(rng.choice(30, 24, replace=False)) for _ in range(3)]
    labels = [rng.integers(0, 3, 24) for _ in range(3)]

    def counted(a, b):
        one, other = (dict(zip(cells[i], labels[i], strict=True)) for i in (a, b))
        pairs = list(combinations(sorted(set(one) & set(other)), 2))
        together = [(one[i] == one[j], other[i] == other[j]) for i, j in pairs]
        both, first, second = (sum(map(what, together)) for what in (all, lambda t: t[0], lambda t: t[1]))
        chance = first * second / len(pairs)
        return (both - chance) / ((first + second) / 2 - chance)

    expected = np.mean([counted(0, 1), counted(0, 2), counted(1, 2)])
    assert_allclose(mean_agreement(labels, cells, 30), expected, atol=1e-12)


def test_stable_number_is_the_largest_that_comes_back_with_no_small_group():
    assert stable_number(np.array([1, 0.5, 0.99, 0.9]), [1, 0.4, 0.2, 0.2]) == 3
    assert stable_number(np.array([1, 1.0, 0.99, 1.0]), [1, 0.4, 0.2, 0.02]) == 3
    assert stable_number(np.array([1, 1.0, 0.98]), [1, 0.4, 0.3]) == 2
    assert stable_number(np.array([1, 0.97, 0.9]), [1, 0.4, 0.3]) == 1


def test_a_sample_stands_for_many_cells(blobs, monkeypatch):
    monkeypatch.setattr(experts_number, "MOST_CELLS", 150)
    x, truth = blobs
    result = expert_number(x, range(2, 5), seed=0)
    assert result.recommended == 3
    assert adjusted_rand_score(truth, result.labels) > 0.95


def test_numbers_that_were_not_tried_have_no_value(blobs):
    result = expert_number(blobs[0], [3, 5], seed=0)
    assert_array_equal(np.isfinite(result.bic), [True, False, True, False, True])
    assert_array_equal(np.isfinite(result.entropies), [True, True, True, False, False])
    assert_array_equal(result.numbers, [1, 2, 3, 4, 5])


def test_progress_grows_to_the_end(blobs):
    fractions = []
    run_to_end(expert_number_steps(blobs[0], range(2, 4), seed=0), lambda progress: fractions.append(progress.fraction))
    assert fractions[0] == 0
    assert 0.5 < fractions[-1] < 1
    assert (np.diff(fractions) >= 0).all()


def test_a_stop_ends_the_estimate():
    x = np.random.default_rng(11).standard_normal((4000, 30))
    stop = threading.Event()
    steps = expert_number_steps(x, [9, 10], seed=0, stop=stop)
    next(steps)
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(steps)


@pytest.mark.parametrize(("profile", "method"), [("improved", "stability"), ("faithful", "entropy")])
def test_a_tissue_is_seen_as_a_fit_sees_it(profile, method, monkeypatch):
    tissue = simulate_tissue(n_cells=120, n_genes=40, seed=1).tissue
    config = SteerConfig(profile=profile, min_shared_counts=0, smooth_neighbors=8, expression_neighbors=8)
    result = run_to_end(tissue_expert_number_steps(tissue, config))
    components = prepare(tissue, config, select_genes(tissue, config)).components
    again = expert_number(components, seed=config.seed, method=method)
    assert result.method == method
    assert result.recommended == again.recommended
    assert_array_equal(result.bic, again.bic)


def test_an_unknown_method_is_refused(blobs):
    with pytest.raises(DataError, match="'gap' is unknown"):
        expert_number(blobs[0], seed=0, method="gap")


def test_same_seed_same_result_and_global_state_untouched(blobs):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (expert_number(blobs[0], range(2, 4), seed=4) for _ in range(2))
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
