"""The embedding beside the tissue, driven with mouse and keys."""

from dataclasses import replace

import anndata
import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.arrows.projection import on_grid
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.layers.evidence import FAINT, HALF
from napari_tissue_dynamics.layers.points import TIME_SCALE, latent_time_points
from napari_tissue_dynamics.layers.time_animation import lit_colors
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.canvas.playback import repaint
from napari_tissue_dynamics.widgets.docks.embedding import EmbeddingDock
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def result(simulated):
    truth = simulated.truth
    moments = np.asarray(simulated.tissue.spliced.todense(), dtype=np.float32)
    v = np.asarray(truth.velocity, dtype=np.float32)
    field = VelocityField(simulated.tissue.genes, v, v, moments, moments, time=np.float32(truth.time / 20))
    return run_to_end(workflow.picture_steps(simulated.tissue, field))


@pytest.fixture(scope="module")
def plane(simulated):
    """What the file has: cells by time, and by place across."""
    return np.stack([simulated.truth.time, np.sin(np.arange(250))], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def file(tissue_file, plane, tmp_path_factory):
    path = tmp_path_factory.mktemp("embedded") / "embedded.h5ad"
    adata = anndata.read_h5ad(tissue_file)
    adata.obsm["X_umap"] = plane
    adata.write_h5ad(path)
    return path


@pytest.fixture
def dock(open_dock, viewer, workspace, tissue, result, file, qtbot, finish):
    dock = open_dock(EmbeddingDock)
    dock.resize(420, 600)
    dock.show()
    show_tissue(viewer, workspace, OpenedTissue(tissue, file, None))
    workspace.set_velocity(result)
    qtbot.mouseClick(dock.panel.button, LEFT)
    finish(dock)
    qtbot.waitUntil(dock.canvas.isVisible)
    return dock


def at(place):
    return QPoint(round(place.x()), round(place.y()))


def lasso(qtbot, canvas, low, high, modifier=Qt.KeyboardModifier.NoModifier):
    """Drag around the rectangle of the plane between two places."""
    (x0, y1), (x1, y0) = canvas.view.pixels(np.array([low, high], dtype=float))
    corners = [QPoint(round(x), round(y)) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    qtbot.mousePress(canvas, LEFT, modifier, corners[0])
    for corner in corners[1:]:
        qtbot.mouseMove(canvas, corner)
    qtbot.mouseRelease(canvas, LEFT, modifier, corners[-1])


def shown_colors(dock):
    return dock.canvas._colors


def test_embedding_of_the_file_is_shown_with_the_velocity(dock, plane, result):
    assert "X_umap" in dock.note.text()
    expected = workflow.embedding_grid(dock._picture.embedding, result)
    assert len(expected.positions) > 10
    assert expected.arrows[:, 0].mean() > 0  # the first axis is time: arrows point to later cells
    pixels = dock.canvas.view.pixels(plane)
    assert dock.canvas.pixel_of(7) == QPointF(*pixels[7])


def test_brushing_selects_in_the_tissue_too(dock, qtbot, viewer, workspace, plane, tissue):
    lasso(qtbot, dock.canvas, (5, -2), (12, 2))
    between = (plane[:, 0] > 5) & (plane[:, 0] < 12)
    edge = (np.abs(plane[:, 0] - 5) < 0.15) | (np.abs(plane[:, 0] - 12) < 0.15)  # a pixel more or less
    np.testing.assert_array_equal(workspace.selection[~edge], between[~edge])
    rings = viewer.layers["selected cells"]
    np.testing.assert_allclose(rings.data[:, ::-1], tissue.positions[workspace.selection], rtol=1e-6)
    assert f"{workspace.selection.sum()} of 250" in dock.state.text()
    first = workspace.selection.copy()
    lasso(qtbot, dock.canvas, (14, -2), (18, 2), Qt.KeyboardModifier.ShiftModifier)
    assert (workspace.selection & first).sum() == first.sum() < workspace.selection.sum()
    lasso(qtbot, dock.canvas, (4, -2), (13, 2), Qt.KeyboardModifier.AltModifier)
    assert not (workspace.selection & first).any()
    rings = viewer.layers["selected cells"]
    np.testing.assert_allclose(rings.data[:, ::-1], tissue.positions[workspace.selection], rtol=1e-6)
    assert len(np.unique(rings.border_color, axis=0)) == len(np.unique(rings.size)) == 1
    assert not rings.face_color[:, 3].any()
    workspace.undo.undo()
    assert (workspace.selection & first).sum() == first.sum()
    qtbot.keyClick(dock.canvas, Qt.Key.Key_Escape)
    assert workspace.selection is None
    assert not viewer.layers["selected cells"].visible


def test_selecting_in_the_tissue_fades_the_others(dock, workspace, plane):
    before = dock.canvas.grab().toImage()
    mask = np.zeros(250, dtype=bool)
    mask[np.argmax(plane[:, 0])] = True
    workspace.select(mask)
    after = dock.canvas.grab().toImage()
    dark, bright = dock.canvas.pixel_of(int(np.argmin(plane[:, 0]))), dock.canvas.pixel_of(int(np.argmax(plane[:, 0])))
    assert after.pixelColor(at(bright)) == before.pixelColor(at(bright))
    assert after.pixelColor(at(dark)) != before.pixelColor(at(dark))


def test_click_picks_the_cell_and_marks_the_one_of_the_tissue(dock, qtbot, workspace, plane):
    alone = int(np.argmax(plane[:, 0]))
    qtbot.mouseClick(dock.canvas, LEFT, pos=at(dock.canvas.pixel_of(alone)))
    assert workspace.current_cell == alone
    workspace.pick(5)
    assert dock.canvas._current == 5
    qtbot.mouseClick(dock.canvas, LEFT, pos=QPoint(2, 2))
    assert workspace.current_cell is None


def test_arrows_of_an_unsupported_direction_are_faint_and_it_is_said(dock, workspace, result):
    assert "Velocity: direction not tested." in dock.note.text()
    assert dock.canvas._ink.alphaF() == pytest.approx(HALF, abs=0.01)
    noise = replace(result.field, evidence=VelocityEvidence("none", 0.4, 1.0))
    workspace.set_velocity(replace(result, field=noise))
    assert "Velocity: direction not supported." in dock.note.text()
    assert dock.canvas._ink.alphaF() == pytest.approx(FAINT, abs=0.01)


def test_colors_are_those_of_the_tissue(dock, qtbot, viewer, workspace, tissue, result):
    np.testing.assert_allclose(shown_colors(dock), viewer.layers["cells"].face_color)
    layer = _viewer.show(viewer, workspace, latent_time_points(tissue, result.field.time))
    expected = TIME_SCALE.rgba(result.field.time)
    qtbot.waitUntil(lambda: np.allclose(shown_colors(dock), expected, atol=0.02))
    assert "latent time" in dock.note.text()
    film = lit_colors(np.array(layer.face_color), result.field.time, 0.5)
    repaint(layer, film, film)  # in place, as the film of time does
    qtbot.waitUntil(lambda: np.allclose(shown_colors(dock), film, atol=0.02))
    layer.visible = False
    qtbot.waitUntil(lambda: np.allclose(shown_colors(dock), viewer.layers["cells"].face_color))


def test_keys_and_wheel_move_the_view(dock, qtbot):
    canvas, before = dock.canvas, dock.canvas.view
    qtbot.keyClick(canvas, Qt.Key.Key_Plus)
    assert canvas.view.scale == pytest.approx(1.25 * before.scale)
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    assert canvas.view.center[0] > before.center[0]
    qtbot.keyClick(canvas, Qt.Key.Key_Home)
    assert canvas.view == before
    qtbot.mousePress(canvas, Qt.MouseButton.RightButton, pos=QPoint(50, 50))
    qtbot.mouseMove(canvas, QPoint(80, 50))
    qtbot.mouseRelease(canvas, Qt.MouseButton.RightButton, pos=QPoint(80, 50))
    assert canvas.view.center[0] == pytest.approx(before.center[0] - 30 / before.scale)


def test_arrows_go_and_follow_a_new_velocity(dock, qtbot, workspace, result):
    drawn = dock.canvas._grid
    qtbot.keyClick(dock.arrows, Qt.Key.Key_Space)
    assert dock.canvas._grid is None
    qtbot.keyClick(dock.arrows, Qt.Key.Key_Space)
    back = replace(result, graph=replace(result.graph, cosines=-result.graph.cosines))
    workspace.set_velocity(back)
    np.testing.assert_allclose(dock.canvas._grid.positions, drawn.positions)
    cosine = (dock.canvas._grid.arrows * drawn.arrows).sum() / (drawn.arrows**2).sum()
    assert cosine < -0.5


def test_another_tissue_ends_the_picture(dock, workspace, tissue):
    workspace.set_tissue(tissue.select_cells(np.arange(100)))
    assert not dock.canvas.isVisible()
    assert dock.panel.button.isEnabled()


def test_computed_when_the_file_has_none(open_dock, viewer, workspace, tissue, qtbot, finish):
    dock = open_dock(EmbeddingDock)
    show_tissue(viewer, workspace, OpenedTissue(tissue, None, None))
    dock.method.setCurrentText("principal components")
    qtbot.mouseClick(dock.panel.button, LEFT)
    finish(dock)
    assert dock._picture.embedding.name == "pca"
    assert dock._picture.grid is None
    assert not dock.arrows.isEnabled()


def test_grid_of_the_embedding_is_the_projection_on_its_places(result, plane):
    from napari_tissue_dynamics.analysis.arrows.projection import arrows_along, project
    from napari_tissue_dynamics.data.io.embeddings import Embedding

    places = plane.astype(np.float64)
    direct = project(result.field, places, neighbors="expression", k=30)
    np.testing.assert_allclose(arrows_along(result.graph, places), direct.arrows, rtol=1e-4, atol=1e-5)
    grid = workflow.embedding_grid(Embedding("umap", plane), result)
    np.testing.assert_allclose(grid.arrows, on_grid(places, direct.arrows, nodes=20).arrows, atol=1e-3)
