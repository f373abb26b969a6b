"""Particles that drift along the velocity of the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QWidget

from napari_tissue_dynamics.analysis.arrows.particles import particles
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.streams import particle_frame, particle_points
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.playback import Player, repaint
from napari_tissue_dynamics.widgets.forms.fields import add_row, rows, stacked
from napari_tissue_dynamics.widgets.forms.number_box import NumberBox

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.particles import Particles
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

KEY = "particles"
FRAMES = 150
SECONDS = 5.0
NUMBER, MOST = 800, 5000
SIZE = 0.22
"""Diameter of a particle in distances between nodes of the grid."""
BORDER = 0.3
"""Width of the border of a particle as a share of its diameter."""
LIGHT, DARK = (1.0, 1.0, 1.0), (0.1, 0.1, 0.1)


class ParticleFilm(QWidget):
    """Play and pause particles; their layer goes when they are switched off.

    Parameters
    ----------
    viewer, workspace
        Where the particles move, and the velocity they follow.
    """

    def __init__(self, viewer: napari.viewer.Viewer, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._workspace = viewer, workspace
        self._film: Particles | None = None
        self._evidence: VelocityEvidence | None = None
        self._frame = -1
        self.player = Player("particles", SECONDS, loop=True)
        self.number = NumberBox()
        self.number.setDecimals(0)
        self.number.setRange(10, MOST)
        self.number.setValue(NUMBER)
        fields = rows()
        add_row(fields, "Particles", self.number, "Number of particles shown at a time.")
        stacked(self, self.player, fields)
        self.player.moved.connect(self._show)
        self.number.valueChanged.connect(self._another)

    def stop(self) -> None:
        """Hold the film and take its layer away."""
        self.player.pause()
        self._film = None
        _viewer.remove(self._viewer, self._workspace, lambda key: key == KEY)

    def _another(self, *_: object) -> None:
        self._film = None
        if _viewer.find(self._viewer, self._workspace, KEY) is not None:
            self._show(self.player.place)

    def _show(self, place: float) -> None:
        """Draw the frame at a place of the film."""
        if self._film is None and not self._make():
            self.player.pause()
            return
        assert self._film is not None
        frame = int(place * self._film.n_frames) % self._film.n_frames
        layer = _viewer.find(self._viewer, self._workspace, KEY)
        if layer is None:  # the user deleted it
            self.stop()
        elif frame != self._frame:
            self._frame = frame
            positions, colors = particle_frame(self._film, frame, evidence=self._evidence)
            repaint(layer, *self._inked(colors), positions)

    def _make(self) -> bool:
        tissue, result = self._workspace.tissue, self._workspace.velocity
        if tissue is None or result is None:
            return False
        try:
            film = particles(result.grid, int(self.number.value()), FRAMES, births=tissue.positions)
        except DataError:
            return False
        data, options, kind = particle_points(
            film, 0, unit=tissue.unit, size=SIZE * result.grid.spacing, name=KEY, evidence=result.evidence
        )
        face, border = self._inked(options["face_color"])
        options |= {"face_color": face, "border_color": border, "border_width": BORDER}
        with _viewer.same_selection(self._viewer):
            _viewer.show(self._viewer, self._workspace, (data, options, kind), key=KEY)
        self._film, self._frame, self._evidence = film, 0, result.evidence
        return True

    def _inked(self, colors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return colors of faces and borders with the opacity of ``colors`` that are seen on canvas and image."""
        light = float(np.mean(self._viewer.canvas.background_color[:3])) > 0.5
        face, border = colors.copy(), colors.copy()
        face[:, :3], border[:, :3] = (DARK, LIGHT) if light else (LIGHT, DARK)
        return face, border
