"""A small plot of one gene: unspliced over spliced RNA, drawn at once also for many cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_tissue_dynamics.layers.colors import palette
from napari_tissue_dynamics.layers.scatter import Axis, axis_of, nearest, stamped
from napari_tissue_dynamics.widgets.plots.legend import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QHelpEvent, QMouseEvent, QPaintEvent

    from napari_tissue_dynamics.analysis.genes.portrait import Course, PhasePortrait

DOT = 2.2
"""Radius of a cell where there are few; many are drawn smaller."""
SMALL_DOT, MANY = 1.4, 5000
RING = 6.0
REACH = 8.0
"""So far, in pixels, a click may be from a cell."""
GAP = 4
SAMPLE = 14
"""Length of a line in the key."""
LINE, HALO = 1.8, 3.6
"""Widths of a line, and of the ground that sets it off from the cells."""
HIGHEST = 1.1
"""Largest height over width."""


class PortraitCanvas(QWidget):
    """Cells of one gene in the plane of spliced and unspliced RNA, the curve of the model and marked cells.

    The cells are drawn once into a picture, which is kept until gene, colors or size change.
    """

    cell_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._portrait: PhasePortrait | None = None
        self._colors: NDArray[np.float32] = np.empty((0, 4), np.float32)
        self._names: Sequence[str] = ()
        self._marked: tuple[int, ...] = ()
        self._picture: QPixmap | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.show_portrait(None)

    def show_portrait(
        self,
        portrait: PhasePortrait | None,
        colors: NDArray[np.float32] | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """Draw a gene; None empties the plot.

        Parameters
        ----------
        portrait
            From :func:`.analysis.genes.portrait.portrait_of`.
        colors
            (cells, 4) red, green, blue and opacity, 0 to 1; gray if omitted.
        names
            Names of the cells, for the tooltip.
        """
        self._portrait, self._names = portrait, names
        n_cells = 0 if portrait is None else len(portrait.spliced)
        self._colors = np.full((n_cells, 4), 0.6, np.float32) if colors is None else colors
        self._picture = None
        self.setAccessibleName("Phase portrait" if portrait is None else f"Phase portrait of {portrait.gene}")
        text = "" if portrait is None else f"{n_cells} cells, {portrait.model} model, {portrait.quality}"
        self.setAccessibleDescription(text)
        self.update()

    def mark(self, cells: Sequence[int]) -> None:
        """Draw a ring around these cells."""
        self._marked = tuple(cells)
        self.update()

    def place(self, cell: int) -> QPointF:
        """Return where a cell is, in pixels of this widget."""
        axes = self._axes()
        if self._portrait is None or axes is None:
            return QPointF()
        return self._at(axes, float(self._portrait.spliced[cell]), float(self._portrait.unspliced[cell]))

    def sizeHint(self) -> QSize:
        """Return a square that fits a narrow dock."""
        return QSize(280, 260)

    def minimumSizeHint(self) -> QSize:
        """Return the least size that axes with numbers are legible in."""
        return QSize(180, 180)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Emit the clicked cell."""
        found = self._cell_at(event.position())
        if found is None or event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        self.cell_clicked.emit(found)

    def event(self, event: QEvent) -> bool:
        """Name the cell below the pointer."""
        if event.type() == QEvent.Type.ToolTip:
            self._tell(event)
            return True
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._picture = None
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the kept picture of the cells, and above it axes, curve and marks."""
        painter = QPainter(self)
        frame = self._frame()
        painter.fillRect(frame, self._ground())
        painter.setPen(self._ink())
        axes = self._axes()
        if self._portrait is None or axes is None:
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, "no gene is shown")
            return
        self._draw_axes(painter, axes)
        painter.drawPixmap(frame.topLeft(), self._cells(axes))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(frame)
        for course, style in self._courses():
            line = QPolygonF([self._at(axes, *at) for at in zip(course.spliced, course.unspliced, strict=True)])
            self._stroke(painter, style, lambda shape=line: painter.drawPolyline(shape), self._color(course))
        for cell in self._marked:
            if 0 <= cell < len(self._portrait.spliced):
                place = self.place(cell)
                self._stroke(painter, Qt.PenStyle.SolidLine, lambda at=place: painter.drawEllipse(at, RING, RING))

    def resizeEvent(self, event: object) -> None:
        """Redraw the cells at the next painting; a plot is not much higher than wide."""
        self._picture = None
        self.setMaximumHeight(max(self.minimumSizeHint().height(), round(HIGHEST * self.width())))

    def _stroke(self, painter: QPainter, style: Qt.PenStyle, draw: object, own: QColor | None = None) -> None:
        """Draw a line twice, so that it stands out on cells of every color; a colored one between two of ink."""
        strokes = [(self._ground(), HALO), (self._ink(), LINE)]
        if own is not None:
            strokes = [(self._ground(), HALO + 2 * LINE), (self._ink(), HALO + LINE), (own, LINE)]
        for color, width in strokes:
            painter.setPen(QPen(color, width, style if width == LINE else Qt.PenStyle.SolidLine))
            draw()  # type: ignore[operator]

    def _courses(self) -> list[tuple[Course, Qt.PenStyle]]:
        portrait = self._portrait
        if portrait is None:
            return []
        steady = [] if portrait.steady is None else [(portrait.steady, Qt.PenStyle.DashLine)]
        return [*steady, *((course, Qt.PenStyle.SolidLine) for course in portrait.curves)]

    def _color(self, course: Course) -> QColor | None:
        """Return the color that the layer of the experts gives to the expert of a course, None for other courses."""
        if course.expert < 0 or self._portrait is None:
            return None
        colors = palette(max(curve.expert for curve in self._portrait.curves) + 1)
        return QColor(colors[course.expert])

    def _draw_axes(self, painter: QPainter, axes: tuple[Axis, Axis]) -> None:
        frame, high = self._frame(), self.fontMetrics().height()
        across, up = axes
        for value in across.ticks():
            x = frame.left() + float(across.place(value))
            painter.drawLine(QPointF(x, frame.bottom()), QPointF(x, frame.bottom() + 3))
            box = QRectF(x - 40, frame.bottom() + 3, 80, high)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, number(value))
        for value in up.ticks():
            y = frame.bottom() - float(up.place(value))
            painter.drawLine(QPointF(frame.left() - 3, y), QPointF(frame.left(), y))
            box = QRectF(0, y - high / 2, frame.left() - 5, high)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, number(value))
        below = QRectF(frame.left(), frame.bottom() + 3 + high, frame.width(), high + 2)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, "spliced")
        self._draw_key(painter, QRectF(0, 0, self.width(), high + 2))

    def _draw_key(self, painter: QPainter, row: QRectF) -> None:
        """Name the vertical axis and the lines, above the plot."""
        painter.drawText(row, Qt.AlignmentFlag.AlignLeft, "unspliced")
        right, least = row.right(), self.fontMetrics().horizontalAdvance("unspliced ")
        first = next((course for course, _ in self._courses() if course.expert >= 0), None)
        for course, style in reversed(self._courses()):
            name = course.name if course.expert < 0 or course is first else str(course.expert)
            wide = self.fontMetrics().horizontalAdvance(name)
            if right - wide - SAMPLE - GAP < least:
                return  # no room for another
            painter.drawText(QRectF(right - wide, row.top(), wide, row.height()), 0, name)
            line = right - wide - GAP
            painter.setPen(QPen(self._color(course) or self._ink(), 2 if course.expert < 0 else 4, style))
            painter.drawLine(QPointF(line - SAMPLE, row.center().y()), QPointF(line, row.center().y()))
            painter.setPen(self._ink())
            right = line - SAMPLE - 2 * GAP

    def _cells(self, axes: tuple[Axis, Axis]) -> QPixmap:
        if self._picture is None:
            portrait, ratio, frame = self._portrait, self.devicePixelRatioF(), self._frame()
            assert portrait is not None
            size = (max(1, round(frame.width() * ratio)), max(1, round(frame.height() * ratio)))
            x = axes[0].place(portrait.spliced) * ratio
            y = size[1] - axes[1].place(portrait.unspliced) * ratio
            dot = DOT if len(x) <= MANY else SMALL_DOT
            pixels = stamped(x, y, self._colors, size, dot * ratio)
            image = QImage(pixels.data, size[0], size[1], 4 * size[0], QImage.Format.Format_RGBA8888)
            self._picture = QPixmap.fromImage(image)  # copies, so that the array may go
            self._picture.setDevicePixelRatio(ratio)
        return self._picture

    def _frame(self) -> QRectF:
        high = self.fontMetrics().height()
        left = self.fontMetrics().horizontalAdvance("0.000") + 8
        return QRectF(left, high + GAP, max(10, self.width() - left - 8), max(10, self.height() - 3 * high - 3 * GAP))

    def _axes(self) -> tuple[Axis, Axis] | None:
        if self._portrait is None:
            return None
        frame = self._frame()
        return axis_of(self._portrait.spliced, frame.width()), axis_of(self._portrait.unspliced, frame.height())

    def _at(self, axes: tuple[Axis, Axis], s: float, u: float) -> QPointF:
        frame = self._frame()
        return QPointF(frame.left() + float(axes[0].place(s)), frame.bottom() - float(axes[1].place(u)))

    def _cell_at(self, at: QPointF) -> int | None:
        axes, frame = self._axes(), self._frame()
        if self._portrait is None or axes is None:
            return None
        across, up = axes[0].place(self._portrait.spliced), axes[1].place(self._portrait.unspliced)
        return nearest(across, up, (at.x() - frame.left(), frame.bottom() - at.y()), REACH)

    def _tell(self, event: QHelpEvent) -> None:
        cell, portrait = self._cell_at(QPointF(event.pos())), self._portrait
        if cell is None or portrait is None:
            QToolTip.hideText()
            return
        name = self._names[cell] if cell < len(self._names) else f"cell {cell}"
        values = ((portrait.spliced, "s"), (portrait.unspliced, "u"), (portrait.velocity, "velocity"))
        text = ", ".join(f"{letter} {number(float(each[cell]))}" for each, letter in values)
        QToolTip.showText(event.globalPos(), f"{name}: {text}", self)

    def _ink(self) -> QColor:
        return QColor(self.palette().windowText().color())

    def _ground(self) -> QColor:
        return QColor("black" if self._ink().lightness() > 127 else "white")
