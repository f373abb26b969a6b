"""Velocities as arrows on cells and on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.layers.axes import PLUGIN, about, axes, to_napari
from napari_tissue_dynamics.layers.colors import hex_to_rgba
from napari_tissue_dynamics.layers.evidence import called, opacity_of
from napari_tissue_dynamics.layers.legend import ArrowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
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
# Opacity of an arrow at a right angle to those of the nearest cells, or against them; one along with them is opaque.
LEAST_OPACITY = 0.15


def velocity_vectors(
    positions: NDArray[np.floating[Any]],
    arrows: NDArray[np.floating[Any]],
    *,
    unit: str,
    name: str = "velocity",
    evidence: VelocityEvidence | None = None,
    confidence: NDArray[np.floating[Any]] | None = None,
    on_light: bool = False,
) -> LayerData:
    """Return an arrow of a velocity on every cell, faint where the counts do not support its direction.

    Parameters
    ----------
    positions, arrows, unit, name, on_light
        As of :func:`cell_arrows`.
    evidence
        Whether the counts support the direction, None if that was not tested; the legend says it.
    confidence
        (cells,) cosine of the arrow with those of the nearest cells, -1 to 1: arrows with a low one are fainter. None
        draws all arrows alike.
    """
    most = opacity_of(evidence)
    alpha: float | NDArray[np.float32] = most if confidence is None else most * arrow_opacity(confidence)
    data, options, kind = cell_arrows(positions, arrows, unit=unit, name=name, opacity=alpha, on_light=on_light)
    meaning = f"{direction_in_words(evidence)}\n{arrow_length_words(arrows, unit)}"
    key = ArrowKey(name, called(evidence), "", most, most, meaning)
    if confidence is not None:
        key = ArrowKey(name, "low confidence", "high confidence", LEAST_OPACITY * most, most, meaning)
    options["metadata"][PLUGIN]["arrow_key"] = key
    return data, options, kind


def cell_arrows(
    positions: NDArray[np.floating[Any]],
    arrows: NDArray[np.floating[Any]],
    *,
    unit: str,
    name: str,
    opacity: float | NDArray[np.floating[Any]] = 1.0,
    on_light: bool = False,
) -> LayerData:
    """Return an arrow on every cell.

    Cells whose arrow is zero or not finite have none; of more than 50 000 arrows an even selection is drawn.
    The metadata hold the ``cells`` that the arrows belong to and a ``note`` if arrows were omitted.

    Parameters
    ----------
    positions, arrows
        (cells, 2 or 3) positions and displacements, (x, y[, z]).
    unit
        Unit of the positions.
    opacity
        Of all arrows, or (cells,) of each.
    on_light
        Whether what is behind the cells is light; arrows are dark then, else white.
    """
    cells, moving = drawn_cells(arrows)
    note = "" if len(cells) == moving else f"{len(cells)} of {moving} arrows shown"
    width = 0.35 * cell_spacing(np.asarray(positions, dtype=np.float64))
    alpha = np.broadcast_to(opacity, len(positions))[cells]
    color = see_through(CELL_ARROW_ON_LIGHT if on_light else CELL_ARROW_COLOR, alpha)
    metadata = about("velocity", cells=cells, note=note)
    return line_layer(arrow_data(positions[cells], arrows[cells]), name, color, width, unit=unit, metadata=metadata)


def see_through(color: str, opacity: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return a color ``#rrggbb`` as (n, 4), one row for each of n opacities."""
    colors = np.tile(np.array(hex_to_rgba(color), dtype=np.float32), (len(opacity), 1))
    colors[:, 3] = opacity
    return colors


def drawn_cells(arrows: NDArray[np.floating[Any]]) -> tuple[NDArray[np.intp], int]:
    """Return the cells whose arrow is drawn, and how many have one."""
    moving = np.flatnonzero(np.isfinite(arrows).all(axis=1) & (np.abs(arrows) > 0).any(axis=1))
    if moving.size <= MOST_ARROWS:
        return moving, moving.size
    return moving[np.linspace(0, moving.size - 1, MOST_ARROWS).astype(np.intp)], moving.size


def arrow_data(positions: NDArray[np.floating[Any]], arrows: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return (cells, 2, 2 or 3) starts and displacements as napari draws them."""
    return np.stack([to_napari(positions), to_napari(arrows)], axis=1)


def arrow_opacity(confidence: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the opacity of arrows: 0.15 up to a confidence of 0 or without one, and from there straight to 1."""
    return (LEAST_OPACITY + (1 - LEAST_OPACITY) * np.clip(np.nan_to_num(confidence), 0, 1)).astype(np.float32)


def grid_vectors(
    grid: GridField, *, unit: str, name: str = "velocity grid", evidence: VelocityEvidence | None = None
) -> LayerData:
    """Return the smoothed velocity on a regular grid; the longest arrow spans the distance of two nodes.

    ``evidence`` as of :func:`velocity_vectors`.
    """
    metadata = about("velocity grid", note="smoothed over cells")
    opacity = opacity_of(evidence)
    meaning = f"{direction_in_words(evidence)}\nSmoothed over cells."
    metadata[PLUGIN]["arrow_key"] = ArrowKey(name, called(evidence), "", opacity, opacity, meaning)
    data = arrow_data(grid.positions, grid.arrows)
    color = see_through(GRID_ARROW_COLOR, np.full(len(data), opacity))
    return line_layer(data, name, color, 0.15 * grid.spacing, unit=unit, metadata=metadata)


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
        "edge_color": color if len(data) else CELL_ARROW_COLOR,  # napari takes no colors of no arrows
        "edge_width": width,
        "length": 1.0,
        "vector_style": "arrow" if heads and len(data) <= MOST_WITH_HEADS else "line",
        "metadata": metadata,
        **axes(data.shape[2], unit),
    }
    return data, options, "vectors"


def arrow_length_words(arrows: NDArray[np.floating[Any]], unit: str) -> str:
    """Return what one arrow length means.

    Parameters
    ----------
    arrows
        (cells, 2 or 3) drawn displacements.
    unit
        Unit of the positions.
    """
    lengths = np.linalg.norm(arrows, axis=1)
    moving = np.isfinite(lengths) & (lengths > 0)
    if not moving.any():
        return "No cell has an arrow."
    named = {"um": "µm", "embedding": "units of the embedding"}.get(unit, "pixels")
    long = float(np.quantile(lengths[moving], 0.95))
    return f"95% of the arrows are shorter than {long:.3g} {named}. Arrow length is not a speed."
