"""Cells as points, colored by a category or by a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
from napari_tissue_dynamics.data.regulation_field import LayerKey
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.axes import KEY, PLUGIN, about, axes, to_napari
from napari_tissue_dynamics.layers.colors import (
    UNASSIGNED_COLOR,
    ColorScale,
    category_colors,
    diverging_scale,
    hex_to_rgba,
    sequential_scale,
)
from napari_tissue_dynamics.layers.legend import ColorBar, category_legend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.regulation_field import GeneFit
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField

LayerData: TypeAlias = "tuple[Any, dict[str, Any], str]"
"""Data, options and kind of a napari layer."""

# From here on colors are computed here and not by napari, which is slow at it.
MANY_CELLS = 100_000
PLAIN_COLOR = "#56B4E9"
TIME_SCALE = ColorScale(0.0, 1.0)
# Diameter of a point in spacings of the cells.
POINT_SIZE = 0.95


def cell_points(tissue: Tissue) -> LayerData:
    """Return the cells, colored by their type if they have one."""
    if tissue.cell_types is not None:
        return category_points(tissue, tissue.cell_types, name="cells")
    data, options = bare_points(tissue)
    options |= {"name": "cells", "face_color": PLAIN_COLOR, "border_color": PLAIN_COLOR, "metadata": about("cells")}
    return data, options, "points"


def category_points(tissue: Tissue, labels: Labels, *, name: str, title: str = "", kind: str = "cells") -> LayerData:
    """Return the cells colored by a category; the legend is in the metadata."""
    title = title or labels.name
    colors = category_colors(labels.categories, labels.colors)
    legend = category_legend(labels, colors, title)
    data, options = bare_points(tissue)
    options |= {"name": name, "metadata": about(kind, legend=legend)}
    values = labels.values()
    options["features"][title] = values
    if tissue.n_cells > MANY_CELLS:
        rgba = category_rgba(labels)
        options |= {"face_color": rgba, "border_color": rgba}
    else:
        cycle = {entry.name: entry.color for entry in legend.entries}
        options |= {
            "face_color": title,
            "border_color": title,
            "face_color_cycle": cycle,
            "border_color_cycle": cycle,
        }
    return data, options, "points"


def category_rgba(labels: Labels) -> NDArray[np.float32]:
    """Return (cells, 4) colors of categories."""
    colors = category_colors(labels.categories, labels.colors)
    shown = [*(colors[name] for name in labels.categories), UNASSIGNED_COLOR]  # code -1 takes the last
    return np.array([hex_to_rgba(color) for color in shown], dtype=np.float32)[labels.codes]


def value_points(
    tissue: Tissue,
    values: NDArray[np.floating[Any]],
    *,
    name: str,
    title: str = "",
    kind: str = "cells",
    scale: ColorScale | None = None,
    note: str = "",
) -> LayerData:
    """Return the cells colored by a value; the color bar is in the metadata.

    Parameters
    ----------
    values
        (cells,) numbers; those that are not finite get a color of their own.
    title
        What the values are; the name when empty.
    kind
        What the layer is, for its metadata.
    scale
        Colors of the values; robust percentiles if omitted.
    note
        A sentence for the color bar.
    """
    title = title or name
    scale = scale or sequential_scale(values)
    numbers = np.asarray(values, dtype=np.float32)  # floats: napari takes few integers for categories
    data, options = bare_points(tissue)
    options["features"][title] = numbers
    options |= {"name": name, "metadata": about(kind, legend=ColorBar(title, scale, note=note))}
    limits = (scale.low, scale.high)
    colored = scale.rgba(numbers) if tissue.n_cells > MANY_CELLS else title
    for part in ("face", "border"):
        options[f"{part}_color"] = colored
        options[f"{part}_colormap"] = scale.for_napari()
        options[f"{part}_contrast_limits"] = limits
    return data, options, "points"


def expert_points(tissue: Tissue, field: VelocityField) -> LayerData:
    """Return the cells colored by their most probable expert."""
    if field.expert_probability is None:
        raise DataError(f"The {field.model} model has no experts; train STEER to see them.")
    return category_points(tissue, expert_labels(field.expert_probability), name="expert", kind="expert")


def expert_labels(probability: NDArray[np.floating[Any]]) -> Labels:
    """Return the most probable expert of every cell, of (cells, experts) probabilities."""
    names = tuple(f"expert {k}" for k in range(probability.shape[1]))
    return Labels("expert", probability.argmax(axis=1).astype(np.int32), names)


def time_points(tissue: Tissue, field: VelocityField) -> LayerData:
    """Return the cells colored by latent time, 0 to 1."""
    if field.time is None:
        raise DataError(f"The {field.model} model has no latent time; train STEER to see it.")
    return latent_time_points(tissue, field.time)


def latent_time_points(tissue: Tissue, time: NDArray[np.floating[Any]]) -> LayerData:
    """Return the cells colored by the (cells,) latent time, 0 to 1."""
    note = "0 is the earliest cell, 1 the latest"
    return value_points(tissue, time, name="latent time", kind="latent time", scale=TIME_SCALE, note=note)


def beta_points(tissue: Tissue, fit: GeneFit, modulator: str, *, supported_only: bool = False) -> LayerData:
    """Return the cells colored by one regulatory coefficient, with limits symmetric around zero.

    Parameters
    ----------
    modulator
        A modulator of the gene, or ``"beta0"``.
    supported_only
        Leave cells without a color whose type the modulator is not significant in, at a false discovery rate of
        10 %.

    Raises
    ------
    DataError
        If the gene has no such modulator, or its modulators were not tested.
    """
    values = fit.beta(modulator)
    key = LayerKey("beta", fit.target, modulator)
    note = f"above 0 raises {fit.target}, below 0 lowers it"
    scale = diverging_scale(values)
    if supported_only:
        values = np.where(fit.supported(modulator, tissue.cell_types), values, np.float32(np.nan))
        note += "; gray: not supported"
    array, options, kind = value_points(tissue, values, name=str(key), kind="beta", scale=scale, note=note)
    options["metadata"][PLUGIN][KEY] = key
    return array, options, kind


def painted(layer: LayerData, rgba: NDArray[np.float32], **options: Any) -> LayerData:
    """Return a layer of cells in (cells, 4) colors of their own, instead of those of a feature, and other options."""
    data, given, kind = layer
    kept = {name: value for name, value in given.items() if not name.startswith(("face_", "border_c"))}
    return data, {**kept, "face_color": rgba, "border_color": rgba, **options}, kind


def bare_points(tissue: Tissue, size: float | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return positions and the options that all layers of cells share; a ``size`` that is known saves measuring."""
    options: dict[str, Any] = {
        "size": POINT_SIZE * cell_spacing(tissue.positions) if size is None else size,
        "border_width": 0,
        "symbol": "disc",
        "antialiasing": 0 if tissue.n_cells > MANY_CELLS else 1,
        "features": {"cell": np.array(tissue.cells, dtype=object)},
        **axes(tissue.positions.shape[1], tissue.unit),
    }
    if tissue.cell_types is not None:
        options["features"][tissue.cell_types.name] = tissue.cell_types.values()
    return to_napari(tissue.positions), options
