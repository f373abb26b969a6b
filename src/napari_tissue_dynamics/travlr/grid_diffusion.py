r"""Gaussian diffusion of many ligands over many cells, through a regular grid.

Every cell is spread onto the 3 grid points of each axis around it by the quadratic B-spline, the grid is convolved by
a fast Fourier transform, and every cell reads the result with the same weights:

.. math:: R = S \, G \, S^T E, \qquad \hat G(k) = e^{-\sigma^2 k^2 / 2} \Big/ \mathrm{sinc}(k h / 2)^6

The spline is the only B-spline as narrow as this whose second moment is the same wherever the cell lies between the
points; what spreading and reading add to the Gaussian is therefore known and taken out (the denominator is the square
of the spline's transform; its first term is the variance h²/4 that each of the two adds). What remains is aliasing, of
the order :math:`(h / 2 \pi \sigma)^3`. Sources: SpaceTravLR, received ligands; particle-mesh methods, Hockney and
Eastwood 1988.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

if TYPE_CHECKING:
    from collections.abc import Generator

Floats = NDArray[np.float64]

# Grid points per sigma; with 3.5 the error is at most 0.1 % of the largest value, also of a lone cell.
POINTS_PER_SIGMA = 3.5
# Beyond 5.5 sigma a Gaussian has 3e-7 of its height: zeros this wide keep the two ends of an axis apart.
MARGIN = 5.5
# Cells whose weights are made, products of weights and ligands that are summed, and grid points that are transformed
# between two reports.
CELLS = 50_000
PRODUCTS = 2**25
POINTS = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Points that cells are spread on.

    Parameters
    ----------
    origin
        (dimensions,) place of the first point.
    step
        Distance of two points.
    """

    origin: Floats
    step: float
    shape: tuple[int, ...]

    @classmethod
    def over(cls, positions: Floats, sigma: float) -> Grid:
        """Return the grid for Gaussians of width ``sigma`` around (cells, 2 or 3) positions."""
        step = sigma / POINTS_PER_SIGMA
        low, high = positions.min(axis=0), positions.max(axis=0)
        shape = tuple(int(number) + 4 for number in np.floor((high - low) / step))
        return cls(low - 1.5 * step, step, shape)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def index_and_weight(self, positions: Floats) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the points that each cell is spread on and the quadratic B-spline there, (cells, 3 per axis) each."""
        place = (positions - self.origin) / self.step
        nearest = np.rint(place)
        off = (place - nearest).astype(np.float32)
        pieces = np.stack([0.5 * (0.5 - off) ** 2, 0.75 - off**2, 0.5 * (0.5 + off) ** 2], axis=2)
        first = nearest.astype(np.int64) - 1
        n = len(positions)
        index, weight = np.zeros((n, 1), dtype=np.int64), np.ones((n, 1), dtype=np.float32)
        for axis, points in enumerate(self.shape):
            along = first[:, axis, None] + np.arange(3)
            index = (index[:, :, None] * points + along[:, None, :]).reshape(n, -1)
            weight = (weight[:, :, None] * pieces[:, axis, None, :]).reshape(n, -1)
        return index, weight


def diffuse_steps(
    positions: Floats, sent: NDArray[np.float32], sigma: float, grid: Grid
) -> Generator[float, None, NDArray[np.float32]]:
    r"""Return :math:`\sum_j \exp(-|s_i - s_j|^2 / 2 \sigma^2) E_{jl}` to 0.1 % of its largest value.

    Memory: 72 bytes per cell in two dimensions (216 in three) for the weights, and 8 bytes for each grid point of the
    ligands that are done at once (as many as make 34 million products, at least one).

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    sent
        (cells, ligands) float32.
    sigma
        Width of the Gaussian in the unit of the positions.
    grid
        From :meth:`Grid.over`.

    Yields
    ------
    Share of the work that is done.

    Returns
    -------
    (cells, ligands) float32; not below 0 where no ligand is.
    """
    n, n_ligands = sent.shape
    weights = yield from _weight_steps(positions, grid)
    result = np.empty((n, n_ligands), dtype=np.float32)
    width = max(1, min(PRODUCTS // weights.nnz, 4 * POINTS // grid.size))
    for first in range(0, n_ligands, width):
        columns = slice(first, first + width)
        some = np.ascontiguousarray(sent[:, columns])
        done = 0.2 + 0.8 * first / n_ligands
        spread = (weights.T @ some).reshape(*grid.shape, -1)
        yield done
        for axis in range(len(grid.shape)):
            for _ in _convolve(spread, axis, sigma / grid.step):
                yield done
        read = weights @ spread.reshape(grid.size, -1)
        rounding = (some.min(axis=0) >= 0) & (read < 0)  # far from all that sends
        result[:, columns] = np.where(rounding, 0, read)
        yield 0.2 + 0.8 * min(1.0, (first + width) / n_ligands)
    return result


def _weight_steps(positions: Floats, grid: Grid) -> Generator[float, None, sparse.csr_array]:
    """Return the (cells, points) weights."""
    n, dimensions = positions.shape
    each = 3**dimensions
    narrow = np.int32 if max(grid.size, n * each) < np.iinfo(np.int32).max else np.int64
    index, weight = np.empty((n, each), dtype=narrow), np.empty((n, each), dtype=np.float32)
    for start in range(0, n, CELLS):
        rows = slice(start, start + CELLS)
        index[rows], weight[rows] = grid.index_and_weight(positions[rows])
        yield 0.2 * min(1.0, (start + CELLS) / n)
    ends = np.arange(0, index.size + 1, each, dtype=narrow)
    return sparse.csr_array((weight.ravel(), index.ravel(), ends), shape=(n, grid.size))


def _convolve(values: NDArray[np.float32], axis: int, sigma: float) -> Generator[None, None, None]:
    """Convolve a (points ..., ligands) grid along one axis in place; ``sigma`` is in steps of the grid."""
    points = values.shape[axis]
    padded = fft.next_fast_len(points + math.ceil(MARGIN * sigma), real=True)
    wave = 2 * np.pi * fft.rfftfreq(padded)
    transfer = np.sqrt(2 * np.pi) * sigma * np.exp(-0.5 * (wave * sigma) ** 2) / np.sinc(wave / (2 * np.pi)) ** 6
    other = 0 if axis else 1
    lines = max(1, POINTS * values.shape[other] // values.size)
    shape = [1] * values.ndim
    shape[axis] = len(transfer)
    for start in range(0, values.shape[other], lines):
        slab = [slice(None)] * values.ndim
        slab[other] = slice(start, start + lines)
        part = fft.rfft(values[tuple(slab)], padded, axis=axis)
        part *= transfer.astype(np.float32).reshape(shape)
        back = fft.irfft(part, padded, axis=axis)
        values[tuple(slab)] = back[(slice(None),) * axis + (slice(points),)]
        yield
