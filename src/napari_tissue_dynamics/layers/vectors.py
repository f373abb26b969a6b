"""Velocities as arrows on cells and on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
from napari_tissue_dynamics.data.velocity_checks import RANDOM_AGREEMENT
from napari_tissue_dynamics.layers.axes import PLUGIN, about, axes, to_napari
from napari_tissue_dynamics.layers.colors import hex_to_rgba
from napari_tissue_dynamics.layers.legend import ArrowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.layers.points import LayerData

# napari draws this many arrows with heads smoothly, and this many lines at most.
MOST_WITH_HEADS = 20_000
MOST_ARROWS = 50_000
# White stands out on the black canvas and on dark images; the vermilion of the grid also on a white slide and on every
# color of "dusk", for deuteranopes too.
CELL_ARROW_COLOR = "#FFFFFF"
# What takes its place on a light canvas and on stained tissue, of which white slides are the ground.
CELL_ARROW_ON_LIGHT = "#1A1A1A"
GRID_ARROW_COLOR = "#FF5500"
# Opacity of an arrow whose direction is random; one that every sample of genes agrees on is opaque.
LEAST_OPACITY = 0.15


def velocity_vectors(
    positions: NDArray[np.floating[Any]],
    arrows: NDArray[np.floating[Any]],
    *,
    unit: str,
    name: str = "velocity",
    agreement: NDArray[np.floating[Any]] | None = None,
    on_light: bool = False,
) -> LayerData:
    """Return an arrow on every cell.

    Arrows with a more confident direction are more opaque: faint where samples of the genes agree no better on it than
    they do for random velocities, opaque where all agree. Cells whose arrow is zero or not finite have none; of more
    than 50 000 arrows an even selection is drawn.
    The metadata hold the ``cells`` that the arrows belong to and a ``note`` if arrows were omitted.

    Parameters
    ----------
    positions, arrows
        (cells, 2 or 3) positions and displacements, (x, y[, z]).
    unit
        Unit of the positions.
    agreement
        (cells,) agreement of the direction over samples of the genes, 0 to 1; None draws all arrows opaque.
    on_light
        Whether what is behind the cells is light; arrows are dark then, else white.
    """
    cells, moving = drawn_cells(arrows)
    note = "" if len(cells) == moving else f"{len(cells)} of {moving} arrows shown"
    width = 0.35 * cell_spacing(np.asarray(positions, dtype=np.float64))
    color: str | NDArray[np.float32] = CELL_ARROW_ON_LIGHT if on_light else CELL_ARROW_COLOR
    if agreement is not None:
        note = "; ".join(part for part in (note, "faint arrows have low confidence") if part)
        color = np.tile(np.array(hex_to_rgba(str(color)), dtype=np.float32), (len(cells), 1))
        color[:, 3] = arrow_opacity(agreement[cells])
    metadata = about("velocity", cells=cells, note=note)
    if agreement is not None:
        length = arrow_length_words(arrows, unit)
        metadata[PLUGIN]["arrow_key"] = ArrowKey(name, "low confidence", "high confidence", LEAST_OPACITY, length)
    return line_layer(arrow_data(positions[cells], arrows[cells]), name, color, width, unit=unit, metadata=metadata)


def drawn_cells(arrows: NDArray[np.floating[Any]]) -> tuple[NDArray[np.intp], int]:
    """Return the cells whose arrow is drawn, and how many have one."""
    moving = np.flatnonzero(np.isfinite(arrows).all(axis=1) & (np.abs(arrows) > 0).any(axis=1))
    if moving.size <= MOST_ARROWS:
        return moving, moving.size
    return moving[np.linspace(0, moving.size - 1, MOST_ARROWS).astype(np.intp)], moving.size


def arrow_data(positions: NDArray[np.floating[Any]], arrows: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return (cells, 2, 2 or 3) starts and displacements as napari draws them."""
    return np.stack([to_napari(positions), to_napari(arrows)], axis=1)


def arrow_opacity(agreement: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the opacity of arrows: 0.15 up to the agreement of random velocities, and from there straight to 1."""
    sure = (np.nan_to_num(agreement) - RANDOM_AGREEMENT) / (1 - RANDOM_AGREEMENT)
    return (LEAST_OPACITY + (1 - LEAST_OPACITY) * np.clip(sure, 0, 1)).astype(np.float32)


def grid_vectors(grid: GridField, *, unit: str, name: str = "velocity grid") -> LayerData:
    """Return the smoothed velocity on a regular grid; the longest arrow spans the distance of two nodes."""
    metadata = about("velocity grid", note="smoothed over cells")
    metadata[PLUGIN]["arrow_key"] = ArrowKey(name, "smoothed over cells", "", 1.0)
    data = arrow_data(grid.positions, grid.arrows)
    return line_layer(data, name, GRID_ARROW_COLOR, 0.15 * grid.spacing, unit=unit, metadata=metadata)


def line_layer(
    data: NDArray[np.float32],
    name: str,
    color: str | NDArray[np.float32],
    width: float,
    *,
    unit: str,
    metadata: dict[str, Any],
    heads: bool = True,
) -> LayerData:
    """Return straight pieces from :func:`arrow_data` as a layer, with heads unless there are too many of them."""
    options = {
        "name": name,
        "edge_color": color,
        "edge_width": width,
        "length": 1.0,
        "vector_style": "arrow" if heads and len(data) <= MOST_WITH_HEADS else "line",
        "metadata": metadata,
        **axes(data.shape[2], unit),
    }
    return data, options, "vectors"


def arrow_length_words(
    arrows: NDArray[np.floating[Any]], unit: str, strength: NDArray[np.floating[Any]] | None = None
) -> str:
    """Return what one arrow length means.

    Parameters
    ----------
    arrows
        (cells, 2 or 3) drawn displacements.
    unit
        Unit of the positions.
    strength
        (cells,) lengths of the same arrows before they were scaled for drawing, 0 to 1; None if not known.
    """
    lengths = np.linalg.norm(arrows, axis=1)
    moving = np.isfinite(lengths) & (lengths > 0)
    if not moving.any():
        return "No cell has an arrow."
    long = float(np.quantile(lengths[moving], 0.95))
    named = {"um": "µm", "embedding": "units of the embedding"}.get(unit, "pixels")
    words = f"95% of the arrows are shorter than {long:.3g} {named}."
    if strength is not None:
        ratio = strength[moving] / lengths[moving]
        share = long * float(np.median(ratio[np.isfinite(ratio)]))
        words += f" Arrow length = directional bias (0 none, 1 complete; this length: {share:.2g})."
    return f"{words} It is not a speed."
