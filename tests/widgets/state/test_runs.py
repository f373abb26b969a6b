"""Earlier runs of a tissue, pause, the curve of the loss, and the bar in the window's activities."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_tissue_dynamics.analysis.arrows.projection import on_grid
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_history import RunHistory
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.plots.loss_curve import MOST, LossCurve
from napari_tissue_dynamics.widgets.state import runs as _runs
from napari_tissue_dynamics.widgets.state.runs import size_of
from napari_tissue_dynamics.workflow import VelocityResult


@pytest.fixture
def velocity(tissue):
    def made(seed, model):
        rng = np.random.default_rng(seed)
        n = tissue.n_cells
        values = rng.normal(size=(n, 5)).astype(np.float32)
        field = VelocityField(
            tissue.genes[:5],
            values,
            values,
            np.abs(values),
            np.abs(values),
            time=rng.random(tissue.n_cells),
            model=model,
        )
        arrows = rng.normal(size=(tissue.n_cells, 2)).astype(np.float32)
        return VelocityResult(field, arrows, on_grid(tissue.positions, arrows), np.ones(tissue.n_cells, np.float32))

    return made


def click(qtbot, view, row):
    place = view.visualItemRect(view.item(row)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_an_earlier_run_is_shown_again(open_dock, workspace, tissue, velocity, qtbot, tiny_steer, viewer):
    workspace.set_tissue(tissue)
    dock = open_dock(VelocityDock)
    first, second = velocity(0, "STEER"), velocity(1, "other")
    dock.show_result(first, tiny_steer)
    dock.show_result(second)
    drawn = replace(second, arrows=-second.arrows)
    dock.show_result(drawn, arrows_only=True)
    assert [run.result for run in workspace.runs] == [first, drawn]  # drawn anew is no new run
    dock.history.list.resize(200, 120)
    assert dock.history.list.item(0).text().startswith("2 · other")
    assert "hidden size: 16" in dock.history.list.item(1).toolTip()
    click(qtbot, dock.history.list, 1)
    assert workspace.velocity is first
    assert workspace.velocity_config is tiny_steer
    assert len(workspace.runs) == 2
    np.testing.assert_allclose(viewer.layers["latent time"].features.iloc[:, -1], first.field.time, rtol=1e-6)
    dock.history.list.setCurrentRow(0)
    qtbot.keyClick(dock.history.list, Qt.Key.Key_Return)
    assert workspace.velocity is drawn


def test_runs_go_with_the_tissue_and_the_oldest_when_they_are_many_or_large(workspace, tissue, velocity, monkeypatch):
    workspace.set_tissue(tissue)
    for seed in range(3):
        workspace.set_velocity(velocity(seed, "STEER"))
    assert [run.number for run in workspace.runs] == [1, 2, 3]
    monkeypatch.setattr(_runs, "MOST_BYTES", 2.5 * size_of(workspace.velocity))
    workspace.set_velocity(velocity(3, "STEER"))
    assert [run.number for run in workspace.runs] == [3, 4]
    monkeypatch.setattr(_runs, "MOST_BYTES", 1)
    workspace.set_velocity(velocity(4, "STEER"))
    assert [run.number for run in workspace.runs] == [5]
    workspace.set_tissue(tissue)
    assert workspace.runs == ()


def test_size_counts_memory_not_shape():
    assert size_of(np.zeros((10, 4), np.float32)) == 160
    assert size_of(np.broadcast_to(np.zeros(4, np.float32), (1000, 4))) == 16
    assert size_of((np.zeros(2), [np.zeros(3)])) == 40


def test_the_list_says_when_there_is_nothing(workspace, qtbot):
    history = RunHistory(workspace, "velocity")
    qtbot.addWidget(history)
    assert not history.words.isHidden()
    assert history.list.isHidden()


class Working(Dock):
    """Counts to a number and tells each."""

    def __init__(self, viewer):
        super().__init__(viewer)
        self.panel = RunPanel("Count", "Count to a number.")
        self.pin(self.panel, self.start)
        self.seen = []
        self.release = threading.Event()

    def start(self):
        def steps(stop):
            for i in range(2000):
                if stop.is_set():
                    return
                self.seen.append(i)
                time.sleep(0.005)
                yield Progress("counting", i, 2000, i / 2000, loss=1 / (1 + i))

        self.run("Counting", steps, lambda _: None, panel=self.panel)


def test_a_run_waits_and_goes_on(open_dock, qtbot):
    dock = open_dock(Working)
    dock.show()
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(dock.seen) > 3 and dock.panel.pause_button.isVisible())
    dock.panel.pause_button.setFocus()
    qtbot.keyClick(dock.panel.pause_button, Qt.Key.Key_Space)
    before = len(dock.seen)
    qtbot.wait(500)
    assert len(dock.seen) <= before + 2  # the step that was under way; a hundred without the pause
    assert "Paused" in dock.panel.status.text()
    assert dock.panel.pause_button.text() == "Resume"
    qtbot.keyClick(dock.panel.pause_button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(dock.seen) > before + 5)
    qtbot.keyClick(dock.panel.pause_button, Qt.Key.Key_Space)
    qtbot.wait(100)
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)  # a run that waits can be stopped
    qtbot.waitUntil(lambda: not dock.is_running)
    assert not dock.panel.pause_button.isChecked()


def test_time_left_does_not_count_the_pause():
    from napari_tissue_dynamics.widgets.state import jobs as _jobs

    stop, pause = threading.Event(), threading.Event()
    pause.set()
    threading.Timer(0.3, pause.clear).start()
    waited = _jobs._waited(stop, pause)
    assert 0.2 < waited < 2
    assert _jobs._waited(stop, None) < 0.1


def test_the_curve_begins_anew_with_a_phase_and_stays_small(qtbot):
    curve = LossCurve()
    qtbot.addWidget(curve)
    for i in range(5000):
        curve.add("first", 5000.0 - i)
    assert MOST / 2 <= len(curve.losses) <= MOST
    assert np.all(np.diff(curve.losses) < 0)
    curve.resize(200, 60)
    curve.show()
    picture = curve.grab().toImage()
    left = [
        y for y in range(picture.height()) if picture.pixelColor(8, y) != picture.pixelColor(8, picture.height() - 1)
    ]
    assert min(left) < picture.height() / 3  # a falling loss begins high
    curve.add("first", float("nan"))
    assert np.isfinite(curve.losses).all()
    curve.add("second", 1.0)
    assert curve.losses == [1.0]


def test_the_activities_of_the_window_show_and_cancel_a_run(make_napari_viewer, qtbot):
    from napari.utils.progress import progress

    dock = Working(make_napari_viewer())
    qtbot.addWidget(dock)
    dock.start()
    qtbot.waitUntil(lambda: any(bar.desc.startswith("Counting") for bar in progress._all_instances))
    bar = next(bar for bar in progress._all_instances if bar.desc.startswith("Counting"))
    qtbot.waitUntil(lambda: bar.n > 5)
    bar.cancel()
    qtbot.waitUntil(lambda: not dock.is_running)
    assert bar not in progress._all_instances


def test_a_velocity_is_made_again_without_a_window(open_dock, workspace, tissue_file, finish, tmp_path, qtbot):
    import anndata

    from napari_tissue_dynamics.cli import main
    from napari_tissue_dynamics.data.io.action_log import ActionLog
    from napari_tissue_dynamics.kinetic_models import KineticsConfig
    from napari_tissue_dynamics.widgets.docks.load import LoadDock
    from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock

    load = open_dock(LoadDock)
    load.file.set_path(tissue_file)
    finish(load)
    load.load()
    finish(load)
    dock = open_dock(VelocityDock)
    dock.form.set_value(KineticsConfig(model="steady_state", min_shared_counts=1, n_neighbors=15))
    dock.origin.kind.setCurrentText("cell type")
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    dock.arrows.set_value(replace(dock.arrows.value(), within="cell type"))
    finish(dock)
    load.save(tmp_path / "window.h5ad")
    finish(load)
    load.save_log(tmp_path / "log.jsonl")
    names = [action.name for action in workspace.log.actions]
    assert names == ["load", "velocity", "arrows", "save"]
    assert isinstance(workspace.log, ActionLog)
    assert main(["replay", str(tmp_path / "log.jsonl"), "--out", str(tmp_path / "again.h5ad")]) == 0
    one, other = anndata.read_h5ad(tmp_path / "window.h5ad"), anndata.read_h5ad(tmp_path / "again.h5ad")
    np.testing.assert_array_equal(one.obsm["velocity_spatial"], other.obsm["velocity_spatial"])
    np.testing.assert_array_equal(one.layers["velocity"], other.layers["velocity"])
    np.testing.assert_array_equal(one.obs["latent_time"], other.obs["latent_time"])
