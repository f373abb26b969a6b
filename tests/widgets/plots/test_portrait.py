"""The phase portrait as a person uses it: type a gene, click a cell, choose a color."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor

from napari_tissue_dynamics import kinetic_models as velocity
from napari_tissue_dynamics.analysis.genes.portrait import PhasePortrait, ranked_genes
from napari_tissue_dynamics.layers.cell_colors import VELOCITY, cell_colors, color_choices
from napari_tissue_dynamics.layers.points import cell_points, time_points
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.docks.portraits import PortraitDock
from napari_tissue_dynamics.widgets.plots.portrait import PortraitCanvas
from napari_tissue_dynamics.workflow import picture_steps


@pytest.fixture(scope="session")
def kinetic(tissue):
    field = velocity.fit(tissue, velocity.KineticsConfig(model="steady_state", min_shared_counts=0))
    return run_to_end(picture_steps(tissue, field))


@pytest.fixture
def dock(open_dock, workspace, tissue, kinetic, qtbot):
    dock = open_dock(PortraitDock)
    dock.resize(320, 600)
    dock.show()
    qtbot.waitUntil(dock.isVisible)
    workspace.set_tissue(tissue)
    workspace.set_velocity(kinetic)
    return dock


def portrait(n, rng):
    s, u = rng.gamma(2, 1, (2, n)).astype(np.float32)
    return PhasePortrait("Actb", "STEER", s, u, u - s, (), None, "")


def press(widget, at, qtbot):
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(round(at.x()), round(at.y())))


def test_without_velocities_it_says_so(open_dock, workspace, tissue):
    dock = open_dock(PortraitDock)
    workspace.set_tissue(tissue)
    assert "no velocities yet" in dock.panel.words.text()
    assert not dock.panel.picker.isEnabled()


def test_best_gene_is_shown_first_and_typing_finds_another(dock, kinetic, qtbot):
    genes = ranked_genes(kinetic.field)
    assert dock.panel.gene == genes[0]
    line = dock.panel.picker.lineEdit()
    line.setFocus()
    line.selectAll()
    qtbot.keyClicks(line, genes[7])
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert dock.panel.gene == genes[7]
    assert genes[7] in dock.panel.words.text()
    assert genes[7] in dock.panel.canvas.accessibleName()
    qtbot.keyClick(dock.panel.picker, Qt.Key.Key_Down)
    assert dock.panel.gene == genes[8]


def test_gene_that_the_model_lacks_is_a_sentence(dock, kinetic, qtbot):
    before = dock.panel.gene
    line = dock.panel.picker.lineEdit()
    line.selectAll()
    qtbot.keyClicks(line, "Nonsense7")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert "'Nonsense7' is not among" in dock.message.text()
    assert dock.panel.gene == before
    dock.panel.show_gene(kinetic.field.genes[0])
    assert not dock.message.text()


def test_click_picks_the_cell_and_picked_cells_are_marked(dock, workspace, qtbot):
    canvas = dock.panel.canvas
    apart = int(np.argmax(canvas._portrait.spliced + canvas._portrait.unspliced))
    bare = canvas.grab().toImage()
    press(canvas, canvas.place(apart), qtbot)
    assert workspace.current_cell == apart
    ringed = canvas.grab().toImage()
    place, ratio = canvas.place(apart), ringed.devicePixelRatio()
    around = [(round((place.x() + dx) * ratio), round(place.y() * ratio)) for dx in (-6, 6)]
    assert any(bare.pixel(*at) != ringed.pixel(*at) for at in around)
    workspace.pick(None)
    assert canvas.grab().toImage() == bare


def test_colors_are_those_of_the_viewer(dock, viewer, workspace, tissue, kinetic):
    seen = []
    dock.panel.canvas.show_portrait = lambda portrait, colors=None, names=(): seen.append(colors)
    cells = _viewer.show(viewer, workspace, cell_points(tissue))
    np.testing.assert_allclose(seen[-1], cells.face_color)
    late = _viewer.show(viewer, workspace, time_points(tissue, kinetic.field))
    viewer.layers.selection.active = late
    np.testing.assert_allclose(seen[-1], late.face_color)
    assert not dock.panel.legend.isVisible()


def test_every_color_has_a_legend(dock, tissue, kinetic, qtbot):
    box = dock.panel.color
    for choice in color_choices(tissue, kinetic.field):
        box.setFocus()
        while box.currentText() != choice:
            before = box.currentIndex()
            qtbot.keyClick(box, Qt.Key.Key_Down)
            assert box.currentIndex() > before
        assert dock.panel.legend.isVisible()
        assert dock.panel.legend.title.text()


def test_color_by_velocity_is_symmetric(tissue, kinetic):
    gene = ranked_genes(kinetic.field)[0]
    colors, legend = cell_colors(tissue, kinetic.field, VELOCITY, gene)
    assert legend.scale.low == -legend.scale.high
    values = kinetic.field.spliced[:, kinetic.field.genes.index(gene)]
    orange = colors[:, 0] - colors[:, 2]
    assert orange[values.argmax()] > 0 > orange[values.argmin()]  # blue below


def test_the_gene_stays_when_velocities_are_replaced(dock, workspace, kinetic):
    gene = ranked_genes(kinetic.field)[5]
    dock.panel.show_gene(gene)
    workspace.set_velocity(replace(kinetic))
    assert dock.panel.gene == gene


def test_cells_stand_where_the_axes_say(qtbot):
    canvas = PortraitCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(300, 300)
    s, u = np.array([0.0, 1.0, 4.0], np.float32), np.array([0.0, 3.0, 1.0], np.float32)
    colors = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], np.float32)
    canvas.show_portrait(PhasePortrait("a", "m", s, u, s, (), None, ""), colors)
    picture = canvas.grab().toImage()
    ratio = picture.devicePixelRatio()
    for cell, color in enumerate(("#ff0000", "#00ff00", "#0000ff")):
        at = canvas.place(cell)
        assert picture.pixelColor(round(at.x() * ratio), round(at.y() * ratio)) == QColor(color)
    assert canvas.place(1).y() < canvas.place(2).y() < canvas.place(0).y()  # more is higher
    assert canvas.place(0).x() < canvas.place(1).x() < canvas.place(2).x()
