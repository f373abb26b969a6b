"""The benchmark tissues as a whole: sizes, regimes, seeds, truth and refusals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.velocity import Noise, simulate_bilinear, simulate_multiradial

BOTH = pytest.mark.parametrize("simulate", [simulate_bilinear, simulate_multiradial])


@BOTH
def test_shapes_and_types(simulate):
    simulated = simulate(300, 40)
    tissue, truth = simulated.tissue, simulated.truth
    assert (tissue.n_cells, tissue.n_genes, tissue.has_tissue) == (300, 40, True)
    for counts in (tissue.spliced, tissue.unspliced):
        assert sparse.issparse(counts)
        assert (counts.format, counts.dtype) == ("csr", np.float32)
        assert 1 - counts.nnz / counts.toarray().size > 0.73
    for name in ("velocity", "alpha", "beta", "gamma", "unspliced", "spliced"):
        array = getattr(truth, name)
        assert array.shape == (300, 40)
        assert np.isfinite(array).all()
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
    assert truth.spatial_velocity.shape == (300, 2)
    assert (truth.time.min(), truth.time.max()) == (0, 20)
    assert len(truth.programme) == 40
    assert simulate(50, 10).tissue.n_cells == 50


def test_default_size_is_the_published_one():
    simulated = simulate_bilinear()
    assert (simulated.tissue.n_cells, simulated.tissue.n_genes) == (3000, 500)
    assert simulated.truth.programme.count("repression") == 100
    measured = simulated.tissue.spliced.nnz / 1_500_000
    assert measured == pytest.approx(0.25 * (simulated.truth.spliced > 0.01).mean(), abs=0.02)


@BOTH
def test_truth_velocity_is_that_of_the_noise_free_rna(simulate):
    simulated = simulate(200, 30, noise=Noise.none())
    truth = simulated.truth
    assert_allclose(simulated.tissue.spliced.toarray(), truth.spliced, rtol=1e-6, atol=1e-30)
    assert_allclose(simulated.tissue.unspliced.toarray(), truth.unspliced, rtol=1e-6, atol=1e-30)
    assert_allclose(truth.velocity, truth.beta * truth.unspliced - truth.gamma * truth.spliced)


@pytest.mark.parametrize(("simulate", "n_regimes"), [(simulate_bilinear, 2), (simulate_multiradial, 4)])
def test_regimes_are_regions_only_where_kinetics_differ(simulate, n_regimes):
    friendly, mixed = (simulate(400, 30, kinetics=kind).truth for kind in ("friendly", "mixed"))
    assert friendly.regime.categories == ("all cells",)
    assert not friendly.regime.codes.any()
    assert np.bincount(mixed.regime.codes).tolist() == [400 // n_regimes] * n_regimes
    varies = np.ptp(mixed.beta, axis=0) > 0
    assert_array_equal(varies, np.array(mixed.programme) == "multi-kinetic")
    for regime in range(n_regimes):
        assert np.ptp(mixed.gamma[mixed.regime.codes == regime], axis=0).max() == 0


@BOTH
def test_seed_changes_the_tissue_and_gene_seed_the_genes(simulate):
    first, again, other = (simulate(120, 20, seed) for seed in (3, 3, 4))
    assert_array_equal(first.tissue.spliced.toarray(), again.tissue.spliced.toarray())
    assert_array_equal(first.truth.velocity, again.truth.velocity)
    assert not np.array_equal(first.tissue.positions, other.tissue.positions)
    assert_array_equal(first.truth.beta[0], other.truth.beta[0])
    assert first.truth.programme == other.truth.programme
    genes = simulate(120, 20, 3, gene_seed=7)
    assert_array_equal(genes.tissue.positions, first.tissue.positions)
    assert not np.array_equal(genes.truth.beta[0], first.truth.beta[0])


@BOTH
def test_noise_changes_neither_truth_nor_growth(simulate):
    published, real = (simulate(120, 20, noise=noise) for noise in (Noise(), Noise.real()))
    assert_array_equal(published.truth.velocity, real.truth.velocity)
    assert_array_equal(published.tissue.positions, real.tissue.positions)
    counts = real.tissue.spliced
    assert_array_equal(counts.data, np.rint(counts.data))
    assert np.median(counts.sum(axis=1)) == pytest.approx(1400, rel=0.15)


def test_global_random_state_is_neither_read_nor_changed():
    first = simulate_bilinear(60, 10)
    saved = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(123)  # noqa: NPY002
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        again = simulate_bilinear(60, 10)
        assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    finally:
        np.random.set_state(saved)  # noqa: NPY002
    assert_array_equal(first.tissue.spliced.toarray(), again.tissue.spliced.toarray())


@BOTH
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"n_cells": 49}, "49 cells"),
        ({"n_genes": 9}, "9 genes"),
        ({"seed": -1}, "seed of -1"),
        ({"gene_seed": -2}, "seed of -2"),
        ({"kinetics": "simple"}, "'simple'"),
    ],
)
def test_impossible_requests_are_refused_in_a_sentence(simulate, arguments, word):
    with pytest.raises(DataError, match=word):
        simulate(**arguments)
