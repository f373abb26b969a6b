"""Fields for numbers, where words may stand for the lowest one."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

DECIMALS = 24
"""Far more digits than any setting needs: the field never rounds what it is given."""


class _WordsGiveWay(QObject):
    """Selects the words of a field when they are clicked, so that a number can be typed over them."""

    def __init__(self, box: QSpinBox | QDoubleSpinBox) -> None:
        super().__init__(box)
        self._box = box
        line = box.findChild(QLineEdit)
        if line is not None:
            line.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Wait until the line has put its cursor where it was clicked."""
        if event.type() == QEvent.Type.MouseButtonRelease and self._box.text() == self._box.specialValueText():
            QTimer.singleShot(0, self._box.selectAll)
        return super().eventFilter(watched, event)


class IntBox(QSpinBox):
    """A spin box for whole numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        _WordsGiveWay(self)


class NumberBox(QDoubleSpinBox):
    """A spin box that shows 1e-09 as such and gives back exactly the number it was set to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(DECIMALS)
        self.setStepType(QAbstractSpinBox.StepType.DefaultStepType)
        _WordsGiveWay(self)

    def textFromValue(self, value: float) -> str:
        """Return the shortest text that reads back as ``value``."""
        return repr(int(value)) if value == int(value) and abs(value) < 1e6 else repr(value)

    def valueFromText(self, text: str) -> float:
        """Return the number that ``text`` means, 0 while it is being typed."""
        try:
            return float(text)
        except ValueError:
            return 0.0

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept any number in range; let every beginning of one pass."""
        try:
            inside = self.minimum() <= float(text) <= self.maximum()
        except ValueError:
            typing = set(text) <= set("0123456789.eE+-")
            state = QValidator.State.Intermediate if typing else QValidator.State.Invalid
        else:
            state = QValidator.State.Acceptable if inside else QValidator.State.Intermediate
        return state, text, position
