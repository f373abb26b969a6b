"""Which cells lie inside a shape that was drawn on the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.cells.polygon import inside_polygon

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
