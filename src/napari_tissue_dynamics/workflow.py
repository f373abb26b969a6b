"""What one press of a Run button does, as one call: the docks and the command line share it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from napari_tissue_dynamics.compute import in_background, load_torch
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import Progress, run_to_end, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.projection import GridField, Neighbors
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.network import RegulatoryNetwork

Result = TypeVar("Result")

# Share of the time that the fit itself takes; the rest is projection, grid and confidence.
FIT_SHARE = 0.95


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
    """

    field: VelocityField
    arrows: NDArray[np.float32]
    grid: GridField
    confidence: NDArray[np.float32]


def velocity_steps(
    tissue: Tissue, config: SteerConfig, stop: StopToken | None = None
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

    Yields
    ------
    How far the work is.

    Returns
    -------
    The velocities and their picture.

    Raises
    ------
    DataError
        If the tissue cannot be used.
    FitError
        If the work was ended early.
    """
    from napari_tissue_dynamics.analysis.confidence import confidence
    from napari_tissue_dynamics.analysis.projection import on_grid, project_steps
    from napari_tissue_dynamics.graph.neighbors import knn

    yield from _loading(stop)
    from napari_tissue_dynamics import steer

    field = yield from _part(steer.fit_steps(tissue, config, stop), 0.0, FIT_SHARE)
    near: Neighbors = "tissue" if tissue.has_tissue else "expression"
    projection = yield from _part(project_steps(field, tissue.positions, neighbors=near, stop=stop), FIT_SHARE, 0.99)
    grid = on_grid(tissue.positions, projection.arrows)
    space = field.moments_spliced if field.embedding is None else field.embedding
    neighbors, _ = knn(space, min(30, tissue.n_cells - 1))
    return VelocityResult(field, projection.arrows, grid, confidence(field.spliced, neighbors))


def velocity(tissue: Tissue, config: SteerConfig, report: Callable[[Progress], None] | None = None) -> VelocityResult:
    """Run :func:`velocity_steps` to the end."""
    return run_to_end(velocity_steps(tissue, config), report)


def regulation_steps(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig,
    stop: StopToken | None = None,
) -> Generator[Progress, None, RegulationField]:
    """Fit SpaceTravLR; as :func:`napari_tissue_dynamics.travlr.fit_steps`, but can be stopped while torch loads.

    Raises
    ------
    DataError
        If the tissue cannot be used.
    FitError
        If the work was ended before it began.
    """
    yield from _loading(stop)
    from napari_tissue_dynamics import travlr

    return (yield from travlr.fit_steps(tissue, targets, network, config, stop))


def _loading(stop: StopToken | None) -> Generator[Progress, None, None]:
    """Load torch, which takes seconds the first time, without keeping a person who wants to stop."""
    steps = in_background(load_torch)
    while not stopped(stop):
        try:
            next(steps)
        except StopIteration:
            return
        yield Progress("loading torch", 0, 1, 0.0)
    raise FitError("The run was stopped before it began; earlier results are unchanged.")


def _part(steps: Generator[Progress, None, Result], start: float, end: float) -> Generator[Progress, None, Result]:
    while True:
        try:
            progress = next(steps)
        except StopIteration as done:
            return done.value
        yield replace(progress, fraction=start + (end - start) * progress.fraction)


def save(
    path: Path,
    tissue: Tissue,
    *,
    source: Path | None = None,
    velocity: VelocityResult | None = None,
    regulation: RegulationField | None = None,
    settings: Sequence[SteerConfig | TravlrConfig] = (),
    overwrite_source: bool = False,
) -> Path:
    """Write results beside everything the source file has.

    Parameters
    ----------
    path
        Where to write; replaced as a whole, or not at all.
    tissue
        The tissue that was fitted.
    source
        The file the tissue was read from; its content is kept.
    velocity, regulation
        What to write.
    settings
        Settings of the fits, for the record.
    overwrite_source
        Allow ``path`` to be the source itself.

    Returns
    -------
    The path.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    from napari_tissue_dynamics.data.anndata_io import write_h5ad

    field = None if velocity is None else velocity.field
    write_h5ad(
        path,
        tissue,
        source=source,
        velocity=field,
        projections=None if velocity is None else {tissue.basis: velocity.arrows},
        confidence=None if velocity is None else velocity.confidence,
        regulation=regulation,
        provenance={"settings": {type(each).__name__: asdict(each) for each in settings}},
        overwrite_source=overwrite_source,
    )
    return path
