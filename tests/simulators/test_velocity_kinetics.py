"""Simulated kinetics against closed forms, and their patterns against what their names say."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.closed_form import spliced, unspliced
from napari_tissue_dynamics.simulators.velocity import simulate_kinetics
from napari_tissue_dynamics.simulators.velocity_kinetics import PATTERNS, Course, Rates

STEADY = Rates(Course(2.0), Course(0.7), Course(0.3))
FALLING = Rates(Course(0.0), Course(0.7), Course(0.3))
THREE = {"rises": (STEADY, STEADY, STEADY), "falls": (STEADY, FALLING, FALLING)}
SPANS = ((0.0, 5.0), (5.0, 8.0), (5.0, 10.0))


@pytest.fixture(scope="module")
def simulated():
    return simulate_kinetics(n_cells=200, n_genes=60, seed=1)


def simulate_three(mode, **more):
    return simulate_kinetics(THREE, 150, 20, mode=mode, spans=SPANS, **more)


@pytest.mark.parametrize("mode", ["sequential", "progenitor"])
def test_groups_follow_the_closed_form_from_where_they_begin(mode):
    truth = simulate_three(mode).truth
    alpha, beta, gamma = truth.alpha[::50], truth.beta[0], truth.gamma[0]
    u0 = s0 = np.zeros(20)
    for group, (begin, end) in enumerate(SPANS):
        cells = truth.regime.codes == group
        time = truth.time[cells]
        assert_allclose(time, begin + np.arange(50) * (end - begin) / 50)
        passed = (time - begin)[:, None]
        assert_allclose(truth.unspliced[cells], unspliced(passed, u0, alpha[group], beta), rtol=1e-4, atol=1e-5)
        s = spliced(passed, s0, u0, alpha[group], beta, gamma)
        assert_allclose(truth.spliced[cells], s, rtol=1e-4, atol=1e-5)
        if mode == "sequential" or group == 0:
            passed = end - begin
            u0, s0 = unspliced(passed, u0, alpha[group], beta), spliced(passed, s0, u0, alpha[group], beta, gamma)


def test_a_rate_that_changes_follows_its_course():
    """The linear equation of u has a closed form for a transcription that relaxes exponentially."""
    changing = {"changes": (Rates(Course(3.0, 1.0, 0.4), Course(0.9), Course(0.2)),)}
    truth = simulate_kinetics(changing, 60, 10, spans=((0.0, 6.0),)).truth
    time, beta = truth.time[:, None], truth.beta[0]
    end = (truth.alpha[30] - np.exp(-0.4 * time[30])) / (1 - np.exp(-0.4 * time[30]))
    assert np.ptp(end) > 0.1
    assert_allclose(truth.alpha, end - (end - 1) * np.exp(-0.4 * time))
    relaxing = (1 - end) * (np.exp(-0.4 * time) - np.exp(-beta * time)) / (beta - 0.4)
    assert_allclose(truth.unspliced, end / beta * (1 - np.exp(-beta * time)) + relaxing, rtol=1e-4, atol=1e-5)


def test_end_values_are_jittered_gene_by_gene_and_alike_in_all_groups():
    truth = simulate_kinetics({"one": (STEADY, STEADY)}, 50, 400).truth
    for rates, end in ((truth.alpha, 2.0), (truth.beta, 0.7), (truth.gamma, 0.3)):
        factor = rates[0] / end
        assert (factor.min() >= 0.9, factor.max() <= 1.1) == (True, True)
        assert factor.std() == pytest.approx(0.2 / np.sqrt(12), rel=0.1)
        assert np.ptp(rates, axis=0).max() == 0


def test_noise_is_a_share_of_the_highest_rna(simulated):
    loud = simulate_three("sequential", noise_level=2.0)
    residual = loud.tissue.spliced.toarray() - loud.truth.spliced
    high = loud.truth.spliced > 0.5 * loud.truth.spliced.max(axis=0)
    spread = 2.0 * np.quantile(loud.truth.spliced, 0.99, axis=0) / 20
    assert (residual / spread)[high].std() == pytest.approx(1.0, abs=0.06)
    assert loud.tissue.spliced.toarray().min() >= 0
    quiet = simulate_three("sequential", noise_level=0.0)
    assert_allclose(quiet.tissue.unspliced.toarray(), quiet.truth.unspliced, rtol=1e-6)


def test_cells_lie_on_two_principal_components(simulated):
    tissue = simulated.tissue
    assert (tissue.has_tissue, tissue.basis, simulated.truth.spatial_velocity) == (False, "pca", None)
    logs = np.log1p(tissue.spliced.toarray().astype(float))
    left, scale, _ = np.linalg.svd(logs - logs.mean(axis=0), full_matrices=False)
    for axis in range(2):
        expected = left[:, axis] * scale[axis]
        expected *= np.sign(expected @ tissue.positions[:, axis])
        assert_allclose(tissue.positions[:, axis], expected, atol=1e-4 * scale[0])


def test_truth_is_complete_and_read_only(simulated):
    truth = simulated.truth
    assert_allclose(truth.velocity, truth.beta * truth.unspliced - truth.gamma * truth.spliced)
    assert np.bincount(truth.regime.codes).tolist() == [100, 100]
    assert [truth.programme.count(name) for name in PATTERNS] == [10] * 6
    with pytest.raises(ValueError, match="read-only"):
        truth.time[0] = 1.0


def test_patterns_do_what_their_names_say(simulated):
    truth = simulated.truth
    of = {name: truth.velocity[:, np.array(truth.programme) == name] for name in PATTERNS}
    first, second = (truth.regime.codes == group for group in (0, 1))
    assert (of["Partial_Up"][1:] > 0).all()
    assert (of["Partial_Down"][second] < 0).all()
    late = truth.spliced[-1]
    genes = np.array(truth.programme)
    assert (late[genes == "Partial_Down"] > 0.4 * truth.spliced[:, genes == "Partial_Down"].max(axis=0)).all()
    boosted = of["Trans_Boost"]
    assert (boosted[110:130].mean(axis=0) > 2 * boosted[80:100].mean(axis=0)).all()
    assert (of["Multi_Forward"][1:] > -1e-4).all()
    assert (of["Multi_Back"][second] < 0).all()
    assert (of["Whole_Single"][first][1:] > 0).all()
    assert (of["Whole_Single"][second][5:] < 0).all()
    single = np.isin(genes, ["Partial_Up", "Trans_Boost", "Partial_Down", "Whole_Single"])
    assert_array_equal(np.ptp(truth.gamma, axis=0) == 0, single)


def test_same_seed_same_cells_and_other_seed_other_cells(simulated):
    again, other = (simulate_kinetics(n_cells=200, n_genes=60, seed=seed) for seed in (1, 2))
    assert_array_equal(again.tissue.spliced.toarray(), simulated.tissue.spliced.toarray())
    assert_array_equal(again.tissue.positions, simulated.tissue.positions)
    assert not np.array_equal(other.truth.beta, simulated.truth.beta)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"n_cells": 20}, "20 cells"),
        ({"n_genes": 4}, "4 genes"),
        ({"seed": -1}, "seed of -1"),
        ({"mode": "random"}, "'random'"),
        ({"noise_level": -1.0}, "noise level of -1.0"),
        ({"patterns": {}}, "0 patterns"),
        ({"spans": ((0.0, 5.0),)}, "2 groups; 1 were"),
        ({"spans": ((0.0, 5.0), (5.0, 5.0))}, "must begin before"),
        ({"patterns": {"odd": (STEADY, Rates(Course(-1.0), Course(1.0), Course(1.0)))}}, "'odd' has a negative"),
        (
            {"patterns": {"hot": (STEADY, Rates(Course(1.0), Course(1e6), Course(1.0)))}},
            "'hot' has rates that are too high",
        ),
    ],
)
def test_impossible_requests_are_refused_in_a_sentence(arguments, word):
    with pytest.raises(DataError, match=word):
        simulate_kinetics(**arguments)
