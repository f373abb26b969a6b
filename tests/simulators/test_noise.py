"""Measured RNA against slow loops and the expectations of every step of the noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.noise import Noise, measure

RNG = np.random.default_rng(0)
SPLICED = RNG.uniform(0.5, 5.0, (400, 100))
UNSPLICED = RNG.uniform(0.5, 2.0, (400, 100))
POSITIONS = RNG.random((400, 2))


def measured(noise, spliced=SPLICED, positions=POSITIONS, seed=1):
    u, s = measure(UNSPLICED, spliced, positions, noise, np.random.default_rng(seed))
    return u.toarray(), s.toarray()


def only(**changes):
    return Noise(**{"gaussian": 0.0, "sparsity": (0.0, 0.0), **changes})


def test_presets_are_what_they_say():
    assert Noise.published() == Noise() == Noise(gaussian=0.1, sparsity=(0.75, 0.75), depth=None)
    real = Noise.real()
    assert (real.gaussian, real.sparsity, real.depth, real.dropout, real.mixing) == (0, (0, 0), 2000, 0.3, 0.3)
    assert Noise.none() == only()


def test_without_noise_the_rna_is_measured_as_it_is():
    u, s = measure(UNSPLICED, SPLICED, POSITIONS, Noise.none(), np.random.default_rng(1))
    assert (u.format, u.dtype, s.dtype) == ("csr", np.float32, np.float32)
    assert_array_equal(s.toarray(), SPLICED.astype(np.float32))
    assert_array_equal(u.toarray(), UNSPLICED.astype(np.float32))


def test_published_noise_has_its_spread_and_its_zeros():
    low = np.full_like(SPLICED, 0.04)
    for rna, spread in ((SPLICED, 0.1 * SPLICED), (low, np.full_like(low, 0.01))):
        s = measured(only(gaussian=0.1), rna)[1]
        assert ((s - rna) / spread).std() == pytest.approx(1.0, abs=0.02)
        assert ((s - rna) / spread).mean() == pytest.approx(0.0, abs=0.02)
    u, s = measured(Noise.published())
    assert [(u == 0).mean(), (s == 0).mean()] == pytest.approx([0.75, 0.75], abs=0.01)
    assert ((u == 0) & (s == 0)).mean() == pytest.approx(0.75**2, abs=0.01)
    assert s[s > 0].mean() == pytest.approx(SPLICED.mean(), rel=0.02)


def test_noise_is_never_negative():
    s = measured(only(gaussian=0.1), np.full_like(SPLICED, 1e-4))[1]
    assert s.min() == 0
    assert (s == 0).mean() == pytest.approx(0.5, abs=0.02)


def test_sparsity_of_each_layer_is_its_own():
    u, s = measured(only(sparsity=(0.5, 0.2)))
    assert [(u == 0).mean(), (s == 0).mean()] == pytest.approx([0.5, 0.2], abs=0.01)


def test_counts_have_the_depth_the_libraries_and_one_capture():
    u, s = measured(only(depth=4000.0, library_spread=0.5))
    assert_array_equal(s, np.rint(s))
    totals = s.sum(axis=1)
    assert np.median(totals) == pytest.approx(4000, rel=0.08)
    assert np.log(totals / SPLICED.sum(axis=1)).std() == pytest.approx(0.5, rel=0.1)
    assert u.sum() / s.sum() == pytest.approx(UNSPLICED.sum() / SPLICED.sum(), rel=0.03)


def test_counts_are_poisson():
    s = measured(only(depth=2000.0, library_spread=0.0))[1]
    expected = SPLICED * 2000 / np.median(SPLICED.sum(axis=1))
    assert ((s - expected) ** 2 / expected).mean() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("depth", [None, 20000.0])
def test_dropout_loses_its_share(depth):
    u, s = measured(only(depth=depth, library_spread=0.0, dropout=0.3))
    full = SPLICED if depth is None else SPLICED * depth / np.median(SPLICED.sum(axis=1))
    assert s.sum() / full.sum() == pytest.approx(0.7, abs=0.01)
    assert (s == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert (u == 0).mean() == pytest.approx(0.3, abs=0.01)


def test_mixing_is_the_mean_of_the_six_nearest_cells():
    found = measured(only(mixing=0.3))[1]
    for cell in range(0, 400, 17):
        distance = np.linalg.norm(POSITIONS - POSITIONS[cell], axis=1)
        near = [other for other in np.argsort(distance) if other != cell][:6]
        assert_allclose(found[cell], 0.7 * SPLICED[cell] + 0.3 * SPLICED[near].mean(axis=0), rtol=1e-5)


def test_a_cell_at_the_place_of_many_others_is_not_its_own_neighbor():
    spliced = np.diag(np.arange(1.0, 401.0))
    positions = POSITIONS.copy()
    positions[:20] = 0.5
    u, found = measure(spliced, spliced, positions, only(mixing=1.0 - 1e-12), np.random.default_rng(1))
    assert_allclose(u.toarray(), found.toarray())
    assert_allclose(found.toarray()[:20].diagonal(), 0, atol=1e-8)
    assert (found.toarray()[:20] > 1e-3).sum(axis=1).tolist() == [6] * 20


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"gaussian": -0.1}, "gaussian noise of -0.1"),
        ({"gaussian": float("nan")}, "gaussian noise of nan"),
        ({"sparsity": (1.0, 0.0)}, "unspliced RNA of 1.0"),
        ({"sparsity": (0.0, -1.0)}, "spliced RNA of -1.0"),
        ({"dropout": 1.0}, "dropout of 1.0"),
        ({"mixing": 1.5}, "mixing of 1.5"),
        ({"library_spread": -1.0}, "library spread of -1.0"),
        ({"depth": 0.0}, "depth of 0.0"),
    ],
)
def test_impossible_noise_is_refused_in_a_sentence(settings, word):
    with pytest.raises(DataError, match=word):
        Noise(**settings)
