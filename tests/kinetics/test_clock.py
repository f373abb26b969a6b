"""The clock on exact solutions of the splicing equation with known rates."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.stats import spearmanr

from napari_tissue_dynamics.kinetics.clock import read_clock, regime_rates
from napari_tissue_dynamics.kinetics.config import ClockConfig
from napari_tissue_dynamics.kinetics.phase_line import fit_line
from napari_tissue_dynamics.kinetics.prepare import Seen
from napari_tissue_dynamics.kinetics.shared_time import Pairs, pulled_rates, read_shared_time, step_sums
from napari_tissue_dynamics.kinetics.smooth import SmoothValues

N, G = 240, 60


@pytest.fixture(scope="module")
def exact():
    """Return two regimes of cells along time, with other rates in half of the genes, and everything true of them.

    The smooth functions are the cells themselves, so that nothing is smoothed.
    """
    rng = np.random.default_rng(0)
    time = np.tile(np.linspace(0, 1, N // 2), 2)
    regime = np.repeat([0, 1], N // 2)
    beta = rng.uniform(2, 5, (1, G)) * np.ones((2, 1))
    gamma = rng.uniform(1, 4, (1, G)) * np.ones((2, 1))
    beta[1, ::2] *= 0.6
    gamma[1, ::2] *= 1.4
    switch, begun = rng.uniform(0.3, 0.9, G), rng.uniform(0, 0.2, G)
    u, s = np.empty((2, N, G))
    for k in range(2):
        for g in range(G):

            def change(t, x, k=k, g=g):
                on = 10.0 if begun[g] < t < switch[g] else 0.5
                return [on - beta[k, g] * x[0], beta[k, g] * x[0] - gamma[k, g] * x[1]]

            rows = regime == k
            start = [0.5 / beta[k, g], 0.5 / gamma[k, g]]
            done = solve_ivp(change, (0, 1), start, t_eval=time[rows], max_step=0.01, rtol=1e-8)
            u[rows, g], s[rows, g] = done.y
    rows, columns = [], []
    for k in range(2):
        cells = np.flatnonzero(regime == k)
        for step in (1, 2, 3):
            rows += list(cells[:-step])
            columns += list(cells[step:])
    rows += [0]
    columns += [N // 2]
    graph = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(N, N))
    basis, noise = np.eye(N), np.ones(G)
    seen = Seen(
        sparse.csr_array(graph + graph.T + sparse.eye_array(N)),
        s.astype(np.float32),
        SmoothValues(basis, u, noise),
        SmoothValues(basis, s, noise),
        u.astype(np.float32),
        s.astype(np.float32),
    )
    velocity = beta[regime] * u - gamma[regime] * s
    return SimpleNamespace(seen=seen, time=time, regime=regime, beta=beta, gamma=gamma, velocity=velocity)


@pytest.fixture(scope="module")
def clock(exact):
    line = fit_line(exact.seen.unspliced, exact.seen.spliced, ClockConfig())
    return read_clock(exact.seen, line, ClockConfig(n_regimes=2))


def test_time_and_regimes_are_those_of_the_equation(exact, clock):
    for k in range(2):
        cells = exact.regime == k
        assert spearmanr(clock.shared.time[cells], exact.time[cells]).statistic > 0.98
    late = exact.time > 0.3
    same = (clock.regime == exact.regime)[late].mean()
    assert max(same, 1 - same) > 0.85  # cells on a line have few neighbors that could say which of two crossing courses


def test_rates_of_known_regimes_are_nearer_to_the_truth_than_those_of_all_cells(exact, clock):
    inside = clock.pairs.within(exact.regime)
    unit = np.ptp(exact.time)
    shared = replace(clock.shared, time=exact.time)
    beta, gamma, agreement = regime_rates(exact.seen, shared, inside, exact.regime, ClockConfig())
    assert np.median(agreement) > 0.9

    def error(found, true):
        return np.median(np.abs(np.log(np.maximum(found, 1e-3) / (true * unit))))

    common = read_shared_time_rates(exact)
    for own, every, true in ((beta, common.beta, exact.beta), (gamma, common.gamma, exact.gamma)):
        assert error(own, true) < 0.1
        assert error(own[:, ::2], true[:, ::2]) < 0.5 * error(every[None, ::2], true[:, ::2])


def read_shared_time_rates(exact):
    """Return the rates of all cells at the true time."""
    pairs = Pairs.of(exact.seen.graph, exact.seen.smooth_spliced.basis)
    u, s = exact.seen.smooth_unspliced.coefficients, exact.seen.smooth_spliced.coefficients
    slope = fit_line(exact.seen.unspliced, exact.seen.spliced, ClockConfig()).slope
    beta, gamma, _ = pulled_rates(step_sums(u, s, pairs, exact.time), slope, N)
    return SimpleNamespace(beta=beta, gamma=gamma)


def test_velocity_is_the_true_one(exact, clock):
    def cosine(a, b):
        return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())

    found = clock.velocity(exact.seen)
    common = clock.shared.beta * exact.seen.unspliced - clock.shared.gamma * exact.seen.spliced
    assert cosine(found, exact.velocity) > 0.95
    assert cosine(found, exact.velocity) > cosine(common, exact.velocity)


def test_velocity_mixes_equation_and_derivative_by_what_the_equation_explains(exact, clock):
    beta, gamma = clock.beta[clock.regime], clock.gamma[clock.regime]
    equation = beta * exact.seen.unspliced - gamma * exact.seen.spliced
    derivative = clock.change @ exact.seen.smooth_spliced.coefficients
    expected = clock.agreement * equation + (1 - clock.agreement) * derivative
    assert_allclose(clock.velocity(exact.seen), expected, atol=1e-4 * np.abs(expected).max())


def test_genes_of_a_clock_are_those_of_the_whole(exact, clock):
    some = np.array([3, 7, 12])
    part = clock.of_genes(some).velocity(exact.seen.of_genes(some))
    whole = clock.velocity(exact.seen)[:, some]
    assert_allclose(part, whole, atol=1e-4 * np.abs(whole).max())


def test_what_is_missing_in_a_velocity_is_wanted_and_noise_is_not(exact, clock):
    """Half of the loss was forgotten: it is wanted whole. What has nothing to do with the steps is not."""
    true = (clock.beta[clock.regime] * exact.seen.unspliced - clock.gamma[clock.regime] * exact.seen.spliced) / 1
    left = exact.seen.smooth_spliced.coefficients
    missing = (clock.change @ left - true).astype(np.float32)
    wanted = clock.wanted_share(missing, exact.seen)
    explained = clock.agreement < 0.98
    assert np.median(wanted[explained]) > 0.8
    noise = np.random.default_rng(0).normal(size=missing.shape).astype(np.float32) * np.abs(missing).mean(axis=0)
    assert np.median(clock.wanted_share(noise, exact.seen)) < 0.2


def test_one_regime_has_the_rates_of_all_cells(exact):
    line = fit_line(exact.seen.unspliced, exact.seen.spliced, ClockConfig())
    clock = read_clock(exact.seen, line, ClockConfig(n_regimes=1))
    assert clock.probability is None
    assert_allclose(clock.beta[0], clock.shared.beta)


def test_steps_between_samples_are_no_change(exact):
    """A second sample, counted twice as deeply, does not change what is found; its cells have the same times."""
    seen = exact.seen
    line = fit_line(seen.unspliced, seen.spliced, ClockConfig())
    samples = exact.regime
    joined = sparse.coo_array((np.ones(N // 2), (np.arange(N // 2), np.arange(N // 2, N))), shape=(N, N))
    graph = sparse.csr_array(seen.graph + joined + joined.T)
    pairs = Pairs.of(graph, seen.smooth_spliced.basis, samples)
    assert pairs.still.sum() == N // 2
    assert not pairs.within(np.zeros(N, dtype=int)).still.any()
    found = read_shared_time(seen.smooth_unspliced, seen.smooth_spliced, pairs, line.slope).time
    assert np.abs(found[: N // 2] - found[N // 2 :]).mean() < 0.1
    assert spearmanr(found, exact.time).statistic > 0.95
