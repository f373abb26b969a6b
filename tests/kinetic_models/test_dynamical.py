"""What the dynamical model says of cells on given curves, against densities of scipy and a search along the curves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from napari_tissue_dynamics.kinetic_models import KineticsConfig, dynamical
from napari_tissue_dynamics.kinetic_models.backend import Backend
from napari_tissue_dynamics.kinetic_models.dynamical import (
    SMOOTHED,
    Curves,
    ExpectedSlope,
    _known,
    _likelihood,
    place_cells_steps,
)
from napari_tissue_dynamics.kinetics.closed_form import evolve
from napari_tissue_dynamics.progress import run_to_end

N, G = 120, 5


def test_the_likelihood_is_the_geometric_mean_of_normal_densities():
    rng = np.random.default_rng(9)
    away = rng.normal(size=(5, 80)) * rng.uniform(0.1, 2, (5, 1)) + 0.1
    found = _likelihood(away**2, np.sign(away))
    expected = np.exp(norm.logpdf(away, scale=away.std(axis=1, keepdims=True)).mean(axis=1))
    assert_allclose(found, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def known():
    """Return noisy moments of cells on known curves, and the curves."""
    rng = np.random.default_rng(5)
    gamma, end, alpha = rng.uniform(0.4, 1.5, G), rng.uniform(1.5, 4, G), rng.uniform(1, 5, G)
    starts, alphas = np.stack([np.zeros(G), end]), np.stack([alpha, np.zeros(G)])
    zero = np.zeros(G)
    u, s, _ = evolve(rng.uniform(0, 7, (N, 1)), starts, alphas, (1.0, gamma), (zero, zero))
    u, s = (np.maximum(each + 0.15 * each.std(axis=0) * rng.normal(size=each.shape), 0) for each in (u, s))
    curves = Curves(gamma, alpha / gamma, gamma, end, u.std(axis=0), s.std(axis=0))
    return u.astype(np.float32), s.astype(np.float32), curves


def courses(curves, g):
    """Yield times and values of u and s, (points,) each, with transcription and then without."""
    end, alpha = curves.switch[g], curves.ratio[g] * curves.top[g]
    for times in (np.linspace(0, end, 3000), end + np.linspace(0, 12, 20000)):
        on = np.array([[alpha], [alpha if times[-1] <= end else 0.0]])
        u, s, _ = evolve(times[:, None], np.array([[0.0], [end]]), on, (1.0, curves.ratio[g]), (0.0, 0.0))
        yield times, u[:, 0], s[:, 0]


def test_states_and_likelihoods_are_those_of_normal_distances_to_both_phases(known):
    u, s, curves = known
    places = run_to_end(place_cells_steps(u, s, curves, Backend.of("cpu")))
    for g in range(G):
        found = []
        for times, line_u, line_s in courses(curves, g):
            squares = ((u[:, [g]] - line_u) / curves.std_u[g]) ** 2 + ((s[:, [g]] - line_s) / curves.std_s[g]) ** 2
            nearest = squares.argmin(axis=1)
            found.append((squares.min(axis=1), times[nearest], line_s[nearest]))
        (on, on_time, on_s), (off, off_time, off_s) = found
        first = on <= off
        distance = np.minimum(on, off)
        spread = np.sqrt(distance.mean())
        with_it, without = norm.pdf(np.sqrt(on), scale=spread), norm.pdf(np.sqrt(off), scale=spread)
        expected = with_it / (with_it + without)
        open_to_both = (expected > 0.03) & (expected < 0.97)
        assert open_to_both.sum() > 10
        error = np.abs(places.induction[:, g] - expected)
        assert np.median(error[open_to_both]) < 2e-3
        assert error[~open_to_both].max() < 0.02
        clear = np.abs(on - off) > 0.01
        time = np.where(first, on_time, off_time)
        assert np.quantile(np.abs(places.time[:, g] - time)[clear], 0.9) < 0.05
        assert_allclose(places.r2[g], 1 - distance.mean() / 2, atol=2e-3)
        sign = np.where(s[:, g] < np.where(first, on_s, off_s), -1, 1)
        away = sign * np.sqrt(distance)
        assert_allclose(places.likelihood[g], np.exp(norm.logpdf(away, scale=away.std()).mean()), rtol=3e-3)


def test_cells_are_placed_alike_block_by_block(known, monkeypatch):
    u, s, curves = known
    whole = run_to_end(place_cells_steps(u, s, curves, Backend.of("cpu")))
    monkeypatch.setattr(dynamical, "BLOCK", 1)
    reports = []
    parts = run_to_end(place_cells_steps(u, s, curves, Backend.of("cpu")), reports.append)
    assert [report.fraction for report in reports] == [(1 + g) / G for g in range(G)]
    for name in ("time", "induction", "likelihood", "r2"):
        assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-4, atol=1e-5)


def test_fewer_cells_than_a_neighborhood_count_as_one():
    expected = ExpectedSlope(np.array([0.0, 0.5]), np.array([0.3, 0.3]))
    weights = [_known(expected, np.ones(2), KineticsConfig(), n)[1] for n in (1, SMOOTHED, 2 * SMOOTHED)]
    assert np.isfinite(weights).all()
    assert_allclose(weights[0], weights[1])
    assert_allclose(weights[1], 2 * weights[2])
    assert weights[0][0, 0] == 0
    assert weights[0][1, 0] == pytest.approx(1 / 0.3**2)
