"""Counts of cells: whether they can be used, how deep they are, and which genes vary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts, Tissue

DISPERSION_BINS = 20


def count_layers(tissue: Tissue, *, model: str, fewest_cells: int) -> tuple[Counts, Counts]:
    """Return the spliced and unspliced counts, (n, genes) each.

    Parameters
    ----------
    model
        Name of the model that needs them, for the messages.
    fewest_cells
        Cells that the model needs.

    Raises
    ------
    DataError
        If a layer is missing, holds a value that is negative or not finite, or there are too few cells.
    """
    layers = []
    for name in ("spliced", "unspliced"):
        counts = getattr(tissue, name)
        if counts is None:
            raise DataError(
                f"{tissue.source} has no {name} counts; RNA velocity needs spliced and unspliced counts. "
                "Choose both layers when loading, or use a file that has them."
            )
        values = counts.data if isinstance(counts, sparse.csr_array) else np.asarray(counts)
        if not np.isfinite(values).all() or (values.size and values.min() < 0):
            raise DataError(
                f"The {name} counts of {tissue.source} hold values that are negative or not finite; "
                "counts must be 0 or above. Choose the layer with raw counts."
            )
        layers.append(counts)
    if tissue.n_cells < fewest_cells:
        raise DataError(
            f"{tissue.source} has {tissue.n_cells} cells; {model} needs at least {fewest_cells}. Load more cells."
        )
    return layers[0], layers[1]


def varying_genes(
    spliced: Counts, unspliced: Counts, *, min_shared_counts: int, most: int, fewest: int
) -> NDArray[np.intp]:
    """Return the genes that carry information on splicing, as ascending columns.

    A gene passes if its spliced and unspliced counts, summed over the cells that have both, reach
    ``min_shared_counts``. Of those, the ``most`` with the highest normalized dispersion of the size-normalized spliced
    counts are taken (Satija et al. 2015, "seurat" flavor).

    Raises
    ------
    DataError
        If fewer than ``fewest`` genes pass.
    """
    genes = np.flatnonzero(_shared_counts(spliced, unspliced) >= min_shared_counts)
    if len(genes) < fewest:
        raise DataError(
            f"{len(genes)} of {spliced.shape[1]} genes have {min_shared_counts} or more counts in cells "
            f"with both spliced and unspliced RNA; at least {fewest} genes are needed. "
            f"Lower min_shared_counts (now {min_shared_counts}; 0 keeps all genes)."
        )
    if len(genes) <= most:
        return genes
    best = np.argsort(-_dispersion(normalise(spliced)[:, genes]), kind="stable")[:most]
    return genes[np.sort(best)]


def normalise(counts: Counts, size: float | None = None) -> sparse.csr_array:
    """Return the counts with every cell scaled to the median size of the cells.

    Parameters
    ----------
    counts
        (n, genes) counts of *all* genes; the size of a cell is the sum of its row.
    size
        Scale every cell to this size, and not to the median.

    Returns
    -------
    (n, genes) float32. The median is taken over the cells that have any count; empty cells stay empty.
    """
    sizes = cell_sizes(counts)
    filled = sizes > 0
    factor = np.zeros_like(sizes)
    factor[filled] = (median_size(sizes) if size is None else size) / sizes[filled]
    return times_rows(sparse_counts(counts), factor)


def times_rows(counts: sparse.csr_array, factor: NDArray[np.floating]) -> sparse.csr_array:
    """Return the counts of every cell times its factor; the places of the entries are shared."""
    data = counts.data * np.repeat(factor.astype(np.float32), np.diff(counts.indptr))
    return sparse.csr_array((data, counts.indices, counts.indptr), shape=counts.shape)


def even_roots(counts: sparse.csr_array) -> sparse.csr_array:
    """Return the square roots, every column with variance one; those of counts have about the same noise."""
    roots = counts.sqrt()
    n = roots.shape[0]
    mean = np.asarray(roots.sum(axis=0, dtype=np.float64)).ravel() / n
    square = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / n
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    factor = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0).astype(np.float32)
    roots.data *= factor[roots.indices]
    return roots


def cell_sizes(counts: Counts) -> NDArray[np.float64]:
    """Return the sum of every row, (n,), in double precision."""
    return np.asarray(sparse_counts(counts).sum(axis=1, dtype=np.float64)).ravel()


def median_size(sizes: NDArray[np.float64]) -> float:
    """Return the median of the sizes above zero, 1 if there is none."""
    filled = sizes[sizes > 0]
    return float(np.median(filled)) if len(filled) else 1.0


def sparse_counts(counts: Counts) -> sparse.csr_array:
    """Return counts as CSR float32; what is that already is not copied."""
    matrix: sparse.csr_array = sparse.csr_array(counts)
    return matrix.astype(np.float32, copy=False)


def _shared_counts(spliced: Counts, unspliced: Counts) -> NDArray[np.float64]:
    s, u = sparse_counts(spliced), sparse_counts(unspliced)
    shared = s.multiply(u.astype(bool)) + u.multiply(s.astype(bool))
    return np.asarray(shared.sum(axis=0, dtype=np.float64)).ravel()


def _dispersion(counts: sparse.csr_array) -> NDArray[np.float64]:
    """Return (genes,) log dispersion, standardized among genes of similar mean; -inf for constant genes."""
    n = counts.shape[0]
    mean = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / n
    square = np.asarray(counts.multiply(counts).sum(axis=0, dtype=np.float64)).ravel() / n
    variance = np.maximum(square - mean**2, 0) * n / (n - 1)
    varies = variance > 0
    dispersion = np.full(len(mean), np.nan)
    dispersion[varies] = np.log(variance[varies] / mean[varies])
    level = np.log1p(mean)
    edges = np.linspace(level.min(), level.max(), DISPERSION_BINS + 1)
    box = np.searchsorted(edges[1:-1], level, side="left")
    result = np.full(len(mean), -np.inf)
    for number in np.unique(box[varies]):
        inside = varies & (box == number)
        values = dispersion[inside]
        center, spread = (values.mean(), values.std(ddof=1)) if len(values) > 1 else (0.0, values[0])
        result[inside] = (values - center) / spread if spread else 0.0
    return result
