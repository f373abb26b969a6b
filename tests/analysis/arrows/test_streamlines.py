"""Streamlines and particles against fields whose curves are known."""

from typing import get_type_hints

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_tissue_dynamics.analysis.arrows import streamlines as streamlines_module
from napari_tissue_dynamics.analysis.arrows.grid_flow import GridFlow
from napari_tissue_dynamics.analysis.arrows.particles import particles
from napari_tissue_dynamics.analysis.arrows.projection import GridField
from napari_tissue_dynamics.analysis.arrows.streamlines import StreamlineConfig, streamlines
from napari_tissue_dynamics.errors import DataError

SPACING = 0.1


def grid_of(velocity, n_dimensions=2, radius=1.0, hole=0.0):
    """Return a grid inside a disk or ball, with the field ``velocity(x)``."""
    axis = np.arange(-1.5, 1.5 + SPACING / 2, SPACING)
    nodes = np.stack(np.meshgrid(*[axis] * n_dimensions, indexing="ij"), -1).reshape(-1, n_dimensions)
    away = np.linalg.norm(nodes, axis=1)
    nodes = nodes[(away <= radius) & (away >= hole)]
    return GridField(nodes.astype(np.float32), velocity(nodes).astype(np.float32), SPACING)


def rotation(x):
    return np.stack([-x[:, 1], x[:, 0], *([np.zeros(len(x))] * (x.shape[1] - 2))], axis=1)


def outwards(x):
    return x.copy()


def test_a_linear_field_is_met_exactly(rng):
    matrix = rng.normal(size=(2, 2))
    flow = GridFlow.of(grid_of(lambda x: x @ matrix + 0.3))
    places = rng.uniform(-0.6, 0.6, (200, 2))
    field, inside = flow.at(places)
    assert inside.all()
    np.testing.assert_allclose(field, places @ matrix + 0.3, atol=1e-6)
    assert not flow.at(np.array([[2.0, 0.0], [0.0, -1.3], [50.0, 50.0]]))[1].any()


def test_lines_of_a_rotation_are_circles_that_close():
    lines = streamlines(grid_of(rotation))
    assert len(lines) > 5
    for line in lines:
        radius = np.linalg.norm(line.astype(np.float64), axis=1)
        if radius.max() < 0.85:  # nodes outside the disk take part at its border
            np.testing.assert_allclose(radius, radius[0], rtol=2e-4)
        turn = line[:-1, 0] * line[1:, 1] - line[:-1, 1] * line[1:, 0]
        assert (turn > 0).all()  # with the flow, against the clock
        angle = np.unwrap(np.arctan2(line[:, 1], line[:, 0]).astype(np.float64))
        # It ends in the box of the grid in which it began, and a line near the center turns much within one box.
        assert angle[-1] - angle[0] < 2 * np.pi + 2 * SPACING / radius.min()
    length = np.diff(lines.starts) * 0.2 * SPACING
    assert length.max() > 2 * np.pi * 0.7
    assert length.max() < 2 * np.pi  # a closed line is not gone through twice


def test_lines_of_a_source_are_straight_and_go_outwards():
    lines = streamlines(grid_of(outwards, hole=0.25))
    assert len(lines) > 5
    for line in lines:
        away = np.linalg.norm(line, axis=1)
        assert (np.diff(away) > 0).all()
        inner = line[(away > 0.4) & (away < 0.85)].astype(np.float64)
        if len(inner) > 1:
            np.testing.assert_allclose(np.unwrap(np.arctan2(*inner.T)), np.arctan2(*inner[0]), atol=2e-3)


def test_lines_in_space_keep_their_plane_and_radius():
    lines = streamlines(grid_of(rotation, 3), StreamlineConfig(separation=2.0))
    assert lines.points.shape[1] == 3
    for line in lines:
        np.testing.assert_allclose(line[:, 2], line[0, 2], atol=1e-6)
    within = [line for line in lines if np.linalg.norm(line, axis=1).max() < 0.8]
    assert within
    for line in within:
        radius = np.linalg.norm(line[:, :2], axis=1)
        np.testing.assert_allclose(radius, radius[0], atol=1e-3)


@pytest.mark.parametrize("origin", [(0, 0), (0.33, -7.24)])
def test_lines_stay_among_cells_apart_and_evenly_spaced(origin):
    grid = grid_of(lambda x: rotation(x) + 0.4 * np.sin(4 * x[:, ::-1]), hole=0.3)
    grid = GridField(grid.positions + np.float32(origin), grid.arrows, grid.spacing)
    lines = streamlines(grid, StreamlineConfig(separation=1.0))
    points = lines.points.astype(np.float64)
    assert cKDTree(grid.positions).query(points)[0].max() < SPACING
    boxes = np.floor((points - grid.positions.min(axis=0)) / SPACING + 0.381966).astype(int)
    owners = {}
    for box, line in zip(map(tuple, boxes), lines.line, strict=True):
        owners.setdefault(box, set()).add(line)
    assert max(len(each) for each in owners.values()) == 1
    uncovered = cKDTree(points).query(grid.positions)[0]
    assert np.quantile(uncovered, 0.95) < 1.5 * SPACING


def test_steps_are_even_and_wider_separation_gives_fewer_lines():
    grid = grid_of(rotation)
    dense, wide = (streamlines(grid, StreamlineConfig(separation=s)) for s in (0.8, 2.5))
    assert len(wide.points) < len(dense.points) / 2
    steps = np.concatenate([np.linalg.norm(np.diff(line, axis=0), axis=1) for line in dense])
    np.testing.assert_allclose(steps, 0.2 * SPACING, rtol=2e-2)


def test_lines_go_through_the_places_that_are_given(rng):
    places = rng.uniform(-0.5, 0.5, (60, 2))
    lines = streamlines(grid_of(rotation), StreamlineConfig(separation=0.5), seeds=places)
    assert len(lines) > 5
    for line in lines:
        assert np.abs(line[:, None] - places).sum(axis=2).min() < 1e-6


def test_a_field_of_zeros_has_no_lines():
    lines = streamlines(grid_of(np.zeros_like))
    none_long_enough = streamlines(grid_of(rotation), StreamlineConfig(shortest=50, longest=2))
    for none in (lines, none_long_enough):
        assert len(none) == 0
        assert list(none) == []
        assert none.points.shape == (0, 2)
        assert none.speed.shape == (0,)
        assert none.starts.tolist() == [0]


def test_no_line_is_longer_than_told_nor_shorter():
    for longest, step in ((1.0, 0.5), (0.4, 0.2), (3.0, 0.2)):
        lines = streamlines(grid_of(rotation), StreamlineConfig(shortest=longest / 2, longest=longest, step=step))
        length = (np.diff(lines.starts) - 1) * step
        assert length.max() <= longest + 1e-9
        assert length.max() > 0.9 * longest - step
        assert length.min() >= longest / 2 - 1e-9


def test_of_many_seeds_an_even_share_is_taken_from_the_first_to_the_last(monkeypatch):
    monkeypatch.setattr(streamlines_module, "MOST_SEEDS", 3)
    places = np.column_stack([np.linspace(0.2, 0.8, 9), np.zeros(9)])
    lines = streamlines(grid_of(rotation), seeds=places)
    radii = sorted(np.linalg.norm(line, axis=1).mean() for line in lines)
    np.testing.assert_allclose(radii, [0.2, 0.5, 0.8], atol=2e-3)


def test_particles_follow_the_field_and_the_film_has_no_beginning():
    births = np.array([[0.5, 0.0], [0.0, 0.3]])
    film = particles(grid_of(rotation), 40, 60, reach=8.0, births=births, seed=1)
    assert film.positions.shape == (60, 40, 2)
    radius = np.linalg.norm(film.positions, axis=2)
    np.testing.assert_allclose(radius, np.broadcast_to(radius[0], radius.shape), rtol=1e-4)
    # The longest arrow has length 1 and its particle drifts 8 nodes in 59 frames; others turn as fast.
    turned = np.arctan2(film.positions[..., 1], film.positions[..., 0])
    step = (np.roll(turned, -1, axis=0) - turned + np.pi) % (2 * np.pi) - np.pi
    moving = np.ones(step.shape, dtype=bool)
    moving[np.argmin(np.abs(step - np.median(step)) < 1e-3, axis=0), np.arange(40)] = False  # the jump to the birth
    np.testing.assert_allclose(step[moving], 8 * SPACING / 59, rtol=1e-3)
    jumps = np.linalg.norm(np.roll(film.positions, -1, axis=0) - film.positions, axis=2) > 0.05
    assert (film.opacity[jumps] == 0).all()
    assert jumps.sum() == 40


def test_particles_that_leave_the_cells_are_not_seen():
    film = particles(grid_of(outwards), 200, 50, reach=60.0)
    away = np.linalg.norm(film.positions, axis=2)
    assert film.opacity[away > 1.1].max(initial=0) == 0
    assert film.opacity.max() == pytest.approx(1)


def test_particles_need_a_place_and_frames():
    with pytest.raises(DataError, match="at least 1 particle and 2 frames"):
        particles(grid_of(rotation), 10, 1)
    with pytest.raises(DataError, match="0 particles in 2 frames"):
        particles(grid_of(rotation), 0, 2)
    assert particles(grid_of(rotation), 1, 2).positions.shape == (2, 1, 2)
    with pytest.raises(DataError, match="No grid node"):
        particles(grid_of(rotation, radius=-1.0), 10, 10)


def test_defaults_lie_in_the_intervals_of_the_settings():
    for name, hint in get_type_hints(StreamlineConfig, include_extras=True).items():
        (bound,), value = hint.__metadata__, getattr(StreamlineConfig(), name)
        assert bound.ge is None or value >= bound.ge, name
        assert bound.gt is None or value > bound.gt, name
        assert value <= bound.le, name
