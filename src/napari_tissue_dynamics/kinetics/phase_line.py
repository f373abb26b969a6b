r"""Lines through the phase portraits: unspliced over spliced RNA in the extreme cells of every gene.

Where transcription has been on or off for long, :math:`ds/dt = \beta u - \gamma s = 0`, so that the extreme cells of a
gene lie on a line of slope :math:`\gamma' = \gamma / \beta` in its phase portrait (La Manno et al. 2018, Nature
560:494). The velocity is how far a cell lies above that line, :math:`v = u - \gamma' s` for :math:`\beta = 1`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.kinetics.config import ClockConfig

TINY = 1e-12
# Numbers of a block of cells x genes.
BLOCK = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line through the phase portrait of every gene, u = offset + slope s.

    Parameters
    ----------
    slope, offset
        (G,) float64; the offset is 0 unless it was asked for.
    r2
        (G,) float64 share of the variation of u over all cells that the line explains; below 0 where it does worse
        than the mean. 0 for a gene without variation.
    """

    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    r2: NDArray[np.float64]


def fit_line(u: NDArray[np.float32], s: NDArray[np.float32], config: ClockConfig) -> Line:
    r"""Fit the line of every gene to its extreme cells by least squares.

    .. math:: \gamma'_g = \frac{\sum_{i \in E_g} s_{ig} u_{ig}}{\sum_{i \in E_g} s_{ig}^2}

    Parameters
    ----------
    u, s
        (n, G) moments.
    config
        ``extremes``, ``quantile`` and ``fit_offset`` are used. With an offset, which cannot be negative, the lower
        extreme counts too.

    Returns
    -------
    The lines. A gene without spliced RNA has slope 0.
    """
    slope, offset, r2 = np.zeros((3, u.shape[1]))
    for genes in gene_blocks(u.shape):
        some_u, some_s = (np.asarray(each[:, genes], dtype=np.float64) for each in (u, s))
        weight = extreme_cells(some_u, some_s, config)
        slope[genes], offset[genes] = least_squares(some_s, some_u, weight, fit_offset=config.fit_offset)
        r2[genes] = explained_share(some_u, offset[genes] + slope[genes] * some_s)
    return Line(slope, offset, r2)


def gene_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut the genes of a matrix of cells x genes so that a block of it stays small."""
    n, number = shape
    width = max(1, BLOCK // max(n, 1))
    for start in range(0, number, width):
        yield slice(start, min(start + width, number))


def extreme_cells(u: NDArray[np.float64], s: NDArray[np.float64], config: ClockConfig) -> NDArray[np.float64]:
    """Return 1 for the extreme cells of every gene and 0 for the others, (n, G)."""
    score = s if config.extremes == "spliced" else s / _largest(s) + u / _largest(u)
    extreme = score >= np.quantile(score, config.quantile, axis=0)
    if config.fit_offset:
        extreme |= score <= np.quantile(score, 1 - config.quantile, axis=0)
    return extreme.astype(np.float64)


def least_squares(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], *, fit_offset: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return slope and offset of y over x, (G,) each; a line whose offset would be negative goes through the origin."""
    square, product = (weight * x * x).sum(axis=0), (weight * x * y).sum(axis=0)
    slope, offset = product / np.maximum(square, TINY), np.zeros(x.shape[1])
    if fit_offset:
        number = np.maximum(weight.sum(axis=0), 1)
        mean_x, mean_y = (weight * x).sum(axis=0) / number, (weight * y).sum(axis=0) / number
        spread = square / number - mean_x**2
        free = np.divide(product / number - mean_x * mean_y, spread, out=np.zeros_like(slope), where=spread > TINY)
        raised = (spread > TINY) & (mean_y - free * mean_x > 0)
        slope, offset = np.where(raised, free, slope), np.where(raised, mean_y - free * mean_x, 0.0)
    return slope, offset


def explained_share(values: NDArray[np.floating], fitted: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return one minus the squares of the residuals over those of the values around their mean, (G,)."""
    total = ((values - values.mean(axis=0)) ** 2).sum(axis=0, dtype=np.float64)
    left = ((values - fitted) ** 2).sum(axis=0, dtype=np.float64)
    return 1 - np.divide(left, total, out=np.ones_like(total), where=total > TINY)


def _largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(values.max(axis=0), TINY)
