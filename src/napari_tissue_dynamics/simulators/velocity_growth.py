r"""When and where the cells of the benchmark tissues are: two bands or four disks that grow from root cells.

Every root founds a family by a branching process; the age of a cell sets how far it has moved outwards
(at constant acceleration), and a random walk of the family sets its place across.

Formula source: the public TopoVelo simulation of growing tissues, as used in the STEER benchmark
("linear" velocity model: linear in time). The numbers are theirs, the random streams are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.simulators.growth import turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

T_MAX = 20.0
LENGTH = 1.0
START_SPEED = 0.01
ACCELERATION = (LENGTH - START_SPEED * T_MAX) / (0.5 * T_MAX**2)
CHILDREN = 0.5
WAITING_TIME = 10.0
TURN = 5.0
ANGLE = np.pi / 4
CELLS_PER_BAND_ROOT = 3000 / 60
CELLS_PER_DISK_ROOT = 12000 / 400
SIDE_SPEED = (0.02 * LENGTH / T_MAX, 0.2 * LENGTH / T_MAX)
ANGULAR_SPEED = (np.pi / 12 / T_MAX, np.pi / 2 / T_MAX)
CENTERS = np.sqrt(0.5) * np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])


@dataclass(frozen=True, slots=True, eq=False)
class GrownTissue:
    """A grown tissue in units of the length that a cell travels in its life.

    Parameters
    ----------
    positions
        (cells, 2) place.
    velocity
        (cells, 2) movement per time.
    time
        (cells,) in [0, 20]; the oldest cell of every family is 20.
    region
        (cells,) index of the half (bilinear) or disk (multiradial).
    local
        (cells, 2) coordinates of the tissue's own: along and across the bands, before the tissue is turned,
        or distance from the center of the disk and angle in radians.
    """

    positions: NDArray[np.float64]
    velocity: NDArray[np.float64]
    time: NDArray[np.float64]
    region: NDArray[np.int32]
    local: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Families:
    """Cells of some roots, in order of birth: time, region, walked distance across and its signed speed."""

    time: NDArray[np.float64]
    region: NDArray[np.int32]
    across: NDArray[np.float64]
    side_speed: NDArray[np.float64]


def grow_bilinear(n_cells: int, rng: np.random.Generator) -> GrownTissue:
    """Let two halves grow in opposite directions from a line of root cells, turned by 45 degrees."""
    families = _families(n_cells, 2, CELLS_PER_BAND_ROOT, (-LENGTH / 2, LENGTH / 2), SIDE_SPEED, rng)
    outwards, speed = travelled(families.time)
    # The second half is the first turned by 180 degrees.
    sign = np.where(families.region == 0, 1.0, -1.0)[:, None]
    local = sign * np.column_stack([outwards, families.across])
    velocity = sign * np.column_stack([speed, families.side_speed])
    return GrownTissue(turned(local, ANGLE), turned(velocity, ANGLE), families.time, families.region, local)


def grow_multiradial(n_cells: int, rng: np.random.Generator) -> GrownTissue:
    """Let four disks grow from root cells at their centers."""
    families = _families(n_cells, 4, CELLS_PER_DISK_ROOT, (0.0, 2 * np.pi), ANGULAR_SPEED, rng)
    radius, speed = travelled(families.time)
    cos, sin = np.cos(families.across), np.sin(families.across)
    tangential = families.side_speed * radius
    positions = CENTERS[families.region] + np.column_stack([radius * cos, radius * sin])
    velocity = np.column_stack([speed * cos - tangential * sin, speed * sin + tangential * cos])
    local = np.column_stack([radius, families.across])
    return GrownTissue(positions, velocity, families.time, families.region, local)


def travelled(time: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far cells have moved outwards at constant acceleration, (cells,), and how fast they are."""
    return 0.5 * ACCELERATION * time**2 + START_SPEED * time, ACCELERATION * time + START_SPEED


def birth_times(n_cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return times of a branching process of ``n_cells`` cells, (n_cells,), generation by generation.

    The root is at time 0. Every cell has a geometric number of children (at least one), each an
    exponential waiting time younger; the last generation is cut, and the largest time becomes 20.
    """
    generations = [np.zeros(1)]
    missing = n_cells - 1
    while missing > 0:
        parents = generations[-1]
        born = np.repeat(parents, rng.geometric(CHILDREN, len(parents)))[:missing]
        generations.append(born + rng.exponential(WAITING_TIME, len(born)))
        missing -= len(born)
    times = np.concatenate(generations)
    return times / times.max() * T_MAX


def _families(
    n_cells: int,
    n_regions: int,
    cells_per_root: float,
    start: tuple[float, float],
    speeds: tuple[float, float],
    rng: np.random.Generator,
) -> _Families:
    """Found the families of all regions; each region has random numbers of its own."""
    parts = []
    for region, (cells, stream) in enumerate(zip(_shares(n_cells, n_regions), rng.spawn(n_regions), strict=True)):
        n_roots = max(1, round(cells / cells_per_root))
        for size in _shares(cells, n_roots):
            parts.append((*_family(size, start, speeds, stream), np.full(size, region, dtype=np.int32)))
    time, across, side_speed, regions = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Families(time, regions, across, side_speed)


def _family(
    n_cells: int, start: tuple[float, float], speeds: tuple[float, float], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return times, places across and signed speeds across of the cells of one root, (n_cells,) each."""
    time = birth_times(n_cells, rng)
    place = rng.uniform(*start)
    sign = np.where(rng.random(n_cells) > rng.beta(TURN, TURN), 1.0, -1.0)
    speed = sign * rng.uniform(*speeds, n_cells)
    walked = np.cumsum(np.diff(time, prepend=0.0) * speed)
    return time, place + walked, speed


def _shares(n: int, parts: int) -> list[int]:
    """Divide ``n`` into whole parts that differ by one at most."""
    return [(n + parts - 1 - part) // parts for part in range(parts)]
