r"""Rates of splicing and degradation of every gene from its steps between neighboring cells at given times.

.. math:: s_j - s_i \approx (t_j - t_i) \left( \beta \, \frac{u_i + u_j}{2} - \gamma \, \frac{s_i + s_j}{2} \right)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_SPREAD = 0.5
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class StepSums:
    """Sums over pairs for the regression of the steps of s on time x mean u and time x mean s.

    Parameters
    ----------
    uu, ss, us
        (G,) squares and product of the two regressors.
    ud, sd
        (G,) their products with the steps.
    dd
        (G,) squares of the steps.
    """

    uu: NDArray[np.float64]
    ss: NDArray[np.float64]
    us: NDArray[np.float64]
    ud: NDArray[np.float64]
    sd: NDArray[np.float64]
    dd: NDArray[np.float64]


def pull_to_slope(
    sums: StepSums,
    slope: NDArray[np.float64],
    beta: NDArray[np.float64],
    agreement: NDArray[np.float64],
    independent: float,
) -> NDArray[np.float64]:
    """Return how strongly each gene is held at a ratio of its rates, (G,): noise over information (a normal prior).

    Parameters
    ----------
    sums
        Sums over pairs.
    slope
        (G,) the ratio of degradation to splicing.
    beta, agreement
        (G,) splicing rate and explained share of the round before; they say how noisy a gene is.
    independent
        Number of independent cells.
    """
    some = beta[beta > 0]
    speed = np.maximum(beta, 0.1 * np.median(some) if some.size else 1.0)
    noise = np.maximum(1 - agreement, 0.02) * sums.dd
    wide = (PRIOR_SPREAD * np.maximum(slope * speed, TINY)) ** 2
    return np.clip(noise / (independent * wide), 1e-3 * sums.ss, 1e4 * sums.ss + TINY)


def two_rates(
    sums: StepSums, slope: NDArray[np.float64], pull: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two rates, zero or above, that minimise the squares plus ``pull`` x (gamma - slope beta)²."""
    a, b, c = sums.uu + pull * slope**2, sums.us + pull * slope, sums.ss + pull
    determinant = np.maximum(a * c - b**2, TINY)
    beta = (sums.ud * c - sums.sd * b) / determinant
    gamma = (sums.ud * b - sums.sd * a) / determinant
    only_beta = np.maximum(sums.ud / np.maximum(a, TINY), 0)
    only_gamma = np.maximum(-sums.sd / np.maximum(c, TINY), 0)
    gain_beta, gain_gamma = a * only_beta**2, c * only_gamma**2
    outside = (beta < 0) | (gamma < 0)
    first = gain_beta >= gain_gamma
    beta = np.where(outside, np.where(first, only_beta, 0.0), beta)
    gamma = np.where(outside, np.where(first, 0.0, only_gamma), gamma)
    return beta, gamma


def gain(sums: StepSums, beta: NDArray[np.float64], gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the rates lower the squares of the steps, (G,); below 0 where they do worse than none."""
    fitted = beta**2 * sums.uu + gamma**2 * sums.ss - 2 * beta * gamma * sums.us
    return 2 * beta * sums.ud - 2 * gamma * sums.sd - fitted


def explained(sums: StepSums, beta: NDArray[np.float64], gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the squares of the steps that the rates explain, (G,), 0 to 1."""
    lower = gain(sums, beta, gamma)
    return np.clip(np.divide(lower, sums.dd, out=np.zeros_like(lower), where=sums.dd > TINY), 0, 1)
