"""A card next to the mouse with the values of the cell under it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_tissue_dynamics.layers.hover_text import cell_card
from napari_tissue_dynamics.widgets.canvas.picking import picker_of
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari

    from napari_tissue_dynamics.layers.hover_text import CardLine

FRAME = 16
"""Milliseconds between two drawings of the card: what the mouse passes faster is skipped."""
AWAY = 150
"""Milliseconds between two looks whether the mouse has left the canvas, which emits no event."""
OFFSET = QPoint(18, 14)
STYLE = "QLabel { background: #1e1f24; color: #f4f4f4; border: 1px solid #8a8d96; padding: 5px; }"


class HoverCard(QLabel):
    """Follows the mouse over the cells; it is a small window of its own that takes no clicks and no focus.

    Parameters
    ----------
    owner
        The dock it belongs to; it ends with it.
    """

    def __init__(self, viewer: napari.viewer.Viewer, owner: QWidget) -> None:
        flags = Qt.WindowType.ToolTip | Qt.WindowType.WindowTransparentForInput
        super().__init__(owner, flags)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setStyleSheet(STYLE)
        self.setAccessibleName("Cell under the mouse")
        self.enabled = True
        self._workspace = workspace_of(viewer)
        self._cell: int | None = None
        self._over: QWidget | None = None
        self._draw_soon, self._look_away = QTimer(self), QTimer(self)
        self._draw_soon.setSingleShot(True)
        self._draw_soon.setInterval(FRAME)
        self._draw_soon.timeout.connect(self.draw)
        self._look_away.setInterval(AWAY)
        self._look_away.timeout.connect(self._hide_when_left)
        listen(self, picker_of(viewer).hovered, self._hovered)
        for signal in (self._workspace.coloring_changed, self._workspace.velocity_changed):
            listen(self, signal, self._follow)

    def draw(self) -> None:
        """Show the values of the cell under the mouse, or hide."""
        tissue = self._workspace.tissue
        if self._cell is None or tissue is None or not self.enabled:
            self.hide()
            self._look_away.stop()
            return
        velocity = self._workspace.velocity
        lines = cell_card(
            tissue,
            self._cell,
            self._workspace.coloring,
            None if velocity is None else velocity.field,
            self._workspace.palettes,
        )
        self.setText(html_of(lines))
        self.adjustSize()
        self.move(self._beside(QCursor.pos()))
        self._over = QApplication.widgetAt(QCursor.pos())
        self.show()
        self._look_away.start()

    def _hovered(self, cell: int | None) -> None:
        self._cell = cell
        if self.enabled and not self._draw_soon.isActive():
            self._draw_soon.start()

    def _follow(self) -> None:
        """Update the values of the cell under the mouse."""
        if self.isVisible() and not self._draw_soon.isActive():
            self._draw_soon.start()

    def _hide_when_left(self) -> None:
        if QApplication.widgetAt(QCursor.pos()) is not self._over:
            self._cell = None
            self.draw()

    def _beside(self, mouse: QPoint) -> QPoint:
        """Return a corner for the card beside the mouse, on the other side near the end of the screen."""
        screen = QApplication.screenAt(mouse) or QApplication.primaryScreen()
        place = mouse + OFFSET
        if screen is not None:
            limit = screen.availableGeometry()
            if place.x() + self.width() > limit.right():
                place.setX(mouse.x() - OFFSET.x() - self.width())
            if place.y() + self.height() > limit.bottom():
                place.setY(mouse.y() - OFFSET.y() - self.height())
        return place


def html_of(lines: Sequence[CardLine]) -> str:
    """Return the lines as a small table, with a square in the color of a category."""
    cells = []
    for name, value, color in lines:
        square = f'<span style="color:{color}">■</span> ' if color else ""
        cells.append(f"<tr><td>{escape(name)}&nbsp;&nbsp;</td><td>{square}<b>{escape(value)}</b></td></tr>")
    return f"<table cellspacing='0'>{''.join(cells)}</table>"
