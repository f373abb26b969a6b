"""Layers whose points move or change their colors many times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Points
    from numpy.typing import NDArray


def repaint(
    layer: Points,
    face: NDArray[np.float32],
    border: NDArray[np.float32],
    positions: NDArray[np.float32] | None = None,
) -> None:
    """Give the points of a layer other places or colors, in place.

    Setting ``data`` or ``face_color`` checks, copies and draws a thumbnail: ten times slower, too slow for a film.

    Parameters
    ----------
    layer
        A layer with colors of its own, as many as there are points.
    face, border
        (points, 4) colors.
    positions
        (points, 2 or 3) in the axes of napari.
    """
    if positions is not None:
        layer.data[:] = positions
    layer.face_color[:] = face
    layer.border_color[:] = border
    layer.refresh(thumbnail=False, highlight=False, extent=False)
