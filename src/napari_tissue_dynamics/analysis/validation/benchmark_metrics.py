"""How far arrows, time and groups agree with what is known of a tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.transitions import BLOCK
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Two cells are always in perfect order, the right one or the wrong one: they say nothing about a clock.
FEWEST_CELLS_OF_A_GROUP = 3


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryDirection:
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


@dataclass(frozen=True, slots=True)
class TimeAgreement:
    """Rank correlations of a latent time with the true one.

    Parameters
    ----------
    overall
        Over all cells; 0 if either is the same in every cell.
    within
        Mean over the groups of cells, or None without groups.
    """

    overall: float
    within: float | None = None


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
    return float(_cosines(*_same_shape(arrows, truth, "arrows", "true movements")).mean())


def gene_cosine(velocity: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    r"""Return how well velocities agree with true ones over all genes.

    .. math:: \operatorname{mean}_i \frac{\sum_g v_{ig} w_{ig}}{\lVert v_i \rVert \lVert w_i \rVert}

    Genes with large numbers decide: bring the genes to one scale first. Genes with a value that is not finite
    are left out; a cell without velocity counts 0.

    Parameters
    ----------
    velocity, truth
        (cells, genes) in the same unit per gene.

    Returns
    -------
    A number in [-1, 1].

    Raises
    ------
    DataError
        If the shapes disagree or no gene is finite in all cells.
    """
    _check_shapes(velocity, truth, "velocities", "true velocities")
    finite = np.isfinite(velocity).all(axis=0) & np.isfinite(truth).all(axis=0)
    if not finite.any():
        raise DataError(f"None of the {finite.size} genes has finite velocities in every cell. Choose other genes.")
    rows = max(1, BLOCK // finite.size)
    blocks = [slice(start, start + rows) for start in range(0, len(velocity), rows)]
    total = sum(
        _cosines(velocity[block][:, finite].astype(np.float64), truth[block][:, finite].astype(np.float64)).sum()
        for block in blocks
    )
    return float(total / len(velocity))


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
    _check_finite(time, "times")
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
    v, x = _same_shape(arrows, positions, "arrows", "positions")
    _check_cells(len(v), labels=labels, neighbors=neighbors)
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
    _check_cells(len(v), labels=labels, neighbors=neighbors)
    total, number = np.zeros(len(v)), np.zeros(len(v), dtype=np.int64)
    for column in neighbors.T:  # one neighbor at a time: memory of a few columns only
        same = labels[column] == labels
        total += np.where(same, _cosines(v, v[column]), 0.0)
        number += same
    used = (number > 0) & (labels >= 0)
    if not used.any():
        return float("nan")
    _, group = np.unique(labels[used], return_inverse=True)
    return float((np.bincount(group, total[used] / number[used]) / np.bincount(group)).mean())


def time_agreement(
    time: NDArray[np.floating], truth: NDArray[np.floating], groups: NDArray[np.integer] | None = None
) -> TimeAgreement:
    """Return the rank correlation (Spearman) of a latent time with the true one.

    A time that is the same in every cell correlates 0 with anything.

    Parameters
    ----------
    time, truth
        (cells,) latent and true time.
    groups
        (cells,) code of the group of every cell; cells below 0, and groups of fewer than three cells, are left out.

    Returns
    -------
    The correlation over all cells, and its mean over the groups (None without groups, NaN if all are left out).

    Raises
    ------
    DataError
        If the shapes disagree or a time is not finite.
    """
    t, true = _same_shape(time, truth, "times", "true times")
    _check_finite(t, "times")
    _check_finite(true, "true times")
    if groups is None:
        return TimeAgreement(_spearman(t, true))
    _check_cells(len(t), groups=groups)
    codes, sizes = np.unique(groups, return_counts=True)
    codes = codes[(codes >= 0) & (sizes >= FEWEST_CELLS_OF_A_GROUP)]
    within = [_spearman(t[groups == code], true[groups == code]) for code in codes]
    return TimeAgreement(_spearman(t, true), float(np.mean(within)) if within else float("nan"))


def adjusted_rand(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """Return how well two groupings of cells agree, beyond chance (Hubert and Arabie 1985, J Classif 2:193).

    Parameters
    ----------
    a, b
        (cells,) code of the group of every cell.

    Returns
    -------
    1 for the same grouping under any names, around 0 for unrelated ones.

    Raises
    ------
    DataError
        If the shapes disagree.
    """
    if a.shape != b.shape:
        raise DataError(f"The groupings are of {a.shape} and {b.shape} cells; both must be of the same cells.")
    _, first = np.unique(a, return_inverse=True)
    _, second = np.unique(b, return_inverse=True)
    _, both = np.unique(first * len(second) + second, return_inverse=True)
    together, in_a, in_b = (_pairs(codes) for codes in (both, first, second))
    expected = in_a * in_b / max(len(a) * (len(a) - 1) / 2, 1)
    best = (in_a + in_b) / 2
    return 1.0 if best == expected else float((together - expected) / (best - expected))


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
    cosines = _cosines(x[neighbors[i, columns]] - x[i], v[i])
    number = np.bincount(places)
    return float((np.bincount(places, cosines)[number > 0] / number[number > 0]).mean())


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (cells,) cosines of the rows; 0 where either row is zero."""
    products = np.einsum("ij,ij->i", a, b)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result: NDArray[np.float64] = np.divide(
        products, lengths, out=np.zeros_like(products), where=lengths > np.finfo(np.float64).tiny
    )
    return result


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(a), rankdata(b)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    return float(_cosines(ranks[:1], ranks[1:])[0])


def _pairs(codes: NDArray[np.intp]) -> float:
    """Return the number of pairs of cells with the same code."""
    sizes = np.bincount(codes.ravel()).astype(np.float64)
    return float((sizes * (sizes - 1) / 2).sum())


def _same_shape(
    a: NDArray[np.floating], b: NDArray[np.floating], name: str, other: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _check_shapes(a, b, name, other)
    return np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)


def _check_shapes(a: NDArray[np.floating], b: NDArray[np.floating], name: str, other: str) -> None:
    if a.shape != b.shape:
        raise DataError(f"The {name} are {a.shape} and the {other} {b.shape}; the same shape was expected.")
    if a.size == 0:
        raise DataError(f"There are no {name} to compare; at least one cell is needed.")


def _check_finite(values: NDArray[np.floating], name: str) -> None:
    bad = int((~np.isfinite(values)).sum())
    if bad or not values.size:
        raise DataError(f"{bad} of {values.size} {name} are not finite numbers. Leave these cells out.")


def _check_cells(n_cells: int, **arrays: NDArray[np.integer]) -> None:
    for name, array in arrays.items():
        if len(array) != n_cells:
            raise DataError(f"The {name} are of {len(array)} cells; {n_cells} were expected.")
