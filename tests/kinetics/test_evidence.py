"""The verdict on simulated tissues whose direction is known, and on controls that have none."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import spearmanr

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.kinetics.config import ClockConfig
from napari_tissue_dynamics.kinetics.evidence import evidence_of_time, forward_gain, thinned_layers
from napari_tissue_dynamics.kinetics.foundation import foundation_steps
from napari_tissue_dynamics.kinetics.prepare import choose_counts
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.controls import CONTROLS
from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph
from napari_tissue_dynamics.simulators.velocity import Noise, simulate_bilinear

CONFIG = ClockConfig(n_regimes=1)
REFUSED = ("none", "contradicted")


@pytest.fixture(scope="module")
def smooth():
    return simulate_bilinear(700, 150, seed=1, kinetics="mixed", noise=Noise.real())


@pytest.fixture(scope="module")
def bursts():
    return simulate_telegraph(600, 100, 1, settings=TelegraphSettings(layout="sources"))


def evidence(tissue, config=CONFIG):
    return run_to_end(foundation_steps(tissue, config, ANYWHERE)).evidence


@pytest.mark.parametrize("family", ["smooth", "bursts"])
def test_intact_tissues_are_supported(family, request):
    found = evidence(request.getfixturevalue(family).tissue, ClockConfig())
    assert found.verdict == "supported"
    assert not found.caution


@pytest.mark.parametrize("control", ["cells", "genes", "both", "pairs", "static", "noise"])
@pytest.mark.parametrize("family", ["smooth", "bursts"])
def test_controls_without_a_direction_are_refused(family, control, request):
    tissue = request.getfixturevalue(family).tissue
    assert evidence(CONTROLS[control](tissue, seed=3)).verdict in REFUSED


@pytest.mark.parametrize("family", ["smooth", "bursts"])
def test_the_right_time_is_supported_and_its_mirror_contradicted(family, request):
    simulated = request.getfixturevalue(family)
    time = run_to_end(foundation_steps(simulated.tissue, CONFIG, ANYWHERE)).clock.shared.time
    assert spearmanr(time, simulated.truth.time).statistic > 0.9  # it is the right one
    forward, backward = (evidence_of_time(simulated.tissue, each, None, CONFIG) for each in (time, 1 - time))
    assert forward.verdict == "supported"
    assert backward.verdict == "contradicted"


def test_every_regime_and_every_sample_has_a_verdict(bursts):
    shuffled = CONTROLS["both"](bursts.tissue, seed=0)
    both = {
        name: sparse.csr_array(sparse.vstack([getattr(bursts.tissue, name), getattr(shuffled, name)]))
        for name in ("spliced", "unspliced")
    }
    n = bursts.tissue.n_cells
    tissue = bursts.tissue.with_(
        cells=tuple(f"{part}{i}" for part in "ab" for i in range(n)),
        positions=np.vstack([bursts.tissue.positions, bursts.tissue.positions + 100]),
        cell_types=None,
        expression=None,
        sections=Labels("sample", np.repeat([0, 1], n).astype(np.int32), ("intact", "shuffled")),
        **both,
    )
    found = evidence(tissue, replace(CONFIG, n_regimes=2))
    assert found.samples["intact"] == "supported"
    assert found.samples["shuffled"] in REFUSED
    assert len(found.regime_z) == 2


def test_mostly_unspliced_counts_raise_a_caution(smooth):
    exchanged = CONTROLS["exchanged"](smooth.tissue)
    more = exchanged.with_(unspliced=sparse.csr_array(3 * exchanged.unspliced))
    assert "% of the counts are unspliced" in evidence(more).caution


def test_few_cells_have_no_verdict(smooth):
    found = evidence(smooth.tissue.select_cells(np.arange(40)), replace(CONFIG, min_shared_counts=1))
    assert found.verdict == "none"
    assert "40 cells" in found.caution


def test_halves_of_the_spliced_counts_sum_to_them_and_layers_are_equally_deep(bursts):
    counts = choose_counts(bursts.tissue, CONFIG)
    n = bursts.tissue.n_cells
    # With a function per cell, and hardly any noise, the smooth values are the counts divided by their totals.
    basis = np.column_stack([np.ones(n), np.linalg.qr(np.random.default_rng(0).normal(size=(n, 5)))[0]])
    lead, half, rest = thinned_layers(counts, basis, np.random.default_rng(0))
    of_all = np.asarray(counts.spliced.sum(axis=0)).ravel()
    assert np.corrcoef(half.coefficients[0], of_all)[0, 1] > 0.95
    assert_allclose(lead.coefficients[0].sum(), rest.coefficients[0].sum(), rtol=0.05)
    again = thinned_layers(counts, basis, np.random.default_rng(0))
    assert_array_equal(again[0].coefficients, lead.coefficients)


def test_gain_is_one_forward_and_minus_one_backward_for_exact_steps():
    """s grows by what u says; mirrored, rates of 0 or above explain none of it."""
    u, s = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    square, turn, change = np.diag([4.0, 1.0]), np.array([[0.0, 0.0], [2.0, 0.0]]), np.diag([0.0, 1.0])
    assert_allclose(forward_gain(u, s, [(square, turn, change)]), 1.0)
    assert_allclose(forward_gain(u, s, [(square, -turn, change)]), -1.0)
