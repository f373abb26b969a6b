"""How many kinetic experts the data ask for: the elbow of the entropy of merged mixture components."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.steer.mixture import Mixture, enough_cells, tied_mixture, whiten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

COMPONENTS = 30


@dataclass(frozen=True, slots=True, eq=False)
class ExpertNumber:
    """The number of experts and the curve that it was read from.

    Parameters
    ----------
    recommended
        Number of experts at the elbow.
    numbers
        (m,) int32, 1 to the number of components with the best BIC.
    entropies
        (m,) float64 entropy of the assignment of all cells, in nats, after merging down to each number.
    labels
        (n,) int32 cluster of every cell at the recommended number, from 0.
    """

    recommended: int
    numbers: NDArray[np.int32]
    entropies: NDArray[np.float64]
    labels: NDArray[np.int32]


def expert_number(
    components: NDArray[np.floating], candidates: Iterable[int] = range(2, 11), *, seed: int
) -> ExpertNumber:
    """Estimate the number of experts (Baudry et al. 2010).

    A mixture with a common covariance is fitted for every candidate and the one with the best BIC kept. Its
    components are merged two by two, always the pair that takes away most entropy. Two straight lines are
    fitted to the entropy against the number of clusters; they meet at the recommended number.

    Candidates in which every component has enough cells go before the others. This is not in the publication;
    without it a few outlying cells make an expert of their own.

    Parameters
    ----------
    components
        (n, c) principal components; the first 30 are used.
    candidates
        Numbers of mixture components to try, each from 2 to less than the number of cells; larger ones are
        passed over.
    seed
        Seed of the start values.

    Returns
    -------
    The recommended number, never 1 and below the largest candidate unless that is 2.

    Raises
    ------
    DataError
        If no candidate is left or one is below 2.
    """
    tried = _usable(candidates, len(components))
    x = whiten(components, COMPONENTS)
    fits = [tied_mixture(x, number, seed=seed) for number in tried]
    best = max(fits, key=lambda fit: (min(fit.smallest, enough_cells(len(x))), fit.bic))
    return _elbow(best)


def _usable(candidates: Iterable[int], n_cells: int) -> list[int]:
    tried = sorted({int(number) for number in candidates})
    if not tried or tried[0] < 2:
        raise DataError(f"The numbers of experts to try are {tried}; give at least one, each 2 or more.")
    tried = [number for number in tried if number < n_cells]
    if not tried:
        raise DataError(f"{n_cells} cells cannot be divided into experts; give the number of experts.")
    return tried


def _elbow(best: Mixture) -> ExpertNumber:
    merged = merge_components(best.probability)
    entropies = np.array([entropy(probability) for probability in merged])
    recommended = 2 if len(merged) == 2 else two_segments(entropies)[0]
    return ExpertNumber(
        recommended=recommended,
        numbers=np.arange(1, len(merged) + 1, dtype=np.int32),
        entropies=entropies,
        labels=merged[recommended - 1].argmax(axis=1).astype(np.int32),
    )


def entropy(probability: NDArray[np.float64]) -> float:
    """Return the entropy of (n, k) assignment probabilities, summed over cells, in nats."""
    return -float(_x_log_x(probability).sum())


def merge_components(probability: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the assignment probabilities for 1, 2, ..., k clusters, each with one pair merged of the next.

    Parameters
    ----------
    probability
        (n, k) responsibilities of a mixture.
    """
    steps = [probability]
    while probability.shape[1] > 1:
        a, b = max(combinations(range(probability.shape[1]), 2), key=lambda pair: _drop(probability, *pair))
        joined = probability[:, a] + probability[:, b]
        probability = np.delete(probability, b, axis=1)
        probability[:, a] = joined
        steps.append(probability)
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


def _drop(probability: NDArray[np.float64], a: int, b: int) -> float:
    one, other = probability[:, a], probability[:, b]
    return float((_x_log_x(one + other) - _x_log_x(one) - _x_log_x(other)).sum())


def _x_log_x(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x * np.log(np.where(x > 0, x, 1))


def _line_error(x: NDArray[np.integer], y: NDArray[np.floating]) -> float:
    x_centred, y_centred = x - x.mean(), y - y.mean()
    slope = x_centred @ y_centred / (x_centred @ x_centred)
    return float(((y_centred - slope * x_centred) ** 2).sum())
