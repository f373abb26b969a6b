r"""One time for all genes, and the rates of all genes in its unit.

.. math::
    \min_{t,\, \beta \ge 0,\, \gamma \ge 0} \sum_g w_g \sum_{ij}
    \bigl( s_{jg} - s_{ig} - (t_j - t_i)\, \tfrac{1}{2}(v_{ig} + v_{jg}) \bigr)^2,
    \qquad v_{ig} = \beta_g u_{ig} - \gamma_g s_{ig}

over pairs of neighboring cells. The equation of the spliced RNA holds whatever transcription does. For given rates the
times solve a Laplace equation on the graph of cells, for given times each gene has two unknowns. Both kinds of RNA are
sums of the same few functions of the cells (:mod:`.smooth`), so every sum over genes or pairs is a quadratic form in
them: the work grows with pairs + genes, not with pairs x genes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.kinetics.two_rate_fit import StepSums, explained, pull_to_slope, two_rates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray

    from napari_tissue_dynamics.kinetics.smooth import SmoothValues

    FunctionSums: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

ROUNDS = 3
# Number of cells whose smooth values are about as informative as one independent cell.
SMOOTHED = 30
# Steps of pairs that are slower than this share of the mean count as this.
SLOWEST = 0.02
# Weight of a time that is known before, against that of the genes.
KNOWN_SHARE = 0.05
PAIRS = 8192
TOLERANCE = 1e-8
MOST_STEPS = 5000
TINY = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class SharedTime:
    """Latent time of the cells and the rates of the genes in its unit.

    Parameters
    ----------
    time
        (n,) float64 in [0, 1].
    beta, gamma
        (G,) float64 rates of splicing and degradation per unit of the time, 0 or above.
    agreement
        (G,) float64 share of the steps of a gene between neighboring cells that time and rates explain, 0 to 1.
    unit
        What 1 was before the time was stretched to [0, 1], in units of the first rates.
    """

    time: NDArray[np.float64]
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    agreement: NDArray[np.float64]
    unit: float


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of neighboring cells, each once, and the functions of the cells at them.

    Parameters
    ----------
    first, second
        (pairs,) cells.
    basis
        (n, m) functions of the cells.
    still
        (pairs,) whether a pair joins cells of different samples: such cells are of about the same time, but what
        differs between them is no change.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    basis: NDArray[np.float64]
    still: NDArray[np.bool_]

    @classmethod
    def of(
        cls, graph: sparse.csr_array, basis: NDArray[np.float64], samples: NDArray[np.integer] | None = None
    ) -> Pairs:
        """Take every pair that an (n, n) graph joins in either direction; ``samples`` are (n,) codes."""
        joined = sparse.coo_array(sparse.triu(graph + graph.T, k=1))
        first, second = joined.row, joined.col
        still = np.zeros(len(first), dtype=bool) if samples is None else samples[first] != samples[second]
        return cls(first, second, basis, still)

    def within(self, group: NDArray[np.integer]) -> Pairs:
        """Keep the pairs whose cells are of one group, (n,) codes, and of one sample."""
        keep = (group[self.first] == group[self.second]) & ~self.still
        return Pairs(self.first[keep], self.second[keep], self.basis, self.still[keep])

    def only(self, cells: NDArray[np.bool_]) -> Pairs:
        """Keep the pairs of which both cells are among (n,) ``cells``."""
        keep = cells[self.first] & cells[self.second]
        return Pairs(self.first[keep], self.second[keep], self.basis, self.still[keep])

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
        """Yield some of the pairs, the step of the functions and their mean, (pairs, m) each."""
        for start in range(0, len(self.first), PAIRS):
            part = slice(start, start + PAIRS)
            one, other = self.basis[self.first[part]], self.basis[self.second[part]]
            yield part, other - one, 0.5 * (one + other)

    def forms(
        self, moving: NDArray[np.float64], speed: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return ``mean' speed mean`` and ``step' moving mean`` of every pair, for (m, m) matrices."""
        squares, products = np.empty(len(self.first)), np.empty(len(self.first))
        for part, step, mean in self.blocks():
            squares[part] = np.einsum("pm,pm->p", mean @ speed, mean)
            products[part] = np.einsum("pm,pm->p", step @ moving, mean)
        products[self.still] = 0
        return squares, products

    def sums(self, elapsed: NDArray[np.float64]) -> FunctionSums:
        """Return the sums over pairs of elapsed² mean mean', elapsed step mean' and step step', (m, m) each."""
        m = self.basis.shape[1]
        square, turn, change = np.zeros((3, m, m))
        for part, step, mean in self.blocks():
            step[self.still[part]] = mean[self.still[part]] = 0
            weighted = mean * elapsed[part, None]
            square += weighted.T @ weighted
            turn += step.T @ weighted
            change += step.T @ step
        return square, turn, change


def read_shared_time(
    unspliced: SmoothValues,
    spliced: SmoothValues,
    pairs: Pairs,
    slope: NDArray[np.float64],
    *,
    known: NDArray[np.float64] | None = None,
    rounds: int = ROUNDS,
) -> SharedTime:
    """Find the time of the cells and the rates of the genes by turns.

    Parameters
    ----------
    unspliced, spliced
        Smooth moments over the same functions.
    pairs
        Neighboring cells.
    slope
        (G,) ratio of degradation to splicing that the phase portraits say; the rates of a gene are drawn towards it,
        the more the less the gene has to say about time.
    known
        (n,) a time that is known or guessed, in any unit, NaN where it is not. It starts the clock and then has a small
        vote.
    rounds
        How often times and rates are found.

    Returns
    -------
    Time and rates. Parts of the graph that are not joined each start at 0.
    """
    u, s = unspliced.coefficients, spliced.coefficients
    change = pairs.sums(np.zeros(len(pairs.first)))[2]
    moved = _form(s, change, s)
    weight = _weights(moved)
    beta, gamma = np.ones_like(slope), slope.copy()
    if known is not None:
        found = step_sums(u, s, pairs, _filled(known))
        beta, gamma, _ = pulled_rates(found, slope, len(pairs.basis))
    unit = 1.0
    for _ in range(rounds):
        time = _times(u, s, pairs, beta, gamma, weight, known)
        span = float(np.ptp(time)) or 1.0
        unit *= span
        found = step_sums(u, s, pairs, time / span)
        beta, gamma, agreement = pulled_rates(found, slope, len(pairs.basis))
    return SharedTime(time / span, beta, gamma, agreement, unit)


def slope_rate(sums: StepSums, slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rate of splicing, (G,), of least squares where the ratio of the rates is the slope; 0 or above."""
    square = sums.uu - 2 * slope * sums.us + slope**2 * sums.ss
    return np.maximum((sums.ud - slope * sums.sd) / np.maximum(square, TINY), 0)


def along_time(time: NDArray[np.float64], pairs: Pairs) -> NDArray[np.float64]:
    """Return the derivative of every function of the cells with respect to time, (n, m).

    It is the slope of a line through the values at the neighbors of the cell, by least squares.
    """
    elapsed = np.where(pairs.still, 0, time[pairs.second] - time[pairs.first])
    n, m = pairs.basis.shape
    total, square = np.zeros((n, m)), np.zeros(n)
    for part, step, _ in pairs.blocks():
        product = step * elapsed[part, None]
        for ends in (pairs.first[part], pairs.second[part]):
            gather = sparse.csr_array((np.ones(len(ends)), (ends, np.arange(len(ends)))), shape=(n, len(ends)))
            total += np.asarray(gather @ product)
            square += np.bincount(ends, elapsed[part] ** 2, minlength=n)
    return total / np.maximum(square, TINY)[:, None]


def _times(
    u: NDArray[np.float64],
    s: NDArray[np.float64],
    pairs: Pairs,
    beta: NDArray[np.float64],
    gamma: NDArray[np.float64],
    weight: NDArray[np.float64],
    known: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return the times, (n,), that fit the rates best; the earliest of each part of the graph is 0."""
    velocity = beta * u - gamma * s
    squares, products = pairs.forms((s * weight) @ velocity.T, (velocity * weight) @ velocity.T)
    squares += SLOWEST * squares.mean() + TINY
    if known is not None:
        squares, products = _with_known(known, pairs, squares, products)
    return _potential(pairs, squares, products)


def _with_known(
    known: NDArray[np.float64], pairs: Pairs, squares: NDArray[np.float64], products: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add a vote for the steps of a known time, in the unit that the genes say."""
    step = np.nan_to_num(known[pairs.second] - known[pairs.first])
    told = np.isfinite(known[pairs.second] - known[pairs.first])
    unit = np.abs(products[told]).sum() / max(float((squares[told] * np.abs(step[told])).sum()), TINY)
    vote = KNOWN_SHARE * squares.mean() * told
    return squares + vote, products + vote * unit * step


def _potential(pairs: Pairs, weight: NDArray[np.float64], flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values at the cells whose weighted steps fit the flow over the pairs best."""
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import cg

    n = len(pairs.basis)
    ends = np.concatenate([pairs.first, pairs.second]), np.concatenate([pairs.second, pairs.first])
    joined = sparse.csr_array((np.tile(weight, 2), ends), shape=(n, n))
    degree: NDArray[np.float64] = np.asarray(joined.sum(axis=1)).ravel()
    degree = np.where(degree > 0, degree, 1.0)
    source = np.bincount(pairs.second, flow, n) - np.bincount(pairs.first, flow, n)
    # Divided by the roots of the diagonal on both sides: conjugate gradients then take few steps.
    root = np.sqrt(degree)
    scaled = sparse.csr_array(sparse.diags_array(1 / root) @ joined @ sparse.diags_array(1 / root))
    laplacian = sparse.csr_array(sparse.eye_array(n) - scaled)
    solution, _ = cg(laplacian, source / root, rtol=TOLERANCE, maxiter=MOST_STEPS)
    values = solution / root
    number, part = connected_components(joined, directed=False)
    lowest = np.full(number, np.inf)
    np.minimum.at(lowest, part, values)
    return values - lowest[part]


def step_sums(u: NDArray[np.float64], s: NDArray[np.float64], pairs: Pairs, time: NDArray[np.float64]) -> StepSums:
    """Return the sums over pairs for (m, G) coefficients of the RNA and (n,) times."""
    return of_functions(u, s, pairs.sums(time[pairs.second] - time[pairs.first]))


def of_functions(u: NDArray[np.float64], s: NDArray[np.float64], sums: FunctionSums) -> StepSums:
    """Return the sums for (m, G) coefficients of the RNA from those of the functions, :meth:`Pairs.sums`."""
    square, turn, change = sums
    return StepSums(
        uu=_form(u, square, u),
        us=_form(u, square, s),
        ss=_form(s, square, s),
        ud=_form(s, turn, u),
        sd=_form(s, turn, s),
        dd=_form(s, change, s),
    )


def _form(a: NDArray[np.float64], matrix: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a' matrix b of every gene, (G,), for (m, G) coefficients."""
    return np.einsum("mg,mg->g", a, matrix @ b)


def _weights(moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the vote of every gene, (G,): between one per gene and one per unit of variation."""
    weight = np.zeros_like(moved)
    moves = moved > TINY
    if moves.any():
        weight[moves] = 1 / np.sqrt(np.maximum(moved[moves], np.quantile(moved[moves], 0.05)))
        weight /= weight[moves].mean()
    return weight


def _filled(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a known time from 0 to 1, with its mean where it is not known."""
    there = known[np.isfinite(known)]
    span = float(np.ptp(there)) or 1.0
    return (np.where(np.isfinite(known), known, there.mean()) - there.min()) / span


def pulled_rates(
    sums: StepSums, slope: NDArray[np.float64], n_cells: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return both rates, drawn towards the (G,) slope of the phase portrait, and the explained share, (G,) each."""
    independent = max(n_cells / SMOOTHED, 1.0)
    beta, gamma = two_rates(sums, slope, np.zeros_like(slope))
    for _ in range(2):
        pull = pull_to_slope(sums, slope, beta, explained(sums, beta, gamma), independent)
        beta, gamma = two_rates(sums, slope, pull)
    return beta, gamma, explained(sums, beta, gamma)
