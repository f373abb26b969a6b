"""Where a cell sits: small images of the distance to it, and counts of its neighbors by type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Generator

Floats = NDArray[np.float64]
MapKind = Literal["position", "masked_distance", "density", "inverse_distance"]

SMALLEST_RANGE = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class MapGrid:
    """The pixels that position maps are made of.

    Parameters
    ----------
    centers
        One array of pixel centers per image axis, (pixels,) each: (y, x) in 2-D and (y, x, z) in 3-D, with x
        ascending and the others descending, so that row 0 is the top of the tissue.
    """

    centers: tuple[Floats, ...]

    @classmethod
    def over(cls, positions: Floats, pixels: int) -> MapGrid:
        """Return the grid of ``pixels`` per side over the bounding box of (cells, 2 or 3) positions."""
        low, high = positions.min(axis=0), positions.max(axis=0)
        steps = (np.arange(pixels) + 0.5) / pixels
        ascending = [a + steps * (b - a) for a, b in zip(low, high, strict=True)]
        x, y, *rest = ascending
        return cls((y[::-1].copy(), x, *(z[::-1].copy() for z in rest)))

    @property
    def channels(self) -> int:
        """One image per cell."""
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(len(centers) for centers in self.centers)

    def images(self, positions: Floats) -> NDArray[np.float32]:
        """Return :meth:`render` with an axis for the channel, (cells, 1, pixels, pixels[, pixels])."""
        return self.render(positions)[:, None]

    def render(self, positions: Floats) -> NDArray[np.float32]:
        """Return the map of every cell: its distance to each pixel, scaled to 0 (nearest) ... 1 (farthest).

        Parameters
        ----------
        positions
            (cells, 2 or 3), (x, y) or (x, y, z).

        Returns
        -------
        (cells, pixels, pixels) or (cells, pixels, pixels, pixels) float32.
        """
        return scaled_images(self.distances(positions))

    def distances(self, positions: Floats) -> Floats:
        """Return the distance of every cell to the center of each pixel, (cells, pixels, pixels[, pixels])."""
        axes = (1, 0, 2)[: len(self.centers)]
        squared: Floats = np.zeros((len(positions),) + (1,) * len(self.centers))
        for k, (axis, centers) in enumerate(zip(axes, self.centers, strict=True)):
            step = (positions[:, axis, None] - centers) ** 2
            shape = [len(positions)] + [1] * len(self.centers)
            shape[k + 1] = len(centers)
            squared = squared + step.reshape(shape)
        return np.sqrt(squared)

    def pixel_of(self, positions: Floats) -> tuple[NDArray[np.intp], ...]:
        """Return the pixel that holds each cell, one index array per image axis."""
        found = []
        for axis, centers in zip((1, 0, 2), self.centers, strict=False):
            step = (centers[-1] - centers[0]) / (len(centers) - 1)
            pixel = np.floor((positions[:, axis] - centers[0]) / step + 0.5) if step else np.zeros(len(positions))
            found.append(np.clip(pixel, 0, len(centers) - 1).astype(np.intp))
        return tuple(found)


def scaled_images(images: Floats) -> NDArray[np.float32]:
    """Return every image scaled to 0 (smallest value) ... 1 (largest); a constant image becomes 0."""
    flat = images.reshape(len(images), -1)
    low, high = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
    scaled = (flat - low) / np.maximum(high - low, SMALLEST_RANGE)
    return scaled.reshape(images.shape).astype(np.float32)


def neighbor_count_steps(
    positions: Floats, codes: NDArray[np.integer], n_types: int, radius: float
) -> Generator[float, None, Floats]:
    """Count the cells of each type around each cell, itself and the rim included.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    codes
        (cells,) type of each cell; -1 counts for none.
    radius
        Reach in the unit of the positions.

    Yields
    ------
    Share of the work that is done.

    Returns
    -------
    (cells, types) counts.
    """
    counts = np.zeros((len(positions), n_types))
    for k in range(n_types):
        members = positions[codes == k]
        if len(members):
            counts[:, k] = cKDTree(members).query_ball_point(positions, radius, return_length=True)
        yield (k + 1) / n_types
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class MinMax:
    """The range of each column, to scale the same columns of other cells alike.

    Parameters
    ----------
    low, span
        (columns,) smallest value, and how far the largest lies above.
    """

    low: Floats
    span: Floats

    @classmethod
    def of(cls, counts: NDArray[np.floating]) -> MinMax:
        """Return the range over all cells."""
        low = np.asarray(counts.min(axis=0), dtype=np.float64)
        return cls(low, counts.max(axis=0) - low)

    def scaled(self, counts: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the columns scaled to 0 ... 1; a column that was constant becomes 0."""
        return ((counts - self.low) / np.where(self.span > 0, self.span, 1)).astype(np.float32)


def min_max_scaled(counts: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the columns scaled to 0 ... 1 over all cells; a constant column becomes 0."""
    return MinMax.of(counts).scaled(counts)
