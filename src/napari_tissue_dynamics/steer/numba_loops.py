"""Loops that torch could only write as many passes through memory, compiled for the processor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.floating]
    Places = NDArray[np.int64]

CHOSEN = 3
LEAST_SQUARE = 1e-16


def over_rows(loop: Callable[..., None], n: int, *arguments: Any) -> None:
    """Call ``loop(begin, end, *arguments)`` for all of n rows, divided among as many threads as torch uses."""
    threads = min(torch.get_num_threads(), n)
    if threads <= 1:
        loop(0, n, *arguments)
        return
    ends = np.linspace(0, n, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda begin, end: loop(begin, end, *arguments), ends[:-1], ends[1:]))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def entry_products(
    begin: int, end: int, starts: Places, columns: Places, left: Array, right: Array, products: Array
) -> None:
    """Write the product of a row of ``left`` and one of ``right`` for every entry of a sparse matrix.

    Parameters
    ----------
    begin, end
        The rows to do.
    starts, columns
        (rows + 1,) where the entries of each row begin, and the column of every entry.
    left, right
        (rows, d) and (columns, d).
    products
        (entries,) to be written.
    """
    for row in range(begin, end):
        own = left[row]
        for entry in range(starts[row], starts[row + 1]):
            other = right[columns[entry]]
            total = own.dtype.type(0)
            for k in range(len(own)):
                total += own[k] * other[k]
            products[entry] = total


@njit(nogil=True, cache=True, error_model="numpy")
def stable_order(codes: Places, starts: Places) -> Places:
    """Return the order that sorts codes, (n,), when ``starts[code]`` of them are lower: that of a stable argsort."""
    order = np.empty(len(codes), np.int64)
    free = starts.copy()
    for place in range(len(codes)):
        order[free[codes[place]]] = place
        free[codes[place]] += 1
    return order


@njit(nogil=True, cache=True, error_model="numpy")
def choose_aims(
    begin: int,
    end: int,
    direction: Array,
    origins: Places,
    starts: Places,
    neighbors: Places,
    x: Array,
    total: Array,
    number: Array,
) -> None:
    """Add up, for every cell and gene, the unit vectors to the three neighbors that lie best in its direction.

    Parameters
    ----------
    begin, end
        The cells to do.
    direction
        (2, cells, genes) unit velocities.
    origins
        (cells,) rows of the cells in ``x``.
    starts, neighbors
        (cells + 1,) where the neighbors of each cell begin, and their rows in ``x``.
    x
        (n, 2 genes) unspliced, then spliced.
    total, number
        (2, cells, genes) sums and (cells, genes) how many were added, to be written; zero before.
    """
    genes = x.shape[1] // 2
    most = np.diff(starts[begin : end + 1]).max()
    units = np.empty((2, most, genes), x.dtype)
    cosine = np.empty((most, genes), x.dtype)
    best = np.empty((CHOSEN, genes), x.dtype)
    for cell in range(begin, end):
        own = neighbors[starts[cell] : starts[cell + 1]]
        width = len(own)
        if width == 0:
            continue
        best[:] = -np.inf
        for edge in range(width):
            to_u, to_s = units[0, edge], units[1, edge]
            _step(x[origins[cell]], x[own[edge]], to_u, to_s)
            _cosines(to_u, to_s, direction[0, cell], direction[1, cell], cosine[edge])
            _insert(cosine[edge], best[0], best[1], best[2])
        for edge in range(width):
            _add(units[0, edge], units[1, edge], cosine[edge], best[2], total[0, cell], total[1, cell], number[cell])
        _share_last_place(units[:, :width], cosine[:width], best[2], total[:, cell], number[cell])


@njit(nogil=True, cache=True, error_model="numpy")
def _step(origin: Array, neighbor: Array, to_u: Array, to_s: Array) -> None:
    genes = len(to_u)
    for gene in range(genes):
        to_u[gene] = neighbor[gene] - origin[gene]
    for gene in range(genes):
        to_s[gene] = neighbor[genes + gene] - origin[genes + gene]


@njit(nogil=True, cache=True, error_model="numpy")
def _cosines(to_u: Array, to_s: Array, u: Array, s: Array, cosine: Array) -> None:
    """Give the steps length one and compare them with the direction (u, s) of the cell."""
    one, least = to_u.dtype.type(1), to_u.dtype.type(LEAST_SQUARE)
    for gene in range(len(cosine)):
        square = to_u[gene] * to_u[gene] + to_s[gene] * to_s[gene]
        shorten = one / np.sqrt(square if square > least else least)
        to_u[gene] *= shorten
        to_s[gene] *= shorten
        cosine[gene] = to_u[gene] * u[gene] + to_s[gene] * s[gene]


@njit(nogil=True, cache=True, error_model="numpy")
def _insert(values: Array, first: Array, second: Array, third: Array) -> None:
    """Keep the three highest so far of every gene."""
    for gene in range(len(values)):
        value, highest, next_highest = values[gene], first[gene], second[gene]
        first[gene] = value if value > highest else highest
        lower = highest if value > highest else value
        second[gene] = lower if lower > next_highest else next_highest
        lowest = next_highest if lower > next_highest else lower
        third[gene] = lowest if lowest > third[gene] else third[gene]


@njit(nogil=True, cache=True, error_model="numpy")
def _add(to_u: Array, to_s: Array, cosine: Array, least: Array, u: Array, s: Array, number: Array) -> None:
    """Add an edge where it is among the best."""
    zero, one = to_u.dtype.type(0), to_u.dtype.type(1)
    for gene in range(len(cosine)):
        share = one if cosine[gene] >= least[gene] else zero
        u[gene] += share * to_u[gene]
        s[gene] += share * to_s[gene]
        number[gene] += share


@njit(nogil=True, cache=True, error_model="numpy")
def _share_last_place(units: Array, cosine: Array, least: Array, total: Array, number: Array) -> None:
    """Divide the last place among the neighbors that lie equally well, where more were added than can be chosen."""
    for gene in range(len(number)):
        if number[gene] <= CHOSEN:
            continue
        tied = (cosine[:, gene] == least[gene]).sum()
        share = (CHOSEN - (number[gene] - tied)) / tied
        for axis in range(2):
            total[axis, gene] = 0
            for edge in range(len(cosine)):
                if cosine[edge, gene] >= least[gene]:
                    total[axis, gene] += units[axis, edge, gene] * (share if cosine[edge, gene] == least[gene] else 1)
        number[gene] = CHOSEN
