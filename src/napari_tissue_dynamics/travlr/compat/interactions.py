"""Received ligand times expression, and what is needed to filter by expression, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.compat.anndata_input import THRESHOLDS

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def interactions(received: Any, expression: Any, separator: str) -> pd.DataFrame:
    """Multiply (cells, pairs) tables of received ligands and of expression, column by column.

    Parameters
    ----------
    received
        Columns named by the ligand.
    expression
        Columns named by the receptor or transcription factor, in the same order.
    separator
        Stands between the two names.

    Raises
    ------
    DataError
        If these are no tables of the same cells and of equally many pairs.
    """
    import pandas as pd

    if not (isinstance(received, pd.DataFrame) and isinstance(expression, pd.DataFrame)):
        found = " and ".join(type(table).__name__ for table in (received, expression))
        raise DataError(f"Two tables (DataFrame) were expected, received ligands and expression; found {found}.")
    if not received.index.equals(expression.index):
        raise DataError("The two tables do not have the same cells in the same order; index both by the same cells.")
    if received.shape[1] != expression.shape[1]:
        raise DataError(
            f"There are {received.shape[1]} received ligands but {expression.shape[1]} columns of expression; one of "
            "each per pair was expected."
        )
    names = [f"{a}{separator}{b}" for a, b in zip(received.columns, expression.columns, strict=True)]
    return pd.DataFrame(received.to_numpy() * expression.to_numpy(), index=expression.index, columns=names)


def expression_and_thresholds(adata: AnnData, layer: str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the (cells, genes) expression and the table of allowed genes, None when there is none.

    A sparse layer becomes a table with sparse columns.

    Raises
    ------
    DataError
        If there is no such layer.
    """
    import pandas as pd

    if layer not in adata.layers:
        there = ", ".join(filter(None, adata.layers)) or "no layers"
        raise DataError(f"No layer {layer!r} with expression; this table has {there}.")
    values: Any = adata.layers[layer]
    if sparse.issparse(values):
        accessor: Any = pd.DataFrame.sparse
        table = accessor.from_spmatrix(values, index=adata.obs_names, columns=adata.var_names)
    else:
        table = pd.DataFrame(np.asarray(values), index=adata.obs_names, columns=adata.var_names)
    return table, adata.uns.get(THRESHOLDS)
