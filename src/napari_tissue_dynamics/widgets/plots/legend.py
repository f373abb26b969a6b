"""The legend of the active colored layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout, QWidget

from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.colors import color_table
from napari_tissue_dynamics.layers.legend import CategoryLegend, ColorBar, largest

if TYPE_CHECKING:
    from napari.layers import Layer
    from qtpy.QtGui import QPaintEvent

    from napari_tissue_dynamics.layers.legend import ArrowKey, Legend, LegendEntry

SWATCH = 14
BAR_HEIGHT = 16
ROWS_SHOWN = 8
TICKS = 3
KEY_ARROWS = 8
DARK = 100
"""Lightness, of 255, below which arrows are drawn on white."""


class LegendPanel(QWidget):
    """Names, colors and counts of categories, or a color bar with numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.title.setAccessibleName("Legend")
        self.categories = QListWidget()
        self.categories.setToolTip("Categories of the shown layer with their number of cells.")
        self.categories.setAccessibleName("Categories")
        self.categories.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.categories.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.categories.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.bar = ColorBarView()
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.arrows = ArrowKeyView()
        self.length = QLabel()
        self.length.setWordWrap(True)
        self.length.setAccessibleName("Meaning of the arrows")
        self.length.setTextFormat(Qt.TextFormat.PlainText)  # names of samples and cautions of files may stand in it
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(2)
        for widget in (self.title, self.categories, self.bar, self.note, self.arrows, self.length):
            layout.addWidget(widget)
        self.show_legend(None)
        self.show_arrows(None)

    def show_legend(self, legend: Legend | None) -> None:
        """Draw one legend; None shows that there is none."""
        self.categories.setVisible(isinstance(legend, CategoryLegend))
        self.bar.setVisible(isinstance(legend, ColorBar))
        note = legend.note if isinstance(legend, ColorBar) else ""
        self.note.setText(note)
        self.note.setVisible(bool(note))
        if legend is None:
            self.title.setText("No layer with a legend is shown.")
            return
        unit = f" ({legend.unit})" if isinstance(legend, ColorBar) and legend.unit else ""
        self.title.setText(f"{legend.title}{unit}")
        if isinstance(legend, ColorBar):
            self.bar.show_bar(legend)
        else:
            self._list(legend.entries)

    def show_arrows(self, key: ArrowKey | None, color: str = "") -> None:
        """Describe what opacity, length and direction of arrows of a color mean; None without a meaning."""
        self.arrows.setVisible(key is not None)
        self.length.setText("" if key is None else key.meaning)
        self.length.setVisible(bool(self.length.text()))
        if key is not None:
            self.arrows.show_key(key, color)

    def _list(self, entries: tuple[LegendEntry, ...]) -> None:
        self.categories.clear()
        listed = largest(entries)
        for entry in listed:
            item = QListWidgetItem(_swatch(entry.color), f"{entry.name}  ({entry.count:,})")
            item.setToolTip(item.text())
            self.categories.addItem(item)
        if len(listed) < len(entries):
            self.categories.addItem(QListWidgetItem(f"and {len(entries) - len(listed):,} smaller ones"))
        row = max(self.categories.sizeHintForRow(0), SWATCH + 4)
        self.categories.setFixedHeight(row * min(len(entries), ROWS_SHOWN) + 8)


class ColorBarView(QWidget):
    """A color bar with numbers below it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._legend: ColorBar | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the height of the bar and a line in the font of the window."""
        return QSize(SWATCH * KEY_ARROWS, BAR_HEIGHT + self.fontMetrics().height() + 6)

    minimumSizeHint = sizeHint

    def show_bar(self, legend: ColorBar) -> None:
        """Draw this color bar."""
        self._legend = legend
        words = f"Color bar of {legend.title}, from {number(legend.scale.low)} to {number(legend.scale.high)}"
        self.setAccessibleName(words)
        self.setToolTip(words)
        self.update()

    def ticks(self) -> list[str]:
        """Return the numbers under the bar, from left to right."""
        if self._legend is None:
            return []
        low, high = self._legend.scale.low, self._legend.scale.high
        return [number(low + (high - low) * i / (TICKS - 1)) for i in range(TICKS)]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar over the whole width."""
        if self._legend is None:
            return
        painter = QPainter(self)
        bar = QRectF(0, 0, self.width(), BAR_HEIGHT)
        gradient = QLinearGradient(QPointF(0, 0), QPointF(self.width(), 0))
        table = color_table(self._legend.scale.colormap)
        for i in range(0, len(table), 5):
            gradient.setColorAt(i / (len(table) - 1), QColor.fromRgbF(*(float(part) for part in table[i])))
        painter.fillRect(bar, gradient)
        painter.setPen(self.palette().windowText().color())
        sides = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
        below = QRectF(0, BAR_HEIGHT + 2, self.width(), self.fontMetrics().height() + 2)
        for side, text in zip(sides, self.ticks(), strict=True):
            painter.drawText(below, side, text)


class ArrowKeyView(QWidget):
    """A row of arrows from faint to opaque, in their color, and what both ends are."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._key: ArrowKey | None = None
        self._color = QColor("white")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the height of the bar and two lines in the font of the window."""
        return QSize(SWATCH * KEY_ARROWS, BAR_HEIGHT + 2 * self.fontMetrics().height() + 8)

    minimumSizeHint = sizeHint

    @property
    def color(self) -> str:
        """Color of the arrows, ``#rrggbb``."""
        return self._color.name()

    def show_key(self, key: ArrowKey, color: str = "") -> None:
        """Draw this key, for arrows that are ``#rrggbb``; white ones if empty."""
        self._key, self._color = key, QColor(color or "white")
        words = f"Direction of {key.title}: faint is {key.faint}, opaque is {key.opaque}"
        if not key.opaque:
            words = f"Direction of {key.title}: {key.faint}"
        self.setAccessibleName(words)
        self.setToolTip(words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the arrows over the whole width, dark ones on white and light ones on black."""
        if self._key is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.palette().windowText().color())
        line = self.fontMetrics().height() + 2
        painter.drawText(
            QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignLeft, f"Direction of {self._key.title}"
        )
        bar = QRectF(0, line, self.width(), BAR_HEIGHT)
        below = QRectF(0, bar.bottom() + 2, self.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, self._key.faint)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, self._key.opaque)
        painter.fillRect(bar, QColor("white" if self._color.lightness() < DARK else "black"))
        step = bar.width() / KEY_ARROWS
        for i in range(KEY_ARROWS):
            color = QColor(self._color)
            color.setAlphaF(self._key.least + (self._key.most - self._key.least) * i / (KEY_ARROWS - 1))
            painter.setPen(QPen(color, 2))
            tip = QPointF((i + 0.8) * step, bar.center().y())
            painter.drawLine(QPointF((i + 0.2) * step, bar.center().y()), tip)
            for side in (-4, 4):
                painter.drawLine(tip, tip + QPointF(-4, side))


def arrow_key_of(layer: Layer) -> ArrowKey | None:
    """Return what the opacity of the arrows of a layer of ours means."""
    about = layer.metadata.get(PLUGIN, {})
    return about.get("arrow_key") if isinstance(about, dict) else None


def arrow_color_of(layer: Layer) -> str:
    """Return the color of the arrows of a layer as ``#rrggbb``, empty when they differ in more than opacity."""
    colors = np.asarray(layer.edge_color if hasattr(layer, "edge_color") else layer.face_color)[:, :3]
    if not len(colors) or np.ptp(colors, axis=0).max() > 1e-3:
        return ""
    return QColor.fromRgbF(*(float(part) for part in colors[0])).name()


def legend_of(layer: Layer) -> Legend | None:
    """Return the legend that a layer of ours carries."""
    about = layer.metadata.get(PLUGIN, {})
    return about.get("legend") if isinstance(about, dict) else None


def number(value: float) -> str:
    """Return a number with three digits; one that is almost zero as 0."""
    return f"{value:.3g}" if abs(value) > 1e-12 else "0"


def _swatch(color: str) -> QIcon:
    pixmap = QPixmap(SWATCH, SWATCH)
    pixmap.fill(QColor(color))
    return QIcon(pixmap)
