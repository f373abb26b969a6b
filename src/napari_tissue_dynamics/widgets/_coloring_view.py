"""Cells colored by what another dock asks for, in the layer that the Explore dock colors too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.layers.colored_points import NAME, colored_points
from napari_tissue_dynamics.widgets import _viewer

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.layers.coloring import Coloring
    from napari_tissue_dynamics.widgets._workspace import Workspace


def show_coloring(viewer: napari.viewer.Viewer, workspace: Workspace, coloring: Coloring) -> None:
    """Color the cells of the workspace, instead of how they are colored now."""
    if workspace.tissue is None:
        return
    workspace.set_coloring(coloring)
    layer = _viewer.show(viewer, workspace, colored_points(workspace.tissue, coloring, workspace.shown_cells))
    layer.visible = True
    _viewer.hide_other_results(viewer, workspace, [NAME])
    viewer.layers.selection.active = layer
    workspace.legend_changed.emit()
