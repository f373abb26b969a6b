"""The layer of cells that is colored by what the user inspects, changed in place by all docks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.colored_points import NAME, colored_points, colored_values
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_tissue_dynamics.layers.coloring import Coloring
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

OF_VELOCITY = ("latent time", "expert")
"""What titles begin with of colors that arrows belong to."""


def show_coloring(viewer: napari.viewer.Viewer, workspace: Workspace, coloring: Coloring) -> None:
    """Color the cells of the workspace, instead of how they are colored now."""
    if workspace.tissue is not None:
        workspace.set_coloring(coloring)
        draw_coloring(viewer, workspace, alone=True)


def draw_coloring(viewer: napari.viewer.Viewer, workspace: Workspace, *, alone: bool) -> None:
    """Bring the layer up to date with the coloring of the workspace; it is made when there is none.

    Parameters
    ----------
    alone
        Whether it is shown instead of other colors of the cells.
    """
    tissue, coloring = workspace.tissue, workspace.coloring
    if tissue is None or coloring is None:
        return
    shown = workspace.shown_cells
    layer = _viewer.find(viewer, workspace, NAME)
    if layer is None or len(layer.data) != tissue.n_cells:
        cells = _viewer.find(viewer, workspace, "cells")
        size = None if cells is None else float(cells.size[0])  # as the user left it
        layer = _viewer.show(viewer, workspace, colored_points(tissue, coloring, shown, size))
    else:
        recolor(layer, colored_values(coloring, shown))
    if alone:
        if not coloring.title.startswith(OF_VELOCITY):
            _viewer.make_way(viewer, workspace)
        _viewer.hide_other_results(viewer, workspace, [NAME])
        if viewer.layers.selection.active != layer:
            viewer.layers.selection.active = layer
    workspace.legend_changed.emit()


def recolor(layer: Layer, values: dict[str, Any]) -> None:
    """Give a layer of cells other colors and another legend, in place."""
    layer.metadata[PLUGIN].update(values["metadata"][PLUGIN])
    with layer.events.blocker_all():  # the color of the borders draws both
        layer.face_color = values["face_color"]
    layer.border_color = values["border_color"]
    for name in ("face_colormap", "face_contrast_limits"):
        if name in values:
            setattr(layer, name, values[name])
