"""Sparse group lasso by the accelerated proximal iteration that SpaceTravLR relies on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Generator

Floats = NDArray[np.float64]
GroupScaling = Literal["inverse", "direct"]

ITERATIONS = 1500
TOLERANCE = 1e-5
# How often a running fit reports back.
REPORT_EVERY = 20


@dataclass(frozen=True, slots=True)
class Penalties:
    """Strength of the two penalties.

    Parameters
    ----------
    group
        Of the length of each group's coefficients.
    element
        Of the absolute value of each coefficient.
    scaling
        Whether the group penalty is divided (``inverse``) or multiplied (``direct``) by the square root of the
        group's size.
    """

    group: float = 1e-6
    element: float = 1e-9
    scaling: GroupScaling = "inverse"

    def of_group(self, size: int) -> float:
        """Return the strength for a group of ``size`` coefficients."""
        return self.group / np.sqrt(size) if self.scaling == "inverse" else self.group * np.sqrt(size)


@dataclass(slots=True)
class _Problem:
    """The centered least-squares problem: f(w) = ||A w - y||² / 2n with A = [1, X - mean X]."""

    design: Floats
    y: Floats
    members: list[NDArray[np.intp]]
    group_strength: list[float]
    element: float
    lipschitz: float

    def residual(self, w: Floats) -> Floats:
        return self.design @ w - self.y

    def value(self, residual: Floats) -> float:
        return float(residual @ residual) / (2 * len(self.y))

    def gradient(self, residual: Floats) -> Floats:
        return (residual @ self.design) / len(self.y)

    def prox(self, w: Floats) -> Floats:
        """Shrink elements, then groups; the intercept w[0] is free."""
        result = np.sign(w) * np.maximum(np.abs(w) - self.element / self.lipschitz, 0)
        result[0] = w[0]
        for rows, strength in zip(self.members, self.group_strength, strict=True):
            length = float(np.linalg.norm(result[rows]))
            if length > 0:
                result[rows] *= max(0.0, 1 - strength / self.lipschitz / length)
        return result


def sparse_group_lasso_steps(
    x: Floats,
    y: Floats,
    groups: NDArray[np.integer],
    penalties: Penalties = Penalties(),
    *,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Generator[float, None, Floats]:
    r"""Follow the path of the sparse group lasso from zero.

    .. math:: \frac{1}{2n}\|Xw + b - y\|^2 + \sum_g \frac{\lambda}{\sqrt{|g|}} \|w_g\|_2 + \lambda_1 \|w\|_1

    FISTA with restart and doubling of the step bound (:math:`L = \|A\|_F^2 / n` at the start), with half
    a gradient step before a full proximal step as in the package SpaceTravLR calls; a fixed point
    therefore has both penalties doubled. With weak penalties the iteration ends at its cap: the result is
    an early-stopped path.

    Parameters
    ----------
    x
        (cells, modulators) float64.
    y
        (cells,) float64.
    groups
        (modulators,) number of the group of each column.
    penalties
        :math:`\lambda` and :math:`\lambda_1`.
    iterations, tolerance
        Cap, and relative change below which the path ends.

    Yields
    ------
    Share of the cap that is done.

    Returns
    -------
    (1 + modulators,) intercept and coefficients.
    """
    center = x.mean(axis=0)
    problem = _problem(x - center, y, groups, penalties)
    position = momentum = np.zeros(1 + x.shape[1])
    time = 1.0
    at_position = problem.residual(position)
    for iteration in range(iterations):
        at_momentum = problem.residual(momentum)
        new = _step(problem, momentum, at_momentum)
        if (momentum - new) @ (new - position) > problem.value(at_position):  # restart
            momentum, at_momentum, time = position, at_position, 1.0
            new = _step(problem, momentum, at_momentum)
        new, at_new = _backtrack(problem, momentum, at_momentum, new)
        new_time = 0.5 + 0.5 * np.sqrt(1 + 4 * time**2)
        change = new - position
        momentum = new + change * ((time - 1) / new_time)
        position, at_position, time = new, at_new, new_time
        if np.linalg.norm(change) / np.linalg.norm(new + 1e-16) < tolerance:
            break
        if iteration % REPORT_EVERY == 0:
            yield (iteration + 1) / iterations
    result = position.copy()
    result[0] -= center @ result[1:]
    return result


def _problem(centered: Floats, y: Floats, groups: NDArray[np.integer], penalties: Penalties) -> _Problem:
    design = np.column_stack([np.ones(len(y)), centered])
    members = [1 + np.flatnonzero(groups == group) for group in np.unique(groups)]
    return _Problem(
        design=design,
        y=y,
        members=members,
        group_strength=[penalties.of_group(len(rows)) for rows in members],
        element=penalties.element,
        lipschitz=float((design**2).sum()) / len(y),
    )


def _step(problem: _Problem, momentum: Floats, at_momentum: Floats) -> Floats:
    return problem.prox(momentum - 0.5 * problem.gradient(at_momentum) / problem.lipschitz)


def _backtrack(problem: _Problem, momentum: Floats, at_momentum: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Double the step bound until the quadratic model lies above the objective."""
    slope = problem.gradient(at_momentum)
    height = problem.value(at_momentum)
    while True:
        at_new = problem.residual(new)
        move = new - momentum
        bound = height + problem.lipschitz / 2.5 * (move @ move) + slope @ move
        if not problem.value(at_new) > bound:
            return new, at_new
        problem.lipschitz *= 2
        new = _step(problem, momentum, at_momentum)
