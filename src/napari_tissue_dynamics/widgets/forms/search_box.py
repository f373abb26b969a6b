"""A field to find one of very many entries by typing, without a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QLabel, QLineEdit, QListWidget, QListWidgetItem, QSizePolicy, QWidget

from napari_tissue_dynamics.layers.colorable import GROUPS, Catalog, Entry
from napari_tissue_dynamics.widgets.forms.fields import stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS_SHOWN = 7
RECENT = 8
"""How many entries that were chosen last are offered again."""
PINNED_MARK, RECENT_MARK = "pinned", "recent"
ENTRY = Qt.ItemDataRole.UserRole
MOVES = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: ROWS_SHOWN, Qt.Key.Key_PageUp: -ROWS_SHOWN}

OF_THE_DOCK = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)
"""Keys that the line leaves to the dock: they undo hiding of categories, not typing."""


class SearchBox(QWidget):
    """A line to type in and below it what fits; without a text pinned and recent entries come first.

    Arrow keys move in the list while the cursor stays in the line, Enter chooses, Escape clears the line.

    Attributes
    ----------
    chosen
        Emits the entry that was chosen.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pinned: list[Entry] = []
        self.recent: list[Entry] = []
        self._catalog = Catalog({})
        self.line = QLineEdit()
        self.line.setClearButtonEnabled(True)
        self.line.setPlaceholderText("gene, column, result, target ← modulator")
        self.line.setToolTip("Type any part of a name. Arrow keys move in the list, Enter colors the cells.")
        self.line.setAccessibleName("Color cells by")
        self.line.installEventFilter(self)
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        self.list.setToolTip("Matches; Enter or a click colors the cells.")
        self.list.setAccessibleName("Matching entries")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.count.setAccessibleName("Number of matching entries")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        stacked(self, self.line, self.list, self.count)
        self.line.textChanged.connect(self._refresh)
        self.list.itemClicked.connect(self._choose)
        self.list.itemActivated.connect(self._choose)
        self.offer(self._catalog)

    def offer(self, catalog: Catalog) -> None:
        """Search in this catalog from now on; pinned and recent entries that it lacks are not listed."""
        self._catalog = catalog
        self.line.setEnabled(len(catalog) > 0)
        self._refresh()

    def remember(self, entry: Entry) -> None:
        """Put an entry first among the recent ones."""
        self.recent = [entry, *(each for each in self.recent if each != entry)][:RECENT]
        if not self.line.text():
            self._refresh()

    def pin(self, entry: Entry, pinned: bool) -> None:
        """Let an entry stand at the top of the list, or not any more."""
        self.pinned = [each for each in self.pinned if each != entry] + ([entry] if pinned else [])
        if not self.line.text():
            self._refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Move in the list with keys that are pressed in the line; Undo and Redo are left to the dock."""
        if watched is not self.line or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        if event.type() == QEvent.Type.ShortcutOverride and any(event.matches(each) for each in OF_THE_DOCK):
            event.ignore()
            return True
        if event.type() == QEvent.Type.KeyPress and self._pressed(Qt.Key(event.key())):
            return True
        return super().eventFilter(watched, event)

    def _pressed(self, key: Qt.Key) -> bool:
        """Act on a key that is pressed in the line; return whether it had a meaning."""
        if key in MOVES and self.list.count():
            row = self.list.currentRow() + MOVES[key]
            self.list.setCurrentRow(max(0, min(row, self.list.count() - 1)))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.list.currentItem())
        elif key == Qt.Key.Key_Escape and self.line.text():
            self.line.clear()
        else:
            return False
        return True

    def _refresh(self) -> None:
        text = self.line.text().strip()
        found, n_found = self._catalog.search(text)
        self.list.clear()
        if not text:
            offered = [each for each in (*self.pinned, *self.recent) if each in self._catalog]
            marks = dict.fromkeys(offered, RECENT_MARK) | dict.fromkeys(self.pinned, PINNED_MARK)
            self._add([each for each in marks if each in offered], marks)
            found = [each for each in found if each not in marks]
        self._add(found, {})
        if text:
            self.list.setCurrentRow(0)
        self.list.setFixedHeight(self._rows_height())
        listed = self.list.count()
        words = f"{n_found:,} entries" if n_found != 1 else "1 entry"
        more = f", {listed} listed; keep typing to narrow the list" if n_found > listed else ""
        none = "No match. Try fewer letters." if text else ""
        self.count.setText(f"{words}{more}" if n_found else none)

    def _add(self, entries: Sequence[Entry], marks: dict[Entry, str]) -> None:
        for entry in entries:
            mark = f"  ·  {marks[entry]}" if entry in marks else ""
            item = QListWidgetItem(f"{entry.name}   —  {GROUPS[entry.group]}{mark}")
            item.setData(ENTRY, entry)
            self.list.addItem(item)

    def _choose(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            entry = item.data(ENTRY)
            self.line.selectAll()  # the next letters replace the text
            self.chosen.emit(entry)

    def _rows_height(self) -> int:
        row = max(self.list.sizeHintForRow(0), self.fontMetrics().height() + 4)
        return row * ROWS_SHOWN + 2 * self.list.frameWidth()
