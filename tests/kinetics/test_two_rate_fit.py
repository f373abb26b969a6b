"""Two rates of every gene against non-negative least squares of scipy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import nnls

from napari_tissue_dynamics.kinetics.two_rate_fit import StepSums, explained, pull_to_slope, two_rates

N, G = 40, 60


@pytest.fixture(scope="module")
def steps():
    """Return time x u, time x s and the steps, (N, G) each; some genes follow the equation, others contradict it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, N, G)) * rng.uniform(0.2, 3, (2, 1, G))
    y += rng.uniform(-1, 2, G) * x
    signs = rng.choice([-1.0, 1.0], (2, G))
    d = signs[0] * rng.uniform(0, 3, G) * x - signs[1] * rng.uniform(0, 3, G) * y + 0.5 * rng.normal(size=(N, G))
    return x, y, d


def sums_of(x, y, d):
    return StepSums(*((a * b).sum(axis=0) for a, b in ((x, x), (y, y), (x, y), (x, d), (y, d), (d, d))))


@pytest.mark.parametrize("pull", [0.0, 7.0])
def test_rates_are_those_of_least_squares_that_are_not_negative(steps, pull):
    x, y, d = steps
    slope = np.linspace(0.1, 3, G)
    beta, gamma = two_rates(sums_of(x, y, d), slope, np.full(G, pull))
    for g in range(G):
        rows = np.vstack([np.column_stack([x[:, g], -y[:, g]]), np.sqrt(pull) * np.array([[-slope[g], 1.0]])])
        expected = nnls(rows, np.append(d[:, g], 0.0))[0]
        if pull and (expected == 0).any():
            continue  # the pull couples the two rates: the better of both borders is then an approximation
        assert_allclose([beta[g], gamma[g]], expected, rtol=1e-6, atol=1e-9)
    for one, other in ((beta > 0, gamma == 0), (beta == 0, gamma > 0), (beta > 0, gamma > 0), (gamma > 0, gamma < 1)):
        assert (one & other).sum() > 2


def test_what_is_explained_is_the_share_of_the_squares(steps):
    x, y, d = steps
    sums = sums_of(x, y, d)
    beta, gamma = two_rates(sums, np.ones(G), np.zeros(G))
    left = d - beta * x + gamma * y
    assert_allclose(explained(sums, beta, gamma), 1 - (left**2).sum(axis=0) / (d**2).sum(axis=0), atol=1e-12)
    assert (explained(sums_of(x, y, 0 * d), beta, gamma) == 0).all()


def test_the_pull_is_noise_over_the_information_of_a_normal_prior(steps):
    sums = sums_of(*steps)
    slope, beta, agreement = np.full(G, 0.8), np.linspace(0.5, 2, G), np.linspace(0.1, 0.9, G)
    pull = pull_to_slope(sums, slope, beta, agreement, 20.0)
    expected = (1 - agreement) * sums.dd / 20 / (0.5 * 0.8 * beta) ** 2
    inside = (expected > 1e-3 * sums.ss) & (expected < 1e4 * sums.ss)
    assert inside.sum() > G / 2
    assert_allclose(pull[inside], expected[inside])
    assert_allclose(pull_to_slope(sums, slope, beta, np.ones(G), 1e12), 1e-3 * sums.ss)
    assert_allclose(pull_to_slope(sums, slope, beta, 0 * beta, 1e-12), 1e4 * sums.ss)
