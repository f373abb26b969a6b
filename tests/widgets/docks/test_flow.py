"""The dock of arrows, particles and time, driven as a person drives it."""

import time
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.arrows.grid_flow import GridFlow
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.layers.evidence import FAINT
from napari_tissue_dynamics.layers.layer_sets import velocity_layers
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.canvas.playback import Player
from napari_tissue_dynamics.widgets.docks.flow import FlowDock
from napari_tissue_dynamics.widgets.plots.legend import arrow_key_of, legend_of
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue

SUPPORTED = VelocityEvidence("supported", 9.0, 5.0)


@pytest.fixture(scope="module")
def result(simulated):
    truth = simulated.truth
    moments = np.asarray(simulated.tissue.spliced.todense(), dtype=np.float32)
    v = np.asarray(truth.velocity, dtype=np.float32)
    times = np.asarray(truth.time / 20, dtype=np.float32)
    experts = np.stack([times, 1 - times], axis=1)
    field = VelocityField(
        simulated.tissue.genes, v, v, moments, moments, time=times, expert_probability=experts, evidence=SUPPORTED
    )
    return run_to_end(workflow.picture_steps(simulated.tissue, field))


@pytest.fixture
def dock(open_dock, viewer, workspace, tissue, result):
    dock = open_dock(FlowDock)
    show_tissue(viewer, workspace, OpenedTissue(tissue, None, None))
    workspace.set_velocity(result)
    for data in velocity_layers(tissue, result.field, result.arrows, result.grid, result.confidence):
        _viewer.show(viewer, workspace, data, visible=data[1]["name"] in ("velocity", "latent time"))
    _viewer.hide_other_results(viewer, workspace, ["latent time"])
    dock.show()
    return dock


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def space(qtbot, box):
    qtbot.keyClick(box, Qt.Key.Key_Space)


def test_boxes_say_and_change_what_is_seen(dock, viewer, qtbot):
    shown = {key: box.isChecked() for key, box in dock.boxes.items()}
    assert shown == {"velocity": True, "velocity grid": False, "streamlines": False}
    space(qtbot, dock.boxes["velocity"])
    space(qtbot, dock.boxes["streamlines"])
    assert not viewer.layers["velocity"].visible
    lines = viewer.layers["streamlines"]
    assert lines.visible
    space(qtbot, dock.boxes["streamlines"])
    assert not viewer.layers["streamlines"].visible
    viewer.layers["velocity"].visible = True  # as with the eye in the list of layers
    assert dock.boxes["velocity"].isChecked()
    viewer.layers.remove(viewer.layers["velocity"])
    assert not dock.boxes["velocity"].isChecked()


def test_arrows_are_faint_by_default_and_opaque_when_asked(dock, viewer, qtbot, result):
    assert np.ptp(viewer.layers["velocity"].edge_color[:, 3]) > 0.1
    space(qtbot, dock.faded)
    assert (viewer.layers["velocity"].edge_color[:, 3] == 1).all()
    space(qtbot, dock.faded)
    assert np.ptp(viewer.layers["velocity"].edge_color[:, 3]) > 0.1


def test_everything_drawn_from_noise_is_faint(open_dock, viewer, workspace, tissue, result, qtbot):
    evidence = VelocityEvidence("none", 0.4, 1.0, caution="Few counts.")
    dock = open_dock(FlowDock)
    show_tissue(viewer, workspace, OpenedTissue(tissue, None, None))
    workspace.set_velocity(replace(result, field=replace(result.field, evidence=evidence), confidence=None))
    dock.show()
    for box in dock.boxes.values():
        box.setChecked(True)
    click(qtbot, dock.particles.player.button)
    qtbot.waitUntil(lambda: "particles" in viewer.layers)
    dock.particles.player.go_to(0.3)
    for key in (*dock.boxes, "particles"):
        layer = viewer.layers[key]
        for colors in (layer.face_color, layer.border_color) if key == "particles" else (layer.edge_color,):
            assert 0.2 < colors[:, 3].max() <= FAINT, key
        assert arrow_key_of(layer).meaning.startswith(evidence.sentence)
    assert not dock.faded.isEnabled()
    assert dock.length.text().startswith(evidence.sentence)


def test_particles_drift_along_the_velocity(dock, viewer, qtbot, result):
    click(qtbot, dock.particles.player.button)
    qtbot.waitUntil(lambda: "particles" in viewer.layers)
    dock.particles.player.pause()
    dock.particles.player.go_to(0.3)
    layer = viewer.layers["particles"]
    before, seen = layer.data[:, ::-1].copy(), layer.face_color[:, 3] > 0.3
    dock.particles.player.go_to(0.32)
    steps = layer.data[:, ::-1] - before
    flow, among = GridFlow.of(result.grid).at(before)
    moving = seen & among & (np.linalg.norm(steps, axis=1) > 0) & (layer.face_color[:, 3] > 0.3)
    assert moving.sum() > 100
    cosine = (steps * flow).sum(axis=1) / np.maximum(np.linalg.norm(steps, axis=1) * np.linalg.norm(flow, axis=1), 1e-9)
    assert np.median(cosine[moving]) > 0.98
    click(qtbot, dock.clear_particles)
    assert "particles" not in viewer.layers
    assert not dock.particles.player.is_playing


def test_deleted_particles_end_their_film(dock, viewer, qtbot):
    click(qtbot, dock.particles.player.button)
    qtbot.waitUntil(lambda: "particles" in viewer.layers)
    viewer.layers.remove(viewer.layers["particles"])
    qtbot.waitUntil(lambda: not dock.particles.player.is_playing)
    assert "particles" not in viewer.layers


def test_slider_lights_the_cells_up_to_its_time(dock, viewer, qtbot, result):
    before = viewer.layers["latent time"].face_color.copy()
    slider = dock.time.player.slider
    for _ in range(8):
        qtbot.keyClick(slider, Qt.Key.Key_PageDown if slider.invertedControls() else Qt.Key.Key_PageUp)
    now = dock.time.player.place
    assert now == pytest.approx(0.4)
    layer = viewer.layers["cells over time"]
    np.testing.assert_array_equal(layer.face_color[:, 3] > 0.5, result.field.time <= now)
    assert not viewer.layers["latent time"].visible
    assert legend_of(layer).title == "latent time"
    assert f"{(result.field.time <= now).sum()} of {len(before)} cells" in dock.time.now.text()
    click(qtbot, dock.time.all_button)
    assert "cells over time" not in viewer.layers
    assert viewer.layers["latent time"].visible
    np.testing.assert_array_equal(viewer.layers["latent time"].face_color, before)


def test_film_of_time_plays_and_pauses(dock, qtbot):
    dock.time.player.speed.setCurrentText("four times")
    click(qtbot, dock.time.player.button)
    qtbot.waitUntil(lambda: dock.time.player.place > 0.05)
    assert dock.time.player.button.text() == "Pause"
    space(qtbot, dock.time.player.button)
    place = dock.time.player.place
    qtbot.wait(80)
    assert dock.time.player.place == place


def test_experts_as_mixed_colors_and_entropy(dock, viewer, qtbot, result):
    dock.sections["experts"].expand(animate=False)
    dock.experts.setCurrentText("mixed colors")
    click(qtbot, dock.show_experts)
    layer = viewer.layers["expert blend"]
    assert layer.visible
    assert not viewer.layers["latent time"].visible
    sure, shared = np.argmax(result.field.time), np.argmin(np.abs(result.field.time - 0.5))
    assert np.linalg.norm(layer.face_color[sure] - layer.face_color[shared]) > 0.2
    dock.experts.setCurrentText("entropy")
    click(qtbot, dock.show_experts)
    assert viewer.layers["expert entropy"].visible
    assert not viewer.layers["expert blend"].visible


def test_without_velocity_nothing_can_be_pressed(open_dock, viewer, workspace, tissue):
    dock = open_dock(FlowDock)
    assert "no velocity yet" in dock.words.text()
    assert not any(box.isEnabled() for box in dock.boxes.values())
    assert not dock.particles.isEnabled()
    assert not dock.time.isEnabled()


def test_a_new_velocity_ends_the_films(dock, viewer, qtbot, workspace, result):
    dock.time.player.go_to(0.5)
    click(qtbot, dock.particles.player.button)
    workspace.set_velocity(result)
    assert {"particles", "cells over time", "streamlines"}.isdisjoint(layer.name for layer in viewer.layers)
    assert viewer.layers["latent time"].visible


def test_a_picture_of_the_particles_is_ready_in_time(dock, qtbot):
    dock.particles.player.go_to(0.0)
    spent = []
    for frame in range(1, 21):
        start = time.thread_time()
        dock.particles.player.go_to(frame / 20)
        spent.append(time.thread_time() - start)
    assert np.median(spent) < 0.016


def test_player_loops_or_ends(qtbot):
    for loop in (False, True):
        player = Player("things", 0.05, loop=loop)
        qtbot.addWidget(player)
        places = []
        player.moved.connect(places.append)
        player.play()
        qtbot.waitUntil(lambda places=places: len(places) > 4 or 1.0 in places)
        assert player.is_playing == loop
        player.pause()
        assert all(0 <= place <= 1 for place in places)


def test_what_is_drawn_keeps_its_place_in_the_stack(dock, viewer, qtbot, workspace, tissue):
    space(qtbot, dock.boxes["streamlines"])
    click(qtbot, dock.particles.player.button)
    dock.time.player.go_to(0.5)
    workspace.select(np.arange(tissue.n_cells) < 9)
    ranks = [_viewer.rank(_viewer.key_of(workspace, layer)) for layer in viewer.layers]
    assert ranks == sorted(ranks)
