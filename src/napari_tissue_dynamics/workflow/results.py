"""What a velocity model and its picture are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.analysis.genes.experts import ExpertStatistics
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
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
    neighbor_correlation
        (cells,) float32, mean correlation of each velocity with those of similar cells, -1 to 1, as scVelo defines
        ``velocity_confidence``. It is high in any smooth field, also in a wrong one.
    confidence
        (cells,) float32, cosine of each arrow with the mean arrow of the nearest cells of its regime, -1 to 1, NaN
        where there is none; None unless the counts support the direction, as it means nothing otherwise.
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
    neighbor_correlation: NDArray[np.float32]
    confidence: NDArray[np.float32] | None = None
    experts: ExpertStatistics | None = None
    graph: VelocityGraph | None = None
    projection: ProjectionConfig = PROJECTION

    @property
    def evidence(self) -> VelocityEvidence | None:
        """Whether the counts support the direction, None if that was not tested."""
        return self.field.evidence


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
