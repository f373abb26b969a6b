"""The tissues with transcriptional bursts as a whole: truth, options, counts, seeds and refusals."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

import napari_tissue_dynamics as td
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.neighbors import knn
from napari_tissue_dynamics.simulators.kinds import OF_BURSTS
from napari_tissue_dynamics.simulators.requests import LAYOUTS
from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph


def simulated(n_cells=300, n_genes=20, seed=0, **settings):
    return simulate_telegraph(n_cells, n_genes, seed, TelegraphSettings(**settings))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_regimes", [1, 2, 5])
def test_every_layout_has_every_number_of_regimes(layout, n_regimes):
    made = simulated(layout=layout, n_regimes=n_regimes)
    tissue, truth = made.tissue, made.truth
    for counts in (tissue.spliced, tissue.unspliced):
        assert sparse.issparse(counts)
        assert (counts.format, counts.dtype, counts.shape) == ("csr", np.float32, (300, 20))
        assert_array_equal(counts.data, np.rint(counts.data))
    for name in ("velocity", "alpha", "beta", "gamma", "unspliced", "spliced"):
        array = getattr(truth, name)
        assert array.shape == (300, 20)
        assert np.isfinite(array).all()
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
    assert len(truth.regime.categories) == len(np.unique(truth.regime.codes)) == n_regimes
    assert tissue.unit == "um"
    varies = np.ptp(truth.gamma, axis=0) > 0
    assert_array_equal(varies, (np.array(truth.programme) == "multi-kinetic") & (n_regimes > 1))
    for regime in range(n_regimes):
        assert np.ptp(truth.gamma[truth.regime.codes == regime], axis=0).max() == 0


@pytest.mark.parametrize("compartments", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_velocity_is_the_finite_difference_of_the_mean_along_the_path(layout, compartments):
    """Cells of one path that follow each other in time; the trunk of branches belongs to all paths."""
    truth = simulated(3000, 15, layout=layout, n_regimes=1, compartments=compartments).truth
    chosen = np.flatnonzero(truth.time < 4.0) if layout == "branches" else np.arange(3000)
    order = chosen[np.argsort(truth.time[chosen])]
    order = order[np.append(True, np.diff(truth.time[order]) > 1e-3)]
    step = np.diff(truth.time[order])[:, None]
    slope = np.diff(truth.spliced[order], axis=0) / step
    expected = (truth.velocity[order][1:] + truth.velocity[order][:-1]) / 2
    assert np.abs(expected).max() > 1
    # Both are means over the step; the truth is linear in pieces of 0.02.
    assert_allclose(slope, expected, atol=0.02 * np.abs(expected).max())


def test_velocity_is_splicing_less_degradation():
    truth = simulated(n_regimes=3).truth
    assert_allclose(truth.velocity, truth.beta * truth.unspliced - truth.gamma * truth.spliced, atol=1e-10)


def test_cytoplasm_gains_what_leaves_the_nucleus():
    """Nuclear and cytoplasmic RNA together change by synthesis less degradation."""
    truth = simulated(3000, 15, layout="mosaic", n_regimes=1, compartments=True).truth
    order = np.argsort(truth.time)
    order = order[np.append(True, np.diff(truth.time[order]) > 1e-3)]
    total = (truth.unspliced + truth.spliced)[order]
    slope = np.diff(total, axis=0) / np.diff(truth.time[order])[:, None]
    change = (truth.alpha - truth.gamma * truth.spliced)[order]
    assert_allclose(slope, (change[1:] + change[:-1]) / 2, atol=0.02 * np.abs(change).max())
    made = simulated(compartments=True)
    assert "nuclear" in made.tissue.counts_meaning
    assert simulated().tissue.counts_meaning == ""


def test_counts_are_captured_molecules_with_ambient_ones():
    made = simulated(3000, 30, depth_spread=0.0, capture=(0.1, 0.3), ambient=0.0)
    for counts, mean, share in (
        (made.tissue.unspliced, made.truth.unspliced, 0.1),
        (made.tissue.spliced, made.truth.spliced, 0.3),
    ):
        assert counts.sum() == pytest.approx(share * mean.sum(), rel=0.02)
        slope = (counts.toarray() * mean).sum() / (mean**2).sum()
        assert slope == pytest.approx(share, rel=0.04)
    flat = simulated(3000, 30, depth_spread=0.0, capture=(0.1, 0.3), ambient=0.9)
    mean, counts = flat.truth.spliced, flat.tissue.spliced.toarray()
    centered = mean - mean.mean(axis=0)
    assert (counts * centered).sum() / (centered**2).sum() == pytest.approx(0.03, rel=0.15)


def test_depth_and_its_spread():
    made = simulated(1500, 60, depth=150, depth_spread=0.5, ambient=0.0, layout="sources")
    size = made.tissue.spliced.sum(axis=1)
    assert np.median(size) == pytest.approx(150, rel=0.05)
    even = simulated(1500, 60, depth=150, depth_spread=0.0, ambient=0.0, layout="sources").tissue.spliced.sum(axis=1)
    assert np.var(np.log(size)) - np.var(np.log(even)) == pytest.approx(0.25, rel=0.15)
    with pytest.raises(DataError, match="spliced molecules"):
        simulated(depth=1e6)


def test_static_cells_lie_together_and_do_not_change():
    truth = simulated(1000, 20, layout="sources", static=0.2).truth
    made = simulated(1000, 20, layout="sources", static=0.2)
    static = truth.static
    assert static.sum() == 200
    assert not truth.velocity[static].any()
    assert not truth.spatial_velocity[static].any()
    assert np.abs(truth.velocity[~static]).sum(axis=1).min() > 0
    assert (np.linalg.norm(truth.spatial_velocity[~static], axis=1) > 0).all()
    near = knn(made.tissue.positions, 8)[0]
    assert static[near[static]].mean() > 0.7, "by chance a fifth"
    assert_allclose(truth.beta[static] * truth.unspliced[static], truth.gamma[static] * truth.spliced[static])
    everywhere = simulated(200, 20, static=1.0).truth
    assert everywhere.static.all()
    assert not everywhere.velocity.any()


def test_the_tissue_moves_as_its_layout_does():
    """Cells of a source, followed back for their time, meet at its center."""
    made = simulated(layout="sources", n_regimes=1)
    start = made.tissue.positions - made.truth.spatial_velocity * made.truth.time[:, None]
    assert len(np.unique(np.round(start, 6), axis=0)) == 3
    assert simulated(layout="mosaic").truth.spatial_velocity is None


def test_dying_cells_lose_both_kinds_alike_and_empty_ones_have_none():
    plain, made = simulated(2000, 40), simulated(2000, 40, dying=0.3, empty=0.1)
    truth = made.truth
    dying, empty = truth.dying, truth.empty
    assert (dying.sum(), empty.sum()) == (600, 200)
    only = dying & ~empty
    left = truth.spliced[only] / plain.truth.spliced[only]
    assert_allclose(left, np.broadcast_to(left[:, :1], left.shape))
    assert_allclose(left, truth.unspliced[only] / plain.truth.unspliced[only])
    assert np.exp(-2.0) - 1e-9 < left.min() < left.max() < np.exp(-0.5) + 1e-9
    assert_allclose(truth.velocity[only], left * plain.truth.velocity[only] - truth.spliced[only], atol=1e-9)
    assert not truth.velocity[empty].any()
    assert not truth.spliced[empty].any()
    for counts in (made.tissue.spliced.toarray(), made.tissue.unspliced.toarray()):
        whole = counts[~dying & ~empty].mean()
        assert counts[only].mean() == pytest.approx(0.35 * whole, rel=0.25)
        assert 0 < counts[empty].mean() < 0.08 * whole


def test_seed_decides_everything_and_the_global_state_nothing():
    first, again, other = (simulated(seed=seed) for seed in (3, 3, 4))
    assert_array_equal(first.tissue.spliced.toarray(), again.tissue.spliced.toarray())
    assert not np.array_equal(first.tissue.spliced.toarray(), other.tissue.spliced.toarray())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    simulated(seed=3)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_options_of_the_cells_change_neither_genes_nor_places():
    plain, other = simulated(), simulated(static=0.3, dying=0.2, empty=0.1, ambient=0.2, depth=20)
    assert_array_equal(plain.tissue.positions, other.tissue.positions)
    assert_array_equal(plain.truth.gamma, other.truth.gamma)


def test_shares_of_programmes():
    names = simulated(n_genes=100, multi_kinetic=0.3, late_boost=0.15).truth.programme
    assert (names.count("multi-kinetic"), names.count("late boost")) == (30, 15)
    assert simulated(multi_kinetic=0.0).truth.regime.categories == ("all cells",)
    assert simulated(n_regimes=1).truth.regime.categories == ("all cells",)


def test_every_setting_is_reached_by_name():
    assert set(OF_BURSTS) == {field.name for field in fields(TelegraphSettings)}
    adata = td.simulate(150, 20, seed=2, kind="telegraph", layout="cycle", static=0.2, n_regimes=1, compartments=True)
    expected = simulated(150, 20, 2, layout="cycle", static=0.2, n_regimes=1, compartments=True)
    assert_array_equal(adata.layers["spliced"].toarray(), expected.tissue.spliced.toarray())
    assert_array_equal(adata.obs["true_static"], expected.truth.static)
    assert_allclose(adata.layers["true_velocity"], expected.truth.velocity, rtol=1e-6)
    with pytest.raises(DataError, match="belongs to a tissue with transcriptional bursts"):
        td.simulate(layout="cycle")
    with pytest.raises(DataError, match="kinetics and noise of its own"):
        td.simulate(kind="telegraph", kinetics="mixed")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"layout": "cube"}, "'cube'"),
        ({"n_regimes": 6}, "6 regimes"),
        ({"n_regimes": 0}, "0 regimes"),
        ({"static": 1.2}, "'static' is 1.2"),
        ({"dying": -0.1}, "'dying'"),
        ({"multi_kinetic": 0.6, "late_boost": 0.6}, "more than all genes"),
        ({"capture": (0.0, 0.2)}, "capture"),
        ({"depth": -3.0}, "'depth' is -3"),
        ({"export_rate": 0.0}, "'export_rate'"),
        ({"depth_spread": -1.0}, "depth spread"),
        ({"n_cells": 49}, "49 cells"),
        ({"n_genes": 9}, "9 genes"),
        ({"seed": -1}, "seed of -1"),
    ],
)
def test_impossible_requests_are_refused_in_a_sentence(settings, word):
    with pytest.raises(DataError, match=word):
        simulated(**settings)
