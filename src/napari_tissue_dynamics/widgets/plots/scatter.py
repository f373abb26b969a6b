"""A plot of cells that can be zoomed, brushed and clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_tissue_dynamics.analysis.cells.shape_membership import inside_polygon
from napari_tissue_dynamics.layers.plot_axes import PlotView, fitted
from napari_tissue_dynamics.layers.scatter import nearest, stamped
from napari_tissue_dynamics.layers.vectors import GRID_ARROW_COLOR

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from napari_tissue_dynamics.analysis.arrows.projection import GridField

CLICK = 4.0
"""A press that moves no farther, in pixels, is a click."""
HIT = 12.0
"""How far from a cell a click still hits it, in pixels."""
UNSELECTED = 0.25
"""Opacity of cells that are not selected while others are."""
SMALLEST, LARGEST = 1.6, 6.0
SHARE = 0.3
"""Radius of a disc in distances between cells that fill the plot evenly."""
STEP = 40
ZOOM = 1.25
TIP = (
    "Drag around cells to select them, with Shift to add, with Alt to remove; click a cell to inspect it. Wheel or "
    "+ and - zoom, right drag or the arrow keys move, Home shows all, Escape clears the selection."
)


class ScatterCanvas(QWidget):
    """Cells as discs in a plane with arrows over them."""

    picked = Signal(object)
    """The cell that was clicked, None beside all cells."""
    brushed = Signal(object)
    """(cells,) mask of the new selection, None for nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places = np.zeros((0, 2))
        self._colors = np.zeros((0, 4), dtype=np.float32)
        self._selection: NDArray[np.bool_] | None = None
        self._current: int | None = None
        self._grid: GridField | None = None
        self._ink = QColor(GRID_ARROW_COLOR)
        self._view, self._moved = PlotView((0.0, 0.0), 1.0, (1.0, 1.0)), False
        self._picture: QImage | None = None
        self._line: list[QPointF] = []
        self._dragged: QPointF | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 200)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setToolTip(f"<p>{TIP}</p>")
        self.setAccessibleName("Cells in the embedding")
        self.setAccessibleDescription(TIP)

    @property
    def view(self) -> PlotView:
        """The part of the plane that is shown."""
        return self._view

    def show_cells(self, places: NDArray[np.floating], colors: NDArray[np.float32]) -> None:
        """Draw other cells, all of them in view."""
        self._places, self._colors = np.asarray(places, dtype=np.float64), colors
        self._selection, self._current, self._grid = None, None, None
        self.fit()

    def color(self, colors: NDArray[np.float32]) -> None:
        """Give the cells other colors, (cells, 4)."""
        self._colors = colors
        self._outdated()

    def select(self, mask: NDArray[np.bool_] | None) -> None:
        """Show which cells are selected; the others are faint."""
        self._selection = mask
        self._outdated()

    def mark(self, cell: int | None) -> None:
        """Put a ring around the inspected cell."""
        self._current = cell
        self.update()

    def show_arrows(self, grid: GridField | None, opacity: float = 1.0) -> None:
        """Draw arrows on a grid over the cells; None takes them away."""
        self._grid = grid
        self._ink = QColor(GRID_ARROW_COLOR)
        self._ink.setAlphaF(opacity)
        self.update()

    def pixel_of(self, cell: int) -> QPointF:
        """Return where a cell is drawn."""
        x, y = self._view.pixels(self._places[cell : cell + 1])[0]
        return QPointF(float(x), float(y))

    def fit(self) -> None:
        """Show all cells."""
        self._view, self._moved = fitted(self._places, self.width(), self.height()), False
        self._outdated()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep what is seen in the middle, or all cells in sight if nobody moved the plane."""
        if self._moved:
            self._see(self._view.resized(self.width(), self.height()))
        else:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the mouse."""
        at = event.position()
        self._see(self._view.zoomed(ZOOM ** (event.angleDelta().y() / 120), (at.x(), at.y())))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a line around cells, or to move the plane."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._line = [event.position()]
        elif event.button() in (Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton):
            self._dragged = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Continue the line, or move the plane."""
        at = event.position()
        if self._line:
            self._line.append(at)
            self.update()
        elif self._dragged is not None:
            self._see(self._view.moved(at.x() - self._dragged.x(), at.y() - self._dragged.y()))
            self._dragged = at

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Pick the clicked cell, or select the cells in the line."""
        self._dragged = None
        if event.button() != Qt.MouseButton.LeftButton or not self._line:
            return
        line, self._line = [*self._line, event.position()], []
        corners = np.array([[point.x(), point.y()] for point in line])
        if np.abs(corners - corners[0]).max() <= CLICK:
            self.picked.emit(self._cell_at(event.position()))
        else:
            self._brush(corners, event.modifiers())
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show all cells."""
        self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrow keys, zoom with + and -, show all with Home, end the selection with Escape."""
        moves = {
            Qt.Key.Key_Left: (STEP, 0),
            Qt.Key.Key_Right: (-STEP, 0),
            Qt.Key.Key_Up: (0, STEP),
            Qt.Key.Key_Down: (0, -STEP),
        }
        key = event.key()
        if key in moves:
            self._see(self._view.moved(*moves[key]))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._see(self._view.zoomed(1 / ZOOM if key == Qt.Key.Key_Minus else ZOOM))
        elif key == Qt.Key.Key_Home:
            self.fit()
        elif key == Qt.Key.Key_Escape:
            self.brushed.emit(None)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw cells, arrows, the current cell and the line around cells."""
        painter = QPainter(self)
        ink = self.palette().windowText().color()
        painter.fillRect(self.rect(), QColor("black" if ink.lightness() > 127 else "white"))
        if self._picture is None:
            self._picture = self._drawn()
        painter.drawImage(self.rect(), self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_arrows(painter)
        if self._current is not None:
            painter.setPen(QPen(ink, 2))
            painter.drawEllipse(self.pixel_of(self._current), 8.0, 8.0)
        if self._line:
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DashLine))
            painter.drawPolyline(QPolygonF(self._line))
        if self.hasFocus():
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _drawn(self) -> QImage:
        """Return the cells as a picture in pixels of the screen."""
        ratio = self.devicePixelRatioF()
        width, height = round(self.width() * ratio), round(self.height() * ratio)
        radius = SHARE * np.sqrt(width * height / max(len(self._places), 1) / np.pi)
        x, y = ratio * self._view.pixels(self._places).T
        colors = self._colors
        rows = np.flatnonzero(colors[:, 3] > 0)
        if self._selection is not None:
            colors = colors.copy()
            colors[~self._selection, 3] *= UNSELECTED
            rows = rows[np.argsort(self._selection[rows], kind="stable")]  # the selected ones on top
        size = float(np.clip(radius, SMALLEST, LARGEST)) * ratio
        pixels = stamped(x[rows], y[rows], colors[rows], (width, height), size)
        return QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)

    def _paint_arrows(self, painter: QPainter) -> None:
        if self._grid is None:
            return
        painter.setPen(QPen(self._ink, 1.3))
        starts = self._view.pixels(self._grid.positions)
        ends = self._view.pixels(self._grid.positions + self._grid.arrows)
        for (x0, y0), (x1, y1) in zip(starts, ends, strict=True):
            length = float(np.hypot(x1 - x0, y1 - y0))
            if length < 1.5:
                continue
            tip, back = QPointF(x1, y1), min(4.0, 0.4 * length)
            painter.drawLine(QPointF(x0, y0), tip)
            ahead = np.array([x1 - x0, y1 - y0]) / length
            for side in (-0.6, 0.6):
                away = -ahead + side * np.array([-ahead[1], ahead[0]])
                painter.drawLine(tip, tip + QPointF(*(back * away)))

    def _cell_at(self, at: QPointF) -> int | None:
        x, y = self._view.pixels(self._places).T
        return nearest(np.where(self._colors[:, 3] > 0, x, np.nan), y, (at.x(), at.y()), HIT)

    def _brush(self, corners: NDArray[np.float64], modifiers: Qt.KeyboardModifier) -> None:
        found = inside_polygon(self._places, self._view.places(corners)) & (self._colors[:, 3] > 0)
        before = np.zeros_like(found) if self._selection is None else self._selection
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            found = found | before
        elif modifiers & Qt.KeyboardModifier.AltModifier:
            found = before & ~found
        self.brushed.emit(found if found.any() else None)

    def _see(self, view: PlotView) -> None:
        self._view, self._moved = view, True
        self._outdated()

    def _outdated(self) -> None:
        self._picture = None
        self.update()
