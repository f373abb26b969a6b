import csv
import io
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_tissue_dynamics.analysis.regulation.beta_report import beta_report
from napari_tissue_dynamics.analysis.regulation.modulator_values import ModulatorValues
from napari_tissue_dynamics.data.fate_result import FateResult
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField, modulator_in_words
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.fates import fate_colors
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.docks.inspector import InspectorDock, bars_of
from napari_tissue_dynamics.widgets.plots.share_bars import Bar
from napari_tissue_dynamics.widgets.plots.table import Column, ValueTable, plain
from napari_tissue_dynamics.workflow.results import VelocityResult

GENES = ("Sox2", "Pax6", "Wnt5a", "Fzd2", "Axin2")
MODULATORS = ("Sox2", "Pax6", "Wnt5a$Fzd2", "Wnt5a#Sox2")


def tissue_of(n):
    rng = np.random.default_rng(1)
    return Tissue(
        tuple(f"c{i}" for i in range(n)), GENES, rng.random((n, 2)) * 10 * np.sqrt(n),
        expression=rng.gamma(1.0, 1.0, (n, 5)).astype(np.float32) + 0.1, unit="um",
        cell_types=Labels("kind", (np.arange(n) % 2).astype(np.int32), ("left", "right")),
    )  # fmt: skip


def regulation_of(n):
    betas = np.random.default_rng(2).normal(size=(n, 5)).astype(np.float32)
    return RegulationField((GeneFit("Axin2", MODULATORS, betas), GeneFit("Other", ("Pax6",), betas[:, :2].copy())))


def velocity_of(n):
    rng = np.random.default_rng(3)
    arrays = [rng.random((n, 5)).astype(np.float32) for _ in range(4)]
    weight = rng.dirichlet(np.ones(3), n).astype(np.float32)
    field = VelocityField(
        GENES, *arrays, time=rng.random(n).astype(np.float32),
        expert_probability=weight,
    )  # fmt: skip
    return VelocityResult(field, np.zeros((n, 2), np.float32), None, np.ones(n, np.float32))


@pytest.fixture
def dock(open_dock, workspace, qtbot):
    dock = open_dock(InspectorDock)
    workspace.set_tissue(tissue_of(80))
    workspace.set_regulation(regulation_of(80), TravlrConfig())
    workspace.set_velocity(velocity_of(80))
    dock.show()
    return dock


def typed(dock, qtbot, text):
    dock.cell.clear()
    qtbot.keyClicks(dock.cell, text)
    qtbot.keyClick(dock.cell, Qt.Key.Key_Return)


def waited(dock, qtbot):
    qtbot.waitUntil(lambda: bool(dock.betas.table.shown()))


def test_a_cell_is_found_by_name_and_told_in_full(dock, workspace, qtbot, viewer):
    typed(dock, qtbot, "c17")
    waited(dock, qtbot)
    assert workspace.current_cell == 17
    assert "c17" in dock.header.text()
    assert "right" in dock.header.text()
    field = workspace.velocity.field
    bars = {bar.name: bar.value for bar in dock.experts.bars}
    assert bars["latent time"] == pytest.approx(field.time[17])
    assert bars["expert 2"] == pytest.approx(field.expert_probability[17, 2])
    expected = beta_report(
        workspace.tissue, workspace.regulation["Axin2"],
        ModulatorValues.of(workspace.tissue, workspace.regulation["Axin2"], TravlrConfig()), 17,
    )  # fmt: skip
    assert [row[:3] for row in dock.betas.table.shown()] == [
        (modulator_in_words(row.modulator), row.share, row.beta) for row in expected.rows
    ]
    relative = field.spliced[17] / field.moments_spliced.std(axis=0)
    assert dock.genes.shown()[0][0] == GENES[int(np.abs(relative).argmax())]
    ring = np.asarray(viewer.layers["inspected cell"].data)[:, 0]
    np.testing.assert_allclose(ring.mean(axis=0), workspace.tissue.positions[17][::-1], atol=0.5)


@pytest.mark.parametrize("text", ["nobody", "80", ""])
def test_a_cell_that_is_not_there_gives_a_sentence(dock, workspace, qtbot, text):
    typed(dock, qtbot, text)
    assert workspace.current_cell is None
    assert "numbers" not in dock.message.text()
    assert "from 0 to 79" in dock.message.text()


def test_without_a_tissue_there_is_a_sentence(open_dock, qtbot):
    dock = open_dock(InspectorDock)
    typed(dock, qtbot, "c1")
    assert "Load a file first" in dock.message.text()
    assert "Click a cell" in dock.header.text()


def test_table_is_sorted_and_filtered_by_keys(dock, workspace, qtbot):
    workspace.pick(3)
    waited(dock, qtbot)
    qtbot.keyClick(dock.betas.table, Qt.Key.Key_3)  # by the beta, without its sign
    sizes = [abs(row[2]) for row in dock.betas.table.shown()]
    assert sizes == sorted(sizes, reverse=True)
    qtbot.keyClick(dock.betas.table, Qt.Key.Key_3)
    assert [abs(row[2]) for row in dock.betas.table.shown()] == sizes[::-1]
    qtbot.keyClicks(dock.betas.kind, "ligand-rec")
    dock.betas.kind.textActivated.emit(dock.betas.kind.currentText())
    assert [row[0] for row in dock.betas.table.shown()] == ["Wnt5a \N{EN DASH} Fzd2"]
    dock.betas.kind.setCurrentIndex(0)
    qtbot.keyClicks(dock.betas.search, "sox")
    assert {row[0] for row in dock.betas.table.shown()} == {"Sox2", "Wnt5a → Sox2"}


def test_enter_maps_the_beta(dock, workspace, viewer, qtbot):
    workspace.pick(3)
    waited(dock, qtbot)
    dock.betas.table.go_to("Pax6")
    qtbot.keyClick(dock.betas.table, Qt.Key.Key_Return)
    layer = viewer.layers["beta Axin2 ← Pax6"]
    np.testing.assert_array_equal(layer.features["beta Axin2 ← Pax6"], workspace.regulation["Axin2"].beta("Pax6"))
    assert viewer.layers["inspected cell"].visible


def test_senders_follow_the_cell_and_go_when_they_are_not_wanted(dock, workspace, viewer, qtbot):
    workspace.pick(3)
    waited(dock, qtbot)
    dock.betas.table.go_to("Pax6")
    assert not dock.betas.senders_button.isEnabled()
    dock.betas.table.go_to("Wnt5a \N{EN DASH} Fzd2")
    camera = viewer.scene.camera
    camera.zoom = 1e-4
    qtbot.mouseClick(dock.betas.senders_button, Qt.MouseButton.LeftButton)
    rings = np.asarray(viewer.layers["reach of the signal"].data)
    assert 200 < np.ptp(rings[:, 0, 0]) * camera.zoom < 400  # near enough to be seen, in pixels
    np.testing.assert_allclose(camera.center[-2:], workspace.tissue.positions[3][::-1], rtol=1e-5)
    for cell in (3, 40):
        workspace.pick(cell)
        edges = np.asarray(viewer.layers["senders"].data)
        np.testing.assert_allclose(
            edges.sum(axis=1), np.tile(workspace.tissue.positions[cell][::-1], (len(edges), 1)), atol=1e-3
        )
        assert cell not in viewer.layers["senders"].metadata[PLUGIN]["cells"]
    assert "Wnt5a" in dock.betas.senders_words.text()
    qtbot.mouseClick(dock.betas.senders_button, Qt.MouseButton.LeftButton)
    assert not {"senders", "reach of the signal"} & {layer.name for layer in viewer.layers}
    assert not dock.betas.senders_words.text()


def test_a_pinned_cell_is_compared_copied_and_saved(dock, workspace, qtbot, monkeypatch, tmp_path):
    workspace.pick(5)
    waited(dock, qtbot)
    qtbot.mouseClick(dock.pin_button, Qt.MouseButton.LeftButton)
    workspace.pick(6)
    assert "c5" in dock.header.text()
    theirs = {bar.name: bar.other for bar in dock.experts.bars}
    assert theirs["latent time"] == pytest.approx(workspace.velocity.field.time[5])
    by_name = {row[0]: row for row in dock.betas.table.shown()}
    assert by_name["Pax6"][7] == pytest.approx(workspace.regulation["Axin2"].beta("Pax6")[5])
    qtbot.mouseClick(dock.copy_button, Qt.MouseButton.LeftButton)
    copied = QApplication.clipboard().text()
    assert "cell\tc6\tc5" in copied
    assert "Wnt5a \N{EN DASH} Fzd2" in copied
    path = tmp_path / "two.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    qtbot.mouseClick(dock.save_button, Qt.MouseButton.LeftButton)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert {row["cell"] for row in rows} == {"c5", "c6"}
    assert len(rows) == 2 * len(MODULATORS)
    one = next(row for row in rows if row["cell"] == "c6" and row["modulator"] == "Pax6")
    assert float(one["beta"]) == pytest.approx(workspace.regulation["Axin2"].beta("Pax6")[6])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "where.csv"), ""))
    qtbot.mouseClick(dock.save_button, Qt.MouseButton.LeftButton)
    assert "cannot be written" in dock.message.text()
    qtbot.mouseClick(dock.pin_button, Qt.MouseButton.LeftButton)
    assert "c5" not in dock.header.text()


def test_enter_on_a_gene_shows_its_portrait(dock, workspace, qtbot):
    workspace.pick(5)
    waited(dock, qtbot)
    last = dock.genes.shown()[-1][0]
    dock.genes.go_to(last)
    qtbot.keyClick(dock.genes, Qt.Key.Key_Return)
    assert dock.portrait.gene == last


def test_fates_are_bars_in_the_colors_of_their_layers(dock, workspace, qtbot):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(2), 80).astype(np.float32)
    probabilities[9] = np.nan
    terminal = Labels("terminal", np.full(80, -1, np.int32), ("glia", "neuron"), ("#111111", "#222222"))
    fate = FateResult(terminal, probabilities)
    workspace.set_fate(fate)
    workspace.pick(4)
    waited(dock, qtbot)
    colors = dict(zip(fate.names, fate_colors(fate, workspace.tissue.cell_types), strict=True))
    assert {bar.name: (bar.value, bar.color) for bar in dock.fates.bars} == {
        name: (pytest.approx(probabilities[4, k]), colors[name]) for k, name in enumerate(fate.names)
    }
    assert dock.fates.bars[0].value >= dock.fates.bars[1].value
    workspace.pick(9)
    assert dock.fates.bars == ()


def test_a_new_tissue_empties_the_dock(dock, workspace, qtbot):
    workspace.pick(5)
    waited(dock, qtbot)
    workspace.set_tissue(tissue_of(30))
    assert not dock.betas.table.shown()
    assert not dock.experts.bars
    assert "Click a cell" in dock.header.text()
    workspace.pick(29)
    qtbot.waitUntil(lambda: "c29" in dock.header.text())
    assert dock.regulation.isHidden()


def test_betas_of_another_tissue_give_a_sentence(dock, workspace, qtbot):
    workspace.set_regulation(regulation_of(79), TravlrConfig())
    workspace.pick(5)
    qtbot.waitUntil(lambda: bool(dock.message.text()))
    assert "79 cells but the tissue has 80" in dock.message.text()


def test_a_click_is_answered_within_a_tenth_of_a_second_in_a_hundred_thousand_cells(dock, workspace, qtbot):
    n = 100_000
    workspace.set_tissue(tissue_of(n))
    workspace.set_regulation(regulation_of(n), TravlrConfig())
    workspace.set_velocity(velocity_of(n))
    workspace.pick(1)
    qtbot.waitUntil(lambda: bool(dock.betas.table.shown()))
    took = []
    for cell in (2, 50_000, 99_999):
        start = time.thread_time()
        workspace.pick(cell)
        took.append(time.thread_time() - start)
        assert f"c{cell}<" in dock.header.text()
    assert min(took) < 0.1


def test_a_type_without_a_model_is_told(dock, workspace, qtbot):
    betas = np.zeros((80, 2), np.float32)
    betas[:, 0] = 0.25
    workspace.set_regulation(RegulationField((GeneFit("Axin2", ("Pax6",), betas),)), TravlrConfig())
    workspace.pick(3)
    waited(dock, qtbot)
    assert "No modulator explains Axin2" in dock.betas.words.text()


def test_bars_that_cannot_be_seen_are_added_up():
    from napari_tissue_dynamics.analysis.cells.cell_report import Share

    shares = [Share(f"expert {k}", value) for k, value in enumerate([0.5, 0.004, 0.3, *[0.0196] * 10])]
    bars = bars_of(shares, ())
    assert len(bars) == 9
    assert bars[-1].name == "5 others"
    assert sum(bar.value for bar in bars) == pytest.approx(1, abs=1e-3)
    assert Bar("a", 0.5, "#000000", 0.7).words == "a 0.50, in the pinned cell 0.70"


def test_unknown_numbers_come_last_and_are_left_out_of_the_csv(qtbot):
    table = ValueTable("t", (Column("name", "n"), Column("x", "x", plain)), "tip")
    qtbot.addWidget(table)
    table.show_rows([("a", 1.0), ("b", float("nan")), ("c", 3.0)])
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert [row[0] for row in table.shown()] == ["c", "a", "b"]
    assert table.texts()[-1] == ["b", "n/a"]
    assert table.as_csv() == "name,x\nc,3.0\na,1.0\nb,\n"
