"""Mixture of normal distributions that share one covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TOLERANCE = 1e-5
MAX_STEPS = 500
RIDGE = 1e-6
WARD_CELLS = 2000
MIN_CELLS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A fitted mixture.

    Parameters
    ----------
    probability
        (n, k) float64 responsibility of every component for every cell; rows sum to one.
    log_likelihood
        Of all cells, in the whitened coordinates of :func:`whiten`.
    bic
        Twice the log-likelihood less the free parameters times log n; the larger the better.
    """

    probability: NDArray[np.float64]
    log_likelihood: float
    bic: float

    @property
    def smallest(self) -> int:
        """Number of cells of the component that fewest cells most probably belong to."""
        k = self.probability.shape[1]
        return int(np.bincount(self.probability.argmax(axis=1), minlength=k).min())


def enough_cells(n: int) -> int:
    """Return how many of ``n`` cells a component needs to be more than a few outliers."""
    return max(MIN_CELLS, n // 100)


def whiten(x: NDArray[np.floating], dimensions: int) -> NDArray[np.float64]:
    """Return the leading principal components of ``x``, each with unit variance.

    A mixture with a free common covariance does not depend on such a change of coordinates, but its start
    values and its ridge do. Directions without variance are excluded.

    Parameters
    ----------
    x
        (n, d) values.
    dimensions
        Most components to keep.

    Returns
    -------
    (n, at most ``dimensions``) float64.
    """
    values = np.asarray(x, dtype=np.float64)
    values = values - values.mean(axis=0)
    variance, axes = np.linalg.eigh(values.T @ values / len(values))
    variance, axes = variance[::-1][:dimensions], axes[:, ::-1][:, :dimensions]
    keep = variance > 1e-10 * max(variance[0], np.finfo(float).tiny)
    return (values @ axes[:, keep]) / np.sqrt(variance[keep])


def tied_mixture(x: NDArray[np.float64], k: int, *, seed: int, restarts: int = 3) -> Mixture:
    r"""Fit ``k`` normal distributions with one common full covariance by expectation maximization.

    .. math:: p(x) = \sum_k \pi_k \, N(x; \mu_k, \Sigma)

    This is the model EEE of Scrucca et al. 2016 (mclust). As the covariance is shared, it is the total
    scatter less the scatter of the means, so that one step costs two products of (n, d) with (d, k).

    A covariance common to all invites components of a few outlying cells. Results in which every component
    has a hundredth of the cells, and at least ten, go before those in which one has not.

    Parameters
    ----------
    x
        (n, d) whitened values, see :func:`whiten`.
    k
        Number of components, at most n.
    seed
        Seed of the start values.
    restarts
        Number of starts from k-means beside the one from Ward clustering, each on coordinates that fall off more
        steeply; the most likely result is kept.

    Returns
    -------
    The best fit.
    """
    n, d = x.shape
    free = k * d + d * (d + 1) / 2 + k - 1
    starts = [np.ones((n, 1))] if k == 1 else _starts(x, k, seed, restarts)
    fits = []
    for start in starts:
        probability, likelihood = _maximise(x, start)
        fits.append(Mixture(probability, likelihood, 2 * likelihood - free * np.log(n)))
    return max(fits, key=lambda fit: (min(fit.smallest, enough_cells(n)), fit.log_likelihood))


def extend(
    everything: NDArray[np.float64], x: NDArray[np.float64], probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the responsibilities for other cells of a mixture that was fitted to some.

    Parameters
    ----------
    everything
        (m, d) cells in the coordinates of ``x``.
    x, probability
        (n, d) cells of the fit and their (n, k) responsibilities.

    Returns
    -------
    (m, k) float64 responsibilities.
    """
    slopes, offset, _ = _parameters(x, x.T @ x, probability)
    return _posterior(everything, slopes, offset)[0]


def _starts(x: NDArray[np.float64], k: int, seed: int, restarts: int) -> Iterator[NDArray[np.float64]]:
    from sklearn.cluster import AgglomerativeClustering, KMeans

    sample = np.arange(len(x))
    if len(x) > WARD_CELLS:
        sample = np.sort(np.random.default_rng(seed).choice(len(x), WARD_CELLS, replace=False))
    labels = AgglomerativeClustering(k, linkage="ward").fit_predict(x[sample])
    means = np.stack([x[sample][labels == number].mean(axis=0) for number in range(k)])
    yield _one_hot(_nearest(x, means), k)
    # Whitening gives noise the weight of signal; the leading directions count more from start to start.
    weight = np.arange(1, x.shape[1] + 1) ** -0.5
    for start in range(restarts):
        yield _one_hot(KMeans(k, n_init=1, random_state=seed + start).fit_predict(x * weight**start), k)


def _maximise(x: NDArray[np.float64], probability: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    scatter = x.T @ x
    before = -np.inf
    for _ in range(MAX_STEPS):
        probability, likelihood = _step(x, scatter, probability)
        if abs(likelihood - before) < TOLERANCE:
            break
        before = likelihood
    return probability, likelihood * len(x)


def _step(
    x: NDArray[np.float64], scatter: NDArray[np.float64], probability: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return new responsibilities and the mean log-likelihood of the parameters they came from."""
    n, d = x.shape
    slopes, offset, covariance = _parameters(x, scatter, probability)
    probability, mixed = _posterior(x, slopes, offset)
    quadratic = float(np.trace(np.linalg.solve(covariance, scatter))) / n
    log_determinant = float(np.linalg.slogdet(covariance)[1])
    return probability, float(mixed.mean()) - 0.5 * (quadratic + log_determinant + d * np.log(2 * np.pi))


def _parameters(
    x: NDArray[np.float64], scatter: NDArray[np.float64], probability: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slopes (d, k) and offsets (k,) of the discriminants, and the common covariance."""
    n, d = x.shape
    size = probability.sum(axis=0) + 10 * np.finfo(float).eps
    means = (probability.T @ x) / size[:, None]
    covariance = (scatter - (means.T * size) @ means) / n + RIDGE * np.eye(d)
    slopes = np.linalg.solve(covariance, means.T)
    return slopes, np.log(size / n) - 0.5 * (means * slopes.T).sum(axis=1), covariance


def _posterior(
    x: NDArray[np.float64], slopes: NDArray[np.float64], offset: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the responsibilities (n, k) and the logarithm (n, 1) of what they were divided by."""
    score = x @ slopes + offset
    highest = score.max(axis=1, keepdims=True)
    weight = np.exp(score - highest)
    total = weight.sum(axis=1, keepdims=True)
    return weight / total, highest + np.log(total)


def _nearest(x: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.intp]:
    return ((means**2).sum(axis=1) - 2 * x @ means.T).argmin(axis=1)


def _one_hot(labels: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    return (labels[:, None] == np.arange(k)).astype(np.float64)
