"""Fates as layers of a viewer and as a list to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_tissue_dynamics.layers.fates import (
    MIXED,
    ONE,
    TERMINAL,
    fate_colors,
    fate_points,
    mixed_fates,
    terminal_points,
)
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.legend_dock import open_legend

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Labels, Tissue
    from napari_tissue_dynamics.widgets.state.workspace import Key, Workspace

SWATCH = 14
ROWS_SHOWN = 9
TIP = "Click a row, or select it with Up and Down, to show it in the viewer."


class FateList(QListWidget):
    """What can be shown of fates: all of them mixed, the terminal states, and each fate with its cells."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Fates")
        self.setToolTip(TIP)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)  # long names end in "…"
        self.currentItemChanged.connect(self._moved)
        self.itemClicked.connect(self._moved)
        self.show_fates(None)

    def show_fates(self, result: FateResult | None, types: Labels | None = None) -> None:
        """List the fates of a result in the colors of the cell types; None empties the list."""
        self.blockSignals(True)
        self.clear()
        if result is not None:
            self._add("all fates, mixed", MIXED)
            self._add(f"terminal states  ({int((result.terminal.codes >= 0).sum())} cells)", TERMINAL)
            for index, (name, color) in enumerate(zip(result.names, fate_colors(result, types), strict=True)):
                count = int((result.fate == index).sum())
                mean = float(np.nanmean(result.probabilities[:, index])) if not result.unreachable.all() else 0.0
                item = self._add(f"{name}  ({count} cells)", ONE.format(name=name))
                item.setToolTip(f"Most likely for {count} cells; mean probability of ending in {name}: {mean:.2f}")
                pixmap = QPixmap(SWATCH, SWATCH)
                pixmap.fill(QColor(color))
                item.setIcon(QIcon(pixmap))
            self.setCurrentRow(0)
        self.blockSignals(False)
        row = max(self.sizeHintForRow(0), SWATCH + 4)
        self.setFixedHeight(row * min(max(self.count(), 1), ROWS_SHOWN) + 8)
        self.setVisible(result is not None)

    def go_to(self, key: str) -> None:
        """Make the line of a layer the current one, without choosing it again."""
        with QSignalBlocker(self):
            for row in range(self.count()):
                if self.item(row).data(Qt.ItemDataRole.UserRole) == key:
                    self.setCurrentRow(row)

    def _add(self, text: str, key: str) -> QListWidgetItem:
        item = QListWidgetItem(text)
        item.setData(Qt.ItemDataRole.UserRole, key)
        self.addItem(item)
        return item

    def _moved(self, item: QListWidgetItem | None, *_: object) -> None:
        if item is not None:
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))


def draw_fates(viewer: napari.viewer.Viewer, workspace: Workspace, tissue: Tissue, result: FateResult) -> None:
    """Draw all fates in place of those before; the mixed one is seen, the others are one click away."""
    layers = [terminal_points(tissue, result), *(fate_points(tissue, result, name) for name in result.names)]
    layers.append(mixed_fates(tissue, result))
    names = {options["name"] for _, options, _ in layers}
    _viewer.remove(viewer, workspace, lambda key: is_fate(key) and key not in names)
    for data in layers:
        _viewer.show(viewer, workspace, data, visible=data[1]["name"] == MIXED)
    see_fate(viewer, workspace, MIXED)
    open_legend(viewer)


def see_fate(viewer: napari.viewer.Viewer, workspace: Workspace, key: str) -> bool:
    """Show one of the layers of fates instead of other colors of the cells; return whether it is still there."""
    layer = _viewer.find(viewer, workspace, key)
    if layer is None:
        return False
    _viewer.hide_other_results(viewer, workspace, [key])
    layer.visible = True
    viewer.layers.selection.active = layer
    return True


def is_fate(key: Key) -> bool:
    """Return whether a layer of ours shows fates."""
    return key in (MIXED, TERMINAL) or str(key).startswith(ONE.format(name=""))
