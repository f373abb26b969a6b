import gc
import time

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.widgets.docks.load import LoadDock
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.state.workspace import workspace_of
from napari_tissue_dynamics.workflow import velocity

NAMES = ["velocity", "velocity grid", "latent time", "expert"]


@pytest.fixture(scope="session")
def fitted(tissue, tiny_steer):
    return velocity(tissue, tiny_steer)


@pytest.fixture
def dock(open_dock, workspace, tissue, tiny_steer):
    dock = open_dock(VelocityDock)
    workspace.set_tissue(tissue)
    dock.form.set_value(tiny_steer)
    return dock


def endless(result=None, error=None, after=3):
    """A fit that goes on until it is stopped, fails or has its result."""

    def steps(tissue, config, stop, **_):
        for i in range(100000):
            if stop.is_set():
                return result
            if error is not None and i == after:
                raise error
            if result is not None and error is None and i == after:
                return result
            time.sleep(0.01)
            yield Progress("training", i, 100000, i / 100000)

    return steps


def test_run_draws_every_layer_and_keeps_the_result(dock, viewer, workspace, tissue, finish, tiny_steer):
    dock.panel.button.click()
    assert dock.panel.button.text() == "Stop"
    finish(dock)
    assert not dock.message.text()
    assert {layer.name for layer in viewer.layers} == set(NAMES)
    assert viewer.layers[-1].name == "velocity"
    assert workspace.velocity_config == tiny_steer
    field = workspace.velocity.field
    shown = np.asarray(viewer.layers["latent time"].features["latent time"])
    np.testing.assert_array_equal(shown, field.time)
    arrows = viewer.layers["velocity"].data
    moving = np.abs(workspace.velocity.arrows).sum(axis=1) > 0
    np.testing.assert_allclose(arrows[:, 1], workspace.velocity.arrows[moving][:, ::-1])
    np.testing.assert_allclose(arrows[:, 0], tissue.positions[moving][:, ::-1], rtol=1e-5)
    assert viewer.layers["latent time"].visible
    assert not viewer.layers["expert"].visible
    assert dock.panel.button.text() == "Fit velocity"


def test_arrows_lie_above_cells_above_image(open_dock, viewer, workspace, tissue_file, fitted, finish, tiny_steer):
    load = open_dock(LoadDock)
    load.file.line.setText(str(tissue_file))
    load.load()
    finish(load)
    dock = open_dock(VelocityDock)
    dock.show_result(fitted, tiny_steer)
    names = [layer.name for layer in viewer.layers]
    assert names[0].startswith("histology")
    assert names[1:] == ["cells", "expert", "latent time", "velocity grid", "velocity"]


def test_second_run_replaces_the_first(dock, viewer, tissue, fitted, monkeypatch, finish):
    monkeypatch.setattr(workflow, "velocity_steps", endless(fitted))
    dock.start()
    finish(dock)
    mine = viewer.add_points(np.zeros((3, 2)), name="mine")
    viewer.layers["velocity"].name = "arrows of mine"
    viewer.layers["expert"].visible = True
    viewer.layers["velocity grid"].length = 3.0
    viewer.layers.remove("latent time")
    before = {layer.unique_id for layer in viewer.layers}
    dock.start()
    finish(dock)
    assert sorted(layer.name for layer in viewer.layers) == sorted(
        ["arrows of mine", "expert", "latent time", "mine", "velocity grid"]
    )
    assert viewer.layers["velocity grid"].length == 3.0
    assert viewer.layers["expert"].visible
    assert mine in viewer.layers
    assert {layer.unique_id for layer in viewer.layers} & before == {mine.unique_id}


def test_stop_ends_the_run_and_changes_nothing(dock, viewer, workspace, fitted, monkeypatch, qtbot, finish):
    monkeypatch.setattr(workflow, "velocity_steps", endless(fitted))
    dock.start()
    finish(dock)
    layers, result = [layer.unique_id for layer in viewer.layers], workspace.velocity
    monkeypatch.setattr(workflow, "velocity_steps", endless(fitted, after=10**9))
    dock.start()
    qtbot.waitUntil(lambda: "training" in dock.panel.status.text())
    dock.panel.button.click()
    assert dock.panel.button.text() == "Stopping …"
    assert not dock.panel.button.isEnabled()
    finish(dock)
    assert [layer.unique_id for layer in viewer.layers] == layers
    assert workspace.velocity is result
    assert dock.panel.button.isEnabled()
    assert not dock.message.text()


def test_a_real_fit_stops(dock, viewer, workspace, qtbot, finish, tiny_steer):
    from dataclasses import replace

    dock.form.set_value(replace(tiny_steer, autoencoder_epochs=100000))
    dock.start()
    qtbot.waitUntil(lambda: dock.panel.bar.value() > 0 or "epoch" in dock.panel.status.text())
    dock.stop()
    finish(dock)
    assert len(viewer.layers) == 0
    assert workspace.velocity is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "unexpected error"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "ran out of memory (20 GiB more were needed)"),
        (DataError("There is only one cell type."), "only one cell type"),
    ],
)
def test_an_error_gives_one_sentence_and_an_idle_dock(
    dock, viewer, workspace, fitted, monkeypatch, finish, error, words
):
    monkeypatch.setattr(workflow, "velocity_steps", endless(fitted, error))
    dock.start()
    finish(dock)
    assert words in dock.message.text()
    assert "\n" not in dock.message.text()
    assert dock.panel.button.text() == "Fit velocity"
    assert dock.panel.button.isEnabled()
    assert len(viewer.layers) == 0
    assert workspace.running == ""
    assert QThreadPool.globalInstance().waitForDone(2000)


def test_no_second_fit_in_the_same_viewer(dock, open_dock, fitted, monkeypatch, finish):
    monkeypatch.setattr(workflow, "velocity_steps", endless(fitted, after=10**9))
    dock.start()
    other = open_dock(VelocityDock)
    assert not other.panel.button.isEnabled()
    assert "still running" in other.panel.button.toolTip()
    other.start()
    assert "still running" in other.message.text()
    dock.stop()
    finish(dock)
    assert other.panel.button.isEnabled()


def test_destroyed_dock_stops_its_fit(viewer, workspace, tissue, fitted, monkeypatch, qtbot):
    monkeypatch.setattr(workflow, "velocity_steps", endless(fitted, after=10**9))
    workspace.set_tissue(tissue)
    dock = VelocityDock(viewer)
    dock.start()
    job = dock.job
    qtbot.waitUntil(lambda: job.state == "running")
    dock.deleteLater()
    del dock
    gc.collect()
    qtbot.waitUntil(lambda: workspace.running == "")
    assert job.token.is_set()
    assert len(viewer.layers) == 0
    workspace.set_tissue(tissue.select_cells(np.arange(50)))  # no signal reaches the dead dock
    viewer.add_points(np.zeros((1, 2)))


def test_reason_stands_on_the_button(open_dock, workspace, tissue):
    dock = open_dock(VelocityDock)
    assert dock.panel.button.toolTip() == "Load a tissue first."
    workspace.set_tissue(tissue.with_(spliced=None))
    assert "spliced" in dock.panel.button.toolTip()
    assert not dock.panel.button.isEnabled()
    workspace.set_tissue(tissue)
    assert dock.panel.button.isEnabled()


def test_what_counts_mean_is_said(open_dock, workspace, tissue):
    dock = open_dock(VelocityDock)
    workspace.set_tissue(tissue.with_(counts_meaning="unspliced = nuclear counts, spliced = cytoplasmic counts"))
    assert "nuclear counts" in dock.summary.text()


def test_each_viewer_has_its_own_workspace(viewer, workspace):
    from napari.components import ViewerModel

    other = ViewerModel()
    assert workspace_of(viewer) is workspace
    assert workspace_of(other) is not workspace


def test_event_loop_keeps_beating_while_steer_trains(dock, qtbot, tiny_steer):
    from dataclasses import replace

    from qtpy.QtCore import QTimer

    pytest.importorskip("torch")
    shots = []
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: shots.append(dock.is_running))
    dock.form.set_value(replace(tiny_steer, autoencoder_epochs=100000))
    dock.start()
    qtbot.waitUntil(lambda: dock.panel.bar.value() > 0 or "epoch" in dock.panel.status.text())
    timer.start()
    qtbot.waitUntil(lambda: len(shots) > 100)
    timer.stop()
    assert all(shots)
