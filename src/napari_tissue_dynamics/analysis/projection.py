"""Velocities as arrows in the tissue or in an embedding, on cells and on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_tissue_dynamics.analysis.transitions import (
    VelocityGraph,
    transition_weights,
    velocity_graph_steps,
)
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
    field: VelocityField, positions: NDArray[np.float64], *, neighbors: Neighbors = "tissue", k: int = 30
) -> Projection:
    """Project velocities on positions; see :func:`project_steps`."""
    return run_to_end(project_steps(field, positions, neighbors=neighbors, k=k))


def project_steps(
    field: VelocityField,
    positions: NDArray[np.float64],
    *,
    neighbors: Neighbors = "tissue",
    k: int = 30,
    stop: StopToken | None = None,
) -> Generator[Progress, None, Projection]:
    r"""Project velocities on positions.

    .. math:: V_i = \sum_j \left(T_{ij} - \bar T_i\right) \frac{p_j - p_i}{\lVert p_j - p_i \rVert}

    over the neighbors of the cell (La Manno et al. 2018; Bergen et al. 2020): the step expected under the
    transition weights minus the step expected without velocity. Every gene is divided by its largest moment
    first, so that a few strongly expressed genes do not decide alone. One factor for all cells brings the 95 %
    quantile of the lengths to three times the spacing of the cells; relative lengths carry meaning.

    Parameters
    ----------
    field
        The velocities.
    positions
        (cells, 2 or 3) positions in tissue or embedding.
    neighbors
        Whether the candidates are the nearest cells at these positions (``"tissue"``) or the most similar ones
        (``"expression"``: the model's embedding if it has one, else its moments).
    k
        Number of candidates.
    stop
        Ends the work early.

    Returns
    -------
    The arrows.

    Raises
    ------
    FitError
        If the work was ended early.
    """
    space = positions if neighbors == "tissue" else _expression_space(field)
    candidates, _ = knn(space, min(k, field.n_cells - 1))
    scale = np.maximum(field.moments_spliced.max(axis=0), np.finfo(np.float32).tiny)
    graph = yield from velocity_graph_steps(field.spliced / scale, field.moments_spliced / scale, candidates, stop)
    arrows = _expected_steps(graph, positions)
    return Projection(_scaled(arrows, positions), graph)


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
    _, distances = knn(positions, 1)
    above = distances[distances > 0]
    nearest = float(np.median(above)) if above.size else 0.0
    box = float(np.prod(np.ptp(positions, axis=0)))
    return max(nearest, EVEN_SHARE * (box / n_cells) ** (1 / n_dimensions)) or 1.0


def _expression_space(field: VelocityField) -> NDArray[np.float32]:
    return field.moments_spliced if field.embedding is None else field.embedding


def _expected_steps(graph: VelocityGraph, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = transition_weights(graph).astype(np.float64)
    weights -= weights.mean(axis=1, keepdims=True)
    arrows = np.zeros_like(positions)
    for column in range(graph.neighbors.shape[1]):  # one neighbor at a time: memory of a few columns only
        step = positions[graph.neighbors[:, column]] - positions
        length = np.linalg.norm(step, axis=1, keepdims=True)
        arrows += weights[:, [column]] * np.divide(step, length, out=np.zeros_like(step), where=length > 0)
    return arrows


def _scaled(arrows: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(arrows, axis=1)
    moving = lengths[lengths > 0]
    factor = ARROW_REACH * cell_spacing(positions) / np.quantile(moving, 0.95) if moving.size else 1.0
    return (arrows * factor).astype(np.float32)
