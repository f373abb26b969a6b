"""Agreement of velocities and time with the known truth of a tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.transitions import BLOCK
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Two cells are always in perfect order, the right one or the wrong one, so they are not informative about a clock.
FEWEST_CELLS_OF_A_GROUP = 3


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


def gene_cosine(velocity: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    r"""Return how well velocities agree with true ones over all genes.

    .. math:: \operatorname{mean}_i \frac{\sum_g v_{ig} w_{ig}}{\lVert v_i \rVert \lVert w_i \rVert}

    Genes with large numbers decide: bring the genes to one scale first. Genes with a value that is not finite
    are excluded; a cell without velocity counts as 0.

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
        cosines(velocity[block][:, finite].astype(np.float64), truth[block][:, finite].astype(np.float64)).sum()
        for block in blocks
    )
    return float(total / len(velocity))


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
        (cells,) code of the group of every cell; cells below 0, and groups of fewer than three cells, are excluded.

    Returns
    -------
    The correlation over all cells, and its mean over the groups (None without groups, NaN if all are excluded).

    Raises
    ------
    DataError
        If the shapes disagree or a time is not finite.
    """
    t, true = same_shape(time, truth, "times", "true times")
    check_finite(t, "times")
    check_finite(true, "true times")
    if groups is None:
        return TimeAgreement(_spearman(t, true))
    check_cells(len(t), groups=groups)
    codes, sizes = np.unique(groups, return_counts=True)
    codes = codes[(codes >= 0) & (sizes >= FEWEST_CELLS_OF_A_GROUP)]
    within = [_spearman(t[groups == code], true[groups == code]) for code in codes]
    return TimeAgreement(_spearman(t, true), float(np.mean(within)) if within else float("nan"))


def cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
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
    return float(cosines(ranks[:1], ranks[1:])[0])


def same_shape(
    a: NDArray[np.floating], b: NDArray[np.floating], name: str, other: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as float64; a :class:`.DataError` if they are not of one shape."""
    _check_shapes(a, b, name, other)
    return np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)


def _check_shapes(a: NDArray[np.floating], b: NDArray[np.floating], name: str, other: str) -> None:
    if a.shape != b.shape:
        raise DataError(f"The {name} are {a.shape} and the {other} {b.shape}; the same shape was expected.")
    if a.size == 0:
        raise DataError(f"There are no {name} to compare; at least one cell is needed.")


def check_finite(values: NDArray[np.floating], name: str) -> None:
    """Raise a :class:`.DataError` unless there are values and all are finite."""
    bad = int((~np.isfinite(values)).sum())
    if bad or not values.size:
        raise DataError(f"{bad} of {values.size} {name} are not finite numbers. Leave these cells out.")


def check_cells(n_cells: int, **arrays: NDArray[np.integer]) -> None:
    """Raise a :class:`.DataError` unless every array has this number of cells."""
    for name, array in arrays.items():
        if len(array) != n_cells:
            raise DataError(f"The {name} are of {len(array)} cells; {n_cells} were expected.")
