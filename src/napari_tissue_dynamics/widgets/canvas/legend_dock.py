"""The dock with the legend of the active colored layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Points
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_tissue_dynamics.widgets.forms.fields import stacked
from napari_tissue_dynamics.widgets.plots.legend import LegendPanel, arrow_color_of, arrow_key_of, legend_of
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    import napari
    from napari.utils.events import Event

NAME = "Legend"
LEAST_HEIGHT = 170
"""Of the legend, in pixels: a color bar and what arrows mean; more of it scrolls."""


class LegendDock(QWidget):
    """Shows the legend of the active layer when it can be seen and has one, else of the topmost visible one with one.

    Cells come before lines that are drawn on them.
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.panel = LegendPanel()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setMinimumHeight(LEAST_HEIGHT)
        body = QWidget()
        inside = stacked(body, self.panel)
        inside.addStretch()
        scroll.setWidget(body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 6, 4)
        layout.addWidget(scroll)
        layers = viewer.layers
        for signal in (layers.selection.events.active, layers.events.inserted, layers.events.removed):
            listen(self, signal, self._update)
        listen(self, layers.events, self._layer_changed)
        listen(self, workspace_of(viewer).legend_changed, self._update)
        self._update()

    def _layer_changed(self, event: Event) -> None:
        """Follow the eyes of the layer list; the list forwards the events of its layers."""
        if event.type == "visible":
            self._update()

    def _update(self, event: object = None) -> None:
        layers = self.viewer.layers
        active = layers.selection.active
        candidates = [] if active is None or not active.visible else [active]
        seen = [layer for layer in reversed(layers) if layer.visible]
        # What the cells are colored by comes before the lines that are drawn on them.
        candidates += sorted(seen, key=lambda layer: not isinstance(layer, Points))
        found = (legend for layer in candidates if (legend := legend_of(layer)) is not None)
        self.panel.show_legend(next(found, None))
        arrows = next((layer for layer in candidates if arrow_key_of(layer) is not None), None)
        if arrows is None:
            self.panel.show_arrows(None)
        else:
            self.panel.show_arrows(arrow_key_of(arrows), arrow_color_of(arrows))


def open_legend(viewer: napari.viewer.Viewer) -> None:
    """Open the legend below the layer list, once in a window; if the user closes it, it stays closed."""
    workspace = workspace_of(viewer)
    window = getattr(viewer, "window", None)
    if window is None or workspace.legend_opened:
        return
    workspace.legend_opened = True
    if not any(name.startswith(NAME) for name in window.dock_widgets):
        window.add_dock_widget(LegendDock(viewer), name=NAME, area="left")
