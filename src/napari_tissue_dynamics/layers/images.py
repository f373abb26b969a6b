"""Histology under the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.layers.axes import about, axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Histology, Tissue
    from napari_tissue_dynamics.layers.points import LayerData


def histology_image(histology: Histology, *, unit: str) -> LayerData:
    """Return an image that coincides with the cells.

    napari centers a pixel on its integer coordinate, so the layer is moved to the center of the first pixel.

    Parameters
    ----------
    unit
        Unit of the cell positions.
    """
    x, y = histology.origin
    options = {
        "name": f"histology: {histology.name}",
        "rgb": histology.image.ndim == 3,
        "scale": (histology.pixel_size, histology.pixel_size),
        "translate": (y, x),
        "metadata": about("histology", library=histology.name),
        **axes(2, unit),
    }
    return histology.image, options, "image"


LIGHT = 0.5
"""Brightness above which dark arrows are seen better than white ones."""
SAMPLED = 64
"""Rows and columns of an image that its brightness is taken from."""


def brightness(image: NDArray[Any]) -> float:
    """Return the median brightness of an image, 0 for black and 1 for white.

    Parameters
    ----------
    image
        (rows, columns) or (rows, columns, 3 or 4); integers go up to the largest of their type, and floats to 1.
    """
    rows, columns = (max(1, size // SAMPLED) for size in image.shape[:2])
    some = np.asarray(image[::rows, ::columns])
    most = np.iinfo(some.dtype).max if np.issubdtype(some.dtype, np.integer) else 1.0
    gray = some[..., :3].mean(axis=2) if some.ndim == 3 else some
    return float(np.median(gray)) / most


def on_light(tissue: Tissue) -> bool:
    """Return whether the cells of a tissue lie on a light image."""
    return any(brightness(histology.image) > LIGHT for histology in tissue.histology)
