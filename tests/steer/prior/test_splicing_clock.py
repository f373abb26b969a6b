"""The clock against slow sums, dense solutions and cells whose kinetics are known."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls
from scipy.stats import spearmanr

from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.kinetics.closed_form import evolve
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.velocity import Noise, simulate_bilinear
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.preprocessing import prepare
from napari_tissue_dynamics.steer.prior import rates
from napari_tissue_dynamics.steer.prior import splicing_clock as module
from napari_tissue_dynamics.steer.prior.splicing_clock import Pairs, clock, clock_steps

ON, OFF, LATE_BOOST, REPRESSED = (0, 1, 1), (0, 0, 0), (0, 1, 5), (0, 1, 0)
PROGRAMMES = (ON, OFF, LATE_BOOST, REPRESSED)


def line(n: int, reach: int = 3) -> sparse.csr_array:
    """Every cell is joined with the next ``reach`` cells."""
    steps = range(1, reach + 1)
    return sparse.csr_array(sparse.diags_array([np.ones(n - d) for d in steps], offsets=steps, shape=(n, n)))


def draw_rates(seed: int, genes: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(1.5, 0.4, (2, genes)))


def evolved(time: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return u and s, (cells, genes), in closed form; every programme has an equal share of the genes."""
    rng = np.random.default_rng(0)
    genes = rates.shape[1]
    each = genes // len(PROGRAMMES)
    levels = 5.0 * np.repeat(np.array(PROGRAMMES).T, each, axis=1)
    initial = 5.0 * np.repeat([programme is OFF for programme in PROGRAMMES], each)
    starts = np.stack([np.zeros(genes), rng.uniform(0, 0.3, genes), rng.uniform(0.4, 0.7, genes)])
    u, s, _ = evolve(time[:, None], starts, levels, (rates[0], rates[1]), (initial / rates[0], initial / rates[1]))
    return u, s


def course(time: np.ndarray, each: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return u and s scaled to 1 and the rates beta, gamma (2, genes) that hold for them."""
    rates = draw_rates(0, each * len(PROGRAMMES))
    u, s = evolved(time, rates)
    ratio = u.max(axis=0) / s.max(axis=0)
    return u / u.max(axis=0), s / s.max(axis=0), rates * np.stack([ratio, np.ones_like(ratio)])


def single(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.astype(np.float32) for array in arrays]


def wave(time: np.ndarray, direction: int, genes: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return u and s for which the splicing equation holds (beta 4, gamma 5) while time runs up (1) or down (-1)."""
    phase = np.linspace(0, 6, genes)
    s = 1 + 0.5 * np.sin(2 * time[:, None] + phase)
    slope = np.cos(2 * time[:, None] + phase)
    u, s = single((direction * slope + 5 * s) / 4, s)
    return u, s


def rho(a: np.ndarray, b: np.ndarray) -> float:
    return float(spearmanr(a, b)[0])


@pytest.fixture
def random_pairs(rng):
    graph = sparse.csr_array(rng.random((40, 40)) < 0.15)
    u, s = rng.random((2, 40, 6), dtype=np.float32)
    return u, s, Pairs.of(graph), rng.random(40)


def test_pairs_are_joined_in_either_direction_once_and_never_with_themselves():
    graph = sparse.csr_array(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=np.float32))
    pairs = Pairs.of(graph)
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [(0, 1), (1, 2)]
    assert pairs.n_cells == 4
    inside = pairs.within(np.array([0, 0, 1, 1]), 0)
    assert (inside.first.tolist(), inside.second.tolist(), inside.n_cells) == ([0], [1], 4)


@pytest.mark.parametrize("rows", [7, 2048])
def test_sums_equal_a_loop_over_pairs(random_pairs, monkeypatch, rows):
    monkeypatch.setattr(rates, "ROWS", rows)
    u, s, pairs, time = random_pairs
    expected = dict.fromkeys(("uu", "ss", "us", "ud", "sd", "dd"), 0.0)
    for i, j in zip(pairs.first, pairs.second, strict=True):
        passed = time[j] - time[i]
        mean_u, mean_s = passed * (u[i] + u[j]) / 2, passed * (s[i] + s[j]) / 2
        values = {"u": mean_u, "s": mean_s, "d": s[j] - s[i]}
        for name in expected:
            expected[name] = expected[name] + values[name[0]].astype(float) * values[name[1]]
    sums = rates._sums(u, s, pairs, time)
    for name, value in expected.items():
        assert_allclose(getattr(sums, name), value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_sums_do_not_lose_the_squares_of_small_steps():
    """Sums of squares of values that are 1e5 times as large, in single precision, would be off by a tenth."""
    time = np.linspace(0, 1, 60_000)
    s = 0.7 + 0.001 * np.sin(40 * time[:, None] + np.arange(3))
    s[::2] += 0.002
    (s,) = single(s)
    pairs = Pairs.of(line(len(s), 2))
    step = s[pairs.second].astype(np.float64) - s[pairs.first]
    assert_allclose(rates._sums(s, s, pairs, time).dd, (step**2).sum(axis=0), rtol=1e-4)


def test_rates_equal_nonnegative_least_squares(random_pairs, rng):
    """Of random steps, some want both rates, some one and some none."""
    u, s, pairs, time = random_pairs
    u, s = (np.concatenate([values] * 20, axis=1) + 0.3 * rng.random((40, 120)) for values in (u, s))
    u, s = single(u, s * rng.choice([0.2, 1.0, 3.0], 120))
    slope = rates.steady_slopes(u, s) * rng.uniform(0.5, 2, 120)
    pull = np.exp(rng.normal(-2, 2, 120))
    beta, gamma = rates.two_rates(rates._sums(u, s, pairs, time), slope, pull)

    i, j = pairs.first, pairs.second
    passed = (time[j] - time[i])[:, None]
    mean_u, mean_s, step = passed * (u[i] + u[j]) / 2, passed * (s[i] + s[j]) / 2, s[j].astype(float) - s[i]
    expected = []
    for g in range(120):
        steady = np.sqrt(pull[g]) * np.array([[slope[g], -1]])
        matrix = np.vstack([np.column_stack([mean_u[:, g], -mean_s[:, g]]), steady])
        expected.append(nnls(matrix, np.append(step[:, g], 0))[0])
    expected = np.array(expected)
    kinds = {tuple(row) for row in (expected > 0).tolist()}
    assert len(kinds) >= 3
    assert_allclose(np.column_stack([beta, gamma]), expected, rtol=2e-3, atol=2e-4)


def test_slopes_and_explained_share_equal_their_definitions(random_pairs):
    u, s, pairs, time = random_pairs
    assert_allclose(rates.steady_slopes(u, s), [np.linalg.lstsq(s[:, [g]], u[:, g])[0][0] for g in range(6)], rtol=1e-5)
    s = s + 2 * time[:, None].astype(np.float32)
    sums = rates._sums(u, s, pairs, time)
    beta, gamma = rates.two_rates(sums, np.ones(6), np.zeros(6))
    i, j = pairs.first, pairs.second
    velocity = beta * u - gamma * s
    step = s[j] - s[i]
    left = step - (time[j] - time[i])[:, None] * (velocity[i] + velocity[j]) / 2
    expected = 1 - (left**2).sum(axis=0) / (step**2).sum(axis=0)
    assert (expected > 0.05).all()
    assert_allclose(rates.explained(sums, beta, gamma), expected, atol=1e-4)


@pytest.mark.parametrize("block", [5, 1 << 17])
def test_forces_equal_a_loop_over_pairs(random_pairs, rng, monkeypatch, block):
    monkeypatch.setattr(rates, "BLOCK_VALUES", block)
    u, s, pairs, _ = random_pairs
    velocity, weights = u - s, rng.random((3, 6))
    push, stiffness = module._forces(s, pairs, velocity, weights)
    for number, (i, j) in enumerate(zip(pairs.first, pairs.second, strict=True)):
        mean = (velocity[i] + velocity[j]) / 2
        assert_allclose(push[:, number], weights @ ((s[j] - s[i]) * mean), rtol=1e-4, atol=1e-5)
        assert_allclose(stiffness[:, number], weights @ mean**2, rtol=1e-4)


@pytest.mark.parametrize("known_share", [0, 0.1, 1])
def test_times_equal_dense_least_squares(random_pairs, rng, known_share):
    """Rows: each pair wants the time its genes say, each cell is held at 0 a little and voted for by the prior."""
    u, s, pairs, time = random_pairs
    n, i, j = 40, pairs.first, pairs.second
    push, stiffness = (each[0] for each in module._forces(s, pairs, u - s, rng.random((1, 6))))
    known = rng.random(n) < known_share
    prior = np.where(known, 7 + 3 * time, np.nan) if known_share else None

    stiff = (1 + module.NOISE_SHARE * stiffness.mean() / stiffness) * stiffness.astype(float)
    differences = np.zeros((len(i), n))
    differences[np.arange(len(i)), j], differences[np.arange(len(i)), i] = 1, -1
    degree = 2 * stiff.sum() / n
    rows = [np.sqrt(stiff)[:, None] * differences, np.sqrt(1e-6 * degree) * np.eye(n)]
    wanted = [push / np.sqrt(stiff), np.zeros(n)]
    expected = np.linalg.lstsq(np.vstack(rows), np.concatenate(wanted))[0]
    if known_share:
        like_times = (prior - np.nanmean(prior)) * expected[known].std() / np.nanstd(prior) + expected[known].mean()
        vote = np.sqrt(module.PRIOR_SHARE * degree)
        rows.append(vote * np.eye(n)[known])
        wanted.append(vote * like_times[known])
        expected = np.linalg.lstsq(np.vstack(rows), np.concatenate(wanted))[0]

    got = module._settle(pairs, push, stiffness, prior)
    assert got.min() == 0
    assert_allclose(got, expected - expected.min(), atol=1e-4 * np.ptp(expected))


def test_known_kinetics_on_a_line_are_recovered():
    time = np.linspace(0, 1, 300)
    u, s, (beta, gamma) = course(time)
    u, s = single(u, s)
    found = clock(u, s, line(300))
    assert rho(found.time, time) > 0.999
    assert_allclose(found.time, time, atol=0.06)
    assert found.time.dtype == found.spread.dtype == found.beta.dtype == np.float32
    ratio = np.abs(np.log(found.gamma[0] / found.beta[0] * beta / gamma))
    assert np.median(ratio) < 0.05
    assert np.quantile(ratio, 0.75) < 0.15
    assert np.median(found.beta[0] / beta) == pytest.approx(1, abs=0.15)
    assert found.agreement.min() > 0.9
    assert found.weight.mean() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("number", range(len(PROGRAMMES)))
def test_every_programme_tells_the_direction_by_itself(number):
    time = np.linspace(0, 1, 200)
    u, s, _ = course(time, each=8)
    genes = slice(8 * number, 8 * number + 8)
    assert rho(clock(*single(u[:, genes], s[:, genes]), line(200)).time, time) > 0.8


@pytest.mark.parametrize("direction", [1, -1])
def test_the_clock_turns_with_the_unspliced_rna(direction):
    """The spliced RNA is the same; only u says which way it changes."""
    time = np.linspace(0, 1, 150)
    found = clock(*wave(time, direction), line(150))
    assert direction * rho(found.time, time) > 0.99


def test_order_of_cells_and_pairs_does_not_matter(rng):
    time = rng.random(200)
    u, s, _ = course(time)
    u, s = single(u, s)
    graph = line(200)[np.ix_(np.argsort(np.argsort(time)), np.argsort(np.argsort(time)))]
    order = rng.permutation(200)
    one, other = clock(u, s, graph), clock(u[order], s[order], graph[np.ix_(order, order)].T.tocsr())
    assert rho(one.time, time) > 0.99
    assert_allclose(other.time, one.time[order], atol=1e-3)
    assert_allclose(other.spread, one.spread[order], atol=1e-3)
    assert_allclose(other.beta, one.beta, rtol=0.02, atol=0.02)


def test_order_of_genes_does_not_matter_and_inputs_stay_as_they_are(rng):
    time = np.linspace(0, 1, 150)
    u, s, _ = course(time, each=4)
    u, s = single(u, s)
    before = u.copy(), s.copy()
    order = rng.permutation(u.shape[1])
    one, other = clock(u, s, line(150)), clock(u[:, order].copy(), s[:, order].copy(), line(150))
    assert_allclose(other.time, one.time, atol=1e-3)
    assert_allclose(other.weight, one.weight[order], rtol=0.02, atol=0.02)
    assert_array_equal(u, before[0])
    assert_array_equal(s, before[1])


def test_same_seed_gives_the_same_and_another_seed_another_spread():
    u, s, _ = course(np.linspace(0, 1, 100), each=3)
    u, s = single(u, s)
    one, same, other = (clock(u, s, line(100), seed=seed) for seed in (1, 1, 2))
    assert_array_equal(one.time, same.time)
    assert_array_equal(one.spread, same.spread)
    assert_array_equal(one.time, other.time)
    assert np.abs(one.spread - other.spread).max() > 0


def noisy_course(n: int, each: int, level: float, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    time = np.linspace(0, 1, n)
    rng = np.random.default_rng(seed)
    clean = course(time, each=each)[:2]
    return time, single(*(values * (1 + level * rng.normal(size=values.shape)) for values in clean))


def test_spread_grows_with_noise_and_with_fewer_genes():
    _, few = noisy_course(200, 4, 0.05)
    _, many = noisy_course(200, 32, 0.05)
    _, clean = noisy_course(200, 4, 0.0)
    spread = {name: clock(*rna, line(200, 8)).spread.mean() for name, rna in (("few", few), ("many", many))}
    assert spread["few"] > 1.5 * spread["many"]
    assert spread["few"] > 1.5 * clock(*clean, line(200, 8)).spread.mean()


def test_genes_that_wander_do_not_agree_and_do_not_disturb(rng):
    """A third of the genes are smoothed noise, with steps as large as those of the others."""
    time = np.linspace(0, 1, 300)
    u, s, _ = course(time)
    wandering = gaussian_filter1d(rng.random((2, 300, 12)), 3, axis=1)
    found = clock(*single(np.hstack([u, wandering[0]]), np.hstack([s, wandering[1]])), line(300))
    assert rho(found.time, time) > 0.99
    assert found.agreement[:24].min() > 0.7
    assert found.agreement[24:].max() < 0.2


def test_constant_and_empty_genes_have_no_vote():
    time = np.linspace(0, 1, 150)
    u, s = wave(time, 1)
    blank = np.zeros((150, 2), dtype=np.float32)
    blank[:, 1] = 0.5
    found = clock(np.hstack([u, blank]), np.hstack([s, blank]), line(150))
    assert_array_equal(found.weight[-2:], 0)
    assert_array_equal(found.agreement[-2:], 0)
    assert all(np.isfinite(values).all() for values in (found.time, found.spread, found.beta, found.gamma))
    assert_allclose(found.time, clock(u, s, line(150)).time, atol=0.02)


def test_parts_that_are_not_joined_start_at_zero():
    time = np.concatenate([np.linspace(0, 1, 120), np.linspace(0, 0.6, 80), [0.4]])
    u, s, _ = course(time)
    graph = sparse.csr_array(sparse.block_diag([line(120), line(80), sparse.csr_array((1, 1))]))
    found = clock(*single(u, s), graph)
    first, second = found.time[:120], found.time[120:200]
    assert first.min() == second.min() == found.time[200] == 0
    assert rho(first, time[:120]) > 0.99
    assert rho(second, time[120:200]) > 0.99
    assert second.max() == pytest.approx(0.6, abs=0.1)


def test_groups_have_their_own_rates(rng):
    """A quarter of the genes differ between two lines of cells, which are joined by a pair at each time."""
    n, genes = 200, 24
    time, group = np.tile(np.linspace(0, 1, n), 2), np.repeat([0, 1], n)
    rates = [draw_rates(1, genes), draw_rates(2, genes)]
    shared = rng.permutation(genes)[:18]
    rates[1][:, shared] = rates[0][:, shared]
    u, s = (np.concatenate(lines) for lines in zip(*(evolved(time[:n], each) for each in rates), strict=True))
    ratio = u.max(axis=0) / s.max(axis=0)
    u, s = single(u / u.max(axis=0), s / s.max(axis=0))
    between = sparse.csr_array(sparse.diags_array(np.ones(n)))
    graph = sparse.csr_array(sparse.block_array([[line(n), between], [None, line(n)]]))

    found, together = clock(u, s, graph, group=group), clock(u, s, graph)

    assert found.beta.shape == found.gamma.shape == (2, genes)
    assert together.beta.shape == together.gamma.shape == (1, genes)
    assert rho(found.time, time) > max(0.99, rho(together.time, time))
    other = np.setdiff1d(np.arange(genes), shared)
    for number, (beta, gamma) in enumerate(rates):
        cells = group == number
        truth = beta * ratio * u[cells] - gamma * s[cells]
        own, common = (
            np.linalg.norm(fit.beta[code] * u[cells] - fit.gamma[code] * s[cells] - truth, axis=0)
            / np.linalg.norm(truth, axis=0)
            for fit, code in ((found, number), (together, 0))
        )
        assert np.median(own) < 0.2
        assert np.median(own[other]) < 0.5 * np.median(common[other])


@pytest.fixture(scope="module")
def tissue():
    simulated = simulate_bilinear(600, 80, kinetics="mixed", noise=Noise.real())
    seen = prepare(simulated.tissue, SteerConfig(), np.arange(80))
    return simulated.truth.time, (seen.u, seen.s, seen.graph)


def test_time_of_a_noisy_tissue_without_and_with_a_prior(tissue):
    time, rna = tissue
    known = np.full(len(time), np.nan)
    some = np.random.default_rng(0).choice(len(time), 12, replace=False)
    known[some] = 100 + 5 * time[some]
    for prior in (None, time, known):
        assert rho(clock(*rna, prior=prior).time, time) > 0.9


def test_a_reversed_prior_turns_the_clock(tissue):
    time, rna = tissue
    assert rho(clock(*rna, prior=-time).time, time) < -0.5


def test_the_unit_of_the_prior_does_not_matter(tissue):
    time, rna = tissue
    one, other = clock(*rna, prior=time), clock(*rna, prior=1e3 + 250 * time)
    assert_allclose(other.time, one.time, atol=2e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_prior_decides_where_the_rna_does_not(rng, sign):
    """At a steady state with noise nothing tells the direction."""
    place = np.linspace(0, 1, 150)
    level = 1 + place[:, None] * np.linspace(0.5, 2, 20)
    u, s = single(*(level * (1 + 0.01 * rng.normal(size=level.shape)) / 3 for _ in range(2)))
    assert rho(clock(u, s, line(150), prior=sign * place).time, sign * place) > 0.98


@pytest.mark.parametrize("known", [0, 1, 5])
def test_a_prior_that_orders_no_cells_says_nothing(known):
    time = np.linspace(0, 1, 100)
    u, s, _ = course(time, each=3)
    u, s = single(u, s)
    prior = np.full(100, np.nan)
    prior[:known] = 4.0
    assert_array_equal(clock(u, s, line(100), prior=prior).time, clock(u, s, line(100)).time)


def test_progress_rises_to_the_result():
    u, s, _ = course(np.linspace(0, 1, 60), each=2)
    seen = []
    run_to_end(clock_steps(*single(u, s), line(60), group=np.repeat([0, 1], 30)), seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] < 1
    assert len(set(fractions)) == len(fractions) == seen[0].total


@pytest.mark.parametrize("steps", [0, 1, module.ROUNDS])
def test_a_set_stop_token_ends_the_fit(steps):
    u, s, _ = course(np.linspace(0, 1, 60), each=2)
    stop = threading.Event()
    fit = clock_steps(*single(u, s), line(60), stop=stop)
    for _ in range(steps):
        next(fit)
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(fit)


def test_no_array_has_the_size_of_all_pairs_of_cells_or_of_pairs_and_genes():
    n, genes = 3000, 150
    time = np.linspace(0, 1, n)
    u, s = wave(time, 1, genes)
    graph = line(n, 12)
    clock(u[:100], s[:100], line(100))  # what is imported on the way is not counted
    tracemalloc.start()
    found = clock(u, s, graph)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rho(found.time, time) > 0.99
    assert peak < 4 * graph.nnz * genes < 4 * n * n
