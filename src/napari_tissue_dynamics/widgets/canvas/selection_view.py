"""The selection of a workspace as a layer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.cell_colors import SELECTED, selected_points
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Points

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData


class SelectionView:
    """Shows a layer with rings around the selected cells as long as there are any.

    Use :func:`show_selections`: there is one for each viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = weakref.ref(getattr(viewer, "__wrapped__", viewer))
        self._workspace = workspace_of(viewer)
        self._spacing: tuple[Tissue, float] | None = None
        self._workspace.selection_changed.connect(self._update)
        self._update()

    def _update(self) -> None:
        tissue, selection, viewer = self._workspace.tissue, self._workspace.selection, self._viewer()
        if viewer is None:
            return
        layer = _viewer.find(viewer, self._workspace, SELECTED)
        if tissue is None or selection is None:
            if layer is not None:
                layer.visible = False
            return
        if self._spacing is None or self._spacing[0] is not tissue:
            self._spacing = tissue, cell_spacing(tissue.positions)
        data = selected_points(tissue, selection, self._spacing[1])
        if layer is not None and layer.ndim == tissue.positions.shape[1]:
            _redraw(layer, data)
            return
        with _viewer.same_selection(viewer):
            _viewer.show(viewer, self._workspace, data, key=SELECTED)


def _redraw(layer: Points, data: LayerData) -> None:
    """Move the rings of a layer to other cells; taking a layer out and in costs the time of many drags."""
    array, options, _ = data
    layer.visible = False  # drawn once, at the end
    # What is hidden is not sliced again: after the data are others, a color would be drawn for points that are gone.
    for name in ("size", "face_color", "border_color"):
        setattr(layer, name, options[name])
        setattr(layer, f"current_{name}", options[name])
    layer.data = array
    layer.metadata[PLUGIN].update(options["metadata"][PLUGIN])
    layer.visible = True


_VIEWS: WeakKeyDictionary[Any, SelectionView] = WeakKeyDictionary()


def show_selections(viewer: napari.viewer.Viewer) -> None:
    """Draw the selection of a viewer's workspace from now on; once for all docks that can select."""
    key = getattr(viewer, "__wrapped__", viewer)
    if key not in _VIEWS:
        _VIEWS[key] = SelectionView(viewer)
