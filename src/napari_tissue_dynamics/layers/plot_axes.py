"""Which part of a plane a plot shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Free space around the data, as a share of the plot.
MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class PlotView:
    """A part of a plane, y up, on a plot of some pixels, y down.

    Parameters
    ----------
    center
        (x, y) in the middle of the plot.
    scale
        Pixels for one unit.
    size
        Width and height of the plot in pixels.
    """

    center: tuple[float, float]
    scale: float
    size: tuple[float, float]

    def pixels(self, places: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return (n, 2) pixels of (n, 2) positions."""
        away = (np.asarray(places, dtype=np.float64) - self.center) * (self.scale, -self.scale)
        return away + np.array(self.size) / 2

    def places(self, pixels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return (n, 2) positions of (n, 2) pixels."""
        away = np.asarray(pixels, dtype=np.float64) - np.array(self.size) / 2
        return away / (self.scale, -self.scale) + self.center

    def moved(self, right: float, down: float) -> PlotView:
        """Return the view after the plane was dragged by this many pixels."""
        return replace(self, center=(self.center[0] - right / self.scale, self.center[1] + down / self.scale))

    def zoomed(self, factor: float, at: tuple[float, float] | None = None) -> PlotView:
        """Return the view enlarged, with what lies at a pixel staying there; the middle stays where none is given."""
        fixed = np.array([self.size]) / 2 if at is None else np.array([at])
        place = self.places(fixed)[0]
        larger = replace(self, scale=self.scale * factor)
        moved = place - larger.places(fixed)[0]
        return replace(larger, center=(self.center[0] + float(moved[0]), self.center[1] + float(moved[1])))

    def resized(self, width: float, height: float) -> PlotView:
        """Return the view on a plot of another size, with the same middle and the same share of the plane."""
        factor = min(width, height) / max(min(self.size), 1.0)
        return replace(self, scale=self.scale * factor, size=(width, height))


def fitted(places: NDArray[np.floating[Any]], width: float, height: float) -> PlotView:
    """Return the view that shows all of (n, 2) positions."""
    if not len(places):
        return PlotView((0.0, 0.0), 1.0, (width, height))
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    spans = np.maximum(high - low, 1e-12)
    scale = float(min(np.array([width, height]) * (1 - 2 * MARGIN) / spans))
    if not (high > low).any():
        scale = 1.0
    middle = (low + high) / 2
    return PlotView((float(middle[0]), float(middle[1])), scale, (width, height))
