"""Fit SpaceTravLR to one gene or many, and open what was fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.compute import NOT_BEGUN, loading
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress, stopped

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import pandas as pd

    from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.batch.batch_fit import Place
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

# Number of modulators listed where one is not found.
NAMED = 30


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
    yield from _ready(config, stop)
    from napari_tissue_dynamics import travlr

    return (yield from travlr.fit_steps(tissue, targets, network, config, stop))


def many_genes_steps(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig,
    stop: StopToken | None = None,
    *,
    place: Place,
    resume: bool = True,
) -> Generator[Progress, None, RegulationField]:
    """Fit many genes of SpaceTravLR; as :func:`napari_tissue_dynamics.travlr.batch.batch_fit.fit_genes_steps`.

    Parameters
    ----------
    tissue, targets, network, config, stop
        As for one gene.
    resume
        Whether to resume (or join) a run that the store holds; otherwise a store with genes is an error.

    Raises
    ------
    DataError
        If the tissue cannot be used, or the store holds genes or another run.
    FitError
        If the work was ended before it began, or nothing is left to work with.
    """
    from napari_tissue_dynamics.travlr.batch.batch_fit import fit_genes_steps
    from napari_tissue_dynamics.travlr.batch.store import holds_genes

    if place.store is not None and not resume and holds_genes(place.store):
        raise DataError(f"{place.store} already holds fitted genes. Resume that run, or choose another folder.")
    yield from _ready(config, stop)
    return (yield from fit_genes_steps(tissue, targets, network, config, stop, place=place))


def open_betas(path: Path, tissue: Tissue) -> RegulationField:
    """Open the genes in a folder, a run of this program or of the Python or Rust SpaceTravLR, or in an .h5ad file.

    Coefficients stay in their files until they are asked for.

    Raises
    ------
    DataError
        If the folder holds no run, or a run on other cells.
    """
    from napari_tissue_dynamics.travlr.batch.external_runs import open_run
    from napari_tissue_dynamics.travlr.batch.store import BetaStore, is_store
    from napari_tissue_dynamics.workflow.stored import stored_regulation

    if path.is_file():
        return stored_regulation(tissue, path)[0]
    if not is_store(path):
        return open_run(path, tissue)
    store = BetaStore.open(path)
    if store.cells != tissue.cells:
        raise DataError(
            f"The genes in {path} were fitted on {len(store.cells)} other cells than the {tissue.n_cells} of "
            f"{tissue.source}, or on the same in another order. Load the tissue of that run."
        )
    return store.field()


def betas_table(path: Path, gene: str, modulator: str | None = None) -> pd.DataFrame:
    """Return the betas of one gene of a run, one row per cell (or cell type, where the run has these only).

    Parameters
    ----------
    path
        Folder of a run of this program, or of the Python or Rust SpaceTravLR, or an .h5ad file with betas.
    modulator
        The only modulator (or ``beta0``) that is wanted; None for all.

    Raises
    ------
    DataError
        If there is no such run, gene or modulator.
    """
    from napari_tissue_dynamics.travlr.batch.external_runs import read_table_of
    from napari_tissue_dynamics.travlr.batch.store import BetaStore, is_store

    if path.is_file():
        return _betas_of_file(path, gene, modulator)
    column = None if modulator is None else modulator if modulator == "beta0" else f"beta_{modulator}"
    if is_store(path):
        store = BetaStore.open(path)
        return _table_of(store.gene(gene), modulator, store.cells)
    table = read_table_of(path, gene)
    if column is None:
        return table
    if column not in table:
        known = ", ".join(name.removeprefix("beta_") for name in table.columns[:NAMED])
        raise DataError(f"{modulator!r} is no modulator of {gene} in {path}; it has {known}.")
    return table[[column]]


def _betas_of_file(path: Path, gene: str, modulator: str | None) -> pd.DataFrame:
    from napari_tissue_dynamics.data.io import read_regulation
    from napari_tissue_dynamics.data.io.table import open_table

    with open_table(path) as table:
        cells = table.names("obs")
    return _table_of(read_regulation(path)[gene], modulator, cells)


def _table_of(fit: GeneFit, modulator: str | None, cells: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    index = pd.Index(cells, dtype=object)
    if modulator is not None:
        column = fit.columns[fit.beta_column(modulator)]
        return pd.DataFrame({column: fit.beta(modulator)}, index=index)
    return pd.DataFrame(fit.betas, index=index, columns=pd.Index(fit.columns, dtype=object))


def export_betas_steps(path: Path, folder: Path, stop: StopToken | None = None) -> Generator[Progress, None, int]:
    """Write the genes of a run as ``<gene>_betadata.parquet``; returns how many.

    Raises
    ------
    DataError
        If there is no run, or the folder cannot be written.
    """
    from napari_tissue_dynamics.travlr.batch.export_betadata import export_legacy_steps
    from napari_tissue_dynamics.travlr.batch.store import BetaStore

    return (yield from export_legacy_steps(BetaStore.open(path), folder, stop))


def _ready(config: TravlrConfig, stop: StopToken | None) -> Generator[Progress, None, None]:
    """Load what the estimator needs; only networks need torch."""
    if config.estimator == "network":
        yield from loading(stop)
    elif stopped(stop):
        raise FitError(NOT_BEGUN)
