"""The cosines of a velocity graph when every gene's velocity gets a random sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.projection import directions, less_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs

TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True, eq=False)
class SignDraws:
    r"""Velocities whose genes get signs :math:`\epsilon_{gb}`, the same in all cells.

    Steps :math:`\delta` are centered, signed velocities need not be, which only their length depends on: all draws of a
    block of cells take the two products :math:`(\delta \circ v)\,\epsilon` and :math:`v\,\epsilon`.

    Parameters
    ----------
    velocity, expression
        (cells, genes) float32 times the square root of the weights; expression less the weighted mean of each cell.
    signs
        (genes, draws) float32, 1 in the first column.
    root
        (genes,) float32 square roots of the weights.
    """

    velocity: NDArray[np.float32]
    expression: NDArray[np.float32]
    signs: NDArray[np.float32]
    root: NDArray[np.float32]

    @classmethod
    def of(cls, inputs: ArrowInputs, draws: int, rng: np.random.Generator) -> SignDraws:
        """Return the velocities themselves, then ``draws`` times with a random sign for every gene."""
        signs = rng.choice([-1.0, 1.0], (len(inputs.genes), 1 + draws)).astype(np.float32)
        signs[:, 0] = 1
        weight = np.ones(len(signs)) if inputs.weight is None else inputs.weight[inputs.genes]
        root = np.sqrt(weight).astype(np.float32)
        return cls(inputs.plain[0] * root, inputs.weighted[1], signs, root)

    def cosines(self, cells: NDArray[np.intp], neighbors: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return (cells, k, draws) correlations of the velocities of some cells with the steps to neighbors."""
        v, steps = self.velocity[cells], self.expression[neighbors[cells]]
        steps -= self.expression[cells, None, :]
        products = (steps * v[:, None, :]).reshape(-1, v.shape[1]) @ self.signs
        off = (v * self.root) @ self.signs
        squares = np.square(v).sum(axis=1, keepdims=True)
        own = np.sqrt(np.maximum(squares - np.square(off) / np.square(self.root).sum(), 0))
        lengths = np.linalg.norm(steps, axis=2)[:, :, None] * own[:, None, :]
        products = products.reshape(lengths.shape)
        cosines: NDArray[np.float32] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > TINY)
        return np.clip(cosines, -1, 1, out=cosines)


def expected_steps(
    odds: NDArray[np.float32],
    positions: NDArray[np.float64],
    cells: NDArray[np.intp],
    neighbors: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Return (cells, 2 or 3, draws) arrows of transition weights (cells, k, draws)."""
    arrows: NDArray[np.float32] = np.matmul(
        directions(positions, cells, neighbors).swapaxes(1, 2), less_mean(odds, cells, neighbors)
    )
    return arrows
