r"""The Wilcoxon (Mann-Whitney) rank-sum test for every column of a matrix, sparse or dense.

With the ranks r of all m = n_a + n_b cells (ties share their mean rank),

.. math::

    U = \sum_{i \in a} r_i - \frac{n_a (n_a + 1)}{2}, \qquad
    z = \frac{|U - n_a n_b / 2| - 1/2}{\sqrt{\frac{n_a n_b}{12}\left(m + 1 - \frac{\sum_t t^3 - t}{m (m - 1)}\right)}}

over groups of t equal values, two-sided from the normal distribution. Zeros of a sparse matrix are one such group, so
only the values that are stored are sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts

# Values that are sorted at once (about 0.5 GB).
BLOCK = 2**23


@dataclass(frozen=True, slots=True, eq=False)
class RankSums:
    """How the values of some cells compare with those of others, for every column.

    Parameters
    ----------
    mean_a, mean_b
        (columns,) float64 means.
    above
        (columns,) float64 probability that a cell of the first kind has more than one of the second, ties counting
        half (area under the ROC curve): 0.5 for no difference, 1 where all have more.
    p_value
        (columns,) float64, two-sided; 1 where all values are the same.
    """

    mean_a: NDArray[np.float64]
    mean_b: NDArray[np.float64]
    above: NDArray[np.float64]
    p_value: NDArray[np.float64]

    def fdr(self) -> NDArray[np.float64]:
        """Return the (columns,) p-values after Benjamini and Hochberg."""
        from scipy.stats import false_discovery_control

        return np.asarray(false_discovery_control(self.p_value)) if len(self.p_value) else self.p_value


def rank_sum_steps(values: Counts, in_a: NDArray[np.bool_]) -> Generator[float, None, RankSums]:
    """Compare the cells of ``in_a`` with all other rows, column by column.

    Parameters
    ----------
    values
        (cells, columns), sparse (CSR) or dense, finite.
    in_a
        (cells,) which cells are of the first kind; both kinds have at least one.

    Yields
    ------
    Share of the columns that is done, 0 to 1, after at most 8 million values; memory is that of such a block.
    """
    n_columns = values.shape[1]
    stored = values.nnz if sparse.issparse(values) else values.size
    width = max(1, int(BLOCK * n_columns / max(1, stored)))
    parts = [np.empty((4, 0))]
    for start in range(0, n_columns, width):
        block = values[:, start : start + width]
        parts.append(_tests(*_columns(block), in_a))
        yield min(1.0, (start + width) / n_columns)
    return RankSums(*np.concatenate(parts, axis=1))


def rank_sums(values: Counts, in_a: NDArray[np.bool_]) -> RankSums:
    """Run :func:`rank_sum_steps` to the end."""
    from napari_tissue_dynamics.progress import drained

    return drained(rank_sum_steps(values, in_a))


def _columns(block: Counts) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.floating], int]:
    """Return row, column and value of what is stored and is not zero, and the number of columns."""
    row: Any
    column: Any
    if sparse.issparse(block):
        entries = block.tocoo()
        row, column, data = entries.coords[0], entries.coords[1], entries.data
    else:
        row, column = np.indices(block.shape).reshape(2, -1)
        data = np.asarray(block).ravel()
    kept = data != 0
    return row[kept], column[kept], data[kept], block.shape[1]


def _tests(
    row: NDArray[np.intp], column: NDArray[np.intp], data: NDArray[np.floating], width: int, in_a: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return mean of a, mean of b, probability and p-value, (4, width)."""
    m, n_a = len(in_a), int(in_a.sum())
    n_b = m - n_a
    order = np.lexsort((data, column))
    row, column, data = row[order], column[order], data[order]
    first = np.concatenate([[True], (np.diff(column) != 0) | (np.diff(data) != 0)]) if len(data) else np.empty(0, bool)
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    sizes = np.diff(np.append(starts, len(data)))
    stored = np.bincount(column, minlength=width)

    def summed(weights: NDArray[Any], of: NDArray[np.intp] = column) -> NDArray[np.float64]:
        return np.asarray(np.bincount(of, weights=weights, minlength=width), dtype=np.float64)

    begin = np.concatenate([[0], np.cumsum(stored)[:-1]]).astype(np.intp)
    place = starts - begin[column[starts]] + (sizes + 1) / 2  # mean place among the stored values, from 1
    zeros, below, chosen = (m - stored).astype(np.float64), summed(data < 0), in_a[row]
    rank = place[group] + np.where(data > 0, zeros[column], 0)
    ranks_a = summed(rank * chosen) + (n_a - summed(chosen)) * (below + (zeros + 1) / 2)
    ties = summed(sizes.astype(np.float64) ** 3 - sizes, column[starts]) + zeros**3 - zeros
    u = ranks_a - n_a * (n_a + 1) / 2
    means = summed(data * chosen) / n_a, summed(data * ~chosen) / n_b
    return np.stack([*means, u / (n_a * n_b), _p_value(u, ties, n_a, n_b)])


def _p_value(u: NDArray[np.float64], ties: NDArray[np.float64], n_a: int, n_b: int) -> NDArray[np.float64]:
    from scipy.special import ndtr

    m = n_a + n_b
    variance = n_a * n_b / 12 * (m + 1 - ties / (m * max(m - 1, 1)))
    known = variance > 1e-12 * n_a * n_b * m
    z = (np.abs(u - n_a * n_b / 2) - 0.5) / np.sqrt(np.where(known, variance, 1.0))
    return np.where(known, np.minimum(2 * ndtr(-z), 1.0), 1.0)
