"""The dock that shows the cells in an embedding next to the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QHBoxLayout

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.cells.embedding import EmbeddingConfig
from napari_tissue_dynamics.layers.colors import MISSING_COLOR
from napari_tissue_dynamics.layers.evidence import called, opacity_of
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.selection_view import show_selections
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, push_button, rows, sentences
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.plots.legend import legend_of
from napari_tissue_dynamics.widgets.plots.scatter import ScatterCanvas
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Steps

METHODS = {"of the file, or UMAP": "auto", "UMAP": "umap", "principal components": "pca"}
RECOLOR = 60
"""Milliseconds that changes of color are collected before they are drawn."""
MOST_AT_ONCE = 50_000
"""Cells whose arrows are redrawn without a job when the velocity changes."""

ABOUT = (
    "Cells with similar expression are close together in an embedding. 'Show embedding' draws it next to the tissue."
)


class EmbeddingDock(Dock):
    """Shows cells in an embedding with the colors, the selection and the current cell of the tissue."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: Any = None) -> None:
        super().__init__(viewer, parent)
        self._picture: workflow.EmbeddingPicture | None = None
        self.method = narrow_combo(*METHODS)
        self.canvas = ScatterCanvas()
        self.arrows = QCheckBox("Velocity")
        self.clear = push_button("Clear selection", "Clear the selection (Escape in the plot). Undo restores it.")
        self.note = sentences("About the embedding")
        self.state = sentences("Selected cells")
        self.panel = RunPanel("Show embedding", "Show the cells in an embedding of the file, or compute one.")
        self._recolor = QTimer(self)
        self._recolor.setSingleShot(True)
        self._recolor.setInterval(RECOLOR)
        self._arrange()
        self._connect()
        show_selections(viewer)
        self._take_tissue()

    def start(self) -> None:
        """Read or compute the embedding in a worker."""
        tissue = self.workspace.tissue
        if tissue is None:
            self.show_error("There are no cells to embed. Load a file first.")
            return
        config = EmbeddingConfig(method=METHODS[self.method.currentText()])  # type: ignore[arg-type]
        self.run("Embedding the cells", self._steps(tissue, config), self.show_picture, panel=self.panel)

    def show_picture(self, picture: workflow.EmbeddingPicture) -> None:
        """Draw cells and arrows of an embedding of the tissue in the workspace."""
        tissue = self.workspace.tissue
        if tissue is None or len(picture.embedding.coordinates) != tissue.n_cells:
            return  # another tissue was loaded meanwhile
        self._picture = picture
        self.canvas.show_cells(picture.embedding.coordinates[:, :2], _plain(tissue.n_cells))
        self.canvas.show()
        self._color()
        self._show_arrows()
        self._show_selection()
        self._show_cell()

    def _steps(self, tissue: Tissue, config: EmbeddingConfig) -> Steps:
        result, source = self.workspace.velocity, self.workspace.source
        return lambda stop: workflow.embedding_picture_steps(tissue, result, config, stop, source=source)

    def _arrange(self) -> None:
        fields = rows()
        add_row(
            fields, "Embedding", self.method, "The embedding to show; it is computed if the file does not contain it."
        )
        self.arrows.setChecked(True)
        self.arrows.setToolTip("Draw the velocity over the cells, smoothed onto a grid.")
        self.arrows.setAccessibleName("Velocity in the embedding")
        row = QHBoxLayout()
        row.addWidget(self.arrows)
        row.addStretch()
        row.addWidget(self.clear)
        self.column.addLayout(fields)
        self.column.addWidget(self.canvas, 1)
        self.column.addLayout(row)
        self.column.addWidget(self.state)
        self.column.addWidget(self.note)
        self.column.addStretch()  # takes the room of the plot while that is not shown
        self.pin(self.panel, self.start)

    def _connect(self) -> None:
        workspace, layers = self.workspace, self.viewer.layers
        self.canvas.brushed.connect(self._brush)
        self.canvas.picked.connect(self._pick)
        self.clear.clicked.connect(lambda: self._brush(None))
        self.arrows.toggled.connect(self._show_arrows)
        self._recolor.timeout.connect(self._color)
        listen(self, workspace.tissue_changed, self._take_tissue)
        listen(self, workspace.velocity_changed, self._take_velocity)
        listen(self, workspace.running_changed, self._refresh)
        listen(self, workspace.selection_changed, self._show_selection)
        listen(self, workspace.cell_changed, self._show_cell)
        listen(self, workspace.coloring_changed, self._soon)
        listen(self, layers.events.inserted, self._watch)
        for signal in (layers.events.removed, layers.events.reordered, layers.selection.events.active):
            listen(self, signal, self._soon)
        for layer in layers:
            self._follow(layer)

    def _watch(self, event: Any) -> None:
        self._follow(event.value)
        self._soon()

    def _follow(self, layer: Layer) -> None:
        """Hear of every change of the colors of a layer of cells, also of those made in place."""
        for signal in _viewer.color_events(layer):
            listen(self, signal, self._soon)

    def _soon(self, event: object = None) -> None:
        if self._picture is not None and not self._recolor.isActive():
            self._recolor.start()

    def _brush(self, mask: NDArray[np.bool_] | None) -> None:
        self.workspace.select(mask, "selection in the embedding")

    def _pick(self, cell: int | None) -> None:
        self.workspace.pick(cell)

    def _color(self) -> None:
        """Color the cells as the layer that is active in the tissue."""
        tissue = self.workspace.tissue
        if tissue is None or self._picture is None:
            return
        layer = self._colored(tissue.n_cells)
        colors = _plain(tissue.n_cells) if layer is None else np.array(layer.face_color, dtype=np.float32)
        self.canvas.color(colors)
        legend = None if layer is None else legend_of(layer)
        shown = "" if layer is None else f" Colors: {layer.name if legend is None else legend.title}."
        arrows = "" if self._picture.grid is None else f" Velocity: {called(self._picture.evidence)}."
        self.note.setText(f"{self._picture.embedding.note}.{shown}{arrows}")

    def _colored(self, n_cells: int) -> Layer | None:
        """Return the layer of all cells that is on top of those that can be seen."""
        ours = [layer for _, layer in _viewer.colorings(self.viewer, self.workspace)]
        return next((layer for layer in _viewer.whole_tissue(self.viewer, n_cells) if layer in ours), None)

    def _show_arrows(self, *_: object) -> None:
        grid = None if self._picture is None else self._picture.grid
        evidence = None if self._picture is None else self._picture.evidence
        self.canvas.show_arrows(grid if self.arrows.isChecked() else None, opacity_of(evidence))
        self.arrows.setEnabled(grid is not None)

    def _show_selection(self) -> None:
        tissue, selection = self.workspace.tissue, self.workspace.selection
        self.clear.setEnabled(selection is not None)
        if tissue is None or self._picture is None:
            return
        self.canvas.select(selection)
        if selection is None:
            self.state.setText("Drag around cells to select them here and in the tissue.")
        else:
            self.state.setText(f"{int(selection.sum())} of {tissue.n_cells} cells are selected.")

    def _show_cell(self) -> None:
        if self._picture is not None:
            self.canvas.mark(self.workspace.current_cell)

    def _take_tissue(self) -> None:
        self._picture = None
        self.canvas.show_cells(np.zeros((0, 2)), _plain(0))
        self.canvas.setVisible(False)
        self.note.setText(ABOUT)
        self.state.clear()
        self.clear.setEnabled(False)
        self._show_arrows()
        self._refresh()

    def _take_velocity(self) -> None:
        """Draw the arrows of another velocity into the same embedding."""
        if self._picture is None:
            return
        embedding, result = self._picture.embedding, self.workspace.velocity
        if len(embedding.coordinates) > MOST_AT_ONCE:
            result = None
            self.state.setText("The velocity has changed. Press 'Show embedding' to draw its arrows.")
        self._picture = workflow.EmbeddingPicture.of(embedding, result)
        self._show_arrows()
        self._color()

    def _refresh(self, *_: object) -> None:
        reason = "Load a tissue first." if self.workspace.tissue is None else ""
        self.panel.block(self.workspace.busy or reason)


def _plain(n_cells: int) -> NDArray[np.float32]:
    return np.tile(np.array(MISSING_COLOR, dtype=np.float32), (n_cells, 1))
