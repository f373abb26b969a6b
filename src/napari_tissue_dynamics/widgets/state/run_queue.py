"""Queued runs for the one that is running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QListWidget, QPushButton, QVBoxLayout, QWidget

from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QKeyEvent

KEYS = "Delete removes the chosen run, Alt+Up and Alt+Down move it."


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A run that waits.

    Parameters
    ----------
    begin
        Starts it, with the settings it was given when it was put here.
    """

    what: str
    begin: Callable[[], None]


class RunQueue:
    """Runs in the order in which they will begin."""

    changed = Signal()

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """The runs, the next one first."""
        return tuple(self._waiting)

    def add(self, what: str, begin: Callable[[], None]) -> None:
        """Put a run at the end."""
        self._waiting.append(Waiting(what, begin))
        self.changed.emit()

    def take(self) -> Waiting | None:
        """Return the next run and forget it, None if there is none."""
        if not self._waiting:
            return None
        first = self._waiting.pop(0)
        self.changed.emit()
        return first

    def remove(self, index: int) -> None:
        """Forget a run."""
        del self._waiting[index]
        self.changed.emit()

    def move(self, index: int, step: int) -> int:
        """Let a run begin earlier (-1) or later (1); return where it is now."""
        to = min(max(index + step, 0), len(self._waiting) - 1)
        self._waiting.insert(to, self._waiting.pop(index))
        self.changed.emit()
        return to

    def clear(self) -> None:
        """Forget all runs."""
        self._waiting.clear()
        self.changed.emit()


class QueueList(QWidget):
    """The runs that wait, to be moved and removed; out of sight while there are none."""

    def __init__(self, queue: RunQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self.list = _List(self)
        self.list.setMaximumHeight(70)
        self.list.setAccessibleName("Queued runs")
        self.list.setToolTip(f"These runs start one after the other. {KEYS}")
        self.earlier, self.later, self.remove = (
            _button("↑", "Move up", lambda: self.shift(-1)),
            _button("↓", "Move down", lambda: self.shift(1)),
            _button("✕", "Remove from the queue", self.drop),
        )
        buttons = QHBoxLayout()
        buttons.addWidget(QLabel("Queued:"), 1)
        for button in (self.earlier, self.later, self.remove):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.list)
        listen(self, queue.changed, self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """List the runs."""
        row = self.list.currentRow()
        self.list.clear()
        self.list.addItems([f"{k}. {run.what}" for k, run in enumerate(self._queue.waiting, 1)])
        self.list.setCurrentRow(min(max(row, 0), self.list.count() - 1))
        self.setVisible(self.list.count() > 0)

    def shift(self, step: int) -> None:
        """Move the chosen run."""
        if self.list.currentRow() >= 0:
            self.list.setCurrentRow(self._queue.move(self.list.currentRow(), step))

    def drop(self) -> None:
        """Remove the chosen run."""
        if self.list.currentRow() >= 0:
            self._queue.remove(self.list.currentRow())


class _List(QListWidget):
    def __init__(self, owner: QueueList) -> None:
        super().__init__()
        self._owner = owner

    def keyPressEvent(self, event: QKeyEvent) -> None:
        alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if event.key() == Qt.Key.Key_Delete:
            self._owner.drop()
        elif alt and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._owner.shift(-1 if event.key() == Qt.Key.Key_Up else 1)
        else:
            super().keyPressEvent(event)


def _button(text: str, tip: str, slot: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    button.setFixedWidth(28)
    button.clicked.connect(slot)
    return button
