"""A heat map of genes along time whose rows can be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_tissue_dynamics.layers.colors import color_table

if TYPE_CHECKING:
    from qtpy.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPaintEvent

    from napari_tissue_dynamics.analysis.genes.gene_trends import GeneTrends

GAP = 6
TIP = "Click a gene to color the cells by it; Up and Down choose another one, Enter colors by it."


class HeatMap(QWidget):
    """One row per gene, one column per step of time, dark where the gene is lowest and bright where it is highest."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.row = 0
        self._trends: GeneTrends | None = None
        self._picture = QImage()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Heat map of genes along latent time")
        self.setAccessibleDescription(TIP)

    def show_trends(self, trends: GeneTrends | None) -> None:
        """Draw the genes of ``trends`` in their order; None draws nothing."""
        self._trends, self.row = trends, 0
        self.setVisible(trends is not None)
        if trends is not None:
            table = np.ascontiguousarray((color_table("dusk") * 255).round().astype(np.uint8))
            pixels = table[(trends.scaled() * (len(table) - 1)).round().astype(np.intp)]
            height, width = pixels.shape[:2]
            self._picture = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
            self._describe()
        self.updateGeometry()
        self.update()

    def genes(self) -> tuple[str, ...]:
        """Return the genes from top to bottom."""
        return () if self._trends is None else self._trends.genes

    def place(self, row: int) -> QRectF:
        """Return where the cells of a row are drawn."""
        height = self._row_height()
        left = self._label_width()
        return QRectF(left, row * height, max(self.width() - left, 1), height)

    def sizeHint(self) -> QSize:
        """Return a size in which every row can be read."""
        return QSize(280, self._row_height() * len(self.genes()) + 2 * self.fontMetrics().height() + GAP)

    def minimumSizeHint(self) -> QSize:
        """Return the least size; only the width shrinks."""
        return QSize(180, self.sizeHint().height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the gene that is clicked."""
        row = self._row_at(event.position().y())
        if event.button() == Qt.MouseButton.LeftButton and row is not None:
            self._select(row)
            self.chosen.emit(self.genes()[row])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to another gene with Up and Down, choose it with Enter."""
        key = event.key()
        if self.genes() and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._select(self.row + (1 if key == Qt.Key.Key_Down else -1))
        elif self.genes() and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self.genes()[self.row])
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Describe what is under the mouse."""
        if event.type() == QEvent.Type.ToolTip and self._trends is not None:
            self._tell(event)
            return True
        return super().event(event)

    def words(self, row: int) -> str:
        """Return in words what a row shows."""
        if self._trends is None:
            return ""
        peak, share = self._trends.peak[row], self._trends.explained[row]
        return f"{self._trends.genes[row]}: highest at time {peak:.2f}; time explains {share:.0%} of its variance."

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw names, rows, the chosen row and the axis of time."""
        if self._trends is None:
            return
        painter = QPainter(self)
        ink = self.palette().windowText().color()
        rows = len(self.genes())
        top, bottom = self.place(0), self.place(rows - 1)
        painter.drawImage(QRectF(top.topLeft(), bottom.bottomRight()), self._picture)
        painter.setPen(ink)
        side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for row, gene in enumerate(self.genes()):
            label = QRectF(0, top.height() * row, top.left() - GAP, top.height())
            painter.drawText(label, side, self._short(gene))
        frame = self.place(self.row).adjusted(0, 0, -1, -1)
        painter.setPen(QPen(QColor("white"), 3 if self.hasFocus() else 2))
        painter.drawRect(frame)
        painter.setPen(QPen(QColor("black"), 1))
        painter.drawRect(frame)
        self._paint_axis(painter, ink, bottom.bottom())

    def _paint_axis(self, painter: QPainter, ink: QColor, top: float) -> None:
        assert self._trends is not None
        painter.setPen(ink)
        line = QRectF(self.place(0).left(), top + 2, self.place(0).width(), self.fontMetrics().height())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, f"{self._trends.time[0]:.2f}")
        painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, "latent time")
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, f"{self._trends.time[-1]:.2f}")

    def _tell(self, event: QHelpEvent) -> None:
        row = self._row_at(event.pos().y())
        words = "" if row is None else f"<p>{self.words(row)}</p>"
        QToolTip.showText(event.globalPos(), f"{words}<p>{TIP}</p>", self)

    def _row_at(self, y: float) -> int | None:
        row = int(y // self._row_height())
        return row if 0 <= row < len(self.genes()) else None

    def _select(self, row: int) -> None:
        self.row = min(max(row, 0), len(self.genes()) - 1)
        self._describe()
        self.update()

    def _describe(self) -> None:
        self.setAccessibleDescription(f"{self.words(self.row)} {TIP}")

    def _short(self, gene: str) -> str:
        return self.fontMetrics().elidedText(gene, Qt.TextElideMode.ElideRight, self._label_width() - GAP)

    def _row_height(self) -> int:
        return self.fontMetrics().height() + 2

    def _label_width(self) -> int:
        widest = max((self.fontMetrics().horizontalAdvance(gene) for gene in self.genes()), default=0)
        return min(widest + GAP + 2, 110)
