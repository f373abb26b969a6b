"""Histology images of an AnnData or of an image file, and where they lie.

The convention of scanpy and squidpy: positions are (x, y) in pixels of the full-resolution image, and an
image of scale ``f`` has ``f`` pixels per full-resolution pixel. Its pixel ``i`` covers the full-resolution
pixels ``i/f - 1/2`` to ``(i + 1)/f - 1/2``, so the center of pixel ``i`` lies at ``(i + 1/2)/f - 1/2``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.tissue import Histology
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Table

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
ORIGIN = "origin"
"""Key of a library under which we note an origin that the convention cannot express."""

LARGEST_SIDE = 8192
"""Of an image file with several resolutions the finest with at most this many pixels a side is taken."""


def center_of_first_pixel(pixel_size: float, full_pixel: float = 1.0) -> tuple[float, float]:
    """Return (x, y) of the center of the first pixel of an image in the scanpy convention.

    Parameters
    ----------
    pixel_size
        Side of an image pixel.
    full_pixel
        Side of a full-resolution pixel, in the same unit.
    """
    shift = (pixel_size - full_pixel) / 2
    return shift, shift


def libraries_of(table: Table) -> tuple[str, ...]:
    """Return the names of the libraries with at least one image."""
    found = table.uns_keys(keys.SPATIAL_IMAGES)
    return tuple(name for name in found if table.uns_keys(keys.SPATIAL_IMAGES, name, "images"))


def chosen_libraries(table: Table, library: str | None) -> tuple[str, ...]:
    """Return the libraries to show: all of them, or the named one.

    Raises
    ------
    DataError
        If there is no library of that name.
    """
    found = libraries_of(table)
    if library is None:
        return found
    if library not in found:
        raise DataError(
            f"{table.source} has no image library {library!r}; it has {', '.join(found) or 'none'}. "
            "Choose one of these."
        )
    return (library,)


def embedded_images(table: Table, library: str | None = None) -> tuple[Histology, ...]:
    """Return the images in ``uns["spatial"]``, in the unit of the positions in the file.

    Of every library the image ``hires`` is taken, else ``lowres``, else any other.
    """
    return tuple(_of_library(table, name) for name in chosen_libraries(table, library))


def microns_per_pixel(table: Table, library: str | None = None) -> float | None:
    """Return the side of a full-resolution pixel in µm if the scale factors give a single value, else None."""
    found = {
        float(value)
        for name in chosen_libraries(table, library)
        if (value := table.uns(keys.SPATIAL_IMAGES, name, "scalefactors", "microns_per_pixel")) is not None
    }
    return found.pop() if len(found) == 1 else None


def other_pixel_sizes(table: Table) -> tuple[float, ...]:
    """Return sides of an image pixel that may be right when the images of a file do not fit the positions.

    Positions are stored in pixels of the reduced image, in pixels of the full one, or in µm, and the scale factors
    state how these are related.
    """
    sizes = {1.0}
    for name in libraries_of(table):
        scales = (
            table.uns(keys.SPATIAL_IMAGES, name, "scalefactors", f"tissue_{n}_scalef") for n in ("hires", "lowres")
        )
        sizes |= {1 / float(scale) for scale in scales if scale is not None and float(scale) > 0}
        micrometers = table.uns(keys.SPATIAL_IMAGES, name, "scalefactors", "microns_per_pixel")
        if micrometers is not None and float(micrometers) > 0:
            sizes |= {size * float(micrometers) for size in sizes}
    return tuple(sorted(sizes))


def image_file(path: Path, pixel_size: float = 1.0, full_pixel: float = 1.0) -> Histology:
    """Read an image file.

    Parameters
    ----------
    path
        A .png, .jpg or .tif file.
    pixel_size
        Side of an image pixel in the unit of the positions.
    full_pixel
        Side of the pixel that positions count, in the same unit (the scanpy convention).

    Raises
    ------
    DataError
        If the file is missing or no image, or the pixel size is not above zero.
    """
    if not path.exists():
        raise DataError(f"There is no image {path}. Choose an existing .png, .jpg or .tif file.")
    if not (np.isfinite(pixel_size) and pixel_size > 0):
        raise DataError(f"The pixel size of the image is {pixel_size}; a number above 0 was expected.")
    try:
        image, reduction = _read_tiff(path) if path.suffix.lower() in (".tif", ".tiff") else (_read_flat(path), 1.0)
    except MemoryError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{path.name} cannot be read as an image ({reason}). Choose a .png, .jpg or .tif file."
        ) from error
    size = pixel_size * reduction
    return Histology(path.stem, as_image(image, path.name), size, center_of_first_pixel(size, full_pixel))


def companion_image(path: Path) -> Path | None:
    """Return the image file beside ``path`` that has the same stem, None if there is none."""
    return next((image for suffix in IMAGE_SUFFIXES if (image := path.with_suffix(suffix)).is_file()), None)


def as_image(pixels: Any, name: str) -> NDArray[np.generic]:
    """Return an image as (rows, columns) or (rows, columns, 3 or 4) in memory of its own, color as uint8.

    Fractions from 0 to 1 become 0 to 255, channels that come first are moved to the end.

    Raises
    ------
    DataError
        If the shape is none of an image.
    """
    image = np.asarray(pixels)
    if image.dtype.kind not in "uifb":
        raise DataError(f"The image {name!r} holds {image.dtype}; numbers were expected. Choose another image.")
    image = _channels_last(image, name)
    if not image.size:
        raise DataError(f"The image {name!r} has no pixels. Choose another image.")
    return _as_uint8(image)


def _of_library(table: Table, library: str) -> Histology:
    resolution, scale = _best_image(table, library)
    image = table.uns(keys.SPATIAL_IMAGES, library, "images", resolution)
    if not (np.isfinite(scale) and scale > 0):
        raise DataError(
            f"The scale factor of image {resolution!r} of {library!r} is {scale}; it must be above 0. "
            "Correct uns['spatial'] and save the file again."
        )
    origin = table.uns(keys.SPATIAL_IMAGES, library, ORIGIN)
    size = 1 / scale
    place = center_of_first_pixel(size) if origin is None else (float(origin[0]), float(origin[1]))
    return Histology(library, as_image(image, library), size, place)


def _best_image(table: Table, library: str) -> tuple[str, float]:
    available = table.uns_keys(keys.SPATIAL_IMAGES, library, "images")
    ordered = sorted(available, key=lambda name: {"hires": 0, "lowres": 1}.get(name, 2))
    for resolution in ordered:
        scale = table.uns(keys.SPATIAL_IMAGES, library, "scalefactors", f"tissue_{resolution}_scalef")
        if scale is not None:
            return resolution, float(scale)
    return ordered[0], 1.0


def _channels_last(image: NDArray[np.generic], name: str) -> NDArray[np.generic]:
    shape = image.shape
    if image.ndim > 3:
        image = image.squeeze()
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[0] == 1 and image.shape[-1] not in (3, 4):
        image = image[0]
    if image.ndim == 3 and image.shape[-1] not in (2, 3, 4) and image.shape[0] in (2, 3, 4):
        image = np.moveaxis(image, 0, -1)
    if image.ndim == 3 and image.shape[-1] == 2:
        image = image[..., 0]
    if image.ndim == 2 or (image.ndim == 3 and image.shape[-1] in (3, 4)):
        return image
    raise DataError(
        f"The image {name!r} has the shape {shape}; (rows, columns) or (rows, columns, 3 or 4) was expected. "
        "Choose another image."
    )


def _as_uint8(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return np.array(image, dtype=np.uint8, order="C")
    values = np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(values.max())
    if image.dtype.kind == "b" or (image.dtype.kind == "f" and highest <= 1):
        full = 1.0
    elif highest <= 255:
        full = 255.0
    elif image.dtype.kind in "ui" and image.ndim == 3:
        full = float(2 ** max(8, int(np.ceil(np.log2(highest + 1)))) - 1)
    else:
        full = highest
    return np.rint(np.clip(values / full, 0, 1) * 255).astype(np.uint8)


def _read_flat(path: Path) -> NDArray[np.generic]:
    import imageio.v3

    return np.asarray(imageio.v3.imread(path))


def _read_tiff(path: Path) -> tuple[NDArray[np.generic], float]:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        levels = tiff.series[0].levels
        sides = [max(level.shape) for level in levels]
        chosen = next((i for i, side in enumerate(sides) if side <= LARGEST_SIDE), len(levels) - 1)
        return np.asarray(levels[chosen].asarray()), sides[0] / sides[chosen]
