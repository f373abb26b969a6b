"""Splicing and degradation rates of every gene for given times, from the steps between neighboring cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.kinetics.two_rate_fit import StepSums, explained, pull_to_slope, two_rates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SMOOTHED = 30
BLOCK_VALUES = 1 << 17  # what stays in the cache of a core
TINY = 1e-12
ROWS = 2048
GENES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of neighboring cells, each once.

    Parameters
    ----------
    first, second
        (pairs,) cells.
    n_cells
        Number of all cells.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    n_cells: int

    @classmethod
    def of(cls, graph: sparse.csr_array) -> Pairs:
        """Take every pair that is joined in either direction; a cell is not paired with itself."""
        joined = sparse.coo_array(sparse.triu(graph + graph.T, k=1))
        return cls(joined.row.astype(np.int64), joined.col.astype(np.int64), graph.shape[0])

    def within(self, group: NDArray[np.integer], number: int) -> Pairs:
        """Keep the pairs with both cells in group ``number``."""
        keep = (group[self.first] == number) & (group[self.second] == number)
        return Pairs(self.first[keep], self.second[keep], self.n_cells)

    def blocks(self, n_genes: int) -> Iterator[slice]:
        """Cut the pairs so that a block of pairs x genes stays small."""
        size = max(1, BLOCK_VALUES // max(n_genes, 1))
        for start in range(0, len(self.first), size):
            yield slice(start, start + size)


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Rates of every gene, their precision and their agreement, (G,) each."""

    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    weight: NDArray[np.float64]
    agreement: NDArray[np.float64]


def steady_slopes(u: NDArray[np.float32], s: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the least-squares slope of u on s through the origin, (G,)."""
    product = np.einsum("ng,ng->g", u, s, dtype=np.float64)
    square = np.einsum("ng,ng->g", s, s, dtype=np.float64)
    return product / np.maximum(square, TINY)


def _sums(u: NDArray[np.float32], s: NDArray[np.float32], pairs: Pairs, time: NDArray[np.float64]) -> StepSums:
    """Sum over all pairs by sparse products of some genes and rows at a time; nothing as large as u is formed."""
    elapsed = (time[pairs.second] - time[pairs.first]).astype(np.float32)
    square = _over_pairs(pairs, elapsed**2, elapsed**2, 1)
    turn = _over_pairs(pairs, elapsed, -elapsed, -1)
    laplacian = _over_pairs(pairs, np.full_like(elapsed, -1), np.full_like(elapsed, -1), -1)
    parts = []
    for start in range(0, u.shape[1], GENES):
        genes = slice(start, start + GENES)
        some_u, some_s = np.ascontiguousarray(u[:, genes]), np.ascontiguousarray(s[:, genes])
        parts.append(_products(some_u, some_s, square, turn, laplacian))
    uu, ss, us, ud, sd, dd = np.hstack(parts)
    return StepSums(uu / 4, ss / 4, us / 4, ud / 2, sd / 2, dd)


def _products(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    square: sparse.csr_array,
    turn: sparse.csr_array,
    laplacian: sparse.csr_array,
) -> NDArray[np.float64]:
    """Return u'Qu, s'Qs, u'Qs, u'Ts, s'Ts and s'Ls of every gene, (6, G), for the matrices Q, T and L."""
    total = np.zeros((6, u.shape[1]))
    for start in range(0, len(u), ROWS):
        rows = slice(start, start + ROWS)
        square_s, turn_s = square[rows] @ s, turn[rows] @ s
        products = (
            (u, square[rows] @ u),
            (s, square_s),
            (u, square_s),
            (u, turn_s),
            (s, turn_s),
            (s, laplacian[rows] @ s),
        )
        for one, (values, sums) in zip(total, products, strict=True):
            # Steps are small against the values, and their squares the more; sums in single precision lose them.
            one += np.einsum("ng,ng->g", values[rows], sums, dtype=np.float64)
    return total


def _over_pairs(pairs: Pairs, forth: NDArray[np.float32], back: NDArray[np.float32], sign: int) -> sparse.csr_array:
    """Return a matrix with ``forth`` and ``back`` at the two ends of each pair and the signed row sums as diagonal."""
    n, i, j = pairs.n_cells, pairs.first, pairs.second
    ends = np.concatenate([i, j]), np.concatenate([j, i])
    matrix = sparse.csr_array((np.concatenate([forth, back]), ends), shape=(n, n))
    diagonal = sparse.diags_array((sign * row_sums(matrix)).astype(np.float32))
    return sparse.csr_array(matrix + diagonal)


def row_sums(matrix: sparse.csr_array) -> NDArray[np.float64]:
    """Return the sum of every row, (n,), in double precision."""
    return np.asarray(matrix.sum(axis=1, dtype=np.float64), dtype=np.float64).ravel()


def fit_rates(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    pairs: Pairs,
    time: NDArray[np.float64],
    slope: NDArray[np.float64],
    before: Rates,
) -> Rates:
    """Fit the rates of every gene to the steps between neighboring cells at given times.

    Parameters
    ----------
    u, s
        (n, G) moments, scaled per gene.
    pairs
        Neighboring cells.
    time
        (n,) time of the cells.
    slope
        (G,) ratio of degradation to splicing that genes are drawn towards.
    before
        Rates of the round before; they set how strongly.
    """
    sums = _sums(u, s, pairs, time)
    independent = max(len(u) / SMOOTHED, 1.0)
    rates = before
    agreement = before.agreement
    for _ in range(2):
        pull = pull_to_slope(sums, slope, rates.beta, agreement, independent)
        beta, gamma = two_rates(sums, slope, pull)
        agreement = explained(sums, beta, gamma)
        rates = Rates(beta, gamma, before.weight, agreement)
    weight = np.zeros_like(sums.dd)
    varies = sums.dd > TINY
    if varies.any():
        # Between one vote per gene and one per unit of variation; a gene that is nearly constant does not stand out.
        weight[varies] = 1 / np.sqrt(np.maximum(sums.dd[varies], np.quantile(sums.dd[varies], 0.05)))
        weight /= weight.mean()
    return Rates(rates.beta, rates.gamma, weight, agreement)


def group_rates(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    pairs: Pairs,
    time: NDArray[np.float64],
    group: NDArray[np.intp],
    rates: Rates,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rates of every group, (groups, G); the ratio is drawn towards that of all cells."""
    slope = np.divide(rates.gamma, rates.beta, out=steady_slopes(u, s), where=(rates.beta > 0) & (rates.gamma > 0))
    beta, gamma = [], []
    for number in range(int(group.max()) + 1):
        own_pairs = pairs.within(group, number)
        if not len(own_pairs.first):
            beta.append(rates.beta)
            gamma.append(rates.gamma)
            continue
        sums = _sums(u, s, own_pairs, time)
        independent = max((group == number).sum() / SMOOTHED, 1.0)
        own = two_rates(sums, slope, pull_to_slope(sums, slope, rates.beta, rates.agreement, independent))
        beta.append(own[0])
        gamma.append(own[1])
    return np.stack(beta), np.stack(gamma)
