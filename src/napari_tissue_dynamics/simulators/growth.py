"""Where the cells of a simulated tissue are and how the tissue moves them: two arms that leave a root stripe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T_MAX = 20.0
ORIGIN = (1250.0, 840.0)
SIZED_FOR = 1500
ROOT_HALF_WIDTH = 80.0
ROTATION = np.deg2rad(25.0)
TIME_JITTER = 0.02
R2_STEP = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of the tissue, in micrometres.

    ``direction`` is the sign of its axis coordinate, ``curvature`` bends the axis (1/um) and ``flare``
    is the relative change of width from the root to the tip.
    """

    name: str
    direction: float
    length: float
    curvature: float
    flare: float

    def scaled(self, factor: float) -> Arm:
        """Return the same shape, ``factor`` times as large."""
        return Arm(self.name, self.direction, self.length * factor, self.curvature / factor, self.flare)


ARMS = (
    Arm("arm A", +1.0, 430.0, 1 / 600, -0.45),
    Arm("arm B", -1.0, 250.0, 1 / 210, 0.35),
)


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """A grown tissue.

    Parameters
    ----------
    positions
        (cells, 2) um.
    velocity
        (cells, 2) um per time, derivative of the position in time at a fixed place across the arm.
    time
        (cells,) in [0, 20].
    arm
        (cells,) index into ``ARMS``.
    """

    positions: NDArray[np.float64]
    velocity: NDArray[np.float64]
    time: NDArray[np.float64]
    arm: NDArray[np.int32]


def grow(n_cells: int, rng: np.random.Generator) -> Growth:
    """Place ``n_cells`` evenly in the tissue; more cells make a larger tissue of the same density."""
    factor = float(np.sqrt(n_cells / SIZED_FOR))
    arms = [arm.scaled(factor) for arm in ARMS]
    half_width = ROOT_HALF_WIDTH * factor
    along, across = _even_places(n_cells, arms, half_width, rng)
    side = (along < 0).astype(np.int32)
    travelled = np.abs(along) / np.array([arm.length for arm in arms])[side]
    positions, velocity = np.empty((2, n_cells, 2))
    for index, arm in enumerate(arms):
        here = side == index
        positions[here], velocity[here] = flow(travelled[here], across[here], arm, half_width)
    jittered = np.abs(travelled + rng.normal(0.0, TIME_JITTER, n_cells))
    time = T_MAX * (1.0 - np.abs(1.0 - jittered))
    positions, velocity = turned(positions, ROTATION), turned(velocity, ROTATION)
    return Growth(positions - positions.min(axis=0) + ORIGIN, velocity, time, side)


def flow(
    travelled: NDArray[np.float64], across: NDArray[np.float64], arm: Arm, half_width: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position and velocity of cells in an arm, before the tissue is turned and moved.

    Parameters
    ----------
    travelled
        (cells,) share of the arm's length covered since time zero; a cell covers the length in 20 units of time.
    across
        (cells,) place across the arm, from -1 to 1; a cell keeps it for life.
    arm, half_width
        Shape of the arm, and half its width at the root in um.

    Returns
    -------
    Positions (cells, 2) in um and their time derivatives (cells, 2) in um per time.
    """
    along = arm.direction * arm.length * travelled
    angle = arm.curvature * along
    offset = across * _half_width(travelled, arm, half_width)
    widening = across * 2 * arm.flare * travelled * half_width / (arm.direction * arm.length)
    tangent = np.column_stack([np.cos(angle), np.sin(angle)])
    normal = np.column_stack([-np.sin(angle), np.cos(angle)])
    axis = np.column_stack([np.sin(angle), 1 - np.cos(angle)]) / arm.curvature
    speed = arm.direction * arm.length / T_MAX
    per_length = tangent * (1 - arm.curvature * offset)[:, None] + normal * widening[:, None]
    return axis + normal * offset[:, None], speed * per_length


def _half_width(travelled: NDArray[np.float64], arm: Arm, half_width: float) -> NDArray[np.float64]:
    return half_width * (1 + arm.flare * travelled**2)


def _even_places(
    n_cells: int, arms: list[Arm], half_width: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place cells along and across the straightened tissue by a jittered additive sequence, in random order."""
    first, second = arms
    axis = np.linspace(-second.length, first.length, 1025)
    travelled = np.where(axis < 0, -axis / second.length, axis / first.length)
    width = np.where(axis < 0, _half_width(travelled, second, half_width), _half_width(travelled, first, half_width))
    area = np.concatenate([[0.0], np.cumsum((width[1:] + width[:-1]) / 2)])
    even = np.arange(1, n_cells + 1)[:, None] * np.array(R2_STEP) + rng.random(2)
    even += rng.normal(0.0, 0.15 / np.sqrt(n_cells), even.shape)
    even = rng.permutation(even % 1.0)
    return np.interp(even[:, 0] * area[-1], area, axis), 2 * even[:, 1] - 1


def turned(xy: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Turn points (points, 2) by an angle in radians about the origin."""
    cos, sin = np.cos(angle), np.sin(angle)
    return xy @ np.array([[cos, sin], [-sin, cos]])
