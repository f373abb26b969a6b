"""A color bar under the distribution of the values, with limits to drag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_tissue_dynamics.layers.coloring import BINS
from napari_tissue_dynamics.layers.colors import color_table
from napari_tissue_dynamics.widgets.plots.legend import number

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

    from napari_tissue_dynamics.layers.coloring import ValueColoring
    from napari_tissue_dynamics.layers.colors import ColorScale

HISTOGRAM, BAR, GRIP = 34, 14, 7
CATCH = 10.0
"""How far from a limit the mouse still takes hold of it, in pixels."""
KEY_STEP = 0.01
"""How far one press of an arrow key moves a limit, as a share of the whole range."""


class ColorRange(QWidget):
    """Shows how the values are distributed and which color they get; both limits can be moved.

    The mouse drags a limit; Left and Right move the lower one, with Shift the upper one; a double click asks for
    the limits of the percentiles again. For values with a sign both limits move together, so that zero stays the
    middle.

    Attributes
    ----------
    limits_moved
        Emits the lower and the upper limit.
    reset_requested
        Emitted by a double click.
    """

    limits_moved = Signal(float, float)
    reset_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: ColorScale | None = None
        self._signed = False
        self._from, self._to = 0.0, 1.0
        self._data = (0.0, 1.0)
        self._heights: NDArray[np.float64] = np.zeros(BINS)
        self._held = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    def sizeHint(self) -> QSize:
        """Return room for the distribution, the bar and the numbers below."""
        return QSize(240, HISTOGRAM + BAR + GRIP + self.fontMetrics().height() + 4)

    def show_coloring(self, coloring: ValueColoring) -> None:
        """Show these values, their distribution and their scale."""
        low, high, counts = coloring.values.distribution
        self._data = (low, high if high > low else low + 1.0)
        self._from = min(low, coloring.scale.low)
        self._to = max(high, coloring.scale.high)
        self._to = self._to if self._to > self._from else self._from + 1.0
        second = np.sort(counts)[-2]  # the highest bar is cut: a gene has far more zeros than anything else
        self._heights = np.sqrt(np.minimum(counts / max(second, 1), 1.0))
        self._signed = coloring.values.signed
        self.show_scale(coloring.scale, coloring.title)

    def show_scale(self, scale: ColorScale, title: str) -> None:
        """Show other limits or another map of the same values."""
        self._scale = scale
        self.setAccessibleName(f"Color bar of {title}, from {number(scale.low)} to {number(scale.high)}")
        self.setToolTip(
            f"{number(scale.low)} to {number(scale.high)}. Drag a limit, or press Left and Right for the lower and "
            "Shift+Left and Shift+Right for the upper one; double click for the percentiles."
        )
        self.update()

    def place(self, value: float) -> float:
        """Return where a value lies, in pixels from the left."""
        return GRIP + (value - self._from) / (self._to - self._from) * self._room

    @property
    def _room(self) -> float:
        return max(self.width() - 2 * GRIP, 1)

    def _value(self, x: float) -> float:
        share = min(max((x - GRIP) / self._room, 0.0), 1.0)
        return self._from + share * (self._to - self._from)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the nearer limit."""
        if self._scale is not None and event.button() == Qt.MouseButton.LeftButton:
            self._held = self._near(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the limit that is dragged, or show that one can be dragged here."""
        x = event.position().x()
        if self._held:
            self._move(self._held, self._value(x))
        elif self._scale is not None:
            self.setCursor(Qt.CursorShape.SizeHorCursor if self._near(x) else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._held = ""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ask for the limits of the percentiles."""
        self._held = ""
        self.reset_requested.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move a limit with the arrow keys."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if not steps or self._scale is None:
            super().keyPressEvent(event)
            return
        upper = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        now = self._scale.high if upper else self._scale.low
        self._move("high" if upper else "low", now + steps * KEY_STEP * (self._to - self._from))

    def _near(self, x: float) -> str:
        assert self._scale is not None
        away = {name: abs(x - self.place(getattr(self._scale, name))) for name in ("low", "high")}
        nearer = min(away, key=lambda name: away[name])
        return nearer if away[nearer] <= CATCH else ""

    def _move(self, limit: str, value: float) -> None:
        assert self._scale is not None
        least = (self._to - self._from) * 1e-3
        if self._signed:
            high = max(value if limit == "high" else -value, least)
            self.limits_moved.emit(-high, high)
        elif limit == "low":
            self.limits_moved.emit(min(value, self._scale.high - least), self._scale.high)
        else:
            self.limits_moved.emit(self._scale.low, max(value, self._scale.low + least))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the distribution, the bar over the whole range, both limits and their values."""
        if self._scale is None:
            return
        painter = QPainter(self)
        ink = self.palette().windowText().color()
        self._paint_histogram(painter, ink)
        painter.fillRect(QRectF(GRIP, HISTOGRAM, self._room, BAR), self._gradient())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(ink)
        painter.setBrush(ink)
        for value in (self._scale.low, self._scale.high):
            x, y = min(max(self.place(value), 0.0), float(self.width())), HISTOGRAM + BAR
            painter.drawLine(QPointF(x, 2), QPointF(x, y))
            painter.drawPolygon(QPolygonF([QPointF(x, y), QPointF(x - GRIP, y + GRIP), QPointF(x + GRIP, y + GRIP)]))
        for x, text in self._texts():
            painter.drawText(QPointF(x, HISTOGRAM + BAR + GRIP + self.fontMetrics().ascent() + 2), text)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _texts(self) -> list[tuple[float, str]]:
        """Return where each limit is written: below its grip, inside the widget, and side by side."""
        assert self._scale is not None
        low, high = number(self._scale.low), number(self._scale.high)
        metrics, gap = self.fontMetrics(), 8
        wide, room = metrics.horizontalAdvance(high), metrics.horizontalAdvance(low)
        at_high = min(max(self.place(self._scale.high) - wide / 2, room + gap), self.width() - wide)
        at_low = max(min(self.place(self._scale.low) - room / 2, at_high - room - gap), 0.0)
        return [(at_low, low), (at_high, high)]

    def _paint_histogram(self, painter: QPainter, ink: QColor) -> None:
        faint = QColor(ink)
        faint.setAlphaF(0.45)
        left = self.place(self._data[0])
        width = (self.place(self._data[1]) - left) / BINS
        for k, height in enumerate(self._heights):
            top = HISTOGRAM - 4
            painter.fillRect(QRectF(left + k * width, HISTOGRAM - top * height, width, top * height), faint)

    def _gradient(self) -> QLinearGradient:
        assert self._scale is not None
        table = color_table(self._scale.colormap)
        low, high = self.place(self._scale.low), self.place(self._scale.high)
        gradient = QLinearGradient(QPointF(low, 0), QPointF(max(high, low + 1e-3), 0))  # pads with its end colors
        for i in range(0, len(table), 5):
            gradient.setColorAt(i / (len(table) - 1), QColor.fromRgbF(*(float(part) for part in table[i])))
        return gradient
