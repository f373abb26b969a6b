"""The Explore dock, driven with keys and the mouse."""

from dataclasses import replace

import anndata
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QScrollArea

from napari_tissue_dynamics.data.fate_result import FateResult
from napari_tissue_dynamics.data.io import write_h5ad
from napari_tissue_dynamics.data.io.file_contents import contents, obs_column
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.layers.coloring import CategoryColoring, Values, coloring_of
from napari_tissue_dynamics.layers.colors import MISSING_COLOR, color_table, hex_to_rgba
from napari_tissue_dynamics.layers.legend import largest
from napari_tissue_dynamics.layers.points import cell_points
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.coloring_view import show_coloring
from napari_tissue_dynamics.widgets.docks.explore import ExploreDock
from napari_tissue_dynamics.widgets.forms.search_box import ENTRY
from napari_tissue_dynamics.widgets.panels.category_panel import NAME
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue

KEYS = {"down": Qt.Key.Key_Down, "up": Qt.Key.Key_Up, "enter": Qt.Key.Key_Return, "space": Qt.Key.Key_Space}


@pytest.fixture(scope="module")
def rich_file(tissue_file, tissue, tmp_path_factory):
    """The small tissue with a numeric column that lacks some values."""
    adata = anndata.read_h5ad(tissue_file)
    score = np.arange(tissue.n_cells, dtype=float)
    score[::10] = np.nan
    adata.obs["score"] = score
    path = tmp_path_factory.mktemp("rich") / "rich.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture
def dock(open_dock, viewer, workspace, tissue, rich_file, qtbot):
    workspace.set_tissue(OpenedTissue(tissue, rich_file, contents(rich_file)))
    _viewer.show(viewer, workspace, cell_points(tissue))
    explore = open_dock(ExploreDock)
    explore.resize(320, 600)
    explore.show()
    explore.activateWindow()
    explore.search.line.setFocus()
    qtbot.waitUntil(explore.search.line.hasFocus)
    return explore


@pytest.fixture
def look_at(dock, qtbot):
    """Return a function that types into the search, presses keys and waits for the colors."""

    def typed(text, *keys):
        qtbot.keyClick(dock.search.line, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        qtbot.keyClicks(dock.search.line, text)
        for key in (*keys, "enter"):
            qtbot.keyClick(dock.search.line, KEYS[key])
        qtbot.waitUntil(lambda: not dock.fetcher.is_busy)
        return next((layer for layer in dock.viewer.layers if layer.name == "explore"), None)

    return typed


def item(dock, name):
    tree = dock.categories.tree
    items = [tree.topLevelItem(k) for k in range(tree.topLevelItemCount())]
    return next(each for each in items if each.data(0, NAME) == name)


def test_typing_and_enter_color_the_cells_in_one_layer(dock, look_at, viewer, tissue):
    layer = look_at(tissue.genes[5])
    values = tissue.expression[:, 5]
    np.testing.assert_array_equal(layer.face_color[values.argmax()], color_table("dusk")[-1])
    np.testing.assert_array_equal(layer.face_color[values.argmin()], color_table("dusk")[0])
    np.testing.assert_array_equal(layer.face_color, layer.border_color)
    assert not viewer.layers["cells"].visible
    assert dock.workspace.coloring.title == tissue.genes[5]
    before = layer.face_color.copy()
    again = look_at("score")
    assert again.unique_id == layer.unique_id  # no layer per choice
    assert not np.array_equal(before, again.face_color)
    np.testing.assert_allclose(again.face_color[::10], np.tile(MISSING_COLOR, (25, 1)))
    assert "25 cells have no value (gray)" in dock.values.note.text()
    assert dock.values.isVisible()
    look_at(tissue.cell_types.name)
    assert dock.categories.isVisible()
    assert len([each for each in viewer.layers if each.name == "explore"]) == 1


def test_arrows_move_in_the_list_while_the_cursor_stays_in_the_line(dock, look_at, tissue, qtbot):
    name = tissue.genes[0][:2]
    qtbot.keyClicks(dock.search.line, name)
    assert dock.search.list.count() == sum(name.lower() in gene.lower() for gene in tissue.genes) == 3
    second = dock.search.list.item(1).data(ENTRY)
    look_at(name, "down", "down", "down", "up")  # the end of the list is an end
    assert dock.entry == second


def test_recent_and_pinned_entries_come_first(dock, look_at, tissue, qtbot):
    for gene in (tissue.genes[3], tissue.genes[8]):
        look_at(gene)
    qtbot.keyClick(dock.search.line, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    look_at(tissue.genes[4])
    qtbot.keyClick(dock.search.line, Qt.Key.Key_Escape)
    first = [dock.search.list.item(k).text() for k in range(3)]
    assert [text.split()[0] for text in first] == [tissue.genes[8], tissue.genes[4], tissue.genes[3]]
    assert ["pinned" in text for text in first] == [True, False, False]
    assert "recent" in first[1]


def test_betas_are_found_by_both_genes_and_follow_a_new_fit(dock, look_at, tissue, workspace, rng, qtbot):
    target, modulator = tissue.genes[1], tissue.genes[2]
    betas = rng.normal(size=(2, tissue.n_cells, 2)).astype(np.float32)
    workspace.set_regulation(RegulationField((GeneFit(target, (modulator,), betas[0]),)))
    layer = look_at(f"{modulator} {target}")
    assert dock.entry.name == f"{target} ← {modulator}"
    assert workspace.coloring.scale.low == -workspace.coloring.scale.high
    top = betas[:, :, 1].argmax(axis=1)
    np.testing.assert_array_equal(layer.face_color[top[0]], color_table("balance")[-1])
    workspace.set_regulation(RegulationField((GeneFit(target, (modulator,), betas[1]),)))
    qtbot.waitUntil(lambda: not dock.fetcher.is_busy)
    np.testing.assert_array_equal(layer.face_color[top[1]], color_table("balance")[-1])


def test_limits_follow_the_mouse_and_the_keys(dock, look_at, workspace, qtbot):
    layer = look_at("score")
    bar = dock.values.range
    high = workspace.coloring.scale.high
    y = bar.height() // 2
    qtbot.mousePress(bar, Qt.MouseButton.LeftButton, pos=QPoint(round(bar.place(high)), y))
    qtbot.mouseMove(bar, QPoint(round(bar.place(100.0)), y))
    qtbot.mouseRelease(bar, Qt.MouseButton.LeftButton, pos=QPoint(round(bar.place(100.0)), y))
    assert abs(workspace.coloring.scale.high - 100) < 2
    assert abs(dock.values.high.value() - 100) < 2
    assert dock.values.clip.currentIndex() == 0
    top = color_table("dusk")[-1]
    qtbot.waitUntil(lambda: np.array_equal(layer.face_color[111], top))
    bar.setFocus()
    low = workspace.coloring.scale.low
    qtbot.keyClick(bar, Qt.Key.Key_Right)
    assert workspace.coloring.scale.low > low
    before = workspace.coloring.scale.high
    qtbot.keyClick(bar, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert workspace.coloring.scale.high < before
    qtbot.mouseDClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(5, y))
    assert workspace.coloring.scale.high == high


def test_limits_percentiles_and_map_can_be_chosen(dock, look_at, workspace, tissue, qtbot):
    layer = look_at("score")
    finite = np.flatnonzero(np.arange(tissue.n_cells) % 10).astype(float)
    dock.values.clip.setFocus()
    qtbot.keyClicks(dock.values.clip, "5 to")
    dock.values.clip.activated.emit(dock.values.clip.currentIndex())
    np.testing.assert_allclose(workspace.coloring.scale.high, np.percentile(finite, 95), rtol=1e-5)
    dock.values.high.setFocus()
    dock.values.high.selectAll()
    qtbot.keyClicks(dock.values.high, "50")
    qtbot.keyClick(dock.values.high, Qt.Key.Key_Return)
    assert workspace.coloring.scale.high == 50
    dock.values.map.setFocus()
    qtbot.keyClicks(dock.values.map, "viridis")
    dock.values.map.activated.emit(dock.values.map.currentIndex())
    qtbot.waitUntil(lambda: np.array_equal(layer.face_color[61], color_table("viridis")[-1]))
    look_at(tissue.genes[5])
    assert workspace.coloring.scale.colormap == "viridis"  # not asked twice


def test_categories_are_hidden_isolated_and_brought_back_with_keys(dock, look_at, workspace, tissue, qtbot):
    types = tissue.cell_types
    layer = look_at(types.name)
    tree = dock.categories.tree
    tree.setFocus()
    tree.setCurrentItem(item(dock, types.categories[1]))
    seen = lambda: layer.face_color[:, 3] > 0  # noqa: E731
    qtbot.keyClick(tree, Qt.Key.Key_Space)
    np.testing.assert_array_equal(seen(), types.codes != 1)
    assert f"{int((types.codes == 1).sum())} of {tissue.n_cells} cells hidden" in dock.hidden.text()
    qtbot.keyClick(tree, Qt.Key.Key_Return)
    np.testing.assert_array_equal(seen(), types.codes == 1)
    look_at(tissue.genes[5])  # hidden cells stay hidden under other colors
    np.testing.assert_array_equal(seen(), types.codes == 1)
    qtbot.keyClick(dock.search.line, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(seen(), types.codes != 1)
    qtbot.mouseClick(dock.undo, Qt.MouseButton.LeftButton)
    assert seen().all()
    assert not dock.hidden.isVisible()
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(dock.search.line, Qt.Key.Key_Z, both)
    np.testing.assert_array_equal(seen(), types.codes != 1)
    look_at(types.name)
    qtbot.mouseClick(dock.categories.all, Qt.MouseButton.LeftButton)
    assert seen().all()


def test_a_double_click_isolates_and_brings_back(dock, look_at, tissue, qtbot):
    types = tissue.cell_types
    layer = look_at(types.name)
    tree = dock.categories.tree

    def double_click():
        place = tree.visualItemRect(item(dock, types.categories[0])).center()
        qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=place)

    double_click()
    np.testing.assert_array_equal(layer.face_color[:, 3] > 0, types.codes == 0)
    double_click()
    assert (layer.face_color[:, 3] > 0).all()


def test_colors_can_be_changed_and_taken_back(dock, look_at, viewer, workspace, tissue, qtbot, monkeypatch, tmp_path):
    types = tissue.cell_types
    layer = look_at(types.name)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#123456"))
    tree = dock.categories.tree
    tree.setFocus()
    tree.setCurrentItem(item(dock, types.categories[2]))
    qtbot.keyClick(tree, Qt.Key.Key_C)
    qtbot.waitUntil(lambda: not dock.fetcher.is_busy)
    cell = int(np.flatnonzero(types.codes == 2)[0])
    for each in (layer, viewer.layers["cells"]):
        np.testing.assert_allclose(each.face_color[cell], hex_to_rgba("#123456"))
    assert isinstance(workspace.coloring, CategoryColoring)
    swatch = item(dock, types.categories[2]).icon(0).pixmap(8).toImage().pixelColor(2, 2).getRgb()[:3]
    np.testing.assert_allclose(swatch, (0x12, 0x34, 0x56), atol=8)  # some screens have few colors
    path = tmp_path / "saved.h5ad"
    write_h5ad(path, tissue, source=workspace.source, palettes=workspace.palettes)
    assert obs_column(path, types.name).colors == (*types.colors[:2], "#123456")
    workspace.undo.undo()
    qtbot.waitUntil(lambda: not dock.fetcher.is_busy)
    for each in (layer, viewer.layers["cells"]):
        np.testing.assert_allclose(each.face_color[cell], hex_to_rgba(types.colors[2]))


def test_what_cannot_be_read_is_said_in_one_sentence(dock, look_at, viewer, workspace, tissue, tmp_path):
    look_at(tissue.genes[5])
    workspace.source = tmp_path / "gone.h5ad"
    look_at("score")
    assert "gone.h5ad" in dock.message.text()
    assert dock.entry.name == tissue.genes[5]  # nothing is lost
    assert workspace.coloring.title == tissue.genes[5]


def test_another_tissue_starts_anew_and_none_says_so(open_dock, dock, look_at, workspace, tissue):
    look_at(tissue.genes[5])
    workspace.set_tissue(tissue.select_cells(np.arange(100)))
    assert (dock.entry, workspace.coloring) == (None, None)
    assert not dock.values.isVisible()
    layer = look_at(tissue.genes[6])
    assert len(layer.data) == 100


def test_without_a_tissue_there_is_nothing_to_search(open_dock, workspace):
    dock = open_dock(ExploreDock)
    assert not dock.search.line.isEnabled()
    assert dock.title.text() == "Load a tissue first."


def test_a_deleted_layer_comes_back_when_it_is_worked_with_and_not_before(dock, look_at, viewer, workspace, tissue):
    types = tissue.cell_types
    first = look_at(types.name)
    viewer.layers.remove(first)
    workspace.regulation_changed.emit()
    assert [layer.name for layer in viewer.layers] == ["cells"]
    viewer.layers["cells"].visible = True
    dock.categories.isolate(item(dock, types.categories[0]))
    assert [layer.name for layer in viewer.layers if layer.visible] == ["explore"]
    viewer.layers["explore"].visible = False
    workspace.undo.undo()
    assert viewer.layers["explore"].visible
    assert (viewer.layers["explore"].face_color[:, 3] > 0).all()


@pytest.mark.parametrize("kind", ["value", "category", "nothing"])
def test_everything_fits_into_320_pixels(dock, look_at, workspace, tissue, kind, qtbot):
    types = tissue.cell_types
    long = replace(types, categories=tuple(f"{name} of a very long name " * 3 for name in types.categories))
    if kind == "value":
        look_at("score")
    elif kind == "category":
        workspace.set_tissue(OpenedTissue(tissue.with_(cell_types=long), workspace.source, workspace.contents))
        look_at(long.name)
    fields = (dock.values.low, dock.values.clip, dock.values.map) if kind == "value" else ()
    qtbot.waitUntil(lambda: all(field.height() >= field.sizeHint().height() - 2 for field in fields))  # not squeezed
    assert dock.width() == 320
    assert dock.findChild(QScrollArea).horizontalScrollBar().maximum() == 0


def test_fates_are_offered_and_come_and_go(dock, look_at, workspace, tissue, rng):
    n = tissue.n_cells
    probabilities = rng.dirichlet([1, 1], n).astype(np.float32)
    codes = np.where(probabilities[:, 0] > 0.95, 0, -1).astype(np.int32)
    terminal = Labels("terminal_states", codes, ("skin", "gut"), ("#ff0000", "#0000ff"))
    workspace.set_fate(FateResult(terminal, probabilities))
    layer = look_at("fate gut")
    np.testing.assert_allclose(layer.face_color[probabilities[:, 1].argmax()], color_table("dusk")[-1], atol=0.02)
    layer = look_at("terminal states")
    np.testing.assert_array_equal(layer.face_color[codes == 0][0], hex_to_rgba("#ff0000"))
    workspace.set_fate(None)
    dock.search.line.setText("fate gut")
    assert dock.search.list.count() == 0


def test_colors_of_another_dock_are_shown_with_their_own_legend(dock, look_at, viewer, workspace, tissue, qtbot):
    layer = look_at(tissue.genes[5])
    values = Values(np.linspace(-3, 3, tissue.n_cells).astype(np.float32), signed=True)
    show_coloring(viewer, workspace, coloring_of("cosine", values))
    assert viewer.layers["explore"].unique_id == layer.unique_id
    assert "cosine" in dock.title.text()
    assert tissue.genes[5] not in dock.title.text()
    workspace.regulation_changed.emit()
    qtbot.waitUntil(lambda: not dock.fetcher.is_busy)
    assert workspace.coloring.title == "cosine"  # what was chosen here before does not come back by itself
    qtbot.keyClick(dock.values.range, Qt.Key.Key_Right)
    assert workspace.coloring.scale.low > -3


def test_a_column_of_barcodes_is_listed_in_part_and_isolated_as_a_whole(dock, look_at, workspace, tissue, qtbot):
    n = tissue.n_cells
    codes = np.minimum(np.arange(n), n - 3).astype(np.int32)  # the last three cells share one
    many = Labels("barcode", codes, tuple(f"b{i}" for i in range(n - 2)))
    workspace.set_tissue(tissue.with_(cell_types=many))
    look_at("barcode")
    tree = dock.categories.tree
    assert tree.topLevelItemCount() == n - 2
    assert not dock.categories.more.isVisible()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "napari_tissue_dynamics.widgets.panels.category_panel.largest", lambda entries: largest(entries, 20)
        )
        look_at("barcode")
        assert tree.topLevelItemCount() == 20
        assert dock.categories.more.text().startswith(f"20 of {n - 2} categories")
        dock.categories.isolate(item(dock, f"b{n - 3}"))
        assert np.flatnonzero(workspace.shown_cells).tolist() == [n - 3, n - 2, n - 1]
        tree.setFocus()
        tree.setCurrentItem(item(dock, "b4"))
        qtbot.keyClick(tree, Qt.Key.Key_Space)  # those that are not listed stay hidden
        assert np.flatnonzero(workspace.shown_cells).tolist() == [4, n - 3, n - 2, n - 1]
        dock.categories.isolate(item(dock, "b4"))
        dock.categories.isolate(item(dock, "b4"))
        assert workspace.shown_cells is None
