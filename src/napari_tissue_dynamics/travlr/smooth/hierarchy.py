r"""The deviation of one cell type, eliminated from the equations of the coefficients that all types have in common.

All is whitened: coefficients by their deviations before the data, cells by the noise. With the columns Z of a type, the
broad ones D of its deviation, :math:`T = 1 + D^\top D` and :math:`K = 1 + D D^\top`, the information of the type on the
common part is

.. math:: Z^\top Z - Z^\top D\, T^{-1} D^\top Z = Z^\top K^{-1} Z.

The left side has a matrix as large as the deviation has columns, the right side one as large as the type has cells;
each type takes the smaller one (Woodbury's identity).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.linalg import blas, cholesky, lapack

from napari_tissue_dynamics.travlr.smooth.moments import FEW, Floats, Rows, Sums, TypeMoments

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Prior of the columns that have a variance.

    Parameters
    ----------
    columns
        Which of all columns have a variance.
    broad
        Those of the deviations, as places in ``columns``.
    scale, type_scale
        (columns,) and (broad,) deviations, float32.
    """

    columns: NDArray[np.intp]
    broad: NDArray[np.intp]
    scale: NDArray[np.float32]
    type_scale: NDArray[np.float32]

    @classmethod
    def of(cls, common: Floats, own: Floats) -> Prior:
        """Return the variances of the common part and of the deviations, for all columns each."""
        columns = np.flatnonzero(common > 0)
        broad = np.flatnonzero(own[columns] > 0)
        return cls(
            columns,
            broad,
            np.sqrt(common[columns]).astype(np.float32),
            np.sqrt(own[columns][broad]).astype(np.float32),
        )

    @property
    def relative(self) -> NDArray[np.float32]:
        """(broad,) what turns whitened columns of the common part into those of the deviation."""
        return self.type_scale / self.scale[self.broad]

    def mean(self, common: Floats, deviation: Floats) -> Floats:
        """Return the coefficients of one type, whitening undone."""
        result = self.scale * common
        result[self.broad] += self.type_scale * deviation
        return np.asarray(result)


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    r"""The inverse of the covariance that the cells of a type have before the data, noise and all.

    .. math:: \mathrm{half}\, \mathrm{half}^\top - \mathrm{shared}\, \mathrm{shared}^\top, \qquad\text{or}\qquad
        1 - \mathrm{half}\, \mathrm{half}^\top - \mathrm{shared}\, \mathrm{shared}^\top

    The part with ``shared``, (cells, columns), also links cells of different types.
    """

    shared: Floats
    half: Floats
    from_one: bool

    def own(self, rows: NDArray[np.intp]) -> Floats:
        """Return the part of some cells that has nothing to do with other types."""
        part = self.half[rows]
        product = part @ part.T
        return np.asarray(np.eye(len(rows), dtype=part.dtype) - product if self.from_one else product)


@dataclass(frozen=True, slots=True, eq=False)
class SumsBlock:
    """A type of many cells: with T = L L', half = L⁻¹ D'Z and own = L⁻¹ D'y.

    ``left`` and ``right`` are the information of the type on the common part.
    """

    prior: Prior
    factor: Floats
    half: Floats
    own: Floats
    left: Floats
    right: Floats

    @classmethod
    def of(cls, part: Sums, prior: Prior, noise: np.float32) -> SumsBlock:
        """Eliminate the deviation; ``part`` of the columns of ``prior``."""
        broad, relative = prior.broad, prior.relative
        white = part.gram * (prior.scale * prior.scale[:, None])
        white *= 1 / noise
        cross = part.cross * prior.scale / noise
        between = white[broad]
        between *= relative[:, None]
        own_block = between[:, broad] * relative
        own_block.flat[:: len(broad) + 1] += 1
        factor = cholesky(own_block, lower=True, overwrite_a=True, check_finite=False)
        half = solved(factor, between)
        own = solved(factor, (cross[broad] * relative)[:, None])[:, 0]
        white -= half.T @ half
        return cls(prior, factor, half, own, white, cross - half.T @ own)

    def deviation(self, common: Floats) -> Floats:
        """Return the whitened deviation that goes with a whitened common part."""
        return np.asarray(solved_back(self.factor, (self.own - self.half @ common)[:, None])[:, 0])

    def spread(self, root: Floats, inverse: Floats | None) -> tuple[Floats, float]:
        """Return (broad,) 1 - the whitened variances of the deviation, and the degrees of freedom taken up.

        ``root`` is the inverse of the Cholesky factor of the equations of the common part, ``inverse`` their inverse.
        """
        taken = (lower_inverse(self.factor) ** 2).sum(axis=0) + (self.through(root) ** 2).sum(axis=1)
        assert inverse is not None
        return 1 - taken, float(np.vdot(self.left, inverse) + (1 - taken).sum())

    def through(self, root: Floats) -> Floats:
        """Return T⁻¹ D'Z R' with the inverse R of the factor of the equations of the common part."""
        return np.asarray(solved_back(self.factor, self.half) @ root.T)

    @property
    def alone(self) -> tuple[float, Floats]:
        """What is uncertain of the deviation given the common part: T⁻¹ = rows' rows for 0, 1 - rows' rows for 1."""
        return 0.0, lower_inverse(self.factor)

    def influence(self, root: Floats, columns: Floats) -> Influence:
        """Return that of cells with whitened (cells, columns)."""
        own = columns[:, self.prior.broad] * self.prior.relative
        shared = (columns - own @ solved_back(self.factor, self.half)) @ root.T
        return Influence(shared, divided(own, self.factor), from_one=True)


@dataclass(frozen=True, slots=True, eq=False)
class RowsBlock:
    """A type of few cells: with K = L L', columns = L⁻¹ Z, own = L⁻¹ D and y = L⁻¹ y."""

    prior: Prior
    factor: Floats
    columns: Floats
    own: Floats
    y: Floats

    @classmethod
    def of(cls, part: Rows, prior: Prior, noise: np.float32) -> RowsBlock:
        """Eliminate the deviation; ``part`` of the columns of ``prior``."""
        white = part.columns * (prior.scale / np.sqrt(noise))
        own = white[:, prior.broad] * prior.relative
        matrix = own @ own.T
        matrix.flat[:: len(matrix) + 1] += 1
        factor = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
        columns = solved(factor, white)
        y = solved(factor, (part.y / np.sqrt(noise))[:, None])[:, 0]
        return cls(prior, factor, columns, columns[:, prior.broad] * prior.relative, y)

    @property
    def left(self) -> Floats:
        """Information of the type on the common part."""
        return np.asarray(self.columns.T @ self.columns)

    @property
    def right(self) -> Floats:
        """The right-hand side that goes with it."""
        return np.asarray(self.columns.T @ self.y)

    def deviation(self, common: Floats) -> Floats:
        """Return the whitened deviation that goes with a whitened common part."""
        return np.asarray(self.own.T @ (self.y - self.columns @ common))

    def spread(self, root: Floats, inverse: Floats | None) -> tuple[Floats, float]:
        """Return (broad,) 1 - the whitened variances of the deviation, and the degrees of freedom taken up.

        ``root`` is the inverse of the Cholesky factor of the equations of the common part; theirs is not needed.
        """
        del inverse
        common = self.columns @ root.T
        freed = (self.own * (self.own - (common @ common.T) @ self.own)).sum(axis=0)
        return freed, float(np.vdot(common, common) + freed.sum())

    def through(self, root: Floats) -> Floats:
        """Return T⁻¹ D'Z R' with the inverse R of the factor of the equations of the common part."""
        return np.asarray(self.own.T @ (self.columns @ root.T))

    @property
    def alone(self) -> tuple[float, Floats]:
        """What is uncertain of the deviation given the common part, T⁻¹, as of :class:`SumsBlock`."""
        return 1.0, self.own

    def influence(self, root: Floats, columns: Floats) -> Influence:
        """Return that of the cells of the type; their whitened columns are not needed."""
        del columns
        shared = solved_back(self.factor, self.columns @ root.T)
        return Influence(shared, lower_inverse(self.factor).T, from_one=False)


Block: TypeAlias = "SumsBlock | RowsBlock"


def eliminated(part: TypeMoments, prior: Prior, noise: np.float32) -> Block:
    """Eliminate the deviation of a type on the side that is less work; ``part`` of all columns."""
    part = part.of(prior.columns)
    if isinstance(part, Rows):
        if 0 < part.cells <= FEW * len(prior.broad):
            return RowsBlock.of(part, prior, noise)
        part = part.summed()
    return SumsBlock.of(part, prior, noise)


def solved(factor: Floats, right: Floats) -> Floats:
    """Return L⁻¹ ``right`` of a lower triangular L."""
    return np.asarray(divided(right.T, factor).T)


def solved_back(factor: Floats, right: Floats) -> Floats:
    """Return L'⁻¹ ``right``."""
    trsm = blas.strsm if factor.dtype == np.float32 else blas.dtrsm
    return np.asarray(trsm(1.0, factor, right.T, side=1, lower=1).T)


def divided(left: Floats, factor: Floats) -> Floats:
    """Return ``left`` L'⁻¹ of a lower triangular L; what lies row by row in memory is read as it lies there."""
    trsm = blas.strsm if factor.dtype == np.float32 else blas.dtrsm
    if left.flags.c_contiguous:
        return np.asarray(trsm(1.0, factor, left.T, lower=1).T)
    return np.asarray(trsm(1.0, factor, left, side=1, lower=1, trans_a=1))


def lower_inverse(factor: Floats) -> Floats:
    """Return the inverse of a lower triangular matrix with zeros above; LAPACK complains of one without rows."""
    if not factor.size:
        return factor
    inverse, _ = (lapack.strtri if factor.dtype == np.float32 else lapack.dtrtri)(factor, lower=1)
    return np.asarray(inverse)


def symmetric_inverse(matrix: Floats) -> Floats:
    """Return the inverse of a symmetric positive matrix."""
    factor = cholesky(matrix, lower=True, check_finite=False)
    half, _ = (lapack.spotri if factor.dtype == np.float32 else lapack.dpotri)(factor, lower=1)
    return np.tril(half) + np.tril(half, -1).T
