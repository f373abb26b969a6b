r"""Kinetic regimes: groups of cells in which genes are spliced and degraded at different rates.

In every regime the residuals of :mod:`.residuals` follow a curve over time, :math:`m_k(t) = \sum_j M_{kj}
\cos(\pi j\, r(t))` with the rank r of the time. Cells go to the curve they lie nearest to, and where that is
undecided, because curves cross or have not parted yet, to the regime of the cells that are most like them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.residuals import kinetic_components

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CURVES = 12
COMPONENTS = 20
STARTS = 4
ITERATIONS = 10
ROUNDS = 30
# Cost of a cell all of whose neighbors are of another regime, in mean squared distances to the nearest curve.
VOTE = 4.0
# Nearest cells of the tissue vote where they agree by this much (Cohen's kappa; 1 is always, 0 by chance).
TOGETHER = 0.6
# Times from which on two regimes are exchanged, to see whether curves were confused where they cross.
EXCHANGES = 12
# Share of the curvature of a curve that counts as noise; keeps curves tame where a regime has few cells.
RIDGE = 1e-3
SOLVABLE = 1e-6
MOST_REGIMES = 7
FEWEST_CELLS = 50
SPLITS = 2
# A further regime counts if it leaves at most a quarter of what was unexplained in genes that did not define it. Noise
# of the moments is explained in part by any finer division, steadily but never at once; chosen on simulated tissues.
LEAST_DROP = np.log(4.0)
# Cells that the number of regimes is found on.
MOST_CELLS = 20_000
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """What regimes are found from.

    Parameters
    ----------
    values
        (n, c) components of the residuals.
    curves
        (n, CURVES) functions of time.
    votes
        (n, n) weights of the neighbors of every cell, rows sum to 1.
    """

    values: NDArray[np.float64]
    curves: NDArray[np.float64]
    votes: sparse.csr_array

    @classmethod
    def of(
        cls, residuals: NDArray[np.float32], time: NDArray[np.floating], votes: sparse.csr_array, seed: int
    ) -> _Cells:
        return cls(kinetic_components(residuals, COMPONENTS, seed).astype(np.float64), cosines(time), votes)


def find_regimes(
    residuals: NDArray[np.float32],
    time: NDArray[np.floating],
    graph: sparse.csr_array,
    number: int,
    *,
    seed: int,
    tissue: sparse.csr_array | None = None,
) -> NDArray[np.intp]:
    """Divide the cells into kinetic regimes.

    Several starts are refined, regimes are exchanged from some time on where that helps, and the division is taken
    that leaves least unexplained, counting neighbors that are divided too. Nearest cells of the tissue vote with
    similar ones if regimes turn out to lie together in the tissue; nothing is assumed about that.

    Parameters
    ----------
    residuals
        (n, G) from :func:`.kinetic_residuals`.
    time
        (n,) latent time.
    graph
        (n, n) similar cells.
    number
        Number of regimes K; 1 gives all cells to one.
    seed
        Seed of the starts.
    tissue
        (n, n) nearest cells in the tissue, None if there are no spatial coordinates.

    Returns
    -------
    (n,) codes from 0, the largest regime first; fewer than ``number`` if no cell is left to a regime.

    Raises
    ------
    DataError
        If there are fewer cells than regimes.
    """
    n = len(residuals)
    if not 1 <= number <= n:
        raise DataError(f"{n} cells cannot be divided among {number} regimes; choose from 1 to {n} regimes.")
    if number == 1:
        return np.zeros(n, dtype=np.intp)
    cells = _Cells.of(residuals, time, _votes(graph), seed)
    free = [_refined(cells, start, number, vote=0.0) for start in _starts(cells, number, seed, STARTS)]
    vote = VOTE * min(cost for _, cost in free) / n
    voted = min((_refined(cells, code, number, vote=vote) for code, _ in free), key=_cost)
    code = _exchanged(cells, voted, number, vote=vote)[0]
    if tissue is not None and (near := _votes(tissue)).nnz and _together(near, code) > TOGETHER:
        both = replace(cells, votes=sparse.csr_array((cells.votes + near) / 2))
        code = _exchanged(both, _refined(both, code, number, vote=2 * vote), number, vote=2 * vote)[0]
    return _by_size(code)


def number_of_regimes(
    residuals: NDArray[np.float32], time: NDArray[np.floating], graph: sparse.csr_array, *, seed: int
) -> int:
    r"""Return how many kinetic regimes the residuals ask for, at least 1.

    Regimes are found on half of the genes; :math:`h_k` is the share of the residuals of the other half that curves of k
    such regimes explain. Divisions that follow the noise of one half explain little of the other. The number is the k
    with the largest :math:`\ln \frac{1 - h_{k-1}}{1 - h_k}`, or 1 where none is large.

    Parameters
    ----------
    residuals
        (n, G) from :func:`.kinetic_residuals`.
    time
        (n,) latent time.
    graph
        (n, n) similar cells.
    seed
        Seed of halves and starts.
    """
    rng = np.random.default_rng(seed)
    most = min(MOST_REGIMES, len(residuals) // FEWEST_CELLS)
    if most < 2 or residuals.shape[1] < 4:
        return 1
    if len(residuals) > MOST_CELLS:
        some = np.sort(rng.choice(len(residuals), MOST_CELLS, replace=False))
        residuals, time, graph = residuals[some], time[some], sparse.csr_array(graph[some][:, some])
    votes = _votes(graph)
    shares = np.array(
        [
            _held_out(residuals, _Cells.of(residuals[:, defining], time, votes, seed), most, testing)
            for defining, testing in _halves(residuals.shape[1], rng)
        ]
    )
    left = np.maximum(1 - np.median(shares, axis=0), TINY)
    drop = np.log(left[:-1] / left[1:])
    return int(drop.argmax()) + 2 if drop.max() > LEAST_DROP else 1


def cosines(time: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the functions of time that curves are made of, (n, CURVES)."""
    rank = np.argsort(np.argsort(time, kind="stable"), kind="stable") / max(len(time) - 1, 1)
    return np.asarray(np.cos(np.pi * np.multiply.outer(rank, np.arange(CURVES))), dtype=np.float64)


def _halves(n_genes: int, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield genes that define regimes and genes that test them."""
    for _ in range(SPLITS):
        order = rng.permutation(n_genes)
        one, other = order[: n_genes // 2], order[n_genes // 2 :]
        yield one, other
        yield other, one


def _held_out(
    residuals: NDArray[np.float32], cells: _Cells, most: int, testing: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the share of the residuals of the testing genes that 1 to ``most`` regimes of the others explain."""
    values = residuals[:, testing].astype(np.float64)
    total = np.einsum("ng,ng->g", values, values)
    weight = 1 / np.sqrt(np.maximum(total, TINY))  # between one vote per gene and one per unit of variation
    shares = []
    for number in range(1, most + 1):
        starts = _starts(cells, number, number, 1) if number > 1 else [np.zeros(len(values), dtype=np.intp)]
        code = min((_refined(cells, start, number, vote=0.0) for start in starts), key=_cost)[0]
        left = sum(_unexplained(cells.curves[code == k], values[code == k]) for k in range(number))
        shares.append(1 - float(weight @ left) / float(weight @ total))
    return np.array(shares)


def _unexplained(curves: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    left = values - curves @ _curve(curves, values)
    return np.asarray(np.einsum("ng,ng->g", left, left), dtype=np.float64)


def _curve(curves: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients of the curve through the values; waves count against it by the square of their number."""
    gram = curves.T @ curves
    penalty = RIDGE * len(curves) * (np.arange(CURVES) / CURVES) ** 2 + SOLVABLE
    return np.asarray(np.linalg.solve(gram + np.diag(penalty), curves.T @ values), dtype=np.float64)


def _votes(graph: sparse.csr_array) -> sparse.csr_array:
    joined = sparse.csr_array(graph + graph.T)
    joined.setdiag(0)
    joined.eliminate_zeros()
    joined.data = np.ones(len(joined.data))
    degree = np.maximum(np.diff(joined.indptr), 1)
    return sparse.csr_array(sparse.diags_array(1 / degree) @ joined)


def _starts(cells: _Cells, number: int, seed: int, repeats: int) -> Iterator[NDArray[np.intp]]:
    """Yield divisions by k-means of the directions and of the values of the leading components."""
    from scipy.cluster.vq import ClusterError, kmeans2

    rng = np.random.default_rng(seed)
    for width in sorted({min(each, cells.values.shape[1]) for each in (number - 1, number, 2 * number)}):
        values = cells.values[:, :width]
        length = np.linalg.norm(values, axis=1, keepdims=True)
        for points in [values / np.maximum(length, np.quantile(length, 0.05) + TINY), values] * repeats:
            try:
                code = kmeans2(points, number, iter=ITERATIONS, minit="++", missing="raise", seed=rng)[1]
            except ClusterError:  # a cluster became empty
                continue
            yield np.asarray(code, dtype=np.intp)
    # Quantiles of the first component are a division, too, where k-means finds none.
    yield np.argsort(np.argsort(cells.values[:, 0], kind="stable"), kind="stable") * number // len(cells.values)


def _refined(cells: _Cells, code: NDArray[np.intp], number: int, *, vote: float) -> tuple[NDArray[np.intp], float]:
    """Return a division near the given one at which cells are of the regime that costs least, and what it costs."""
    best, lowest = code, np.inf
    for _ in range(ROUNDS):
        cost = _costs(cells, code, number, vote)
        total = float(cost[np.arange(len(code)), code].sum())
        if total < lowest:
            best, lowest = code, total
        new = cost.argmin(axis=1)
        if (new == code).all():
            break
        code = new
    return best, lowest


def _exchanged(
    cells: _Cells, found: tuple[NDArray[np.intp], float], number: int, *, vote: float
) -> tuple[NDArray[np.intp], float]:
    """Exchange pairs of regimes from some time on where that costs less: curves that cross look alike there.

    The second function of time falls from early to late cells.
    """
    times = np.quantile(cells.curves[:, 1], np.linspace(0, 1, EXCHANGES + 2)[1:-1])
    for one, other in combinations(range(number), 2):
        for time in times:
            code, late = found[0], cells.curves[:, 1] < time
            new = np.where(late & (code == one), other, np.where(late & (code == other), one, code))
            found = min(found, _refined(cells, new, number, vote=vote), key=_cost)
    return found


def _together(votes: sparse.csr_array, code: NDArray[np.intp]) -> float:
    """Return how much more often than by chance neighbors are of one regime, 1 if they always are (kappa)."""
    shares = votes @ (code[:, None] == np.arange(code.max() + 1)).astype(np.float64)
    chance = float((shares.mean(axis=0) ** 2).sum())
    same = float(shares[np.arange(len(code)), code].mean())
    return (same - chance) / max(1 - chance, TINY)


def _cost(found: tuple[NDArray[np.intp], float]) -> float:
    return found[1]


def _costs(cells: _Cells, code: NDArray[np.intp], number: int, vote: float) -> NDArray[np.float64]:
    """Return the cost of every cell in every regime, (n, K)."""
    distance = np.full((len(code), number), np.inf)
    for regime in range(number):
        own = code == regime
        if own.sum() > CURVES:
            curve = _curve(cells.curves[own], cells.values[own])
            left = cells.values - cells.curves @ curve
            distance[:, regime] = np.einsum("nc,nc->n", left, left)
    if not vote:
        return distance
    one_hot = (code[:, None] == np.arange(number)).astype(np.float64)
    return distance + vote * (1 - cells.votes @ one_hot)


def _by_size(code: NDArray[np.intp]) -> NDArray[np.intp]:
    present, codes, sizes = np.unique(code, return_inverse=True, return_counts=True)
    rank = np.empty(len(present), dtype=np.intp)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(present))
    return rank[codes]
