"""The one layer of cells that shows what the user chose, and what changes in it with another choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.layers.axes import about
from napari_tissue_dynamics.layers.coloring import ValueColoring
from napari_tissue_dynamics.layers.points import bare_points

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.coloring import Coloring
    from napari_tissue_dynamics.layers.points import LayerData

NAME = "explore"


def colored_points(
    tissue: Tissue, coloring: Coloring, shown: NDArray[np.bool_] | None = None, size: float | None = None
) -> LayerData:
    """Return the cells as colored; the legend is in the metadata.

    Parameters
    ----------
    shown
        (cells,) which of them are visible; all if omitted.
    size
        Diameter of a point in the unit of the positions; measured if omitted.
    """
    data, options = bare_points(tissue, size)
    changing = colored_values(coloring, shown)
    return data, {**options, "name": NAME, **changing}, "points"


def colored_values(coloring: Coloring, shown: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Return the attributes of the layer that change with the coloring.

    Colors are always computed here: switching a layer of napari between categories and numbers is slow and in one
    direction an error. The map and the limits recolor nothing then; they are for the color bar of the layer.
    """
    rgba = coloring.rgba(shown)
    found: dict[str, Any] = {
        "face_color": rgba,
        "border_color": rgba,
        "metadata": about(NAME, legend=coloring.legend()),
    }
    if isinstance(coloring, ValueColoring):
        scale = coloring.scale
        found |= {"face_colormap": scale.for_napari(), "face_contrast_limits": (scale.low, scale.high)}
    return found
