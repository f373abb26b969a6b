"""The fate dock as a person uses it: find or pick ends, run, look at fates, click genes, export."""

import csv
import time

import anndata
import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_tissue_dynamics import kinetic_models as velocity
from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.fate.fate import FateConfig
from napari_tissue_dynamics.data.io import contents, write_h5ad
from napari_tissue_dynamics.data.io.read_results import read_provenance
from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, run_to_end
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.docks.fate import FateDock
from napari_tissue_dynamics.widgets.docks.load import LoadDock
from napari_tissue_dynamics.widgets.forms.terminal_form import PICKED, TYPES
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue


@pytest.fixture(scope="module")
def branching():
    return simulate_branching(n_cells=500, n_genes=80, seed=2)


@pytest.fixture(scope="module")
def fitted(branching):
    field = velocity.fit(branching.tissue, velocity.KineticsConfig(model="steady_state", min_shared_counts=0))
    return run_to_end(workflow.picture_steps(branching.tissue, field))


@pytest.fixture
def dock(open_dock, viewer, workspace, branching, fitted):
    dock = open_dock(FateDock)
    dock.resize(320, 600)
    dock.show()
    show_tissue(viewer, workspace, OpenedTissue(branching.tissue, None, None))
    workspace.set_velocity(fitted)
    return dock


def press(button, qtbot):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def choose(combo, text, qtbot):
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    while combo.currentText() != text:
        before = combo.currentIndex()
        qtbot.keyClick(combo, Qt.Key.Key_Down)
        assert combo.currentIndex() > before


def click_row(view, row, qtbot):
    view.scrollToItem(view.item(row))
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualItemRect(view.item(row)).center())


def tick_ends(dock, branching, qtbot):
    """Tick two types that lie at the end of time, with the keyboard."""
    types, time_ = branching.tissue.cell_types, branching.truth.time
    late = np.argsort([-np.median(time_[types.codes == k]) for k in range(len(types.categories))])[:2]
    choose(dock.terminal.kind, TYPES, qtbot)
    view = dock.terminal.types
    view.setFocus()
    for row in late:
        view.setCurrentRow(int(row))
        qtbot.keyClick(view, Qt.Key.Key_Space)
    return [types.categories[row] for row in sorted(late)]


def test_without_a_velocity_the_button_says_why(open_dock, workspace, branching):
    dock = open_dock(FateDock)
    assert "Load a tissue" in dock.panel.button.toolTip()
    workspace.set_tissue(branching.tissue)
    assert not dock.panel.button.isEnabled()
    assert "Fit a velocity first" in dock.panel.button.toolTip()


def test_fates_of_types_are_those_of_a_script(dock, viewer, workspace, branching, fitted, qtbot, finish):
    names = tick_ends(dock, branching, qtbot)
    press(dock.panel.button, qtbot)
    finish(dock)
    assert not dock.message.text()
    result = workspace.fate
    terminal = workflow.terminal_states(branching.tissue, types=names)
    again = workflow.fate(branching.tissue, fitted, FateConfig(), terminal=terminal)
    np.testing.assert_allclose(result.probabilities, again.probabilities, atol=1e-5)
    assert sorted(result.names) == sorted(names)
    expected = {"fates", "terminal states", *(f"fate {name}" for name in result.names)}
    assert expected <= {layer.name for layer in viewer.layers}
    seen = {layer.name for layer in viewer.layers if layer.visible}
    assert "fates" in seen
    assert not seen & (expected - {"fates"})
    assert dock.summary.text() == f"{direction_in_words(fitted.evidence)}\n{workflow.fate_in_words(result)}"
    assert workspace.log.actions[-1].details["terminal"]["types"] == names


def test_a_line_of_the_list_shows_its_layer(dock, viewer, workspace, branching, qtbot, finish):
    names = tick_ends(dock, branching, qtbot)
    press(dock.panel.button, qtbot)
    finish(dock)
    click_row(dock.fates, 3, qtbot)
    shown = workspace.fate.names[1]
    assert viewer.layers[f"fate {shown}"].visible
    assert not viewer.layers["fates"].visible
    assert viewer.layers.selection.active.name == f"fate {shown}"
    assert dock.drivers.fate.currentText() == shown
    qtbot.keyClick(dock.fates, Qt.Key.Key_Up)
    assert viewer.layers[f"fate {workspace.fate.names[0]}"].visible
    viewer.layers.remove(viewer.layers["fates"])
    click_row(dock.fates, 0, qtbot)  # it comes back
    assert viewer.layers["fates"].visible
    assert len(names) == 2


def test_states_are_picked_cell_by_cell(dock, workspace, branching, qtbot, finish):
    choose(dock.terminal.kind, PICKED, qtbot)
    press(dock.panel.button, qtbot)
    assert "No terminal state is picked" in dock.message.text()
    press(dock.terminal.add_button, qtbot)
    assert "No cells are selected" in dock.message.text()
    late = np.argsort(-branching.truth.time)
    for name, cells in (("left", late[:6]), ("right", late[6:12])):
        mask = np.zeros(branching.tissue.n_cells, bool)
        mask[cells] = True
        workspace.select(mask)
        qtbot.keyClicks(dock.terminal.name, name)
        press(dock.terminal.add_button, qtbot)
    assert not dock.message.text()
    qtbot.keyClicks(dock.terminal.name, "again")
    press(dock.terminal.add_button, qtbot)
    assert "are in 'right' already" in dock.message.text()
    assert dock.terminal.states.count() == 2
    press(dock.panel.button, qtbot)
    finish(dock)
    assert workspace.fate.names == ("left", "right")
    np.testing.assert_array_equal(np.flatnonzero(workspace.fate.terminal.codes == 0), np.sort(late[:6]))
    np.testing.assert_allclose(workspace.fate.probabilities[late[:6], 0], 1)
    click_row(dock.terminal.states, 0, qtbot)
    press(dock.terminal.remove_button, qtbot)
    assert list(dock.terminal.picked) == ["right"]


def test_states_of_another_column(dock, viewer, workspace, branching, fitted, qtbot, finish, tmp_path):
    tissue, path = branching.tissue, tmp_path / "tissue.h5ad"
    write_h5ad(path, tissue)
    adata = anndata.read_h5ad(path)
    order = np.argsort(np.argsort(branching.truth.time))
    adata.obs["stage"] = pd.Categorical(np.array(["first", "second", "third"])[order * 3 // len(order)])
    adata.write_h5ad(path)
    show_tissue(viewer, workspace, OpenedTissue(tissue, path, contents(path)))
    workspace.set_velocity(fitted)
    choose(dock.terminal.kind, TYPES, qtbot)
    choose(dock.terminal.column, "stage", qtbot)
    view = dock.terminal.types
    qtbot.waitUntil(lambda: view.count() == 3)
    press(dock.panel.button, qtbot)
    assert "Nothing is ticked" in dock.message.text()
    view.setFocus()
    view.setCurrentRow(2)
    qtbot.keyClick(view, Qt.Key.Key_Space)
    press(dock.panel.button, qtbot)
    finish(dock)
    assert workspace.fate.names == ("third",)
    np.testing.assert_array_equal(workspace.fate.terminal.codes == 0, order * 3 // len(order) == 2)


def test_driver_genes_are_sorted_mapped_and_exported(
    dock, viewer, workspace, branching, qtbot, finish, tmp_path, monkeypatch
):
    tick_ends(dock, branching, qtbot)
    press(dock.panel.button, qtbot)
    finish(dock)
    dock.drivers_section.toggleButton().click()
    drivers = workspace.fate.drivers
    rows = dock.drivers.table.shown()
    column = drivers.fates.index(dock.drivers.fate.currentText())
    best = drivers.genes[int(np.nanargmax(drivers.correlation[:, column]))]
    assert rows[0][0] == best
    dock.drivers.table.go_to(best)
    qtbot.keyClick(dock.drivers.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: workspace.coloring is not None and workspace.coloring.title == best)
    target = tmp_path / "drivers.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(dock.drivers.export_button, qtbot)
    with target.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == drivers.correlation.size
    first = next(line for line in lines if line["gene"] == best and line["fate"] == drivers.fates[column])
    assert float(first["correlation"]) == pytest.approx(float(np.nanmax(drivers.correlation[:, column])), rel=1e-5)


def test_fates_go_with_their_velocity(dock, viewer, workspace, branching, fitted, qtbot, finish):
    from dataclasses import replace

    tick_ends(dock, branching, qtbot)
    press(dock.panel.button, qtbot)
    finish(dock)
    workspace.set_velocity(replace(fitted, arrows=-fitted.arrows))  # drawn anew: the velocities are the same
    assert workspace.fate is not None
    workspace.set_velocity(replace(fitted, field=replace(fitted.field)))
    assert workspace.fate is None
    assert not [layer for layer in viewer.layers if "fate" in layer.name or "terminal" in layer.name]
    assert not dock.fates.isVisible()


def test_saved_fates_are_taken_back(dock, viewer, workspace, branching, fitted, qtbot, finish, open_dock, tmp_path):
    assert not dock.stored_button.isVisible()
    tick_ends(dock, branching, qtbot)
    press(dock.panel.button, qtbot)
    finish(dock)
    found = workspace.fate
    load = open_dock(LoadDock)
    load.save(tmp_path / "saved.h5ad")
    finish(load)
    saved = tmp_path / "saved.h5ad"
    show_tissue(viewer, workspace, OpenedTissue(branching.tissue, saved, contents(saved)))
    assert workspace.fate is None
    assert dock.stored_button.isVisible()
    press(dock.stored_button, qtbot)
    finish(dock)
    assert not dock.message.text()
    assert workspace.fate.names == found.names
    np.testing.assert_allclose(workspace.fate.probabilities, found.probabilities, atol=1e-6)
    assert viewer.layers["fates"].visible
    assert "FateConfig" in read_provenance(saved)["provenance"]["settings"]
    show_tissue(viewer, workspace, OpenedTissue(branching.tissue.select_cells(np.arange(50)), saved, contents(saved)))
    press(dock.stored_button, qtbot)
    finish(dock)
    assert "50 cells are loaded" in dock.message.text()


@pytest.mark.parametrize("error", [DataError("No terminal state was found."), RuntimeError("singular matrix")])
def test_an_error_is_a_sentence_and_keeps_the_fates(dock, workspace, branching, qtbot, finish, monkeypatch, error):
    tick_ends(dock, branching, qtbot)
    press(dock.panel.button, qtbot)
    finish(dock)
    before = workspace.fate

    def failing(*_, **__):
        yield Progress("chain", 0, 1, 0.0)
        raise error

    monkeypatch.setattr(workflow, "fate_steps", failing)
    press(dock.panel.button, qtbot)
    finish(dock)
    assert dock.message.text()
    assert "\n" not in dock.message.text()
    assert workspace.fate is before


def test_stop_ends_a_run(dock, workspace, qtbot, finish, monkeypatch):
    def endless(tissue, result, config, stop, **_):
        while not stop.is_set():
            time.sleep(0.01)
            yield Progress("chain", 0, 1, 0.1)

    monkeypatch.setattr(workflow, "fate_steps", endless)
    press(dock.panel.button, qtbot)
    qtbot.waitUntil(lambda: "chain" in dock.panel.status.text())
    press(dock.panel.button, qtbot)
    finish(dock)
    assert workspace.fate is None


def test_everything_fits_into_320_pixels(dock, branching, qtbot, finish):
    from qtpy.QtWidgets import QScrollArea

    tick_ends(dock, branching, qtbot)
    press(dock.panel.button, qtbot)
    finish(dock)
    dock.drivers_section.toggleButton().click()
    bar = dock.findChild(QScrollArea).horizontalScrollBar()
    qtbot.waitUntil(lambda: dock.drivers.table.isVisible())
    assert dock.width() == 320
    assert bar.maximum() == 0
