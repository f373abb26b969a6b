"""The sections of the STEER dock: where time begins, arrows, state of the run and models."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.data.io import contents
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence, direction_in_words
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.legend import ArrowKey
from napari_tissue_dynamics.layers.vectors import arrow_opacity
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.simulators.write import write_simulated
from napari_tissue_dynamics.steer import apply_model
from napari_tissue_dynamics.widgets.canvas.legend_dock import LegendDock
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.forms.root_form import CELLS, NOTHING, STAGE, TYPE
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.plots.legend import ArrowKeyView, arrow_key_of
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue
from napari_tissue_dynamics.workflow import VelocityPreview, velocity


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return tmp_path_factory.mktemp("model") / "model.safetensors"


@pytest.fixture(scope="session")
def fitted(tissue, tiny_steer, model):
    return velocity(tissue, tiny_steer, network=model)


@pytest.fixture
def file(simulated, tmp_path):
    path = tmp_path / "small tissue.h5ad"
    write_simulated(path, simulated.tissue, simulated.truth)
    return path


@pytest.fixture
def dock(open_dock, viewer, workspace, tissue, file, tiny_steer):
    dock = open_dock(VelocityDock)
    show_tissue(viewer, workspace, OpenedTissue(tissue, file, contents(file)))
    dock.form.set_value(tiny_steer)
    return dock


@pytest.fixture
def calls(monkeypatch, fitted):
    """Note what the fit is called with; it gives its result at once."""
    noted = []

    def steps(tissue, config, stop, **given):
        noted.append(given)
        yield Progress("training", 0, 1, 0.5)
        return fitted

    monkeypatch.setattr(workflow, "velocity_steps", steps)
    return noted


def choose(combo, text):
    combo.setCurrentText(text)
    assert combo.currentText() == text


# -- where time begins ------------------------------------------------------------------------------------------------


def test_nothing_is_known_at_first(dock, calls, finish):
    assert dock.origin.kind.currentText() == NOTHING
    assert not dock.origin.use_selected.isVisibleTo(dock.origin)
    dock.start()
    finish(dock)
    assert calls[0]["origin"] is None


def test_time_begins_with_the_selected_cells(dock, viewer, calls, finish):
    choose(dock.origin.kind, CELLS)
    dock.start()
    assert "none are selected" in dock.message.text()
    dock.origin.use_selected.click()
    assert "No cells are selected" in dock.message.text()
    viewer.layers["cells"].selected_data = {5, 3, 12}
    viewer.add_points(np.zeros((20, 2))).selected_data = {1}  # not cells
    dock.origin.use_selected.click()
    assert "3 selected cells" in dock.origin.words.text()
    assert not dock.message.text()
    dock.start()
    finish(dock)
    assert calls[0]["origin"].roots.tolist() == [3, 5, 12]


def test_time_begins_with_a_cell_type(dock, tissue, calls, finish):
    name = tissue.cell_types.categories[1]
    choose(dock.origin.kind, TYPE)
    choose(dock.origin.cell_type, name)
    dock.start()
    finish(dock)
    assert calls[0]["origin"].roots.tolist() == np.flatnonzero(tissue.cell_types.codes == 1).tolist()


def test_a_stage_is_read_from_the_file(dock, simulated, calls, finish):
    choose(dock.origin.kind, STAGE)
    assert [dock.origin.stage.itemText(i) for i in range(dock.origin.stage.count())] == ["true_time"]
    dock.start()
    finish(dock)
    np.testing.assert_allclose(calls[0]["origin"].stage, simulated.truth.time)


def test_the_faithful_profile_cannot_use_it(dock, calls, finish, tiny_steer):
    choose(dock.origin.kind, TYPE)
    dock.form.set_value(replace(tiny_steer, profile="faithful"))
    assert not dock.origin.kind.isEnabled()
    assert "improved profile" in dock.origin.toolTip()
    dock.start()
    finish(dock)
    assert calls[0]["origin"] is None
    dock.form.set_value(tiny_steer)
    assert dock.origin.kind.isEnabled()
    assert not dock.origin.toolTip()


def test_another_tissue_has_another_beginning(dock, workspace, tissue):
    choose(dock.origin.kind, CELLS)
    dock.origin.take_cells([200])
    workspace.set_tissue(tissue.select_cells(np.arange(50)).with_(cell_types=None))
    kinds = [dock.origin.kind.itemText(i) for i in range(dock.origin.kind.count())]
    assert kinds == [NOTHING, CELLS]
    assert dock.origin.kind.currentText() == NOTHING
    choose(dock.origin.kind, CELLS)
    with pytest.raises(DataError, match="none are selected"):
        dock.origin.value()


def test_rows_that_appear_are_not_squeezed(dock, qtbot):
    dock.resize(320, 900)
    dock.show()
    section = next(each for each in dock.findChildren(Section) if each.content() is dock.origin)
    section.toggleButton().click()
    choose(dock.origin.kind, CELLS)
    qtbot.waitUntil(lambda: dock.origin.height() >= dock.origin.minimumSizeHint().height())
    assert dock.origin.words.isVisible()
    section.toggleButton().click()
    assert not dock.origin.isVisible()


# -- arrows -----------------------------------------------------------------------------------------------------------


def test_arrows_are_drawn_anew_without_a_fit(dock, viewer, workspace, fitted, tissue, finish, tiny_steer):
    dock.show_result(fitted, tiny_steer)
    before = np.asarray(viewer.layers["velocity"].data).copy()
    kept = [str(viewer.layers[name].unique_id) for name in ("latent time", "expert")]
    viewer.layers.selection.active = viewer.layers["velocity"]
    choose(dock.arrows.editor("within"), "cell type")
    assert dock.is_running
    finish(dock)
    assert not dock.message.text()
    assert workspace.velocity.projection == ProjectionConfig(within="cell type")
    assert workspace.velocity.field is fitted.field
    assert workspace.velocity_config == tiny_steer
    assert viewer.layers.selection.active == viewer.layers["velocity"]
    drawn = viewer.layers["velocity"].data
    moving = np.abs(workspace.velocity.arrows).any(axis=1)
    np.testing.assert_allclose(drawn[:, 1], workspace.velocity.arrows[moving][:, ::-1])
    assert drawn.shape != before.shape or not np.allclose(drawn, before)
    assert [str(viewer.layers[name].unique_id) for name in ("latent time", "expert")] == kept
    assert not [layer for layer in viewer.layers if layer.name.startswith("running")]


def test_a_change_while_arrows_are_drawn_begins_again(dock, workspace, fitted, finish, qtbot):
    dock.show_result(fitted)
    choose(dock.arrows.editor("within"), "cell type")
    choose(dock.arrows.editor("neighbors"), "expression")
    qtbot.waitUntil(
        lambda: workspace.velocity.projection == ProjectionConfig(neighbors="expression", within="cell type"),
    )
    finish(dock)


def test_arrows_that_cannot_be_drawn_leave_the_old_ones(dock, viewer, workspace, fitted, tissue, finish):
    workspace.set_tissue(tissue.with_(cell_types=None))
    dock.show_result(fitted)
    before = [(str(layer.unique_id), layer.visible) for layer in viewer.layers]
    choose(dock.arrows.editor("within"), "cell type")
    finish(dock)
    assert "no cell types" in dock.message.text()
    assert workspace.velocity is fitted
    assert [(str(layer.unique_id), layer.visible) for layer in viewer.layers] == before


def test_settings_of_the_arrows_reach_the_fit(dock, calls, monkeypatch, finish, fitted):
    choose(dock.arrows.editor("neighbors"), "expression")
    monkeypatch.setattr(workflow, "picture_steps", lambda *_, projection, **__: iter_result(fitted, projection))
    dock.start()
    finish(dock)
    assert calls[0]["projection"] == ProjectionConfig(neighbors="expression")


def iter_result(result, projection):
    yield Progress("arrows", 0, 1, 0.5)
    return replace(result, projection=projection)


def test_unsure_arrows_are_faint_and_the_legend_says_so(dock, viewer, fitted, qtbot):
    sure = np.linspace(-1, 1, len(fitted.arrows), dtype=np.float32)
    field = replace(fitted.field, evidence=VelocityEvidence("supported", 9.0, 5.0))
    legend = LegendDock(viewer)
    qtbot.addWidget(legend)
    assert not legend.panel.arrows.isVisibleTo(legend)
    dock.show_result(replace(fitted, field=field, confidence=sure))
    layer = viewer.layers["velocity"]
    np.testing.assert_allclose(layer.edge_color[:, 3], arrow_opacity(sure[layer.metadata[PLUGIN]["cells"]]))
    assert legend.panel.arrows.isVisibleTo(legend)
    assert "low confidence" in legend.panel.arrows.accessibleName()
    assert arrow_key_of(layer).title == "velocity"
    assert field.evidence.sentence in legend.panel.length.text()


@pytest.mark.parametrize(("verdict", "opacity", "words"), [
    ("weak", 0.5, "weakly supported"), ("none", 0.25, "not supported"), ("contradicted", 0.25, "contradicted"),
    (None, 0.5, "not tested"),
])  # fmt: skip
def test_directions_without_support_are_faint_and_the_legend_says_so(
    dock, viewer, fitted, qtbot, verdict, opacity, words
):
    evidence = verdict and VelocityEvidence(verdict, 1.0, 0.5, caution="<b>Nuclear</b> counts.")
    legend = LegendDock(viewer)
    qtbot.addWidget(legend)
    dock.show_result(replace(fitted, field=replace(fitted.field, evidence=evidence), confidence=None))
    for name in ("velocity", "velocity grid"):
        np.testing.assert_allclose(viewer.layers[name].edge_color[:, 3], opacity)
        assert words in arrow_key_of(viewer.layers[name]).faint
    said = direction_in_words(evidence)
    assert said in legend.panel.length.text()
    assert legend.panel.length.textFormat() == Qt.TextFormat.PlainText
    assert dock.summary.text().startswith(f"{said}\n")
    assert dock.summary.textFormat() == Qt.TextFormat.PlainText


@pytest.mark.parametrize(("arrows", "ground"), [("#ffffff", 0), ("#1a1a1a", 255)])
def test_key_of_the_arrows_goes_from_faint_to_opaque(qtbot, arrows, ground):
    view = ArrowKeyView()
    qtbot.addWidget(view)
    view.resize(240, view.sizeHint().height())
    view.show_key(ArrowKey("velocity", "unsure", "sure", 0.15), arrows)
    picture = view.grab().toImage()
    middle = view.fontMetrics().height() + 10
    seen = [abs(picture.pixelColor(x, middle).lightness() - ground) for x in range(picture.width())]
    assert 20 < max(seen[:30]) < 100
    assert max(seen[210:]) > 200


# -- what came out ----------------------------------------------------------------------------------------------------


def test_the_result_is_put_into_words(dock, fitted, tiny_steer):
    dock.show_result(fitted, replace(tiny_steer, n_experts=0))
    text = dock.summary.text()
    assert "2 kinetic regimes found" in text
    assert "Latent time from 0.00 to 1.00" in text


def test_experts_are_listed(dock, fitted, tissue):
    assert not dock.table_section.isVisibleTo(dock)
    dock.show_result(fitted)
    assert dock.table_section.isVisibleTo(dock)
    statistics = fitted.experts
    tops = [dock.table.topLevelItem(k) for k in range(dock.table.topLevelItemCount())]
    assert [top.text(1) for top in tops] == [f"{n} cells" for n in statistics.cells]
    largest = int(statistics.cells.argmax())
    below = {tops[largest].child(i).text(0): tops[largest].child(i) for i in range(tops[largest].childCount())}
    share = statistics.composition[largest] / statistics.cells[largest]
    for name, value in zip(statistics.cell_types, share, strict=True):
        if value > 0:
            assert below[name].text(1) == f"{value:.0%} of its cells"
    assert below["Moran's I of time"].text(1) == f"{statistics.time_order.moran[largest]:.2f}"
    if min(statistics.cells) >= 2:
        best = statistics.gene_table(largest, "gamma")
        genes = [below["degradation"].child(i) for i in range(5)]
        assert [gene.text(0) for gene in genes] == best["gene"].tolist()[:5]
        assert genes[0].text(1).endswith(f"FDR {best['fdr'][0]:.1g}")


# -- a running fit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["result", "stop", "error"])
def test_a_running_fit_is_seen_and_leaves_no_trace(dock, viewer, workspace, fitted, monkeypatch, qtbot, finish, ending):
    dock.show_result(fitted)
    layers, result = [(str(each.unique_id), each.visible) for each in viewer.layers], workspace.velocity
    go_on = threading.Event()
    field = fitted.field

    def steps(tissue, config, stop, **_):
        for i in range(100000):
            seen = VelocityPreview(field.time * (i % 2), field.expert_probability, fitted.arrows)
            yield Progress("velocity", i, 100000, 0.5, snapshot=seen)
            time.sleep(0.01)
            if go_on.is_set():
                break
            if stop.is_set():
                raise FitError("stopped")
        if ending == "error":
            raise DataError("This went wrong.")
        return fitted

    monkeypatch.setattr(workflow, "velocity_steps", steps)
    dock.start()
    qtbot.waitUntil(lambda: "running: velocity" in viewer.layers)
    ids = {str(layer.unique_id) for layer in viewer.layers}
    assert not viewer.layers["velocity"].visible
    qtbot.wait(500)
    assert {str(layer.unique_id) for layer in viewer.layers} == ids
    if ending == "stop":
        dock.panel.button.click()
    else:
        go_on.set()
    finish(dock)
    assert not [layer for layer in viewer.layers if layer.name.startswith("running")]
    assert workspace.velocity is result
    if ending != "result":
        assert [(str(each.unique_id), each.visible) for each in viewer.layers] == layers
    assert [each.visible for each in viewer.layers] == [visible for _, visible in layers]


def test_a_real_fit_shows_itself_and_the_window_stays_awake(dock, viewer, monkeypatch, qtbot, finish, tiny_steer):
    monkeypatch.setattr("napari_tissue_dynamics.steer.overall_progress.PREVIEW_SECONDS", 0.2)
    beats, timer = [], QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: beats.append(dock.is_running))
    dock.form.set_value(replace(tiny_steer, velocity_epochs=100000, patience=100000))
    dock.start()
    qtbot.waitUntil(lambda: "running: latent time" in viewer.layers)
    assert viewer.layers["running: latent time"].visible
    assert not viewer.layers["cells"].visible
    first = np.array(viewer.layers["running: latent time"].face_color)
    timer.start()
    qtbot.waitUntil(lambda: len(beats) > 30)
    timer.stop()
    qtbot.waitUntil(lambda: not np.array_equal(viewer.layers["running: latent time"].face_color, first))
    dock.stop()
    finish(dock)
    assert [layer.name for layer in viewer.layers if layer.visible and not layer.name.startswith("histology")] == [
        "cells"
    ]


# -- state and model --------------------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on(dock, workspace, file, qtbot, finish, tiny_steer):
    state = file.with_suffix(".steer.safetensors")
    dock.form.set_value(replace(tiny_steer, velocity_epochs=200, patience=200))
    assert not dock.resume_button.isVisibleTo(dock)
    dock.start()
    qtbot.waitUntil(lambda: dock.panel.status.text().startswith("velocity"))
    dock.stop()
    finish(dock)
    assert state.is_file()
    assert dock.resume_button.isVisibleTo(dock)
    dock.form.set_value(replace(tiny_steer, velocity_epochs=150, patience=200))
    dock.resume_button.click()
    finish(dock)
    assert dock.form.steer.value().velocity_epochs == 200  # a run goes on with the settings that it began with
    assert not dock.message.text()
    assert workspace.velocity is not None
    assert not state.exists()
    assert not dock.resume_button.isVisibleTo(dock)


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_state_is_not_given_up_unasked(dock, file, calls, monkeypatch, finish, answer):
    state = file.with_suffix(".steer.safetensors")
    state.write_bytes(b"weeks of work")
    dock._refresh()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: getattr(QMessageBox.StandardButton, answer))
    dock.panel.button.click()
    finish(dock)
    assert len(calls) == (answer == "Yes")
    assert state.exists() == (answer == "No")


def test_where_the_state_is_kept(dock, workspace, tissue, file, calls, finish):
    dock.start()
    finish(dock)
    dock.files.keep.setChecked(False)
    dock.start()
    finish(dock)
    assert [given["checkpoint"] for given in calls] == [file.with_suffix(".steer.safetensors"), None]
    assert file.with_suffix("").name in dock.files.keep.toolTip() or dock.files.keep.isEnabled()
    workspace.set_tissue(tissue)
    assert not dock.files.keep.isEnabled()
    assert "no file" in dock.files.words.text()
    assert dock.files.state() is None


def test_a_model_is_saved_and_applied(dock, viewer, workspace, tissue, tmp_path, monkeypatch, finish):
    assert not dock.files.save_button.isEnabled()
    assert "Fit it with STEER first" in dock.files.save_button.toolTip()
    dock.start()
    finish(dock)
    assert not dock.message.text()
    trained = workspace.velocity
    target = tmp_path / "my model.safetensors"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    dock.files.save_button.click()
    assert target.stat().st_size > 1000
    workspace.set_tissue(tissue)
    assert workspace.velocity_model is None
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(target), ""))
    dock.files.apply_button.click()
    finish(dock)
    assert not dock.message.text()
    applied = workspace.velocity
    assert applied.field.genes == trained.field.genes
    np.testing.assert_array_equal(applied.field.time, apply_model(target, tissue).time)
    assert viewer.layers["velocity"].visible


def test_a_model_that_does_not_fit_is_refused_in_a_sentence(dock, workspace, model, fitted, tissue, tmp_path, finish):
    kept = [i for i, gene in enumerate(tissue.genes) if gene != fitted.field.genes[0]]
    genes = tuple(tissue.genes[i] for i in kept)
    workspace.set_tissue(
        tissue.with_(genes=genes, spliced=tissue.spliced[:, kept], unspliced=tissue.unspliced[:, kept], expression=None)
    )
    dock.apply(model)
    finish(dock)
    assert f"lacks 1 of the 40 genes used in the fit: {fitted.field.genes[0]}" in dock.message.text()
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"nothing")
    dock.apply(other)
    finish(dock)
    assert "cannot be read" in dock.message.text()
    assert workspace.velocity is None


def test_a_model_cannot_be_written_everywhere(dock, fitted, model, tmp_path):
    dock.show_result(fitted, None, model)
    dock.files.save_requested.emit(tmp_path / "nowhere" / "m.safetensors")
    assert "cannot be written" in dock.message.text()
    dock.files.save_requested.emit(model)
    assert not dock.message.text()


def test_models_of_a_workspace_go_with_it(qapp, viewer):
    import gc

    from napari_tissue_dynamics.widgets.state.workspace import Workspace

    workspace = Workspace()
    first = workspace.new_model()
    first.write_bytes(b"a")
    workspace.velocity_model = first
    second = workspace.new_model()
    assert second != first
    assert first.exists()  # it belongs to the present velocity
    second.write_bytes(b"b")
    workspace.new_model()
    assert not second.exists()
    del workspace
    gc.collect()
    assert not first.parent.exists()
