"""Where the cells of the telegraph tissues are, how far along their paths, and which way they move.

A path is the course of a cell from 0 to ``T_MAX``. A region of the tissue holds cells of one path, except in branches,
where all paths share the trunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.requests import Layout

    Floats: TypeAlias = NDArray[np.float64]

T_MAX = 10.0
# A cell for every square of this side, in um.
SPACING = 10.0
# Width of a band in um; the 30 nearest cells of a cell reach 31 um, so that they lie in bands of both directions.
BAND = 25.0
FEWEST_SOURCES = 3
FEWEST_ARMS = 2
# Time at which the trunk ends, half of the angle over which the arms spread, and width of trunk and arms.
FORK, SPREAD, ARM_WIDTH = 0.4 * T_MAX, np.pi / 3, 0.15
# Distance of sources and cycles, in radii: they touch.
APART = 2.0
HOLE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Cells of a layout.

    Parameters
    ----------
    positions
        (cells, 2) in um.
    movement
        (cells, 2) um per time; None where cells of all times are mixed.
    time
        (cells,) in [0, ``T_MAX``].
    path
        (cells,) index of the path of a cell.
    regimes
        (paths, 2) regime of a path before and after ``FORK``.
    """

    positions: Floats
    movement: Floats | None
    time: Floats
    path: NDArray[np.int32]
    regimes: NDArray[np.int32]

    @property
    def regime(self) -> NDArray[np.int32]:
        """(cells,) regime of every cell."""
        return self.regimes[self.path, (self.time >= FORK).astype(int)]


def place(layout: Layout, n_cells: int, n_regimes: int, rng: np.random.Generator) -> Placed:
    """Place the cells of a layout; all regions have equally many, or one more."""
    return LAYOUTS[layout](n_cells, n_regimes, rng)


def _opposite(n_cells: int, n_regimes: int, rng: np.random.Generator) -> Placed:
    """Place bands side by side; two that are neighbors run in opposite directions and share a regime or not."""
    side = SPACING * np.sqrt(n_cells)
    n_bands = 2 * n_regimes * max(1, round(side / BAND / (2 * n_regimes)))
    band = _evenly(n_cells, n_bands, rng)
    time, sign = rng.uniform(0, T_MAX, n_cells), np.where(band % 2 == 0, 1.0, -1.0)
    along = side * np.where(sign > 0, time / T_MAX, 1 - time / T_MAX)
    across = side * (band + rng.uniform(size=n_cells)) / n_bands
    movement = np.column_stack([sign * side / T_MAX, np.zeros(n_cells)])
    return _regions(np.column_stack([along, across]), movement, time, band // 2 % n_regimes, n_regimes)


def _sources(n_cells: int, n_regimes: int, rng: np.random.Generator) -> Placed:
    """Place disks that grow outwards, each evenly filled."""
    number = n_regimes * -(-FEWEST_SOURCES // n_regimes)
    source, radius = _evenly(n_cells, number, rng), SPACING * np.sqrt(n_cells / number / np.pi)
    distance, angle = np.sqrt(rng.uniform(size=n_cells)), rng.uniform(0, 2 * np.pi, n_cells)
    outwards = np.column_stack([np.cos(angle), np.sin(angle)])
    positions = radius * (distance[:, None] * outwards + _on_circle(number)[source])
    return _regions(positions, radius / T_MAX * outwards, T_MAX * distance, source % n_regimes, n_regimes)


def _cycle(n_cells: int, n_regimes: int, rng: np.random.Generator) -> Placed:
    """Place rings in which the angle, counterclockwise from the x axis, is the time."""
    ring = _evenly(n_cells, n_regimes, rng)
    radius = SPACING * np.sqrt(n_cells / n_regimes / np.pi / (1 - HOLE**2))
    distance = radius * np.sqrt(rng.uniform(HOLE**2, 1, n_cells))[:, None]
    time = rng.uniform(0, T_MAX, n_cells)
    angle = 2 * np.pi * time / T_MAX
    positions = distance * np.column_stack([np.cos(angle), np.sin(angle)]) + radius * _on_circle(n_regimes)[ring]
    movement = 2 * np.pi / T_MAX * distance * np.column_stack([-np.sin(angle), np.cos(angle)])
    return _regions(positions, movement, time, ring, n_regimes)


def _branches(n_cells: int, n_regimes: int, rng: np.random.Generator) -> Placed:
    """Place a trunk that forks into arms; its regime is the first, the arms have the others."""
    arms = max(FEWEST_ARMS, n_regimes - 1)
    path, time = _evenly(n_cells, arms, rng), rng.uniform(0, T_MAX, n_cells)
    heading = np.where(time < FORK, 0.0, np.linspace(-SPREAD, SPREAD, arms)[path])
    length = SPACING * np.sqrt(n_cells / ARM_WIDTH / (FORK / T_MAX + arms * (1 - FORK / T_MAX)))
    forwards = np.column_stack([np.cos(heading), np.sin(heading)])
    sideways = np.column_stack([-forwards[:, 1], forwards[:, 0]])
    along = np.maximum(time - FORK, 0)[:, None] * forwards + np.column_stack([np.minimum(time, FORK), 0 * time])
    across = rng.uniform(-ARM_WIDTH / 2, ARM_WIDTH / 2, n_cells)[:, None] * sideways
    positions, last = length * (along / T_MAX + across), n_regimes - 1
    regimes = [(0, min(1 + arm, last)) for arm in range(arms)]
    return Placed(positions, length / T_MAX * forwards, time, path, np.array(regimes, dtype=np.int32))


def _mosaic(n_cells: int, n_regimes: int, rng: np.random.Generator) -> Placed:
    """Place cells of all times and regimes anywhere; none of them moves in the tissue."""
    positions = rng.uniform(0, SPACING * np.sqrt(n_cells), (n_cells, 2))
    return _regions(positions, None, rng.uniform(0, T_MAX, n_cells), _evenly(n_cells, n_regimes, rng), n_regimes)


LAYOUTS: dict[str, Callable[[int, int, np.random.Generator], Placed]] = {
    "opposite": _opposite,
    "sources": _sources,
    "cycle": _cycle,
    "branches": _branches,
    "mosaic": _mosaic,
}


def _regions(
    positions: Floats, movement: Floats | None, time: Floats, path: NDArray[np.int32], n_regimes: int
) -> Placed:
    """Return cells each of whose paths has a regime of its own."""
    regimes = np.repeat(np.arange(n_regimes, dtype=np.int32)[:, None], 2, axis=1)
    return Placed(positions, movement, time, path, regimes)


def _evenly(n_cells: int, number: int, rng: np.random.Generator) -> NDArray[np.int32]:
    return rng.permutation(np.arange(n_cells, dtype=np.int32) % number)


def _on_circle(number: int) -> Floats:
    """Return centers on a circle, neighbors ``APART`` from each other; (0, 0) if there is one."""
    if number == 1:
        return np.zeros((1, 2))
    angle = 2 * np.pi * np.arange(number) / number
    return APART / (2 * np.sin(np.pi / number)) * np.column_stack([np.cos(angle), np.sin(angle)])
