"""The dock with the legend of the colored layer that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.widgets._legend import LegendPanel, arrow_key_of, legend_of
from napari_tissue_dynamics.widgets._listen import listen
from napari_tissue_dynamics.widgets._workspace import workspace_of

if TYPE_CHECKING:
    import napari

NAME = "Legend"


class LegendDock(QWidget):
    """Shows the legend of the active layer when it can be seen and has one, else of the topmost visible one with one.

    Parameters
    ----------
    viewer
        The viewer the dock belongs to.
    parent
        The Qt parent.
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.panel = LegendPanel()
        layout = QVBoxLayout(self)
        layout.addWidget(self.panel)
        layout.addStretch()
        layers = viewer.layers
        for signal in (layers.selection.events.active, layers.events.inserted, layers.events.removed):
            listen(self, signal, self._update)
        listen(self, workspace_of(viewer).legend_changed, self._update)
        self._update()

    def _update(self, event: object = None) -> None:
        layers = self.viewer.layers
        active = layers.selection.active
        candidates = [] if active is None or not active.visible else [active]
        candidates += [layer for layer in reversed(layers) if layer.visible]
        found = (legend for layer in candidates if (legend := legend_of(layer)) is not None)
        self.panel.show_legend(next(found, None))
        keys = (key for layer in candidates if (key := arrow_key_of(layer)) is not None)
        self.panel.show_arrows(next(keys, None))


def open_legend(viewer: napari.viewer.Viewer) -> None:
    """Open the legend below the layer list, once in a window; a person who closes it is not asked again."""
    workspace = workspace_of(viewer)
    window = getattr(viewer, "window", None)
    if window is None or workspace.legend_opened:
        return
    workspace.legend_opened = True
    if not any(NAME in name and PLUGIN in name for name in window.dock_widgets):
        window.add_dock_widget(LegendDock(viewer), name=NAME, area="left")
