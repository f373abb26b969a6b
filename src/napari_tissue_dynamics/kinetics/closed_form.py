r"""Closed forms of the kinetics of unspliced and spliced RNA, shared by models and simulator.

.. math::

    \frac{du}{dt} = \alpha - \beta u, \qquad \frac{ds}{dt} = \beta u - \gamma s

Formula source: La Manno et al. 2018 (Nature 560:494); the limits of equal and of vanishing rates are our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def unspliced(t: ArrayLike, u0: ArrayLike, alpha: ArrayLike, beta: ArrayLike) -> NDArray[np.float64]:
    r"""Unspliced RNA a time ``t`` after it was ``u0``, at constant rates.

    .. math:: u(t) = u_0 e^{-\beta t} + \frac{\alpha}{\beta} (1 - e^{-\beta t})

    Parameters
    ----------
    t
        Time passed, at or above zero.
    u0
        Unspliced RNA at time zero.
    alpha, beta
        Rates of transcription and splicing, at or above zero. All parameters broadcast.

    Returns
    -------
    u(t) in the broadcast shape, in the unit of ``u0``.
    """
    t, u0, alpha, beta = (np.asarray(value, dtype=np.float64) for value in (t, u0, alpha, beta))
    return u0 * np.exp(-beta * t) + alpha * t * _mean_decay(beta * t)


def spliced(  # the arguments are the symbols of the formula
    t: ArrayLike, s0: ArrayLike, u0: ArrayLike, alpha: ArrayLike, beta: ArrayLike, gamma: ArrayLike
) -> NDArray[np.float64]:
    r"""Spliced RNA a time ``t`` after it was ``s0`` and unspliced RNA ``u0``, at constant rates.

    .. math::

        s(t) = s_0 e^{-\gamma t} + \frac{\alpha}{\gamma} (1 - e^{-\gamma t})
               + (\alpha - \beta u_0) \frac{e^{-\gamma t} - e^{-\beta t}}{\gamma - \beta}

    The last fraction is evaluated in a form that stays exact when the two rates are close or equal,
    where it becomes :math:`-t e^{-\gamma t}`.

    Parameters
    ----------
    t
        Time passed, at or above zero.
    s0, u0
        Spliced and unspliced RNA at time zero.
    alpha, beta, gamma
        Rates of transcription, splicing and degradation, at or above zero. All parameters broadcast.

    Returns
    -------
    s(t) in the broadcast shape, in the unit of ``s0``.
    """
    t, s0, u0, alpha, beta, gamma = (np.asarray(value, dtype=np.float64) for value in (t, s0, u0, alpha, beta, gamma))
    transfer = t * np.exp(-np.minimum(beta, gamma) * t) * _mean_decay(np.abs(gamma - beta) * t)
    return s0 * np.exp(-gamma * t) + alpha * t * _mean_decay(gamma * t) - (alpha - beta * u0) * transfer


def evolve(
    t: ArrayLike,
    starts: ArrayLike,
    alphas: ArrayLike,
    rates: tuple[ArrayLike, ArrayLike],
    state: tuple[ArrayLike, ArrayLike],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Follow the kinetics through phases of constant transcription.

    Parameters
    ----------
    t
        Time of every cell since ``starts[0]``'s clock began; broadcasts against one phase, so (cells, 1).
    starts
        (phases, ...) when each phase starts, in rising order along the first axis; the first is the time
        of ``state``. Each entry broadcasts against ``t``, so (phases, genes) or (phases, cells, genes).
    alphas
        (phases, ...) rate of transcription in each phase.
    rates
        ``(beta, gamma)``, each broadcasts against ``t``.
    state
        ``(u, s)`` at the first start.

    Returns
    -------
    ``(u, s, alpha)``: unspliced and spliced RNA and the rate of transcription at time ``t``.
    """
    t, starts, alphas = (np.asarray(value, dtype=np.float64) for value in (t, starts, alphas))
    beta, gamma = rates
    u, s = (np.asarray(value, dtype=np.float64) for value in state)
    now = np.broadcast_to(alphas[0], np.broadcast_shapes(t.shape, alphas[0].shape))
    for phase, (start, alpha) in enumerate(zip(starts, alphas, strict=True)):
        end = starts[phase + 1] if phase + 1 < len(starts) else np.inf
        passed = np.maximum(np.minimum(t, end) - start, 0.0)
        u, s = unspliced(passed, u, alpha, beta), spliced(passed, s, u, alpha, beta, gamma)
        now = np.where(t >= start, alpha, now)
    return u, s, now


def _mean_decay(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (1 - exp(-x)) / x, the mean of a unit decay over [0, x], and its limit 1 at x = 0."""
    zero = x == 0
    return np.where(zero, 1.0, -np.expm1(-x) / np.where(zero, 1.0, x))
