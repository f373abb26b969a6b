import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from napari_tissue_dynamics.steer.prior.mixture import extend, tied_mixture, whiten


@pytest.fixture
def groups():
    rng = np.random.default_rng(0)
    shape = rng.standard_normal((6, 6))
    centres = 9 * rng.standard_normal((4, 6))
    truth = rng.choice(4, 800, p=[0.4, 0.3, 0.2, 0.1])
    return (centres[truth] + rng.standard_normal((800, 6))) @ shape, truth


def test_agrees_with_the_tied_mixture_of_scikit_learn(groups):
    x = whiten(groups[0], 30)
    ours = tied_mixture(x, 4, seed=0)
    theirs = GaussianMixture(4, covariance_type="tied", tol=1e-7, n_init=5, random_state=0).fit(x)
    assert_allclose(ours.log_likelihood / len(x), theirs.score(x), atol=1e-4)
    assert_allclose(ours.bic, -theirs.bic(x), rtol=1e-4)
    match = np.argmax(ours.probability.T @ theirs.predict_proba(x), axis=1)
    assert_allclose(ours.probability, theirs.predict_proba(x)[:, match], atol=1e-3)


def test_finds_known_groups_and_their_number(groups):
    x, truth = whiten(groups[0], 30), groups[1]
    fits = {k: tied_mixture(x, k, seed=0) for k in range(1, 7)}
    assert max(fits, key=lambda k: fits[k].bic) == 4
    assert adjusted_rand_score(truth, fits[4].probability.argmax(axis=1)) > 0.99


def test_one_component_is_the_normal_distribution(groups):
    from scipy.stats import multivariate_normal

    x = whiten(groups[0], 30)
    covariance = np.cov(x.T, bias=True)
    expected = multivariate_normal(np.zeros(6), covariance).logpdf(x).sum()
    assert_allclose(tied_mixture(x, 1, seed=0).log_likelihood, expected, rtol=1e-6)


def test_a_linear_change_of_coordinates_changes_nothing(groups):
    x = groups[0]
    turned = x @ np.random.default_rng(3).standard_normal((6, 6)) + 100
    one, other = (tied_mixture(whiten(values, 30), 4, seed=0) for values in (x, turned))
    labels = [fit.probability.argmax(axis=1) for fit in (one, other)]
    assert adjusted_rand_score(*labels) > 0.999
    assert_allclose(one.bic, other.bic, rtol=1e-4)


def test_whitened_values_have_unit_covariance_and_no_empty_directions(groups):
    x = np.hstack([groups[0], groups[0][:, :2]])
    z = whiten(x, 30)
    assert z.shape == (800, 6)
    assert_allclose(z.T @ z / 800, np.eye(6), atol=1e-8)
    assert whiten(x, 3).shape == (800, 3)


def test_outliers_make_no_component_where_there_is_another_way():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((600, 3))
    x[300:, 0] += 6
    x[:2] += [0, 60, 0]
    assert tied_mixture(whiten(x, 30), 2, seed=0).smallest >= 10


def test_a_fit_to_some_cells_says_what_scikit_learn_says_of_the_others(groups):
    x = whiten(groups[0], 30)
    some = np.arange(0, 800, 2)
    ours = extend(x, x[some], tied_mixture(x[some], 4, seed=0).probability)
    theirs = GaussianMixture(4, covariance_type="tied", tol=1e-7, n_init=5, random_state=0).fit(x[some])
    expected = theirs.predict_proba(x)
    match = np.argmax(ours.T @ expected, axis=1)
    assert_allclose(ours, expected[:, match], atol=2e-3)


def test_groups_hidden_in_few_of_many_directions_are_found():
    rng = np.random.default_rng(8)
    truth = rng.choice(2, 600)
    x = rng.standard_normal((600, 30)) * np.linspace(3, 0.5, 30)
    x[:, :2] += np.where(truth, 7, -7)[:, None]
    found = tied_mixture(whiten(x, 30), 2, seed=0).probability.argmax(axis=1)
    assert adjusted_rand_score(truth, found) > 0.95


def test_same_seed_same_result_and_global_state_untouched(groups):
    x = whiten(groups[0], 30)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = tied_mixture(x, 3, seed=7), tied_mixture(x, 3, seed=7)
    assert (first.probability == second.probability).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
