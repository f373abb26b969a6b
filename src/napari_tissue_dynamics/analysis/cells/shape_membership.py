"""Which cells lie inside a shape that was drawn on the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ELLIPSE = "ellipse"
OPEN = ("line",)


def inside_shape(positions: NDArray[np.float64], corners: NDArray[np.float64], kind: str) -> NDArray[np.bool_]:
    """Return which cells lie inside a drawn shape.

    Parameters
    ----------
    positions
        (cells, 2 or 3) places, (x, y[, z]).
    corners
        (corners, 2 or 3) of the shape in the same order of axes; those of the box around an ellipse.
    kind
        ``polygon``, ``rectangle``, ``path`` (closed by a straight line), ``ellipse`` or ``line`` (has no inside).

    Returns
    -------
    (cells,) truth values. In a stack of planes only cells of the plane nearest to the shape are inside.
    """
    if kind in OPEN or len(corners) < 3:
        return np.zeros(len(positions), dtype=bool)
    flat, border = positions[:, :2], corners[:, :2]
    inside = _inside_ellipse(flat, border) if kind == ELLIPSE else inside_polygon(flat, border)
    if positions.shape[1] == 3 and corners.shape[1] == 3:
        height = float(corners[:, 2].mean())
        planes = np.unique(positions[:, 2])
        inside &= positions[:, 2] == planes[np.abs(planes - height).argmin()]
    return inside


def _inside_ellipse(points: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.bool_]:
    r"""Return which points have :math:`u^2 + v^2 \le 1` along both half axes of the box around an ellipse."""
    halves = np.stack([box[1] - box[0], box[3] - box[0]]) / 2
    if abs(np.linalg.det(halves)) == 0:
        return np.zeros(len(points), dtype=bool)
    along = (points - box.mean(axis=0)) @ np.linalg.inv(halves)
    return np.asarray((along**2).sum(axis=1) <= 1)


def inside_polygon(points: NDArray[np.floating[Any]], corners: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return which points lie inside a polygon that closes by itself (even-odd rule).

    A ray from the point to the right crosses the border an odd number of times. Only points in the box around the
    polygon are tested; memory is that of a few numbers per point.

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
