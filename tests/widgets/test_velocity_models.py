"""One dock for all models: a person picks one, sees its settings, fits it and sees its layers."""

import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.data.io import contents
from napari_tissue_dynamics.data.io.action_log import read_log
from napari_tissue_dynamics.data.io.read_results import read_arrows, read_velocity
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.write import write_simulated
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.forms.model_form import ModelForm
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue
from napari_tissue_dynamics.workflow.replay import replay_steps

LIGHT = {"n_top_genes": 40, "min_shared_counts": 0}


@pytest.fixture
def file(simulated, tmp_path):
    path = tmp_path / "small tissue.h5ad"
    write_simulated(path, simulated.tissue, simulated.truth)
    return path


@pytest.fixture
def dock(open_dock, viewer, workspace, tissue, file):
    dock = open_dock(VelocityDock)
    dock.resize(320, 600)
    dock.show()
    show_tissue(viewer, workspace, OpenedTissue(tissue, file, contents(file)))
    return dock


def pick(dock, model, qtbot):
    """Choose a model with the keyboard."""
    combo = dock.form.model
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    while combo.currentData() != model:
        before = combo.currentIndex()
        qtbot.keyClick(combo, Qt.Key.Key_Down)
        assert combo.currentIndex() > before


def press(button, qtbot):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("config", [SteerConfig(seed=3), KineticsConfig(), KineticsConfig(model="stochastic", seed=5)])
def test_form_gives_back_what_it_is_given(qtbot, config):
    form = ModelForm()
    qtbot.addWidget(form)
    form.set_value(config)
    assert form.value() == config
    assert form.model_row.fits(config)


def test_form_shows_the_settings_of_the_model(dock, qtbot):
    shown = {}
    for section in (dock.form.steer.advanced, dock.form.kinetics.advanced):
        section.expand(animate=False)
    for model in ("steer", "dynamical", "steady_state"):
        pick(dock, model, qtbot)
        form = dock.form.kinetics
        shown[model] = {name for name in ("max_iter", "quantile", "model", "seed") if form.editor(name).isVisible()}
        assert dock.form.steer.isVisible() == (model == "steer")
        assert dock.experts_section.isVisible() == dock.files_section.isVisible() == (model == "steer")
        assert dock.form.about.text()
    assert shown == {"steer": set(), "dynamical": {"max_iter", "seed"}, "steady_state": {"quantile", "seed"}}


def test_every_model_gives_the_result_of_a_script(dock, viewer, workspace, tissue, qtbot, finish):
    for model in ("dynamical", "steady_state"):
        config = KineticsConfig(model=model, **LIGHT)
        dock.form.kinetics.set_value(config)
        pick(dock, model, qtbot)
        press(dock.panel.button, qtbot)
        finish(dock)
        assert not dock.message.text()
        assert workspace.velocity_config == config
        np.testing.assert_allclose(
            workspace.velocity.field.spliced, workflow.velocity(tissue, config).field.spliced, rtol=1e-4, atol=1e-5
        )
        assert {"velocity", "velocity grid", "latent time"} <= {layer.name for layer in viewer.layers}
        assert "genes" in dock.summary.text()
    assert [run.result.field.model for run in workspace.runs] == ["dynamical", "steady-state"]


def test_a_fit_is_done_again_by_its_log(dock, workspace, tissue, tmp_path, qtbot, finish):
    dock.form.set_value(KineticsConfig(model="steady_state", **LIGHT))
    dock.origin.kind.setCurrentText("cell type")
    press(dock.panel.button, qtbot)
    finish(dock)
    dock.arrows.editor("neighbors").setCurrentText("expression")
    finish(dock)
    assert [action.name for action in workspace.log.actions] == ["load", "velocity", "arrows"]
    assert workspace.log.actions[1].details["origin"] == {"root_type": tissue.cell_types.categories[0]}
    workspace.log.save(tmp_path / "log.jsonl")
    again = run_to_end(replay_steps(read_log(tmp_path / "log.jsonl"), tmp_path / "again.h5ad"))
    np.testing.assert_allclose(read_velocity(again).spliced, workspace.velocity.field.spliced)
    np.testing.assert_allclose(read_arrows(again, tissue.basis), workspace.velocity.arrows)


def test_experts_of_an_earlier_model_do_not_stay(dock, viewer, workspace, tissue, tiny_steer, qtbot, finish):
    dock.show_result(workflow.velocity(tissue, tiny_steer), tiny_steer)
    assert "expert" in viewer.layers
    dock.form.set_value(KineticsConfig(model="stochastic", n_regimes=1, **LIGHT))
    press(dock.panel.button, qtbot)
    finish(dock)
    assert "expert" not in viewer.layers
    assert not dock.table_section.isVisible()


def test_where_time_begins_reaches_a_kinetic_model(dock, workspace, tissue, qtbot, finish, monkeypatch):
    given = []
    real = workflow.velocity_steps

    def spy(*args, **options):
        given.append(options["origin"])
        return real(*args, **options)

    monkeypatch.setattr(workflow, "velocity_steps", spy)
    dock.form.set_value(KineticsConfig(model="steady_state", **LIGHT))
    dock.origin.kind.setCurrentText("selected cells")
    mask = np.zeros(tissue.n_cells, bool)
    mask[[4, 9]] = True
    workspace.select(mask)
    dock.use_selected_cells()
    press(dock.panel.button, qtbot)
    finish(dock)
    assert not dock.message.text()
    np.testing.assert_array_equal(given[0].roots, [4, 9])


def test_velocities_of_the_file_are_taken_back(dock, viewer, workspace, tissue, file, tmp_path, qtbot, finish):
    assert not dock.stored_button.isVisible()  # there are none in it yet
    fitted = workflow.velocity(tissue, KineticsConfig(**LIGHT))
    saved = workflow.save(tmp_path / "saved.h5ad", tissue, source=file, velocity=fitted)
    show_tissue(viewer, workspace, OpenedTissue(tissue, saved, contents(saved)))
    assert dock.stored_button.isVisible()
    press(dock.stored_button, qtbot)
    finish(dock)
    assert not dock.message.text()
    np.testing.assert_allclose(workspace.velocity.field.spliced, fitted.field.spliced)
    np.testing.assert_allclose(workspace.velocity.arrows, fitted.arrows, rtol=1e-3, atol=1e-3)
    assert workspace.velocity.field.gene_table.keys() == fitted.field.gene_table.keys()
    assert viewer.layers["latent time"].visible


def test_velocities_of_other_cells_are_refused(dock, viewer, workspace, tissue, file, tmp_path, qtbot, finish):
    fitted = workflow.velocity(tissue, KineticsConfig(model="steady_state", **LIGHT))
    saved = workflow.save(tmp_path / "saved.h5ad", tissue, source=file, velocity=fitted)
    some = tissue.select_cells(np.arange(100))
    show_tissue(viewer, workspace, OpenedTissue(some, saved, contents(saved)))
    press(dock.stored_button, qtbot)
    finish(dock)
    assert "250 cells, but 100 cells are loaded" in dock.message.text()
    assert workspace.velocity is None


def test_tables_and_a_page_are_exported(dock, workspace, tissue, tmp_path, qtbot, finish, monkeypatch):
    assert not dock.export_section.isVisible()
    dock.form.set_value(KineticsConfig(model="steady_state", **LIGHT))
    press(dock.panel.button, qtbot)
    finish(dock)
    dock.export_section.toggleButton().click()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "out"))
    press(dock.exports.button, qtbot)
    finish(dock)
    assert not dock.message.text()
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"velocity_vectors.csv", "kinetic_params.csv", "latent_time.csv", "velocity_dashboard.html"} <= written
    assert all(name in dock.exports.words.text() for name in written)
    lines = (tmp_path / "out" / "latent_time.csv").read_text().splitlines()
    assert len(lines) == tissue.n_cells + 1
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    press(dock.exports.open_button, qtbot)
    assert opened == [str(tmp_path / "out" / "velocity_dashboard.html")]
    workspace.set_tissue(tissue)
    assert not dock.exports.open_button.isVisibleTo(dock.exports)


def test_a_folder_that_cannot_be_written_is_a_sentence(dock, qtbot, finish, tmp_path):
    dock.form.set_value(KineticsConfig(model="steady_state", **LIGHT))
    press(dock.panel.button, qtbot)
    finish(dock)
    (tmp_path / "file").write_text("")
    dock.exports.requested.emit(tmp_path / "file")
    finish(dock)
    assert "cannot be created" in dock.message.text()


def test_kinetic_models_load_no_torch():
    code = (
        "from napari_tissue_dynamics.widgets.panels.velocity_jobs import needs_torch\n"
        "from napari_tissue_dynamics.kinetic_models.config import KineticsConfig\n"
        "import sys; assert not needs_torch(KineticsConfig(), None); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
