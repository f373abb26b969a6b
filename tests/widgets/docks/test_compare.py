"""Two velocities are compared with mouse and keys."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.docks.compare import CompareDock
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue


@pytest.fixture(scope="module")
def result(simulated):
    truth = simulated.truth
    moments, v = np.asarray(truth.spliced, np.float32), np.asarray(truth.velocity, np.float32)
    field = VelocityField(
        simulated.tissue.genes, v, v, moments, moments, time=np.float32(truth.time / 20), model="true"
    )
    return run_to_end(workflow.picture_steps(simulated.tissue, field))


@pytest.fixture
def half_reversed(result, tissue):
    """The same velocity, the other way round in the cells of the first type."""
    sign = np.where(tissue.cell_types.codes == 0, -1, 1)[:, None].astype(np.float32)
    return replace(result, field=replace(result.field, spliced=result.field.spliced * sign, model="half reversed"))


@pytest.fixture
def dock(open_dock, viewer, workspace, tissue, result, half_reversed):
    dock = open_dock(CompareDock)
    dock.resize(340, 700)
    dock.show()
    show_tissue(viewer, workspace, OpenedTissue(tissue, None, None))
    workspace.set_velocity(result)
    assert "Two velocities of this tissue are needed" in dock.panel.button.toolTip()
    workspace.set_velocity(half_reversed)
    return dock


def test_last_two_runs_are_compared_and_mapped(dock, qtbot, viewer, workspace, tissue, finish):
    assert "true" in dock.first.currentText()
    assert "half reversed" in dock.second.currentText()
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    cosine = workspace.coloring.values.numbers
    moving = np.isfinite(cosine)
    opposed = tissue.cell_types.codes == 0
    np.testing.assert_allclose(cosine[moving], np.where(opposed, -1, 1)[moving], atol=1e-4)
    assert viewer.layers["explore"].visible
    assert f"{opposed[moving].mean():.0%} of the cells move in opposite" in dock.words.text()
    first = dock.types.topLevelItem(0)
    assert (first.text(0), first.text(1)) == (tissue.cell_types.categories[0], "-1.00")
    scores = [float(dock.genes.topLevelItem(k).text(1)) for k in range(dock.genes.topLevelItemCount())]
    assert scores == sorted(scores)
    dock.sections["genes"].expand(animate=False)
    gene = dock.genes.topLevelItem(1).text(0)
    place = dock.genes.visualItemRect(dock.genes.topLevelItem(1)).center()
    qtbot.mouseClick(dock.genes.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: workspace.coloring.title == f"{gene} velocity")


def test_the_same_run_twice_cannot_be_compared(dock, qtbot):
    qtbot.keyClick(dock.second, Qt.Key.Key_Up)
    assert "two different" in dock.panel.button.toolTip()
    assert not dock.panel.button.isEnabled()


def test_another_tissue_forgets_the_runs(dock, workspace, tissue):
    workspace.set_tissue(tissue.select_cells(np.arange(50)))
    assert dock.first.count() == 0
    assert "Estimate the velocity with two models" in dock.words.text()
