"""A table of values: sorted by a click or a key, filtered by a word, copied and exported."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QKeyEvent

ROWS_SHOWN = 9
WIDEST_NAME = 20
"""Letters of the first column up to which it grows by itself, so that numbers beside it are seen in a narrow dock."""
SORT_ROLE = Qt.ItemDataRole.UserRole


def signed(value: float) -> str:
    """Return a number with its sign and three digits."""
    return f"{value:+.3g}"


def plain(value: float) -> str:
    """Return a number with three digits."""
    return f"{value:.3g}"


def percent(value: float) -> str:
    """Return a share in percent, with its sign."""
    return f"{100 * value:+.1f} %"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    tooltip
        What its values are, in a sentence.
    write
        Makes the text of a number; None for words.
    by_size
        Whether numbers are sorted by their size without the sign.
    """

    title: str
    tooltip: str
    write: Callable[[float], str] | None = None
    by_size: bool = False


class _Values(QAbstractTableModel):
    """Rows of values for the view; a number that is not known is shown as n/a."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.rows: list[tuple[Any, ...]] = []

    def replace(self, columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.columns, self.rows = tuple(columns), list(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, the value to sort by, or the side of a cell of the table."""
        column, value = self.columns[index.column()], self.rows[index.row()][index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            text = self.text(index.row(), index.column())
            return text if role == Qt.ItemDataRole.DisplayRole else f"{column.title}: {text}"
        if role == SORT_ROLE:
            if column.write is None:
                return str(value).lower()
            size = abs(value) if column.by_size else value
            return -math.inf if math.isnan(value) else float(size)
        if role == Qt.ItemDataRole.TextAlignmentRole and column.write is not None:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return the title of a column, or what its values are."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        return f"<p>{self.columns[section].tooltip}</p>" if role == Qt.ItemDataRole.ToolTipRole else None

    def text(self, row: int, column: int) -> str:
        """Return what is shown of one value."""
        value, write = self.rows[row][column], self.columns[column].write
        if write is None:
            return str(value)
        return "n/a" if math.isnan(value) else write(value)


class _Filter(QSortFilterProxyModel):
    """Rows that a test lets through, sorted by value."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: Callable[[tuple[Any, ...]], bool] = lambda row: True
        self.setSortRole(SORT_ROLE)

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """Return whether a row is shown."""
        return self.kept(self.sourceModel().rows[source_row])


class ValueTable(QTableView):
    """A table of words and numbers; Enter or a double click chooses a row, Ctrl+C copies what is shown.

    Parameters
    ----------
    name
        Accessible name.
    """

    chosen = Signal(tuple)
    moved_to = Signal(tuple)

    def __init__(self, name: str, columns: Sequence[Column], tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.values, self.filter = _Values(columns), _Filter()
        self.filter.setSourceModel(self.values)
        self.setModel(self.filter)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)  # Tab leaves the table
        self.setSortingEnabled(True)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setHighlightSections(False)
        self.selectionModel().currentRowChanged.connect(self._moved)
        self.doubleClicked.connect(lambda index: self.chosen.emit(self._row(index)))
        self.setMinimumHeight((ROWS_SHOWN + 2) * (self.fontMetrics().height() + 6))

    @property
    def sorted_by(self) -> tuple[int, Qt.SortOrder]:
        """Column and direction that the rows are sorted by."""
        header = self.horizontalHeader()
        return header.sortIndicatorSection(), header.sortIndicatorOrder()

    def show_rows(self, rows: Sequence[tuple[Any, ...]], columns: Sequence[Column] | None = None) -> None:
        """Replace the rows; the order chosen by the user is kept, and the current row where it is still there."""
        before, columns = self.current(), self.values.columns if columns is None else tuple(columns)
        anew = columns != self.values.columns or not self.values.rows
        self.values.replace(columns, rows)
        if anew and rows:
            self._fit_columns()
        if before is not None:
            self.go_to(before[0])

    def show_only(self, kept: Callable[[tuple[Any, ...]], bool]) -> None:
        """Hide the rows for which ``kept`` is False."""
        self.filter.kept = kept
        self.filter.invalidate()

    def go_to(self, first: object) -> None:
        """Make the row whose first value is ``first`` the current one."""
        for row in range(self.filter.rowCount()):
            index = self.filter.index(row, 0)
            if self._row(index)[0] == first:
                self.setCurrentIndex(index)
                return

    def current(self) -> tuple[Any, ...] | None:
        """Return the current row."""
        index = self.currentIndex()
        return self._row(index) if index.isValid() else None

    def shown(self) -> list[tuple[Any, ...]]:
        """Return the rows in the order in which they are seen."""
        return [self._row(self.filter.index(row, 0)) for row in range(self.filter.rowCount())]

    def texts(self) -> list[list[str]]:
        """Return titles and texts as they are seen."""
        places = [self.filter.mapToSource(self.filter.index(row, 0)).row() for row in range(self.filter.rowCount())]
        width = range(len(self.values.columns))
        titles = [column.title for column in self.values.columns]
        return [titles, *([self.values.text(row, column) for column in width] for row in places)]

    def as_csv(self) -> str:
        """Return the rows that are seen, with all digits, as comma-separated values."""
        return as_csv([column.title for column in self.values.columns], self.shown())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose with Enter, copy with Ctrl+C, sort by the column with the digit 1 to 9."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current() is not None:
            self.chosen.emit(self.current())
        elif event.matches(QKeySequence.StandardKey.Copy):
            QApplication.clipboard().setText("\n".join("\t".join(line) for line in self.texts()))
        elif Qt.Key.Key_1 <= event.key() <= Qt.Key.Key_9:
            self._sort_by(event.key() - Qt.Key.Key_1)
        else:
            super().keyPressEvent(event)

    def _fit_columns(self) -> None:
        """Make columns as wide as their values; later rows keep these widths, as measuring takes longest of all."""
        self.resizeColumnsToContents()
        self.setColumnWidth(0, min(self.columnWidth(0), WIDEST_NAME * self.fontMetrics().averageCharWidth()))

    def _sort_by(self, column: int) -> None:
        if column < len(self.values.columns):
            now, order = self.sorted_by
            down = Qt.SortOrder.DescendingOrder
            turned = column == now and order == down
            self.sortByColumn(column, Qt.SortOrder.AscendingOrder if turned else down)

    def _row(self, index: QModelIndex) -> tuple[Any, ...]:
        return self.values.rows[self.filter.mapToSource(index).row()]

    def _moved(self, index: QModelIndex) -> None:
        if index.isValid():
            self.moved_to.emit(self._row(index))


def as_csv(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return titles and rows as comma-separated values; an unknown number is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    for row in rows:
        writer.writerow(["" if isinstance(value, float) and math.isnan(value) else value for value in row])
    return text.getvalue()
