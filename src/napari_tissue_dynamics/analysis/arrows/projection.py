"""Velocities as arrows in the tissue or in an embedding, on cells and on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.spatial import cKDTree

from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph, blocks, transition_weights
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.neighbors import knn
from napari_tissue_dynamics.progress import Progress, run_to_end

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken

Neighbors = Literal["tissue", "expression"]

# The 95 % quantile of the arrow lengths, in spacings of the cells.
ARROW_REACH = 3.0
EVEN_SHARE = 0.35
# Cells of the same label count as near up to this multiple of the distance to the k-th nearest cell of any label.
REACH_WITHIN = 2.0
# Similar cells are evenly thinned from the most similar ones, at most among this share of all cells.
MOST_SPREAD, SHARE_OF_CELLS = 4, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionConfig:
    """Settings of the projection of velocities to arrows.

    Parameters
    ----------
    neighbors
        Candidate target cells of each cell: nearest in the ``tissue`` or most similar in ``expression``; ``auto``
        uses the tissue if available.
    within
        Arrows may point ``anywhere``, or only to cells of the same ``expert`` or ``cell type``.
    """

    neighbors: Literal["auto", "tissue", "expression"] = "auto"
    within: Literal["anywhere", "expert", "cell type"] = "anywhere"


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Arrows on cells and the graph they come from.

    Parameters
    ----------
    arrows
        (cells, 2 or 3) float32, displacement of every cell in the unit of the positions.
    graph
        Neighbors and cosines behind the arrows.
    """

    arrows: NDArray[np.float32]
    graph: VelocityGraph


@dataclass(frozen=True, slots=True, eq=False)
class GridField:
    """A smoothed field on the nodes of a regular grid that lie among cells.

    Parameters
    ----------
    positions, arrows
        (nodes, 2 or 3) float32, (x, y[, z]) and the displacement there.
    spacing
        Distance of neighboring nodes.
    """

    positions: NDArray[np.float32]
    arrows: NDArray[np.float32]
    spacing: float


def project(
    field: VelocityField,
    positions: NDArray[np.float64],
    *,
    neighbors: Neighbors = "tissue",
    k: int = 30,
    within: NDArray[np.integer] | None = None,
) -> Projection:
    """Project velocities on positions; see :func:`project_steps`."""
    return run_to_end(project_steps(ArrowInputs.of(field), positions, neighbors=neighbors, k=k, within=within))


def project_steps(
    inputs: ArrowInputs,
    positions: NDArray[np.float64],
    *,
    neighbors: Neighbors = "tissue",
    k: int = 30,
    within: NDArray[np.integer] | None = None,
    stop: StopToken | None = None,
) -> Generator[Progress, None, Projection]:
    r"""Project velocities on positions.

    .. math:: V_i = \sum_j \left(T_{ij} - \bar T_i\right) \frac{p_j - p_i}{\lVert p_j - p_i \rVert}

    over the neighbors of the cell (La Manno et al. 2018; Bergen et al. 2020): the step expected under the
    transition weights minus the step expected without velocity. Every gene is divided by its largest moment
    first, so that a few strongly expressed genes do not decide alone; then it counts as much as the field's
    ``gene_weight`` says. One factor for all cells brings the 95 % quantile of the lengths to three times the
    spacing of the cells; relative lengths carry meaning.

    Parameters
    ----------
    inputs
        The velocities.
    positions
        (cells, 2 or 3) positions in tissue or embedding.
    neighbors
        Whether the candidates are the nearest cells at these positions (``"tissue"``) or the most similar ones
        (``"expression"``, see :func:`.expression_space`).
    k
        Number of candidates.
    within
        (cells,) label of every cell, an expert or a region: arrows do not cross from one label to another; see
        :func:`candidates`. None lets all cells be candidates.
    stop
        Ends the work early.

    Returns
    -------
    The arrows.

    Raises
    ------
    DataError
        If there is not one label per cell.
    FitError
        If the work was ended early.
    """
    near = candidates(positions if neighbors == "tissue" else inputs.space, k, within)
    graph = yield from inputs.graph_steps(near, stop)
    return Projection(arrows_along(graph, positions), graph)


def arrows_along(graph: VelocityGraph, positions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the arrows that a graph gives on positions, (cells, 2 or 3), scaled as :func:`project_steps` says.

    One graph of similar cells serves all embeddings.
    """
    return _scaled(_expected_steps(graph, positions), positions)


def candidates(space: NDArray[np.floating], k: int, within: NDArray[np.integer] | None = None) -> NDArray[np.int32]:
    """Return the cells that every cell may step to.

    Parameters
    ----------
    space
        (cells, dimensions) where the cells lie.
    k
        Most candidates of a cell.
    within
        (cells,) labels. The candidates are then the nearest cells of the same label, up to ``k``, no farther away
        than twice the distance to the ``k``-th nearest cell of any label: arrows stay local and cross no border.

    Returns
    -------
    (cells, k) indices. The cell itself stands in places that no candidate fills; a cell with no other gets no arrow.

    Raises
    ------
    DataError
        If there is not one label per cell.
    """
    near, distances = knn(space, min(k, len(space) - 1))
    if within is None:
        return near
    if within.shape != (len(space),):
        raise DataError(f"The labels are {within.shape}; ({len(space)},) was expected, one per cell.")
    reach = REACH_WITHIN * distances[:, -1]
    inside = np.tile(np.arange(len(space), dtype=np.int32)[:, None], near.shape[1])
    for label in np.unique(within):
        members = np.flatnonzero(within == label).astype(np.int32)
        others, away = knn(space[members], k)
        found = np.where(away <= reach[members, None], members[others], members[:, None])
        inside[members, : found.shape[1]] = found
    return inside


def similar_cells(inputs: ArrowInputs, k: int) -> NDArray[np.int32]:
    """Return the cells that every cell may become, (cells, at most k) indices, spread over those like it.

    Of the most similar cells only every fourth is taken, in small data every third, second or all: the moments of the
    very nearest cells are nearly the same, and the steps to them are noise more than direction. On simulated lineage
    trees the most likely next cell is right far more often, and it costs no more (``docs/kinetic-models.md``).
    """
    space = inputs.space
    every = int(np.clip(len(space) // (SHARE_OF_CELLS * k), 1, MOST_SPREAD))
    return np.ascontiguousarray(candidates(space, every * k)[:, every - 1 :: every])


def directions(
    positions: NDArray[np.float64], cells: slice | NDArray[np.intp], neighbors: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return (cells, k, 2 or 3) unit vectors from some cells to their neighbors; zero where both are at one place."""
    steps = positions[neighbors[cells]] - positions[cells, None, :]
    lengths = np.linalg.norm(steps, axis=2, keepdims=True)
    units = np.divide(steps, lengths, out=np.zeros_like(steps), where=lengths > 0)
    return units.astype(np.float32)


def less_mean(
    weights: NDArray[np.float32], cells: slice | NDArray[np.intp], neighbors: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return weights (cells, k, ...) of steps minus their mean over the candidates that are there."""
    own = np.arange(len(neighbors), dtype=np.int32)[cells, None]
    count = np.maximum((neighbors[cells] != own).sum(axis=1), 1).astype(np.float32)
    mean = weights.sum(axis=1, keepdims=True) / count.reshape(-1, *(1,) * (weights.ndim - 1))
    return weights - mean


def on_grid(
    positions: NDArray[np.float64],
    arrows: NDArray[np.float32],
    *,
    nodes: int = 30,
    smoothing: float = 0.5,
    min_mass: float = 0.1,
) -> GridField:
    """Smooth arrows with a Gaussian onto a regular grid.

    Parameters
    ----------
    positions, arrows
        (cells, 2 or 3) where the cells are and where they go.
    nodes
        Number of nodes along the longest side.
    smoothing
        Standard deviation of the Gaussian in distances between nodes.
    min_mass
        Nodes whose summed weight is below this share of the 95 % quantile lie outside the cells and are dropped.

    Returns
    -------
    The nodes among cells and their arrows, scaled so that the longest arrow spans the distance of two nodes.
    """
    from scipy.spatial import cKDTree

    low, high = positions.min(axis=0), positions.max(axis=0)
    spacing = float((high - low).max()) / max(nodes - 1, 1) or 1.0
    axes = [np.arange(start, end + spacing / 2, spacing) for start, end in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, positions.shape[1])
    sigma = smoothing * spacing
    pairs = cKDTree(grid).sparse_distance_matrix(cKDTree(positions), 3 * sigma, output_type="coo_matrix").tocsr()
    pairs.data = np.exp(-0.5 * (pairs.data / sigma) ** 2)
    mass = np.asarray(pairs.sum(axis=1)).ravel()
    occupied = mass > 0
    keep = occupied & (mass >= min_mass * np.quantile(mass[occupied], 0.95)) if occupied.any() else occupied
    smooth = (pairs @ arrows)[keep] / mass[keep, None]
    longest = np.linalg.norm(smooth, axis=1).max(initial=0.0)
    factor = spacing / longest if longest > 0 else 1.0
    return GridField(grid[keep].astype(np.float32), (smooth * factor).astype(np.float32), spacing)


def cell_spacing(positions: NDArray[np.float64]) -> float:
    """Return a typical distance between cells, to size points and arrows by.

    The median distance to the nearest other cell; but where cells crowd in clumps, as in embeddings, at least 0.35
    of the distance that as many cells would have if they filled the bounding box evenly. 1.0 for a single cell.
    """
    n_cells, n_dimensions = positions.shape
    if n_cells < 2:
        return 1.0
    tree = cKDTree(positions, balanced_tree=False, compact_nodes=False)
    distances = np.asarray(tree.query(positions, k=2)[0])[:, 1]
    above = distances[distances > 0]
    nearest = float(np.median(above)) if above.size else 0.0
    box = float(np.prod(np.ptp(positions, axis=0)))
    return max(nearest, EVEN_SHARE * (box / n_cells) ** (1 / n_dimensions)) or 1.0


def _expected_steps(graph: VelocityGraph, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = transition_weights(graph)
    arrows = np.zeros_like(positions)
    for cells in blocks(len(positions), positions.shape[1] * weights.shape[1]):
        surplus = less_mean(weights[cells], cells, graph.neighbors)
        arrows[cells] = np.einsum("ik,ikd->id", surplus, directions(positions, cells, graph.neighbors))
    return arrows


def _scaled(arrows: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(arrows, axis=1)
    moving = lengths[lengths > 0]
    factor = ARROW_REACH * cell_spacing(positions) / np.quantile(moving, 0.95) if moving.size else 1.0
    return (arrows * factor).astype(np.float32)
