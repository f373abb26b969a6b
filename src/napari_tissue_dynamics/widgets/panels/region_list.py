"""The named regions of a tissue: drawn on our own layer, on layers of the user, or taken from the selection."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QWidget,
)

from napari_tissue_dynamics.analysis.cells.regions import Region
from napari_tissue_dynamics.analysis.cells.shape_membership import inside_shape
from napari_tissue_dynamics.layers.axes import about, axes
from napari_tissue_dynamics.layers.rings import REGIONS
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.velocity_view import selected_cells
from napari_tissue_dynamics.widgets.forms.fields import push_button, sentences, stacked
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    import napari
    from qtpy.QtGui import QKeyEvent

LASSO = "add_polygon_lasso"
COLOR = "#FF5500"
DRAW_TIP = "Draw around cells with the mouse; every shape on the layer becomes a region (Ctrl+D)."
TAKE_TIP = "Make a region of the cells selected in a dock or as points, or of the shapes of the active shapes layer."
LIST_TIP = "F2 or a double click renames, Delete removes; the current region is the selection of all docks."
EMPTY = "Draw around cells, or select cells and use them."


class RegionList(QWidget):
    """Names and numbers of cells of the regions, and buttons to draw and to take them."""

    changed = Signal()
    failed = Signal(str)

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._workspace = viewer, workspace_of(viewer)
        self._drawn: list[Region] = []
        self._taken: list[Region] = []
        self._filling = False
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.draw_button = push_button("Draw a region", DRAW_TIP)
        self.take_button = push_button("Use selected", TAKE_TIP)
        self.names = _Names()
        self.words = sentences("Regions", EMPTY)
        buttons = QHBoxLayout()
        buttons.addWidget(self.draw_button)
        buttons.addWidget(self.take_button)
        stacked(self, buttons, self.words, self.names)
        self.draw_button.clicked.connect(self.draw)
        self.take_button.clicked.connect(self.take)
        self.names.currentRowChanged.connect(self._select)
        self.names.itemChanged.connect(self._renamed)
        self.names.delete_requested.connect(self._delete)
        self._fill()

    @property
    def regions(self) -> tuple[Region, ...]:
        """All regions, those that were drawn first."""
        return (*self._drawn, *self._taken)

    def region(self, name: str) -> Region | None:
        """Return the region with a name, None without one."""
        return next((region for region in self.regions if region.name == name), None)

    def forget(self) -> None:
        """Drop all regions; they belong to the tissue."""
        self._drawn, self._taken = [], []
        _viewer.remove(self._viewer, self._workspace, lambda key: key == REGIONS)
        self._fill()

    def draw(self) -> None:
        """Show our layer of shapes and put the lasso for the user."""
        tissue = self._workspace.tissue
        if tissue is None:
            self.failed.emit("No tissue to draw on. Load a file first.")
            return
        layer = _viewer.find(self._viewer, self._workspace, REGIONS)
        if layer is None:
            n_axes = tissue.positions.shape[1]
            options = {
                "name": REGIONS, "ndim": n_axes, "edge_color": COLOR, "face_color": "transparent",
                "edge_width": self._line_width(), "metadata": about("regions"), **axes(n_axes, tissue.unit),
            }  # fmt: skip
            layer = _viewer.show(self._viewer, self._workspace, (None, options, "shapes"), key=REGIONS)
            layer.events.data.connect(self._shapes_changed)
            self._drawn = []
        _viewer.activate(self._viewer, layer)
        layer.mode = LASSO

    def take(self) -> None:
        """Make a region of the selected cells, or else of each shape of the active layer of shapes."""
        tissue = self._workspace.tissue
        if tissue is None:
            self.failed.emit("There is no tissue. Load a file first.")
            return
        active = _viewer.active_shapes(self._viewer)
        found: list[np.ndarray] = []
        if active is not None and _viewer.key_of(self._workspace, active) != REGIONS:
            found = [mask for mask in masks_of(active, tissue.positions) if mask.any()]
        elif cells := selected_cells(self._viewer, self._workspace):
            found = [np.isin(np.arange(tissue.n_cells), cells)]
        if not found:
            self.failed.emit("No cells are selected. Draw a region, or select points or shapes first.")
            return
        for mask in found:
            self._taken.append(Region(self._next_name(), mask))
        self._fill(len(self.regions) - 1)

    def _line_width(self) -> float:
        tissue = self._workspace.tissue
        assert tissue is not None
        return float(np.ptp(tissue.positions[:, :2], axis=0).max()) / 200 or 1.0

    def _shapes_changed(self, event: Any) -> None:
        """Make one region of every shape of our layer; names stay with their shapes."""
        action, tissue, layer = str(event.action), self._workspace.tissue, event.source
        if self._filling or tissue is None or action not in ("added", "removed", "changed"):
            return
        names = [region.name for region in self._drawn]
        if action == "removed":
            gone = {index % len(names) for index in event.data_indices} if names else set()
            names = [name for k, name in enumerate(names) if k not in gone]
        masks = masks_of(layer, tissue.positions)
        self._drawn = [Region(name, mask) for name, mask in zip(names, masks, strict=False)]
        while len(self._drawn) < len(masks):
            self._drawn.append(Region(self._next_name(), masks[len(self._drawn)]))
        self._label(layer)
        self._fill(len(self._drawn) - 1 if action == "added" else None)

    def _label(self, layer: Any) -> None:
        """Write the names on the shapes."""
        if len(layer.data):
            layer.features = {"region": np.array([region.name for region in self._drawn], dtype=object)}
            layer.text = {"string": "{region}", "size": 14, "color": COLOR, "anchor": "upper_left"}

    def _next_name(self) -> str:
        known = {region.name for region in self.regions}
        letters = (f"{letter}{turn or ''}" for turn in range(1000) for letter in ascii_uppercase)
        return next(name for name in letters if name not in known)

    def _fill(self, current: int | None = None) -> None:
        before = self.names.currentRow() if current is None else current
        self._filling = True
        self.names.clear()
        for region in self.regions:
            item = QListWidgetItem(region.name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            item.setToolTip(f"{int(region.cells.sum())} cells. {LIST_TIP}")
            self.names.addItem(item)
        self.names.setCurrentRow(min(before, self.names.count() - 1))
        self._filling = False
        self.names.setVisible(bool(self.regions))
        self._tell()
        self.changed.emit()
        if current is not None:
            self._select(self.names.currentRow())

    def _tell(self) -> None:
        counts = (f"{region.name} {int(region.cells.sum())}" for region in self.regions)
        self.words.setText(f"Cells: {', '.join(counts)}" if self.regions else EMPTY)

    def _select(self, row: int) -> None:
        if not self._filling and 0 <= row < len(self.regions):
            region = self.regions[row]
            self._workspace.select(region.cells, f"region {region.name}")

    def _renamed(self, item: QListWidgetItem) -> None:
        if self._filling:
            return
        row, name = self.names.row(item), item.text().strip()
        old = self.regions[row]
        if name == old.name:
            return
        if not name or self.region(name) is not None:
            self.failed.emit(f"A region cannot be named {name!r}. Enter a unique, non-empty name.")
            name = old.name
        for regions in (self._drawn, self._taken):
            regions[:] = [Region(name, each.cells) if each is old else each for each in regions]
        self._filling = True
        item.setText(name)
        self._filling = False
        layer = _viewer.find(self._viewer, self._workspace, REGIONS)
        if layer is not None and row < len(self._drawn):
            self._label(layer)
        self._tell()
        self.changed.emit()

    def _delete(self) -> None:
        """Remove the current region, a drawn one with its shape."""
        row = self.names.currentRow()
        if row < 0:
            return
        layer = _viewer.find(self._viewer, self._workspace, REGIONS)
        if row >= len(self._drawn):
            del self._taken[row - len(self._drawn)]
        elif layer is not None and len(layer.data) == len(self._drawn):
            layer.selected_data = {row}
            layer.remove_selected()  # emits the event that drops the region
            return
        else:
            del self._drawn[row]
        self._fill()


class _Names(QListWidget):
    """A short list that emits a signal when Delete is pressed."""

    delete_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Regions")
        self.setToolTip(LIST_TIP)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setFixedHeight(5 * (self.fontMetrics().height() + 6))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Pass Delete on."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_requested.emit()
        else:
            super().keyPressEvent(event)


def masks_of(layer: Any, positions: np.ndarray) -> list[np.ndarray]:
    """Return for every shape of a layer which cells, (cells, 2 or 3) positions (x, y[, z]), lie inside."""
    n_axes, found = positions.shape[1], []
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        world = np.array([layer.data_to_world(corner) for corner in np.asarray(corners)], dtype=np.float64)
        found.append(inside_shape(positions, world[:, ::-1][:, :n_axes], str(kind)))
    return found
