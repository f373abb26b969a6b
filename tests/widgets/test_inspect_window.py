"""A click on a cell and a lasso around cells, with the mouse on a canvas of napari."""

from itertools import pairwise

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.layers.points import cell_points
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.docks.inspector import InspectorDock
from napari_tissue_dynamics.widgets.docks.regions import RegionsDock
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

pytestmark = pytest.mark.gui

COLUMNS, ROWS = 8, 5


@pytest.fixture
def window(make_napari_viewer, qtbot):
    """A window with 8 x 5 cells 10 apart and the betas of one gene, its canvas, and a function that finds a place."""
    x, y = (each.ravel() for each in np.meshgrid(np.arange(COLUMNS) * 10.0, np.arange(ROWS) * 10.0))
    rng = np.random.default_rng(0)
    tissue = Tissue(
        tuple(f"c{i}" for i in range(40)), ("L", "R", "T"), np.column_stack([x, y]),
        expression=rng.gamma(2.0, 1.0, (40, 3)).astype(np.float32),
    )  # fmt: skip
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 600)
    workspace = workspace_of(viewer)
    workspace.set_tissue(tissue)
    betas = rng.normal(size=(40, 3)).astype(np.float32)
    workspace.set_regulation(RegulationField((GeneFit("T", ("R", "L$R"), betas),)), TravlrConfig())
    viewer.add_layer(Layer.create(*cell_points(tissue)))
    viewer.reset_view()
    qtbot.wait(100)
    shown = [w for w in QApplication.allWidgets() if "CanvasBackend" in type(w).__name__ and w.isVisible()]
    canvas = shown[-1]

    def place(x, y):
        camera = viewer.scene.camera
        row, column = camera.center[-2:]
        middle = canvas.rect().center()
        return QPointF(middle.x() + (x - column) * camera.zoom, middle.y() + (y - row) * camera.zoom)

    return viewer, workspace, canvas, place


def drag(qtbot, canvas, places):
    """Press at the first place, move along all with the button down, and let it go at the last."""
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    qtbot.mousePress(canvas, left, pos=places[0].toPoint())
    for at, to in pairwise(places):
        for share in (0.5, 1.0):
            where = at + (to - at) * share
            world = QPointF(canvas.mapToGlobal(where.toPoint()))
            QApplication.sendEvent(canvas, QMouseEvent(QEvent.Type.MouseMove, where, world, left, left, none))
            qtbot.wait(5)
    qtbot.mouseRelease(canvas, left, pos=places[-1].toPoint())


def test_a_click_on_a_cell_inspects_it(window, qtbot):
    viewer, workspace, canvas, place = window
    dock = InspectorDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    for cell in (13, 22):
        x, y = workspace.tissue.positions[cell]
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place(x, y).toPoint())
        qtbot.waitUntil(lambda cell=cell: f"c{cell}<" in dock.header.text())
        qtbot.waitUntil(lambda: len(dock.betas.table.shown()) == 2)
        shown = {row[0]: row[2] for row in dock.betas.table.shown()}
        assert shown["L \N{EN DASH} R"] == workspace.regulation["T"].beta("L$R")[cell]


def test_a_lasso_around_cells_is_a_region(window, qtbot):
    viewer, workspace, canvas, place = window
    dock = RegionsDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.mouseClick(dock.list.draw_button, Qt.MouseButton.LeftButton)
    corners = [(-4, -4), (34, -4), (34, 25), (-4, 25), (-4, -3)]
    drag(qtbot, canvas, [place(*corner) for corner in corners])
    x, y = workspace.tissue.positions.T
    inside = (x < 34) & (y < 25)
    assert len(dock.list.regions) == 1
    np.testing.assert_array_equal(dock.list.regions[0].cells, inside)
    np.testing.assert_array_equal(workspace.selection, inside)
    assert len(viewer.layers["selected cells"].data) == 12
    qtbot.mouseClick(dock.list.draw_button, Qt.MouseButton.LeftButton)
    drag(qtbot, canvas, [place(*corner) for corner in [(46, 14), (74, 14), (74, 44), (46, 44), (46, 15)]])
    assert [int(region.cells.sum()) for region in dock.list.regions] == [12, 9]
    assert len(viewer.layers["selected cells"].data) == 9
    dock.list.names.setCurrentRow(0)
    assert len(viewer.layers["selected cells"].data) == 12
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.found is not None and not dock.is_running)
    assert (dock.found.n_a, dock.found.n_b) == (12, 28)
