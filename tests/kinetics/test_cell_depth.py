"""The depth of cells against counts of cells whose depth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.cell_depth import SMALLEST_SHARE, Depth, estimate_depth

N, G = 400, 120


def counts_of(rng: np.random.Generator, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return depths and Poisson counts (spliced, unspliced); ``spread`` is that of four genes with most counts."""
    depth = np.exp(rng.normal(0, 0.4, N))
    level = rng.gamma(1.0, 2.0, G)
    level[:4] = 400
    wander = np.ones((N, G))
    wander[:, :4] = np.exp(rng.normal(0, spread, (N, 4)))
    rna = depth[:, None] * level * wander
    return depth, rng.poisson(rna).astype(np.float32), rng.poisson(0.3 * rna).astype(np.float32)


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.std(np.log(found / truth)))


def test_a_few_genes_that_dominate_and_vary_do_not_decide(rng):
    truth, spliced, unspliced = counts_of(rng, 1.0)
    total = (spliced + unspliced).sum(axis=1)
    found = estimate_depth(spliced, unspliced).of(spliced, unspliced)
    assert np.corrcoef(found, truth)[0, 1] > np.corrcoef(total, truth)[0, 1] + 0.1
    assert error(found, truth) < 0.8 * error(total, truth)


def test_counting_noise_alone_weighs_every_count_alike(rng):
    """Without variation beyond counting, the plain total is best, and the weights come close to it."""
    truth, spliced, unspliced = counts_of(rng, 0.0)
    depth = estimate_depth(spliced, unspliced)
    total = (spliced + unspliced).sum(axis=1)
    assert depth.spliced.min() > 0.5
    assert error(depth.of(spliced, unspliced), truth) < 1.2 * error(total, truth)


def test_weights_are_the_tempered_ones_of_a_negative_binomial(rng):
    """Of genes with variance mu + phi mu², the weight is the cube root of 1 / (1 + phi mu)."""
    phi = np.repeat([0.05, 0.5, 2.0], 40)
    mean = np.tile(np.linspace(1, 8, 40), 3)
    rna = rng.gamma(1 / phi, phi * mean, (40_000, 120))
    spliced = rng.poisson(rna)
    depth = estimate_depth(spliced[:, ::2], spliced[:, 1::2])
    expected = (1 + phi * mean) ** (-1 / 3)
    for got, wanted in ((depth.spliced, expected[::2]), (depth.unspliced, expected[1::2])):
        assert_allclose(got, wanted, rtol=0.05)


def test_counts_in_proportion_give_the_depth_exactly(rng):
    truth = np.exp(rng.normal(0, 0.4, N))
    profile = rng.random((2, G))
    spliced, unspliced = (truth[:, None] * each for each in profile)
    depth = estimate_depth(spliced, unspliced)
    assert_allclose(depth.of(spliced, unspliced), truth / np.median(truth), rtol=1e-9)
    assert_allclose(depth.of(3 * spliced[:5], 3 * unspliced[:5]), 3 * truth[:5] / np.median(truth), rtol=1e-9)


def test_sparse_and_dense_counts_give_the_same(rng):
    _, spliced, unspliced = counts_of(rng, 0.5)
    dense = estimate_depth(spliced, unspliced)
    rare = estimate_depth(sparse.csr_array(spliced), sparse.csr_array(unspliced))
    assert_allclose(rare.spliced, dense.spliced, rtol=1e-9)
    assert_allclose(rare.unspliced, dense.unspliced, rtol=1e-9)
    assert rare.level == pytest.approx(dense.level)
    cells = rare.of(sparse.csr_array(spliced), sparse.csr_array(unspliced))
    assert cells.shape == (N,)
    assert_allclose(cells, dense.of(spliced, unspliced), rtol=1e-9)


def test_depth_is_a_weighted_sum_and_the_median_cell_has_depth_one(rng):
    _, spliced, unspliced = counts_of(rng, 0.5)
    depth = estimate_depth(spliced, unspliced)
    cells = depth.of(spliced, unspliced)
    expected = [sum(spliced[i] * depth.spliced) + sum(unspliced[i] * depth.unspliced) for i in range(3)] / np.float64(
        depth.level
    )
    assert_allclose(cells[:3], expected, rtol=1e-6)
    assert np.median(cells) == pytest.approx(1)


def test_empty_cells_and_genes_stay_finite(rng):
    _, spliced, unspliced = counts_of(rng, 0.5)
    spliced[7] = unspliced[7] = 0
    spliced[:, 9] = 0
    spliced[11] = unspliced[11] = 0
    spliced[11, 3] = 1
    depth = estimate_depth(spliced, unspliced)
    cells = depth.of(spliced, unspliced)
    assert np.isfinite(depth.spliced).all()
    assert depth.spliced[9] == 0
    assert cells[7] == cells[11] == SMALLEST_SHARE == cells.min()


def test_counts_are_not_changed_and_whole_numbers_are_as_good(rng):
    _, spliced, unspliced = counts_of(rng, 0.5)
    before = spliced.copy()
    one = estimate_depth(spliced, unspliced)
    assert_array_equal(spliced, before)
    other = estimate_depth(spliced.astype(np.int64), unspliced.astype(np.uint16))
    assert_allclose(other.spliced, one.spliced, rtol=1e-9)


def test_no_counts_at_all_are_refused():
    blank = sparse.csr_array((20, 5), dtype=np.float32)
    with pytest.raises(DataError, match="raw counts"):
        estimate_depth(blank, blank)
    stored = sparse.csr_array((np.zeros(2), ([0, 1], [0, 1])), shape=(20, 5))
    with pytest.raises(DataError, match="raw counts"):
        estimate_depth(stored, np.zeros((20, 5)))


def test_depth_of_new_cells_uses_the_given_weights():
    depth = Depth(np.array([1.0, 0.5]), np.array([0.0, 2.0]), 4.0)
    assert_allclose(depth.of(np.array([[4.0, 4.0]]), np.array([[9.0, 1.0]])), [2.0])
