"""The selection of a workspace as a layer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_tissue_dynamics.layers.selected import SELECTED, selected_points
from napari_tissue_dynamics.widgets import _viewer
from napari_tissue_dynamics.widgets._workspace import workspace_of

if TYPE_CHECKING:
    import napari


class SelectionView:
    """Keeps a layer with rings around the selected cells as long as there are any.

    Use :func:`show_selections`: there is one for each viewer.

    Parameters
    ----------
    viewer
        Where the rings are drawn.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = weakref.ref(getattr(viewer, "__wrapped__", viewer))
        self._workspace = workspace_of(viewer)
        self._workspace.selection_changed.connect(self._update)
        self._update()

    def _update(self) -> None:
        tissue, selection = self._workspace.tissue, self._workspace.selection
        viewer = self._viewer()
        if viewer is None:
            return
        if tissue is None or selection is None:
            _viewer.remove(viewer, self._workspace, lambda key: key == SELECTED)
            return
        with _viewer.same_selection(viewer):
            _viewer.show(viewer, self._workspace, selected_points(tissue, selection), key=SELECTED)


_VIEWS: WeakKeyDictionary[Any, SelectionView] = WeakKeyDictionary()


def show_selections(viewer: napari.viewer.Viewer) -> None:
    """Draw the selection of a viewer's workspace from now on; once for all docks that can select."""
    key = getattr(viewer, "__wrapped__", viewer)
    if key not in _VIEWS:
        _VIEWS[key] = SelectionView(viewer)
