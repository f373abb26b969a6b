"""Clicks and moves of the mouse on a canvas of napari, in the plane, in a stack and in three dimensions."""

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QWidget

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.layers.coloring import Values, coloring_of
from napari_tissue_dynamics.layers.points import cell_points
from napari_tissue_dynamics.widgets.canvas.hover_card import HoverCard
from napari_tissue_dynamics.widgets.canvas.picking import picker_of
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

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

    def opened(tissue):
        viewer = make_napari_viewer(show=True)
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


@pytest.fixture
def click(qtbot):
    """Return a function that clicks on the canvas and returns the cell that is current then."""

    def clicked(viewer, canvas, place):
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
        return workspace_of(viewer).current_cell

    return clicked


def test_the_mouse_on_a_flat_tissue(window, qtbot, click):
    tissue = grid_of()
    viewer, canvas = window(tissue)
    workspace = workspace_of(viewer)
    heard = []
    picker_of(viewer).hovered.connect(heard.append)
    places = [pixel(viewer, canvas, cell, tissue) for cell in range(40)]
    assert [click(viewer, canvas, places[cell]) for cell in (0, 13, 39)] == [0, 13, 39]
    assert click(viewer, canvas, (places[0] + places[9]) / 2) is None

    heard.clear()
    for cell in (3, 3, 4):
        qtbot.mouseMove(canvas, places[cell])
        qtbot.wait(30)
    workspace.hide(Labels("kind", (np.arange(40) == 5).astype(np.int32), ("seen", "hidden")), ["hidden"])
    qtbot.mouseMove(canvas, places[5])
    qtbot.wait(30)
    assert [cell for cell in heard if cell is not None] == [3, 4]
    assert heard[-1] is None
    assert click(viewer, canvas, places[5]) is None

    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=places[13])  # a drag moves the camera
    qtbot.mouseMove(canvas, places[15])
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=places[15])
    assert workspace.current_cell is None

    viewer.add_shapes(ndim=2).mode = "add_rectangle"  # drawing tools keep their clicks
    assert click(viewer, canvas, pixel(viewer, canvas, 13, tissue)) is None


def test_the_card_follows_the_mouse(window, qtbot):
    tissue = grid_of()
    viewer, canvas = window(tissue)
    owner = QWidget()
    qtbot.addWidget(owner)
    card = HoverCard(viewer, owner)
    places = [canvas.mapToGlobal(pixel(viewer, canvas, cell, tissue)) for cell in (8, 9)]  # on any screen
    for cell, place in zip((8, 9), places, strict=True):
        QCursor.setPos(place)
        qtbot.mouseMove(canvas, canvas.mapFromGlobal(place))
        qtbot.waitUntil(lambda cell=cell: card.isVisible() and f">c{cell}<" in card.text())
        assert not card.geometry().contains(place)
    workspace_of(viewer).set_coloring(coloring_of("Sox2", Values(np.arange(40, dtype=np.float32))))
    qtbot.waitUntil(lambda: "Sox2" in card.text() and ">9<" in card.text())
    QCursor.setPos(0, 0)  # napari does not tell that the mouse has left the canvas
    qtbot.waitUntil(lambda: not card.isVisible())


def test_a_stack_is_picked_plane_by_plane_and_from_the_front(window, click):
    tissue = grid_of(n_planes=3)
    viewer, canvas = window(tissue)
    picker = picker_of(viewer)
    for plane in (0, 2):
        viewer.dims.set_point(0, 4.0 * plane)
        assert click(viewer, canvas, pixel(viewer, canvas, 13, tissue)) == 40 * plane + 13
    viewer.dims.set_point(0, 2.0)  # between two planes nothing is drawn
    assert click(viewer, canvas, pixel(viewer, canvas, 13, tissue)) is None

    viewer.dims.ndisplay = 3
    viewer.scene.camera.center = (4, 20, 50)  # (z, y, x) of cell 21 in the middle plane
    viewer.scene.camera.angles = (0, 0, 0)  # along the stack
    column = [21 + 40 * plane for plane in range(3)]
    direction = np.asarray(viewer.scene.camera.view_direction)
    ahead = [float(tissue.positions[cell, ::-1] @ direction) for cell in column]
    assert click(viewer, canvas, canvas.rect().center()) == column[int(np.argmin(ahead))]
    assert picker.cell_at((4, 20, 50), -direction, (0, 1, 2)) == column[int(np.argmax(ahead))]
