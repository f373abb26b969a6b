"""Kinetic regimes against slow formulas and simulated tissues whose regimes are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.velocity import Noise, simulate_bilinear, simulate_multiradial
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.preprocessing import prepare
from napari_tissue_dynamics.steer.prior import regimes as module
from napari_tissue_dynamics.steer.prior.regimes import (
    find_regimes,
    kinetic_components,
    kinetic_residuals,
    number_of_regimes,
)


def blobs(n: int = 300, genes: int = 40, number: int = 3, distance: float = 1.0):
    """Return residuals of regimes with a normal distribution around their own place, the regimes and a time."""
    rng = np.random.default_rng(0)
    code = rng.integers(number, size=n)
    places = distance * rng.normal(size=(number, genes))
    x = places[code] + rng.normal(size=(n, genes)) * rng.uniform(0.5, 2, genes)
    return (x - x.mean(axis=0)).astype(np.float32), code, rng.random(n)


def branches(n: int = 600, genes: int = 40):
    """Return residuals of two regimes that begin alike and part in time, the regimes and the time."""
    rng = np.random.default_rng(0)
    code, time = rng.integers(2, size=n), rng.random(n)
    course = np.where(code == 0, time**2, -(time**2))[:, None] * rng.normal(size=genes)
    x = course + 0.5 * rng.normal(size=(n, genes))
    return (x - x.mean(axis=0)).astype(np.float32), code, time


@pytest.fixture
def rna(rng):
    """Return time, unspliced and spliced moments, (90, 5); the last gene is silent."""
    time = rng.random(90)
    u, s = rng.gamma(2.0, 1.0, (2, 90, 5)) * (1 + time[:, None])
    u[:, 4] = s[:, 4] = 0
    return time, u.astype(np.float32), s.astype(np.float32)


def slow_residuals(time: np.ndarray, u: np.ndarray, s: np.ndarray, bins: int) -> np.ndarray:
    """One gene after the other: shares of bins of equal size, interpolated linearly and constant beyond."""
    u, s = u.astype(float), s.astype(float)
    order = np.argsort(time)
    result = np.zeros(u.shape)
    for gene in range(u.shape[1]):
        centres, shares = [], []
        for part in np.array_split(order, bins):
            made, total = sum(u[part, gene]), sum(u[part, gene] + s[part, gene])
            centres.append(np.mean(time[part]))
            shares.append(made / total if total > 0 else 0.5)
        share = np.interp(time, centres, shares)
        for cell in range(len(time)):
            p, total = share[cell], u[cell, gene] + s[cell, gene]
            spread = max(p * (1 - p), 1e-4) * (total + 0.1 * (u + s)[:, gene].mean())
            if spread > 0:
                result[cell, gene] = (u[cell, gene] - p * total) / np.sqrt(spread)
    return result - result.mean(axis=0)


def test_residuals_equal_a_slow_loop(rna):
    got = kinetic_residuals(*rna)
    assert got.dtype == np.float32
    assert_allclose(got, slow_residuals(*rna, bins=9), atol=2e-5)
    assert_array_equal(got[:, 4], 0)
    assert_allclose(got.mean(axis=0), 0, atol=1e-6)


def test_many_cells_have_fifteen_bins(rng):
    time = rng.random(400)
    u, s = rng.gamma(2.0, 1.0, (2, 400, 2)).astype(np.float32)
    assert_allclose(kinetic_residuals(time, u, s), slow_residuals(time, u, s, bins=15), atol=2e-5)


def test_transcription_leaves_share_and_direction_as_they_are(rng):
    """A factor on both kinds of RNA makes a cell more or less certain, and does not turn its residuals."""
    time = np.repeat(np.linspace(0, 1, 15), 12)  # one bin per time
    u, s = rng.gamma(2.0, 1.0, (2, 180, 30)).astype(np.float32)
    plain = kinetic_residuals(time, u, s)
    assert_allclose(kinetic_residuals(time, 9 * u, 9 * s), 3 * plain, rtol=1e-3, atol=1e-4)

    factor = np.exp(rng.normal(0, 1, (15, 1))).astype(np.float32).repeat(12, axis=0)
    assert_allclose(module._share_at(time, factor * u, factor * s), module._share_at(time, u, s), rtol=1e-5)
    assert cosines(kinetic_residuals(time, factor * u, factor * s), plain).min() > 0.95
    spliced_faster = u * np.where(np.arange(180) % 2, 0.3, 1)[:, None].astype(np.float32)
    assert cosines(kinetic_residuals(time, spliced_faster, s), plain).min() < 0.7


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_no_residual_where_all_cells_have_the_same_kinetics():
    """Whatever is transcribed and when, the share of unspliced RNA of equal cells of one time is the same."""
    time = np.repeat(np.linspace(0, 1, 15), 12)
    level = np.random.default_rng(0).gamma(2.0, 1.0, (180, 8))
    share = 0.2 + 0.5 * time[:, None] * np.linspace(0, 1, 8)
    u, s = (share * level).astype(np.float32), ((1 - share) * level).astype(np.float32)
    assert_allclose(kinetic_residuals(time, u, s), 0, atol=1e-5)
    u[:90:2] *= 2
    assert np.abs(kinetic_residuals(time, u, s)).mean() > 0.05


def test_cells_of_one_time_and_unsorted_cells_stay_finite(rna, rng):
    time, u, s = rna
    assert np.isfinite(kinetic_residuals(np.zeros(90), u, s)).all()
    order = rng.permutation(90)
    assert_allclose(kinetic_residuals(time[order], u[order], s[order]), kinetic_residuals(*rna)[order], atol=1e-5)


def test_log_likelihood_equals_sums_of_normal_densities_around_cubics():
    x, code, time = branches(150, 8)
    rank = np.argsort(np.argsort(time)) / 149
    curves = []
    for regime in range(2):
        cells = code == regime
        fits = [np.polyfit(rank[cells], x[cells, gene].astype(float), 3) for gene in range(8)]
        curves.append(np.column_stack([np.polyval(fit, rank) for fit in fits]))
    own = np.where(code[:, None] == 0, *curves)
    spread = np.sqrt(((x - own) ** 2).mean(axis=0))
    expected = np.column_stack([norm.logpdf(x.astype(float), curve, spread).sum(axis=1) for curve in curves])
    got = module._log_likelihood(x, module._basis(time), code, 2)
    assert_allclose(got[:, 1] - got[:, 0], expected[:, 1] - expected[:, 0], rtol=1e-3, atol=5e-3)


def test_log_likelihood_is_the_same_in_blocks(monkeypatch):
    x, code, time = branches(150, 8)
    whole = module._log_likelihood(x, module._basis(time), code, 2)
    monkeypatch.setattr(module, "BLOCK", 40)
    assert_allclose(module._log_likelihood(x, module._basis(time), code, 2), whole, rtol=1e-4, atol=1e-4)


def test_basis_depends_on_the_order_of_the_times_only(rng):
    time = rng.random(50)
    got = module._basis(time)
    rank = np.linspace(-1, 1, 50)[np.argsort(np.argsort(time))]
    assert_allclose(got, np.column_stack([rank**power for power in range(4)]), atol=1e-6)
    assert_array_equal(module._basis(np.exp(5 * time)), got)


def ratios(mean: float, spread: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Return log likelihoods of two regimes whose ratios lie ``mean`` in favor of the right one, and the regimes."""
    rng = np.random.default_rng(1)
    code = rng.integers(2, size=n)
    ratio = np.where(code == 0, 1, -1) * mean + spread * rng.normal(size=n)
    return np.column_stack([ratio, np.zeros(n)]), code


def test_probabilities_are_tempered_so_that_variance_is_twice_the_mean():
    """Of independent normal variables with mean difference d² / 2, the ratio has a variance of d²: no tempering."""
    likelihood, code = ratios(8.0, 4.0)
    plain = 1 / (1 + np.exp(-likelihood[:, 0]))
    assert_allclose(module._probability(likelihood, code)[:, 0], plain, atol=0.02)
    likelihood, code = ratios(8.0, 16.0)  # 16 times the variance
    expected = 1 / (1 + np.exp(-likelihood[:, 0] / 16))
    assert_allclose(module._probability(likelihood, code)[:, 0], expected, atol=0.02)


def test_tempered_probabilities_are_as_sure_as_they_are_right():
    """Every gene is seen four times; untempered, cells would be certain four times over."""
    rng = np.random.default_rng(2)
    truth = rng.integers(2, size=4000)
    x = rng.normal(size=(4000, 12)) + np.where(truth == 0, 0.3, -0.3)[:, None]
    likelihood = module._log_likelihood(
        np.repeat(x, 4, axis=1).astype(np.float32), module._basis(rng.random(4000)), truth, 2
    )
    probability = module._probability(likelihood, truth)
    sure = probability.max(axis=1)
    right = probability.argmax(axis=1) == truth
    assert right.mean() == pytest.approx(sure.mean(), abs=0.02)
    untempered = 1 / (1 + np.exp(-np.abs(likelihood[:, 0] - likelihood[:, 1])))
    assert untempered.mean() > right.mean() + 0.05


def test_ratios_in_favor_of_the_wrong_regime_give_no_preference():
    likelihood, code = ratios(-3.0, 1.0)
    assert_allclose(module._probability(likelihood, code), 0.5)
    assert_allclose(module._probability(np.zeros((5, 2)), np.array([0, 0, 1, 1, 1])), 0.5)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_separate_regimes_are_found_with_probabilities_that_sum_to_one(number):
    x, truth, time = blobs(400, 60, number)
    probability = find_regimes(x, time, number, 0)
    assert probability.dtype == np.float32
    assert probability.shape == (400, number)
    assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    assert adjusted_rand_score(truth, probability.argmax(axis=1)) > 0.98


def test_regimes_that_begin_alike_are_told_apart_later():
    """Rates show only where RNA has been made for a while; early cells stay undecided."""
    x, truth, time = branches()
    probability = find_regimes(x, time, 2, 0)
    right = probability.argmax(axis=1) == truth
    share = np.array([right[time < 0.2].mean(), right[time > 0.5].mean()])
    share = np.where(right.mean() < 0.5, 1 - share, share)  # regimes have no order
    assert share[0] < 0.8 < 0.99 < share[1]
    sure = probability.max(axis=1)
    assert sure[time < 0.2].mean() < 0.6 < 0.9 < sure[time > 0.8].mean()


def test_genes_count_by_their_spread_within_the_regimes(rng):
    """Three loud genes without regimes lead the components; twenty quiet ones with regimes are heard in the end."""
    truth = rng.integers(2, size=500)
    quiet = 0.15 * rng.normal(size=(500, 20)) + 0.2 * truth[:, None]
    loud = 0.5 * rng.normal(size=(500, 3))
    x = np.hstack([quiet, loud]).astype(np.float32)
    x -= x.mean(axis=0)
    found = find_regimes(x, rng.random(500), 2, 0)
    assert adjusted_rand_score(truth, found.argmax(axis=1)) > 0.95


def test_one_regime_has_all_cells():
    x, _, time = blobs(20)
    assert_array_equal(find_regimes(x, time, 1, 0), np.ones((20, 1)))


def test_same_seed_gives_the_same():
    x, _, time = blobs(distance=0.3)
    assert_array_equal(find_regimes(x, time, 3, 4), find_regimes(x, time, 3, 4))
    assert number_of_regimes(x, 4) == number_of_regimes(x, 4)


@pytest.mark.parametrize("number", [0, 7])
def test_more_regimes_than_cells_and_none_are_refused(number):
    x, _, time = blobs(6)
    with pytest.raises(DataError, match=r"choose from 1 to 6"):
        find_regimes(x, time, number, 0)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_number_of_regimes(number):
    """One regime has no leading component; K of them span K - 1 dimensions."""
    x, _, _ = blobs(600, 200, number)
    assert number_of_regimes(x, 0) == number


def test_number_of_regimes_of_few_genes_or_cells():
    assert number_of_regimes(np.zeros((12, 1), dtype=np.float32), 0) == 1
    assert number_of_regimes(np.zeros((3, 40), dtype=np.float32), 0) == 1


def test_components_span_the_leading_singular_vectors():
    x, _, _ = blobs(200, 30, 3, distance=2.0)
    left, size, _ = np.linalg.svd(x, full_matrices=False)
    got = kinetic_components(x, 2, 0)
    assert_allclose(np.abs(got), np.abs(left[:, :2] * size[:2]), rtol=0.02, atol=0.02)
    assert kinetic_components(x[:3], 5, 0).shape == (3, 2)


@pytest.mark.parametrize(
    ("simulate", "n_cells", "least"), [(simulate_bilinear, 800, 0.9), (simulate_multiradial, 1500, 0.8)]
)
def test_regimes_of_a_noisy_tissue(simulate, n_cells, least):
    """The halves or disks differ in the rates of a fifth of the genes; place and expression do not divide them so."""
    simulated = simulate(n_cells, 200, 0, kinetics="mixed", noise=Noise.real())
    tissue, truth = simulated.tissue, simulated.truth
    seen = prepare(tissue, SteerConfig(), np.arange(200))
    number = len(truth.regime.categories)
    residuals = kinetic_residuals(truth.time, seen.unspliced, seen.spliced)
    found = find_regimes(residuals, truth.time, number, 0).argmax(axis=1)
    counts = np.log1p(np.hstack([tissue.spliced.toarray(), tissue.unspliced.toarray()]))
    plain = KMeans(number, n_init=3, random_state=0).fit_predict(counts)
    assert adjusted_rand_score(truth.regime.codes, found) > least
    assert adjusted_rand_score(truth.regime.codes, plain) < 0.2
    assert number_of_regimes(residuals, 0) == number


def test_a_tissue_with_the_same_kinetics_everywhere_is_one_regime():
    simulated = simulate_bilinear(800, 200, 0, kinetics="friendly", noise=Noise.real())
    seen = prepare(simulated.tissue, SteerConfig(), np.arange(200))
    assert number_of_regimes(kinetic_residuals(simulated.truth.time, seen.unspliced, seen.spliced), 0) == 1
