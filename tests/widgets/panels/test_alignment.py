import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io import read_h5ad, write_h5ad
from napari_tissue_dynamics.widgets.docks.load import LoadDock
from napari_tissue_dynamics.widgets.state.workspace import workspace_of


@pytest.fixture
def flipped_file(tissue, tmp_path):
    """A file whose image lies mirrored, as people really have them."""
    image = tissue.histology[0].moved(Placement(flip_x=True))
    path = tmp_path / "mirrored.h5ad"
    write_h5ad(path, tissue.with_(histology=(image,)))
    return path


@pytest.fixture
def dock(open_dock, finish):
    def loaded(path):
        dock = open_dock(LoadDock)
        dock.resize(320, 600)
        dock.show()
        dock.file.line.setText(str(path))
        dock.panel.button.click()
        finish(dock)
        return dock

    return loaded


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def shown(viewer):
    return next(layer for layer in viewer.layers if layer.name.startswith("histology"))


def test_a_file_that_fits_says_so_and_keeps_the_buttons_folded(dock, tissue_file):
    loaded = dock(tissue_file)
    assert "of 250 cells are on tissue" in loaded.align.verdict.text()
    assert not loaded.alignment.isExpanded()
    assert not loaded.align.undo.isEnabled()


def test_a_mirrored_image_is_found_and_put_right(dock, flipped_file, tissue, viewer, workspace, qtbot):
    loaded = dock(flipped_file)
    assert "(flip-x) it would be" in loaded.align.verdict.text()
    assert loaded.alignment.isExpanded()
    cells = viewer.layers["cells"].data.copy()
    workspace.select(np.arange(tissue.n_cells) < 10)
    press(qtbot, loaded.align.propose)
    np.testing.assert_array_equal(shown(viewer).data, tissue.histology[0].image)
    np.testing.assert_array_equal(viewer.layers["cells"].data, cells)
    assert workspace.selection is not None
    assert "No flip, swap or scale is better" in loaded.align.verdict.text()
    assert "was moved: flip-x." in loaded.align.verdict.text()
    assert not loaded.align.propose.isVisible()
    press(qtbot, loaded.align.undo)
    assert "(flip-x) it would be" in loaded.align.verdict.text()
    np.testing.assert_array_equal(shown(viewer).data, tissue.histology[0].image[:, ::-1])
    assert not loaded.align.undo.isEnabled()
    workspace.undo.redo()
    np.testing.assert_array_equal(shown(viewer).data, tissue.histology[0].image)


def test_buttons_move_the_image_and_the_move_is_saved(dock, tissue_file, viewer, tissue, qtbot, tmp_path, finish):
    loaded = dock(tissue_file)
    loaded.alignment.expand(animate=False)
    align = loaded.align
    press(qtbot, align.swap)
    press(qtbot, align.flip_y)
    align.scale.setValue(2)
    press(qtbot, align.enlarge)
    image = tissue.histology[0].image
    np.testing.assert_array_equal(shown(viewer).data, image.swapaxes(0, 1)[::-1])
    assert shown(viewer).scale[-1] == pytest.approx(2 * tissue.histology[0].pixel_size)
    out = tmp_path / "saved.h5ad"
    loaded.save(out)
    finish(loaded)
    saved = read_h5ad(out).histology[0]
    assert saved.placement == Placement(swap=True, flip_y=True, scale=2)
    np.testing.assert_array_equal(saved.image, shown(viewer).data)
    np.testing.assert_allclose(saved.origin[::-1], shown(viewer).translate)


def test_nothing_moves_while_something_runs(dock, tissue_file, workspace):
    loaded = dock(tissue_file)
    workspace.begin("Training")
    assert not loaded.align.flip_x.isEnabled()
    workspace.end()
    assert loaded.align.flip_x.isEnabled()


def test_a_tissue_without_image(dock, tissue, tmp_path):
    path = tmp_path / "bare.h5ad"
    write_h5ad(path, tissue.with_(histology=()))
    loaded = dock(path)
    assert "no image" in loaded.align.verdict.text()
    assert not loaded.align.flip_x.isEnabled()


def test_undo_does_not_keep_the_viewer_alive(qapp, qtbot, tissue):
    from napari.components import ViewerModel

    from napari_tissue_dynamics.widgets.panels.alignment import AlignmentPanel

    viewer = ViewerModel()
    workspace = workspace_of(viewer)
    workspace.set_tissue(tissue)
    panel = AlignmentPanel(viewer, workspace)
    qtbot.addWidget(panel)
    panel.move_images(Placement(flip_x=True))
    assert workspace.undo.undo_words
    gone = weakref.ref(viewer)
    panel._viewer = None
    del viewer
    gc.collect()
    assert gone() is None


def test_moves_are_in_the_log_and_done_again_from_it(dock, tissue_file, workspace, qtbot, tmp_path):
    from napari_tissue_dynamics.cli import main

    loaded = dock(tissue_file)
    loaded.alignment.expand(animate=False)
    for button in (loaded.align.swap, loaded.align.flip_x, loaded.align.undo):
        press(qtbot, button)
    log, out = tmp_path / "log.jsonl", tmp_path / "again.h5ad"
    workspace.log.save(log)
    assert main(["replay", str(log), "--out", str(out)]) == 0
    image = read_h5ad(out).histology[0]
    assert image.placement == Placement(swap=True)
    np.testing.assert_array_equal(image.image, workspace.tissue.histology[0].image)
