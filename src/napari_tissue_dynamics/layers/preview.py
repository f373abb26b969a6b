"""What a running fit has found so far, as layers that are drawn once and then only change their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.layers.axes import about
from napari_tissue_dynamics.layers.colors import category_colors
from napari_tissue_dynamics.layers.legend import category_legend
from napari_tissue_dynamics.layers.points import (
    TIME_SCALE,
    category_points,
    category_rgba,
    expert_labels,
    latent_time_points,
    painted,
)
from napari_tissue_dynamics.layers.vectors import arrow_data, drawn_cells, velocity_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData


def live_layers(
    tissue: Tissue,
    time: NDArray[np.float32] | None,
    expert_probability: NDArray[np.float32] | None,
    arrows: NDArray[np.float32],
) -> list[LayerData]:
    """Return the layers of a first picture, bottom first; :func:`live_values` describes how they change.

    Parameters
    ----------
    time
        (cells,) latent time, or None.
    expert_probability
        (cells, experts), or None.
    arrows
        (cells, 2 or 3) displacements.
    """
    layers = []
    if expert_probability is not None:
        layers.append(category_points(tissue, expert_labels(expert_probability), name="expert", kind="expert"))
    if time is not None:
        layers.append(latent_time_points(tissue, time))
    layers.append(velocity_vectors(tissue.positions, arrows, unit=tissue.unit))
    values = live_values(tissue, time, expert_probability, arrows)
    return [_direct(layer, values[layer[1]["name"]]) for layer in layers]


def live_values(
    tissue: Tissue,
    time: NDArray[np.float32] | None,
    expert_probability: NDArray[np.float32] | None,
    arrows: NDArray[np.float32],
) -> dict[str, dict[str, Any]]:
    """Return what changes in the layers of :func:`live_layers`: values of attributes, by name of the layer."""
    found: dict[str, dict[str, Any]] = {}
    if expert_probability is not None:
        labels = expert_labels(expert_probability)
        rgba = category_rgba(labels)
        legend = category_legend(labels, category_colors(labels.categories))
        found["expert"] = {"face_color": rgba, "border_color": rgba, "metadata": about("expert", legend=legend)}
    if time is not None:
        rgba = TIME_SCALE.rgba(time)
        found["latent time"] = {"face_color": rgba, "border_color": rgba}
    cells, _ = drawn_cells(arrows)
    found["velocity"] = {"data": arrow_data(tissue.positions[cells], arrows[cells])}
    return found


def _direct(layer: LayerData, values: dict[str, Any]) -> LayerData:
    """Return a layer with colors of its own instead of a feature that napari colors by, and would keep showing."""
    _, options, kind = layer
    if kind != "points":
        return layer
    features = {name: value for name, value in options["features"].items() if name not in ("expert", "latent time")}
    return painted(layer, values["face_color"], **{"features": features, **values})
