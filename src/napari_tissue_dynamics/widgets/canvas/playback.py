"""Play, pause, place and speed of something that moves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSizePolicy, QSlider, QWidget

from napari_tissue_dynamics.widgets.forms.fields import stacked

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Points
    from numpy.typing import NDArray

TICK = 33
"""Milliseconds between two pictures, if they are drawn fast enough."""
STEPS = 1000
LONGEST_STEP = 0.25
"""Seconds that the film moves on at most when a picture took longer."""
SPEEDS = {"quarter speed": 0.25, "half speed": 0.5, "normal speed": 1.0, "double speed": 2.0, "four times": 4.0}


class Player(QWidget):
    """A button, a slider and a speed; emits the position in an animation, 0 to 1, as it moves.

    Parameters
    ----------
    what
        What is played, for names and tooltips.
    seconds
        How long the film lasts at normal speed.
    loop
        Whether it begins again at its end; the place is then not shown.
    """

    moved = Signal(float)
    playing_changed = Signal(bool)

    def __init__(self, what: str, seconds: float, *, loop: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what, self._seconds, self._loop = what, seconds, loop
        self._place, self._last = 0.0, 0.0
        self.button = QPushButton()
        self.speed = QComboBox()
        self.speed.addItems(list(SPEEDS))
        self.speed.setCurrentText("normal speed")
        self.speed.setToolTip(f"Playback speed of the {what}.")
        self.speed.setAccessibleName(f"Speed of the {what}")
        self.speed.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 20)
        self.slider.setSingleStep(STEPS // 100)
        self.slider.setToolTip(f"Current frame of the {what}; the arrow keys move it.")
        self.slider.setAccessibleName(f"Current frame of the {what}")
        self.slider.setVisible(not loop)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._tick)
        row = QHBoxLayout()
        row.addWidget(self.button)
        row.addWidget(self.speed)
        stacked(self, row, self.slider)
        self.button.clicked.connect(self.toggle)
        self.slider.valueChanged.connect(self._slid)
        self._refresh()

    @property
    def place(self) -> float:
        """Where the film is, 0 to 1."""
        return self._place

    @property
    def is_playing(self) -> bool:
        """Whether the film moves."""
        return self._timer.isActive()

    def toggle(self) -> None:
        """Play or pause; a film that has ended begins again."""
        self.pause() if self.is_playing else self.play()

    def play(self) -> None:
        """Let the film move."""
        if self._place >= 1:
            self.go_to(0.0)
        self._last = time.monotonic()
        self._timer.start()
        self._refresh()
        self.playing_changed.emit(True)

    def pause(self) -> None:
        """Hold the film where it is."""
        if self.is_playing:
            self._timer.stop()
            self._refresh()
            self.playing_changed.emit(False)

    def rewind(self) -> None:
        """Hold the film and go to its beginning, without showing it."""
        self.pause()
        with QSignalBlocker(self):
            self.go_to(0.0)

    def go_to(self, place: float) -> None:
        """Show the film at a place, 0 to 1."""
        self._place = place
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(STEPS * place))
        self.moved.emit(place)

    def _tick(self) -> None:
        now = time.monotonic()
        step = min(now - self._last, LONGEST_STEP) * SPEEDS[self.speed.currentText()] / self._seconds
        self._last = now
        place = self._place + step
        if self._loop:
            self.go_to(place % 1)
            return
        self.go_to(min(place, 1.0))
        if place >= 1:
            self.pause()

    def _slid(self, value: int) -> None:
        self.go_to(value / STEPS)

    def _refresh(self) -> None:
        text = "Pause" if self.is_playing else "Play"
        self.button.setText(text)
        self.button.setAccessibleName(f"{'Pause' if self.is_playing else 'Play'} the {self._what}")
        self.button.setToolTip(f"{'Pause' if self.is_playing else 'Play'} the {self._what} (Space).")


def repaint(
    layer: Points,
    face: NDArray[np.float32],
    border: NDArray[np.float32],
    positions: NDArray[np.float32] | None = None,
) -> None:
    """Give the points of a layer other places or colors, in place.

    Setting ``data`` or ``face_color`` checks, copies and draws a thumbnail: ten times slower, too slow for a film.

    Parameters
    ----------
    layer
        A layer with colors of its own, as many as there are points.
    face, border
        (points, 4) colors.
    positions
        (points, 2 or 3) in the axes of napari.
    """
    if positions is not None:
        layer.data[:] = positions
    layer.face_color[:] = face
    layer.border_color[:] = border
    layer.refresh(thumbnail=False, highlight=False, extent=False)
