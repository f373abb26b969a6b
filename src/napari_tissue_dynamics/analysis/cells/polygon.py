"""Which points lie inside a line that was drawn around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def inside_polygon(points: NDArray[np.floating[Any]], corners: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return which points lie inside a polygon that closes by itself (even-odd rule).

    A ray from the point to the right crosses the border an odd number of times. Only points in the box around the
    polygon are looked at; memory is that of a few numbers per point.

    Parameters
    ----------
    points
        (n, 2) places.
    corners
        (corners, 2) of the polygon, in order; fewer than three have no inside.

    Returns
    -------
    (n,) truth values; points on the border may be either.
    """
    inside = np.zeros(len(points), dtype=bool)
    if len(corners) < 3:
        return inside
    border = np.asarray(corners, dtype=np.float64)
    near = np.flatnonzero(((points >= border.min(axis=0)) & (points <= border.max(axis=0))).all(axis=1))
    x, y = np.asarray(points, dtype=np.float64)[near].T
    odd = np.zeros(len(near), dtype=bool)
    for (x0, y0), (x1, y1) in zip(border, np.roll(border, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    inside[near] = odd
    return inside
