"""Rings around single cells, and the senders of a signal: a ring as wide as it reaches and an edge from each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.layers.axes import about
from napari_tissue_dynamics.layers.colors import ColorScale, hex_to_rgba
from napari_tissue_dynamics.layers.legend import ColorBar
from napari_tissue_dynamics.layers.vectors import arrow_data, line_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.regulation.ligand_senders import Senders
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData

# Edges that are drawn: those of the senders that make up this share of the signal, up to this maximum number.
DRAWN_SHARE = 0.8
MOST_EDGES = 200
# Number of straight segments of the ring.
RING_PIECES = 72
RING_COLOR = "#FF5500"
SENDERS, REACH, MARKS = "senders", "reach of the signal", "inspected cell"
REGIONS = "regions (draw here)"
# One ring for the current cell, two for the pinned one; in a tissue of many cells they are as wide as this share of
# it, to be found from afar, with a further ring around the very cell.
MARK_RADII = ((1.0,), (1.0, 1.5))
MARK_SHARE, MARK_WIDTH = 1 / 90, 1 / 700
MARK_COLORS = ("#FF5500", "#CC00AA")


def sender_vectors(tissue: Tissue, senders: Senders, spacing: float) -> LayerData:
    """Return an arrow from every sender to the receiving cell, colored and opaque by its share of the signal.

    The metadata hold the ``cells`` that the arrows start from and a ``note`` on what is omitted. A receiver that
    sends to itself has no arrow; the note gives the share of the signal that is its own.
    """
    cells, shares = senders.strongest(DRAWN_SHARE, MOST_EDGES)
    own = float(senders.shares[senders.cells == senders.receiver].sum())
    apart = (cells != senders.receiver) & (tissue.positions[cells] != tissue.positions[senders.receiver]).any(axis=1)
    cells, shares = cells[apart][::-1], shares[apart][::-1]  # the strongest is drawn last, on top
    start = tissue.positions[cells]
    data = arrow_data(start, tissue.positions[senders.receiver] - start)
    scale = ColorScale(0.0, float(100 * shares.max(initial=0)) or 1.0)
    colors = scale.rgba(100 * shares)
    colors[:, 3] = 0.35 + 0.65 * shares / shares.max(initial=1e-30)
    ligand = senders.modulator.partition("$")[0].partition("#")[0]
    note = in_words(senders, len(cells), own)
    legend = ColorBar(f"{ligand} received from each sender", scale, unit="% of the signal", note=note)
    metadata = about(SENDERS, cells=cells, note=note, legend=legend)
    return line_layer(data, SENDERS, colors, 0.25 * spacing, unit=tissue.unit, metadata=metadata)


def reach_ring(tissue: Tissue, senders: Senders, spacing: float) -> LayerData:
    """Return a ring around the receiving cell, in its plane, with the reach of the signal as its radius.

    Returns
    -------
    Data, options and kind of a napari vectors layer: short straight pieces that are drawn faster than one shape.
    """
    data = _ring(tissue.positions[senders.receiver], senders.radius)
    metadata = about(REACH, note=f"radius {senders.radius:.3g}")
    return line_layer(data, REACH, RING_COLOR, 0.4 * spacing, unit=tissue.unit, metadata=metadata, heads=False)


def cell_rings(positions: NDArray[np.float64], cells: Sequence[int], spacing: float, unit: str) -> LayerData:
    """Return a ring around one cell, the current one, or also two around the one it is compared with.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    cells
        Numbers of the cells, counted from 0.
    unit
        Unit of the positions.

    Returns
    -------
    Data, options and kind of a napari vectors layer, as many pieces for every cell.
    """
    extent = float(np.ptp(positions[:, :2], axis=0).max())
    far, near = max(1.1 * spacing, MARK_SHARE * extent), 0.75 * spacing
    drawn = [(cell, radius, k) for k, cell in enumerate(cells) for radius in (near, *(far * r for r in MARK_RADII[k]))]
    pieces = np.concatenate([_ring(positions[cell], radius) for cell, radius, _ in drawn])
    colors = np.array([hex_to_rgba(MARK_COLORS[k]) for _, _, k in drawn], dtype=np.float32).reshape(-1, 4)
    colors, width = np.repeat(colors, RING_PIECES, axis=0), max(0.25 * spacing, MARK_WIDTH * extent)
    metadata = about(MARKS, cells=tuple(cells))
    return line_layer(pieces, MARKS, colors, width, unit=unit, metadata=metadata, heads=False)


def in_words(senders: Senders, drawn: int, own: float) -> str:
    """Describe what the edges omit and how much of the signal a cell receives from itself."""
    if senders.received <= 0:
        return "no cell sends this ligand"
    parts = [f"the {drawn} strongest of {len(senders.cells)} senders shown"]
    if own > 0.005:
        parts.append(f"{own:.0%} comes from the cell itself")
    return "; ".join(parts)


def _ring(center: NDArray[np.float64], radius: float) -> NDArray[np.float32]:
    """Return a circle in the plane of x and y as (pieces, 2, 2 or 3) starts and steps."""
    angle = np.linspace(0, 2 * np.pi, RING_PIECES + 1)
    corners = np.tile(center, (len(angle), 1))
    corners[:, 0] += radius * np.cos(angle)
    corners[:, 1] += radius * np.sin(angle)
    return arrow_data(corners[:-1], np.diff(corners, axis=0))
