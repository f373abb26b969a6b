"""The selected cells of a tissue as rings around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
from napari_tissue_dynamics.layers.axes import about, axes, to_napari

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData

SELECTED = "selected cells"
COLOR = "#D0006F"
"""Seen on black, on white and on stained tissue; a ring is known by its shape too."""
SIZE = 1.25


def selected_points(tissue: Tissue, selection: NDArray[np.bool_], spacing: float | None = None) -> LayerData:
    """Return a ring around each selected cell; the metadata hold the ``cells`` they belong to.

    Parameters
    ----------
    tissue
        The cells.
    selection
        (cells,) which of them are selected.
    spacing
        Typical distance of the cells, if it is known already.
    """
    cells = np.flatnonzero(selection)
    options = {
        "name": SELECTED,
        "size": SIZE * (cell_spacing(tissue.positions) if spacing is None else spacing),
        "face_color": "transparent",
        "border_color": COLOR,
        "border_width": 0.15,
        "symbol": "disc",
        "metadata": about("selection", cells=cells),
        **axes(tissue.positions.shape[1], tissue.unit),
    }
    return to_napari(tissue.positions[cells]), options, "points"
