"""Residuals of the share of unspliced RNA against slow formulas."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.kinetics import residuals as module
from napari_tissue_dynamics.kinetics.residuals import kinetic_residuals


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
