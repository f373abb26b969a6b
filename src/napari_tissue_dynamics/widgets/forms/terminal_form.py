"""Which cells are terminal states: estimated, some categories of a column, or cells picked by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QWidget

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, push_button, rows, sentences, stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Labels, Tissue

    Terminal = Callable[[Tissue], Labels | None]

FOUND, TYPES, PICKED = "found", "categories", "picked cells"
ROWS_SHOWN = 7


class TerminalForm(QWidget):
    """Chooses the source of the terminal states."""

    selection_requested = Signal()
    column_chosen = Signal(str)
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind, self.column = narrow_combo(), narrow_combo()
        self.types, self.states = QListWidget(), QListWidget()
        self.name = QLineEdit()
        self.name.setPlaceholderText("name of the state")
        self.add_button = push_button("Add selected cells", "Make the selected cells a terminal state of this name.")
        self.remove_button = push_button("Remove state", "Remove the state selected in the list.")
        self.words = sentences("Terminal states")
        self._labels: Labels | None = None
        self._own: Labels | None = None
        self._picked: dict[str, NDArray[np.intp]] = {}
        self._fields = rows()
        tip = "Source of the terminal states: estimated from velocities, categories of a column, or picked cells."
        add_row(self._fields, "Terminal states", self.kind, tip)
        add_row(
            self._fields, "Column", self.column, "The column whose categories are terminal states, such as cell types."
        )
        add_row(
            self._fields,
            "Ends",
            self.types,
            "Check the categories that are terminal states; Space checks the current one.",
        )
        add_row(self._fields, "Name", self.name, "Name of the state for the selected cells.")
        add_row(self._fields, "States", self.states, "The states picked so far.")
        stacked(self, self._fields, self.add_button, self.remove_button, self.words)
        self.kind.currentTextChanged.connect(self._refresh)
        self.name.returnPressed.connect(self.selection_requested)
        self.add_button.clicked.connect(self.selection_requested)
        self.remove_button.clicked.connect(self._remove)
        self.states.currentRowChanged.connect(self._refresh)
        self.column.textActivated.connect(self.column_chosen)
        self.offer(None, ())

    @property
    def picked(self) -> Mapping[str, NDArray[np.intp]]:
        """Cells of each picked state."""
        return self._picked

    def offer(self, tissue: Tissue | None, columns: Sequence[str]) -> None:
        """Offer what can be known of a tissue, its categorical columns too, and forget what was picked in the last."""
        self._picked.clear()
        self._own = None if tissue is None else tissue.cell_types
        own = () if self._own is None else (self._own.name,)
        names = [*own, *(name for name in columns if name not in own)]
        self.column.clear()
        self.column.addItems(names)
        self.column.setCurrentIndex(0 if own else -1)
        self.take_categories(self._own)
        self.kind.clear()
        self.kind.addItems([FOUND, *([TYPES] if names else []), PICKED])
        self._list()

    def take_categories(self, labels: Labels | None) -> None:
        """Offer the categories of the chosen column to be ticked."""
        self._labels = labels
        names = () if labels is None else labels.categories
        self.types.clear()
        for name in names:
            item = QListWidgetItem(name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Unchecked)
            self.types.addItem(item)
        _fit_height(self.types, len(names))

    def take_cells(self, cells: NDArray[np.intp]) -> None:
        """Make cells, given by their place in the tissue, a terminal state with the name that is typed.

        Raises
        ------
        DataError
            If there are none, or they are in another state already.
        """
        name = self.name.text().strip() or f"state {len(self._picked) + 1}"
        if not len(cells):
            raise DataError(
                "No cells are selected. Draw around cells, or select points in a layer of the cells, and add them then."
            )
        for other, theirs in self._picked.items():
            if other != name and np.intersect1d(theirs, cells).size:
                raise DataError(f"Some of these cells are in {other!r} already. Select each cell for one state only.")
        self._picked[name] = np.unique(cells)
        self.name.clear()
        self._list()
        self.changed.emit()

    def value(self) -> Terminal:
        """Return what gives the terminal states of a tissue, or None if they are to be found.

        Raises
        ------
        DataError
            If they are to be chosen and none are.
        """
        from napari_tissue_dynamics.workflow import terminal_states

        kind = self.kind.currentText()
        if kind == TYPES:
            types = self._ticked()
            if not types or self._labels is None:
                raise DataError("Nothing is ticked. Tick the categories in which cells end, or have the states found.")
            if self._labels is self._own:
                return lambda tissue: terminal_states(tissue, types=types)
            codes, categories = self._labels.codes, self._labels.categories
            ticked = {name: np.flatnonzero(codes == categories.index(name)) for name in types}
            return lambda tissue: terminal_states(tissue, cells=ticked)
        if kind == PICKED:
            if not self._picked:
                raise DataError(
                    "No terminal state is picked. Select cells, name their state and add it, or have the states found."
                )
            picked = dict(self._picked)
            return lambda tissue: terminal_states(tissue, cells=picked)
        return lambda tissue: None

    def in_words(self, tissue: Tissue) -> dict[str, Any]:
        """Return what is given, by the names of the arguments of :func:`.workflow.terminal_states`, for the log."""
        if self.kind.currentText() == TYPES:
            return {"column": self.column.currentText(), "types": self._ticked()}
        if self.kind.currentText() == PICKED:
            return {"cells": {name: [tissue.cells[cell] for cell in cells] for name, cells in self._picked.items()}}
        return {}

    def _ticked(self) -> list[str]:
        items = [self.types.item(row) for row in range(self.types.count())]
        return [item.text() for item in items if item.checkState() == Qt.CheckState.Checked]

    def _remove(self) -> None:
        item = self.states.currentItem()
        if item is not None:
            del self._picked[item.data(Qt.ItemDataRole.UserRole)]
            self._list()
            self.changed.emit()

    def _list(self) -> None:
        self.states.clear()
        for name, cells in self._picked.items():
            item = QListWidgetItem(f"{name}  ({len(cells)} cells)")
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.states.addItem(item)
        _fit_height(self.states, len(self._picked))
        self._refresh()

    def _refresh(self, *_: object) -> None:
        kind = self.kind.currentText()
        picking = kind == PICKED
        self._fields.setRowVisible(self.column, kind == TYPES)
        self._fields.setRowVisible(self.types, kind == TYPES)
        self._fields.setRowVisible(self.name, picking)
        self._fields.setRowVisible(self.states, picking and bool(self._picked))
        self.add_button.setVisible(picking)
        self.remove_button.setVisible(picking and bool(self._picked))
        self.remove_button.setEnabled(self.states.currentItem() is not None)
        self.words.setText("Select cells in the viewer, name their state, add it." if picking else "")
        self.words.setVisible(picking and not self._picked)


def _fit_height(view: QListWidget, n_rows: int) -> None:
    row = max(view.sizeHintForRow(0), view.fontMetrics().height() + 4)
    view.setFixedHeight(row * min(max(n_rows, 1), ROWS_SHOWN) + 8)
