"""The expression that regulation is fitted to, and dense columns of the genes that are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts, Tissue

Columns: TypeAlias = "Mapping[str, NDArray[np.float32]]"


def expression_of(tissue: Tissue) -> Counts:
    r"""Return the (cells, genes) expression to model.

    The tissue's ``expression`` as it is (smooth it beforehand for noisy counts), or else the logarithm
    :math:`\log(1 + c)` of spliced counts scaled to the median total of all cells.

    Raises
    ------
    DataError
        If the tissue has neither.
    """
    return expression_of_genes(tissue, None)


def expression_of_genes(tissue: Tissue, columns: Sequence[int] | None) -> Counts:
    """Return what :func:`expression_of` does, of some genes (by column) only; None for all.

    Raises
    ------
    DataError
        If the tissue has neither expression nor spliced counts.
    """
    if tissue.expression is not None:
        return _chosen(tissue.expression, columns)
    if tissue.spliced is None:
        raise DataError(
            f"{tissue.source} has neither expression nor spliced counts; regulation needs one of them. "
            "Choose an expression layer when loading the file."
        )
    totals = np.asarray(tissue.spliced.sum(axis=1), dtype=np.float64).ravel()
    positive = totals[totals > 0]
    typical = float(np.median(positive)) if positive.size else 1.0
    factor = np.where(totals > 0, typical / np.where(totals > 0, totals, 1), 0)
    counts = _chosen(tissue.spliced, columns)
    if sparse.issparse(counts):
        scaled = sparse.csr_array(counts.multiply(factor[:, None]))
        return scaled.log1p().astype(np.float32)
    return np.log1p(counts * factor[:, None]).astype(np.float32)


def _chosen(counts: Counts, columns: Sequence[int] | None) -> Counts:
    return counts if columns is None else counts[:, list(columns)]


def columns_of(expression: Counts, genes: Sequence[str], wanted: Sequence[str]) -> Columns:
    """Return dense (cells,) float32 columns of the wanted genes.

    Raises
    ------
    DataError
        If one of them holds a value that is not a finite number.
    """
    index = {gene: i for i, gene in enumerate(genes)}
    rows = [index[gene] for gene in wanted]
    if sparse.issparse(expression):
        dense = np.asarray(expression[:, rows].toarray(), dtype=np.float32)
    else:
        dense = np.asarray(expression[:, rows], dtype=np.float32)
    finite = np.isfinite(dense).all(axis=0)
    if not finite.all():
        bad = wanted[int(np.flatnonzero(~finite)[0])]
        raise DataError(
            f"The expression of {bad} is not a finite number in every cell. "
            "Choose another expression layer or remove the cells without a value."
        )
    return {gene: np.ascontiguousarray(dense[:, i]) for i, gene in enumerate(wanted)}


def mean_expression(expression: Counts) -> NDArray[np.float64]:
    """Return the (genes,) mean over cells."""
    return np.asarray(expression.mean(axis=0), dtype=np.float64).ravel()
