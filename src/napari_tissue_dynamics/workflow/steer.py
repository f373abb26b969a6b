"""Train STEER, or use a trained network, and draw the velocities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.compute import loading, wait
from napari_tissue_dynamics.data.requirements import require_velocity_counts
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end
from napari_tissue_dynamics.workflow.picture import cell_types_of, picture_steps
from napari_tissue_dynamics.workflow.preview import with_previews
from napari_tissue_dynamics.workflow.results import PROJECTION, VelocityResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetics.root_cells import Origin
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.steer.config import SteerConfig

# Share of the time that the fit itself takes; the rest is arrows and what is found out about them.
FIT_SHARE = 0.9
# The same for a model that is trained already.
APPLY_SHARE = 0.3


def velocity_steps(
    tissue: Tissue,
    config: SteerConfig,
    stop: StopToken | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
    checkpoint: Path | None = None,
    model: Path | None = None,
) -> Generator[Progress, None, VelocityResult]:
    """Train STEER and draw its velocities into the tissue.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    config
        Settings of the fit.
    stop
        Ends the work early; there is no result then.
    origin
        Where time begins, if that is known (improved profile); see :func:`origin_of`.
    projection
        Settings of the arrows.
    checkpoint
        File that the state of the fit is kept in, and that a fit goes on from; see
        :func:`napari_tissue_dynamics.steer.fit_steps`.
    model
        File that the trained network is written to, for :func:`apply_steps`.

    Yields
    ------
    How far the work is. A ``snapshot`` is a :class:`VelocityPreview`.

    Returns
    -------
    The velocities and their picture.

    Raises
    ------
    DataError
        If the tissue cannot be used, has no cell types that arrows could stay within, or the profile cannot use
        where time begins.
    FitError
        If the work was ended early.
    """
    if projection.within == "cell type":
        cell_types_of(tissue)  # better said now than after the fit
    if origin is not None and config.faithful:
        raise DataError(
            "The faithful profile cannot use where time begins. Choose the improved profile, or give no beginning."
        )
    yield from loading(stop)
    from napari_tissue_dynamics import steer
    from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE

    fit = steer.fit_steps(tissue, config, stop, origin=origin or ANYWHERE, checkpoint=checkpoint, model=model)
    field = yield from part_of(with_previews(fit, tissue.positions), 0.0, FIT_SHARE)
    return (
        yield from part_of(picture_steps(tissue, field, stop, projection=projection, seed=config.seed), FIT_SHARE, 1)
    )


def velocity(
    tissue: Tissue,
    config: SteerConfig,
    report: Callable[[Progress], None] | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
    checkpoint: Path | None = None,
    model: Path | None = None,
) -> VelocityResult:
    """Run :func:`velocity_steps` to the end."""
    steps = velocity_steps(tissue, config, origin=origin, projection=projection, checkpoint=checkpoint, model=model)
    return run_to_end(steps, report)


def apply_steps(
    tissue: Tissue,
    model: Path,
    stop: StopToken | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
    device: str = "auto",
    seed: int = 0,
) -> Generator[Progress, None, VelocityResult]:
    """Give a tissue the velocities of a network that was trained on another, and draw them into it.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts of all genes of the network.
    model
        File of the trained network, from :func:`velocity_steps`.
    stop
        Ends the work early; there is no result then.
    projection
        Settings of the arrows.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    seed
        Seed of bootstrap and null.

    Yields
    ------
    How far the work is.

    Returns
    -------
    The velocities and their picture.

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

    field = yield from wait("trained network", lambda: steer.apply_model(model, tissue, device), 0.0, stop)
    steps = picture_steps(tissue, field, stop, projection=projection, seed=seed)
    return (yield from part_of(steps, APPLY_SHARE, 1))


def apply(
    tissue: Tissue,
    model: Path,
    report: Callable[[Progress], None] | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
    device: str = "auto",
) -> VelocityResult:
    """Run :func:`apply_steps` to the end."""
    return run_to_end(apply_steps(tissue, model, projection=projection, device=device), report)


def origin_of(
    tissue: Tissue,
    *,
    root_type: str | None = None,
    root_cells: Sequence[str] = (),
    stage: str | None = None,
    source: Source | None = None,
) -> Origin | None:
    """Return where time begins: with a cell type, with some cells, or as an obs column of stages says.

    Parameters
    ----------
    tissue
        The cells.
    root_type
        Cell type with which time begins.
    root_cells
        Names of cells with which it begins.
    stage
        Obs column of ``source`` with the stage of every cell, see :func:`.data.known_order.stage_of`.
    source
        The file or the AnnData that the tissue was read from.

    Returns
    -------
    What is known, None if nothing was given.

    Raises
    ------
    DataError
        If there is no such cell type, cell or column, or the column says no order.
    """
    from napari_tissue_dynamics.data.io.file_contents import obs_column
    from napari_tissue_dynamics.data.known_order import cells_named, cells_of_type, stage_of
    from napari_tissue_dynamics.kinetics.root_cells import Origin

    if root_type:
        return Origin(roots=cells_of_type(tissue, root_type))
    if root_cells:
        return Origin(roots=cells_named(tissue, root_cells))
    if stage:
        if source is None:
            raise DataError(f"{tissue.source} has no file in which a column {stage!r} could be.")
        return Origin(stage=stage_of(stage, obs_column(source, stage, tissue.cells)))
    return None
