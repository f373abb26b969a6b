"""Fit a kinetic model and draw the velocities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end
from napari_tissue_dynamics.workflow.picture import cell_types_of, picture_steps
from napari_tissue_dynamics.workflow.results import PROJECTION, VelocityResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
    from napari_tissue_dynamics.kinetics.root_cells import Origin
    from napari_tissue_dynamics.progress import StopToken

# Share of the time that the fit itself takes; the rest is arrows and what is found out about them.
FIT_SHARE = 0.5


def kinetics_steps(
    tissue: Tissue,
    config: KineticsConfig,
    stop: StopToken | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
) -> Generator[Progress, None, VelocityResult]:
    """Fit a kinetic model and draw its velocities into the tissue.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    config
        Settings of the fit.
    stop
        Ends the work early; there is no result then.
    origin
        Where time begins, if that is known; see :func:`.origin_of`.
    projection
        Settings of the arrows.

    Yields
    ------
    How far the work is. Once there are arrows, a ``snapshot`` is a :class:`.VelocityPreview`.

    Returns
    -------
    The velocities and their picture.

    Raises
    ------
    DataError
        If the tissue cannot be used, or has no cell types that arrows could stay within, or they are to stay
        within experts.
    FitError
        If the work was ended early.
    """
    from napari_tissue_dynamics import kinetic_models as velocity

    if projection.within == "cell type":
        cell_types_of(tissue)  # better said now than after the fit
    if projection.within == "expert":
        raise DataError("Kinetic models have no experts that arrows could stay within. Let them go anywhere.")
    fit = velocity.fit_steps(tissue, config, stop, origin=origin or ANYWHERE)
    field = yield from part_of(fit, 0.0, FIT_SHARE)
    return (
        yield from part_of(picture_steps(tissue, field, stop, projection=projection, seed=config.seed), FIT_SHARE, 1)
    )


def kinetics(
    tissue: Tissue,
    config: KineticsConfig,
    report: Callable[[Progress], None] | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
) -> VelocityResult:
    """Run :func:`kinetics_steps` to the end."""
    return run_to_end(kinetics_steps(tissue, config, origin=origin, projection=projection), report)
