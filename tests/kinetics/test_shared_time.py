"""One time for all genes: sums against loops over pairs, times against dense least squares, both against the truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from napari_tissue_dynamics.graph.neighbors import expression_graph
from napari_tissue_dynamics.kinetics import shared_time
from napari_tissue_dynamics.kinetics.closed_form import evolve
from napari_tissue_dynamics.kinetics.shared_time import Pairs, along_time, read_shared_time
from napari_tissue_dynamics.kinetics.smooth import SmoothValues, slow_functions

N, G, M = 40, 6, 5


@pytest.fixture
def random():
    """Return pairs over random functions, coefficients of u and s, and a time."""
    rng = np.random.default_rng(0)
    graph = expression_graph(rng.normal(size=(N, 2)), 6, "euclidean")
    basis = np.column_stack([np.ones(N), rng.normal(size=(N, M - 1))])
    return Pairs.of(graph, basis), rng.normal(size=(2, M, G)), rng.random(N)


def test_sums_equal_a_loop_over_pairs(random, monkeypatch):
    pairs, (u, s), time = random
    monkeypatch.setattr(shared_time, "PAIRS", 7)
    found = shared_time.step_sums(u, s, pairs, time)
    values_u, values_s = pairs.basis @ u, pairs.basis @ s
    expected = dict.fromkeys(("uu", "us", "ss", "ud", "sd", "dd"), 0.0)
    for i, j in zip(pairs.first, pairs.second, strict=True):
        parts = {
            "u": (time[j] - time[i]) * (values_u[i] + values_u[j]) / 2,
            "s": (time[j] - time[i]) * (values_s[i] + values_s[j]) / 2,
            "d": values_s[j] - values_s[i],
        }
        for name in expected:
            expected[name] = expected[name] + parts[name[0]] * parts[name[1]]
    for name, value in expected.items():
        assert_allclose(getattr(found, name), value, atol=1e-10)
    assert len(pairs.first) == len({frozenset(pair) for pair in zip(pairs.first, pairs.second, strict=True)})


def test_times_solve_the_weighted_least_squares_of_all_genes_and_pairs(random, monkeypatch):
    pairs, (u, s), _ = random
    monkeypatch.setattr(shared_time, "SLOWEST", 0.0)
    rng = np.random.default_rng(1)
    beta, gamma, weight = rng.random((3, G))
    found = shared_time._times(u, s, pairs, beta, gamma, weight, None)
    values, velocity = pairs.basis @ s, pairs.basis @ (beta * u - gamma * s)
    rows, steps = [], []
    for i, j in zip(pairs.first, pairs.second, strict=True):
        mean = (velocity[i] + velocity[j]) / 2
        for gene in range(G):
            row = np.zeros(N)
            row[j], row[i] = mean[gene], -mean[gene]
            rows.append(np.sqrt(weight[gene]) * row)
            steps.append(np.sqrt(weight[gene]) * (values[j] - values[i])[gene])
    expected = np.linalg.lstsq(np.array(rows), np.array(steps), rcond=None)[0]
    assert_allclose(found, expected - expected.min(), atol=1e-5)


def test_rate_of_splicing_at_a_given_slope_is_that_of_least_squares(random):
    pairs, (u, s), time = random
    slope = np.linspace(0.1, 2, G)
    found = shared_time.slope_rate(shared_time.step_sums(u, s, pairs, time), slope)
    values_u, values_s = pairs.basis @ u, pairs.basis @ s
    i, j = pairs.first, pairs.second
    for gene in range(G):
        mean = (values_u[i] + values_u[j] - slope[gene] * (values_s[i] + values_s[j]))[:, gene] / 2
        x, y = (time[j] - time[i]) * mean, (values_s[j] - values_s[i])[:, gene]
        assert_allclose(found[gene], max((x @ y) / (x @ x), 0), atol=1e-10)


@pytest.fixture(scope="module")
def line():
    """Return cells on a line of time whose genes are switched on and off, and rates and slopes of the genes."""
    rng = np.random.default_rng(2)
    n, number = 400, 60
    time = np.sort(rng.random(n))
    beta, gamma = rng.uniform(2, 6, number), rng.uniform(1, 5, number)
    starts = np.stack([np.zeros(number), rng.uniform(0, 0.4, number), rng.uniform(0.5, 0.9, number)])
    alphas = np.stack([0.1 * np.ones(number), 5 * np.ones(number), 0.1 * np.ones(number)])
    u, s, _ = evolve(time[:, None], starts, alphas, (beta, gamma), (0.1 / beta, 0.1 / gamma))
    graph = expression_graph(np.column_stack([time, 0 * time]), 10, "euclidean")
    basis = slow_functions(graph, 40)
    values = [SmoothValues(basis, np.linalg.lstsq(basis, each, rcond=None)[0], np.ones(number)) for each in (u, s)]
    return time, beta, gamma, values, Pairs.of(graph, basis)


def test_time_and_rates_are_found_from_poor_slopes(line):
    time, beta, gamma, (u, s), pairs = line
    rng = np.random.default_rng(3)
    found = read_shared_time(u, s, pairs, gamma / beta * np.exp(0.3 * rng.normal(size=len(beta))))
    assert np.corrcoef(found.time, time)[0, 1] > 0.995
    assert found.time.min() == 0
    assert found.time.max() == 1
    unit = np.ptp(time)
    assert_allclose(np.median(found.beta / (beta * unit)), 1, atol=0.15)
    assert_allclose(np.median(found.gamma / (gamma * unit)), 1, atol=0.15)
    assert np.median(np.abs(np.log(found.gamma / found.beta * beta / gamma))) < 0.1
    assert np.median(found.agreement) > 0.9


def test_a_known_beginning_turns_the_clock_of_genes_that_say_nothing(line):
    time, _, _, (u, s), pairs = line
    still = SmoothValues(s.basis, np.vstack([s.coefficients[:1], 1e-9 * s.coefficients[1:]]), s.noise)
    found = read_shared_time(
        u, still, pairs, np.ones(u.coefficients.shape[1]), known=np.where(time > 0.3, time, np.nan)
    )
    assert np.corrcoef(found.time[time > 0.3], time[time > 0.3])[0, 1] > 0.95
    backward = read_shared_time(u, s, pairs, np.ones(u.coefficients.shape[1]), known=time)
    assert np.corrcoef(backward.time, time)[0, 1] > 0.99


def test_genes_without_variation_have_no_rates_and_no_vote(line):
    _, beta, gamma, (u, s), pairs = line
    constant = s.coefficients.copy()
    constant[1:, :5] = 0
    quiet = SmoothValues(s.basis, constant, s.noise)
    found = read_shared_time(u, quiet, pairs, gamma / beta)
    assert np.isfinite([found.beta, found.gamma, found.agreement]).all()
    assert (found.agreement[:5] == 0).all()


def test_parts_that_are_not_joined_each_begin_at_zero(line):
    _, beta, gamma, (u, s), _ = line
    n = len(u.basis)
    half = np.arange(n) < n // 2
    joined = expression_graph(np.column_stack([line[0] + 5 * ~half, 0 * line[0]]), 10, "euclidean")
    found = read_shared_time(u, s, Pairs.of(joined, u.basis), gamma / beta)
    assert found.time[half].min() == 0
    assert found.time[~half].min() == 0
    assert np.isfinite(found.time).all()


def test_derivative_along_time_is_that_of_a_line_through_the_neighbors(random):
    pairs, _, time = random
    found = along_time(time, pairs)
    graph = sparse.csr_array((np.ones(len(pairs.first)), (pairs.first, pairs.second)), shape=(N, N))
    graph = graph + graph.T
    for cell in (0, 7, N - 1):
        near = graph.indices[graph.indptr[cell] : graph.indptr[cell + 1]]
        elapsed, step = time[near] - time[cell], pairs.basis[near] - pairs.basis[cell]
        assert_allclose(found[cell], elapsed @ step / (elapsed @ elapsed), atol=1e-10)


@pytest.mark.parametrize("told", [False, True])
def test_times_do_not_depend_on_the_unit_of_the_counts(random, told):
    pairs, (u, s), time = random
    beta, gamma, weight = np.random.default_rng(1).random((3, G))
    known = np.where(time > 0.2, time, np.nan) if told else None
    found = [shared_time._times(unit * u, unit * s, pairs, beta, gamma, weight, known) for unit in (0.05, 1.0, 20.0)]
    for times in found:
        assert_allclose(times, found[1], atol=1e-4 * np.ptp(found[1]))


def test_below_one_neighborhood_the_number_of_cells_does_not_matter(random):
    """There is never less than one independent cell."""
    pairs, (u, s), time = random
    sums, slope = shared_time.step_sums(u, s, pairs, time), np.full(G, 0.7)
    few, none, many = (np.array(shared_time.pulled_rates(sums, slope, n)) for n in (shared_time.SMOOTHED, 1, 10**6))
    assert_allclose(few, none, rtol=1e-12)
    assert np.abs(few - many).max() > 1e-3


def test_a_known_time_is_taken_from_zero_to_one():
    known = np.array([3.0, np.nan, 7.0, 5.0, 5.0])
    assert_allclose(shared_time._filled(known), [0, 0.5, 1, 0.5, 0.5])
    assert_allclose(shared_time._filled(np.array([-4.0, -4.0, np.nan])), 0)
