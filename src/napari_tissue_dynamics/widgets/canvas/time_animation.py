"""Cells that light up in the order of their latent time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_tissue_dynamics.layers.time_animation import FILM, film_points, lit_colors, time_colors
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.playback import Player, repaint
from napari_tissue_dynamics.widgets.forms.fields import add_row, push_button, rows, sentences, stacked
from napari_tissue_dynamics.widgets.plots.legend import legend_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_tissue_dynamics.layers.time_animation import Lit
    from napari_tissue_dynamics.widgets.state.workspace import Key, Workspace

SECONDS = 8.0


class TimeFilm(QWidget):
    """Play, pause and slide latent time; cells up to now are lit in the colors they had.

    Parameters
    ----------
    viewer, workspace
        Where the cells are, and whose time counts.
    """

    at = Signal(float)

    def __init__(self, viewer: napari.viewer.Viewer, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._workspace = viewer, workspace
        self._base: NDArray[np.float32] | None = None
        self._hidden: list[Key] = []
        self.player = Player("cells over time", SECONDS)
        self.lit = QComboBox()
        self.lit.addItems(["up to now", "only now"])
        self.now = sentences("Time that is shown")
        self.all_button = push_button(
            "Show all cells again", "Stop the animation and restore the original colors of the cells."
        )
        fields = rows()
        add_row(
            fields,
            "Highlighted cells",
            self.lit,
            "Whether cells stay highlighted once their latent time has passed, or fade.",
        )
        stacked(self, self.player, self.now, fields, self.all_button)
        self.all_button.setEnabled(False)
        self.player.moved.connect(self._show)
        self.lit.currentTextChanged.connect(lambda *_: self._base is not None and self._show(self.player.place))
        self.all_button.clicked.connect(self.stop)

    def stop(self) -> None:
        """End the film; the cells are shown as they were."""
        self.player.rewind()
        if self._base is None:
            return
        self._base = None
        _viewer.remove(self._viewer, self._workspace, lambda key: key == FILM)
        for key in self._hidden:
            layer = _viewer.find(self._viewer, self._workspace, key)
            if layer is not None:
                layer.visible = True
        self._hidden = []
        self._workspace.legend_changed.emit()
        self.now.clear()
        self.all_button.setEnabled(False)

    def _show(self, now: float) -> None:
        tissue, result = self._workspace.tissue, self._workspace.velocity
        time = None if result is None else result.field.time
        if tissue is None or time is None:
            self.player.pause()
            return
        if self._base is None:
            self._begin(time)
        assert self._base is not None
        layer = _viewer.find(self._viewer, self._workspace, FILM)
        if layer is None:
            self.stop()  # the user deleted it
            return
        lit: Lit = "only now" if self.lit.currentText() == "only now" else "up to now"
        colors = lit_colors(self._base, time, now, lit)
        repaint(layer, colors, colors)
        n_lit = int((time <= now).sum())
        self.now.setText(f"Latent time {now:.2f}: {n_lit} of {tissue.n_cells} cells reached.")
        self.at.emit(now)

    def _begin(self, time: NDArray[np.float32]) -> None:
        """Draw the layer of the film in place of the layers of cells that can be seen."""
        tissue = self._workspace.tissue
        assert tissue is not None
        seen = self._seen(tissue.n_cells)
        if seen:
            colors, legend = np.array(seen[-1][1].face_color, dtype=np.float32), legend_of(seen[-1][1])
        else:
            colors, legend = time_colors(time)
        with _viewer.same_selection(self._viewer):
            _viewer.show(self._viewer, self._workspace, film_points(tissue, time, colors, 0.0, legend))
        self._hidden = [key for key, _ in seen]
        for _, layer in seen:
            layer.visible = False
        self._base = colors
        self.all_button.setEnabled(True)
        self._workspace.legend_changed.emit()

    def _seen(self, n_cells: int) -> list[tuple[Key, Layer]]:
        """Return keys and layers of ours that show every cell and can be seen, bottom first."""
        seen = list(_viewer.whole_tissue(self._viewer, n_cells))
        return [(key, layer) for key, layer in _viewer.colorings(self._viewer, self._workspace) if layer in seen]
