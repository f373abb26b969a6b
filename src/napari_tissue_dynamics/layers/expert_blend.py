"""How sharply the experts share the cells: colors mixed by their weights, and the entropy of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.colors import MISSING_COLOR, ColorScale, hex_to_rgba, palette
from napari_tissue_dynamics.layers.points import category_points, expert_labels, painted, value_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.layers.points import LayerData

BLEND, ENTROPY = "expert blend", "expert entropy"
MIXED = "expert (colors mixed by weight)"
GAMMA = 2.2
"""Screens show a color value raised to this power as light."""


def mixed_rgba(weight: NDArray[np.floating[Any]], colors: Sequence[str]) -> NDArray[np.float32]:
    r"""Return colors mixed as light by weights.

    .. math:: c_i = \left(\sum_k w_{ik} \, c_k^{2.2} \big/ \sum_k w_{ik}\right)^{1/2.2}

    Parameters
    ----------
    weight
        (cells, k) weights, 0 or more; a cell with one that is not finite, or without any, gets the color for missing.
    colors
        k colors as ``#rrggbb``.

    Returns
    -------
    (cells, 4) float32.

    Raises
    ------
    DataError
        If there is not one color per column.
    """
    if weight.shape[1] != len(colors):
        raise DataError(f"There are {weight.shape[1]} columns of weights and {len(colors)} colors; give one for each.")
    light = np.array([hex_to_rgba(color)[:3] for color in colors]) ** GAMMA
    total = weight.sum(axis=1, keepdims=True, dtype=np.float64)
    known = np.isfinite(total[:, 0]) & (total[:, 0] > 0)
    rgba = np.tile(np.array(MISSING_COLOR, dtype=np.float32), (len(weight), 1))
    rgba[known, :3] = ((weight[known] / total[known]) @ light) ** (1 / GAMMA)
    rgba[known, 3] = 1.0
    return rgba


def gate_entropy(probability: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    r"""Return how evenly experts share every cell, (cells,), 0 for one expert alone and 1 for all alike.

    .. math:: H_i = -\sum_k p_{ik} \ln p_{ik} \big/ \ln K
    """
    p = np.asarray(probability, dtype=np.float64)
    if p.shape[1] < 2:
        return np.zeros(len(p), dtype=np.float32)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    return (-terms.sum(axis=1) / np.log(p.shape[1])).astype(np.float32)


def blend_points(tissue: Tissue, field: VelocityField) -> LayerData:
    """Return the cells in the colors of the experts, mixed by their weights; pure where one expert decides."""
    labels = expert_labels(_gates(field))
    cells = category_points(tissue, labels, name=BLEND, title=MIXED, kind="expert")
    return painted(cells, mixed_rgba(_gates(field), palette(len(labels.categories))))


def entropy_points(tissue: Tissue, field: VelocityField) -> LayerData:
    """Return the cells colored by how evenly the experts share them."""
    note = "0: a single expert; 1: all experts weighted equally"
    scale = ColorScale(0.0, 1.0)
    return value_points(tissue, gate_entropy(_gates(field)), name=ENTROPY, kind="expert", scale=scale, note=note)


def _gates(field: VelocityField) -> NDArray[np.float32]:
    if field.expert_probability is None:
        raise DataError(f"The {field.model} model has no experts; train STEER to see them.")
    return field.expert_probability
