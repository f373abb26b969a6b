"""Labeled fields that fit a narrow dock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Button = TypeVar("Button", bound=QAbstractButton)

_INVISIBLE = "\u200b"
_WHERE_TO_BREAK = re.compile(r"(?<=\w)(?:[_/-]|(?<!\d)\.|\.(?!\d))(?=\w)|\w{20}(?=\w)")


def rows() -> QFormLayout:
    """Return a layout for labeled fields that fits a narrow dock."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def stacked(widget: QWidget, *parts: QWidget | QLayout) -> QVBoxLayout:
    """Put widgets and layouts below each other into a widget, without margins; return its layout."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addLayout(part) if isinstance(part, QLayout) else layout.addWidget(part)
    return layout


def push_button(text: str, tooltip: str = "") -> QPushButton:
    """Return a button with a tooltip describing what it does; the dots of a dialog are not spoken."""
    return _named(QPushButton(text), text.removesuffix(" …"), tooltip)


def check_box(text: str, tooltip: str = "") -> QCheckBox:
    """Return a check box with a tooltip describing what it does."""
    box = _named(QCheckBox(text), text, tooltip)
    box.setAccessibleDescription(tooltip)
    return box


def _named(button: Button, name: str, tooltip: str) -> Button:
    button.setToolTip(tooltip)
    button.setAccessibleName(name)
    return button


def narrow_combo(*items: str) -> QComboBox:
    """Return a combo that long items do not make wider than its dock."""
    combo = QComboBox()
    combo.addItems(items)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    return combo


def refill(combo: QComboBox, items: Sequence[str], *wanted: str) -> None:
    """Offer other items without a signal, and choose the first of ``wanted`` that is among them."""
    with QSignalBlocker(combo):
        combo.clear()
        combo.addItems(items)
        found = [items.index(name) for name in wanted if name in items]
        if found:
            combo.setCurrentIndex(found[0])


def add_row(layout: QFormLayout, name: str, field: QWidget, tooltip: str, *, inside: QWidget | None = None) -> None:
    """Add a field with its label, tooltip and accessible name.

    Parameters
    ----------
    layout
        From :func:`rows`.
    inside
        A widget that holds the control beside others; it is added instead of the control.
    """
    label = QLabel(name)
    label.setBuddy(field)
    for widget in (label, field):
        widget.setToolTip(tooltip)
    if isinstance(field, QAbstractSpinBox | QComboBox):
        _QuietWheel(field)
    field.setAccessibleName(name)
    field.setAccessibleDescription(tooltip)
    field.setMinimumWidth(80)
    field.setSizePolicy(QSizePolicy.Policy.Expanding, field.sizePolicy().verticalPolicy())
    layout.addRow(label, field if inside is None else inside)


class _QuietWheel(QObject):
    """Leaves the wheel to the dock unless the field has the focus, so that scrolling changes no setting."""

    def __init__(self, field: QWidget) -> None:
        super().__init__(field)
        self._field = field
        field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        field.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Hand a turn of the wheel on."""
        if event.type() == QEvent.Type.Wheel and not self._field.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def sentences(name: str, text: str = "") -> QLabel:
    """Return a label for a few sentences, with its accessible name; long names of files break across lines."""
    label = _Sentences()
    label.setText(text)
    label.setWordWrap(True)
    label.setAccessibleName(name)
    return label


class _Sentences(QLabel):
    """Plain text that may break inside a long word, so that no file name makes a dock wider than its window."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)

    def setText(self, text: str) -> None:
        """Show ``text``; what is rich text by the will of its dock stays as it is."""
        if self.textFormat() == Qt.TextFormat.RichText:
            super().setText(text)
            return
        super().setText(_WHERE_TO_BREAK.sub(lambda found: found[0] + _INVISIBLE, text))

    def sizeHint(self) -> QSize:
        """Return no size while there is nothing to read."""
        return super().sizeHint() if self.text() else QSize(0, 0)

    def minimumSizeHint(self) -> QSize:
        """Return no size while there is nothing to read."""
        return super().minimumSizeHint() if self.text() else QSize(0, 0)

    def heightForWidth(self, width: int) -> int:
        """Return no height while there is nothing to read."""
        return super().heightForWidth(width) if self.text() else 0

    def text(self) -> str:
        """Return the text as it was set."""
        return super().text().replace(_INVISIBLE, "")
