import numpy as np
import pytest

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.widgets.state.undo import KEPT_STEPS, UndoStack


@pytest.fixture
def loaded(workspace, tissue):
    workspace.set_tissue(tissue)
    return workspace


@pytest.fixture
def heard(loaded):
    """What the workspace has told since."""
    told = []
    loaded.cell_changed.connect(lambda: told.append("cell"))
    loaded.selection_changed.connect(lambda: told.append("selection"))
    loaded.hidden_changed.connect(lambda: told.append("hidden"))
    return told


def mask_of(tissue, *cells):
    mask = np.zeros(tissue.n_cells, dtype=bool)
    mask[list(cells)] = True
    return mask


def test_a_picked_cell_is_told_once(loaded, heard, tissue):
    loaded.pick(4)
    loaded.pick(4)
    assert loaded.current_cell == 4
    loaded.pick(None)
    assert loaded.current_cell is None
    assert heard == ["cell", "cell"]
    for wrong in (-1, tissue.n_cells):
        with pytest.raises(DataError, match=f"There is no cell {wrong}; the tissue has {tissue.n_cells}"):
            loaded.pick(wrong)


def test_selections_are_taken_back_and_done_again(loaded, heard, tissue):
    first, second = mask_of(tissue, 1, 2), mask_of(tissue, 7)
    loaded.select(first, "lasso")
    first[:] = True  # the workspace has a copy
    loaded.select(second, "brush")
    loaded.select(second)  # no step
    assert (loaded.undo.undo_words, loaded.undo.redo_words) == ("brush", "")
    loaded.undo.undo()
    assert np.flatnonzero(loaded.selection).tolist() == [1, 2]
    loaded.undo.undo()
    assert loaded.selection is None
    loaded.undo.undo()  # nothing left
    loaded.undo.redo()
    assert np.flatnonzero(loaded.selection).tolist() == [1, 2]
    assert (loaded.undo.undo_words, loaded.undo.redo_words) == ("lasso", "brush")
    loaded.select(np.zeros(tissue.n_cells, dtype=bool))
    assert loaded.selection is None
    assert loaded.undo.redo_words == ""
    assert heard == ["selection"] * 6


def test_a_selection_of_other_cells_is_refused(loaded, tissue):
    with pytest.raises(DataError, match=rf"\(3,\); \({tissue.n_cells},\) was expected"):
        loaded.select(np.ones(3, dtype=bool))
    assert loaded.selection is None


def test_hidden_categories_and_selections_share_one_undo(loaded, heard, tissue):
    types = tissue.cell_types
    loaded.hide(types, ["A"])
    loaded.select(mask_of(tissue, 3))
    loaded.hide(types, ["A", "B"])
    loaded.hide(types, ["B", "A"])  # no step
    assert loaded.hidden[types.name] == {"A", "B"}
    loaded.undo.undo()
    assert loaded.hidden[types.name] == {"A"}
    loaded.undo.undo()
    assert loaded.selection is None
    loaded.undo.undo()
    assert not loaded.hidden.get(types.name)
    assert heard == ["hidden", "selection", "hidden", "hidden", "selection", "hidden"]


def test_another_tissue_has_no_cell_selection_or_past(loaded, tissue):
    types = tissue.cell_types
    loaded.pick(3)
    loaded.select(mask_of(tissue, 3))
    loaded.hide(types, ["A"])
    loaded.set_tissue(tissue)
    assert (loaded.current_cell, loaded.selection, dict(loaded.hidden)) == (None, None, {})
    assert loaded.undo.undo_words == ""


def test_old_steps_are_forgotten():
    stack, value = UndoStack(), []
    for step in range(KEPT_STEPS + 10):
        stack.add(str(step), lambda step=step: value.append(step), lambda: None)
    while stack.undo_words:
        stack.undo()
    assert value == list(reversed(range(10, KEPT_STEPS + 10)))


def test_cells_are_seen_that_no_column_hides(loaded, tissue):
    assert loaded.shown_cells is None
    types = tissue.cell_types
    even = Labels("even", np.arange(tissue.n_cells, dtype=np.int32) % 2, ("yes", "no"))
    loaded.hide(types, types.categories[:1])
    loaded.hide(even, ["no"])
    seen = (types.codes != 0) & (np.arange(tissue.n_cells) % 2 == 0)
    assert 0 < seen.sum() < tissue.n_cells
    np.testing.assert_array_equal(loaded.shown_cells, seen)
    loaded.show_all()
    assert loaded.shown_cells is None
    loaded.undo.undo()
    np.testing.assert_array_equal(loaded.shown_cells, seen)
