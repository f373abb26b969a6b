"""The sparse group lasso, solved until it has converged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.travlr.nets.lasso import REPORT_EVERY, Penalties

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.nets.lasso import Floats

ITERATIONS = 20_000
TOLERANCE = 1e-9
# The bound of the curvature comes from a power iteration that ends a little below it.
MARGIN = 1.05
POWER_ITERATIONS = 200


def exact_steps(
    x: Floats,
    y: Floats,
    groups: NDArray[np.integer],
    penalties: Penalties = Penalties(),
    *,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Generator[float, None, tuple[Floats, bool]]:
    r"""Minimize the sparse group lasso.

    .. math:: \frac{1}{2n}\|Xw + b - y\|^2 + \sum_g \lambda_g \|w_g\|_2 + \lambda_1 \|w\|_1

    Accelerated proximal gradient with the largest eigenvalue as step bound and a restart whenever the momentum
    points uphill (O'Donoghue and Candès 2015). Unlike the early-stopped path, a fixed point is the minimum of
    exactly this sum. With more cells than columns only products with the Gram matrix are needed.

    Parameters
    ----------
    x, y, groups, penalties
        As for :func:`~napari_tissue_dynamics.travlr.nets.lasso.sparse_group_lasso_steps`.
    iterations
        Cap.
    tolerance
        Converged when a step changes less than this share of the first step's gradient.

    Yields
    ------
    Share of the cap that is done.

    Returns
    -------
    (1 + modulators,) intercept and coefficients, and whether the iteration has converged.
    """
    n, center, middle = len(y), x.mean(axis=0), float(y.mean())
    centered, target = x - center, y - middle
    correlation = centered.T @ target / n
    gram = centered.T @ centered / n if n > x.shape[1] else None

    def curved(w: Floats) -> Floats:
        return gram @ w if gram is not None else centered.T @ (centered @ w) / n

    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    bound = MARGIN * _largest_eigenvalue(curved, x.shape[1])
    largest = float(np.abs(correlation).max(initial=0.0))
    w = momentum = np.zeros(x.shape[1])
    time, converged = 1.0, bound == 0 or largest == 0
    for iteration in range(0 if converged else iterations):
        new = _prox(momentum - (curved(momentum) - correlation) / bound, members, penalties, bound)
        if float(np.abs(new - momentum).max()) * bound <= tolerance * largest:
            w, converged = new, True
            break
        uphill = (momentum - new) @ (new - w) > 0
        time, before = (1.0, 1.0) if uphill else (0.5 + 0.5 * np.sqrt(1 + 4 * time**2), time)
        momentum = w if uphill else new + (new - w) * ((before - 1) / time)
        w = w if uphill else new
        if iteration % REPORT_EVERY == 0:
            yield (iteration + 1) / iterations
    return np.concatenate([[middle - center @ w], w]), converged


def _largest_eigenvalue(curved: Callable[[Floats], Floats], size: int) -> float:
    """Return the largest eigenvalue of a positive semidefinite product, by power iteration."""
    vector = np.random.default_rng(0).normal(size=size)
    value = 0.0
    for _ in range(POWER_ITERATIONS):
        length = float(np.linalg.norm(vector))
        if length == 0:
            return 0.0
        vector = curved(vector / length)
        value = float(np.linalg.norm(vector))
    return value


def _prox(w: Floats, members: list[NDArray[np.intp]], penalties: Penalties, bound: float) -> Floats:
    """Shrink elements, then groups."""
    result: Floats = np.sign(w) * np.maximum(np.abs(w) - penalties.element / bound, 0)
    for rows in members:
        length = float(np.linalg.norm(result[rows]))
        if length > 0:
            result[rows] *= max(0.0, 1 - penalties.of_group(len(rows)) / bound / length)
    return result
