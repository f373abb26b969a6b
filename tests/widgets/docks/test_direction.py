"""The dock of the direction check, driven as a person drives it."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.widgets.docks.direction import STAGE, DirectionDock
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue


@pytest.fixture(scope="module")
def true_velocity(simulated):
    """The velocity that the simulated tissue truly has, drawn into it."""
    truth = simulated.truth
    moments = np.asarray(simulated.tissue.spliced.todense(), dtype=np.float32)
    v = np.asarray(truth.velocity, dtype=np.float32)
    field = VelocityField(
        simulated.tissue.genes, v, v, moments, moments, time=np.asarray(truth.time, dtype=np.float32), model="truth"
    )
    return run_to_end(workflow.picture_steps(simulated.tissue, field))


@pytest.fixture
def dock(open_dock, workspace, tissue_file, simulated, true_velocity):
    dock = open_dock(DirectionDock)
    workspace.set_tissue(simulated.tissue)
    workspace.set_velocity(true_velocity)
    dock.show()
    return dock


def early_and_late(simulated):
    """Name the types by how early their cells are."""
    types = simulated.tissue.cell_types
    means = [simulated.truth.time[types.codes == k].mean() for k in range(len(types.categories))]
    return [types.categories[k] for k in np.argsort(means)]


def test_typed_order_gives_a_verdict(dock, qtbot, simulated, finish):
    first, *_, last = early_and_late(simulated)
    qtbot.keyClicks(dock.form.types, f"{first} > {last}")
    qtbot.keyClick(dock.form.types, Qt.Key.Key_Return)
    finish(dock)
    assert "the named order" in dock.verdict.text()
    item = dock.table.topLevelItem(0)
    assert item.text(0) == f"{first}\n→ {last}"
    along = float(item.text(1))
    dock.form.types.clear()
    qtbot.keyClicks(dock.form.types, f"{last} > {first}")
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    assert float(dock.table.topLevelItem(0).text(1)) != along


def test_types_are_added_from_the_list(dock, qtbot):
    combo = dock.form.add_type
    for _ in range(2):
        combo.setFocus()
        qtbot.keyClick(combo, Qt.Key.Key_Down)
    name = combo.itemText(0)
    assert dock.form.types.text() == f"{name} > {name}"


def test_a_wrong_name_is_one_sentence(dock, qtbot, finish):
    qtbot.keyClicks(dock.form.types, "nobody > noone")
    qtbot.keyClick(dock.form.types, Qt.Key.Key_Return)
    finish(dock)
    assert "no cell type 'nobody'" in dock.message.text()
    assert not dock.verdict.isVisible()


def test_without_velocity_the_button_says_why(open_dock, workspace, tissue):
    dock = open_dock(DirectionDock)
    assert dock.panel.button.toolTip() == "Load a tissue first."
    workspace.set_tissue(tissue)
    assert dock.panel.button.toolTip() == "Estimate a velocity first."
    workspace.set_tissue(replace(tissue, cell_types=None))
    workspace.set_velocity(object())
    assert "neither cell types nor" in dock.panel.button.toolTip()


def test_stages_of_a_file_are_offered(dock, workspace, tissue_file, simulated, true_velocity, tmp_path, finish, qtbot):
    import anndata

    from napari_tissue_dynamics.data.io.file_contents import contents

    path = tmp_path / "staged.h5ad"
    adata = anndata.read_h5ad(tissue_file)
    adata.obs["day"] = np.round(simulated.truth.time / 5).astype(int).astype(str)
    adata.obs["day"] = "day " + adata.obs["day"].astype(str)
    adata.write_h5ad(path)
    workspace.set_tissue(OpenedTissue(simulated.tissue, path, contents(path)))
    workspace.set_velocity(true_velocity)
    dock.form.kind.setCurrentText(STAGE)
    dock.form.stage.setCurrentText("day")
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    assert "Velocities follow the named order: 0.\u2060" in dock.verdict.text()
    assert "Latent time rises along the named order" in dock.verdict.text()
    assert dock.table.topLevelItemCount() == 4
