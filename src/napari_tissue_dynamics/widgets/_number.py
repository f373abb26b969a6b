"""A field for numbers of any magnitude."""

from __future__ import annotations

from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QWidget

DECIMALS = 24
"""Far more digits than any setting needs: the field never rounds what it is given."""


class NumberBox(QDoubleSpinBox):
    """A spin box that shows 1e-09 as such and gives back exactly the number it was set to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(DECIMALS)
        self.setStepType(QAbstractSpinBox.StepType.DefaultStepType)

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
