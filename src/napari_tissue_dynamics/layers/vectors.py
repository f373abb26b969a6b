"""Velocities as arrows on cells and on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.analysis.projection import cell_spacing
from napari_tissue_dynamics.layers.axes import about, axes, to_napari

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.projection import GridField
    from napari_tissue_dynamics.layers.points import LayerData

# napari draws heads on so many arrows fluently, and so many lines at all.
MOST_WITH_HEADS = 20_000
MOST_ARROWS = 50_000
# White stands out on the black canvas, on stained tissue and on most colors of cells; the vermilion of the grid also
# on a white slide and on every color of "dusk", for deuteranopes too.
CELL_ARROW_COLOR = "#FFFFFF"
GRID_ARROW_COLOR = "#FF5500"


def velocity_vectors(
    positions: NDArray[np.floating[Any]], arrows: NDArray[np.floating[Any]], *, unit: str, name: str = "velocity"
) -> LayerData:
    """Return an arrow on every cell.

    Cells whose arrow is zero or not finite have none; of more than 50 000 arrows an even selection is drawn.
    The metadata hold the ``cells`` that the arrows belong to and a ``note`` when arrows were left out.

    Parameters
    ----------
    positions, arrows
        (cells, 2 or 3) places and displacements, (x, y[, z]).
    unit
        Unit of the positions.
    name
        Name of the layer.

    Returns
    -------
    Data, options and kind of a napari vectors layer.
    """
    moving = np.flatnonzero(np.isfinite(arrows).all(axis=1) & (np.abs(arrows) > 0).any(axis=1))
    cells, note = moving, ""
    if moving.size > MOST_ARROWS:
        cells = moving[np.linspace(0, moving.size - 1, MOST_ARROWS).astype(np.intp)]
        note = f"{MOST_ARROWS} of {moving.size} arrows are drawn"
    width = 0.35 * cell_spacing(np.asarray(positions, dtype=np.float64))
    metadata = about("velocity", cells=cells, note=note)
    return _vectors(positions[cells], arrows[cells], name, unit, CELL_ARROW_COLOR, width, metadata)


def grid_vectors(grid: GridField, *, unit: str, name: str = "velocity grid") -> LayerData:
    """Return the smoothed velocity on a regular grid; the longest arrow spans the distance of two nodes."""
    metadata = about("velocity grid", note="smoothed over cells")
    return _vectors(grid.positions, grid.arrows, name, unit, GRID_ARROW_COLOR, 0.15 * grid.spacing, metadata)


def _vectors(
    positions: NDArray[np.floating[Any]],
    arrows: NDArray[np.floating[Any]],
    name: str,
    unit: str,
    color: str,
    width: float,
    metadata: dict[str, Any],
) -> LayerData:
    data = np.stack([to_napari(positions), to_napari(arrows)], axis=1)
    options = {
        "name": name,
        "edge_color": color,
        "edge_width": width,
        "length": 1.0,
        "vector_style": "arrow" if len(data) <= MOST_WITH_HEADS else "line",
        "metadata": metadata,
        **axes(positions.shape[1], unit),
    }
    return data, options, "vectors"
