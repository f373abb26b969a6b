"""Load the velocities, fates and betas stored in a file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

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
    from napari_tissue_dynamics.analysis.genes.experts import ExpertStatistics
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import Progress, StopToken

READ_SHARE = 0.1
SAME_PLACES = 1e-5
"""Relative difference up to which the extents of the cells are the same; a file rounds positions less than that."""


def stored_steps(
    tissue: Tissue,
    source: Source,
    stop: StopToken | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
) -> Generator[Progress, None, VelocityResult]:
    """Read the velocities of a file, ours or those of scVelo, with their arrows and checks; no model is fitted.

    Arrows and checks that the file does not hold for these cells, coordinates and settings are computed.

    Parameters
    ----------
    tissue
        The tissue that was read from the file.
    stop
        Ends the work early; there is no result then.

    Raises
    ------
    DataError
        If the file holds no velocity, or that of other cells.
    FitError
        If the work was ended early.
    """
    field = yield from wait("velocities of the file", lambda: _read(tissue, source), 0.0, stop)
    whole = yield from wait("arrows of the file", lambda: _whole(tissue, field, source, projection), READ_SHARE, stop)
    if whole is not None:
        return whole
    steps = picture_steps(tissue, field, stop, projection=projection)
    return (yield from part_of(steps, READ_SHARE, 1))


def _read(tissue: Tissue, source: Source) -> VelocityField:
    from napari_tissue_dynamics.data.io.read_results import read_velocity

    field = read_velocity(source)
    _require_all(tissue, "velocities", field.n_cells, "fit the velocity")
    return field


def _require_all(tissue: Tissue, what: str, n_cells: int, instead: str) -> None:
    if n_cells != tissue.n_cells:
        raise DataError(
            f"The {what} of {tissue.source} are of {n_cells} cells, but {tissue.n_cells} cells are loaded. "
            f"Load all cells of the file, or {instead}."
        )


def _whole(tissue: Tissue, field: VelocityField, source: Source, projection: ProjectionConfig) -> VelocityResult | None:
    """Return the velocity with the picture that the file holds of it, None if it is not whole or another one."""
    from napari_tissue_dynamics.analysis.arrows.projection import on_grid
    from napari_tissue_dynamics.data.io import read_arrows, read_checks

    if not _belongs(tissue, source, projection):
        return None
    try:
        arrows, checks = read_arrows(source, tissue.basis), read_checks(source)
    except DataError:
        return None
    graph, sure = _graph_of(checks), checks.confidence
    experts = _experts(checks, field)
    if checks.neighbor_correlation is None or graph is None:
        return None
    supported = field.evidence is not None and field.evidence.supported
    if supported and sure is None:
        return None
    if experts is None and field.expert_probability is not None:
        return None
    return VelocityResult(
        field,
        arrows,
        on_grid(tissue.positions, arrows),
        checks.neighbor_correlation.astype(np.float32),
        confidence=sure.astype(np.float32) if supported and sure is not None else None,
        experts=experts,
        graph=graph,
        projection=projection,
    )


def _belongs(tissue: Tissue, source: Source, projection: ProjectionConfig) -> bool:
    """Return whether the arrows of a file are those of these cells and places, drawn with these settings."""
    from napari_tissue_dynamics.data.io import read_provenance
    from napari_tissue_dynamics.data.io.results import places_of
    from napari_tissue_dynamics.data.io.table import open_table

    record = read_provenance(source)
    noted, now = record.get("velocity", {}).get("places"), places_of(tissue)
    made = record.get("provenance", {}).get("settings", {}).get(ProjectionConfig.__name__)
    with open_table(source) as table:
        same = table.names("obs") == tissue.cells
    if not same or noted is None or made is None or made != asdict(projection):
        return False
    if any(noted[key] != now[key] for key in ("basis", "unit")) or len(noted["extent"]) != len(now["extent"]):
        return False
    return bool(np.allclose(noted["extent"], now["extent"], rtol=SAME_PLACES))


def _experts(checks: VelocityChecks, field: VelocityField) -> ExpertStatistics | None:
    from napari_tissue_dynamics.analysis.genes.experts import ExpertStatistics

    if not {"summary", "genes"} <= set(checks.tables):
        return None
    try:
        return ExpertStatistics.of_tables(checks.tables["summary"], checks.tables["genes"], field.genes)
    except (KeyError, ValueError):
        return None


def stored_graph(source: Source) -> VelocityGraph | None:
    """Return the velocity graph that a file or an AnnData holds, None if it has none."""
    from napari_tissue_dynamics.data.io import read_checks

    return _graph_of(read_checks(source))


def _graph_of(checks: VelocityChecks) -> VelocityGraph | None:
    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph

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
    for fit in found.genes:
        _require_all(tissue, "betas", fit.coefficients.shape[0], "fit SpaceTravLR")
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
    _require_all(tissue, "fates", found.n_cells, "find the fates")
    return found
