"""How much the direction of an arrow depends on which genes were measured, and how far similar cells agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.gene_bootstrap import TINY, expected_steps, gene_draws
from napari_tissue_dynamics.analysis.arrows.transitions import blocks, centered, signed_odds
from napari_tissue_dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
    from napari_tissue_dynamics.progress import StopToken


@dataclass(frozen=True, slots=True, eq=False)
class DirectionSpread:
    """How far the arrows of a cell agree over samples of the genes.

    Parameters
    ----------
    agreement
        (cells,) float32 length of the mean of the unit arrows: 1 where all samples of genes point the same way,
        near 0 where they point anywhere or there is no arrow.
    degrees
        (cells,) float32 mean angle between the arrow of a sample and the mean direction, 0 to 180; 90 is what
        random directions have.
    """

    agreement: NDArray[np.float32]
    degrees: NDArray[np.float32]


def direction_spread_steps(
    inputs: ArrowInputs,
    positions: NDArray[np.float64],
    neighbors: NDArray[np.int32],
    *,
    samples: int = 32,
    seed: int = 0,
    stop: StopToken | None = None,
) -> Generator[Progress, None, DirectionSpread]:
    """Bootstrap the directions of the arrows over genes.

    Each sample draws every gene a Poisson number of times with mean one (the Poisson bootstrap, Hanley and
    MacGibbon 2006), a weight on genes. Arrows follow as in :func:`~.projection.project`;
    only their directions are kept, and the length of the mean of the unit arrows (the mean resultant length of
    directional statistics, Mardia and Jupp 2000).
    Smoothing makes genes look alike in neighboring cells, not across genes, so genes are what is drawn; genes of one
    programme still vary together, and the agreement is then too high.

    Parameters
    ----------
    inputs
        The velocities; the weight of a gene multiplies the drawn weights.
    positions
        (cells, 2 or 3) positions that the arrows live in.
    neighbors
        (cells, k) candidates of every cell, those of the projection.
    samples
        Number of bootstrap samples.
    seed
        Seed of the samples.
    stop
        Ends the work early.

    Returns
    -------
    Agreement and angle of every cell. Memory beyond copies of velocities and moments does not grow with the
    number of cells.

    Raises
    ------
    DataError
        If no gene can be used.
    FitError
        If the work was ended early.
    """
    n_genes = len(inputs.genes)
    draws = gene_draws(inputs, np.random.default_rng(seed).poisson(1.0, (n_genes, samples)).astype(np.float32))
    n_cells, k = neighbors.shape
    agreement, degrees = np.zeros((2, n_cells), dtype=np.float32)
    for block in blocks(n_cells, k * n_genes, stop):
        odds = signed_odds(draws.cosines(block, neighbors))
        agreement[block], degrees[block] = _directional(expected_steps(odds, positions, block, neighbors))
        yield Progress("uncertainty of arrows", block.stop, n_cells, block.stop / n_cells)
    return DirectionSpread(agreement, degrees)


def _directional(arrows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return agreement and mean angle of arrows (cells, 2 or 3, samples)."""
    lengths = np.linalg.norm(arrows, axis=1, keepdims=True)
    units = np.divide(arrows, lengths, out=np.zeros_like(arrows), where=lengths > TINY)
    mean = units.mean(axis=2)
    agreement = np.linalg.norm(mean, axis=1)
    towards = np.divide(mean, agreement[:, None], out=np.zeros_like(mean), where=agreement[:, None] > TINY)
    angles = np.arccos(np.clip(np.einsum("ids,id->is", units, towards), -1, 1))
    return agreement, np.degrees(angles).mean(axis=1)


def confidence(velocity: NDArray[np.float32], neighbors: NDArray[np.int32]) -> NDArray[np.float32]:
    r"""Return the agreement of every cell's velocity with those of its neighbors.

    .. math:: c_i = \operatorname{mean}_j \operatorname{corr}_g(v_{ig}, v_{jg})

    Parameters
    ----------
    velocity
        (cells, genes) velocities; genes with a value that is not finite are excluded.
    neighbors
        (cells, k) neighbors of every cell.

    Returns
    -------
    (cells,) float32 in [-1, 1]; 0 for a cell without velocity.
    """
    v = centered(velocity, np.flatnonzero(np.isfinite(velocity).all(axis=0)))
    lengths = np.linalg.norm(v, axis=1, keepdims=True)
    v = np.divide(v, lengths, out=np.zeros_like(v), where=lengths > np.finfo(np.float32).tiny)
    n_cells, k = neighbors.shape
    result = np.empty(n_cells, dtype=np.float32)
    for block in blocks(n_cells, k * v.shape[1]):
        around = v[neighbors[block]].mean(axis=1)  # the mean of products with one vector is a product with the mean
        result[block] = np.einsum("ig,ig->i", around, v[block])
    return result
