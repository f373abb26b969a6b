"""From a file to a saved result without a mouse: only keys are pressed, and Tab finds every control."""

import anndata
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_tissue_dynamics.widgets.docks.explore import ExploreDock
from napari_tissue_dynamics.widgets.docks.inspector import InspectorDock
from napari_tissue_dynamics.widgets.docks.load import LoadDock
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock

MOST_TABS = 120


@pytest.fixture
def keys(qtbot):
    """Return a person without a mouse."""

    class Keys:
        def look_at(self, dock):
            dock.resize(360, 700)
            dock.show()
            dock.activateWindow()
            qtbot.waitUntil(dock.isActiveWindow)

        def tab_to(self, dock, wanted):
            """Press Tab until the control has the focus, as a person would."""
            if QApplication.focusWidget() is None or not dock.isAncestorOf(QApplication.focusWidget()):
                dock.setFocus()
                qtbot.keyClick(dock, Qt.Key.Key_Tab)
            for _ in range(MOST_TABS):
                focused = QApplication.focusWidget()
                if focused is wanted or wanted.isAncestorOf(focused):
                    return
                qtbot.keyClick(focused, Qt.Key.Key_Tab)
            raise AssertionError(f"Tab does not come to {wanted.accessibleName() or wanted}")

        def type(self, text):
            qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
            qtbot.keyClicks(QApplication.focusWidget(), text)

        def press(self, key):
            qtbot.keyClick(QApplication.focusWidget(), key)

    return Keys()


def test_load_run_color_inspect_and_save_by_keys(
    open_dock, keys, qtbot, finish, tissue_file, workspace, viewer, tissue, tmp_path, monkeypatch
):
    load = open_dock(LoadDock)
    keys.look_at(load)
    keys.tab_to(load, load.file.line)
    keys.type(str(tissue_file))
    keys.press(Qt.Key.Key_Return)
    finish(load)
    keys.tab_to(load, load.panel.button)
    keys.press(Qt.Key.Key_Space)
    finish(load)
    assert workspace.tissue.n_cells == tissue.n_cells

    velocity = open_dock(VelocityDock)
    keys.look_at(velocity)
    keys.tab_to(velocity, velocity.form.model)
    qtbot.keyClicks(velocity.form.model, "steady")
    qtbot.waitUntil(lambda: velocity.form.model.currentText() == "steady-state")
    keys.tab_to(velocity, velocity.form.kinetics.editor("min_shared_counts"))
    keys.type("1")
    keys.tab_to(velocity, velocity.panel.button)
    keys.press(Qt.Key.Key_Space)
    finish(velocity)
    assert not velocity.message.text()
    assert workspace.velocity.field.model == "steady-state"
    assert "velocity" in viewer.layers

    explore = open_dock(ExploreDock)
    keys.look_at(explore)
    keys.tab_to(explore, explore.search)
    keys.type(tissue.genes[3])
    keys.press(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: workspace.coloring is not None and tissue.genes[3] in workspace.coloring.title)

    inspector = open_dock(InspectorDock)
    keys.look_at(inspector)
    keys.tab_to(inspector, inspector.cell)
    keys.type(tissue.cells[17])
    keys.press(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: workspace.current_cell == 17)
    qtbot.waitUntil(lambda: tissue.cells[17] in inspector.header.text())

    target = tmp_path / "by keys.h5ad"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))  # the system's own dialog
    keys.look_at(load)
    keys.tab_to(load, load.save_button)
    keys.press(Qt.Key.Key_Space)
    finish(load)
    assert "latent_time" in anndata.read_h5ad(target, backed="r").obs
