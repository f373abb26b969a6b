"""What the spatial maps of each cell type show, and the maps of all cells as one lazy array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.spatial import cKDTree

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.nets.spatial_maps import MapGrid, scaled_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.nets.spatial_maps import Floats, MapKind

SMALLEST_DISTANCE = 1e-6
# Half-width of the image around a cell, in radii.
WINDOW_IN_RADII = 2.0
# Cells drawn at once.
DRAWN = 256


@dataclass(frozen=True, slots=True, eq=False)
class _OneImage:
    """Maps of one image per cell, on a grid."""

    grid: MapGrid

    @property
    def channels(self) -> int:
        """One image per cell."""
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return self.grid.shape


@dataclass(frozen=True, slots=True, eq=False)
class MaskedDistance(_OneImage):
    """The distance to each pixel that holds a cell of one type, 0 elsewhere, scaled to 0 ... 1.

    Parameters
    ----------
    occupied
        (pixels, pixels[, pixels]) True where the tissue has cells of the type.
    """

    occupied: NDArray[np.bool_]

    @classmethod
    def of(cls, grid: MapGrid, members: Floats) -> MaskedDistance:
        """Return the maps of the type whose cells sit at (cells, 2 or 3) ``members``."""
        occupied = np.zeros(grid.shape, dtype=np.bool_)
        occupied[grid.pixel_of(members)] = True
        return cls(grid, occupied)

    def images(self, positions: Floats) -> NDArray[np.float32]:
        """Return (cells, 1, pixels, pixels[, pixels])."""
        return scaled_images(self.grid.distances(positions) * self.occupied)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class InverseDistance(_OneImage):
    """One over the distance to each pixel, as the Rust version of SpaceTravLR draws it."""

    def images(self, positions: Floats) -> NDArray[np.float32]:
        """Return (cells, 1, pixels, pixels[, pixels])."""
        return (1 / np.maximum(self.grid.distances(positions), SMALLEST_DISTANCE)).astype(np.float32)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """How many cells of each type are where around a cell: the tissue seen from the cell.

    Counts per pixel of a square (cube) around the cell, smoothed by a gaussian of one pixel. The image moves with the
    cell, so that equal surroundings look equal wherever they are.

    Parameters
    ----------
    positions, codes
        All cells that can be seen, (cells, 2 or 3), and their types; -1 is not drawn.
    pixels
        Of each side.
    half_width
        From the cell to the rim, in the unit of the positions.
    """

    positions: Floats
    codes: NDArray[np.integer]
    channels: int
    pixels: int
    half_width: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return (self.pixels,) * self.positions.shape[1]

    def images(self, positions: Floats) -> NDArray[np.float32]:
        """Return (cells, types, pixels, pixels[, pixels])."""
        from scipy.ndimage import gaussian_filter1d

        seen = cKDTree(self.positions)
        images = np.zeros((len(positions), self.channels, *self.shape), dtype=np.float32)
        for start in range(0, len(positions), DRAWN):
            images[start : start + DRAWN] = self._counts(seen, positions[start : start + DRAWN])
        for axis in range(2, images.ndim):
            images = gaussian_filter1d(images, 1.0, axis=axis, mode="constant")
        return images

    def _counts(self, seen: cKDTree, centers: Floats) -> NDArray[np.float32]:
        near: Any = seen.query_ball_point(centers, self.half_width, p=np.inf)
        center = np.repeat(np.arange(len(centers)), [len(found) for found in near])
        neighbor = np.concatenate([np.asarray(found, dtype=np.intp) for found in near])
        drawn = self.codes[neighbor] >= 0
        center, neighbor = center[drawn], neighbor[drawn]
        along = (self.positions[neighbor] - centers[center]) / (2 * self.half_width) + 0.5  # 0 ... 1
        place = [along[:, 0] if axis == 0 else 1 - along[:, axis] for axis in (1, 0, 2)[: along.shape[1]]]
        pixel = [np.clip((value * self.pixels).astype(np.intp), 0, self.pixels - 1) for value in place]
        shape = (len(centers), self.channels, *self.shape)
        flat = np.ravel_multi_index((center, self.codes[neighbor], *pixel), shape)
        counts = np.bincount(flat, minlength=int(np.prod(shape)))
        return counts.reshape(shape).astype(np.float32)


Maps: TypeAlias = "MapGrid | MaskedDistance | InverseDistance | Density"
"""What a network sees of the cells of one type."""


def type_maps(
    kind: MapKind,
    positions: Floats,
    codes: NDArray[np.integer],
    n_types: int,
    pixels: int,
    radius: float,
    grid: MapGrid | None = None,
) -> tuple[Maps, ...]:
    """Return what a network sees of each cell type.

    Parameters
    ----------
    kind
        ``position``: the distance from the cell to each pixel of the tissue's bounding box; ``masked_distance``: the
        same where the tissue has cells of the type; ``density``: cells of every type around the cell;
        ``inverse_distance``: one over the distance.
    positions, codes
        (cells, 2 or 3) and (cells,) types, -1 for none.
    pixels
        Of each side.
    radius
        Reach of ligands; the image of ``density`` reaches twice as far.
    grid
        Pixels to use in place of those over the positions.
    """
    if kind == "density":
        return (Density(positions, codes, n_types, pixels, WINDOW_IN_RADII * radius),) * n_types
    grid = MapGrid.over(positions, pixels) if grid is None else grid
    if kind == "masked_distance":
        return tuple(MaskedDistance.of(grid, positions[codes == k]) for k in range(n_types))
    return (InverseDistance(grid) if kind == "inverse_distance" else grid,) * n_types


@dataclass(frozen=True, slots=True, eq=False)
class SpatialMaps:
    """The maps of all cells as an array that is computed where it is indexed.

    Logically (cells, types, pixels, pixels[, pixels]) float32; index it like a numpy array. ``np.asarray`` draws all
    of it.

    Parameters
    ----------
    positions, codes
        (cells, 2 or 3) and (cells,) types, -1 for none.
    own_only
        Draw the channel of the cell's own type alone and 0 elsewhere.
    """

    positions: Floats
    codes: NDArray[np.integer]
    maps: tuple[Maps, ...]
    own_only: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells, types and pixels."""
        return (len(self.positions), len(self.maps), *self.maps[0].shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Single precision."""
        return np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        """Memory it would take if it were drawn."""
        return 4 * int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: Any) -> Any:
        index = list(index) if isinstance(index, tuple) else [index]
        if any(part is None for part in index):
            raise DataError("Spatial maps take no new axes; draw the cells first, as in maps[cells][:, None].")
        if any(part is Ellipsis for part in index):
            place = next(k for k, part in enumerate(index) if part is Ellipsis)
            index[place : place + 1] = [slice(None)] * (self.ndim - len(index) + 1)
        first = index[0] if index else slice(None)
        chosen = np.arange(len(self))[first]
        drawn = self._drawn(np.atleast_1d(chosen).ravel())
        if np.ndim(chosen) == 0:
            return drawn[(0, *index[1:])]
        rows = slice(None) if isinstance(first, slice) else np.arange(chosen.size).reshape(chosen.shape)
        return drawn[(rows, *index[1:])]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._drawn(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def _drawn(self, cells: NDArray[np.intp]) -> NDArray[np.float32]:
        result = np.zeros((len(cells), *self.shape[1:]), dtype=np.float32)
        for start in range(0, len(cells), DRAWN):
            rows = slice(start, start + DRAWN)
            self._draw(cells[rows], result[rows])
        return result

    def _draw(self, cells: NDArray[np.intp], result: NDArray[np.float32]) -> None:
        places = self.positions[cells]
        first = self.maps[0].images(places)
        for k, maps in enumerate(self.maps):
            if isinstance(maps, Density):
                result[:, k] = first[:, k]
                continue
            image = first[:, 0] if maps is self.maps[0] else maps.images(places)[:, 0]
            own = (self.codes[cells] == k).reshape(-1, *(1,) * (image.ndim - 1))
            result[:, k] = image * own if self.own_only else image
