"""Named bars from 0 to 1: weights of experts, probabilities of fates, latent time with its spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

GAP = 6
LONGEST_NAME = 0.42
"""Share of the width that names may take."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Parameters
    ----------
    value
        0 to 1.
    color
        ``#rrggbb``.
    other
        The value of the cell it is compared with, or None.
    """

    name: str
    value: float
    color: str
    other: float | None = None

    @property
    def words(self) -> str:
        """The numbers, in words."""
        other = "" if self.other is None else f", in the pinned cell {self.other:.2f}"
        return f"{self.name} {self.value:.2f}{other}"


class ShareBars(QWidget):
    """Bars below each other with names and numbers; a small mark shows the value of a pinned cell.

    Parameters
    ----------
    name
        Accessible name.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars: tuple[Bar, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self.hide()

    @property
    def bars(self) -> tuple[Bar, ...]:
        """What is shown."""
        return self._bars

    def show_bars(self, bars: Sequence[Bar]) -> None:
        """Draw these bars; none hides the widget."""
        self._bars = tuple(bars)
        self.setVisible(bool(self._bars))
        self.setAccessibleDescription("; ".join(bar.words for bar in self._bars))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return the size of all bars."""
        return QSize(220, len(self._bars) * self._row() + 2)

    def minimumSizeHint(self) -> QSize:
        """Return the least size; bars only shrink in width."""
        return QSize(140, self.sizeHint().height())

    def event(self, event: QEvent) -> bool:
        """Show the numbers of the bar under the mouse."""
        if event.type() == QEvent.Type.ToolTip:
            place = int(event.pos().y() // self._row())
            words = self._bars[place].words if place < len(self._bars) else ""
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw names, bars, marks and numbers."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink, metrics = self.palette().windowText().color(), self.fontMetrics()
        wide = max((metrics.horizontalAdvance(bar.name) for bar in self._bars), default=0)
        names = min(wide, LONGEST_NAME * self.width())
        numbers = metrics.horizontalAdvance("0.00") + 2
        length = max(10.0, self.width() - names - numbers - 2 * GAP)
        for k, bar in enumerate(self._bars):
            top, high = k * self._row() + 1, self._row() - 4
            painter.setPen(ink)
            middle = Qt.AlignmentFlag.AlignVCenter
            name = metrics.elidedText(bar.name, Qt.TextElideMode.ElideRight, int(names) + 1)
            painter.drawText(QRectF(0, top, names + 2, high), middle, name)
            area = QRectF(names + GAP, top + 1, length, high - 2)
            self._paint_bar(painter, area, bar, ink)
            end = QRectF(area.right() + GAP, top, numbers, high)
            painter.drawText(end, middle | Qt.AlignmentFlag.AlignRight, f"{bar.value:.2f}")

    def _paint_bar(self, painter: QPainter, area: QRectF, bar: Bar, ink: QColor) -> None:
        ground = QColor(ink)
        ground.setAlpha(40)
        painter.fillRect(area, ground)
        end = area.left() + area.width() * min(max(bar.value, 0.0), 1.0)
        painter.fillRect(QRectF(area.left(), area.top(), end - area.left(), area.height()), QColor(bar.color))
        if bar.other is not None:
            place = area.left() + area.width() * min(max(bar.other, 0.0), 1.0)
            for color, width in ((self.palette().window().color(), 5), (ink, 2)):
                painter.setPen(QPen(color, width))
                painter.drawLine(int(place), int(area.top() - 1), int(place), int(area.bottom() + 1))
        painter.setPen(ink)

    def _row(self) -> int:
        return self.fontMetrics().height() + 6
