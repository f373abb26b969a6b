"""The whole fit on simulated tissue with known truth, and how it behaves while it runs."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from napari_tissue_dynamics.descriptions import with_settings
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.simulators.tissue import SimulatedTissue, simulate_tissue
from napari_tissue_dynamics.steer import training
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.losses import LOSSES
from napari_tissue_dynamics.steer.overall_progress import Journey
from napari_tissue_dynamics.steer.prior.curvature import Curvature, curvature_prior
from napari_tissue_dynamics.steer.schedule import second_stage
from napari_tissue_dynamics.steer.training import fit, fit_steps

SHORT = SteerConfig(
    n_experts=2,
    hidden_size=32,
    latent_size=8,
    autoencoder_epochs=20,
    cluster_epochs=10,
    time_epochs=10,
    warm_up_epochs=5,
    velocity_epochs=10,
    velocity_batch=64,
    device="cpu",
)


FAITHFUL = replace(SHORT, profile="faithful")


@pytest.fixture(scope="module")
def small() -> SimulatedTissue:
    return simulate_tissue(n_cells=200, n_genes=60, seed=3)


@pytest.fixture(scope="module")
def short_field(small):
    return fit(small.tissue, SHORT)


@pytest.fixture(scope="module")
def faithful_field(small):
    return fit(small.tissue, FAITHFUL)


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1] if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0  # cells with the same moments


def project_on_tissue(field, positions, k=30):
    """Project velocities as La Manno et al. do, one cell after the other."""
    order = np.linalg.norm(positions[:, None] - positions[None], axis=2).argsort(axis=1)[:, 1 : k + 1]
    scale = np.maximum(field.moments_spliced.max(axis=0), 1e-12)
    x, velocity = field.moments_spliced / scale, field.spliced / scale
    arrows = np.zeros_like(positions)
    for i, near in enumerate(order):
        cosine = np.array([correlation(x[j] - x[i], velocity[i]) for j in near])
        weight = np.sign(cosine) * np.expm1(10 * np.abs(cosine))
        weight = weight / np.abs(weight).sum()
        step = positions[near] - positions[i]
        step /= np.linalg.norm(step, axis=1, keepdims=True)
        arrows[i] = (weight - weight.mean()) @ step
    return arrows


def mean_cosine(a, b):
    return np.mean((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)))


@pytest.fixture(scope="module")
def fast_fit():
    simulated = simulate_tissue(n_cells=1000, n_genes=120, seed=1)
    return simulated, fit(simulated.tissue, SteerConfig.schedule("quick"))


def test_velocities_point_where_the_tissue_grows(fast_fit):
    simulated, field = fast_fit
    positions = simulated.tissue.positions
    found = mean_cosine(project_on_tissue(field, positions), simulated.truth.spatial_velocity)
    assert found >= 0.9
    # In a tissue that grows away from a stripe even the velocities of other cells point outwards more often than not.
    others = np.random.default_rng(0).permutation(field.spliced, axis=0)
    by_chance = mean_cosine(
        project_on_tissue(replace(field, spliced=others), positions), simulated.truth.spatial_velocity
    )
    assert found > by_chance + 0.4


def test_latent_time_follows_the_true_time_over_all_cells_and_within_every_regime(fast_fit):
    simulated, field = fast_fit
    regime, true_time = simulated.truth.regime.codes, simulated.truth.time
    agreement = [
        spearmanr(field.time[regime == code], true_time[regime == code]).statistic for code in np.unique(regime)
    ]
    assert spearmanr(field.time, true_time).statistic >= 0.97
    assert np.mean(agreement) >= 0.9
    assert min(agreement) > 0.8  # the direction is right everywhere


def test_the_field_is_complete_and_in_its_ranges(fast_fit):
    simulated, field = fast_fit
    assert field.model == "STEER"
    assert not field.stopped
    assert field.time.min() == 0
    assert field.time.max() == 1
    np.testing.assert_allclose(field.expert_probability.sum(axis=1), 1, atol=1e-5)
    for rate in (field.alpha, field.beta, field.gamma):
        assert rate.shape == field.spliced.shape
        assert np.isfinite(rate).all()
        assert rate.min() >= 0
    assert field.gene_weight.shape == (len(field.genes),)
    assert field.gene_weight.min() >= 0
    assert set(field.genes) <= set(simulated.tissue.genes)


def test_velocity_of_the_improved_profile_is_that_of_its_rates_per_unit_of_time(fast_fit):
    _, field = fast_fit
    u, s = field.moments_unspliced.astype(float), field.moments_spliced.astype(float)
    scale = np.abs(field.spliced).max()
    np.testing.assert_allclose(field.unspliced, field.alpha - field.beta * u, rtol=1e-3, atol=1e-5 * scale)
    # Where the splicing equation explains a gene, the velocity is that of its rates.
    explained = field.gene_table["fit_agreement"] > 0.8
    assert explained.sum() > 10
    of_rates = (field.beta * u - field.gamma * s)[:, explained]
    assert mean_cosine(of_rates.T, field.spliced[:, explained].T) > 0.95


def test_rates_of_the_faithful_profile_are_shares_and_its_velocities_have_length_one(faithful_field):
    field = faithful_field
    for rate in (field.alpha, field.beta, field.gamma):
        assert 0 <= rate.min() <= rate.max() <= 1
    largest = [moments.max(axis=0) for moments in (field.moments_unspliced, field.moments_spliced)]
    alive = (largest[0] > 0) & (largest[1] > 0)
    length = np.hypot(field.unspliced[:, alive] / largest[0][alive], field.spliced[:, alive] / largest[1][alive])
    np.testing.assert_allclose(length, 1, atol=1e-4)


def test_velocity_of_the_faithful_profile_is_the_unit_direction_of_its_rates(faithful_field):
    field = faithful_field
    largest_u, largest_s = field.moments_unspliced.max(axis=0), field.moments_spliced.max(axis=0)
    u, s = field.moments_unspliced / largest_u, field.moments_spliced / largest_s
    change_u, change_s = field.alpha - field.beta * u, field.beta * u - field.gamma * s
    length = np.hypot(change_u, change_s)
    np.testing.assert_allclose(field.unspliced, largest_u * change_u / length, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(field.spliced, largest_s * change_s / length, rtol=1e-2, atol=1e-3)


def test_same_seed_same_result_and_another_seed_another_one(small, short_field):
    again = fit(small.tissue, SHORT)
    other = fit(small.tissue, replace(SHORT, seed=1))
    np.testing.assert_array_equal(again.spliced, short_field.spliced)
    np.testing.assert_array_equal(again.time, short_field.time)
    assert np.abs(other.time - short_field.time).max() > 1e-3


def test_global_random_states_are_left_alone(small):
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for _ in fit_steps(small.tissue, SHORT):
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_number_of_threads_is_left_alone(small, short_field):
    threads = torch.get_num_threads()
    fit(small.tissue, SHORT)
    assert torch.get_num_threads() == threads


def test_positions_of_an_embedding_are_not_used(small, short_field):
    shuffled = small.tissue.positions[np.random.default_rng(0).permutation(200)]
    embedded = small.tissue.with_(unit="embedding")
    moved = embedded.with_(positions=shuffled)
    np.testing.assert_array_equal(fit(embedded, SHORT).embedding, fit(moved, SHORT).embedding)
    assert np.abs(fit(embedded, SHORT).embedding - short_field.embedding).max() > 0


def test_time_turns_round_when_all_labels_are_negated(small, monkeypatch):
    config = replace(FAITHFUL, time_epochs=60, learning_rate=3e-3, warm_up_epochs=1, velocity_epochs=1)
    forwards = fit(small.tissue, config)

    def negated(u, s, codes):
        found = curvature_prior(u, s, codes)
        return Curvature(-found.label, found.confidence)

    monkeypatch.setattr(training, "curvature_prior", negated)
    backwards = fit(small.tissue, config)
    assert spearmanr(forwards.time, backwards.time).statistic < -0.5


@pytest.mark.parametrize("config", [SHORT, FAITHFUL], ids=["improved", "faithful"])
def test_fewer_genes_enter_the_last_stage(small, config):
    field = fit(small.tissue, replace(config, keep_genes=20))
    assert len(field.genes) == 20
    assert field.spliced.shape == (200, 20)
    assert list(field.genes) == sorted(field.genes, key=small.tissue.genes.index)


@pytest.mark.parametrize("source", ["spliced", "both"])
def test_time_of_the_faithful_profile_may_follow_other_rna(small, faithful_field, source):
    field = fit(small.tissue, with_settings(FAITHFUL, {"time_from": source}))
    assert np.abs(field.time - faithful_field.time).max() > 1e-3


@pytest.mark.parametrize("config", [SHORT, FAITHFUL], ids=["improved", "faithful"])
def test_reports_rise_from_zero_to_one_and_come_at_a_steady_pace(small, monkeypatch, config):
    monkeypatch.setattr("napari_tissue_dynamics.steer.overall_progress.INTERVAL", 0.0)
    reports = list(fit_steps(small.tissue, config))
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    named = list(dict.fromkeys(report.phase for report in reports))
    phases = [*(phase.name for phase in second_stage(config)), "velocities"]
    assert named[-len(phases) :] == phases
    before = ["curvature"] if config.faithful else ["genes", "neighbors", "time and regimes", "prior"]
    assert [name for name in named if name in before] == before
    assert all(np.isfinite(report.loss) for report in reports if report.loss is not None)


def test_a_clock_and_not_the_number_of_steps_decides_when_to_report(monkeypatch):
    clock = iter(np.arange(0, 0.5, 0.001))  # half a second in steps of a millisecond
    ours = SimpleNamespace(monotonic=lambda: next(clock, 0.5))
    monkeypatch.setattr("napari_tissue_dynamics.steer.overall_progress.time", ours)
    journey = Journey({"work": 1.0})
    assert 2 <= sum(journey.due() for _ in range(400)) <= 5


def run_until(steps, stop, name):
    """Set ``stop`` when the phase called ``name`` is reached, and return how the fit ended, None if by itself."""
    try:
        for report in steps:
            if report.phase == name and not stop.is_set():
                stop.set()
    except FitError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("phase", "profile"),
    [
        ("neighbors", "improved"),
        ("time and regimes", "improved"),
        ("auto-encoder", "improved"),
        ("clock and regimes", "improved"),
        ("number of experts", "faithful"),
        ("auto-encoder (stage 1)", "faithful"),
        ("clock", "faithful"),
    ],
)
def test_stop_before_velocities_ends_with_a_sentence(small, phase, profile):
    stop = threading.Event()
    epochs = 5000 if "auto-encoder" in phase else 20
    config = replace(SHORT, profile=profile, n_experts=0, autoencoder_epochs=epochs, time_epochs=5000)
    message = run_until(fit_steps(small.tissue, config, stop), stop, phase)
    assert message is not None
    assert "stopped before velocities were computed" in message


@pytest.mark.parametrize(
    ("phase", "profile"), [("velocity, warm-up", "faithful"), ("velocity", "faithful"), ("velocity", "improved")]
)
def test_stop_with_velocities_returns_the_state_so_far(small, phase, profile):
    stop = threading.Event()
    warm_up = 5000 if "warm" in phase else 5
    config = replace(SHORT, profile=profile, warm_up_epochs=warm_up, velocity_epochs=5000, patience=5000)
    steps = fit_steps(small.tissue, config, stop)
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            field = end.value
            break
        if report.phase == phase and not stop.is_set():
            stop.set()
    assert field.stopped
    assert np.isfinite(field.spliced).all()


def test_training_velocities_ends_when_the_loss_no_longer_falls(small):
    config = replace(SHORT, velocity_epochs=100_000, patience=3, min_improvement=1.0)
    assert not fit(small.tissue, config).stopped


def test_a_failure_in_the_thread_of_a_long_step_arrives_as_it_is():
    journey = Journey({"work": 1.0})

    def fail():
        raise DataError("no counts")

    with pytest.raises(DataError, match="no counts"):
        list(journey.wait("work", fail))


def test_missing_counts_are_told(small):
    with pytest.raises(DataError, match="unspliced"):
        fit(small.tissue.with_(unspliced=None), SHORT)


def test_a_loss_that_is_not_finite_is_told(small, monkeypatch):
    broken = {**LOSSES, "reconstruction": lambda state, problem: state.encoding.z.sum() * torch.nan}
    monkeypatch.setattr("napari_tissue_dynamics.steer.training_loop.LOSSES", broken)
    with pytest.raises(FitError, match="learning rate"):
        fit(small.tissue, SHORT)
