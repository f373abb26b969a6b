"""One clock for all cells, read from the splicing equation of all genes together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import Progress, run_to_end, stopped
from napari_tissue_dynamics.steer.prior.rates import Pairs, Rates, fit_rates, group_rates, row_sums, steady_slopes

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import StopToken

ROUNDS = 2
NOISE_SHARE = 0.05
PRIOR_SHARE = 0.002
REFITS = 16
ROWS = 2048
EXACT, ROUGH = 1e-6, 1e-3
MOST_STEPS = 2000
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """Latent time of the cells and how well each gene keeps to it.

    Parameters
    ----------
    time
        (n,) float32 in [0, 1].
    spread
        (n,) float32 standard deviation of the time over resampled genes.
    beta, gamma
        (groups, G) float32 splicing and degradation rate of each gene in each group of cells, per unit of time.
    weight
        (G,) float32 precision of each gene, 1 on average.
    agreement
        (G,) float32 share of a gene's change between neighboring cells that the clock and its rates explain.
    """

    time: NDArray[np.float32]
    spread: NDArray[np.float32]
    beta: NDArray[np.float32]
    gamma: NDArray[np.float32]
    weight: NDArray[np.float32]
    agreement: NDArray[np.float32]


def clock(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    graph: sparse.csr_array,
    *,
    group: NDArray[np.integer] | None = None,
    prior: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> Clock:
    """Read the clock; see :func:`clock_steps`."""
    return run_to_end(clock_steps(u, s, graph, group=group, prior=prior, seed=seed))


def clock_steps(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    graph: sparse.csr_array,
    *,
    group: NDArray[np.integer] | None = None,
    prior: NDArray[np.floating] | None = None,
    seed: int = 0,
    stop: StopToken | None = None,
) -> Generator[Progress, None, Clock]:
    r"""Find times and rates that make the splicing equation hold between neighboring cells.

    .. math::
        \min_{t,\, \beta \ge 0,\, \gamma \ge 0} \sum_g w_g \sum_{ij}
        \bigl( s_{jg} - s_{ig} - (t_j - t_i)\, \tfrac{1}{2}(v_{ig} + v_{jg}) \bigr)^2,
        \quad v_{ig} = \beta_g u_{ig} - \gamma_g s_{ig}

    by turns: the times are the solution of a weighted Laplace equation on the graph, the rates a least-squares problem
    with two unknowns per gene. The equation of the spliced RNA holds whatever transcription does, so genes that are
    switched on, off or up late, once or several times, all have a vote; what a gene without a clock says in one place
    it contradicts in another. The weights are the inverse root of how much a gene varies between neighbors. Two rounds
    are enough, and more can let a few genes agree on a time of their own. The ratio of the rates is drawn towards the
    slope of a line through the origin of the phase portrait (the steady state), the more the less the gene has to say.

    Parameters
    ----------
    u, s
        (n, G) moments, scaled per gene.
    graph
        (n, n) neighboring cells.
    group
        (n,) kinetic group of every cell from 0; rates are then fitted per group, drawn towards those of all cells.
    prior
        (n,) a time that is known or guessed, in any unit, NaN where it is not: a stage, or the distance to a root.
        It starts the clock and then has one vote; without two different times it says nothing.
    seed
        Seed of the genes drawn for the spread.
    stop
        Looked at in every round.

    Returns
    -------
    The clock. Parts of the graph that are not joined each start at 0.

    Raises
    ------
    FitError
        If the fit was stopped.
    """
    pairs = Pairs.of(graph)
    slope = steady_slopes(u, s)
    prior = _telling(prior)
    rates = _first_rates(u, s, pairs, slope, prior)
    codes = np.zeros(len(u), dtype=np.intp)
    total = ROUNDS + (1 if group is None else 2)
    for number in range(ROUNDS):
        _look(stop)
        yield Progress("clock", number, total, number / total)
        time = _times(u, s, pairs, _velocity(u, s, rates.beta[None], rates.gamma[None], codes), rates.weight, prior)
        rates = fit_rates(u, s, pairs, time, slope, rates)
    beta, gamma = rates.beta[None], rates.gamma[None]
    if group is not None:
        yield Progress("clock of the regimes", ROUNDS, total, ROUNDS / total)
        codes = np.asarray(group, dtype=np.intp)
        beta, gamma = group_rates(u, s, pairs, time, codes, rates)
    _look(stop)
    yield Progress("spread of the clock", total - 1, total, (total - 1) / total)
    velocity = _velocity(u, s, beta, gamma, codes)
    return Clock(
        *_time_and_spread(u, s, pairs, velocity, rates.weight, prior, seed),
        beta.astype(np.float32),
        gamma.astype(np.float32),
        rates.weight.astype(np.float32),
        rates.agreement.astype(np.float32),
    )


def _look(stop: StopToken | None) -> None:
    if stopped(stop):
        raise FitError("The fit was stopped before velocities were computed; nothing was changed.")


def _velocity(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    beta: NDArray[np.floating],
    gamma: NDArray[np.floating],
    group: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Return beta u - gamma s, (n, G), with the rates (groups, G) of the group of every cell."""
    made, lost = beta.astype(np.float32), gamma.astype(np.float32)
    velocity = np.empty(u.shape, dtype=np.float32)
    for start in range(0, len(u), ROWS):
        rows = slice(start, start + ROWS)
        velocity[rows] = u[rows] * made[group[rows]] - s[rows] * lost[group[rows]]
    return velocity


def _telling(prior: NDArray[np.floating] | None) -> NDArray[np.floating] | None:
    """Return the prior if it orders any two cells, else None."""
    if prior is None:
        return None
    known = prior[np.isfinite(prior)]
    return prior if known.size and known.min() < known.max() else None


def _first_rates(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    pairs: Pairs,
    slope: NDArray[np.float64],
    prior: NDArray[np.floating] | None,
) -> Rates:
    """Start from the steady state, or from the prior time where there is one."""
    ones = np.ones(u.shape[1])
    rates = Rates(ones, slope, ones, ones)
    if prior is None:
        return rates
    return fit_rates(u, s, pairs, _stretched(_spread_out(pairs, prior)), slope, rates)


def _spread_out(pairs: Pairs, prior: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the prior where it is known and the mean of the neighbors elsewhere, (n,)."""
    n, i, j = pairs.n_cells, pairs.first, pairs.second
    ones = np.ones(2 * len(i))
    joined = sparse.csr_array((-ones, (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(n, n))
    degree = -row_sums(joined)
    known = np.isfinite(prior)
    hold = np.where(known, 1e3 * (degree + 1), 1e-6 * degree.mean() + TINY)
    middle = float(np.mean(prior[known]))
    return middle + _solve(joined, degree + hold, np.where(known, hold * (np.nan_to_num(prior) - middle), 0.0))


def _times(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    pairs: Pairs,
    velocity: NDArray[np.float32],
    weight: NDArray[np.float64],
    prior: NDArray[np.floating] | None,
) -> NDArray[np.float64]:
    """Return the times that fit the velocities best, (n,), about 0 to 1."""
    push, stiffness = _forces(s, pairs, velocity, weight[None])
    return _stretched(_settle(pairs, push[0], stiffness[0], prior))


def _forces(
    s: NDArray[np.float32], pairs: Pairs, velocity: NDArray[np.float32], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how the steps of each pair agree with the velocities, (b, pairs), for each of b rows of gene weights.

    The first array holds the weighted products of step and mean velocity, the second the weighted squares of the
    mean velocity; their ratio is the time that passes between the two cells.
    """
    push, stiffness = np.empty((2, len(weights), len(pairs.first)), dtype=np.float32)
    w = weights.astype(np.float32)
    for block in pairs.blocks(s.shape[1]):
        i, j = pairs.first[block], pairs.second[block]
        mean = velocity[i]
        mean += velocity[j]
        mean *= 0.5
        step = s[j]
        step -= s[i]
        step *= mean
        push[:, block] = w @ step.T
        mean *= mean
        stiffness[:, block] = w @ mean.T
    return push, stiffness


def _settle(
    pairs: Pairs,
    push: NDArray[np.float32],
    stiffness: NDArray[np.float32],
    prior: NDArray[np.floating] | None,
    start: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Solve the Laplace equation for the times; parts that are not joined start at 0 each."""
    n, i, j = pairs.n_cells, pairs.first, pairs.second
    stiff = stiffness.astype(np.float64)
    # A noisy velocity explains little; without this floor, pairs without any velocity would leave the time free.
    stiff += NOISE_SHARE * stiff.mean() + TINY
    ends = np.concatenate([i, j]), np.concatenate([j, i])
    laplacian = sparse.csr_array((np.concatenate([-stiff, -stiff]), ends), shape=(n, n))
    degree = -row_sums(laplacian)
    hold = np.full(n, 1e-6 * degree.mean() + TINY)  # fixes the free constant of the times
    right = np.subtract(np.bincount(j, push, n), np.bincount(i, push, n), dtype=np.float64)
    rtol = EXACT if start is None else ROUGH  # of the times that start from others only the spread is taken
    time = _solve(laplacian, degree + hold, right, start, rtol)
    if prior is not None:
        known = np.isfinite(prior)
        scale, shift = _matched(time, prior, known)
        vote = np.where(known, PRIOR_SHARE * degree.mean(), 0.0)
        right = right + vote * (scale * np.nan_to_num(prior) + shift)
        time = _solve(laplacian, degree + hold + vote, right, time, rtol)
    return _from_zero(time, laplacian)


def _solve(
    laplacian: sparse.csr_array,
    diagonal: NDArray[np.float64],
    right: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
    rtol: float = EXACT,
) -> NDArray[np.float64]:
    from scipy.sparse.linalg import cg

    matrix = sparse.csr_array(laplacian + sparse.diags_array(diagonal))
    scaled = sparse.diags_array(1 / diagonal)
    return np.asarray(cg(matrix, right, x0=start, rtol=rtol, maxiter=MOST_STEPS, M=scaled)[0], dtype=np.float64)


def _matched(time: NDArray[np.float64], prior: NDArray[np.floating], known: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the factor and the shift that give the prior the range and the mean of the times."""
    scale = float(np.std(time[known]) / np.std(prior[known]))
    return scale, float(np.mean(time[known]) - scale * np.mean(prior[known]))


def _from_zero(time: NDArray[np.float64], laplacian: sparse.csr_array) -> NDArray[np.float64]:
    from scipy.sparse.csgraph import connected_components

    number, part = connected_components(laplacian, directed=False)
    low = np.full(number, np.inf)
    np.minimum.at(low, part, time)
    return time - low[part]


def _stretched(time: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return times of which nearly all lie between 0 and 1; single outliers do not set the scale."""
    low, high = np.nanquantile(time, [0.005, 0.995])
    return (np.asarray(time, dtype=np.float64) - low) / max(float(high - low), TINY)


def _time_and_spread(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    pairs: Pairs,
    velocity: NDArray[np.float32],
    weight: NDArray[np.float64],
    prior: NDArray[np.floating] | None,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the time in [0, 1] and its standard deviation over draws of the genes."""
    n_genes = u.shape[1]
    draws = np.random.default_rng(seed).multinomial(n_genes, np.full(n_genes, 1 / n_genes), size=REFITS)
    push, stiffness = _forces(s, pairs, velocity, weight * np.vstack([np.ones(n_genes), draws]))
    best = _settle(pairs, push[0], stiffness[0], prior)
    refits = [_stretched(_settle(pairs, push[b], stiffness[b], prior, start=best)) for b in range(1, REFITS + 1)]
    return _in_bounds(_stretched(best)), _in_bounds(np.stack(refits)).std(axis=0)


def _in_bounds(time: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.clip(time, 0, 1).astype(np.float32)
