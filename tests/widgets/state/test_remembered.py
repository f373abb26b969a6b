"""Nothing is asked twice: what a person chose is there the next time."""

import json
from dataclasses import replace

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_tissue_dynamics.data.io import ReadOptions, write_h5ad
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.resume_state import kept_state
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.docks.load import LoadDock
from napari_tissue_dynamics.widgets.docks.travlr import TravlrDock
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.forms.form import OWN
from napari_tissue_dynamics.widgets.forms.read_form import NONE
from napari_tissue_dynamics.widgets.forms.regulators_form import FROM_FILE
from napari_tissue_dynamics.widgets.forms.root_form import CELLS, STOPPED
from napari_tissue_dynamics.widgets.state import remembered as _last
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """Keep choices in a file of the test."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("NAPARI_CONFIG", str(folder / "settings.yaml"))
    return folder / _last.NAME


def test_nothing_is_kept_where_napari_keeps_nothing(monkeypatch):
    monkeypatch.setenv("NAPARI_CONFIG", "")
    _last.keep("a", 1)
    assert _last.place() is None
    assert _last.last("a") is None


def test_values_come_back_and_damage_does_no_harm(memory, tmp_path):
    _last.keep("a", [1, 2])
    _last.keep_folder("tables", tmp_path)
    assert _last.last("a") == [1, 2]
    assert _last.last_folder("tables") == str(tmp_path)
    assert [file.name for file in memory.parent.iterdir()] == [memory.name]
    memory.write_text("{")
    assert _last.last("a") is None
    _last.keep("b", 3)
    assert json.loads(memory.read_text()) == {"b": 3}


def test_settings_come_back_without_those_that_are_no_longer_possible(memory):
    _last.keep_settings(SteerConfig(n_experts=5, learning_rate=0.5))
    known = json.loads(memory.read_text())
    known["settings of SteerConfig"] |= {"n_genes": "many", "gone": 3}
    memory.write_text(json.dumps(known))
    assert _last.last_settings(SteerConfig()) == SteerConfig(n_experts=5, learning_rate=0.5)
    assert _last.last_settings(SteerConfig(), ["n_experts"]).n_experts == SteerConfig().n_experts


def test_next_dock_begins_with_the_settings_of_the_last_run(memory, open_dock, workspace, tissue, finish):
    workspace.set_tissue(tissue)
    dock = open_dock(VelocityDock)
    config = KineticsConfig(model="steady_state", n_neighbors=12, min_shared_counts=0)
    dock.form.set_value(config)
    dock.panel.button.click()
    finish(dock)
    assert open_dock(VelocityDock).form.value() == config


def test_preset_names_what_the_fields_are(qtbot, open_dock):
    dock = open_dock(VelocityDock)
    form = dock.form.steer
    assert form.preset.currentText() == "Quick"
    form.set_value(SteerConfig.schedule("full"))
    assert form.preset.currentText() == "Publication"
    form.set_value(replace(SteerConfig(), velocity_epochs=7, n_experts=3, device="cpu"))
    assert form.preset.currentText() == OWN
    form.preset.setCurrentIndex(0)
    form.preset.activated.emit(0)
    assert form.value() == SteerConfig(n_experts=3, device="cpu")  # what no preset speaks of stays
    dock.form.set_value(form.value())
    form.advanced.expand(animate=False)
    with qtbot.waitExposed(dock):
        dock.show()
    qtbot.mouseClick(form.defaults, Qt.MouseButton.LeftButton)
    assert form.value() == SteerConfig()


def test_network_of_the_last_run_is_offered_again(memory, open_dock, workspace, tissue, tmp_path):
    links = tmp_path / "links.csv"
    links.write_text("source,target\n")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("ligand,receptor\n")
    workspace.set_tissue(tissue)
    form = open_dock(TravlrDock).network
    form.targets.setText(f"{tissue.genes[0]}, nobody")
    form.regulators.setText(tissue.genes[1])
    form.links.line.setText(str(links))
    form.pairs.setCurrentText(FROM_FILE)
    form.pairs_file.line.setText(str(pairs))
    choice = form.value()
    form.keep(choice)
    assert open_dock(TravlrDock).network.value() == replace(choice, targets=tissue.genes[:1])
    pairs.unlink()
    assert open_dock(TravlrDock).network.value().pairs == "bundled"


def test_file_is_read_as_it_was_read_the_last_time(memory, open_dock, workspace, tissue, tmp_path, finish):
    path = tmp_path / "t.h5ad"
    write_h5ad(path, tissue)
    first = open_dock(LoadDock)
    first.file.set_path(path)
    finish(first)
    first.form.unspliced.setCurrentText(NONE)
    first.form.pixel_size_um.setValue(2)
    first.panel.button.click()
    finish(first)
    assert workspace.read_options == ReadOptions(
        unspliced="", pixel_size_um=2, cell_type=workspace.read_options.cell_type
    )
    again = open_dock(LoadDock)
    again.file.line.setText(str(path))
    again.panel.button.click()
    finish(again)
    assert workspace.tissue.unspliced is None
    third = open_dock(LoadDock)
    third.file.set_path(path)
    finish(third)
    assert third.form.value() == workspace.read_options


def test_dialogs_begin_where_the_last_one_ended(memory, open_dock, tmp_path, monkeypatch, qtbot):
    chosen = tmp_path / "data" / "t.h5ad"
    chosen.parent.mkdir()
    begun = []

    def ask(parent, title, folder, pattern):
        begun.append(folder)
        return str(chosen), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", ask)
    for _ in range(2):
        dock = open_dock(LoadDock)
        dock.show()
        qtbot.mouseClick(dock.file.browse, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda dock=dock: not dock.is_running)
    assert begun == ["", str(chosen.parent)]


def test_result_goes_beside_the_tissue_or_where_the_last_one_went(memory, tmp_path):
    assert _last.beside(tmp_path / "t.h5ad", "result.h5ad") == str(tmp_path / "t_result.h5ad")
    locked = tmp_path / "gone" / "t.h5ad"
    _last.keep_result(tmp_path / "any.csv")
    assert _last.beside(locked, "result.h5ad") == str(tmp_path / "t_result.h5ad")


def test_run_that_was_stopped_goes_on_with_its_own_settings(
    memory, open_dock, workspace, tissue, tiny_steer, tmp_path, monkeypatch, finish, qtbot
):
    path = tmp_path / "t.h5ad"
    write_h5ad(path, tissue)
    workspace.set_tissue(OpenedTissue(tissue, path))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    monkeypatch.setattr("napari_tissue_dynamics.steer.checkpoint.WRITE_SECONDS", 0.0)
    config = replace(tiny_steer, velocity_epochs=400, patience=400, n_genes=30)
    dock = open_dock(VelocityDock)
    dock.form.set_value(config)
    dock.origin.kind.setCurrentText(CELLS)
    dock.origin.take_cells([3, 5])
    dock.panel.button.click()
    state = dock.files.state()
    qtbot.waitUntil(state.is_file)
    dock.stop()
    finish(dock)
    found = kept_state(state)
    assert found.config == config
    assert found.origin.roots.tolist() == [3, 5]
    memory.unlink()

    new = open_dock(VelocityDock)  # as after a restart: other settings in the form
    assert new.form.value() != config
    new.show()
    qtbot.mouseClick(new.resume_button, Qt.MouseButton.LeftButton)
    assert new.form.value() == config
    assert new.origin.kind.currentText() == STOPPED
    assert new.is_running
    qtbot.wait(400)
    new.stop()
    finish(new)
    assert not new.message.text()


def test_file_that_is_no_state_is_one_sentence(tmp_path, tissue, open_dock, workspace):
    path = tmp_path / "t.h5ad"
    workspace.set_tissue(OpenedTissue(tissue, path))
    dock = open_dock(VelocityDock)
    (tmp_path / "t.steer.safetensors").write_bytes(b"nothing")
    dock.resume()
    assert "is not the state of a fit" in dock.message.text()
    with pytest.raises(DataError):
        kept_state(tmp_path / "nowhere.safetensors")


def test_folder_of_a_run_brings_its_settings(open_dock, workspace, tissue, tmp_path, finish):
    workspace.set_tissue(tissue)
    config = TravlrConfig(max_modulators=5, permutations=0, held_out=False, max_pairs=3)
    dock = open_dock(TravlrDock)
    dock.form.set_value(config)
    dock.network.targets.setText(tissue.genes[0])
    dock.network.regulators.setText(", ".join(tissue.genes[1:4]))
    dock.network.pairs.setCurrentText("none")
    dock.many.store.line.setText(str(tmp_path / "run"))
    dock.panel.button.click()
    finish(dock)
    assert not dock.message.text()
    new = open_dock(TravlrDock)
    assert new.form.value() != config
    new.many.store.set_path(tmp_path / "run")
    assert new.form.value() == config
