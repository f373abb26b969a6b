"""Load the velocities, fates and betas stored in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.compute import wait
from napari_tissue_dynamics.descriptions import groups_of, with_settings
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import part_of
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.workflow.models import settings_classes
from napari_tissue_dynamics.workflow.picture import picture_steps
from napari_tissue_dynamics.workflow.results import PROJECTION, VelocityResult

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import Progress, StopToken

READ_SHARE = 0.1


def stored_steps(
    tissue: Tissue,
    source: Source,
    stop: StopToken | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
    seed: int = 0,
) -> Generator[Progress, None, VelocityResult]:
    """Read the velocities of a file, ours or those of scVelo, and project them onto the tissue; no model is fitted.

    Parameters
    ----------
    tissue
        The tissue that was read from the file.
    source
        The file.
    stop
        Ends the work early; there is no result then.
    projection
        Settings of the arrows.
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
        If the file holds no velocity, or that of other cells.
    FitError
        If the work was ended early.
    """
    field = yield from wait("velocities of the file", lambda: _read(tissue, source), 0.0, stop)
    steps = picture_steps(tissue, field, stop, projection=projection, seed=seed)
    return (yield from part_of(steps, READ_SHARE, 1))


def _read(tissue: Tissue, source: Source) -> VelocityField:
    from napari_tissue_dynamics.data.io.read_results import read_velocity

    field = read_velocity(source)
    if field.n_cells != tissue.n_cells:
        raise DataError(
            f"The velocities of {tissue.source} are of {field.n_cells} cells, but {tissue.n_cells} cells are loaded. "
            "Load all cells of the file, or fit the velocity."
        )
    return field


def stored_graph(source: Source) -> VelocityGraph | None:
    """Return the velocity graph that a file or an AnnData holds, None if it has none."""
    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.data.io import read_checks

    checks = read_checks(source)
    if checks.neighbors is None or checks.cosines is None:
        return None
    return VelocityGraph(checks.neighbors.astype("int32"), checks.cosines.astype("float32"))


def stored_regulation_steps(
    tissue: Tissue, source: Source, stop: StopToken | None = None
) -> Generator[Progress, None, tuple[RegulationField, TravlrConfig | None]]:
    """Read the betas of a file; nothing is fitted.

    Returns
    -------
    The fitted target genes, and the settings of their fit if the file notes them.

    Raises
    ------
    DataError
        If the file holds no betas, or those of other cells.
    FitError
        If the work was ended early.
    """
    return (yield from wait("betas of the file", lambda: stored_regulation(tissue, source), 0.0, stop))


def stored_regulation(tissue: Tissue, source: Source) -> tuple[RegulationField, TravlrConfig | None]:
    """Read the betas of a file; see :func:`stored_regulation_steps`."""
    from napari_tissue_dynamics.data.io import read_provenance, read_regulation

    found = read_regulation(source)
    if any(fit.coefficients.shape[0] != tissue.n_cells for fit in found.genes):
        raise DataError(
            f"The betas of {tissue.source} are of {found.genes[0].coefficients.shape[0]} cells, but {tissue.n_cells} "
            "cells are loaded. Load all cells of the file, or fit SpaceTravLR."
        )
    noted = read_provenance(source).get("provenance", {}).get("settings", {}).get("TravlrConfig")
    try:
        return found, None if noted is None else settings_from({"type": "TravlrConfig", "values": noted})
    except DataError:  # settings of another version; the betas are what they are
        return found, None


def settings_from(saved: Mapping[str, Any] | None) -> Any:
    """Return the settings of a log or of the record of a file, None if there are none.

    Raises
    ------
    DataError
        If the class or a field is not known to this version.
    """
    if saved is None:
        return None
    kinds = {each.__name__: each for each in (*settings_classes(), TravlrConfig, ProjectionConfig)}
    kind = kinds.get(str(saved.get("type")))
    values = saved.get("values", {})
    if kind is None:
        raise DataError(f"The log has settings {saved.get('type')!r}, which this version does not support.")
    for name in groups_of(kind):
        group = values.get(name, {})
        values = {key: value for key, value in {**values, **group.get("values", group)}.items() if key != name}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return with_settings(kind(), values)
    except TypeError as error:
        raise DataError(f"{error} in this version. Use that of the log.") from error


def stored_fate_steps(
    tissue: Tissue, source: Source, stop: StopToken | None = None
) -> Generator[Progress, None, FateResult]:
    """Read the fates of a file, ours or those of CellRank; nothing is computed.

    Raises
    ------
    DataError
        If the file holds no fates, or those of other cells.
    FitError
        If the work was ended early.
    """
    return (yield from wait("fates of the file", lambda: _read_fate(tissue, source), 0.0, stop))


def _read_fate(tissue: Tissue, source: Source) -> FateResult:
    from napari_tissue_dynamics.data.io import read_fate

    found = read_fate(source)
    if found.n_cells != tissue.n_cells:
        raise DataError(
            f"The fates of {tissue.source} are of {found.n_cells} cells, but {tissue.n_cells} cells are loaded. "
            "Load all cells of the file, or find the fates."
        )
    return found
