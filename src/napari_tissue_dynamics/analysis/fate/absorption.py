"""The probabilities that a Markov chain ends in each of several sets of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.compute import wait_for
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import stopped

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import Progress, StopToken

STOPPED = "The fates were stopped before they were complete; earlier results are unchanged."
# Of more transient cells the factors of the equations would fill up; they are then solved step by step.
DIRECT = 4000
TOLERANCE = 1e-10
# Incomplete factors: what is dropped and how far they may fill up; the second is tried where the first is too coarse.
FACTORS = ((1e-3, 10), (1e-5, 40))
RESTART, MOST_RESTARTS = 50, 20
# Largest violation of the equations that is accepted.
RESIDUAL = 1e-7


def absorption_steps(
    chain: sparse.csr_array, codes: NDArray[np.integer], stop: StopToken | None = None
) -> Generator[Progress, None, NDArray[np.float32]]:
    r"""Find the probability of every cell to come into each set before any other.

    .. math:: (I - Q)\,B = R

    with the steps :math:`Q` among the cells of no set and :math:`R` from them into each set. Up to 4000 cells are
    solved directly, more with GMRES and incomplete factors, one side after the other with the same factors. Where a
    cell may also come into cells from which no set is reached, its row is the probability given that it does come into
    a set.

    Parameters
    ----------
    chain
        (n, n) transition probabilities, rows sum to one.
    codes
        (n,) the set of each cell, -1 for none; 0 to k - 1 all occur.

    Returns
    -------
    (n, k) float32. Rows sum to one; cells from which no set is reached have NaN.

    Raises
    ------
    DataError
        If no cell is in a set.
    FitError
        If the equations cannot be solved, or the work was ended early.
    """
    number = int(codes.max(initial=-1)) + 1
    if number == 0 or len(np.unique(codes[codes >= 0])) < number:
        raise DataError("Every terminal state needs at least one cell. Choose cells for each.")
    if stopped(stop):
        raise FitError(STOPPED)
    reached = reaching(chain, codes >= 0)
    transient = np.flatnonzero(reached & (codes < 0))
    result = np.full((len(codes), number), np.nan)
    inside = np.flatnonzero(codes >= 0)
    result[inside] = np.eye(number)[codes[inside]]
    if transient.size:
        rows = sparse.csr_array(chain[transient])
        member = sparse.csr_array((np.ones(inside.size), (inside, codes[inside])), shape=(len(codes), number))
        ends = (rows @ member).toarray()
        system = sparse.csc_array(sparse.eye_array(transient.size) - rows[:, transient])
        found = yield from _solved(system, ends, stop)
        result[transient] = _as_probabilities(found)
    return result.astype(np.float32)


def reaching(chain: sparse.csr_array, target: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return from which cells a chain may come to target cells, (n,); target cells count."""
    from scipy.sparse.csgraph import breadth_first_order

    n = chain.shape[0]
    back = sparse.coo_array(chain.T)
    start = np.flatnonzero(target)
    # One more node that leads to all target cells: one search finds all that reach any of them.
    rows = np.concatenate([back.row, np.full(start.size, n)])
    columns = np.concatenate([back.col, start])
    graph = sparse.csr_array((np.ones(rows.size, dtype=np.int8), (rows, columns)), shape=(n + 1, n + 1))
    order = breadth_first_order(graph, n, directed=True, return_predecessors=False)
    found = np.zeros(n + 1, dtype=bool)
    found[order] = True
    return found[:n]


def _solved(
    system: sparse.csc_array, ends: NDArray[np.float64], stop: StopToken | None
) -> Generator[Progress, None, NDArray[np.float64]]:
    """Return the solution for all columns; its violation of the equations is checked."""
    if system.shape[0] <= DIRECT:
        found = yield from wait_for("fates", lambda: _direct(system, ends), 0.0, stop, STOPPED)
        _check(system, found, ends)
        return found
    for drop, fill in FACTORS:
        solution = yield from _by_steps(system, ends, drop, fill, stop)
        if solution is not None:
            return solution
    raise FitError(
        "The equations of the fates could not be solved: cells take too many steps to their ends. "
        "Give the random walk more weight, or choose more cells for each terminal state."
    )


def _direct(system: sparse.csc_array, ends: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.sparse.linalg import splu

    solution: NDArray[np.float64] = splu(sparse.csc_matrix(system)).solve(ends)
    return solution


def _by_steps(
    system: sparse.csc_array, ends: NDArray[np.float64], drop: float, fill: float, stop: StopToken | None
) -> Generator[Progress, None, NDArray[np.float64] | None]:
    """Return the solution by GMRES, None if it was not found with these incomplete factors."""
    from scipy.sparse.linalg import LinearOperator, gmres, spilu

    matrix = sparse.csc_matrix(system)
    factors = yield from wait_for("fates", lambda: spilu(matrix, drop_tol=drop, fill_factor=fill), 0.0, stop, STOPPED)
    nearly = LinearOperator(matrix.shape, factors.solve)
    solution = np.empty_like(ends)
    for side in range(ends.shape[1]):
        column, failed = yield from wait_for(
            "fates",
            lambda side=side: gmres(  # type: ignore[misc]
                matrix, ends[:, side], rtol=TOLERANCE, restart=RESTART, maxiter=MOST_RESTARTS, M=nearly
            ),
            side / ends.shape[1],
            stop,
            STOPPED,
        )
        if failed or np.abs(matrix @ column - ends[:, side]).max() > RESIDUAL:
            return None
        solution[:, side] = column
    return solution


def _check(system: sparse.csc_array, found: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
    if not np.isfinite(found).all() or np.abs(system @ found - ends).max() > RESIDUAL:
        raise FitError(
            "The equations of the fates could not be solved: some cells hardly ever reach an end. "
            "Give the random walk more weight, or choose other terminal states."
        )


def _as_probabilities(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows that sum to one; NaN for a row in which nothing but rounding is left."""
    clipped = np.clip(found, 0, None)
    total = clipped.sum(axis=1, keepdims=True)
    return np.divide(clipped, total, out=np.full_like(clipped, np.nan), where=total > np.finfo(np.float64).tiny)
