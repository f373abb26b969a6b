import csv
import io

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from scipy.stats import mannwhitneyu

from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.docks.regions import RegionsDock
from napari_tissue_dynamics.widgets.panels.region_rows import BETAS, GENES, TYPES

LAYER = "regions (draw here)"


@pytest.fixture
def dock(open_dock, workspace, tissue):
    dock = open_dock(RegionsDock)
    workspace.set_tissue(tissue)
    betas = np.random.default_rng(0).normal(size=(tissue.n_cells, 3)).astype(np.float32)
    betas[:, 2] += (tissue.positions[:, 0] > np.median(tissue.positions[:, 0])) * 5
    workspace.set_regulation(RegulationField((GeneFit("Axin2", ("A", "B"), betas),)), TravlrConfig())
    dock.show()
    return dock


def drawn(dock, viewer, qtbot, left, right):
    """Draw a rectangle over all heights, between two places along x, as the mouse does on the layer."""
    qtbot.mouseClick(dock.list.draw_button, Qt.MouseButton.LeftButton)
    layer = viewer.layers[LAYER]
    assert str(layer.mode) == "add_polygon_lasso"
    assert viewer.layers.selection.active == layer
    layer.add(np.array([[-1e4, left], [-1e4, right], [1e4, right], [1e4, left]]), shape_type="polygon")
    return layer


def test_every_drawn_shape_is_a_region_and_the_selection(dock, viewer, workspace, tissue, qtbot):
    middle = float(np.median(tissue.positions[:, 0]))
    assert "Draw a region first" in dock.panel.button.toolTip()
    layer = drawn(dock, viewer, qtbot, -1e4, middle)
    left = tissue.positions[:, 0] < middle
    assert [region.name for region in dock.list.regions] == ["A"]
    np.testing.assert_array_equal(dock.list.regions[0].cells, left)
    np.testing.assert_array_equal(workspace.selection, left)
    drawn(dock, viewer, qtbot, middle, 1e4)
    assert [region.name for region in dock.list.regions] == ["A", "B"]
    assert list(layer.features["region"]) == ["A", "B"]
    assert dock.second.findText("B") > 0
    dock.list.names.setCurrentRow(0)
    np.testing.assert_array_equal(workspace.selection, left)
    qtbot.keyClick(dock.list.names, Qt.Key.Key_Delete)
    assert [region.name for region in dock.list.regions] == ["B"]
    assert len(layer.data) == 1
    np.testing.assert_array_equal(dock.list.regions[0].cells, tissue.positions[:, 0] > middle)


def test_regions_are_renamed_by_keys_and_names_occur_once(dock, viewer, qtbot):
    layer = drawn(dock, viewer, qtbot, -1e4, 0)
    drawn(dock, viewer, qtbot, 0, 1e4)
    names = dock.list.names
    names.setFocus()
    names.setCurrentRow(0)
    for typed, expected in (("tumor", "tumor"), ("B", "tumor")):
        names.editItem(names.item(0))
        editor = names.findChild(type(dock.search))
        editor.selectAll()
        qtbot.keyClicks(editor, typed)
        qtbot.keyClick(editor, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: names.findChild(type(dock.search)) is None)
        assert [region.name for region in dock.list.regions] == [expected, "B"]
        assert names.item(0).text() == expected
    assert "unique, non-empty name" in dock.message.text()
    assert list(layer.features["region"]) == ["tumor", "B"]


def test_regions_are_compared_mapped_and_saved(dock, viewer, workspace, tissue, qtbot, finish, monkeypatch, tmp_path):
    middle = float(np.median(tissue.positions[:, 0]))
    drawn(dock, viewer, qtbot, middle, 1e4)
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    inside = dock.list.regions[0].cells
    assert dock.found.n_a == inside.sum()
    expression = np.asarray(tissue.expression.todense() if hasattr(tissue.expression, "todense") else tissue.expression)
    name, _, rate = dock.table.shown()[0][:3]
    gene = tissue.gene_index(name)
    expected = mannwhitneyu(expression[inside, gene], expression[~inside, gene], method="asymptotic").pvalue
    assert dock.table.shown()[0][-1] == pytest.approx(expected)
    rates = [row[2] for row in dock.table.shown()]
    assert rates == sorted(rates)
    assert rates[0] == rate
    dock.table.setCurrentIndex(dock.table.model().index(0, 0))
    qtbot.keyClick(dock.table, Qt.Key.Key_Return)
    np.testing.assert_allclose(viewer.layers[name].features[name], expression[:, gene], rtol=1e-6)
    dock.shown.setCurrentText(BETAS)
    assert [row[0] for row in dock.table.shown()] == ["Axin2 ← B", "Axin2 ← A"]
    dock.table.go_to("Axin2 ← B")
    qtbot.keyClick(dock.table, Qt.Key.Key_Return)
    assert viewer.layers["beta Axin2 ← B"].visible
    assert name not in viewer.layers
    dock.shown.setCurrentText(TYPES)
    shares = {row[0]: row[1] for row in dock.table.shown()}
    labels = tissue.cell_types
    for k, kind in enumerate(labels.categories):
        assert shares[kind] == pytest.approx(100 * (labels.codes[inside] == k).mean())
    dock.shown.setCurrentText(GENES)
    qtbot.keyClicks(dock.search, name.lower())
    path = tmp_path / "genes.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    qtbot.mouseClick(dock.save_button, Qt.MouseButton.LeftButton)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert rows[0]["gene"] == name
    assert float(rows[0]["p"]) == pytest.approx(expected)
    assert set(rows[0]) >= {"mean A", "mean rest", "AUC"}


def test_selected_cells_and_shapes_of_the_person_are_taken(dock, viewer, workspace, tissue, qtbot):
    qtbot.mouseClick(dock.list.take_button, Qt.MouseButton.LeftButton)
    assert "No cells are selected" in dock.message.text()
    chosen = np.arange(tissue.n_cells) % 7 == 0
    workspace.select(chosen)
    qtbot.mouseClick(dock.list.take_button, Qt.MouseButton.LeftButton)
    np.testing.assert_array_equal(dock.list.regions[0].cells, chosen)
    middle = float(np.median(tissue.positions[:, 0]))
    own = np.array([[-1e4, -1e4], [-1e4, middle], [1e4, middle], [1e4, -1e4]])
    viewer.add_shapes([own / 2], shape_type="polygon", scale=(2, 2), name="my shapes")
    qtbot.mouseClick(dock.list.take_button, Qt.MouseButton.LeftButton)
    np.testing.assert_array_equal(dock.list.regions[1].cells, tissue.positions[:, 0] < middle)
    assert [region.name for region in dock.list.regions] == ["A", "B"]


def test_too_small_a_region_gives_a_sentence_and_a_new_tissue_takes_regions_away(
    dock, viewer, workspace, tissue, qtbot, finish
):
    drawn(dock, viewer, qtbot, 1e5, 1e6)
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    finish(dock)
    assert "A has 0 cells" in dock.message.text()
    assert dock.found is None
    workspace.set_tissue(tissue.select_cells(np.arange(40)))
    assert dock.list.regions == ()
    assert LAYER not in viewer.layers


def test_a_deleted_layer_keeps_the_regions_until_a_new_one_is_drawn(dock, viewer, tissue, qtbot):
    layer = drawn(dock, viewer, qtbot, -1e4, 1e4)
    viewer.layers.remove(layer)
    assert dock.list.regions[0].cells.all()
    drawn(dock, viewer, qtbot, -1e4, 0)
    assert dock.list.regions[-1].cells.sum() == (tissue.positions[:, 0] < 0).sum()
