"""Histology under the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.layers.axes import about, axes

if TYPE_CHECKING:
    from napari_tissue_dynamics.data.tissue import Histology
    from napari_tissue_dynamics.layers.points import LayerData


def histology_image(histology: Histology, *, unit: str) -> LayerData:
    """Return an image that coincides with the cells.

    napari centers a pixel on its integer coordinate, so the layer is moved to the center of the first pixel.

    Parameters
    ----------
    histology
        The image and where it lies.
    unit
        Unit of the cell positions.

    Returns
    -------
    Data, options and kind of a napari image layer.
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
