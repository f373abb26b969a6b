"""Streamlines and particles as napari takes them."""

import numpy as np
import pytest
from napari.layers import Layer

from napari_tissue_dynamics.analysis.arrows.particles import particles
from napari_tissue_dynamics.analysis.arrows.projection import GridField
from napari_tissue_dynamics.analysis.arrows.streamlines import StreamlineConfig, Streamlines, streamlines
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.layers.evidence import HALF
from napari_tissue_dynamics.layers.streams import (
    MOST_SEGMENTS,
    particle_frame,
    particle_points,
    segments,
    stream_vectors,
)


def grid(n_dimensions):
    axis = np.arange(0, 10.5)
    nodes = np.stack(np.meshgrid(*[axis] * n_dimensions, indexing="ij"), -1).reshape(-1, n_dimensions)
    arrows = np.zeros_like(nodes)
    arrows[:, 0] = 1.0  # everything flows along x
    return GridField(nodes.astype(np.float32), arrows.astype(np.float32), 1.0)


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_napari_takes_lines_whose_heads_point_with_the_flow(n_dimensions):
    lines = streamlines(grid(n_dimensions), StreamlineConfig(separation=2.0))
    data, options, kind = stream_vectors(lines, unit="um")
    layer = Layer.create(data, options, kind)
    assert layer.units[0] == layer.units[-1]
    along = data[:, 1, -1]  # x is the last axis of napari
    is_head = along < 0  # the sides of a head go back from its tip
    assert is_head.any()
    assert (~is_head).sum() == len(lines.points) - len(lines)
    np.testing.assert_allclose(data[~is_head, 1, :-1], 0, atol=1e-5)
    tips, sides = np.unique(data[is_head, 0], axis=0, return_counts=True)
    assert (sides == 2).all()
    assert len(tips) >= len(lines)


def test_many_pieces_are_thinned_without_gaps():
    lengths = (9_000, 7, 20_001, 2)
    points = np.concatenate([np.column_stack([np.arange(n), np.full(n, 5)]) for n in lengths]).astype(np.float32)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    lines = Streamlines(points, starts, np.ones(len(points), np.float32), 1.0)
    start, end, _ = segments(lines)
    assert len(start) <= MOST_SEGMENTS + len(lengths)
    assert (end[:, 0] > start[:, 0]).all()
    np.testing.assert_allclose((end - start)[:, 0].sum(), sum(n - 1 for n in lengths))


def test_particles_fade_and_frames_repeat():
    film = particles(grid(2), 50, 20)
    data, options, kind = particle_points(film, 3, unit="um", size=0.5)
    layer = Layer.create(data, options, kind)
    np.testing.assert_allclose(layer.face_color[:, 3], HALF * film.opacity[3], rtol=1e-6)
    sure, _ = particle_frame(film, 3, evidence=VelocityEvidence("supported", 9.0, 5.0))
    np.testing.assert_array_equal(sure, data)
    np.testing.assert_array_equal(layer.data[:, ::-1], film.positions[3])
    np.testing.assert_array_equal(particle_frame(film, 23)[0], data)
