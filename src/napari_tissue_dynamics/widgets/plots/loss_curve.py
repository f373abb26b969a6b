"""The loss of a running fit, as a small curve."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QSize, Qt
from qtpy.QtGui import QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

HEIGHT, MARGIN = 56, 4
MOST = 400
"""Points of the curve; of longer runs every second one is dropped, repeatedly."""


class LossCurve(QWidget):
    """A curve that grows with a run; each phase has its own, for their losses cannot be compared."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.phase = ""
        self.losses: list[float] = []
        self._every = self._skipped = 1
        self.setAccessibleName("Loss of the run")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.hide()

    def sizeHint(self) -> QSize:
        """Return the size the curve likes."""
        return QSize(200, HEIGHT)

    def clear(self) -> None:
        """Forget the run."""
        self.phase, self.losses = "", []
        self._every = self._skipped = 1
        self.hide()

    def add(self, phase: str, loss: float) -> None:
        """Add a loss; that of another phase begins a new curve."""
        if phase != self.phase:
            self.clear()
            self.phase = phase
        if not np.isfinite(loss):
            return
        if self._skipped < self._every:
            self._skipped += 1
            return
        self._skipped = 1
        self.losses.append(loss)
        if len(self.losses) > MOST:
            self.losses = self.losses[::2]
            self._every *= 2
        if len(self.losses) > 1:
            low, high = min(self.losses), max(self.losses)
            self.setToolTip(f"Loss of the phase '{phase}': {self.losses[-1]:.4g} (from {high:.4g} to {low:.4g}).")
            self.show()
        self.update()

    def paintEvent(self, event: object) -> None:
        """Draw the curve between its least and its largest value."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        width, height = self.width() - 2 * MARGIN, self.height() - 2 * MARGIN
        values = np.array(self.losses)
        if len(values) < 2 or width <= 0:
            return
        span = float(np.ptp(values)) or 1.0
        x = MARGIN + np.arange(len(values)) / (len(values) - 1) * width
        y = MARGIN + (values.max() - values) / span * height
        painter.setPen(QPen(ink, 1.5))
        painter.drawPolyline(QPolygonF([QPointF(float(a), float(b)) for a, b in zip(x, y, strict=True)]))
        painter.drawText(
            self.rect().adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN),
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop,
            f"loss {values[-1]:.4g}",
        )
