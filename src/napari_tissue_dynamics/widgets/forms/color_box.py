"""A combo to find one of many names by typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence


class ColorBox(QComboBox):
    """Obs columns first, then genes; typing any part of a name finds it."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._names = QStringListModel(self)
        self.setModel(self._names)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.setCompleter(completer)
        self.lineEdit().setPlaceholderText("cell type or gene")
        self.textActivated.connect(self.chosen)
        self.chosen.connect(lambda _: completer.popup().hide())
        self.lineEdit().returnPressed.connect(self._typed)

    def offer(self, columns: Sequence[str], genes: Sequence[str]) -> None:
        """List these names; nothing is chosen yet."""
        self._names.setStringList([*columns, *genes])
        self.setCurrentIndex(-1)
        self.clearEditText()

    def _typed(self) -> None:
        """Signal also names that are in no list, so that the answer can explain what is wrong."""
        text = self.currentText().strip()
        if text and self.findText(text) < 0:
            self.chosen.emit(text)
