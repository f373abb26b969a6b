"""A person drops a real section on the window and looks at it with keys and the mouse."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_tissue_dynamics.layers.colors import color_table, hex_to_rgba
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

pytestmark = pytest.mark.gui
PLUGIN = "napari-tissue-dynamics"


def shares_of(viewer, *colors):
    """Return which share of the canvas has about each of some colors."""
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float) / 255
    return [float((np.abs(picture - np.array(color[:3])).max(axis=2) < 0.06).mean()) for color in colors]


def test_a_gene_a_hidden_category_and_a_click_on_a_real_section(make_napari_viewer, qtbot, shared_data):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    workspace = workspace_of(viewer)
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Explore")[1]
    viewer.open(shared_data / "st_mob1_with_he.h5ad", plugin=PLUGIN)
    qtbot.mouseClick(dock.take_shown, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: workspace.tissue is not None and not dock.is_running)

    def look_at(text):
        dock.search.line.setFocus()
        qtbot.keyClick(dock.search.line, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        qtbot.keyClicks(dock.search.line, text)
        qtbot.keyClick(dock.search.line, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: not dock.fetcher.is_busy)

    bright = color_table("dusk")[-1]
    unused = shares_of(viewer, bright)[0]
    look_at("penk")
    assert workspace.coloring.title == "Penk"
    low, high = shares_of(viewer, color_table("dusk")[0], bright)
    assert low > 0.1  # most spots are off-tissue
    assert high > unused + 5e-4
    look_at("in_tissue")
    outside, inside = (hex_to_rgba(entry.color) for entry in workspace.coloring.legend().entries)
    before = shares_of(viewer, outside, inside)
    assert min(before) > 0.01
    tree = dock.categories.tree
    tree.setFocus()
    tree.setCurrentItem(tree.topLevelItem(0))
    qtbot.keyClick(tree, Qt.Key.Key_Space)
    after = shares_of(viewer, outside, inside)
    assert after[0] < 0.1 * before[0]
    assert after[1] > 0.9 * before[1]

    canvas = [w for w in QApplication.allWidgets() if "CanvasBackend" in type(w).__name__ and w.isVisible()][-1]
    cell = int(np.flatnonzero(workspace.shown_cells)[100])
    row, column = viewer.scene.camera.center[-2:]
    away = (workspace.tissue.positions[cell] - (column, row)) * viewer.scene.camera.zoom
    qtbot.mouseClick(
        canvas, Qt.MouseButton.LeftButton, pos=canvas.rect().center() + QPoint(*(int(part) for part in away.round()))
    )
    assert workspace.current_cell == cell
