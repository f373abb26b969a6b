"""The nearest neighbors of every row of a table, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK = 1024
CACHED_VALUES = 1 << 19
FEWEST_ROWS = 64
CHUNKS = 5


@torch.no_grad()
def nearest(z: Tensor, k: int) -> Tensor:
    r"""Return the k nearest other rows of every row, in no particular order.

    The rows are compared by :math:`|z_j|^2 - 2 z_i \cdot z_j`, which orders them like the distance, in blocks: nothing
    of size rows x rows is kept.

    Shapes
    ------
    ``z`` (n, d); returns (n, min(k, n - 1)).
    """
    n = len(z)
    k = min(k, n - 1)
    if z.device.type == "cpu" and n >= 2 * CHUNKS * (k + 1):
        found = _few_candidates(z, k)
        if found is not None:
            return found
    found = []
    for start, distance in _distances(z, BLOCK):
        rows = torch.arange(len(distance), device=z.device)
        distance[rows, rows + start] = torch.inf
        found.append(distance.topk(k, dim=1, largest=False).indices)
    return torch.cat(found)


def _distances(z: Tensor, rows: int) -> Iterator[tuple[int, Tensor]]:
    """Yield blocks of rows of the squared distances, less the squared length of the row, all in the same memory."""
    square = z.square().sum(1)
    memory = torch.empty(min(rows, len(z)), len(z), dtype=z.dtype, device=z.device)
    for start in range(0, len(z), rows):
        some = z[start : start + rows]
        yield start, torch.addmm(square, some, z.T, alpha=-2, out=memory[: len(some)])


def _few_candidates(z: Tensor, k: int) -> Tensor | None:
    """Return the k nearest others after a first choice that leaves few, or None if there is no order (not a number).

    The minima of some more than k groups of columns say below which value at least k + 1 values of a row lie, its own
    among them. That is several times as fast as to choose from all.
    """
    n = len(z)
    rows = min(max(CACHED_VALUES // n, FEWEST_ROWS), BLOCK)
    low = np.empty((min(rows, n), n), dtype=bool)
    places, values = [], []
    for start, block in _distances(z, rows):
        distance = block.numpy()
        np.less_equal(distance, _upper_bounds(distance, k + 1), out=low[: len(distance)])
        place = np.flatnonzero(low[: len(distance)])
        values.append(distance.reshape(-1)[place])
        places.append(place + start * n)
    place = torch.from_numpy(np.concatenate(places))
    row = place // n
    return _lowest(row, place - row * n, torch.from_numpy(np.concatenate(values)), n, k)


def _upper_bounds(values: NDArray[np.floating], k: int) -> NDArray[np.floating]:
    """Return for every row a value (rows, 1) that at least k of its values do not exceed."""
    number = values.shape[1] // (CHUNKS * k)  # columns of a group
    groups = values.shape[1] // number
    minima = values[:, : groups * number].reshape(len(values), number, groups).min(axis=1)
    return np.asarray(np.partition(minima, k - 1, axis=1)[:, k - 1 : k])


def _lowest(row: Tensor, column: Tensor, value: Tensor, n: int, k: int) -> Tensor | None:
    """Return the columns of the k lowest values of every row, not on the diagonal, from entries sorted by row."""
    counts = torch.bincount(row, minlength=n)
    if int(counts.min()) <= k:
        return None
    value[row == column] = torch.inf
    starts = torch.cumsum(counts, 0) - counts
    table = torch.full((n, int(counts.max())), torch.inf, dtype=value.dtype)
    table[row, torch.arange(len(row)) - starts[row]] = value
    return column[starts[:, None] + table.topk(k, dim=1, largest=False).indices]
