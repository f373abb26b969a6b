"""The legend of a value that can be changed: limits, percentiles and color map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_tissue_dynamics.layers.coloring import CLIP
from napari_tissue_dynamics.layers.colors import MAPS, MISSING_COLOR, color_table
from napari_tissue_dynamics.widgets.forms.fields import add_row, rows, sentences, stacked
from napari_tissue_dynamics.widgets.plots.color_range import ColorRange

if TYPE_CHECKING:
    from napari_tissue_dynamics.layers.coloring import ValueColoring
    from napari_tissue_dynamics.layers.colors import MapName

CLIPS = (0.0, 0.1, 0.5, CLIP, 2.0, 5.0, 10.0)
OWN = "limits set by hand"
ICON = QSize(56, 12)
DIGITS = 4


class ValuePanel(QWidget):
    """Color bar with limits to drag or to type, percentile clip and color map of a value.

    Attributes
    ----------
    changed
        Emits the coloring set by the user for the shown values.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._coloring: ValueColoring | None = None
        self.range = ColorRange()
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        self.clip, self.map = QComboBox(), QComboBox()
        self.missing = _swatch_label(MISSING_COLOR)
        self.note = sentences("Meaning of the colors")
        self._arrange()
        self.range.limits_moved.connect(self._limits)
        self.range.reset_requested.connect(lambda: self._clipped(CLIP))
        for box in (self.low, self.high):
            box.setKeyboardTracking(False)  # a number that is half typed is no limit
            box.valueChanged.connect(self._typed)
        self.clip.activated.connect(self._clip_chosen)
        self.map.activated.connect(self._map_chosen)

    def show_coloring(self, coloring: ValueColoring) -> None:
        """Show these values and their scale."""
        known = self._coloring is not None and self._coloring.values is coloring.values
        self._coloring = coloring
        if known:
            self.range.show_scale(coloring.scale, coloring.title)
        else:
            self.range.show_coloring(coloring)
            self.clip.setCurrentIndex(0 if coloring.values.limits is not None else CLIPS.index(CLIP) + 1)
        span = coloring.scale.high - coloring.scale.low
        for box, value in ((self.low, coloring.scale.low), (self.high, coloring.scale.high)):
            with QSignalBlocker(box):
                box.setDecimals(_decimals(span))
                box.setSingleStep(span / 50)
                box.setValue(value)
        self.map.setCurrentIndex(list(MAPS).index(coloring.scale.colormap))
        n_missing = coloring.values.n_missing
        self.missing.setVisible(n_missing > 0)
        gray = f"{n_missing:,} cells have no value (gray)." if n_missing else ""
        own = coloring.values.note
        self.note.setText(" ".join(part for part in (f"{own[:1].upper()}{own[1:]}." if own else "", gray) if part))
        self.note.setVisible(bool(self.note.text()))

    def _limits(self, low: float, high: float) -> None:
        if self._coloring is not None:
            self.clip.setCurrentIndex(0)
            self.changed.emit(self._coloring.with_limits(low, high))

    def _typed(self) -> None:
        low, high = self.low.value(), self.high.value()
        if self._coloring is not None and self._coloring.values.signed:
            high = abs(low if self.sender() is self.low else high)
            low = -high
        if low < high:
            self._limits(low, high)
        elif self._coloring is not None:
            self.show_coloring(self._coloring)  # limits in the wrong order are reset

    def _clip_chosen(self, index: int) -> None:
        if index > 0:
            self._clipped(CLIPS[index - 1])

    def _clipped(self, clip: float) -> None:
        if self._coloring is not None:
            self.clip.setCurrentIndex(CLIPS.index(clip) + 1)
            self.changed.emit(self._coloring.clipped(clip))

    def _map_chosen(self, index: int) -> None:
        if self._coloring is not None:
            self.changed.emit(self._coloring.with_map(list(MAPS)[index]))

    def _arrange(self) -> None:
        for box in (self.low, self.high):
            box.setRange(-1e12, 1e12)
            box.setMinimumWidth(70)
        self.clip.addItem(OWN)
        self.clip.addItems([f"{clip:g} to {100 - clip:g} %" if clip else "smallest to largest" for clip in CLIPS])
        for name, words in MAPS.items():
            self.map.addItem(_map_icon(name), name)
            self.map.setItemData(self.map.count() - 1, words, Qt.ItemDataRole.ToolTipRole)
        self.map.setIconSize(ICON)
        beside = QHBoxLayout()
        for box in (self.low, self.high):
            beside.addWidget(box)
        fields = rows()
        self.low.setAccessibleName("Lower limit")
        self.low.setToolTip("Lower limit: cells below it have the first color.")
        self.high.setAccessibleName("Upper limit")
        self.high.setToolTip("Upper limit: cells above it have the last color.")
        tooltip = "Percentiles used as limits, so that outliers do not use up the color range."
        add_row(fields, "Percentiles", self.clip, tooltip)
        add_row(fields, "Color map", self.map, "All maps are perceptually uniform and colorblind-safe.")
        explained = QHBoxLayout()
        explained.addWidget(self.missing, 0, Qt.AlignmentFlag.AlignTop)
        explained.addWidget(self.note, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        stacked(self, self.range, beside, fields, explained)


def _decimals(span: float) -> int:
    """Return how many digits after the point distinguish values in this span."""
    from math import ceil, log10

    return min(max(DIGITS - 1 - ceil(log10(span)), 0), 10) if span > 0 else DIGITS


def _map_icon(name: MapName) -> QIcon:
    table = (color_table(name)[None, :, :3] * 255).round().astype("uint8").copy()
    image = QImage(table.data, table.shape[1], 1, 3 * table.shape[1], QImage.Format.Format_RGB888)
    return QIcon(QPixmap.fromImage(image.copy()).scaled(ICON))


def _swatch_label(color: tuple[float, float, float, float]) -> QLabel:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor.fromRgbF(*color))
    label = QLabel()
    label.setPixmap(pixmap)
    label.setToolTip("Color of cells without a value.")
    label.setAccessibleName("Color of cells without a value")
    return label
