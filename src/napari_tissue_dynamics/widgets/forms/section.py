"""A part of a dock that folds away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superqt import QCollapsible

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

TALLEST = 2**24 - 1
"""No limit, for Qt."""


class Section(QCollapsible):
    """A title that shows and hides what is below it; hidden fields are not in the Tab order.

    Parameters
    ----------
    content
        The widget that is shown and hidden; hidden at first.
    """

    def __init__(self, title: str, content: QWidget, tooltip: str) -> None:
        super().__init__(title, expandedIcon="▾", collapsedIcon="▸")
        self.setDuration(0)
        self.setContent(content)
        self.collapse(animate=False)
        content.hide()
        self.toggled.connect(self._toggled)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(3)
        button = self.toggleButton()
        button.setToolTip(tooltip)
        button.setAccessibleName(title)

    def _toggled(self, expanded: bool) -> None:
        content = self.content()
        content.setVisible(expanded)
        if expanded:
            content.setMaximumHeight(TALLEST)  # rows that appear later are not squeezed into the height of before
