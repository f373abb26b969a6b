"""All files of a velocity in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.compute import wait_for
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.export import tables
from napari_tissue_dynamics.export.config import ExportConfig
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.embeddings import Embedding
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.export.config import Columns
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.workflow.results import VelocityResult

STOPPED = "The export was stopped; files completed before that were kept."


def export(
    folder: Path,
    tissue: Tissue,
    result: VelocityResult,
    config: ExportConfig = ExportConfig(),
    report: Callable[[Progress], None] | None = None,
    *,
    fates: FateResult | None = None,
    embedding: Embedding | None = None,
) -> tuple[Path, ...]:
    """Run :func:`export_steps` to the end."""
    return run_to_end(export_steps(folder, tissue, result, config, fates=fates, embedding=embedding), report)


def export_steps(
    folder: Path,
    tissue: Tissue,
    result: VelocityResult,
    config: ExportConfig = ExportConfig(),
    stop: StopToken | None = None,
    *,
    fates: FateResult | None = None,
    embedding: Embedding | None = None,
) -> Generator[Progress, None, tuple[Path, ...]]:
    """Write the results of a velocity into a folder.

    ``velocity_vectors.csv`` (velocities in principal components), ``kinetic_params.csv`` (rates of every gene),
    ``latent_time.csv`` if the model has a clock, ``fate_probabilities.csv`` and ``fate_drivers.csv`` if there are
    fates, and ``velocity_dashboard.html``. Every file is complete or not there; older ones of these names are replaced.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    fates
        Where the cells will end, if that was found out.
    embedding
        Embedding coordinates that the page shows next to the tissue; computed if None.

    Raises
    ------
    DataError
        If the parts have different numbers of cells or a file cannot be written.
    FitError
        If the work was ended early.
    """
    _check(tissue, result, fates, embedding)
    folder = _folder(folder)
    makers = _tables(tissue, result, config, fates) if config.tables else {}
    end = 0.5 if config.dashboard else 1.0
    written = []
    for number, (name, columns) in enumerate(makers.items()):
        start, path = end * number / len(makers), folder / name

        def write(path: Path = path, columns: Callable[[], Columns] = columns) -> Path:
            return tables.write_table(path, columns())

        written.append((yield from wait_for(name, write, start, stop, STOPPED)))
    if config.dashboard:
        from napari_tissue_dynamics.export.dashboard import dashboard_steps

        page = dashboard_steps(folder, tissue, result, config, stop, fates=fates, embedding=embedding)
        written.append((yield from part_of(page, end if makers else 0.0, 1.0)))
    return tuple(written)


def _tables(
    tissue: Tissue, result: VelocityResult, config: ExportConfig, fates: FateResult | None
) -> dict[str, Callable[[], Columns]]:
    """Return what makes the columns of every table, by file name."""
    from napari_tissue_dynamics.analysis.genes.gene_rates import gene_columns

    makers: dict[str, Callable[[], Columns]] = {
        tables.VECTORS: lambda: tables.vector_columns(tissue, result, config.n_components, config.seed),
        tables.KINETICS: lambda: gene_columns(result.field),
    }
    if result.field.time is not None:
        makers[tables.TIME] = lambda: tables.time_columns(tissue, result)
    if fates is not None:
        makers[tables.FATES] = lambda: tables.fate_columns(tissue, fates)
        drivers = fates.drivers
        if drivers is not None:
            makers[tables.DRIVERS] = lambda: tables.driver_columns(drivers)
    return makers


def _check(tissue: Tissue, result: VelocityResult, fates: FateResult | None, embedding: Embedding | None) -> None:
    found = {"velocity": result.field.n_cells}
    if fates is not None:
        found["fates"] = fates.n_cells
    if embedding is not None:
        found["embedding"] = len(embedding.coordinates)
    for name, number in found.items():
        if number != tissue.n_cells:
            raise DataError(
                f"The {name} has {number} cells but {tissue.source} has {tissue.n_cells}. "
                "Export results together with the cells they belong to."
            )


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be created ({error.strerror}). Choose another folder.") from error
    return folder.resolve()
