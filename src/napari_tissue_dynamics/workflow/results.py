"""What a velocity model and its picture are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.analysis.arrows.shuffle_null import ArrowNull
    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.analysis.genes.experts import ExpertStatistics
    from napari_tissue_dynamics.data.velocity_field import VelocityField

PROJECTION = ProjectionConfig()


@dataclass(frozen=True, slots=True, eq=False)
class VelocityResult:
    """A fitted velocity model and its picture in the tissue.

    Parameters
    ----------
    field
        Velocities, rates, time and experts.
    arrows
        (cells, 2 or 3) float32, displacement of every cell in the unit of the positions.
    grid
        The same on a regular grid.
    confidence
        (cells,) float32, agreement of each velocity with those of similar cells, -1 to 1.
    spread
        (cells,) float32, agreement of the direction of the arrow over samples of the genes: 0 where it points
        anywhere, 1 where every sample points the same way.
    null
        How the arrows compare with those of velocities without meaning.
    experts
        What sets the experts apart, None if the model has none.
    graph
        Cosines of velocities with the steps to similar cells.
    projection
        How the arrows were made.
    """

    field: VelocityField
    arrows: NDArray[np.float32]
    grid: GridField
    confidence: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None
    null: ArrowNull | None = None
    experts: ExpertStatistics | None = None
    graph: VelocityGraph | None = None
    projection: ProjectionConfig = PROJECTION


@dataclass(frozen=True, slots=True, eq=False)
class VelocityPreview:
    """What a running fit has found so far.

    Parameters
    ----------
    time
        (cells,) float32 latent time, or None.
    expert_probability
        (cells, experts) float32, or None.
    arrows
        (cells, 2 or 3) float32 displacements; of many cells only an even selection has one, the others have zeros.
    """

    time: NDArray[np.float32] | None
    expert_probability: NDArray[np.float32] | None
    arrows: NDArray[np.float32]
