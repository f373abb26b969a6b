"""The legend of a category that can be changed: hide, isolate, recolor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QKeyEvent, QPainter, QPixmap
from qtpy.QtWidgets import (
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_tissue_dynamics.layers.colors import UNASSIGNED, palette
from napari_tissue_dynamics.layers.legend import largest
from napari_tissue_dynamics.widgets.forms.fields import push_button, sentences, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_tissue_dynamics.layers.coloring import CategoryColoring
    from napari_tissue_dynamics.layers.legend import LegendEntry

SWATCH = 14
ROWS_SHOWN = 12
PALETTE_COLORS = 16
"""How many colors of our palette the color dialog offers."""
NAME = Qt.ItemDataRole.UserRole


class CategoryPanel(QWidget):
    """Names, colors and counts of categories; each can be hidden, isolated and given another color.

    Space hides or shows a category, Enter or a double click leaves only this one or brings all back, C changes its
    color.

    Attributes
    ----------
    hidden_changed
        Emits the names of the categories that are not to be seen.
    color_changed
        Emits the name of a category and its new ``#rrggbb``.
    """

    hidden_changed = Signal(object)
    color_changed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tree = QTreeWidget()
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        self.tree.setHeaderLabels(["Category", "Cells"])
        self.tree.setAccessibleName("Categories")
        self.tree.setToolTip("Space hides or shows, Enter or a double click shows only this one, C changes the color.")
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.only = push_button("Only this", "Hide all other categories (Enter, or double click a category).")
        self.all = push_button("Show all", "Show all hidden categories, including those of other columns.")
        self.color = push_button("Color…", "Choose another color for this category (C).")
        self.more = sentences("Number of listed categories")
        self._names: frozenset[str] = frozenset()
        self._hidden: frozenset[str] = frozenset()
        buttons = QHBoxLayout()
        for button in (self.only, self.all, self.color):
            buttons.addWidget(button)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        stacked(self, self.tree, self.more, buttons)
        self.tree.installEventFilter(self)
        self.tree.itemChanged.connect(self._checked)
        self.tree.itemDoubleClicked.connect(lambda item: self.isolate(item))
        self.tree.currentItemChanged.connect(self._current_changed)
        self.only.clicked.connect(lambda: self.isolate(self.tree.currentItem()))
        self.color.clicked.connect(self.ask_color)

    def show_coloring(self, coloring: CategoryColoring, hidden: frozenset[str]) -> None:
        """List these categories; those that are hidden have no tick."""
        entries = coloring.legend().entries
        listed = largest(entries)
        self._names = frozenset(entry.name for entry in entries)
        self._hidden = hidden
        self.more.setVisible(len(listed) < len(entries))
        self.more.setText(f"{len(listed)} of {len(entries):,} categories are listed, those with most cells.")
        with QSignalBlocker(self.tree):
            # An item that is being ticked must not be deleted meanwhile: the same categories keep their items.
            if [item.data(0, NAME) for item in self._items()] != [entry.name for entry in listed]:
                self._list(listed)
            for item, entry in zip(self._items(), listed, strict=True):
                item.setCheckState(0, Qt.CheckState.Unchecked if entry.name in hidden else Qt.CheckState.Checked)
                item.setIcon(0, _swatch(entry.color))
                item.setText(1, f"{entry.count:,}")
        row = max(self.tree.sizeHintForRow(0), SWATCH + 4)
        rows = min(self.tree.topLevelItemCount(), ROWS_SHOWN)
        self.tree.setFixedHeight(row * max(rows, 2) + self.tree.header().sizeHint().height() + 6)
        self._current_changed()

    def isolate(self, item: QTreeWidgetItem | None) -> None:
        """Leave only this category in sight; when it is alone already, bring all back."""
        if item is None:
            return
        others = self._names - {item.data(0, NAME)}
        alone = self._unchecked() == others
        self.hidden_changed.emit(frozenset() if alone else others)

    def ask_color(self) -> None:
        """Ask for another color of the current category."""
        item = self.tree.currentItem()
        if item is None or item.data(0, NAME) == UNASSIGNED:
            return
        for k, offered in enumerate(palette(PALETTE_COLORS)):
            QColorDialog.setCustomColor(k, QColor(offered))
        now = item.icon(0).pixmap(SWATCH).toImage().pixelColor(SWATCH // 2, SWATCH // 2)
        chosen = QColorDialog.getColor(now, self, f"Color of {item.data(0, NAME)}")
        if chosen.isValid():
            self.color_changed.emit(item.data(0, NAME), chosen.name())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Isolate and recolor with keys."""
        if watched is self.tree and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.isolate(self.tree.currentItem())
                return True
            if event.key() == Qt.Key.Key_C and not event.modifiers():
                self.ask_color()
                return True
        return super().eventFilter(watched, event)

    def _list(self, entries: Sequence[LegendEntry]) -> None:
        self.tree.clear()
        for entry in entries:
            item = QTreeWidgetItem([entry.name])
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setData(0, NAME, entry.name)
            item.setToolTip(0, entry.name)
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.tree.addTopLevelItem(item)

    def _checked(self, item: QTreeWidgetItem) -> None:
        self.hidden_changed.emit(self._unchecked())

    def _current_changed(self, *_: object) -> None:
        item = self.tree.currentItem()
        self.only.setEnabled(item is not None)
        self.color.setEnabled(item is not None and item.data(0, NAME) != UNASSIGNED)

    def _items(self) -> list[QTreeWidgetItem]:
        found = [self.tree.topLevelItem(k) for k in range(self.tree.topLevelItemCount())]
        return [item for item in found if item is not None]

    def _unchecked(self) -> frozenset[str]:
        listed = {each.data(0, NAME): each.checkState(0) for each in self._items()}
        unchecked = {name for name, state in listed.items() if state == Qt.CheckState.Unchecked}
        return frozenset(unchecked | (self._hidden - listed.keys()))


def _swatch(color: str) -> QIcon:
    pixmap = QPixmap(SWATCH, SWATCH)
    pixmap.fill(QColor("#808080"))  # a rim, for colors near that of the list
    painter = QPainter(pixmap)
    painter.fillRect(pixmap.rect().adjusted(1, 1, -1, -1), QColor(color))
    painter.end()
    return QIcon(pixmap)
