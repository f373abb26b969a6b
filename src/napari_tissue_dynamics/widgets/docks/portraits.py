"""The dock with the phase portrait of a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.portrait_panel import PortraitPanel

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget


class PortraitDock(Dock):
    """Shows unspliced over spliced RNA of a gene in every cell, with what the model fitted to it."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.panel = PortraitPanel(viewer)
        self.panel.failed.connect(self.show_error)
        self.panel.gene_changed.connect(lambda _: self.clear_error())
        self.column.addWidget(self.panel, 1)
