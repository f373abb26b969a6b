"""Genes whose expression varies in space, ranked by Moran's I: suggested targets of regulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.analysis.genes.spatial_statistics import SpatialGraph, morans_i, spatial_neighbors
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress, run_to_end, stopped
from napari_tissue_dynamics.travlr.expression import expression_of

if TYPE_CHECKING:
    from collections.abc import Generator

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts, Tissue
    from napari_tissue_dynamics.progress import StopToken

N_TARGETS = 10
"""Genes that are suggested unless another number is asked for."""
# A gene in fewer cells has a Moran's I that a few neighbors decide; the share is the default filter of many protocols.
FEWEST_CELLS, LEAST_SHARE = 10, 0.01
# Values in double precision that are tested at once (160 MB); the last one of a block is followed by a report.
BLOCK = 20_000_000


def spatial_genes(tissue: Tissue, graph: SpatialGraph = "nearest") -> pd.DataFrame:
    """Run :func:`spatial_gene_steps` to the end."""
    return run_to_end(spatial_gene_steps(tissue, graph))


def spatial_gene_steps(
    tissue: Tissue, graph: SpatialGraph = "nearest", stop: StopToken | None = None
) -> Generator[Progress, None, pd.DataFrame]:
    """Rank the genes by the spatial autocorrelation of their expression.

    Neighboring cells are compared by Moran's I (:func:`.morans_i`) of the expression that regulation is fitted to.

    Parameters
    ----------
    tissue
        Cells with expression or spliced counts, and coordinates in a tissue.
    graph
        Which cells are neighbors; see :func:`.spatial_neighbors`.
    stop
        Ends the work early; there is no result then.

    Yields
    ------
    Progress, after every block of genes.

    Returns
    -------
    A row per gene that at least 1 % of the cells (and 10) express, highest ``moran`` first, with its one-sided
    ``p_value`` and ``fdr`` (Benjamini and Hochberg).

    Raises
    ------
    DataError
        If there is no tissue, no expression, or no gene that enough cells express.
    FitError
        If the work was stopped.
    """
    import pandas as pd
    from scipy.stats import false_discovery_control

    if not tissue.has_tissue:
        raise DataError(
            f"{tissue.source} has no spatial coordinates, only an embedding; genes that vary in space need them. "
            "Choose spatial coordinates when loading it."
        )
    yield Progress("spatial neighbors", 0, 1, 0.0)
    values = expression_of(tissue)
    tested = _tested(values)
    if not len(tested):
        raise DataError(
            f"No gene of {tissue.source} varies and is expressed in {FEWEST_CELLS} cells or more; "
            "Moran's I needs such genes. Choose another layer of expression."
        )
    neighbors = spatial_neighbors(tissue.positions, graph)
    parts = []
    width = max(1, BLOCK // tissue.n_cells)
    for start in range(0, len(tested), width):
        if stopped(stop):
            raise FitError("The search for genes that vary in space was stopped; nothing was changed.")
        parts.append(morans_i(values[:, tested[start : start + width]], neighbors))
        done = min(start + width, len(tested))
        yield Progress("Moran's I of genes", done, len(tested), done / len(tested))
    moran, p_value = np.concatenate(parts, axis=1)
    names = pd.Index([tissue.genes[index] for index in tested], name="gene")
    table = pd.DataFrame({"moran": moran, "p_value": p_value, "fdr": false_discovery_control(p_value)}, names)
    return table.sort_values("moran", ascending=False, kind="stable")


def suggested_targets(table: pd.DataFrame, number: int = N_TARGETS) -> tuple[str, ...]:
    """Return the genes of the table that vary most in space, those that are significant (FDR 5 %) only."""
    return tuple(map(str, table.index[table["fdr"] <= 0.05][:number]))


def _tested(values: Counts) -> NDArray[np.intp]:
    """Return the columns that are expressed in enough cells and are not the same in all."""
    n = values.shape[0]
    matrix: Any = values
    expressed = np.asarray((matrix != 0).sum(axis=0)).ravel()
    highest, lowest = matrix.max(axis=0), matrix.min(axis=0)
    if hasattr(highest, "toarray"):
        highest, lowest = highest.toarray(), lowest.toarray()
    varies = np.ravel(np.asarray(highest)) > np.ravel(np.asarray(lowest))
    return np.flatnonzero(varies & (expressed >= max(FEWEST_CELLS, LEAST_SHARE * n)))
