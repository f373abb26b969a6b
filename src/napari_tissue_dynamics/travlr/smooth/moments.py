"""Moments of the cells for smooth coefficients: sums over the cells of each type, or the cells themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_tissue_dynamics.compute import one_blas_thread

Floats = NDArray[np.floating]

# Cells of a type, per column of its deviation, up to which equations in cells are less work than those in columns.
FEW = 0.8
# Numbers of (cells, columns) multiplied at once.
CHUNK = 2**23


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over the cells of a type of many cells.

    Parameters
    ----------
    gram
        (columns, columns) of all products of a modulator and a function, modulator by modulator.
    cross
        (columns,) the same with y.
    power
        Sum of y².
    """

    gram: NDArray[np.float32]
    cross: NDArray[np.float32]
    power: float
    cells: int

    def of(self, columns: NDArray[np.intp]) -> Sums:
        """Return the same of some columns only."""
        if len(columns) == len(self.cross):
            return self
        return Sums(self.gram[columns[:, None], columns], self.cross[columns], self.power, self.cells)

    def squares_left(self, mean: Floats) -> float:
        """Return the sum of squares that (columns,) coefficients leave."""
        return float(self.power - 2 * mean @ self.cross + mean @ self.gram @ mean)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The cells of a type of few cells: less than what sums over them would take.

    Parameters
    ----------
    columns
        (cells, columns) products of a modulator and a function, modulator by modulator.
    y
        (cells,) float32.
    """

    columns: NDArray[np.float32]
    y: NDArray[np.float32]

    @property
    def power(self) -> float:
        """Sum of y²."""
        return float((self.y.astype(np.float64) ** 2).sum())

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.y)

    def of(self, columns: NDArray[np.intp]) -> Rows:
        """Return the same of some columns only."""
        return self if len(columns) == self.columns.shape[1] else Rows(self.columns[:, columns], self.y)

    def squares_left(self, mean: Floats) -> float:
        """Return the sum of squares that (columns,) coefficients leave."""
        return float(((self.y - self.columns @ mean.astype(np.float32)).astype(np.float64) ** 2).sum())

    def summed(self) -> Sums:
        """Return the sums over the cells."""
        gram: NDArray[np.float32] = self.columns.T @ self.columns
        return Sums(gram, self.columns.T @ self.y, self.power, self.cells)


TypeMoments: TypeAlias = "Sums | Rows"


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of the data.

    Parameters
    ----------
    types
        Of each type its cells, or sums over them.
    """

    types: tuple[TypeMoments, ...]

    @property
    def cells(self) -> Floats:
        """(types,) numbers of cells."""
        return np.array([part.cells for part in self.types], dtype=np.float64)

    @property
    def mean_square(self) -> float:
        """Mean of y² over all cells, above 0."""
        total = sum(part.power for part in self.types) / max(sum(part.cells for part in self.types), 1)
        return max(total, float(np.finfo(np.float64).tiny))

    def of(self, columns: NDArray[np.intp]) -> Moments:
        """Return the same of some columns only."""
        return Moments(tuple(part.of(columns) for part in self.types))

    @one_blas_thread()
    def without(
        self,
        out: NDArray[np.bool_],
        z: NDArray[np.float32],
        basis: NDArray[np.float32],
        y: Floats,
        codes: NDArray[np.integer],
    ) -> Moments:
        """Return what is left when the (cells,) cells ``out`` are taken away; the others as for :func:`moments`."""
        parts: list[TypeMoments] = []
        for c, part in enumerate(self.types):
            rows = np.flatnonzero(codes == c)
            if isinstance(part, Rows):
                parts.append(Rows(part.columns[~out[rows]], part.y[~out[rows]]))
                continue
            gone = _summed(z, basis, y, rows[out[rows]])
            parts.append(
                Sums(part.gram - gone.gram, part.cross - gone.cross, part.power - gone.power, part.cells - gone.cells)
            )
        return Moments(tuple(parts))


@one_blas_thread()
def moments(
    z: NDArray[np.float32],
    basis: NDArray[np.float32],
    y: Floats,
    codes: NDArray[np.integer],
    types: int,
    broad: int = 0,
) -> Moments:
    """Return the moments of (cells, modulators) ``z``, (cells, functions) ``basis`` and (cells,) ``y`` in each type.

    A type with few cells against its modulators times ``broad`` functions of its own is kept cell by cell.
    """
    parts: list[TypeMoments] = []
    for c in range(types):
        rows = np.flatnonzero(codes == c)
        if 0 < len(rows) <= FEW * broad * z.shape[1]:
            parts.append(Rows(products(z[rows], basis[rows]), y[rows].astype(np.float32)))
        else:
            parts.append(_summed(z, basis, y, rows))
    return Moments(tuple(parts))


def _summed(z: NDArray[np.float32], basis: NDArray[np.float32], y: Floats, rows: NDArray[np.intp]) -> Sums:
    width = z.shape[1] * basis.shape[1]
    gram, cross = np.zeros((width, width), dtype=np.float32), np.zeros(width, dtype=np.float32)
    for part in np.array_split(rows, max(1, -(-len(rows) * width // CHUNK))):
        columns = products(z[part], basis[part])
        gram += columns.T @ columns
        cross += columns.T @ y[part].astype(np.float32)
    return Sums(gram, cross, float(y[rows] @ y[rows]), len(rows))


def products(z: NDArray[np.float32], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return all products of a modulator and a function, (cells, modulators * functions), modulator by modulator."""
    return (z[:, :, None] * basis[:, None, :]).reshape(len(z), z.shape[1] * basis.shape[1])
