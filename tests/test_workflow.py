"""One press of a Run button, without a window."""

import itertools
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_tissue_dynamics import compute, steer, workflow
from napari_tissue_dynamics.analysis.arrows import inputs
from napari_tissue_dynamics.analysis.arrows.confidence import confidence
from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig, project
from napari_tissue_dynamics.compute import in_background
from napari_tissue_dynamics.data.io import read_provenance
from napari_tissue_dynamics.data.io.read_results import read_checks
from napari_tissue_dynamics.data.velocity_evidence import NOT_TESTED, SENTENCES, VERDICTS, VelocityEvidence
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.kinetics.root_cells import Origin
from napari_tissue_dynamics.progress import Progress, run_to_end
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer import SteerConfig
from napari_tissue_dynamics.travlr import TravlrConfig
from napari_tissue_dynamics.travlr.batch.batch_fit import Place
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
from napari_tissue_dynamics.workflow import (
    VelocityPreview,
    export_betas_steps,
    many_genes_steps,
    open_betas,
    picture_steps,
    regulation_steps,
    save,
    velocity_steps,
)
from napari_tissue_dynamics.workflow.files import described


def result_of(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_background_call_hands_on_its_result_and_its_error():
    assert result_of(in_background(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        result_of(in_background(lambda: 1 / 0))


def test_background_call_lets_its_caller_go():
    release = threading.Event()
    steps = in_background(release.wait)
    next(steps)
    next(steps)  # the call is still waiting, and its caller is here
    release.set()
    assert result_of(steps) is True


@pytest.mark.parametrize("kind", ["velocity", "regulation"])
def test_stop_before_the_fit_begins(kind):
    tissue = simulate_tissue(60, 30, seed=0).tissue
    stop = threading.Event()
    stop.set()
    if kind == "velocity":
        steps = velocity_steps(tissue, SteerConfig(), stop)
    else:
        network = RegulatoryNetwork({"Axin2": ("Lef1",)})
        steps = regulation_steps(tissue, ["Axin2"], network, TravlrConfig(), stop)
    with pytest.raises(FitError, match="stopped"):
        run_to_end(steps)


def test_stop_is_seen_while_torch_loads():
    code = (
        "import sys\n"
        "from napari_tissue_dynamics.compute import loading\n"
        "steps = loading(None); next(steps)\n"
        "looks = 1 + sum(1 for _ in steps)\n"
        "assert 'torch' in sys.modules\n"
        "print(looks)"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(answer[0]) >= 2  # loading takes seconds in a fresh process, and it was looked at meanwhile


# -- the picture of a velocity ------------------------------------------------------------------------------------

N, G = 200, 40


@pytest.fixture
def tissue():
    return simulate_tissue(N, G, seed=1).tissue


@pytest.fixture
def field(tissue):
    """A velocity of genes that are smooth over the tissue, with experts that are its halves."""
    rng = np.random.default_rng(0)
    places = (tissue.positions - tissue.positions.min(axis=0)) / np.ptp(tissue.positions, axis=0).max()
    slopes, phases = 4 * rng.normal(size=(2, G)), rng.uniform(0, 6, G)
    angles = places @ slopes + phases
    moments = (2 + np.sin(angles)).astype(np.float32)
    velocity = (np.cos(angles) * slopes[0]).astype(np.float32)  # along x everywhere
    right = places[:, 0] > np.median(places[:, 0])
    probability = np.stack([~right, right], axis=1).astype(np.float32)
    return VelocityField(
        tissue.genes, velocity, velocity.copy(), moments, moments.copy(),
        time=places[:, 0].astype(np.float32), alpha=moments.copy(), expert_probability=probability, model="test",
    )  # fmt: skip


def test_picture_has_everything(tissue, field):
    result = run_to_end(picture_steps(tissue, field))
    towards_x = result.arrows[:, 0] / np.linalg.norm(result.arrows, axis=1)
    assert np.mean(towards_x > 0.9) > 0.75
    assert np.median(result.neighbor_correlation) > 0.5
    assert result.confidence is None, "a direction that was not tested has no confidence"
    assert result.experts.cells.tolist() == [N // 2, N // 2]
    assert result.experts.time_order.moran.min() > 0.8
    assert result.experts.cell_types == tissue.cell_types.categories
    assert result.graph.neighbors.shape == (N, 30)
    assert len(result.grid.positions) > 20


def test_progress_rises_to_the_end(tissue, field):
    found = []
    run_to_end(picture_steps(tissue, field), found.append)
    fractions = [progress.fraction for progress in found]
    assert fractions == sorted(fractions)
    assert 0.9 <= fractions[-1] <= 1


def test_arrows_stay_within_experts_or_cell_types(tissue, field):
    for within, labels in (("expert", field.expert), ("cell type", tissue.cell_types.codes)):
        config = ProjectionConfig(within=within)
        drawn = run_to_end(workflow.picture._arrows(tissue, ArrowInputs.of(field), config, None))
        assert (labels[drawn.graph.neighbors] == labels[:, None]).all()
        assert run_to_end(picture_steps(tissue, field, projection=config)).projection == config


def test_neighbors_of_the_arrows_can_be_chosen(tissue, field):
    for name in ("tissue", "expression"):
        drawn = run_to_end(
            workflow.picture._arrows(tissue, ArrowInputs.of(field), ProjectionConfig(neighbors=name), None)
        )
        np.testing.assert_array_equal(drawn.arrows, project(field, tissue.positions, neighbors=name).arrows)


def test_labels_that_are_missing_are_said_before_the_fit(tissue):
    bare = tissue.with_(cell_types=None)
    with pytest.raises(DataError, match="no cell types"):
        next(velocity_steps(bare, SteerConfig(), projection=ProjectionConfig(within="cell type")))


def test_experts_that_are_missing_are_said(tissue, field):
    lean = replace(field, expert_probability=None)
    assert run_to_end(picture_steps(tissue, lean)).experts is None
    with pytest.raises(DataError, match="no experts"):
        run_to_end(picture_steps(tissue, lean, projection=ProjectionConfig(within="expert")))


def test_a_field_is_prepared_once_for_arrows_and_their_checks(tissue, field, monkeypatch):
    calls = []
    for name in ("comparable", "expression_space"):
        whole = getattr(inputs, name)
        monkeypatch.setattr(inputs, name, lambda field, name=name, whole=whole: calls.append(name) or whole(field))
    run_to_end(
        picture_steps(tissue, replace(field, gene_weight=None), projection=ProjectionConfig(neighbors="expression"))
    )
    assert sorted(calls) == ["comparable", "expression_space"]


def test_stop_ends_the_picture(tissue, field):
    for after in (0, 1, 3):
        stop = threading.Event()
        steps = picture_steps(tissue, field, stop)
        for _ in itertools.islice(steps, after):
            pass
        stop.set()
        with pytest.raises(FitError, match="stopped"):
            run_to_end(steps)


def test_a_saved_result_comes_back(tissue, field, tmp_path):
    result = run_to_end(picture_steps(tissue, field, projection=ProjectionConfig(within="expert")))
    path = save(tmp_path / "out.h5ad", tissue, velocity=result, settings=[SteerConfig()])
    found, expected = read_checks(path), workflow.checks_of(result)
    for name in ("neighbor_correlation", "self_transition"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.tables["genes"]["gene"] == expected.tables["genes"]["gene"]).all()
    settings = read_provenance(path)["provenance"]["settings"]
    assert set(settings) == {"SteerConfig", "ProjectionConfig"}
    assert settings["ProjectionConfig"]["within"] == "expert"
    assert found.confidence is None


# -- a network that was trained before, and words ----------------------------------------------------------------


def test_a_trained_network_has_the_same_picture(tissue, field, monkeypatch, tmp_path):
    asked = []

    def apply_model(path, cells, device):
        asked.append((path, cells, device))
        return field

    monkeypatch.setitem(steer.__dict__, "apply_model", apply_model)
    monkeypatch.setattr(compute, "load_torch", lambda: None)
    config, reports = ProjectionConfig(within="expert"), []
    result = run_to_end(workflow.apply_steps(tissue, tmp_path / "m", projection=config, device="cpu"), reports.append)
    assert asked == [(tmp_path / "m", tissue, "cpu")]
    expected = run_to_end(picture_steps(tissue, field, projection=config))
    np.testing.assert_array_equal(result.arrows, expected.arrows)
    np.testing.assert_array_equal(result.neighbor_correlation, expected.neighbor_correlation)
    fractions = [progress.fraction for progress in reports]
    assert fractions == sorted(fractions)
    with pytest.raises(DataError, match="no spliced"):
        run_to_end(workflow.apply_steps(tissue.with_(spliced=None), tmp_path / "m"))


def test_stop_is_seen_while_a_network_is_applied(tissue, monkeypatch, tmp_path):
    release, stop = threading.Event(), threading.Event()
    monkeypatch.setitem(steer.__dict__, "apply_model", lambda *_: release.wait())
    monkeypatch.setattr(compute, "load_torch", lambda: None)
    steps = workflow.apply_steps(tissue, tmp_path / "m", stop)
    next(steps)
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(steps)
    release.set()


def test_the_faithful_profile_takes_no_beginning(tissue):
    config = SteerConfig(profile="faithful")
    with pytest.raises(DataError, match="faithful profile cannot use"):
        next(velocity_steps(tissue, config, origin=Origin(roots=np.arange(3))))


def test_beginning_without_a_file_is_said(tissue):
    assert workflow.origin_of(tissue) is None
    with pytest.raises(DataError, match="no file"):
        workflow.origin_of(tissue, stage="day")


def test_result_in_words(tissue, field):
    result = run_to_end(picture_steps(tissue, field))
    direction, words = workflow.in_words(result, SteerConfig()).split("\n")
    assert direction == NOT_TESTED
    assert words.startswith(f"2 kinetic regimes found. {G:,} genes in {N:,} cells.")
    assert "confidence" not in words
    assert f"Latent time from {field.time.min():.2f} to {field.time.max():.2f}." in words
    assert described(result, SteerConfig(n_experts=2)).startswith("2 kinetic regimes. ")
    assert described(result, SteerConfig(profile="faithful", n_experts=2)).startswith("2 experts. ")
    third = replace(field, expert_probability=np.pad(field.expert_probability, ((0, 0), (0, 1))))
    words = described(replace(result, field=third), SteerConfig())
    assert words.startswith("3 kinetic regimes found, 1 of them with no cells.")
    bare = replace(result, field=replace(field, time=None, expert_probability=None))
    assert described(bare) == f"{G:,} genes in {N:,} cells."


@pytest.mark.parametrize("verdict", VERDICTS)
def test_only_a_supported_direction_has_a_confidence(tissue, field, verdict):
    told = replace(field, evidence=VelocityEvidence(verdict, 3.25, -1.0))
    result = run_to_end(picture_steps(tissue, told))
    direction, words = workflow.in_words(result).split("\n")
    assert direction == f"{SENTENCES[verdict]} (pairing z 3.2, lag z -1.0)"
    assert (result.confidence is not None) == (verdict == "supported") == ("confidence" in words)
    if verdict == "supported":
        assert result.evidence is told.evidence
        assert np.nanmedian(result.confidence) > 0.9, "the velocities are smooth"
        expected = confidence(result.arrows, tissue.positions, field.expert)
        np.testing.assert_array_equal(result.confidence, expected)
        assert not np.array_equal(result.confidence, confidence(result.arrows, tissue.positions))


# -- a fit that shows itself --------------------------------------------------------------------------------------


def fit_with_snapshots(field, snapshots, pause=0.0):
    def fit_steps(tissue, config, stop, **given):
        for i in range(snapshots):
            yield Progress("velocity", i, snapshots, i / snapshots, snapshot=field)
            time.sleep(pause)
        fit_steps.given = given
        return field

    return fit_steps


def test_snapshots_become_previews_and_what_is_given_is_handed_on(tissue, field, monkeypatch, tmp_path):
    fit = fit_with_snapshots(field, 3, pause=0.3)
    monkeypatch.setitem(steer.__dict__, "fit_steps", fit)
    monkeypatch.setattr(compute, "load_torch", lambda: None)
    reports = []
    origin = Origin(roots=np.arange(3))
    files = {"checkpoint": tmp_path / "state", "network": tmp_path / "model"}
    result = workflow.velocity(tissue, SteerConfig(), reports.append, origin=origin, **files)
    previews = [report.snapshot for report in reports if report.snapshot is not None]
    assert fit.given == {"origin": origin, "checkpoint": files["checkpoint"], "model": files["network"]}
    assert 2 <= len(previews) <= 4
    np.testing.assert_array_equal(previews[-1].arrows, result.arrows)  # drawn before they are checked
    assert all(isinstance(preview, VelocityPreview) for preview in previews)
    np.testing.assert_array_equal(previews[0].time, field.time)
    lengths = np.linalg.norm(previews[0].arrows, axis=1) * np.linalg.norm(result.arrows, axis=1)
    assert np.median((previews[0].arrows * result.arrows).sum(axis=1) / lengths) > 0.95


def test_previews_take_a_tenth_of_the_time_at_most(field, tissue, monkeypatch):
    clock = itertools.count()  # every look at the clock is a second later: a preview takes one second
    ours = SimpleNamespace(monotonic=lambda: float(next(clock)))
    monkeypatch.setattr(workflow.preview, "time", ours)
    previews = workflow.preview.Previews(tissue.positions)
    made = [previews.of(field) is not None for _ in range(40)]
    seconds = next(clock)
    assert made[0]
    assert 3 <= sum(made) <= seconds / 10 + 1


def test_preview_of_many_cells_draws_an_even_selection(field, tissue, monkeypatch):
    monkeypatch.setattr(workflow.preview, "PREVIEW_CELLS", 50)
    preview = workflow.preview.Previews(tissue.positions).of(field)
    drawn = np.flatnonzero(np.abs(preview.arrows).any(axis=1))
    assert 45 <= len(drawn) <= 50
    assert np.diff(drawn).max() <= 2 * N / 50
    assert (preview.arrows[drawn, 0] > 0).mean() > 0.8
    assert len(preview.time) == N


def test_genes_of_a_folder_open_for_their_tissue_only(tmp_path):
    simulated = simulate_tissue(80, 30, seed=0)
    tissue, target = simulated.tissue, simulated.truth.targets[0]
    network = RegulatoryNetwork(simulated.truth.regulators)
    config = TravlrConfig(estimator="network", epochs=0, score_threshold=-100)
    run, tables = tmp_path / "run", tmp_path / "tables"
    steps = many_genes_steps(tissue, [target], network, config, place=Place(store=run), resume=False)
    fitted = run_to_end(steps)[target]
    assert run_to_end(export_betas_steps(run, tables)) == 1
    for folder in (run, tables):
        np.testing.assert_array_equal(open_betas(folder, tissue)[target].beta("beta0"), fitted.beta("beta0"))
    order = np.arange(80)[::-1].copy()
    other = tissue.select_cells(order)
    np.testing.assert_array_equal(open_betas(tables, other)[target].beta("beta0"), fitted.beta("beta0")[order])
    with pytest.raises(DataError, match="in another order"):
        open_betas(run, other)
    with pytest.raises(DataError, match="choose another folder"):
        run_to_end(many_genes_steps(tissue, [target], network, config, place=Place(store=run), resume=False))
