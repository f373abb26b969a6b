"""How well the step to each neighboring cell agrees with a cell's velocity, and what follows for where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress, run_to_end, stopped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import StopToken

# Largest block of cells × neighbors × genes held at once, in numbers of four bytes: what fits into a processor's
# cache is several times faster than what does not.
BLOCK = 1_000_000
# The steepness of the transition weights, as in scVelo.
SCALE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class VelocityGraph:
    """Cosines between velocities and the steps to neighboring cells.

    Parameters
    ----------
    neighbors
        (cells, k) int, the neighbors of every cell. The cell itself stands where it has fewer than ``k``.
    cosines
        (cells, k) float32, Pearson correlation over genes of the cell's velocity and the difference in
        expression to the neighbor; 0 where either is constant.
    """

    neighbors: NDArray[np.int32]
    cosines: NDArray[np.float32]

    @property
    def best(self) -> NDArray[np.float32]:
        """(cells,) the largest cosine of every cell; -1 for a cell without neighbors."""
        present = self.neighbors != np.arange(len(self.neighbors))[:, None]
        best: NDArray[np.float32] = np.where(present, self.cosines, np.float32(-1)).max(axis=1)
        return best

    @property
    def bound(self) -> float:
        """The 98 % quantile over cells of the best cosine."""
        return float(np.quantile(self.best, 0.98))

    @property
    def self_transition(self) -> NDArray[np.float32]:
        """(cells,) weight of staying, large for a cell whose best neighbor agrees less than others' do.

        The 98 % quantile over cells of the best cosine, minus the cell's own, or 0 if that is below, clipped to [0, 1],
        as in scVelo.
        """
        stay: NDArray[np.float32] = np.clip(self.bound - np.maximum(self.best, 0), 0, 1).astype(np.float32)
        return stay


def velocity_graph(
    velocity: NDArray[np.float32],
    expression: NDArray[np.float32],
    neighbors: NDArray[np.int32],
    weight: NDArray[np.floating] | None = None,
) -> VelocityGraph:
    """Correlate every cell's velocity with the steps to its neighbors; see :func:`velocity_graph_steps`."""
    return run_to_end(velocity_graph_steps(velocity, expression, neighbors, weight=weight))


def velocity_graph_steps(
    velocity: NDArray[np.float32],
    expression: NDArray[np.float32],
    neighbors: NDArray[np.int32],
    stop: StopToken | None = None,
    *,
    weight: NDArray[np.floating] | None = None,
) -> Generator[Progress, None, VelocityGraph]:
    r"""Correlate every cell's velocity with the steps to its neighbors, block by block.

    .. math:: \pi_{ij} = \operatorname{corr}_g(x_{jg} - x_{ig},\; v_{ig})

    (Bergen et al. 2020, Nat Biotechnol 38:1408). Memory is bounded whatever the number of cells. With weights
    :math:`w_g` every mean over genes is a weighted one: velocities and steps, less their weighted means, are
    multiplied by :math:`\sqrt{w_g}`. A gene of weight two counts as if it were there twice, one of weight zero as
    if it were not there.

    Parameters
    ----------
    velocity, expression
        (cells, genes) velocity and expression in the same unit; genes with a value that is not finite are excluded.
    neighbors
        (cells, k) neighbors of every cell.
    stop
        Ends the work early.
    weight
        (genes,) how much every gene counts, 0 or more; None for all the same.

    Returns
    -------
    The cosines.

    Raises
    ------
    DataError
        If no gene is finite in all cells and has a weight above zero.
    FitError
        If the work was ended early.
    """
    kept = usable_genes(velocity, expression, weight)
    root = None if weight is None else np.sqrt(weight[kept]).astype(np.float32)
    return (yield from cosines_steps(centered(velocity, kept, root), centered(expression, kept, root), neighbors, stop))


def cosines_steps(
    v: NDArray[np.float32], x: NDArray[np.float32], neighbors: NDArray[np.int32], stop: StopToken | None
) -> Generator[Progress, None, VelocityGraph]:
    """Return the graph of velocities and expression that are :func:`centered` already, (cells, genes) each."""
    n_cells, k = neighbors.shape
    cosines = np.zeros((n_cells, k), dtype=np.float32)
    for block in blocks(n_cells, k * v.shape[1], stop):
        steps = x[neighbors[block]]
        steps -= x[block, None, :]
        cosines[block] = _cosines(v[block], steps)
        yield Progress("velocity graph", block.stop, n_cells, block.stop / n_cells)
    return VelocityGraph(neighbors, cosines)


def transition_weights(graph: VelocityGraph, scale: float = SCALE) -> NDArray[np.float32]:
    r"""Return (cells, k) signed transition weights, positive towards where the velocity points.

    .. math:: T_{ij} = \pm\operatorname{expm1}(\text{scale}\,|\pi_{ij}|) \big/
              \left(\sum_j |\cdot| + \operatorname{expm1}(\text{scale}\,\pi_{ii})\right)

    with the self transition :math:`\pi_{ii}` of the graph (the form of scVelo). Absolute values of a row sum to at
    most one.
    """
    weights = signed_odds(graph.cosines, scale)
    total = np.abs(weights).sum(axis=1) + np.expm1(scale * graph.self_transition)
    result: NDArray[np.float32] = (weights / np.maximum(total, 1e-12)[:, None]).astype(np.float32)
    return result


def signed_odds(cosines: NDArray[np.float32], scale: float = SCALE) -> NDArray[np.float32]:
    """Return the transition weights of cosines before they are divided by their sum."""
    odds = np.expm1(scale * np.abs(cosines))
    return np.copysign(odds, cosines, out=odds)


def usable_genes(
    velocity: NDArray[np.float32], expression: NDArray[np.float32], weight: NDArray[np.floating] | None
) -> NDArray[np.intp]:
    """Return the genes that are finite in every cell and have a weight above zero.

    Raises
    ------
    DataError
        If there is none.
    """
    # A sum is finite only if all of its terms are; no mask of cells × genes is needed.
    usable = np.isfinite(velocity.sum(axis=0, dtype=np.float64)) & np.isfinite(expression.sum(axis=0, dtype=np.float64))
    if weight is not None:
        usable &= weight > 0
    if not usable.any():
        raise DataError(
            f"None of the {usable.size} genes has a velocity and an expression that are finite in every cell"
            f"{'' if weight is None else ' and a weight above zero'}. "
            "Remove the cells without values, or fit the velocity again."
        )
    return np.flatnonzero(usable)


def centered(
    values: NDArray[np.float32], genes: NDArray[np.intp], root: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return every cell minus its mean over ``genes``; differences of centered cells are centered too.

    With ``root``, the square roots of weights, the mean is weighted and the result multiplied by them.
    """
    # Rows are gathered by the million later, so they must lie in one piece; an index would put columns first.
    all_kept = len(genes) == values.shape[-1]
    kept = np.ascontiguousarray(values if all_kept else np.take(values, genes, axis=-1), dtype=np.float32)
    if root is None:
        return kept - kept.mean(axis=-1, keepdims=True)
    share = root**2 / np.sum(root**2)
    return (kept - (kept @ share)[..., None]) * root


def blocks(n_cells: int, size: int, stop: StopToken | None = None) -> Iterator[slice]:
    """Yield slices of cells such that a block holds at most about ``BLOCK`` numbers, ``size`` for every cell.

    Raises
    ------
    FitError
        If the work is to end.
    """
    rows = max(1, BLOCK // max(1, size))
    for start in range(0, n_cells, rows):
        if stopped(stop):
            raise FitError("The run was stopped before its arrows were complete; earlier results are unchanged.")
        yield slice(start, min(start + rows, n_cells))


def _cosines(v: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (cells, k) cosines of ``v`` (cells, genes) with ``steps`` (cells, k, genes)."""
    products = np.matmul(steps, v[:, :, None])[..., 0]
    lengths = np.sqrt(np.einsum("ikg,ikg->ik", steps, steps)) * np.linalg.norm(v, axis=1)[:, None]
    result: NDArray[np.float32] = np.divide(
        products, lengths, out=np.zeros_like(products), where=lengths > np.finfo(np.float32).tiny
    )
    return result
