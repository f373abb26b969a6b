"""All layers of a tissue or of a velocity, bottom first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.layers.images import histology_image
from napari_tissue_dynamics.layers.points import cell_points, expert_points, time_points
from napari_tissue_dynamics.layers.vectors import grid_vectors, velocity_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.layers.points import LayerData


def tissue_layers(tissue: Tissue) -> list[LayerData]:
    """Return the images and the cells of a tissue."""
    return [*(histology_image(image, unit=tissue.unit) for image in tissue.histology), cell_points(tissue)]


def velocity_layers(
    tissue: Tissue,
    field: VelocityField,
    arrows: NDArray[np.float32],
    grid: GridField,
    confidence: NDArray[np.float32] | None = None,
) -> list[LayerData]:
    """Return experts, latent time and arrows of a velocity; what the model does not provide is omitted.

    Arrows are faint if the counts do not support their direction, or if the (cells,) ``confidence`` of a cell is low.
    """
    layers = []
    if field.expert_probability is not None:
        layers.append(expert_points(tissue, field))
    if field.time is not None:
        layers.append(time_points(tissue, field))
    return [
        *layers,
        grid_vectors(grid, unit=tissue.unit, evidence=field.evidence),
        velocity_vectors(tissue.positions, arrows, unit=tissue.unit, evidence=field.evidence, confidence=confidence),
    ]
