"""From the mouse on the canvas to a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from psygnal import Signal

from napari_tissue_dynamics.analysis.cells.cell_finder import CellFinder
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import napari
    from numpy.typing import ArrayLike

RADIUS = 0.5
"""How far from its center a cell is still hit, in spacings of the cells."""
SLACK = 5.0
"""How far from its center a cell is hit at least, in pixels of the canvas."""
CLICK = 3.0
"""How far the mouse may move between press and release for a click, in pixels of the canvas."""


class CellPicker:
    """Finds the cell under the mouse, and makes a clicked one the current cell of the workspace.

    Use :func:`picker_of`: there is one picker for each viewer.

    Parameters
    ----------
    viewer
        The viewer; its mouse callbacks call the picker as long as it lives.

    Attributes
    ----------
    hovered
        Emits the cell under the mouse whenever the mouse moves onto another one, None when it leaves.
    """

    hovered = Signal(object)

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._workspace = workspace_of(viewer)
        self._finder: CellFinder | None = None
        self._under: int | None = None
        self._workspace.tissue_changed.connect(self._tissue_changed)
        self._workspace.hidden_changed.connect(self._hidden_changed)
        self._viewer.mouse_move_callbacks.append(self._moved)
        self._viewer.mouse_drag_callbacks.append(self._pressed)

    def cell_at(
        self,
        position: ArrayLike,
        view_direction: ArrayLike | None = None,
        displayed: Sequence[int] = (),
    ) -> int | None:
        """Return the cell at a position of the canvas.

        Parameters
        ----------
        position
            World coordinates as a mouse event has them, ([plane, ]row, column); further leading axes are ignored.
        view_direction
            In which one looks in a view with three axes, in the same axes; None in a flat view.
        displayed
            The axes that are drawn; empty for the last two.

        Returns
        -------
        Index of the cell; None where there is none.
        """
        tissue = self._workspace.tissue
        if tissue is None:
            return None
        if self._finder is None:
            self._finder = CellFinder(tissue.positions, self._workspace.shown_cells)
        n_axes = tissue.positions.shape[1]
        place = np.asarray(position, dtype=np.float64)[-n_axes:][::-1]
        reach = max(RADIUS * self._finder.spacing, SLACK / max(float(self._viewer.scene.camera.zoom), 1e-9))
        if len(displayed) == 3 and view_direction is not None and n_axes == 3:
            return self._finder.along(place, np.asarray(view_direction)[-3:][::-1], reach)
        return self._finder.at(place if len(displayed) < 3 else place[:2], reach)

    def _cell_of(self, event: Any) -> int | None:
        return self.cell_at(event.position, event.view_direction, event.dims_displayed)

    def _tissue_changed(self) -> None:
        self._finder = None
        self._tell(None)

    def _hidden_changed(self) -> None:
        self._finder = None  # what is out of sight cannot be pointed at

    def _moved(self, viewer: napari.viewer.Viewer, event: Any) -> None:
        if len(self.hovered) and not event.is_dragging:
            self._tell(self._cell_of(event))

    def _tell(self, cell: int | None) -> None:
        if cell != self._under:
            self._under = cell
            self.hovered.emit(cell)

    def _pressed(self, viewer: napari.viewer.Viewer, event: Any) -> Iterator[None]:
        """Pick the cell that is clicked; a drag moves the camera, and drawing tools keep their clicks."""
        if event.button != 1 or event.modifiers or self._is_drawing():
            return
        start = np.asarray(event.pos, dtype=np.float64)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.asarray(event.pos) - start).max() <= CLICK:
            self._workspace.pick(self._cell_of(event))

    def _is_drawing(self) -> bool:
        active = self._viewer.layers.selection.active
        return active is not None and str(getattr(active, "mode", "pan_zoom")) not in ("pan_zoom", "transform")


_PICKERS: WeakKeyDictionary[Any, CellPicker] = WeakKeyDictionary()


def picker_of(viewer: napari.viewer.Viewer) -> CellPicker:
    """Return the picker of a viewer, the same for all of its docks."""
    key = getattr(viewer, "__wrapped__", viewer)
    if key not in _PICKERS:
        _PICKERS[key] = CellPicker(viewer)
    return _PICKERS[key]
