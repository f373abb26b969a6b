r"""Expectation and maximization over the phase portraits of a block of genes.

For a given curve every cell is at the nearest point of one of its two phases (expectation); for given points the curve
moves towards the cells (maximization). The squared distance

.. math:: D_g(\theta_g) = \sum_i \min_{\tau, k} \left\lVert x_{ig} - f_k(\tau; \theta_g) \right\rVert^2

is minimized by damped Gauss-Newton steps on the part of the distance that is perpendicular to the curve: what a small
move along the curve would take away is no error (orthogonal distance regression). Prior knowledge has the form of
normal distributions of the logarithms, :math:`D_g (1 + \sum_k w_{gk} (\theta_{gk} - \theta^0_{gk})^2)`. All genes of
a block are moved together.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p
from typing import Any

from napari_tissue_dynamics.kinetic_models.phase_curve import Shape, curve, exponentials, switch_point

# Points of each phase among which a cell first looks for the nearest, and Newton steps from there.
POINTS = 12
REFINEMENTS = 3
STEPS_PER_ROUND = 2
# Switching times that a fit begins with, rounds until the best of them goes on alone.
STARTS = (0.7, 2.0, 5.0)
ROUNDS_OF_A_START = 2
# ... on one of so many cells.
EVERY = 4
DAMPING = 1e-2
LARGEST_STEP = 0.7
# Relative step of the derivative by the ratio of the rates.
RATIO_STEP = 0.02
# Bounds of the logarithms of ratio and switching time.
RATIOS = (-4.0, 3.0)
SWITCHES = (-2.5, 2.7)
ENOUGH = 1e-3
SMALL = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the cells are on their curves, (G, n) each.

    Parameters
    ----------
    tau
        Time since the phase began.
    on
        1 with and 0 without transcription.
    distance
        Squared distance to the curve.
    other
        Squared distance to the phase where the cell is not.
    """

    tau: Any
    on: Any
    distance: Any
    other: Any


class Portraits:
    """Phase portraits of a block of genes, and the prior of their curves.

    Parameters
    ----------
    u, s
        (G, n) moments, in units in which their distances count alike.
    known
        (G, 4) what the logarithms of slope, top, ratio and switch are expected to be.
    weight
        (G, 4) weights of the squares of the deviations from that.
    eye
        (4, 4) the unit matrix.
    xp
        numpy or torch, whose arrays the others are.
    """

    def __init__(self, u: Any, s: Any, known: Any, weight: Any, eye: Any, xp: Any) -> None:
        self.u, self.s = u, s
        self.known, self.weight = known, weight
        self.eye, self.xp = eye, xp

    def fit(self, rounds: int) -> Any:
        """Return the curves, (G, 4), after at most so many rounds, the best of several starts."""
        xp = self.xp
        some = self._part(cells=slice(None, None, EVERY))
        first = min(rounds, ROUNDS_OF_A_START)
        tried = []
        for switch in STARTS:
            stacked = some._settled(some._start(switch), first)
            tried.append((stacked, some._cost(stacked, some.place(stacked).distance)))
        best, least = tried[0]
        for stacked, cost in tried[1:]:
            better = cost < least
            best, least = xp.where(better[:, None], stacked, best), xp.where(better, cost, least)
        return self._settled(best, rounds - first)

    def place(self, stacked: Any, *, refinements: int = REFINEMENTS) -> Places:
        """Return the nearest point of its curve for every cell: the best of a grid, then Newton steps along it."""
        xp, shape = self.xp, Shape.of(stacked)
        on_time, on = self._nearest(shape, 1, refinements)
        off_time, off = self._nearest(shape, 0, refinements)
        first = on <= off
        return Places(
            xp.where(first, on_time, off_time),
            xp.where(first, xp.ones_like(on), xp.zeros_like(on)),
            xp.where(first, on, off),
            xp.where(first, off, on),
        )

    def _start(self, switch: float) -> Any:
        """Return curves, (G, 4), that are as high as the highest cells when transcription ends at ``switch``."""
        xp = self.xp
        ratio = self.known[:, 2:3]
        time = xp.log(xp.full_like(ratio, switch))
        end_u, end_s = switch_point(Shape(ratio, ratio, ratio, time), xp)
        top_u, top_s = _high(self.u, xp) / end_u + SMALL, _high(self.s, xp) / end_s + SMALL
        return xp.concatenate([xp.log(top_u / top_s), xp.log(top_s), ratio, time], 1)

    def _settled(self, stacked: Any, rounds: int) -> Any:
        """Return the curves, (G, 4), after some rounds; genes whose cost hardly falls any more are left alone."""
        xp = self.xp
        stacked = stacked + 0  # a copy that may be written to
        damping = xp.full_like(stacked[:, 0], DAMPING)
        moving = damping > 0
        for _ in range(rounds):
            part = self._part(genes=moving)
            now, steps = stacked[moving], damping[moving]
            places = part.place(now)
            cost = before = part._cost(now, places.distance)
            for _ in range(STEPS_PER_ROUND):
                now, places, cost, steps = part._improved(now, places, cost, steps)
            stacked[moving], damping[moving] = now, steps
            goes_on = moving & moving
            goes_on[moving] = before - cost > ENOUGH * before
            moving = goes_on
            if not bool(moving.any()):
                break
        return stacked

    def _part(self, *, genes: Any = slice(None), cells: Any = slice(None)) -> Portraits:
        """Return some of the genes or cells."""
        u, s = self.u[genes][:, cells], self.s[genes][:, cells]
        return Portraits(u, s, self.known[genes], self.weight[genes], self.eye, self.xp)

    def _improved(self, stacked: Any, places: Places, cost: Any, damping: Any) -> tuple[Any, Places, Any, Any]:
        """Try one step and keep it for the genes whose cost falls."""
        xp = self.xp
        trial = self._moved(stacked, places, damping)
        tau, distance = self._refined(Shape.of(trial), places.tau, places.on, 1)
        new = self._cost(trial, distance)
        better = new < cost
        wide = better[:, None]
        places = Places(
            xp.where(wide, tau, places.tau), places.on, xp.where(wide, distance, places.distance), places.other
        )
        damping = xp.where(better, damping * 0.3, damping * 5)
        return xp.where(wide, trial, stacked), places, xp.where(better, new, cost), damping

    def _cost(self, stacked: Any, distance: Any) -> Any:
        return distance.sum(-1) * (1 + (self.weight * (stacked - self.known) ** 2).sum(-1))

    def _moved(self, stacked: Any, places: Places, damping: Any) -> Any:
        """Return the curves after one damped Gauss-Newton step."""
        xp = self.xp
        hessian, gradient = self._normal_equations(Shape.of(stacked), places)
        prior = self.weight * places.distance.sum(-1)[:, None]
        gradient = gradient - prior * (stacked - self.known)
        size = xp.einsum("gkk->gk", hessian) + prior
        ridge = prior + damping[:, None] * size + 1e-6 * size.sum(-1)[:, None] + SMALL
        step = xp.linalg.solve(hessian + ridge[:, :, None] * self.eye, gradient[:, :, None])[:, :, 0]
        moved = stacked + xp.clip(step, -LARGEST_STEP, LARGEST_STEP)
        ratio, switch = xp.clip(moved[:, 2], *RATIOS), xp.clip(moved[:, 3], *SWITCHES)
        return xp.stack([moved[:, 0], moved[:, 1], ratio, switch], -1)

    def _normal_equations(self, shape: Shape, places: Places) -> tuple[Any, Any]:
        """Return the matrix (G, 4, 4) and the right-hand side (G, 4) of a Gauss-Newton step."""
        xp, tau, on = self.xp, places.tau, places.on
        top_u, top_s = shape.tops(xp)
        at_u, at_s = curve(shape, tau, on, xp)
        turn_u, turn_s = top_u * (on - at_u), top_s * xp.exp(shape.ratio) * (at_u - at_s)
        by_u, by_s = self._derivatives(shape, tau, on, at_u, at_s)
        left_u, left_s = self.u - top_u * at_u, self.s - top_s * at_s
        # At an end of its phase a cell cannot move along the curve.
        inside = (tau > 0) & (tau < _end(shape, on, xp))
        length = turn_u**2 + turn_s**2 + SMALL
        free = xp.where(inside, 1 / xp.sqrt(length), xp.zeros_like(tau))
        along = [(turn_u * a + turn_s * b) * free for a, b in zip(by_u, by_s, strict=True)]
        wide = xp.stack([xp.concatenate([a, b], -1) for a, b in zip(by_u, by_s, strict=True)], 1)
        narrow = xp.stack(along, 1)
        left = xp.concatenate([left_u, left_s], -1)[:, :, None]
        left_along = ((turn_u * left_u + turn_s * left_s) * free)[:, :, None]
        matrix = wide @ xp.swapaxes(wide, 1, 2) - narrow @ xp.swapaxes(narrow, 1, 2)
        return matrix, (wide @ left - narrow @ left_along)[:, :, 0]

    def _derivatives(self, shape: Shape, tau: Any, on: Any, at_u: Any, at_s: Any) -> tuple[list[Any], list[Any]]:
        """Return the derivatives of u and of s by the four logarithms, (G, n) each."""
        xp = self.xp
        top_u, top_s = shape.tops(xp)
        ratio, switch = xp.exp(shape.ratio), xp.exp(shape.switch)
        steeper = Shape(shape.slope, shape.top, shape.ratio + log1p(RATIO_STEP), shape.switch)
        by_ratio = top_s * (curve(steeper, tau, on, xp)[1] - at_s) / log1p(RATIO_STEP)
        # A later switch moves the beginning of the phase without transcription on along the other phase, ...
        end_u, end_s = switch_point(shape, xp)
        slow, other, between = exponentials(tau, ratio, xp)
        off_u = (1 - end_u) * slow
        off_s = ratio * (end_u - end_s) * other + ratio * (1 - end_u) * between
        # ... and the cells at the end of transcription with it.
        last = on * xp.where(tau >= switch, xp.ones_like(tau), xp.zeros_like(tau))
        by_switch_u = top_u * switch * ((1 - on) * off_u + last * (1 - at_u))
        by_switch_s = top_s * switch * ((1 - on) * off_s + last * ratio * (at_u - at_s))
        zero = xp.zeros_like(tau)
        return [top_u * at_u, top_u * at_u, zero, by_switch_u], [zero, top_s * at_s, by_ratio, by_switch_s]

    def _nearest(self, shape: Shape, on: int, refinements: int) -> tuple[Any, Any]:
        """Return the time of the nearest point of one phase and the squared distance to it, (G, n) each."""
        xp = self.xp
        top_u, top_s = shape.tops(xp)
        end = xp.exp(shape.switch) if on else shape.longest(xp)
        best, tau = xp.full_like(self.u, 1e30), xp.zeros_like(self.u)
        for k in range(POINTS):
            share = k / (POINTS - 1)
            at = end * (share if on else share**2)  # without transcription most happens at the beginning
            at_u, at_s = curve(shape, at, on, xp)
            distance, other = self.u - top_u * at_u, self.s - top_s * at_s
            distance *= distance  # in place: this loop is bound by memory
            other *= other
            distance += other
            nearer = distance < best
            best, tau = xp.where(nearer, distance, best), xp.where(nearer, at, tau)
        return self._refined(shape, tau, on, refinements)

    def _refined(self, shape: Shape, tau: Any, on: Any, steps: int) -> tuple[Any, Any]:
        """Return times after Newton steps along the curve, and the squared distances there."""
        xp = self.xp
        top_u, top_s = shape.tops(xp)
        ratio, end, zero = xp.exp(shape.ratio), _end(shape, on, xp), xp.zeros_like(tau)
        for _ in range(steps):
            at_u, at_s = curve(shape, tau, on, xp)
            turn_u, turn_s = top_u * (on - at_u), top_s * ratio * (at_u - at_s)
            along = (self.u - top_u * at_u) * turn_u + (self.s - top_s * at_s) * turn_s
            step = xp.clip(along / (turn_u**2 + turn_s**2 + SMALL), -LARGEST_STEP, LARGEST_STEP)
            tau = xp.minimum(xp.maximum(tau + step, zero), end + zero)
        at_u, at_s = curve(shape, tau, on, xp)
        return tau, (self.u - top_u * at_u) ** 2 + (self.s - top_s * at_s) ** 2


def _end(shape: Shape, on: Any, xp: Any) -> Any:
    """Return when a phase ends."""
    return on * xp.exp(shape.switch) + (1 - on) * shape.longest(xp)


def _high(values: Any, xp: Any) -> Any:
    """Return the mean of the values above the mean of those above the mean, and so on, (G, 1): a high quantile."""
    zero, one = xp.zeros_like(values), xp.ones_like(values)
    level = values.mean(-1)[:, None]
    for _ in range(3):
        above = values > level
        level = xp.where(above, values, zero).sum(-1)[:, None] / (xp.where(above, one, zero).sum(-1)[:, None] + SMALL)
    return level
