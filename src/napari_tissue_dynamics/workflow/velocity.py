"""Fit a velocity model, any of :data:`.models.MODELS`, and draw its velocities into the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.compute import loading
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end
from napari_tissue_dynamics.workflow.models import CHECKPOINT, NETWORK, model_of
from napari_tissue_dynamics.workflow.picture import cell_types_of, picture_steps
from napari_tissue_dynamics.workflow.results import PROJECTION

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetics.root_cells import Origin
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.workflow.models import VelocityModel
    from napari_tissue_dynamics.workflow.results import VelocityResult


def velocity_steps(
    tissue: Tissue,
    config: Any,
    stop: StopToken | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
    checkpoint: Path | None = None,
    network: Path | None = None,
) -> Generator[Progress, None, VelocityResult]:
    """Fit a velocity model and draw its velocities into the tissue.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    config
        Settings of the model, which also choose it: :class:`.SteerConfig` or :class:`.KineticsConfig`.
    stop
        Ends the work early; there is no result then.
    origin
        Root cells or stages, if the order of the cells is known; see :func:`.origin_of`.
    checkpoint
        File for the state of the fit, from which an interrupted fit resumes (STEER).
    network
        File for the trained network, for :func:`.apply_steps` (STEER).

    Yields
    ------
    Progress. A ``snapshot`` is a :class:`.VelocityPreview`.

    Raises
    ------
    DataError
        If the tissue cannot be used, has no cell types or experts for arrows to stay within, or the model cannot use
        the root cells or keep the files.
    FitError
        If the work was stopped early.
    """
    row = model_of(config)
    files = {name: path for name, path in ((CHECKPOINT, checkpoint), (NETWORK, network)) if path is not None}
    _check(row, config, tissue, projection, origin, files)
    if row.uses_torch(config):
        yield from loading(stop)
    fit = row.fit_steps(tissue, config, stop, origin or ANYWHERE, files)
    field = yield from part_of(fit, 0.0, row.fit_share)
    picture = picture_steps(tissue, field, stop, projection=projection)
    return (yield from part_of(picture, row.fit_share, 1))


def velocity(
    tissue: Tissue,
    config: Any,
    report: Callable[[Progress], None] | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
    checkpoint: Path | None = None,
    network: Path | None = None,
) -> VelocityResult:
    """Run :func:`velocity_steps` to the end."""
    steps = velocity_steps(tissue, config, origin=origin, projection=projection, checkpoint=checkpoint, network=network)
    return run_to_end(steps, report)


def _check(
    row: VelocityModel,
    config: Any,
    tissue: Tissue,
    projection: ProjectionConfig,
    origin: Origin | None,
    files: dict[str, Path],
) -> None:
    """Refuse before the fit what would fail after it."""
    if projection.within == "cell type":
        cell_types_of(tissue)
    if projection.within == "expert" and row.regimes is None:
        raise DataError(
            f"The {row.label} model has no experts to restrict arrows to. Choose 'cell type' or 'anywhere'."
        )
    refused = row.refuses_roots(config) if origin is not None else ""
    if refused:
        raise DataError(refused)
    for name in files:
        if name not in row.files:
            raise DataError(f"The {row.label} model writes no {name} file. Omit it, or choose the model 'steer'.")
