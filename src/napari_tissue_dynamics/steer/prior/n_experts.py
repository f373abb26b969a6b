"""How many kinetic experts the data ask for: likelihood, entropy and stability of merged mixture components."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np

from napari_tissue_dynamics.compute import in_background
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress, run_to_end, stopped
from napari_tissue_dynamics.steer.preprocessing import prepare, select_genes
from napari_tissue_dynamics.steer.prior.mixture import Mixture, enough_cells, extend, tied_mixture, whiten

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.steer.config import SteerConfig

Result = TypeVar("Result")

Method = Literal["stability", "icl", "bic", "entropy"]

COMPONENTS = 30
MOST_CELLS = 20_000
DRAWS = 8
DRAWN_SHARE = 0.8
# Chosen on simulated regimes that are curved, not normal; a lower bound lets pieces of one curve pass.
STABLE = 0.98
EQUALLY_STABLE = 0.01
SMALLEST_SHARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class ExpertNumber:
    """The number of experts and the curves that it was read from.

    The curves are m long; a value that was not computed is nan.

    Parameters
    ----------
    recommended
        Number of experts by ``method``.
    numbers
        (m,) int32, 1 to the largest candidate.
    bic, icl
        (m,) float64, the larger the better, of the mixture with that many components. The integrated completed
        likelihood is the BIC less twice the entropy of the assignment of the cells (the sign of mclust).
    entropies
        (m,) float64 entropy of the assignment in nats, summed over the cells of the fit, after the components of
        the mixture with the best BIC were merged down to each number.
    stability
        (m,) float64 mean adjusted Rand index, 1 for equal, between the merged clusters found in parts of the cells.
    recommendations
        What each of the methods recommends.
    method
        The method that was asked for.
    labels
        (n,) int32 cluster of every cell at the recommended number, from 0.
    """

    recommended: int
    numbers: NDArray[np.int32]
    bic: NDArray[np.float64]
    icl: NDArray[np.float64]
    entropies: NDArray[np.float64]
    stability: NDArray[np.float64]
    recommendations: Mapping[Method, int]
    method: Method
    labels: NDArray[np.int32]


def expert_number(
    components: NDArray[np.floating],
    candidates: Iterable[int] = range(2, 11),
    *,
    seed: int,
    method: Method = "stability",
) -> ExpertNumber:
    """Estimate the number of experts; see :func:`expert_number_steps`."""
    return run_to_end(expert_number_steps(components, candidates, seed=seed, method=method))


def tissue_expert_number_steps(
    tissue: Tissue, config: SteerConfig, stop: StopToken | None = None
) -> Generator[Progress, None, ExpertNumber]:
    """Estimate the number of experts as a fit with these settings would, see :func:`expert_number_steps`.

    Raises
    ------
    DataError
        If the counts are missing or unusable.
    FitError
        If the estimate was stopped.
    """
    journey = _Journey(1, stop)
    components = yield from journey.step(
        "genes and neighbors", lambda: prepare(tissue, config, select_genes(tissue, config)).components
    )
    method: Method = "entropy" if config.faithful else "stability"
    return (yield from expert_number_steps(components, seed=config.seed, method=method, stop=stop))


def expert_number_steps(
    components: NDArray[np.floating],
    candidates: Iterable[int] = range(2, 11),
    *,
    seed: int,
    method: Method = "stability",
    stop: StopToken | None = None,
) -> Generator[Progress, None, ExpertNumber]:
    r"""Estimate the number of experts in four ways.

    Mixtures of normal distributions with a common covariance are fitted, one for every candidate and one with a
    single component.

    ``bic``, ``icl``
        The number of components with the best BIC or ICL (Biernacki et al. 2000),
        :math:`\mathrm{ICL} = \mathrm{BIC} + 2 \sum_{ik} \tau_{ik} \ln \tau_{ik}`. A curved group of cells needs
        several components, so both are upper bounds.
    ``entropy``
        The components of the mixture with the best BIC (of two or more) are merged two by two, always the pair that
        takes away most entropy. Two straight lines are fitted to the entropy against the number of clusters; they
        meet at the recommended number (Baudry et al. 2010). This is the rule of the STEER publication; it never
        gives 1.
    ``stability``
        That mixture is refitted to eight random parts of the cells and merged likewise. Recommended is the largest
        number at which the clusters agree on the shared cells and each has a tenth of the cells; 1 if there is none,
        or if a single component has the best BIC. To agree, the mean adjusted Rand index must be 0.98 and at most 0.01
        below the best of those. It is not corrected for what one normal distribution would reach, which is 0.05.

    Candidates in which every component has enough cells go before the others. This is in none of the publications;
    without it a few outlying cells make an expert of their own. More than 20 000 cells are represented by a random
    sample of them.

    Parameters
    ----------
    components
        (n, c) principal components; the first 30 are used.
    candidates
        Numbers of mixture components to try beside 1, each from 2 to less than the number of cells; larger ones are
        passed over.
    seed
        Seed of start values and samples.
    method
        Which of the recommendations to take.
    stop
        Looked at several times a second.

    Returns
    -------
    The recommended number and the curves of all methods. Regimes that are continuous with each other, as the arms of
    one root, are one stable cluster.

    Raises
    ------
    DataError
        If no candidate is left, one is below 2 or the method is unknown.
    FitError
        If the estimate was stopped.
    """
    tried = _usable(candidates, len(components))
    if method not in get_args(Method):
        raise DataError(f"The method {method!r} is unknown; choose one of {', '.join(get_args(Method))}.")
    rng = np.random.default_rng(seed)
    whole = whiten(components, COMPONENTS)
    looked_at = _sample(len(components), min(len(components), MOST_CELLS), rng)
    x = whole[looked_at]
    journey = _Journey(1 + len(tried) + DRAWS, stop)
    fits: dict[int, Mixture] = {}
    for number in (1, *tried):
        fits[number] = yield from journey.step(f"mixture of {number}", partial(tied_mixture, x, number, seed=seed))
    best = _best({number: fits[number] for number in tried}, lambda fit: fit.bic)
    draws = [_sample(len(x), max(round(DRAWN_SHARE * len(x)), best), rng) for _ in range(DRAWS)]
    found = []
    for index, draw in enumerate(draws):
        part = components[looked_at[draw]]
        found.append((yield from journey.step("stability", partial(_merged_labels, part, best, seed + 1 + index))))
    return _conclude(fits, best, _stability(found, draws, len(x)), method, lambda p: extend(whole, x, p))


def _conclude(
    fits: Mapping[int, Mixture],
    best: int,
    stability: NDArray[np.float64],
    method: Method,
    extended: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> ExpertNumber:
    numbers = np.arange(1, max(fits) + 1, dtype=np.int32)
    groups = merge_groups(fits[best].probability)
    merged = [fits[best].probability @ group for group in groups]
    entropies = np.array([entropy(probability) for probability in merged])
    by_bic = _best(fits, lambda fit: fit.bic)
    recommendations: dict[Method, int] = {
        "stability": 1 if by_bic == 1 else stable_number(stability, [_smallest_share(each) for each in merged]),
        "icl": _best(fits, _icl),
        "bic": by_bic,
        "entropy": 2 if best == 2 else two_segments(entropies)[0],
    }
    recommended = recommendations[method]
    if method in ("stability", "entropy"):
        probability = extended(fits[best].probability) @ groups[recommended - 1]
    else:
        probability = extended(fits[recommended].probability)
    return ExpertNumber(
        recommended=recommended,
        numbers=numbers,
        bic=_curve({number: fit.bic for number, fit in fits.items()}, numbers),
        icl=_curve({number: _icl(fit) for number, fit in fits.items()}, numbers),
        entropies=_curve(dict(enumerate(entropies, 1)), numbers),
        stability=_curve(dict(enumerate(stability, 1)), numbers),
        recommendations=recommendations,
        method=method,
        labels=probability.argmax(axis=1).astype(np.int32),
    )


def entropy(probability: NDArray[np.float64]) -> float:
    """Return the entropy of (n, k) assignment probabilities, summed over cells, in nats."""
    return -float(_x_log_x(probability).sum())


def merge_groups(probability: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return which components make which cluster for 1, 2, ..., k clusters, each with one pair merged of the next.

    Parameters
    ----------
    probability
        (n, k) responsibilities of a mixture.

    Returns
    -------
    (k, clusters) matrices of 0 and 1; ``probability @ matrix`` are the assignment probabilities of the clusters.
    """
    steps = [np.eye(probability.shape[1])]
    while steps[-1].shape[1] > 1:
        group = steps[-1]
        now = probability @ group
        a, b = max(combinations(range(now.shape[1]), 2), key=lambda pair: _drop(now[:, pair[0]], now[:, pair[1]]))
        joined = group[:, a] + group[:, b]
        group = np.delete(group, b, axis=1)
        group[:, a] = joined
        steps.append(group)
    return steps[::-1]


def two_segments(values: NDArray[np.floating]) -> tuple[int, float]:
    """Find where a curve over 1, 2, ..., m bends.

    Two lines are fitted by least squares, one up to the bend and one from it on; both use the point at the
    bend.

    Parameters
    ----------
    values
        (m,) curve, m at least 3.

    Returns
    -------
    bend, error
        The place of the bend, from 2 to m - 1 (the first of equals), and the summed squared error there.
    """
    places = np.arange(1, len(values) + 1)
    errors = {
        place: _line_error(places[:place], values[:place]) + _line_error(places[place - 1 :], values[place - 1 :])
        for place in range(2, len(values))
    }
    bend = min(errors, key=lambda place: errors[place])
    return bend, errors[bend]


def mean_agreement(labels: Sequence[NDArray[np.integer]], cells: Sequence[NDArray[np.integer]], n: int) -> float:
    """Return the mean adjusted Rand index of all pairs of clusterings, each pair on the cells that both have.

    Parameters
    ----------
    labels
        Clusters of the cells of each part.
    cells
        Which of the ``n`` cells each part has, ascending.
    n
        Number of all cells.

    Returns
    -------
    1 where all are equal, about 0 where they agree by chance only (Hubert & Arabie 1985).
    """
    from sklearn.metrics import adjusted_rand_score

    table = np.full((len(labels), n), -1)
    for row, label, cell in zip(table, labels, cells, strict=True):
        row[cell] = label
    both = [(one, other, (one >= 0) & (other >= 0)) for one, other in combinations(table, 2)]
    return float(np.mean([adjusted_rand_score(one[shared], other[shared]) for one, other, shared in both]))


def stable_number(stability: NDArray[np.floating], smallest: Sequence[float]) -> int:
    """Return the largest number of clusters that are as stable as any and none of which is small.

    Parameters
    ----------
    stability
        (m,) agreement of 1, 2, ..., m clusters.
    smallest
        (m,) share of the cells in the smallest of them.

    Returns
    -------
    The number; 1 if there is none.
    """
    divided = np.where(np.asarray(smallest) >= SMALLEST_SHARE, stability, 0.0)[1:]
    needed = max(STABLE, divided.max(initial=0.0) - EQUALLY_STABLE)
    return int((np.flatnonzero(divided >= needed) + 2).max(initial=1))


class _Journey:
    """Does slow calls one after the other, each in a thread of its own, and counts them."""

    def __init__(self, total: int, stop: StopToken | None) -> None:
        self._done, self._total, self._stop = 0, total, stop

    def step(self, phase: str, call: Callable[[], Result]) -> Generator[Progress, None, Result]:
        now = Progress(phase, self._done, self._total, self._done / self._total)
        yield now
        steps = in_background(call)
        while not stopped(self._stop):
            try:
                next(steps)
            except StopIteration as end:
                self._done += 1
                return end.value
            yield now
        raise FitError("The estimate of the number of experts was stopped; nothing was changed.")


def _usable(candidates: Iterable[int], n_cells: int) -> list[int]:
    tried = sorted({int(number) for number in candidates})
    if not tried or tried[0] < 2:
        raise DataError(f"The numbers of experts to try are {tried}; give at least one, each 2 or more.")
    tried = [number for number in tried if number < n_cells]
    if not tried:
        raise DataError(f"{n_cells} cells are too few to estimate the number of experts; set the number of experts.")
    return tried


def _sample(n: int, size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.choice(n, size, replace=False)).astype(np.intp)


def _best(fits: Mapping[int, Mixture], score: Callable[[Mixture], float]) -> int:
    def rank(number: int) -> tuple[int, float]:
        fit = fits[number]
        return min(fit.smallest, enough_cells(len(fit.probability))), score(fit)

    return max(fits, key=rank)


def _icl(fit: Mixture) -> float:
    return fit.bic - 2 * entropy(fit.probability)


def _merged_labels(components: NDArray[np.floating], k: int, seed: int) -> list[NDArray[np.intp]]:
    """Return the clusters of the cells for 1, 2, ..., k merged components."""
    probability = tied_mixture(whiten(components, COMPONENTS), k, seed=seed).probability
    return [(probability @ group).argmax(axis=1) for group in merge_groups(probability)]


def _stability(
    found: Sequence[Sequence[NDArray[np.intp]]], draws: Sequence[NDArray[np.intp]], n: int
) -> NDArray[np.float64]:
    return np.array([mean_agreement(labels, draws, n) for labels in zip(*found, strict=True)])


def _smallest_share(probability: NDArray[np.float64]) -> float:
    n, k = probability.shape
    return float(np.bincount(probability.argmax(axis=1), minlength=k).min() / n)


def _curve(values: Mapping[int, float], numbers: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.array([values.get(int(number), np.nan) for number in numbers])


def _drop(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float((_x_log_x(one + other) - _x_log_x(one) - _x_log_x(other)).sum())


def _x_log_x(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x * np.log(np.where(x > 0, x, 1))


def _line_error(x: NDArray[np.integer], y: NDArray[np.floating]) -> float:
    x_centred, y_centred = x - x.mean(), y - y.mean()
    slope = x_centred @ y_centred / (x_centred @ x_centred)
    return float(((y_centred - slope * x_centred) ** 2).sum())
