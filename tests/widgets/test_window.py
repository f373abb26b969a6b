"""The docks in a real window of napari, as a person opens them."""

import threading
import time

import numpy as np
import pytest
from qtpy.QtWidgets import QScrollArea

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.tabs import open_portraits
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

pytestmark = pytest.mark.gui

PLUGIN = "napari-tissue-dynamics"
DOCKS = ("Load tissue", "Velocity", "Fate", "SpaceTravLR regulation")


@pytest.fixture
def window_viewer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 800)
    yield viewer
    workspace = workspace_of(viewer)
    qtbot.waitUntil(lambda: workspace.running == "")


def opened(viewer, name):
    return viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]


def load(viewer, path, finish):
    dock = opened(viewer, "Load tissue")
    dock.file.line.setText(str(path))
    dock.panel.button.click()
    finish(dock)
    return dock


def forever(tissue, config, stop, **_):
    while not stop.is_set():
        time.sleep(0.01)
        yield Progress("training", 1, 2, 0.5)


def test_loaded_tissue_is_seen_in_the_window(window_viewer, tissue_file, tissue, finish):
    load(window_viewer, tissue_file, finish)
    picture = window_viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    pink = (picture[..., 0] > picture[..., 1] + 30) & (picture[..., 2] > picture[..., 1])
    assert pink.mean() > 0.02
    assert "Legend" in " ".join(window_viewer.window.dock_widgets)


def test_docks_fit_into_320_pixels(window_viewer, qtbot):
    for name in DOCKS:
        dock = opened(window_viewer, name)
        dock.setParent(None)
        qtbot.addWidget(dock)
        dock.resize(320, 600)
        dock.show()
        bar = dock.findChild(QScrollArea).horizontalScrollBar()
        qtbot.waitUntil(dock.isVisible)
        assert dock.width() == 320
        assert bar.maximum() == 0, f"{name} is {bar.maximum()} pixels too wide"
        assert dock.panel.button.isVisible()


def test_open_sections_fit_into_320_pixels(window_viewer, qtbot, tissue_file, tissue, tiny_steer, finish):
    load(window_viewer, tissue_file, finish)
    dock = opened(window_viewer, "Velocity")
    dock.show_result(workflow.velocity(tissue, tiny_steer), tiny_steer)
    dock.setParent(None)
    qtbot.addWidget(dock)
    dock.resize(320, 600)
    dock.show()
    for section in dock.findChildren(Section):
        section.toggleButton().click()
    bar = dock.findChild(QScrollArea).horizontalScrollBar()
    for kind in ("selected cells", "cell type"):
        dock.origin.kind.setCurrentText(kind)
        qtbot.wait(100)
        assert dock.width() == 320
        assert bar.maximum() == 0


def test_docks_share_one_workspace(window_viewer, tissue_file, tissue, finish):
    steer = opened(window_viewer, "Velocity")
    assert not steer.panel.button.isEnabled()
    load(window_viewer, tissue_file, finish)
    assert steer.panel.button.isEnabled()
    assert steer.workspace is workspace_of(window_viewer)


def test_steer_button_trains_and_draws(window_viewer, tissue_file, tiny_steer, finish):
    load(window_viewer, tissue_file, finish)
    dock = opened(window_viewer, "Velocity")
    dock.form.set_value(tiny_steer)
    dock.panel.button.click()
    finish(dock)
    names = [layer.name for layer in window_viewer.layers]
    assert names[1:] == ["cells", "expert", "latent time", "velocity grid", "velocity"]
    window_viewer.layers["velocity grid"].visible = True
    window_viewer.layers["expert"].visible = True
    assert np.ptp(window_viewer.screenshot(canvas_only=True, flash=False)[..., 0]) > 50


def test_sample_can_be_worked_with(window_viewer, finish):
    window_viewer.open_sample(PLUGIN, "simulated_tissue")
    n_layers = len(window_viewer.layers)
    dock = opened(window_viewer, "Velocity")
    dock.take_shown.click()
    finish(dock)
    assert workspace_of(window_viewer).tissue is not None
    assert len(window_viewer.layers) == n_layers
    assert dock.panel.button.isEnabled()


def test_a_dropped_file_is_opened_by_the_reader(window_viewer, tissue_file, tissue):
    window_viewer.open(tissue_file, plugin=PLUGIN)
    assert len(window_viewer.layers["cells"].data) == tissue.n_cells
    dock = opened(window_viewer, "SpaceTravLR regulation")
    assert dock.take_shown.isVisibleTo(dock)


def test_dock_taken_out_of_the_window_stops_its_fit(window_viewer, tissue, monkeypatch, qtbot):
    monkeypatch.setattr(workflow, "velocity_steps", forever)
    dock = opened(window_viewer, "Velocity")
    workspace = workspace_of(window_viewer)
    workspace.set_tissue(tissue)
    dock.start()
    qtbot.waitUntil(lambda: dock.is_running)
    window_viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: workspace.running == "")


def test_closing_the_window_while_a_fit_runs(make_napari_viewer, tissue, monkeypatch, qtbot):
    started = threading.Event()

    def steps(*given, **named):
        started.set()
        yield from forever(*given, **named)

    monkeypatch.setattr(workflow, "velocity_steps", steps)
    viewer = make_napari_viewer()
    dock = opened(viewer, "Velocity")
    workspace = workspace_of(viewer)
    workspace.set_tissue(tissue)
    dock.start()
    qtbot.waitUntil(started.is_set)
    viewer.close()
    del dock
    qtbot.waitUntil(lambda: workspace.running == "")


def chosen(viewer, name):
    """Choose a dock in the menu of the plugin and return it."""
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    plugin = next(action for action in menu.actions() if action.text() == "Tissue dynamics")
    plugin.menu().aboutToShow.emit()
    next(action for action in plugin.menu().actions() if action.text().startswith(name)).trigger()
    docked = next(each for title, each in viewer.window.dock_widgets.items() if title.startswith(name))
    return getattr(docked, "__wrapped__", docked)


def frame_of(dock):
    """Return the frame that the window puts around a dock; it stands in a proxy of napari."""
    dock = getattr(dock, "__wrapped__", dock)
    return dock.parentWidget()


def test_docks_share_the_height_of_the_window_as_tabs(window_viewer, qtbot):
    docks = [opened(window_viewer, name) for name in ("Load tissue", "Velocity", "Explore")]
    frames = [frame_of(dock) for dock in docks]
    window = frames[0].parentWidget()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(frames[0])) == 2)
    qtbot.waitUntil(lambda: not docks[2].visibleRegion().isEmpty())
    assert docks[0].visibleRegion().isEmpty()
    assert docks[2].height() > 0.7 * window.height()
    assert [frame.windowTitle() for frame in frames] == ["Load tissue", "Velocity", "Explore"]


def test_a_dock_behind_a_tab_comes_to_the_front_when_it_is_chosen(window_viewer, qtbot):
    load, velocity = (chosen(window_viewer, name) for name in ("Load tissue", "Velocity"))
    window = frame_of(load).parentWidget()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(frame_of(load))) == 1)
    qtbot.waitUntil(lambda: load.visibleRegion().isEmpty() and not velocity.visibleRegion().isEmpty())
    assert chosen(window_viewer, "Load tissue") == load
    qtbot.waitUntil(lambda: not load.visibleRegion().isEmpty())
    assert velocity.visibleRegion().isEmpty()


def test_portraits_and_legend_from_the_menu_are_not_opened_twice(window_viewer, tissue_file, finish):
    chosen(window_viewer, "Phase portraits")
    chosen(window_viewer, "Legend")
    load(window_viewer, tissue_file, finish)
    open_portraits(window_viewer)
    names = [title for title in window_viewer.window.dock_widgets if title.startswith(("Phase", "Legend"))]
    assert len(names) == 2
