"""What kind of numbers a matrix of cells and genes holds, found block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import StopToken

BLOCK = 1 << 22
"""Number of values processed together: 16 to 32 MB."""

LARGEST_LOGARITHM = 20.0
"""No count has a natural logarithm above this; e to the 20 is half a billion molecules."""

Kind = Literal["counts", "logarithms", "fractions", "centered", "nothing"]
WORDS: dict[Kind, str] = {
    "counts": "raw counts",
    "logarithms": "not whole, at most {highest:.3g}: probably log-normalized",
    "fractions": "not whole: probably normalized",
    "centered": "values below zero: centered or scaled",
    "nothing": "all zero",
}


@dataclass(frozen=True, slots=True, eq=False)
class MatrixFacts:
    """What a matrix holds.

    Parameters
    ----------
    shape
        (cells, genes).
    kind
        ``counts``: whole numbers from 0 up; ``logarithms``: fractions up to 20; ``fractions``: larger ones;
        ``centered``: some are below zero; ``nothing``: zeros only.
    n_stored, n_bytes
        Values that are kept, and their bytes once read.
    n_bad
        Values that are not finite.
    lowest, highest
        Least and largest finite value.
    gene_totals
        (genes,) sums.
    n_empty
        Cells without any value above zero.
    """

    name: str
    shape: tuple[int, int]
    kind: Kind
    n_stored: int
    n_bytes: int
    n_bad: int
    lowest: float
    highest: float
    gene_totals: NDArray[np.float64]
    n_empty: int

    @property
    def words(self) -> str:
        """The kind of the values in words."""
        return WORDS[self.kind].format(highest=self.highest)

    @property
    def total(self) -> float:
        """Sum of all finite values."""
        return float(self.gene_totals.sum())


def facts_steps(
    name: str, matrix: Any, shape: tuple[int, int], stop: StopToken | None = None
) -> Generator[Progress, None, MatrixFacts]:
    """Look through a matrix in memory or in an open .h5ad file.

    Parameters
    ----------
    matrix
        A numpy array, a CSR or CSC matrix, an HDF5 dataset, or an HDF5 group as anndata writes sparse ones.
    shape
        (cells, genes).
    stop
        Ends the work early; the facts are then those of what was seen.
    """
    totals, filled = np.zeros(shape[1]), np.zeros(shape[0], dtype=np.bool_)
    n_stored, n_bad, whole = 0, 0, True
    lowest, highest = np.inf, -np.inf
    for rows, columns, values, done in _blocks(matrix, shape):
        if stop is not None and stop.is_set():
            break
        good = np.isfinite(values)
        n_stored += values.size
        n_bad += int(values.size - good.sum())
        finite = values if good.all() else np.where(good, values, 0)
        if finite.size:
            lowest, highest = min(lowest, float(finite.min())), max(highest, float(finite.max()))
            whole = whole and bool((finite == np.rint(finite)).all())
            _add_to(totals, filled, rows, columns, finite)
        yield Progress(f"Reading {name}", int(1000 * done), 1000, done)
    dense = getattr(matrix, "ndim", 0) == 2 and not sparse.issparse(matrix)
    return MatrixFacts(
        name,
        shape,
        _kind(lowest, highest, whole),
        n_stored,
        n_stored * (4 if dense else 8),
        n_bad,
        lowest if n_stored else 0.0,
        highest if n_stored else 0.0,
        totals,
        int((~filled).sum()),
    )


def _kind(lowest: float, highest: float, whole: bool) -> Kind:
    if lowest < 0:
        return "centered"
    if not highest > 0:
        return "nothing"
    if whole:
        return "counts"
    return "logarithms" if highest <= LARGEST_LOGARITHM else "fractions"


def _add_to(
    totals: NDArray[np.float64], filled: NDArray[np.bool_], rows: Any, columns: Any, values: NDArray[Any]
) -> None:
    if columns is None:  # a block of whole rows
        totals += values.sum(axis=0, dtype=np.float64)
        filled[rows] |= (values > 0).any(axis=1)
        return
    totals += np.bincount(columns, weights=values, minlength=totals.size)
    if isinstance(rows, tuple):
        first, lengths = rows
        if values.min() > 0:  # as in nearly every file, and much quicker
            filled[first : first + len(lengths)] |= lengths > 0
            return
        rows = np.repeat(np.arange(first, first + len(lengths)), lengths)
    filled[rows[values > 0]] = True


def _blocks(matrix: Any, shape: tuple[int, int]) -> Iterator[tuple[Any, Any, NDArray[Any], float]]:
    """Yield rows, columns, values and the share that is done; columns are None for a dense block of rows."""
    if sparse.issparse(matrix):
        found: Any = matrix
        major = "csr" if found.format == "csr" else "csc"
        found = found if found.format in ("csr", "csc") else found.tocsc()
        yield from _sparse_blocks(found.indptr, found.indices, found.data, major)
    elif hasattr(matrix, "shape"):
        step = max(1, BLOCK // max(1, shape[1]))
        for first in range(0, shape[0], step):
            last = min(first + step, shape[0])
            yield slice(first, last), None, np.asarray(matrix[first:last]), last / shape[0]
    else:
        layout = matrix.attrs.get("encoding-type", matrix.attrs.get("h5sparse_format", "csr"))
        layout = layout.decode() if isinstance(layout, bytes) else str(layout)
        yield from _sparse_blocks(matrix["indptr"][()], matrix["indices"], matrix["data"], layout[:3])


def _sparse_blocks(
    starts: NDArray[Any], indices: Any, data: Any, layout: str
) -> Iterator[tuple[Any, NDArray[Any], NDArray[Any], float]]:
    """Yield rows (of CSR: the first one, and how many values each has), columns, values and the share that is done."""
    n = int(starts[-1])
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        minor, values = np.asarray(indices[first:last]), np.asarray(data[first:last])
        one, other = np.searchsorted(starts, (first, last - 1), side="right") - 1  # lines of the first and last value
        ends = np.clip(starts[one : other + 2], first, last)
        if layout == "csr":
            yield (int(one), np.diff(ends)), minor, values, last / n
        else:
            yield minor, np.repeat(np.arange(one, other + 1), np.diff(ends)), values, last / n
