"""Kinetic regimes: groups of cells in which genes are spliced and degraded at different rates."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15
RESTARTS = 10
ROUNDS = 20
LEAST_VARIANCE = 1e-4
FLOOR = 0.1
MOST_REGIMES = 10
# The variances of the components of the residuals drop after the last one that tells regimes apart: by this ratio at
# least, and the last drop counts that is this share of the largest, both as logarithms. The rule was chosen on the
# simulated tissues of docs/velocity-benchmark.md, not on real ones.
LEAST_DROP = 2.2
SHARE_OF_DROP = 0.42
RIDGE = 1e-5
BLOCK = 4096
TINY = 1e-9


def kinetic_residuals(
    time: NDArray[np.floating], unspliced: NDArray[np.float32], spliced: NDArray[np.float32]
) -> NDArray[np.float32]:
    r"""Return how far the share of unspliced RNA of every cell lies from that of other cells of the same time.

    .. math::
        r_{ig} = \frac{u_{ig} - p_g(t_i)\,(u_{ig} + s_{ig})}
        {\sqrt{p_g(t_i) (1 - p_g(t_i))\,(u_{ig} + s_{ig} + c_g)}}

    the Pearson residual of a binomial, with the share :math:`p_g(t)` among cells of about the time t and a tenth of
    the mean RNA of the gene, :math:`c_g`, so that nearly empty cells do not stand out. A factor on
    the transcription of a cell changes u and s alike and leaves the share as it is; other splicing or degradation
    rates do not. Cells with the same rates therefore have the same residuals, whatever else they express.

    Parameters
    ----------
    time
        (n,) latent time.
    unspliced, spliced
        (n, G) moments with a common depth.

    Returns
    -------
    (n, G) float32, mean zero per gene; a gene without counts is 0.
    """
    residual = _share_at(np.asarray(time, dtype=np.float64), unspliced, spliced)
    floor = FLOOR * (unspliced.mean(axis=0) + spliced.mean(axis=0))
    for start in range(0, len(residual), BLOCK):
        rows = slice(start, start + BLOCK)  # the residuals take the place of the shares, nothing else is as large
        share, total = residual[rows].copy(), unspliced[rows] + spliced[rows]
        spread = np.maximum(share * (1 - share), LEAST_VARIANCE) * (total + floor)
        residual[rows] = 0
        np.divide(unspliced[rows] - share * total, np.sqrt(spread), out=residual[rows], where=spread > 0)
    residual -= residual.mean(axis=0)
    return residual


def _share_at(
    time: NDArray[np.float64], unspliced: NDArray[np.float32], spliced: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the share of unspliced RNA at the time of every cell, interpolated between bins of equal size."""
    bins = max(min(BINS, len(time) // 10), 2)
    parts = np.array_split(np.argsort(time, kind="stable"), bins)
    centre = np.array([time[part].mean() for part in parts])
    u = np.stack([unspliced[part].sum(axis=0, dtype=np.float64) for part in parts])
    s = np.stack([spliced[part].sum(axis=0, dtype=np.float64) for part in parts])
    share = np.divide(u, u + s, out=np.full_like(u, 0.5), where=u + s > 0).astype(np.float32)
    left = np.clip(np.searchsorted(centre, time) - 1, 0, bins - 2)
    gap = np.maximum(centre[left + 1] - centre[left], TINY)
    way = np.clip((time - centre[left]) / gap, 0, 1).astype(np.float32)[:, None]
    result: NDArray[np.float32] = share[left]
    for start in range(0, len(result), BLOCK):
        rows = slice(start, start + BLOCK)
        result[rows] += way[rows] * (share[left[rows] + 1] - result[rows])
    return result


def find_regimes(
    residuals: NDArray[np.float32], time: NDArray[np.floating], number: int, seed: int
) -> NDArray[np.float32]:
    r"""Divide the cells into regimes and say how probable each is for every cell.

    The residuals of a regime are a curve over time, :math:`m_k(t) = \sum_b B_b(t) M_{kb}` (a cubic in the rank of the
    time), since rates show only where RNA has been made and degraded for a while: all regimes begin alike. A mixture
    of such curves with one variance per gene is fitted by turns. It starts from k-means on the directions, not the
    lengths, of the leading components. The probabilities are tempered so that they are as sure as the spread of the
    likelihood ratios allows; genes are not independent.

    Parameters
    ----------
    residuals
        (n, G) from :func:`kinetic_residuals`.
    time
        (n,) latent time.
    number
        Number of regimes K; 1 gives all cells to one.
    seed
        Seed of the start.

    Returns
    -------
    (n, K) float32, rows sum to one.

    Raises
    ------
    DataError
        If there are fewer cells than regimes.
    """
    n = len(residuals)
    if not 1 <= number <= n:
        raise DataError(f"{n} cells cannot be divided among {number} experts; choose from 1 to {n} experts.")
    if number == 1:
        return np.ones((n, 1), dtype=np.float32)
    basis = _basis(time)
    code = _start(residuals, number, seed)
    for _ in range(ROUNDS):
        new = _log_likelihood(residuals, basis, code, number).argmax(axis=1)
        if len(np.unique(new)) < number or (new == code).all():
            break
        code = new
    return _probability(_log_likelihood(residuals, basis, code, number), code)


def _basis(time: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the powers 0 to 3 of the rank of every cell in time, (n, 4); ranks from -1 to 1."""
    rank = np.argsort(np.argsort(time, kind="stable"), kind="stable") / max(len(time) - 1, 1)
    return np.power.outer(2 * rank - 1, np.arange(4)).astype(np.float32)


def _start(residuals: NDArray[np.float32], number: int, seed: int) -> NDArray[np.intp]:
    from sklearn.cluster import KMeans

    components = kinetic_components(residuals, number - 1, seed)
    length = np.linalg.norm(components, axis=1, keepdims=True)
    direction = components / np.maximum(length, np.quantile(length, 0.05) + TINY)
    return np.asarray(KMeans(number, n_init=RESTARTS, random_state=seed).fit_predict(direction), dtype=np.intp)


def number_of_regimes(residuals: NDArray[np.float32], seed: int) -> int:
    """Return how many kinetic regimes the residuals ask for, at least 1.

    Regimes that differ in kinetics lie at different places of the space of residuals, K of them in K - 1
    dimensions; what is left is noise, whose variance falls off slowly from component to component. The number is one
    more than the components before the last large drop: one of at least four tenths of the largest, as logarithms. It
    is 1 if the variance nowhere falls to less than half.

    Parameters
    ----------
    residuals
        (n, G) from :func:`kinetic_residuals`.
    seed
        Seed of the decomposition.
    """
    components = kinetic_components(residuals, MOST_REGIMES, seed)
    variance = components.var(axis=0)
    drop = variance[:-1] / np.maximum(variance[1:], TINY)
    if not len(drop) or drop.max() < LEAST_DROP:
        return 1
    large = np.log(drop) >= SHARE_OF_DROP * np.log(drop.max())
    return int(np.flatnonzero(large)[-1]) + 2


def kinetic_components(residuals: NDArray[np.float32], number: int, seed: int) -> NDArray[np.float32]:
    """Return the leading principal components of the residuals, (n, number or fewer)."""
    from sklearn.decomposition import PCA

    number = max(1, min(number, min(residuals.shape) - 1))
    pca = PCA(number, svd_solver="randomized", random_state=seed)
    return np.asarray(pca.fit_transform(residuals), dtype=np.float32)


def _log_likelihood(
    residuals: NDArray[np.float32], basis: NDArray[np.float32], code: NDArray[np.intp], number: int
) -> NDArray[np.float64]:
    """Return the log likelihood of every cell in every regime, less what is the same for all of them, (n, K)."""
    curves, left = [], np.zeros(residuals.shape[1])
    for regime in range(number):
        cells = code == regime
        own, values = basis[cells], residuals[cells]
        gram = own.T @ own
        # The ridge keeps the curve of a regime that has cells of a few times only from running away.
        coefficients = np.linalg.solve(gram + RIDGE * max(cells.sum(), 1) * np.eye(basis.shape[1]), own.T @ values)
        curves.append(coefficients.astype(np.float32))
        values = values - own @ curves[-1]
        left += np.einsum("ng,ng->g", values, values)
    precision = (1 / (left / len(code) + TINY)).astype(np.float32)
    likelihood = np.empty((len(code), number))
    for start in range(0, len(code), BLOCK):
        block = slice(start, start + BLOCK)
        for regime, curve in enumerate(curves):
            mean = basis[block] @ curve
            likelihood[block, regime] = ((residuals[block] - 0.5 * mean) * mean) @ precision
    return likelihood


def _probability(likelihood: NDArray[np.float64], code: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return tempered probabilities: a log likelihood ratio of normal variables has a variance of twice its mean."""
    means, variances = 0.0, 0.0
    for one, other in permutations(range(likelihood.shape[1]), 2):
        ratio = (likelihood[:, one] - likelihood[:, other])[code == one]
        if len(ratio) > 1:
            means += float(ratio.mean())
            variances += float(ratio.var())
    temper = min(1.0, 2 * max(means, 0.0) / variances) if variances > 0 else 1.0
    scaled = temper * (likelihood - likelihood.max(axis=1, keepdims=True))
    weight = np.exp(scaled)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
