"""How far arrows agree with the movement and the order that are known of a tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_tissue_dynamics.analysis.validation.benchmark_metrics import check_cells, check_finite, cosines, same_shape
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class BoundaryDirection(NamedTuple):
    """How well arrows cross the boundaries between groups of cells that follow each other.

    Parameters
    ----------
    edges
        Codes ``(from, to)`` of the groups on both sides of every boundary.
    values
        One mean cosine per edge in [-1, 1]; NaN where no cell of the first group has a neighbor in the second.
    """

    edges: tuple[tuple[int, int], ...]
    values: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean over the edges that have cells; NaN if none has."""
        known = self.values[np.isfinite(self.values)]
        return float(known.mean()) if known.size else float("nan")


def direction_accuracy(arrows: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    r"""Return how well arrows point where cells truly go.

    .. math:: \operatorname{mean}_i \cos(v_i, w_i)

    (the accuracy of 2-D velocities of Liu et al. 2026). A cell whose arrow or true movement is zero counts 0.

    Parameters
    ----------
    arrows, truth
        (cells, 2 or 3) in any unit; only directions count.

    Returns
    -------
    A number in [-1, 1].

    Raises
    ------
    DataError
        If the shapes disagree.
    """
    return float(cosines(*same_shape(arrows, truth, "arrows", "true movements")).mean())


def time_labels(time: NDArray[np.floating], n_bins: int = 5) -> tuple[NDArray[np.int32], tuple[tuple[int, int], ...]]:
    """Cut time into bins of equal width.

    Parameters
    ----------
    time
        (cells,) finite times.
    n_bins
        Number of bins.

    Returns
    -------
    labels, edges
        (cells,) bin of every cell, counted from 0, and the pairs of bins that follow each other.

    Raises
    ------
    DataError
        If a time is not finite or ``n_bins`` is below 1.
    """
    if n_bins < 1:
        raise DataError(f"{n_bins} bins of time were asked for; at least 1 is needed.")
    check_finite(time, "times")
    inner = np.linspace(time.min(), time.max(), n_bins + 1)[1:-1]
    labels = np.searchsorted(inner, time, side="right").astype(np.int32)
    return labels, tuple((i, i + 1) for i in range(n_bins - 1))


def cross_boundary_direction(
    arrows: NDArray[np.floating],
    positions: NDArray[np.floating],
    labels: NDArray[np.integer],
    edges: Sequence[tuple[int, int]],
    neighbors: NDArray[np.integer],
) -> BoundaryDirection:
    r"""Return how well arrows point across the boundaries between groups that follow each other.

    .. math:: \operatorname{mean}_{i \in A} \; \operatorname{mean}_{j \in N(i) \cap B} \cos(x_j - x_i, v_i)

    for every edge :math:`A \to B`, over the cells of A that have a neighbor in B (CBDir of Qiao and Huang 2021,
    PNAS 118:e2105859118). An arrow of zero, or a neighbor at the same place, counts 0.

    Parameters
    ----------
    arrows, positions
        (cells, 2 or 3) arrows and the positions they start at.
    labels
        (cells,) code of the group of every cell.
    edges
        Codes ``(from, to)`` of groups that follow each other.
    neighbors
        (cells, k) neighbors of every cell.

    Returns
    -------
    One value per edge, and their mean.

    Raises
    ------
    DataError
        If the shapes disagree.
    """
    v, x = same_shape(arrows, positions, "arrows", "positions")
    check_cells(len(v), labels=labels, neighbors=neighbors)
    values = [_across(v, x, labels, edge, neighbors) for edge in edges]
    return BoundaryDirection(tuple(edges), np.array(values, dtype=np.float64))


def in_cluster_coherence(
    arrows: NDArray[np.floating], labels: NDArray[np.integer], neighbors: NDArray[np.integer]
) -> float:
    r"""Return how well the arrows of neighbors of the same group agree.

    .. math:: \operatorname{mean}_A \; \operatorname{mean}_{i \in A} \;
              \operatorname{mean}_{j \in N(i) \cap A} \cos(v_i, v_j)

    (ICVCoh of Qiao and Huang 2021), over the cells with a neighbor in their own group.

    Parameters
    ----------
    arrows
        (cells, 2 or 3) arrows.
    labels
        (cells,) code of the group of every cell; cells below 0 have none and are left out.
    neighbors
        (cells, k) neighbors of every cell.

    Returns
    -------
    A number in [-1, 1]; NaN if no cell has a neighbor in its group.

    Raises
    ------
    DataError
        If the shapes disagree.
    """
    v = np.asarray(arrows, dtype=np.float64)
    check_cells(len(v), labels=labels, neighbors=neighbors)
    total, number = np.zeros(len(v)), np.zeros(len(v), dtype=np.int64)
    for column in neighbors.T:  # one neighbor at a time: memory of a few columns only
        same = labels[column] == labels
        total += np.where(same, cosines(v, v[column]), 0.0)
        number += same
    used = (number > 0) & (labels >= 0)
    if not used.any():
        return float("nan")
    _, group = np.unique(labels[used], return_inverse=True)
    return float((np.bincount(group, total[used] / number[used]) / np.bincount(group)).mean())


def _across(
    v: NDArray[np.float64],
    x: NDArray[np.float64],
    labels: NDArray[np.integer],
    edge: tuple[int, int],
    neighbors: NDArray[np.integer],
) -> float:
    rows = np.flatnonzero(labels == edge[0])
    places, columns = np.nonzero(labels[neighbors[rows]] == edge[1])
    if not places.size:
        return float("nan")
    i = rows[places]
    across = cosines(x[neighbors[i, columns]] - x[i], v[i])
    number = np.bincount(places)
    return float((np.bincount(places, across)[number > 0] / number[number > 0]).mean())
