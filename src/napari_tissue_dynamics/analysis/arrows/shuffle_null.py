"""Which arrows are longer than velocities without meaning would draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_tissue_dynamics.analysis.arrows.gene_bootstrap import TINY, expected_steps, sign_draws
from napari_tissue_dynamics.analysis.arrows.transitions import SCALE, blocks, signed_odds
from napari_tissue_dynamics.data.velocity_checks import LEVEL
from napari_tissue_dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.progress import StopToken

    # Some cells to their cosines, (cells, k, 1 + shuffles), those of the velocity itself first.
    Cosines = Callable[[slice], NDArray[np.float32]]

Shuffle = Literal["signs", "cells"]


@dataclass(frozen=True, slots=True, eq=False)
class ArrowNull:
    """How every arrow compares with those of shuffled velocities.

    Parameters
    ----------
    length
        (cells,) float32 length of the arrow before it is scaled for drawing, 0 to 1.
    limit
        (cells,) float32 95 % quantile of the lengths that shuffled velocities give the same cell.
    p_value
        (cells,) float32 share of lengths, the cell's own included, that reach its own.
    shuffle
        What was shuffled.
    shuffles
        How often.
    """

    length: NDArray[np.float32]
    limit: NDArray[np.float32]
    p_value: NDArray[np.float32]
    shuffle: Shuffle
    shuffles: int

    @property
    def above(self) -> NDArray[np.bool_]:
        """(cells,) whether the arrow is longer than 95 % of those of shuffled velocities."""
        above: NDArray[np.bool_] = self.p_value <= LEVEL
        return above

    @property
    def fraction_above(self) -> float:
        """Share of the cells whose arrow is above the null's 95 %; 0.05 is what noise reaches."""
        return float(self.above.mean())


def arrow_null_steps(
    inputs: ArrowInputs,
    positions: NDArray[np.float64],
    graph: VelocityGraph,
    *,
    shuffle: Shuffle = "signs",
    shuffles: int = 99,
    seed: int = 0,
    stop: StopToken | None = None,
) -> Generator[Progress, None, ArrowNull]:
    r"""Compare arrows with those of shuffled velocities.

    Steps to neighbors have structure of their own, and arrows of noise look smooth where moments are smooth. So the
    velocities are shuffled, the steps are kept, and every cell is compared with its own arrows:

    ``"signs"``
        the velocity of every gene keeps its size and gets a random sign, the same in all cells. Does the cell's
        velocity agree with its surroundings, gene by gene, more than by chance? Genes do not trade places, as one
        that varies more would then lend its weight to another.
    ``"cells"``
        every cell gets the velocity of another. Does the cell's arrow need this very velocity, or would the
        common trend of all cells do?

    The statistic is the length of the arrow before scaling, with the cells' weight of staying measured against the
    cosines of the observed graph. The p-value is :math:`(1 + \#\{\text{null} \ge \text{observed}\})/(1 + R)`.

    Parameters
    ----------
    inputs
        The velocities.
    positions
        (cells, 2 or 3) positions that the arrows live in.
    graph
        The graph behind the arrows.
    shuffle
        What to shuffle.
    shuffles
        Number :math:`R` of shuffles; with 99 the 5 % level is exact.
    seed
        Seed of the shuffles.
    stop
        Ends the work early.

    Returns
    -------
    Length, limit and p-value of every cell. Memory beyond copies of velocities and moments does not grow with
    the number of cells.

    Raises
    ------
    DataError
        If no gene can be used.
    FitError
        If the work was ended early.
    """
    n_cells, k = graph.neighbors.shape
    cosines = _COSINES[shuffle](inputs, graph.neighbors, shuffles, np.random.default_rng(seed))
    bound = graph.bound
    length, limit, p_value = np.empty((3, n_cells), dtype=np.float32)
    for block in blocks(n_cells, max(k, shuffles) * len(inputs.genes), stop):
        lengths = _lengths(cosines(block), positions, block, graph.neighbors, bound)
        observed, null = lengths[:, :1], lengths[:, 1:]
        length[block] = observed[:, 0]
        limit[block] = np.quantile(null, 1 - LEVEL, axis=1)
        p_value[block] = (1 + (null >= observed).sum(axis=1)) / (1 + shuffles)
        yield Progress("shuffled arrows", block.stop, n_cells, block.stop / n_cells)
    return ArrowNull(length, limit, p_value, shuffle, shuffles)


def _with_signs(inputs: ArrowInputs, neighbors: NDArray[np.int32], shuffles: int, rng: np.random.Generator) -> Cosines:
    draws = sign_draws(inputs, shuffles, rng)
    return lambda block: draws.cosines(block, neighbors)


def _of_other_cells(
    inputs: ArrowInputs, neighbors: NDArray[np.int32], shuffles: int, rng: np.random.Generator
) -> Cosines:
    v, x = inputs.weighted
    v = v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), TINY)
    # Rotations of one random order are permutations too, and need one number each instead of one per cell.
    order = rng.permutation(len(v))
    place = np.argsort(order)
    turns = np.concatenate([[0], rng.integers(1, max(len(v), 2), shuffles)])

    def cosines(block: slice) -> NDArray[np.float32]:
        steps = x[neighbors[block]]
        steps -= x[block, None, :]
        velocities = v[order[(place[block, None] + turns) % len(v)]]
        products = np.matmul(steps, velocities.swapaxes(1, 2))
        lengths = np.sqrt(np.einsum("ikg,ikg->ik", steps, steps))[:, :, None]
        result: NDArray[np.float32] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > TINY)
        return result

    return cosines


_COSINES = {"signs": _with_signs, "cells": _of_other_cells}


def _lengths(
    cosines: NDArray[np.float32],
    positions: NDArray[np.float64],
    block: slice,
    neighbors: NDArray[np.int32],
    bound: float,
) -> NDArray[np.float32]:
    """Return (cells, shuffles) lengths of arrows."""
    present = neighbors[block] != np.arange(len(neighbors), dtype=np.int32)[block, None]
    best = np.where(present[:, :, None], cosines, np.float32(-1)).max(axis=1)
    odds = signed_odds(cosines)
    total = np.abs(odds).sum(axis=1) + np.expm1(SCALE * np.clip(bound - best, 0, 1))
    arrows = expected_steps(odds, positions, block, neighbors)
    lengths: NDArray[np.float32] = (np.linalg.norm(arrows, axis=1) / np.maximum(total, TINY)).astype(np.float32)
    return lengths
