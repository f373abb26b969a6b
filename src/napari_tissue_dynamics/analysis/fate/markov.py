"""The Markov chain in which cells take steps to similar cells, where their velocity points and, a little, at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.analysis.arrows.transitions import SCALE
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph

Kernel: TypeAlias = Literal["exp", "expm1"]


def velocity_chain(graph: VelocityGraph, *, kernel: Kernel = "exp", scale: float = SCALE) -> sparse.csr_array:
    r"""Return the transition matrix along the velocity, rows summing to one.

    .. math:: T_{ij} \propto \exp(\text{scale}\,\pi_{ij})
              \quad\text{or}\quad T_{ij} \propto \operatorname{expm1}(\text{scale}\,\max(\pi_{ij}, 0))

    with the cosines :math:`\pi_{ij}` and the self transition :math:`\pi_{ii}` of the graph, which is large for a cell
    that no neighbor lies ahead of; where it is 0 a cell does not stay. The first is the chain of scVelo (Bergen et al.
    2020), with the kernel of La Manno et al. 2018 for :math:`\sigma = 1 / \text{scale}`; the second is that of scVelo
    without the graph of negative cosines.

    Parameters
    ----------
    graph
        Cosines of velocities with the steps to neighbors.
    kernel
        ``exp``: steps against the velocity have little weight. ``expm1``: they have none.
    scale
        How much more weight a step has that lies more in the direction of the velocity.

    Returns
    -------
    (n, n) float64. A cell that no step leads away from stays where it is.
    """
    weight = _odds(graph, kernel, scale)
    n, k = weight.shape
    rows = np.arange(0, n * k + 1, k)
    steps = sparse.csr_array((weight.ravel(), graph.neighbors.ravel().astype(np.int32), rows), shape=(n, n))
    steps.sum_duplicates()
    own = scale * graph.self_transition.astype(np.float64)
    stay = sparse.diags_array(np.where(own > 0, np.exp(own), 0) if kernel == "exp" else np.expm1(own))
    return row_stochastic(sparse.csr_array(steps + stay))


def diffusion_chain(neighbors: NDArray[np.integer]) -> sparse.csr_array:
    """Return the transition matrix of a random walk among similar cells, rows summing to one.

    A step to a cell is twice as likely where both are among the neighbors of each other.

    Parameters
    ----------
    neighbors
        (n, k) neighbors of every cell, the cell itself where it has fewer.

    Returns
    -------
    (n, n) float64. A cell without neighbors stays where it is.
    """
    n, k = neighbors.shape
    joined = (neighbors != np.arange(n)[:, None]).astype(np.float64)
    rows = np.arange(0, n * k + 1, k)
    directed = sparse.csr_array((joined.ravel(), neighbors.ravel().astype(np.int32), rows), shape=(n, n))
    directed.sum_duplicates()
    directed.data[:] = directed.data > 0
    return row_stochastic(sparse.csr_array(directed + directed.T))


def fate_chain(
    graph: VelocityGraph,
    *,
    kernel: Kernel = "exp",
    scale: float = SCALE,
    connectivity_weight: float = 0.2,
    backward: bool = False,
) -> sparse.csr_array:
    r"""Return the chain whose end states are fates, rows summing to one.

    .. math:: P = (1 - \lambda)\,T + \lambda\,T_\text{connectivities}

    with :func:`velocity_chain` and :func:`diffusion_chain` (Lange et al. 2022, Nat Methods 19:159): a little of the
    random walk keeps cells moving where noise makes a velocity point nowhere.

    Parameters
    ----------
    graph
        Cosines of velocities with the steps to neighbors.
    kernel, scale
        See :func:`velocity_chain`.
    connectivity_weight
        Share of the random walk, 0 to 1.
    backward
        Follow the velocity backward in time: to the cells that step to a cell, as often as they do.

    Returns
    -------
    (n, n) float64, about 60 entries in a row.

    Raises
    ------
    DataError
        If the share is not between 0 and 1, or a cosine is not finite.
    """
    if not 0 <= connectivity_weight <= 1:
        raise DataError(
            f"The share of the random walk is {connectivity_weight}; a value between 0 and 1 was expected, such as 0.2."
        )
    if not np.isfinite(graph.cosines).all():
        raise DataError("The velocity graph has values that are not finite numbers. Fit the velocity again.")
    along = velocity_chain(graph, kernel=kernel, scale=scale)
    if backward:
        along = row_stochastic(sparse.csr_array(along.T))
    if connectivity_weight == 0:
        return along
    walk = diffusion_chain(graph.neighbors)
    return sparse.csr_array((1 - connectivity_weight) * along + connectivity_weight * walk)


def row_stochastic(weights: sparse.csr_array) -> sparse.csr_array:
    """Return weights with rows divided by their sums; a row without weight gets all of it at its own place."""
    total = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
    empty = total <= 0
    scaled = sparse.csr_array(sparse.diags_array(1 / np.where(empty, 1.0, total)) @ weights)
    scaled.eliminate_zeros()
    return sparse.csr_array(scaled + sparse.diags_array(empty.astype(np.float64))) if empty.any() else scaled


def _odds(graph: VelocityGraph, kernel: Kernel, scale: float) -> NDArray[np.float64]:
    """Return (n, k) weights of steps before they are divided by their sum; 0 for the cell itself."""
    cosines = graph.cosines.astype(np.float64)
    odds = np.exp(scale * cosines) if kernel == "exp" else np.expm1(scale * np.maximum(cosines, 0))
    odds[graph.neighbors == np.arange(len(odds))[:, None]] = 0
    return odds
