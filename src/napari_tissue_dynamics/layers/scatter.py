"""Many points as a small picture, by numpy alone: a frame of a plot that has to be ready at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Free space around the data, as a share of its range.
SPACE = 0.04


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a plot: the values at its two ends and the number of pixels between them."""

    low: float
    high: float
    pixels: float

    def place(self, values: NDArray[np.floating[Any]] | float) -> NDArray[np.float64]:
        """Return where values stand, in pixels from the low end."""
        return (np.asarray(values, np.float64) - self.low) * (self.pixels / (self.high - self.low))

    def ticks(self, wanted: int = 4) -> list[float]:
        """Return at most ``wanted`` + 1 round numbers at equal distances of 1, 2 or 5 times a power of 10."""
        rough = (self.high - self.low) / max(wanted, 1)
        power = 10.0 ** floor(log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
        first, last = int(np.ceil(self.low / step - 1e-9)), int(np.floor(self.high / step + 1e-9))
        return [round(k * step, 12) for k in range(first, last + 1)]


def axis_of(values: NDArray[np.floating[Any]], pixels: float) -> Axis:
    """Return an axis on which all finite values have their place, and zero if they begin near it."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low > 0 and low < 0.5 * high:
        low = 0.0
    span = (high - low) or abs(high) or 1.0
    return Axis(low - SPACE * span, high + SPACE * span, pixels)


def stamped(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    colors: NDArray[np.floating[Any]],
    size: tuple[int, int],
    radius: float,
) -> NDArray[np.uint8]:
    """Return a picture with one disc per point, the later ones above the earlier.

    Parameters
    ----------
    x, y
        (points,) positions in pixels, y down; points that are not finite or lie outside are omitted.
    colors
        (points, 4) red, green, blue and opacity, 0 to 1; opacity is not mixed: a disc covers what lies below.
    size
        Width and height of the picture.
    radius
        Of a disc, in pixels.

    Returns
    -------
    (height, width, 4) uint8, transparent where there is no point.
    """
    width, height = size
    reach = max(int(np.ceil(radius)), 0)
    wide = width + 2 * reach  # a frame, so that discs at the edge need no test
    picture = np.zeros(((height + 2 * reach) * wide, 1), dtype=np.uint32)
    inside = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    column, row = (np.rint(each[inside]).astype(np.int64) for each in (x, y))
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    packed = (np.clip(colors[inside[seen]], 0, 1) * 255).round().astype(np.uint8).view(np.uint32)
    center = (row[seen] + reach) * wide + column[seen] + reach
    steps = np.arange(-reach, reach + 1)
    down, right = (each.ravel() for each in np.meshgrid(steps, steps, indexing="ij"))
    disc = down**2 + right**2 <= (radius + 0.3) ** 2
    # Point by point, all pixels of a disc together: the last point is on top in all of its pixels.
    pixels = center[:, None] + (down[disc] * wide + right[disc])
    picture[pixels.ravel()] = np.repeat(packed, int(disc.sum()), axis=0)
    framed = picture.view(np.uint8).reshape(height + 2 * reach, wide, 4)
    return np.ascontiguousarray(framed[reach : reach + height, reach : reach + width])


def nearest(
    x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], at: tuple[float, float], within: float
) -> int | None:
    """Return the point nearest to ``at``, None if there is none within a distance in pixels."""
    distance = (np.asarray(x) - at[0]) ** 2 + (np.asarray(y) - at[1]) ** 2
    if not distance.size or np.isnan(distance).all():
        return None
    found = int(np.nanargmin(distance))
    return found if distance[found] <= within**2 else None
