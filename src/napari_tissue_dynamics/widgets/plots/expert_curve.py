"""The curves from which the number of experts is read, and how one is chosen from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_tissue_dynamics.widgets.plots.legend import number as in_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPaintEvent

    from napari_tissue_dynamics.steer.prior.n_experts import ExpertNumber, Method

MARGIN = 12
PANEL_HEIGHT = 62
DOT = 3.0
# Both at least 4.5 : 1, the first on the dark and the second on the light theme of napari.
MARKS = (QColor("#ffb454"), QColor("#8f4700"))

NAMES: dict[Method, str] = {
    "stability": "stable groups",
    "icl": "ICL",
    "bic": "BIC",
    "entropy": "entropy elbow",
}
TIP = (
    "Experts are groups of cells with distinct kinetics. Stability: are the same groups found again when a fifth of "
    "the cells is held out? 1 means always. Entropy: how uncertain the assignment of cells to groups is; the number is "
    "read where the curve bends. BIC and ICL: how well this many groups describe the cells; higher is better, but "
    "bent groups are cut to pieces. Click a number, or choose it with Left and Right and press Enter, to use it."
)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One curve: its name, its value at 1, 2, ... experts (nan for none) and the number read from it."""

    method: Method
    values: NDArray[np.float64]
    recommended: int


class ExpertCurve(QWidget):
    """Three small plots over the number of experts, one below the other."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.selected = 0
        self._result: ExpertNumber | None = None
        self._panels: tuple[tuple[str, tuple[Curve, ...]], ...] = ()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Curves of the number of experts")
        self.show_result(None)

    def show_result(self, result: ExpertNumber | None) -> None:
        """Draw the curves of an estimate; None hides the plot."""
        self._result = result
        self.setVisible(result is not None)
        if result is None:
            self._panels, self.selected = (), 0
            return

        def curve(method: Method, values: NDArray[np.float64]) -> Curve:
            return Curve(method, values, result.recommendations[method])

        self._panels = (
            ("Stability", (curve("stability", result.stability),)),
            ("Entropy", (curve("entropy", result.entropies),)),
            ("BIC ● and ICL ○", (curve("bic", result.bic), curve("icl", result.icl))),
        )
        self._select(result.recommended)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Return the size of the three plots and the numbers below them."""
        return QSize(280, 3 * (PANEL_HEIGHT + self._text_height()) + self._text_height() + 8)

    def minimumSizeHint(self) -> QSize:
        """Return the least size; the plots only shrink in width."""
        return QSize(160, self.sizeHint().height())

    def place(self, number: int) -> QPointF:
        """Return where on the number line ``number`` stands, in pixels of this widget."""
        return QPointF(self._x(number), self.height() - self._text_height() / 2 - 2)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the number that is nearest to the click."""
        if self._result is None or event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        self._select(self._nearest(event.position().x()))
        self.chosen.emit(self.selected)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the next number with Left and Right, choose it with Enter."""
        key = event.key()
        if self._result is not None and key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._select(self.selected + (1 if key == Qt.Key.Key_Right else -1))
        elif self._result is not None and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self.selected)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Show the values under the mouse as a tooltip."""
        if event.type() == QEvent.Type.ToolTip and self._result is not None:
            show_values(self, event, self._nearest(event.pos().x()))
            return True
        return super().event(event)

    def values(self, number: int) -> str:
        """Return the values of all curves at ``number``, in words."""
        parts = [
            f"{curve.method.upper() if curve.method in ('bic', 'icl') else curve.method} {curve.values[number - 1]:.4g}"
            for _, curves in self._panels
            for curve in curves
            if np.isfinite(curve.values[number - 1])
        ]
        return f"{experts(number)}: {', '.join(parts) or 'not tried'}."

    def changeEvent(self, event: QEvent) -> None:
        """Ask for another height when the text changes its size."""
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the plots, the recommended number and the selected one."""
        if self._result is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().windowText().color()
        mark = MARKS[0] if ink.lightness() > 127 else MARKS[1]
        self._paint_columns(painter, ink, mark)
        top, high = 0.0, (self.height() - 4 * self._text_height() - 8) / 3
        for title, curves in self._panels:
            painter.setPen(ink)
            line = QRectF(MARGIN, top, self.width() - 2 * MARGIN, self._text_height())
            painter.drawText(line, Qt.AlignmentFlag.AlignLeft, title)
            ends = [in_digits(end) for end in value_range([curve.values for curve in curves])]
            painter.drawText(line, Qt.AlignmentFlag.AlignRight, " to ".join(ends))
            top += self._text_height()
            area = QRectF(MARGIN, top + 2 * DOT, self.width() - 2 * MARGIN, high - 4 * DOT)
            self._paint_panel(painter, area, curves, (ink, mark))
            top += high
        self._paint_numbers(painter, ink)

    def _paint_columns(self, painter: QPainter, ink: QColor, mark: QColor) -> None:
        """Paint a band at the recommended number and a frame at the selected one."""
        assert self._result is not None
        width = min(self._step(), 28.0)
        band = QColor(mark)
        band.setAlpha(60)
        painter.fillRect(self._column(self._result.recommended, width), band)
        pen = QPen(ink, 2 if self.hasFocus() else 1)
        pen.setStyle(Qt.PenStyle.SolidLine if self.hasFocus() else Qt.PenStyle.DotLine)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(self._column(self.selected, width).adjusted(1, 1, -1, -1))

    def _paint_panel(
        self, painter: QPainter, area: QRectF, curves: Sequence[Curve], colors: tuple[QColor, QColor]
    ) -> None:
        ink, mark = colors
        low, high = value_range([curve.values for curve in curves])
        for index, curve in enumerate(curves):
            points = [
                (place, QPointF(self._x(place), area.bottom() - area.height() * (value - low) / (high - low)))
                for place, value in enumerate(curve.values, 1)
                if np.isfinite(value)
            ]
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DashLine if index else Qt.PenStyle.SolidLine))
            painter.drawPolyline(QPolygonF([point for _, point in points]))
            for place, point in points:
                best = place == curve.recommended
                color, radius = (mark, 2 * DOT) if best else (ink, DOT)
                painter.setPen(QPen(color, 2 if best else 1))
                painter.setBrush(self.palette().window().color() if index else color)
                painter.drawEllipse(point, radius - index, radius - index)

    def _paint_numbers(self, painter: QPainter, ink: QColor) -> None:
        painter.setPen(ink)
        font = painter.font()
        for number in self._numbers():
            font.setBold(number == self.selected)
            painter.setFont(font)
            center = self.place(number)
            box = QRectF(center.x() - 12, center.y() - self._text_height() / 2, 24, self._text_height())
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(number))

    def _select(self, number: int) -> None:
        self.selected = min(max(number, 1), len(self._numbers()))
        self.setAccessibleDescription(f"{self.values(self.selected)} {TIP}")
        self.update()

    def _numbers(self) -> range:
        return range(1, 1 if self._result is None else len(self._result.numbers) + 1)

    def _nearest(self, x: float) -> int:
        return min(max(round((x - self._x(1)) / self._step()) + 1, 1), len(self._numbers()))

    def _step(self) -> float:
        return (self.width() - 4 * MARGIN) / max(len(self._numbers()) - 1, 1)

    def _x(self, number: int) -> float:
        return 2 * MARGIN + (number - 1) * self._step()

    def _column(self, number: int, width: float) -> QRectF:
        return QRectF(self._x(number) - width / 2, 0, width, self.height())

    def _text_height(self) -> int:
        return self.fontMetrics().height() + 2


def experts(number: int) -> str:
    """Return ``number`` with its noun."""
    return "1 expert" if number == 1 else f"{number} experts"


def value_range(curves: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the lowest and the highest finite value, apart from each other."""
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + 1


def show_values(curve: ExpertCurve, event: QHelpEvent, number: int) -> None:
    """Show the values of the curves at ``number`` beside the mouse."""
    QToolTip.showText(event.globalPos(), f"<p>{curve.values(number)}</p><p>{TIP}</p>", curve)
