"""How well the step to each neighboring cell agrees with a cell's velocity, and what follows for where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress, run_to_end, stopped

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import StopToken

# Largest block of cells × neighbors × genes held at once, in numbers of four bytes.
BLOCK = 25_000_000


@dataclass(frozen=True, slots=True, eq=False)
class VelocityGraph:
    """Cosines between velocities and the steps to neighboring cells.

    Parameters
    ----------
    neighbors
        (cells, k) int, the neighbors of every cell, itself excluded.
    cosines
        (cells, k) float32, Pearson correlation over genes of the cell's velocity and the difference in
        expression to the neighbor; 0 where either is constant.
    """

    neighbors: NDArray[np.int32]
    cosines: NDArray[np.float32]

    @property
    def self_transition(self) -> NDArray[np.float32]:
        """(cells,) weight of staying, large for a cell whose best neighbor agrees less than others' do.

        The 98 % quantile over cells of the best cosine, minus the cell's own, clipped to [0, 1], as in scVelo.
        """
        best = self.cosines.max(axis=1)
        stay: NDArray[np.float32] = np.clip(np.quantile(best, 0.98) - best, 0, 1).astype(np.float32)
        return stay


def velocity_graph(
    velocity: NDArray[np.float32], expression: NDArray[np.float32], neighbors: NDArray[np.int32]
) -> VelocityGraph:
    """Correlate every cell's velocity with the steps to its neighbors; see :func:`velocity_graph_steps`."""
    return run_to_end(velocity_graph_steps(velocity, expression, neighbors))


def velocity_graph_steps(
    velocity: NDArray[np.float32],
    expression: NDArray[np.float32],
    neighbors: NDArray[np.int32],
    stop: StopToken | None = None,
) -> Generator[Progress, None, VelocityGraph]:
    r"""Correlate every cell's velocity with the steps to its neighbors, block by block.

    .. math:: \pi_{ij} = \operatorname{corr}_g(x_{jg} - x_{ig},\; v_{ig})

    (Bergen et al. 2020, Nat Biotechnol 38:1408). Memory is bounded whatever the number of cells.

    Parameters
    ----------
    velocity, expression
        (cells, genes) velocity and expression in the same unit; genes with a value that is not finite are left out.
    neighbors
        (cells, k) neighbors of every cell.
    stop
        Ends the work early.

    Returns
    -------
    The cosines.

    Raises
    ------
    DataError
        If no gene is finite in all cells.
    FitError
        If the work was ended early.
    """
    finite = np.logical_and(np.isfinite(velocity).all(axis=0), np.isfinite(expression).all(axis=0))
    if not finite.any():
        raise DataError(
            f"None of the {finite.size} genes has a velocity and an expression that are finite in every cell. "
            "Remove the cells without values, or fit the velocity again."
        )
    v, x = _centered(velocity, finite), _centered(expression, finite)
    n_cells, k = neighbors.shape
    cosines = np.zeros((n_cells, k), dtype=np.float32)
    rows = max(1, BLOCK // max(1, k * v.shape[1]))
    for start in range(0, n_cells, rows):
        if stopped(stop):
            raise FitError("The run was stopped before its arrows were complete; earlier results are unchanged.")
        block = slice(start, min(start + rows, n_cells))
        steps = x[neighbors[block]]
        steps -= x[block, None, :]
        cosines[block] = _cosines(v[block], steps)
        yield Progress("velocity graph", block.stop, n_cells, block.stop / n_cells)
    return VelocityGraph(neighbors, cosines)


def transition_weights(graph: VelocityGraph, scale: float = 10.0) -> NDArray[np.float32]:
    r"""Return (cells, k) signed transition weights, positive towards where the velocity points.

    .. math:: T_{ij} = \pm\operatorname{expm1}(\text{scale}\,|\pi_{ij}|) \big/
              \left(\sum_j |\cdot| + \operatorname{expm1}(\text{scale}\,\pi_{ii})\right)

    with the self transition :math:`\pi_{ii}` of the graph (the form of scVelo). Absolute values of a row sum to at
    most one.
    """
    weights = np.sign(graph.cosines) * np.expm1(scale * np.abs(graph.cosines))
    total = np.abs(weights).sum(axis=1) + np.expm1(scale * graph.self_transition)
    result: NDArray[np.float32] = (weights / np.maximum(total, 1e-12)[:, None]).astype(np.float32)
    return result


def _centered(values: NDArray[np.float32], genes: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return every cell minus its mean over ``genes``; differences of centered cells are centered too."""
    kept = np.asarray(values if genes.all() else values[:, genes], dtype=np.float32)
    centered: NDArray[np.float32] = kept - kept.mean(axis=1, keepdims=True)
    return centered


def _cosines(v: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (cells, k) cosines of ``v`` (cells, genes) with ``steps`` (cells, k, genes)."""
    products = np.einsum("ikg,ig->ik", steps, v, optimize=True)
    lengths = np.sqrt(np.einsum("ikg,ikg->ik", steps, steps)) * np.linalg.norm(v, axis=1)[:, None]
    result: NDArray[np.float32] = np.divide(
        products, lengths, out=np.zeros_like(products), where=lengths > np.finfo(np.float32).tiny
    )
    return result
