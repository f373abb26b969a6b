"""Lines along a velocity field, evenly spaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Interval

from napari_tissue_dynamics.analysis.arrows.grid_flow import GridFlow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField

# The field counts as standing still below this share of its 95 % quantile; a line ends there.
STILL = 0.01
# Lines are tried from at most so many places.
MOST_SEEDS = 2000
# Shift of the boxes that keep lines apart, in boxes: a line along an axis would else run along their borders.
SHIFT = 0.381966
# A line may return to this many of the boxes it visited last: one that follows a border wobbles between two.
WOBBLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamlineConfig:
    """Settings of streamlines, in distances between nodes of the grid.

    Parameters
    ----------
    separation
        Minimum distance between lines: no two pass through the same square of this side length.
    shortest, longest
        Minimum and maximum length; shorter lines are omitted, longer ones are truncated.
    step
        Distance between consecutive points of a line.
    """

    separation: Annotated[float, Interval(ge=0.2, le=10)] = 1.0
    shortest: Annotated[float, Interval(ge=0, le=100)] = 1.5
    longest: Annotated[float, Interval(gt=0, le=1000)] = 60.0
    step: Annotated[float, Interval(gt=0, le=1)] = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Streamlines:
    """Lines, one after the other.

    Parameters
    ----------
    points
        (points, 2 or 3) float32 in the direction of the flow.
    starts
        (lines + 1,) where every line begins in ``points``, and the number of points.
    speed
        (points,) float32 length of the field there, 1 for the longest arrow of the grid.
    spacing
        Distance of the nodes of the grid, to size what is drawn by.
    """

    points: NDArray[np.float32]
    starts: NDArray[np.int64]
    speed: NDArray[np.float32]
    spacing: float

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield the points of every line, (points of the line, 2 or 3)."""
        for first, last in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield self.points[first:last]

    @property
    def line(self) -> NDArray[np.int64]:
        """(points,) the line that every point belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


def streamlines(
    grid: GridField,
    config: StreamlineConfig = StreamlineConfig(),
    *,
    seeds: NDArray[np.floating] | None = None,
) -> Streamlines:
    r"""Return evenly spaced lines along a field.

    .. math:: \frac{dx}{d\ell} = \frac{v(x)}{\lVert v(x) \rVert}

    is solved by the classical Runge-Kutta method of fourth order forwards and backwards from the seeds, all lines at
    once, until a line leaves the cells, the field stands still or the line has closed. Then the longest line is
    kept, of every next one the part around its seed that comes into no square that a line already runs through (the
    idea of Jobard and Lefer 1997, with squares in place of distances).

    Parameters
    ----------
    grid
        The field on the nodes among cells, in a plane or in space.
    config
        Settings.
    seeds
        (places, 2 or 3) places that lines go through, the cells say: in narrow branches lines then run in the middle.
        Default: the nodes.

    Returns
    -------
    The lines; none where the field is zero.
    """
    flow = GridFlow.of(grid)
    lengths = np.linalg.norm(grid.arrows, axis=1)
    n_dimensions = grid.positions.shape[1]
    if not lengths.any():
        nothing = np.zeros((0, n_dimensions), dtype=np.float32)
        return Streamlines(nothing, np.zeros(1, dtype=np.int64), nothing[:, 0], grid.spacing)
    begin = np.asarray(grid.positions[lengths > 0] if seeds is None else seeds, dtype=np.float64)
    if len(begin) > MOST_SEEDS:
        begin = begin[np.linspace(0, len(begin) - 1, MOST_SEEDS).astype(np.intp)]
    still = STILL * float(np.quantile(lengths[lengths > 0], 0.95))
    number = max(1, int(config.longest / config.step / 2))
    ahead, steps_ahead, closed = _traced(flow, begin, config.step * grid.spacing, number, still)
    behind, steps_behind, _ = _traced(flow, begin, -config.step * grid.spacing, number, still)
    steps_behind = np.where(closed, 0, steps_behind)
    kept = _apart(flow, (ahead, steps_ahead), (behind, steps_behind), config)
    return _joined(flow, kept, grid)


def _traced(
    flow: GridFlow, seeds: NDArray[np.float64], step: float, number: int, still: float
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """Follow the field from every seed.

    Returns
    -------
    points
        (number + 1, seeds, d), the seeds first.
    steps
        (seeds,) how many steps were done.
    closed
        (seeds,) whether the line came back to its seed.
    """
    points = np.empty((number + 1, *seeds.shape))
    points[0] = seeds
    steps = np.zeros(len(seeds), dtype=np.intp)
    closed = np.zeros(len(seeds), dtype=bool)
    direction, alive = _direction(flow, seeds, still)
    moving, now, direction = np.flatnonzero(alive), seeds[alive], direction[alive]
    for k in range(number):
        after, ahead, alive = _step(flow, now, direction, step, still)
        moving, now, direction = moving[alive], after[alive], ahead[alive]
        points[k + 1, moving] = now
        steps[moving] = k + 1
        back = (np.linalg.norm(now - seeds[moving], axis=1) < 0.6 * abs(step)) & (k > WOBBLE)
        closed[moving[back]] = True
        moving, now, direction = moving[~back], now[~back], direction[~back]
        if not moving.size:
            break
    return points, steps, closed


def _step(
    flow: GridFlow, now: NDArray[np.float64], first: NDArray[np.float64], step: float, still: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return places and directions one step on, (n, d) each, and whether the line goes on there, (n,)."""
    second, a = _direction(flow, now + step / 2 * first, still)
    third, b = _direction(flow, now + step / 2 * second, still)
    fourth, c = _direction(flow, now + step * third, still)
    after = now + step / 6 * (first + 2 * second + 2 * third + fourth)
    ahead, d = _direction(flow, after, still)
    return after, ahead, a & b & c & d


def _direction(
    flow: GridFlow, places: NDArray[np.float64], still: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the unit direction of the field, (n, d), and whether there is one among cells, (n,)."""
    field, inside = flow.at(places)
    length = np.sqrt(np.einsum("nd,nd->n", field, field))
    flows = inside & (length > still)
    return np.divide(field, length[:, None], out=np.zeros_like(field), where=flows[:, None]), flows


Traced = tuple["NDArray[np.float64]", "NDArray[np.intp]"]


def _apart(flow: GridFlow, ahead: Traced, behind: Traced, config: StreamlineConfig) -> list[NDArray[np.float64]]:
    """Return parts of the lines that do not come near each other, the longest lines first."""
    side = config.separation * flow.spacing
    taken: set[int] = set()
    kept = []
    length = ahead[1] + behind[1]
    shortest = max(1, int(np.ceil(config.shortest / config.step)))
    for seed in np.argsort(-length, kind="stable"):
        if length[seed] < shortest:
            break
        forth = ahead[0][: ahead[1][seed] + 1, seed]
        back = behind[0][: behind[1][seed] + 1, seed]
        boxes, back_boxes = _boxes(flow, forth, side), _boxes(flow, back, side)
        if boxes[0] in taken:
            continue
        own: dict[int, int] = {}
        n_forth = _free(boxes, taken, own)
        n_back = _free(back_boxes, taken, own)
        if n_forth + n_back - 2 < shortest:
            continue
        taken.update(own)
        kept.append(np.concatenate([back[1:n_back][::-1], forth[:n_forth]]))
    return kept


def _free(boxes: NDArray[np.int64], taken: set[int], own: dict[int, int]) -> int:
    """Return how many points come before the line meets another or itself; adds its boxes to ``own``."""
    starts = np.flatnonzero(np.diff(boxes, prepend=boxes[0] - 1))
    begin = len(own)
    for start in starts:
        box = int(boxes[start])
        if box in taken:
            return int(start)
        entered = own.get(box)
        # The first box is that of the seed, which the other direction was in.
        if entered is not None and start > 0 and len(own) - entered > WOBBLE:
            return int(start)
        if entered is None:
            own[box] = max(len(own), begin)
    return len(boxes)


def _boxes(flow: GridFlow, points: NDArray[np.float64], side: float) -> NDArray[np.int64]:
    """Return the number of the square (the cube) that every point is in, (n,)."""
    place = np.floor((points - flow.origin) / side + SHIFT).astype(np.int64) + 1
    count = np.ceil(np.array(flow.shape) * flow.spacing / side).astype(np.int64) + 3
    number = np.zeros(len(points), dtype=np.int64)
    for axis in range(points.shape[1]):
        number = number * count[axis] + place[:, axis]
    return number


def _joined(flow: GridFlow, lines: list[NDArray[np.float64]], grid: GridField) -> Streamlines:
    n_dimensions = grid.positions.shape[1]
    points = np.concatenate(lines) if lines else np.zeros((0, n_dimensions))
    starts = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64)
    longest = float(np.linalg.norm(grid.arrows, axis=1).max(initial=0.0)) or 1.0
    speed = np.linalg.norm(flow.at(points)[0], axis=1) / longest if len(points) else np.zeros(0)
    return Streamlines(points.astype(np.float32), starts, speed.astype(np.float32), grid.spacing)
