"""User actions that can be undone and redone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_STEPS = 50
"""How many steps are remembered: a selection of 1 000 000 cells takes 1 MB, so 100 MB at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step: its description, and how to undo and redo it."""

    words: str
    undo: Callable[[], None]
    redo: Callable[[], None]


class UndoStack:
    """Steps in order, and a place between them."""

    changed = Signal()

    def __init__(self) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def undo_words(self) -> str:
        """What the next undo reverts, empty when there is nothing."""
        return self._done[-1].words if self._done else ""

    @property
    def redo_words(self) -> str:
        """What the next redo repeats, empty when there is nothing."""
        return self._undone[-1].words if self._undone else ""

    def add(self, words: str, undo: Callable[[], None], redo: Callable[[], None]) -> None:
        """Remember a step that has just been done; what was undone before it is forgotten."""
        self._done = [*self._done, Step(words, undo, redo)][-KEPT_STEPS:]
        self._undone.clear()
        self.changed.emit()

    def undo(self) -> None:
        """Undo the last step, if there is one."""
        if self._done:
            step = self._done.pop()
            self._undone.append(step)
            step.undo()
            self.changed.emit()

    def redo(self) -> None:
        """Redo the step undone last, if there is one."""
        if self._undone:
            step = self._undone.pop()
            self._done.append(step)
            step.redo()
            self.changed.emit()

    def clear(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()
        self.changed.emit()
