"""Clicks and moves of the mouse on a canvas of napari, in the plane, in a stack and in three dimensions."""

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QPoint, Qt

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.layers.points import cell_points
from napari_tissue_dynamics.widgets._picking import picker_of
from napari_tissue_dynamics.widgets._workspace import workspace_of

pytestmark = pytest.mark.gui


def grid_of(n_planes=0):
    """A tissue of 8 x 5 cells 10 apart, on planes 4 apart."""
    x, y = (each.ravel() for each in np.meshgrid(np.arange(8) * 10.0, np.arange(5) * 10.0))
    planes = [np.column_stack([x, y, np.full(40, 4.0 * k)]) for k in range(n_planes)] or [np.column_stack([x, y])]
    positions = np.vstack(planes)
    return Tissue(tuple(f"c{i}" for i in range(len(positions))), ("g",), positions)


@pytest.fixture
def window(make_napari_viewer, qtbot):
    """Return a function that shows a tissue in a window and returns its viewer and canvas."""

    def opened(tissue, ndisplay=2):
        viewer = make_napari_viewer(show=True, ndisplay=ndisplay)
        viewer.window.resize(1000, 700)
        workspace_of(viewer).set_tissue(tissue)
        viewer.add_layer(Layer.create(*cell_points(tissue)))
        viewer.reset_view()
        qtbot.wait(100)
        return viewer, canvas_of()

    return opened


def canvas_of():
    from qtpy.QtWidgets import QApplication

    shown = [w for w in QApplication.allWidgets() if "CanvasBackend" in type(w).__name__ and w.isVisible()]
    return shown[-1]


def pixel(viewer, canvas, cell, tissue):
    """Where a cell of a flat view is drawn on the canvas."""
    x, y = tissue.positions[cell, :2]
    camera = viewer.scene.camera
    row, column = camera.center[-2:]
    middle = canvas.rect().center()
    return QPoint(round(middle.x() + (x - column) * camera.zoom), round(middle.y() + (y - row) * camera.zoom))


def test_a_click_picks_the_cell_under_it(window, qtbot):
    tissue = grid_of()
    viewer, canvas = window(tissue)
    workspace = workspace_of(viewer)
    picker_of(viewer)
    for cell in (0, 13, 39):
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=pixel(viewer, canvas, cell, tissue))
        assert workspace.current_cell == cell
    between = (pixel(viewer, canvas, 0, tissue) + pixel(viewer, canvas, 9, tissue)) / 2
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=between)
    assert workspace.current_cell is None


def test_a_drag_picks_nothing(window, qtbot):
    tissue = grid_of()
    viewer, canvas = window(tissue)
    picker_of(viewer)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=pixel(viewer, canvas, 13, tissue))
    qtbot.mouseMove(canvas, pixel(viewer, canvas, 15, tissue))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=pixel(viewer, canvas, 15, tissue))
    assert workspace_of(viewer).current_cell is None


def test_drawing_tools_keep_their_clicks(window, qtbot):
    tissue = grid_of()
    viewer, canvas = window(tissue)
    picker_of(viewer)
    viewer.add_shapes(ndim=2).mode = "add_rectangle"
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=pixel(viewer, canvas, 13, tissue))
    assert workspace_of(viewer).current_cell is None


def test_hovered_cells_are_told_once_each(window, qtbot):
    tissue = grid_of()
    viewer, canvas = window(tissue)
    heard = []
    picker_of(viewer).hovered.connect(heard.append)
    for cell in (3, 3, 4):
        qtbot.mouseMove(canvas, pixel(viewer, canvas, cell, tissue))
        qtbot.wait(30)
    labels = Labels("kind", (np.arange(40) == 5).astype(np.int32), ("seen", "hidden"))
    workspace_of(viewer).hide(labels, ["hidden"])
    qtbot.mouseMove(canvas, pixel(viewer, canvas, 5, tissue))
    qtbot.wait(30)
    assert [cell for cell in heard if cell is not None] == [3, 4]
    assert heard[-1] is None


def test_a_stack_is_picked_plane_by_plane(window, qtbot):
    tissue = grid_of(n_planes=3)
    viewer, canvas = window(tissue)
    picker_of(viewer)
    for plane in (0, 2):
        viewer.dims.set_point(0, 4.0 * plane)
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=pixel(viewer, canvas, 13, tissue))
        assert workspace_of(viewer).current_cell == 40 * plane + 13
    viewer.dims.set_point(0, 2.0)  # between two planes nothing is drawn
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=pixel(viewer, canvas, 13, tissue))
    assert workspace_of(viewer).current_cell is None


def test_in_three_dimensions_the_cell_in_front_is_picked(window, qtbot):
    positions = np.array([[0.0, 0, 0], [0, 0, 40], [60, 30, 0], [-60, -30, 40]])
    tissue = Tissue(tuple("abcd"), ("g",), positions)
    viewer, canvas = window(tissue, ndisplay=3)
    picker = picker_of(viewer)
    viewer.scene.camera.center = (20, 0, 0)  # (z, y, x): both cells at x = y = 0 lie on the line of sight
    viewer.scene.camera.angles = (0, 0, 90)
    qtbot.wait(50)
    direction = np.asarray(viewer.scene.camera.view_direction)
    seen_first = int(np.argmin(positions[:2, ::-1] @ direction))
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=canvas.rect().center())
    assert workspace_of(viewer).current_cell == seen_first
    assert picker.cell_at((20, 0, 0), -direction, (0, 1, 2)) == 1 - seen_first
