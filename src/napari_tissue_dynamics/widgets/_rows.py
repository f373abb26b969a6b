"""Labelled fields that fit a narrow dock."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QLabel, QSizePolicy, QWidget


def rows() -> QFormLayout:
    """Return a layout for labelled fields that fits a narrow dock."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def add_row(layout: QFormLayout, name: str, field: QWidget, tooltip: str, *, inside: QWidget | None = None) -> None:
    """Add a field with its label, tooltip and accessible name.

    Parameters
    ----------
    layout
        From :func:`rows`.
    name
        The label.
    field
        The control.
    tooltip
        What it is for.
    inside
        A widget that holds the control beside others; it is added instead of the control.
    """
    label = QLabel(name)
    label.setBuddy(field)
    for widget in (label, field):
        widget.setToolTip(tooltip)
    field.setAccessibleName(name)
    field.setAccessibleDescription(tooltip)
    field.setMinimumWidth(80)
    field.setSizePolicy(QSizePolicy.Policy.Expanding, field.sizePolicy().verticalPolicy())
    layout.addRow(label, field if inside is None else inside)


def sentences(name: str, text: str = "") -> QLabel:
    """Return a label for a few sentences, with its accessible name."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setAccessibleName(name)
    return label
