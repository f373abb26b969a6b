"""Velocities as layers of a viewer, whatever model they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points

from napari_tissue_dynamics.layers.layer_sets import velocity_layers
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.fate_view import is_fate
from napari_tissue_dynamics.widgets.canvas.legend_dock import open_legend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import napari

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.widgets.state.workspace import Workspace
    from napari_tissue_dynamics.workflow import VelocityResult

FIRST_SEEN = ("velocity", "latent time")
"""What is visible after a first run; the rest is one click away in the layer list."""
OF_A_MODEL = ("expert", "latent time")
"""What not every model has."""


def draw_velocity(
    viewer: napari.viewer.Viewer,
    workspace: Workspace,
    tissue: Tissue,
    result: VelocityResult,
    accept: Callable[[], None],
    *,
    arrows_only: bool = False,
) -> None:
    """Draw a velocity in place of the one before.

    Parameters
    ----------
    accept
        Makes it the velocity of the workspace; called once the layers are made and before they are shown.
    arrows_only
        Leave all layers of cells as they are.
    """
    layers = velocity_layers(tissue, result.field, result.arrows, result.grid, result.confidence)
    if arrows_only:
        layers = [data for data in layers if data[2] == "vectors"]
    first = workspace.velocity is None  # arrows that came with the file are no reason to keep two colors of the cells
    active = _viewer.key_of(workspace, viewer.layers.selection.active)
    accept()
    for data in layers:
        _viewer.show(viewer, workspace, data, visible=data[1]["name"] in FIRST_SEEN)
    if not arrows_only:
        gone = set(OF_A_MODEL) - {data[1]["name"] for data in layers}
        _viewer.remove(viewer, workspace, lambda key: key in gone)
        if workspace.fate is None:
            _viewer.remove(viewer, workspace, is_fate)
    open_legend(viewer)
    if first and not arrows_only:
        _viewer.hide_other_results(viewer, workspace, FIRST_SEEN)
    if not arrows_only:
        _bring_in_sight(viewer, workspace)
    chosen = _viewer.find(viewer, workspace, active) if active and not first else None
    chosen = chosen or _viewer.find(viewer, workspace, "latent time")
    if chosen is not None:
        viewer.layers.selection.active = chosen


def _bring_in_sight(viewer: napari.viewer.Viewer, workspace: Workspace) -> None:
    """Show the arrows of a new velocity where none are seen, and colors of the cells where their layer is gone."""

    def shown(key: str) -> bool:
        layer = _viewer.find(viewer, workspace, key)
        return layer is not None and layer.visible

    def show_first(keys: Iterable[str]) -> None:
        layers = (_viewer.find(viewer, workspace, key) for key in keys)
        layer = next((each for each in layers if each is not None), None)
        if layer is not None:
            layer.visible = True

    if not any(map(shown, _viewer.ARROW_LAYERS)):
        show_first(_viewer.ARROW_LAYERS)
    if not any(layer.visible for _, layer in _viewer.colorings(viewer, workspace)):
        show_first(("latent time", "cells"))


def selected_cells(viewer: napari.viewer.Viewer, workspace: Workspace) -> list[int]:
    """Return the cells selected in the docks, else the selected points of the active layer of cells or of another."""
    if workspace.selection is not None:
        return [int(cell) for cell in np.flatnonzero(workspace.selection)]
    n_cells = -1 if workspace.tissue is None else workspace.tissue.n_cells
    layers = [layer for layer, _ in _viewer.our_layers(viewer)]
    active = viewer.layers.selection.active
    found = [*(layer for layer in layers if layer == active), *layers]
    chosen = [
        sorted(int(cell) for cell in layer.selected_data)
        for layer in found
        if isinstance(layer, Points) and len(layer.data) == n_cells
    ]
    return next((cells for cells in chosen if cells), [])
