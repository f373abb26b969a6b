"""The cosines of a velocity graph under many weights of the genes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.projection import directions, less_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs

TINY = np.finfo(np.float32).tiny
# A sum of squares below this share of its uncentered value is rounding, not variation.
ROUNDING = np.float32(1e-6)


@dataclass(frozen=True, slots=True, eq=False)
class GeneDraws:
    r"""Velocities and moments of the usable genes, and samples of weights on genes.

    A sample :math:`b` has a weight :math:`w_{gb} \ge 0` and may flip velocities by a sign :math:`\epsilon_{gb}`. All
    sums over genes that a weighted correlation is made of are linear in :math:`w` or in :math:`\epsilon w`, so that
    for the steps :math:`\delta` of a block of cells those of all samples come from two matrix products,

    .. math:: (v \circ \delta)\,(\epsilon \circ w) \quad\text{and}\quad (\delta \circ \delta)\,w.

    Parameters
    ----------
    velocity, expression
        (cells, genes) float32, less the mean of each cell.
    signed
        (genes, samples) float32 weights times signs.
    weight
        (genes, samples) float32 weights, or (genes, 1) if all samples have the same.
    sums
        (cells, samples or 1) float32 weighted sums of the expression of each cell.
    """

    velocity: NDArray[np.float32]
    expression: NDArray[np.float32]
    signed: NDArray[np.float32]
    weight: NDArray[np.float32]
    sums: NDArray[np.float32]

    def cosines(self, block: slice | NDArray[np.intp], neighbors: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return (cells, k, samples) correlations of the velocities of some cells with the steps to neighbors."""
        near, v = neighbors[block], self.velocity[block]
        total = np.maximum(self.weight.sum(axis=0), TINY)
        steps = self.expression[near]
        steps -= self.expression[block, None, :]
        own = v @ self.signed
        sums = self.sums[near] - self.sums[block, None, :]
        products = _product(steps * v[:, None, :], self.signed)
        products -= own[:, None, :] * (sums / total)
        np.square(steps, out=steps)
        variation = _variation(_product(steps, self.weight), sums, total)
        lengths = np.sqrt(variation) * np.sqrt(_variation(np.square(v) @ self.weight, own, total))[:, None, :]
        cosines: NDArray[np.float32] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > TINY)
        return np.clip(cosines, -1, 1, out=cosines)


def gene_draws(
    inputs: ArrowInputs, weight: NDArray[np.floating], signs: NDArray[np.floating] | float = 1.0
) -> GeneDraws:
    """Return draws over the usable genes, whose own weight multiplies the (genes, samples) weights."""
    if inputs.weight is not None:
        weight = weight * inputs.weight[inputs.genes, None]
    weight = weight.astype(np.float32)
    velocity, expression = inputs.plain
    signed = np.ascontiguousarray(weight * signs, dtype=np.float32)
    return GeneDraws(velocity, expression, signed, weight, expression @ weight)


def sign_draws(inputs: ArrowInputs, shuffles: int, rng: np.random.Generator) -> GeneDraws:
    """Return the velocities themselves, then as often as told with a random sign for every gene."""
    signs = rng.choice([-1.0, 1.0], (len(inputs.genes), 1 + shuffles))
    signs[:, 0] = 1
    return gene_draws(inputs, np.ones((len(inputs.genes), 1)), signs)


def expected_steps(
    odds: NDArray[np.float32],
    positions: NDArray[np.float64],
    block: slice | NDArray[np.intp],
    neighbors: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Return (cells, 2 or 3, samples) arrows of transition weights (cells, k, samples)."""
    arrows: NDArray[np.float32] = np.matmul(
        directions(positions, block, neighbors).swapaxes(1, 2), less_mean(odds, block, neighbors)
    )
    return arrows


def _product(values: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (cells, k, genes) times (genes, samples) as one matrix product, not one per cell."""
    flat = values.reshape(-1, values.shape[2]) @ weight
    return flat.reshape(*values.shape[:2], weight.shape[1])


def _variation(
    squares: NDArray[np.float32], sums: NDArray[np.float32], total: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the weighted sum of squared deviations from the weighted mean."""
    variation = squares - sums * sums / total
    return np.where(variation > ROUNDING * squares, variation, np.float32(0))
