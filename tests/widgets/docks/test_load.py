import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit

from napari_tissue_dynamics.data.io import read_h5ad, write_h5ad
from napari_tissue_dynamics.data.tissue import Labels, column
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.legend import CategoryLegend, ColorBar
from napari_tissue_dynamics.layers.points import value_points
from napari_tissue_dynamics.readers import read_layers
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.docks.load import LoadDock, colored_cells, summary


def load(dock, path, finish):
    dock.file.line.setText(str(path))
    dock.panel.button.click()
    finish(dock)


def test_load_button_draws_image_and_cells(open_dock, viewer, workspace, tissue, tissue_file, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    assert not dock.message.text()
    assert workspace.tissue.cells == tissue.cells
    assert workspace.source == tissue_file
    kinds = [type(layer).__name__ for layer in viewer.layers]
    assert kinds == ["Image", "Points"]
    np.testing.assert_allclose(viewer.layers["cells"].data, tissue.positions[:, ::-1], rtol=1e-5)
    assert viewer.canvas.overlays.scale_bar.visible
    assert str(viewer.layers["cells"].units[0]) in ("micrometer", "um")
    assert f"{tissue.n_cells:,} cells" in dock.summary.text()


def test_looking_fills_the_combos(open_dock, tissue, tissue_file, finish):
    dock = open_dock(LoadDock)
    dock.file.set_path(tissue_file)
    finish(dock)
    items = [dock.form.spliced.itemText(i) for i in range(dock.form.spliced.count())]
    assert {"spliced", "unspliced"} <= set(items)
    assert dock.form.spliced.currentText() == "spliced"
    assert dock.form.cell_type.currentText() == tissue.cell_types.name
    assert dock.form.value().cell_type == tissue.cell_types.name


def test_report_is_shown_for_good_and_for_broken_files(open_dock, workspace, tissue, tissue_file, tmp_path, finish):
    import anndata

    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    assert dock.report.text().startswith("Ready for STEER (about ")
    assert workspace.readiness.ready("velocity")
    broken = anndata.read_h5ad(tissue_file)
    broken.obs_names = ["same", "same", *broken.obs_names[2:]]
    path = tmp_path / "broken.h5ad"
    broken.write_h5ad(path)
    dock.file.set_path(path)
    finish(dock)
    assert dock.report.text().startswith("broken.h5ad: Not ready for model fitting.")
    assert dock.readiness.isExpanded()
    assert "obs_names_make_unique" in dock.details.toPlainText()
    assert workspace.readiness.ready("velocity")  # that of the tissue which is still loaded


def test_choices_reach_the_reader(open_dock, workspace, tissue_file, finish):
    dock = open_dock(LoadDock)
    dock.file.set_path(tissue_file)
    finish(dock)
    dock.form.spliced.setCurrentText("(none)")
    dock.form.cell_type.setCurrentText("(none)")
    dock.panel.button.click()
    finish(dock)
    assert workspace.tissue.spliced is None
    assert workspace.tissue.cell_types is None


def test_a_dropped_file_is_looked_into(open_dock, tissue_file, finish):
    dock = open_dock(LoadDock)
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tissue_file))])
    drop = QDropEvent(
        QPointF(1, 1), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    dock.file.dropEvent(drop)
    finish(dock)
    assert dock.file.path() == tissue_file
    assert dock.form.spliced.currentText() == "spliced"


@pytest.mark.parametrize("content", [b"this is text", b"\x89HDF\r\n\x1a\n truncated", b""])
def test_bad_file_gives_one_sentence_and_changes_nothing(
    open_dock, viewer, workspace, tissue_file, tmp_path, finish, content
):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    before = [(layer.unique_id, layer.name) for layer in viewer.layers]
    tissue = workspace.tissue
    bad = tmp_path / "bad.h5ad"
    bad.write_bytes(content)
    load(dock, bad, finish)
    assert "bad.h5ad" in dock.message.text()
    assert dock.message.isVisibleTo(dock)
    assert "Traceback" not in dock.message.text()
    assert [(layer.unique_id, layer.name) for layer in viewer.layers] == before
    assert workspace.tissue is tissue
    assert workspace.running == ""


def test_no_file_is_said(open_dock):
    dock = open_dock(LoadDock)
    dock.panel.button.click()
    assert "No file is chosen" in dock.message.text()


def test_next_load_clears_the_error(open_dock, tissue_file, finish):
    dock = open_dock(LoadDock)
    dock.panel.button.click()
    load(dock, tissue_file, finish)
    assert not dock.message.isVisibleTo(dock)


def test_user_layers_and_names_survive_a_second_load(open_dock, viewer, tissue_file, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    theirs = viewer.add_points(np.zeros((2, 2)), name="mine")
    cells = viewer.layers["cells"]
    cells.name, cells.visible = "my cells", False
    load(dock, tissue_file, finish)
    assert [layer.name for layer in viewer.layers][1:] == ["my cells", "mine"]
    assert not viewer.layers["my cells"].visible
    assert theirs in viewer.layers
    viewer.layers.remove("my cells")
    load(dock, tissue_file, finish)
    assert [layer.name for layer in viewer.layers][1:] == ["cells", "mine"]


def test_color_by_gene_and_column(open_dock, viewer, tissue, tissue_file, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    gene = tissue.genes[4]
    dock.color.chosen.emit(gene)
    finish(dock)
    legend = viewer.layers["cells"].metadata[PLUGIN]["legend"]
    assert isinstance(legend, ColorBar)
    assert legend.title == gene
    shown = np.asarray(viewer.layers["cells"].features[gene])
    np.testing.assert_allclose(shown, column(tissue.expression, 4), rtol=1e-5)
    dock.color.chosen.emit(tissue.cell_types.name)
    finish(dock)
    legend = viewer.layers["cells"].metadata[PLUGIN]["legend"]
    assert isinstance(legend, CategoryLegend)
    assert [entry.count for entry in legend.entries] == [
        int((tissue.cell_types.codes == k).sum()) for k in range(len(tissue.cell_types.categories))
    ]
    assert [layer.name for layer in viewer.layers].count("cells") == 1


def test_unknown_gene_is_explained(open_dock, viewer, tissue_file, tissue, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    dock.color.setEditText("NoSuchGene77")
    dock.color.lineEdit().returnPressed.emit()
    finish(dock)
    assert "NoSuchGene77" in dock.message.text()


def test_point_size_survives_a_new_color(open_dock, viewer, tissue, tissue_file, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    viewer.layers["cells"].size = 21
    dock.color.chosen.emit(tissue.genes[0])
    finish(dock)
    assert np.all(viewer.layers["cells"].size == 21)


def test_save_writes_a_new_file_and_refuses_the_input(open_dock, tissue_file, tmp_path, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    out = tmp_path / "saved.h5ad"
    dock.save(out)
    finish(dock)
    assert not dock.message.text()
    assert read_h5ad(out).cells == read_h5ad(tissue_file).cells
    before = tissue_file.read_bytes()
    dock.save(tissue_file)
    finish(dock)
    assert dock.message.text()
    assert tissue_file.read_bytes() == before


def test_dropped_layers_can_be_taken_over(open_dock, viewer, workspace, tissue_file, finish):
    for data, options, kind in read_layers(str(tissue_file)):
        getattr(viewer, f"add_{kind}")(data, **options)
    n_layers = len(viewer.layers)
    dock = open_dock(LoadDock)
    assert dock.take_shown.isVisibleTo(dock)
    dock.take_shown.click()
    finish(dock)
    assert workspace.source == tissue_file
    assert len(viewer.layers) == n_layers
    assert not dock.take_shown.isVisibleTo(dock)


def test_another_tissue_takes_the_place_of_the_first(open_dock, viewer, tissue, tissue_file, tmp_path, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    other = tmp_path / "other.h5ad"
    write_h5ad(other, tissue.select_cells(np.arange(100)))
    load(dock, other, finish)
    assert len(viewer.layers["cells"].data) == 100
    assert [layer.name for layer in viewer.layers].count("cells") == 1


def test_embedding_and_meaning_are_said(tissue):
    text = summary(tissue.with_(unit="embedding", histology=(), counts_meaning="unspliced = nuclear counts"))
    assert "cells are shown in an embedding" in text
    assert "nuclear" in text


def test_numbers_and_categories_get_their_colors(tissue):
    labels = Labels("side", (tissue.positions[:, 0] > tissue.positions[:, 0].mean()).astype(np.int32), ("l", "r"))
    assert isinstance(colored_cells(tissue, "side", labels)[1]["metadata"][PLUGIN]["legend"], CategoryLegend)
    numbers = np.linspace(0, 1, tissue.n_cells)
    assert isinstance(colored_cells(tissue, "t", numbers)[1]["metadata"][PLUGIN]["legend"], ColorBar)


def test_every_control_has_a_name_and_a_tooltip(open_dock):
    dock = open_dock(LoadDock)
    controls = [
        widget
        for kind in (QAbstractButton, QComboBox)
        for widget in dock.findChildren(kind)
        if not widget.objectName().startswith("qt_")
    ]
    assert len(controls) > 8
    for widget in controls:
        assert widget.accessibleName(), widget
        assert widget.toolTip(), widget.accessibleName()
    assert all(line.accessibleName() or line.parent().accessibleName() for line in dock.findChildren(QLineEdit)[:2])


def test_spots_beside_the_tissue_are_left_out_with_one_click(
    open_dock, workspace, viewer, tissue_file, tmp_path, finish
):
    import anndata

    adata = anndata.read_h5ad(tissue_file)
    adata.obs["in_tissue"] = (np.arange(adata.n_obs) % 5 > 0).astype(int)
    path = tmp_path / "spots.h5ad"
    adata.write_h5ad(path)
    dock = open_dock(LoadDock)
    load(dock, path, finish)
    assert dock.only_tissue.isVisibleTo(dock)
    dock.align.swap.click()
    dock.only_tissue.click()
    finish(dock)
    assert [str(image.placement) for image in workspace.tissue.histology] == ["swap"]
    assert workspace.tissue.n_cells == len(viewer.layers["cells"].data) == 200
    assert workspace.read_options.only == ("in_tissue", "1")
    assert not dock.only_tissue.isVisibleTo(dock)
    dock.color.chosen.emit("in_tissue")
    finish(dock)
    assert [entry.count for entry in viewer.layers["cells"].metadata[PLUGIN]["legend"].entries if entry.count] == [200]
    out = tmp_path / "out.h5ad"
    dock.save(out)
    finish(dock)
    assert read_h5ad(out).cells == workspace.tissue.cells


def test_long_file_names_do_not_make_the_dock_wider(open_dock, tissue_file, tmp_path, finish):
    path = tmp_path / f"{'a_very_long_name_of_a_file_from_a_core_facility' * 3}.h5ad"
    path.write_bytes(tissue_file.read_bytes())
    dock = open_dock(LoadDock)
    load(dock, path, finish)
    assert path.name in dock.summary.text()
    assert dock.summary.minimumSizeHint().width() < 250


def test_one_section_is_chosen_in_the_form(open_dock, workspace, viewer, tissue_file, tmp_path, finish):
    import anndata

    adata = anndata.read_h5ad(tissue_file)
    adata.obs["section"] = np.where(np.arange(adata.n_obs) < 100, "front", "back")
    path = tmp_path / "sections.h5ad"
    adata.write_h5ad(path)
    dock = open_dock(LoadDock)
    load(dock, path, finish)
    all_cells = viewer.layers["cells"].data.copy()
    assert np.ptp(all_cells, axis=0).max() > 1.5 * np.ptp(np.asarray(adata.obsm["spatial"]), axis=0).max()
    dock.look_button.click()
    finish(dock)
    items = [dock.form.only.itemText(i) for i in range(dock.form.only.count())]
    assert items == ["all cells", "section = back", "section = front"]
    dock.form.only.setCurrentText("section = front")
    dock.panel.button.click()
    finish(dock)
    assert workspace.tissue.n_cells == len(viewer.layers["cells"].data) == 100
    dock.form.only.setCurrentIndex(0)
    dock.form.sections.setCurrentText("(none)")
    dock.panel.button.click()
    finish(dock)
    assert np.ptp(viewer.layers["cells"].data, axis=0).max() < 0.7 * np.ptp(all_cells, axis=0).max()


def test_loading_again_shows_cells_that_a_result_had_hidden(open_dock, viewer, workspace, tissue, tissue_file, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    _viewer.show(viewer, workspace, value_points(tissue, np.zeros(tissue.n_cells), name="time"))
    _viewer.hide_other_results(viewer, workspace, ["time"])
    assert not viewer.layers["cells"].visible
    load(dock, tissue_file, finish)
    assert viewer.layers["cells"].visible


def test_form_says_what_a_file_was_read_as_that_nobody_looked_into(open_dock, tissue_file, finish):
    dock = open_dock(LoadDock)
    load(dock, tissue_file, finish)
    assert (dock.form.spliced.currentText(), dock.form.unspliced.currentText()) == ("spliced", "unspliced")
