"""Smooth functions of the place in a tissue, from broad to fine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The box of the cosines is this much longer than the tissue: at the rim of the box all of them are level, and
# without a margin the coefficients would have to be level at the rim of the tissue.
MARGIN = 1.25


@dataclass(frozen=True, slots=True, eq=False)
class SmoothBasis:
    r"""Products of cosines over a box around the tissue.

    .. math:: \phi_a(s) = \prod_d c_{a_d} \cos\big(\pi a_d (s_d - o_d) / L_d\big), \qquad c_0 = 1,\ c_{>0} = \sqrt 2

    All whose wave number :math:`\pi |a / L|` stays below that of ``waves`` half waves along the longest side, the
    constant first, then from broad to fine; a narrow side thus has fewer. Source: eigenfunctions of the Laplacian as
    basis of a Gaussian process (Solin and Särkkä, Statistics and Computing 2020).

    Parameters
    ----------
    origin, lengths
        (2 or 3,) corner and sides of the box, in the unit of the positions.
    indices
        (functions, 2 or 3) half waves along each side.
    """

    origin: NDArray[np.float64]
    lengths: NDArray[np.float64]
    indices: NDArray[np.int64]

    @classmethod
    def over(cls, positions: NDArray[np.float64], waves: int) -> SmoothBasis:
        """Return the functions with up to ``waves`` half waves along the longest side of (cells, 2 or 3) positions."""
        low, high = positions.min(axis=0), positions.max(axis=0)
        longest = max(float((high - low).max()), np.finfo(np.float64).tiny)
        lengths = MARGIN * np.maximum(high - low, 1e-3 * longest)
        grid = np.array(list(product(range(waves + 1), repeat=positions.shape[1])))
        size = np.sqrt(((grid * (lengths.max() / lengths)) ** 2).sum(axis=1))
        order = np.argsort(size, kind="stable")
        order = order[size[order] <= waves + 1e-9]
        return cls((low + high - lengths) / 2, lengths, grid[order])

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def wave_numbers(self) -> NDArray[np.float64]:
        """(functions,) half waves per longest side of the box."""
        scaled = self.indices * (self.lengths.max() / self.lengths)
        return np.asarray(np.sqrt((scaled**2).sum(axis=1)))

    def values(self, positions: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the (cells, functions) float32 values at (cells, 2 or 3) positions."""
        result = np.ones((len(positions), len(self)), dtype=np.float32)
        for axis in range(positions.shape[1]):
            turns = np.pi * (positions[:, axis] - self.origin[axis]) / self.lengths[axis]
            waves = np.arange(self.indices[:, axis].max() + 1)
            factors = np.where(waves > 0, np.sqrt(2), 1.0) * np.cos(turns[:, None] * waves)
            result *= factors[:, self.indices[:, axis]].astype(np.float32)
        return result
