"""Streamlines and drifting particles as layers.

Lines are a vectors layer with a piece of line per vector: napari draws tens of thousands of vectors in one call,
while every path of a shapes layer is cut into triangles of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.layers.axes import PLUGIN, about, axes, to_napari
from napari_tissue_dynamics.layers.evidence import called, opacity_of
from napari_tissue_dynamics.layers.legend import ArrowKey
from napari_tissue_dynamics.layers.vectors import GRID_ARROW_COLOR, arrow_data, line_layer, see_through

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.particles import Particles
    from napari_tissue_dynamics.analysis.arrows.streamlines import Streamlines
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
    from napari_tissue_dynamics.layers.points import LayerData

MOST_SEGMENTS = 10_000
# Width of a line, length of a head and distance of two heads of a line, in distances between nodes.
WIDTH, HEAD, HEADS_APART = 0.1, 0.4, 8.0
# Half the angle between the sides of a head.
HALF_ANGLE = np.deg2rad(28)
# Opacity of a line where the flow is slowest.
LEAST_OPACITY = 0.35
PARTICLE_COLOR = "#FFFFFF"


def stream_vectors(
    lines: Streamlines, *, unit: str, name: str = "streamlines", evidence: VelocityEvidence | None = None
) -> LayerData:
    """Return streamlines with heads that show their direction, more opaque where the flow is fast.

    Parameters
    ----------
    lines
        The lines. Of more than 10 000 pieces every second, third, ... point is dropped.
    unit
        Unit of the positions.
    evidence
        Whether the counts support the direction, None if that was not tested: lines are faint where they do not.
    """
    start, end, speed = segments(lines)
    tip, back, head_speed = heads(lines)
    places, steps = np.concatenate([start, tip]), np.concatenate([end - start, back])
    most = opacity_of(evidence)
    fast = LEAST_OPACITY + (1 - LEAST_OPACITY) * np.clip(np.concatenate([speed, head_speed]), 0, 1)
    color = see_through(GRID_ARROW_COLOR, most * fast)
    metadata = about(name, note="smoothed over cells; faint where velocities are small")
    meaning = f"{direction_in_words(evidence)}\nSmoothed over cells; {called(evidence)}."
    metadata[PLUGIN]["arrow_key"] = ArrowKey(name, "slow", "fast", most * LEAST_OPACITY, most, meaning)
    width = WIDTH * lines.spacing
    return line_layer(arrow_data(places, steps), name, color, width, unit=unit, metadata=metadata, heads=False)


def segments(lines: Streamlines) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return starts and ends, (pieces, d), and speeds, (pieces,), of at most about 10 000 pieces of the lines."""
    every = max(1, -(-len(lines.points) // MOST_SEGMENTS))
    number = np.arange(len(lines.points)) - np.repeat(lines.starts[:-1], np.diff(lines.starts))
    last = np.zeros(len(number), dtype=bool)
    last[lines.starts[1:] - 1] = True
    kept = np.flatnonzero((number % every == 0) | last)
    same = lines.line[kept[:-1]] == lines.line[kept[1:]]
    first, second = kept[:-1][same], kept[1:][same]
    return lines.points[first], lines.points[second], lines.speed[first]


def heads(lines: Streamlines) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return tips and sides of arrow heads, (2 x heads, d) each, and their speeds; at least one head a line."""
    tips = np.array([i for line in range(len(lines)) for i in _tips(lines, line)], dtype=np.int64)
    if not tips.size:
        return lines.points[:0], lines.points[:0], lines.speed[:0]
    ahead = lines.points[tips] - lines.points[tips - 1]
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    across = _across(ahead)
    size = HEAD * lines.spacing
    sides = [
        (size * (-np.cos(HALF_ANGLE) * ahead + sign * np.sin(HALF_ANGLE) * across)).astype(np.float32)
        for sign in (1, -1)
    ]
    return np.tile(lines.points[tips], (2, 1)), np.concatenate(sides), np.tile(lines.speed[tips], 2)


def _tips(lines: Streamlines, line: int) -> NDArray[np.int64]:
    """Return the points of a line that have a head, evenly along it."""
    first, end = int(lines.starts[line]), int(lines.starts[line + 1])
    if end - first < 2:
        return np.zeros(0, dtype=np.int64)
    piece = float(np.linalg.norm(lines.points[first + 1] - lines.points[first])) or lines.spacing
    number = max(1, round((end - first - 1) * piece / (HEADS_APART * lines.spacing)))
    share = (np.arange(number) + 0.5) / number
    return first + 1 + (share * (end - first - 2) + 0.5).astype(np.int64)


def _across(ahead: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a unit vector at a right angle to each, (n, 2 or 3)."""
    if ahead.shape[1] == 2:
        return ahead[:, ::-1] * np.array([-1, 1], dtype=np.float32)
    other = np.eye(3, dtype=np.float32)[np.abs(ahead).argmin(axis=1)]
    across = np.cross(ahead, other)
    result: NDArray[np.float32] = across / np.linalg.norm(across, axis=1, keepdims=True)
    return result


def particle_points(
    film: Particles,
    frame: int,
    *,
    unit: str,
    size: float,
    name: str = "flow",
    evidence: VelocityEvidence | None = None,
) -> LayerData:
    """Return the particles of one frame.

    Whoever plays the film sets ``data`` and the alpha of ``face_color`` of the layer to those of the next frame; see
    :func:`particle_frame`.

    Parameters
    ----------
    unit
        Unit of the positions.
    size
        Diameter of a particle in that unit.
    evidence
        As of :func:`stream_vectors`.
    """
    data, color = particle_frame(film, frame, evidence=evidence)
    metadata = about(name, note="particles drift along the smoothed velocity")
    most, meaning = opacity_of(evidence), direction_in_words(evidence)
    metadata[PLUGIN]["arrow_key"] = ArrowKey(name, called(evidence), "", most, most, meaning)
    options = {
        "name": name,
        "face_color": color,
        "size": size,
        "border_width": 0.0,
        "metadata": metadata,
        **axes(film.positions.shape[2], unit),
    }
    return data, options, "points"


def particle_frame(
    film: Particles, frame: int, *, evidence: VelocityEvidence | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return positions, (particles, d), and colors, (particles, 4), of a frame as napari takes them."""
    color = see_through(PARTICLE_COLOR, opacity_of(evidence) * film.opacity[frame % film.n_frames])
    return to_napari(film.positions[frame % film.n_frames]), color
