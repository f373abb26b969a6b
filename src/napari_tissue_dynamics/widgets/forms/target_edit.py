"""A line for several gene names, with suggestions for the one being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QStringListModel, Qt
from qtpy.QtWidgets import QCompleter, QLineEdit, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qtpy.QtGui import QKeyEvent


class GenesEdit(QLineEdit):
    """Comma-separated gene names; each is completed on its own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names = QStringListModel(self)
        self._completer = QCompleter(self._names, self)
        self._completer.setWidget(self)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.activated.connect(self._complete)
        self.textEdited.connect(self._suggest)

    def offer(self, genes: Sequence[str]) -> None:
        """Suggest these names."""
        self._names.setStringList(list(genes))

    def genes(self) -> tuple[str, ...]:
        """Return the names, each once, in order."""
        return tuple(dict.fromkeys(name for part in self.text().split(",") if (name := part.strip())))

    def set_genes(self, genes: Iterable[str]) -> None:
        """Show these names."""
        self.setText(", ".join(genes))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave Return and Tab to the list of suggestions while it is open."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab, Qt.Key.Key_Escape)
        if self._completer.popup().isVisible() and event.key() in keys:
            event.ignore()
            return
        super().keyPressEvent(event)

    def _suggest(self) -> None:
        typed = self.text()[: self.cursorPosition()].split(",")[-1].strip()
        self._completer.setCompletionPrefix(typed)
        if typed and self._completer.completionCount():
            self._completer.complete()
        else:
            self._completer.popup().hide()

    def _complete(self, name: str) -> None:
        before, after = self.text()[: self.cursorPosition()], self.text()[self.cursorPosition() :]
        kept = before.rpartition(",")[0]
        start = f"{kept}, {name}" if kept else name
        self.setText(start + after)
        self.setCursorPosition(len(start))
