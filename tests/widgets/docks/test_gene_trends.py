"""The heat map of genes along time, driven with mouse and keys."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.genes.gene_trends import gene_trends
from napari_tissue_dynamics.data.tissue import column
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.layers.colors import color_table
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.docks.gene_trends import VELOCITY, GeneTrendsDock
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue


@pytest.fixture(scope="module")
def result(simulated):
    truth = simulated.truth
    moments, v = np.asarray(truth.spliced, np.float32), np.asarray(truth.velocity, np.float32)
    field = VelocityField(simulated.tissue.genes, v, v, moments, moments, time=np.float32(truth.time / 20))
    return run_to_end(workflow.picture_steps(simulated.tissue, field))


@pytest.fixture
def dock(open_dock, viewer, workspace, tissue, result, qtbot, finish):
    dock = open_dock(GeneTrendsDock)
    dock.resize(340, 700)
    dock.show()
    show_tissue(viewer, workspace, OpenedTissue(tissue, None, None))
    workspace.set_velocity(result)
    dock.number.setValue(12)
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    return dock


def middle(rectangle):
    return QPoint(round(rectangle.center().x()), round(rectangle.center().y()))


def test_rows_are_the_best_genes_by_their_peak(dock, result, simulated):
    trends = gene_trends(simulated.truth.spliced, simulated.tissue.genes, simulated.truth.time)
    best = set(np.argsort(-trends.explained)[:12])
    assert set(dock.map.genes()) == {trends.genes[gene] for gene in best}
    peaks = [trends.peak[trends.genes.index(gene)] for gene in dock.map.genes()]
    assert (np.diff(peaks) >= 0).all()
    dock.number.setValue(5)
    assert len(dock.map.genes()) == 5


def test_colors_of_a_row_go_from_lowest_to_highest(dock):
    image = dock.map.grab().toImage()
    rectangle = dock.map.place(len(dock.map.genes()) - 1)  # peaks last: bright at the right end
    color = image.pixelColor(round(rectangle.right()) - 6, round(rectangle.center().y()))
    bright = color_table("dusk")[-1] * 255
    np.testing.assert_allclose([color.red(), color.green(), color.blue()], bright[:3], atol=60)


def test_a_click_maps_the_gene(dock, qtbot, viewer, workspace, tissue):
    gene = dock.map.genes()[4]
    qtbot.mouseClick(dock.map, Qt.MouseButton.LeftButton, pos=middle(dock.map.place(4)))
    qtbot.waitUntil(lambda: "explore" in viewer.layers)
    assert workspace.coloring.title == gene
    values = workspace.coloring.values.numbers
    np.testing.assert_allclose(values, column(tissue.expression, tissue.gene_index(gene)), rtol=1e-5)
    assert viewer.layers["explore"].visible
    assert not viewer.layers["cells"].visible


def test_keys_choose_a_gene_and_its_velocity(dock, qtbot, workspace, result, finish):
    dock.value.setCurrentText(VELOCITY)
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    for _ in range(3):
        qtbot.keyClick(dock.map, Qt.Key.Key_Down)
    qtbot.keyClick(dock.map, Qt.Key.Key_Up)
    assert dock.map.row == 2
    qtbot.keyClick(dock.map, Qt.Key.Key_Return)
    gene = dock.map.genes()[2]
    qtbot.waitUntil(lambda: workspace.coloring is not None)
    assert workspace.coloring.title == f"{gene} velocity"
    assert gene in dock.map.accessibleDescription()


def test_the_button_says_what_is_missing(open_dock, workspace, tissue, result):
    dock = open_dock(GeneTrendsDock)
    assert dock.panel.button.toolTip() == "Estimate a velocity first."
    assert not dock.map.isVisible()
