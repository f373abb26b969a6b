"""How far the share of unspliced RNA of a cell lies from that of other cells of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15
LEAST_VARIANCE = 1e-4
FLOOR = 0.1
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
        (n, G) moments.

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


def kinetic_components(residuals: NDArray[np.float32], number: int, seed: int) -> NDArray[np.float32]:
    """Return the leading principal components of the residuals, (n, number or fewer)."""
    from sklearn.decomposition import PCA

    number = max(1, min(number, min(residuals.shape) - 1))
    pca = PCA(number, svd_solver="randomized", random_state=seed)
    return np.asarray(pca.fit_transform(residuals), dtype=np.float32)
