"""Slopes of the steady-state and the stochastic model against least squares of numpy, gene by gene."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import nnls

from napari_tissue_dynamics.kinetic_models import stochastic
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.kinetic_models.stochastic import SecondMoments, from_products, products_of_counts
from napari_tissue_dynamics.kinetics import phase_line
from napari_tissue_dynamics.kinetics.phase_line import Line

N, G = 200, 12


@pytest.fixture
def rna():
    """Return moments that wander around lines with an offset, above or below zero."""
    rng = np.random.default_rng(0)
    s = rng.gamma(2.0, 1.0, (N, G)).astype(np.float32)
    u = rng.uniform(0.2, 1.0, G) * s + rng.uniform(-0.3, 0.6, G) + 0.2 * rng.normal(size=(N, G))
    return np.maximum(u, 0).astype(np.float32), s


def extreme(u, s, config, gene):
    score = s[:, gene].astype(float)
    if config.extremes == "both":
        score = score / score.max() + u[:, gene] / u[:, gene].max()
    upper = score >= np.quantile(score, config.quantile)
    return upper | (score <= np.quantile(score, 1 - config.quantile)) if config.fit_offset else upper


@pytest.mark.parametrize("extremes", ["spliced", "both"])
@pytest.mark.parametrize("quantile", [0.95, 0.5])
def test_line_through_the_origin_is_that_of_least_squares(rna, extremes, quantile):
    u, s = rna
    config = KineticsConfig(extremes=extremes, quantile=quantile)
    line = phase_line.fit_line(u, s, config)
    for gene in range(G):
        cells = extreme(u, s, config, gene)
        expected = np.linalg.lstsq(s[cells, gene, None].astype(float), u[cells, gene].astype(float), rcond=None)[0]
        assert_allclose(line.slope[gene], expected[0], rtol=1e-6)
        left = u[:, gene] - expected[0] * s[:, gene]
        assert_allclose(line.r2[gene], 1 - (left**2).sum() / ((u[:, gene] - u[:, gene].mean()) ** 2).sum(), rtol=1e-4)
    assert (line.offset == 0).all()


def test_line_with_an_offset_is_that_of_least_squares_with_an_offset_not_below_zero(rna):
    u, s = rna
    config = KineticsConfig(fit_offset=True, extremes="both")
    line = phase_line.fit_line(u, s, config)
    for gene in range(G):
        cells = extreme(u, s, config, gene)
        x = np.column_stack([s[cells, gene], np.ones(cells.sum())]).astype(float)
        assert_allclose([line.slope[gene], line.offset[gene]], nnls(x, u[cells, gene])[0], atol=1e-6)
    assert (line.offset == 0).any()
    assert (line.offset > 0).any()


@pytest.fixture
def second(rna):
    rng = np.random.default_rng(1)
    u, s = rna
    return SecondMoments((u * s + rng.random((N, G))).astype(np.float32), (s**2 + s * rng.random(G)).astype(np.float32))


@pytest.mark.parametrize("fit_offset", [False, True])
def test_stochastic_line_is_that_of_generalised_least_squares(rna, second, fit_offset):
    """Rows of both equations are divided by their residual standard deviation and solved together."""
    u, s = rna
    config = KineticsConfig(fit_offset=fit_offset)
    line = stochastic.fit_line(u, s, second, config)
    for gene in range(G):
        cells = extreme(u, s, config, gene)
        x1, y1 = s[cells, gene].astype(float), u[cells, gene].astype(float)
        y2 = y1 + 2 * second.us[cells, gene]
        x2 = 2 * second.ss[cells, gene].astype(float) - x1
        ones = np.ones_like(x1)
        first = np.column_stack([x1, ones]) if fit_offset else x1[:, None]
        alone = nnls(first, y1)[0] if fit_offset else np.linalg.lstsq(first, y1, rcond=None)[0]
        spread1 = np.sqrt(np.mean((y1 - first @ alone) ** 2))
        slope2 = np.linalg.lstsq(x2[:, None], y2, rcond=None)[0][0]
        spread2 = np.sqrt(np.mean((y2 - slope2 * x2) ** 2))
        rows = np.vstack([first / spread1, np.column_stack([x2, 0 * ones])[:, : first.shape[1]] / spread2])
        expected = np.linalg.lstsq(rows, np.concatenate([y1 / spread1, y2 / spread2]), rcond=None)[0]
        assert_allclose(line.slope[gene], expected[0], rtol=1e-5)
        if fit_offset:
            assert_allclose(line.offset[gene], expected[1], atol=1e-5)


def test_at_the_steady_state_both_equations_hold():
    """Counts of the steady state of bursts: the slope is the ratio of the rates, and the variance stays."""
    rng = np.random.default_rng(2)
    ratio = 0.4
    # Transcription that differs from cell to cell but not in time: Poisson RNA around a mean of its own.
    level = rng.gamma(3.0, 4.0, 400_000)
    s, u = rng.poisson(level).astype(float), rng.poisson(ratio * level).astype(float)
    first, ones = [np.full((5, 1), each.mean(), np.float32) for each in (u, s)], np.ones((5, 1), np.float32)
    second = SecondMoments((u * s).mean().astype(np.float32) * ones, (s * s).mean().astype(np.float32) * ones)
    line = stochastic.fit_line(*first, second, KineticsConfig())
    assert_allclose(line.slope, ratio, rtol=0.01)
    change = stochastic.variance_velocity(*first, second, line)
    assert np.abs(change).max() < 0.02 * s.var()


def test_second_moments_do_not_depend_on_how_much_is_counted():
    rng = np.random.default_rng(3)
    n, level = 50_000, rng.uniform(3, 9, (1, 6))
    depth = rng.uniform(0.4, 1.6, n)
    s, u = (sparse.csr_array(rng.poisson(share * level * depth[:, None]).astype(np.float32)) for share in (1, 0.3))
    both, pairs = (each.mean(axis=0) for each in products_of_counts(u, s, 1 / depth))
    assert_allclose(pairs, level[0] ** 2, rtol=0.03)
    assert_allclose(both, 0.3 * level[0] ** 2, rtol=0.03)


def test_what_all_genes_vary_alike_is_taken_out():
    rng = np.random.default_rng(4)
    s = rng.uniform(1, 4, (30, 9)).astype(np.float32)
    u = 0.3 * s
    # A third of the values is lost at random: pairs of one kind are kept as often as singles.
    second = from_products(u, s, u * s, (s**2 / 0.7).astype(np.float32))
    assert_allclose(second.ss, s**2 + s, rtol=1e-5)
    assert_allclose(second.us, u * s, rtol=1e-5)


def test_genes_without_rna_have_no_slope(rna):
    u, s = (each.copy() for each in rna)
    u[:, 0] = s[:, 0] = 0
    s[:, 1] = 0
    line = phase_line.fit_line(u, s, KineticsConfig(fit_offset=True))
    assert np.isfinite([line.slope, line.offset, line.r2]).all()
    assert line.slope[0] == 0


def test_slopes_that_second_moments_cannot_give_stay():
    first = Line(np.array([0.5, 0.6, 0.7]), np.array([0.1, 0.2, 0.3]), np.array([0.7, 0.8, 0.9]))
    fitted = Line(np.array([0.4, -1.0, np.nan]), np.zeros(3), np.array([0.5, 0.5, 0.5]))
    kept = stochastic.keep_slopes(fitted, first)
    assert_allclose(kept.slope, [0.4, 0.6, 0.7])
    assert_allclose(kept.offset, [0.0, 0.2, 0.3])
    assert_allclose(kept.r2, [0.5, 0.8, 0.9])


@pytest.mark.parametrize("block", [1, N, 5 * N + 3, 10**7])
def test_every_gene_is_in_one_block_whatever_its_size(block, monkeypatch):
    monkeypatch.setattr(phase_line, "BLOCK", block)
    genes = [gene for part in phase_line.gene_blocks((N, G)) for gene in range(G)[part]]
    assert genes == list(range(G))
    assert all(N * len(range(G)[part]) <= max(block, N) for part in phase_line.gene_blocks((N, G)))
