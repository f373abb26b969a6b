"""Fits that are interrupted, and networks that are used on other cells."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse

from napari_tissue_dynamics.data.fingerprint import fingerprint
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.kinetics.root_cells import Origin
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer import checkpoint as module
from napari_tissue_dynamics.steer import training
from napari_tissue_dynamics.steer.config import PublishedOptions, SteerConfig
from napari_tissue_dynamics.steer.model_file import apply_model
from napari_tissue_dynamics.steer.overall_progress import Journey
from napari_tissue_dynamics.steer.training import fit, fit_steps

SHORT = SteerConfig(
    n_experts=2,
    hidden_size=16,
    latent_size=4,
    min_shared_counts=0,
    keep_genes=30,
    autoencoder_epochs=5,
    cluster_epochs=3,
    time_epochs=13,
    warm_up_epochs=3,
    velocity_epochs=6,
    velocity_batch=50,
    device="cpu",
    published=PublishedOptions(mask_train=True),
)
CONFIGS = {
    "improved": SHORT,
    "in batches": replace(SHORT, cell_batch=50, fine_cluster_size=20),
    "faithful": replace(SHORT, profile="faithful"),
}
LEFT_OUT = {"genes", "model", "stopped"}


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(n_cells=120, n_genes=40, seed=3).tissue


@pytest.fixture(scope="module")
def whole(tissue):
    return {name: fit(tissue, config) for name, config in CONFIGS.items()}


@pytest.fixture(autouse=True)
def every_part_is_reported(monkeypatch):
    monkeypatch.setattr("napari_tissue_dynamics.steer.overall_progress.INTERVAL", 0.0)


def assert_same(one: VelocityField, other: VelocityField, *without: str):
    assert one.genes == other.genes
    for field in fields(VelocityField):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "gene_table":
            assert a.keys() == b.keys()
            a, b = list(a.values()), list(b.values())
        if field.name not in LEFT_OUT.union(without) and not (a is None and b is None):
            np.testing.assert_array_equal(a, b, err_msg=field.name)


def interrupt(tissue, config, path, phase, reports):
    """Stop a fit after so many reports of a phase; an epoch has up to four."""
    stop, seen = threading.Event(), []

    def count(report):
        seen.append(report.phase)
        if seen.count(phase) >= reports:
            stop.set()

    with suppress(FitError):  # there are no velocities yet
        assert run_to_end(fit_steps(tissue, config, stop, checkpoint=path), count).stopped
    assert path.exists()


@pytest.mark.parametrize(
    ("phase", "reports", "profile"),
    [
        ("auto-encoder", 6, "improved"),
        ("clock and regimes", 15, "improved"),
        ("velocity", 7, "improved"),
        ("auto-encoder", 7, "in batches"),
        ("clock and regimes", 14, "in batches"),
        ("velocity", 8, "in batches"),
        ("auto-encoder (stage 1)", 6, "faithful"),
        ("clusters (stage 1)", 1, "faithful"),
        ("auto-encoder (stage 2)", 11, "faithful"),
        ("velocity, warm-up", 3, "faithful"),
        ("velocity", 10, "faithful"),
    ],
)
def test_a_fit_that_was_stopped_ends_as_one_that_was_not(tissue, whole, tmp_path, phase, reports, profile):
    config, path = CONFIGS[profile], tmp_path / "fit.safetensors"
    interrupt(tissue, config, path, phase, reports)
    steps = fit_steps(tissue, config, checkpoint=path)
    phases = []
    field = run_to_end(steps, lambda report: phases.append(report.phase))
    assert_same(field, whole[profile])
    assert not field.stopped
    assert "auto-encoder (stage 1)" not in phases or phase == "auto-encoder (stage 1)"
    assert list(tmp_path.iterdir()) == []


def test_a_fit_may_be_stopped_many_times(tissue, whole, tmp_path):
    path = tmp_path / "fit.safetensors"
    phases = ("clusters (stage 1)", 3), ("clock", 5), ("clock", 14), ("velocity", 2), ("velocity", 9)
    for phase, reports in phases:
        interrupt(tissue, CONFIGS["faithful"], path, phase, reports)
    assert_same(run_to_end(fit_steps(tissue, CONFIGS["faithful"], checkpoint=path)), whole["faithful"])


@pytest.mark.parametrize("profile", ["improved", "in batches"])
def test_a_fit_of_the_improved_profile_may_be_stopped_many_times(tissue, whole, tmp_path, profile):
    path = tmp_path / "fit.safetensors"
    phases = ("auto-encoder", 3), ("clock and regimes", 5), ("clock and regimes", 14), ("velocity", 2), ("velocity", 9)
    for phase, reports in phases:
        interrupt(tissue, CONFIGS[profile], path, phase, reports)
    assert_same(run_to_end(fit_steps(tissue, CONFIGS[profile], checkpoint=path)), whole[profile])


@pytest.mark.parametrize(
    ("profile", "phase", "finds"),
    [("improved", "clock and regimes", "know"), ("faithful", "clock", "curvature_prior")],
)
def test_the_state_is_written_while_training_and_a_killed_fit_goes_on(
    tissue, whole, tmp_path, monkeypatch, profile, phase, finds
):
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.0)
    path = tmp_path / "fit.safetensors"
    for report in fit_steps(tissue, CONFIGS[profile], checkpoint=path):
        assert [file.name for file in tmp_path.iterdir()] in ([], [path.name])  # never a half-written one
        if report.phase == phase and report.step == 5:
            break
    assert path.exists()
    monkeypatch.setattr(training, finds, None)  # what was found is kept, not found again
    assert_same(run_to_end(fit_steps(tissue, CONFIGS[profile], checkpoint=path)), whole[profile])


def test_a_file_of_another_fit_is_refused(tissue, tmp_path):
    path = tmp_path / "fit.safetensors"
    interrupt(tissue, SHORT, path, "clock and regimes", 2)
    with pytest.raises(DataError, match="differs in learning_rate, seed"):
        next_all(fit_steps(tissue, replace(SHORT, seed=5, learning_rate=1e-2), checkpoint=path))
    with pytest.raises(DataError, match="differs in where time begins"):
        next_all(fit_steps(tissue, SHORT, origin=Origin(roots=np.array([3])), checkpoint=path))
    with pytest.raises(DataError, match="differs in the cells"):
        next_all(fit_steps(tissue.select_cells(np.arange(110)), SHORT, checkpoint=path))
    with pytest.raises(DataError, match="'STEER model 1' was expected"):
        apply_model(path, tissue)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read"):
        next_all(fit_steps(tissue, SHORT, checkpoint=path))
    with pytest.raises(DataError, match="no folder"):
        next_all(fit_steps(tissue, SHORT, checkpoint=tmp_path / "nowhere" / "fit"))


def next_all(steps):
    for _ in steps:
        pass


def test_every_part_of_the_data_changes_its_fingerprint(tissue):
    counts = tissue.spliced.toarray()
    counts[3, 4] += 1
    others = [
        tissue.with_(spliced=sparse.csr_array(counts)),
        tissue.with_(unspliced=tissue.spliced),
        tissue.with_(positions=tissue.positions + 1),
        tissue.with_(genes=("x", *tissue.genes[1:])),
        tissue.select_cells(np.arange(119)),
    ]
    assert len({fingerprint(one) for one in [tissue, *others]}) == 6
    assert fingerprint(tissue) == fingerprint(tissue.with_(source="elsewhere"))


@pytest.fixture(scope="module", params=CONFIGS)
def trained(tissue, tmp_path_factory, request):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    return path, run_to_end(fit_steps(tissue, CONFIGS[request.param], model=path)), request.param


def test_a_network_gives_its_training_cells_the_field_of_the_fit(tissue, whole, trained):
    path, field, profile = trained
    assert_same(field, whole[profile])
    applied = apply_model(path, tissue, device="cpu")
    if profile == "faithful":
        assert_same(applied, field, "regulation")
    else:  # the fit itself returns time and velocities of its clock, which other cells do not have
        np.testing.assert_array_equal(applied.embedding, field.embedding)
        assert applied.genes == field.genes
    assert len(applied.genes) == 30
    assert applied.regulation is None
    assert (applied.gene_weight is None) == (profile == "faithful")


def test_other_depth_and_other_order_of_genes_change_nothing(tissue, trained):
    path, field, profile = trained
    # The profiles differ in what belongs to a cell: one depth, or one of each kind of RNA.
    depths = (4, 2) if profile == "faithful" else (4, 4)
    order = np.random.default_rng(0).permutation(tissue.n_genes)
    other = tissue.with_(
        genes=tuple(tissue.genes[i] for i in order),
        spliced=sparse.csr_array(depths[0] * tissue.spliced.toarray()[:, order]),
        unspliced=sparse.csr_array(depths[1] * tissue.unspliced.toarray()[:, order]),
    )
    expected = field if profile == "faithful" else apply_model(path, tissue, device="cpu")
    # What is drawn for the tests of a direction depends on the counts themselves.
    assert_same(apply_model(path, other, device="cpu"), expected, "regulation", "evidence")


def test_other_cells_get_velocities_near_those_of_the_same_cells_in_the_training(tissue, trained):
    path, field, _ = trained
    part = np.arange(0, 120, 2)
    applied = apply_model(path, tissue.select_cells(part), device="cpu")
    assert applied.spliced.shape == (60, 30)
    assert applied.time.min() >= 0
    assert applied.time.max() <= 1
    assert np.corrcoef(applied.moments_spliced.ravel(), field.moments_spliced[part].ravel())[0, 1] > 0.9


def test_missing_genes_are_named(tissue, trained):
    path, field, profile = trained
    number = 30 if profile == "faithful" else 40  # the depth and the neighbors are found from all
    genes = tuple(f"no {gene}" if gene in field.genes[:2] else gene for gene in tissue.genes)
    with pytest.raises(DataError, match=rf"lacks 2 of the {number} genes .*: {field.genes[0]}, {field.genes[1]}\."):
        apply_model(path, tissue.with_(genes=genes))
    with pytest.raises(DataError, match=rf"lacks {number} of the {number} .*, \.\.\."):
        apply_model(path, tissue.with_(genes=tuple(f"no {gene}" for gene in tissue.genes)))


@pytest.mark.parametrize(
    ("profile", "phases"),
    [
        ("faithful", {"velocity, warm-up": 3, "velocity": 6}),
        ("improved", {"velocity": 6}),
        ("in batches", {"velocity": 6}),
    ],
)
def test_previews_come_with_the_first_velocities_and_disturb_nothing(tissue, whole, monkeypatch, profile, phases):
    monkeypatch.setattr("napari_tissue_dynamics.steer.overall_progress.PREVIEW_SECONDS", 0.0)
    monkeypatch.setattr("napari_tissue_dynamics.steer.overall_progress.PREVIEW_SHARE", np.inf)
    before = torch.get_rng_state()
    reports = []
    field = run_to_end(fit_steps(tissue, CONFIGS[profile]), reports.append)
    assert_same(field, whole[profile])
    assert torch.equal(torch.get_rng_state(), before)
    looks = [report for report in reports if report.snapshot is not None]
    assert [(report.phase, report.step) for report in looks] == [
        (phase, step) for phase, epochs in phases.items() for step in range(epochs)
    ]
    for report in looks:
        assert isinstance(report.snapshot, VelocityField)
        assert np.isfinite(report.snapshot.spliced).all()
    assert np.abs(looks[0].snapshot.spliced - looks[-1].snapshot.spliced).max() > 1e-3


def test_previews_are_three_seconds_apart_and_take_a_tenth_of_the_time(monkeypatch):
    clock = [100.0]
    ours = SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr("napari_tissue_dynamics.steer.overall_progress.time", ours)
    journey = Journey({"work": 1.0})

    def look(cost):
        clock[0] += cost
        return cost

    assert journey.preview(lambda: look(0.1)) == 0.1
    clock[0] += 2.9
    assert journey.preview(lambda: look(0.1)) is None
    clock[0] += 0.2
    assert journey.preview(lambda: look(2.0)) == 2.0
    clock[0] += 19.9
    assert journey.preview(lambda: look(2.0)) is None
    clock[0] += 0.2
    assert journey.preview(lambda: look(2.0)) == 2.0


def test_a_large_tissue_is_not_previewed(tissue, monkeypatch):
    monkeypatch.setattr(training, "PREVIEW_VALUES", 120 * 30 - 1)
    reports = []
    run_to_end(fit_steps(tissue, SHORT), reports.append)
    assert all(report.snapshot is None for report in reports)
