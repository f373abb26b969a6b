"""Predict the velocities of a tissue with a network that was trained on another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.compute import loading, wait
from napari_tissue_dynamics.data.requirements import require_velocity_counts
from napari_tissue_dynamics.progress import Progress, part_of
from napari_tissue_dynamics.workflow.picture import picture_steps
from napari_tissue_dynamics.workflow.results import PROJECTION, VelocityResult

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken

# Share of the time that the network takes; arrows and checks take the rest.
APPLY_SHARE = 0.3


def apply_steps(
    tissue: Tissue,
    network: Path,
    stop: StopToken | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
    device: str = "auto",
) -> Generator[Progress, None, VelocityResult]:
    """Give a tissue the velocities of a network that was trained on another, and draw them into it.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts of all genes of the network.
    network
        File of the trained network, from :func:`.velocity_steps`.
    stop
        Ends the work early; there is no result then.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    DataError
        If the file is not a trained network, genes of it are missing, or the tissue cannot be used.
    FitError
        If the work was ended early.
    """
    require_velocity_counts(tissue)
    yield from loading(stop)
    from napari_tissue_dynamics import steer

    field = yield from wait("trained network", lambda: steer.apply_model(network, tissue, device), 0.0, stop)
    steps = picture_steps(tissue, field, stop, projection=projection)
    return (yield from part_of(steps, APPLY_SHARE, 1))
