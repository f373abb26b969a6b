"""Cells that light up when latent time reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_tissue_dynamics.layers.axes import about
from napari_tissue_dynamics.layers.legend import ColorBar
from napari_tissue_dynamics.layers.points import TIME_SCALE, painted, value_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.legend import Legend
    from napari_tissue_dynamics.layers.points import LayerData

Lit = Literal["up to now", "only now"]

FILM = "cells over time"
UNLIT = 0.07
"""Opacity of a cell that latent time has not reached."""
FRONT = 0.04
"""The cells of the last span of time so long are the front, which is drawn in white."""
WINDOW = 0.08
"""Span of time before and after now in which a cell is lit if only those are."""


def lit_colors(
    base: NDArray[np.float32], time: NDArray[np.floating[Any]], now: float, lit: Lit = "up to now"
) -> NDArray[np.float32]:
    """Return the colors of cells at a time of the film.

    Parameters
    ----------
    base
        (cells, 4) colors of the cells when they are lit.
    time
        (cells,) time of every cell, 0 to 1; one without a finite time is never lit.
    lit
        Whether cells stay lit, or fade when their time is over.

    Returns
    -------
    (cells, 4) float32; unlit cells are faint, the front of time is white.
    """
    age = now - np.nan_to_num(np.asarray(time, dtype=np.float32), nan=np.inf)
    colors = base.astype(np.float32, copy=True)
    if lit == "only now":
        share = np.clip(1 - np.abs(age) / WINDOW, 0, 1)
    else:
        share = (age >= 0).astype(np.float32)
        white = np.where(share > 0, np.clip(1 - age / FRONT, 0, 1), 0)[:, None] * (now < 1)
        colors[:, :3] += white * (1 - colors[:, :3])
    colors[:, 3] *= UNLIT + (1 - UNLIT) * share
    return colors


def film_points(
    tissue: Tissue,
    time: NDArray[np.floating[Any]],
    base: NDArray[np.float32],
    now: float,
    legend: Legend | None = None,
) -> LayerData:
    """Return the cells at a time of the film with the legend of their colors; :func:`lit_colors` changes them."""
    cells = value_points(tissue, np.asarray(time), name=FILM, title="latent time")
    return painted(cells, lit_colors(base, time, now), metadata=about("film", legend=legend))


def time_colors(time: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float32], Legend]:
    """Return (cells, 4) colors of latent time, 0 to 1, and their legend."""
    return TIME_SCALE.rgba(np.asarray(time)), ColorBar("latent time", TIME_SCALE)
