"""The dock with the phase portrait of a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.portrait_panel import PortraitPanel
from napari_tissue_dynamics.widgets.panels.tabs import bring_to_front

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

NAME = "Phase portraits"


class PortraitDock(Dock):
    """Shows unspliced over spliced RNA of a gene in every cell, with what the model fitted to it.

    Parameters
    ----------
    viewer
        The viewer the dock belongs to.
    parent
        The Qt parent.
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.panel = PortraitPanel(viewer)
        self.panel.failed.connect(self.show_error)
        self.panel.gene_changed.connect(lambda _: self.clear_error())
        self.column.addWidget(self.panel, 1)


def open_portraits(viewer: napari.viewer.Viewer) -> None:
    """Open the dock, or bring it to the front."""
    # What a menu has opened is named after the plugin's title, what a program opens after its package.
    there = next((dock for title, dock in viewer.window.dock_widgets.items() if title.startswith(NAME)), None)
    bring_to_front(viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1] if there is None else there)
