from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from napari_tissue_dynamics.travlr.nets.spatial_maps import MapGrid, min_max_scaled, neighbor_count_steps


def _drain(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _slow_maps(positions, pixels):
    low, high = positions.min(0), positions.max(0)
    step = (high - low) / pixels
    maps = np.zeros((len(positions), pixels, pixels))
    for s, (x, y) in enumerate(positions[:, :2]):
        for i in range(pixels):
            for j in range(pixels):
                cx, cy = low[0] + (j + 0.5) * step[0], high[1] - (i + 0.5) * step[1]
                maps[s, i, j] = np.hypot(x - cx, y - cy)
        maps[s] = (maps[s] - maps[s].min()) / (maps[s].max() - maps[s].min())
    return maps


def test_maps_agree_with_a_slow_loop():
    positions = np.random.default_rng(0).normal(50, [20, 5], (9, 2))
    maps = MapGrid.over(positions, 8).render(positions)
    np.testing.assert_allclose(maps, _slow_maps(positions, 8), atol=3e-7)
    assert maps.dtype == np.float32


def test_a_cell_in_the_middle_of_a_pixel():
    corners = np.array([[0.0, 0], [80, 160]])
    at_pixel_2_5 = np.array([[0 + 5.5 * 10, 160 - 2.5 * 20]])
    image = MapGrid.over(corners, 8).render(at_pixel_2_5)[0]
    assert image[2, 5] == 0
    assert np.unravel_index(image.argmax(), image.shape) == (7, 0)  # row 0 is the top
    assert image[7, 0] == 1


def test_volumes_have_axes_y_x_z_with_y_and_z_descending():
    corners = np.array([[0.0, 0, 0], [8, 80, 800]])
    volume = MapGrid.over(corners, 8).render(np.array([[2.5, 75.0, 150.0]]))[0]
    assert volume.shape == (8, 8, 8)
    assert volume[0, 2, 6] == 0
    assert np.unravel_index(volume.argmax(), volume.shape) == (7, 7, 0)


def test_a_tissue_without_extent_has_finite_maps():
    same = np.ones((3, 2))
    assert np.isfinite(MapGrid.over(same, 8).render(same)).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_neighbor_counts_agree_with_a_slow_loop(dimensions):
    rng = np.random.default_rng(0)
    positions = rng.integers(0, 6, (50, dimensions)).astype(float)  # many at exactly the radius
    codes = rng.integers(-1, 3, 50)
    counts = _drain(neighbor_count_steps(positions, codes, 4, 2.0))
    slow = np.zeros((50, 4))
    for i in range(50):
        for j in range(50):
            if codes[j] >= 0 and np.linalg.norm(positions[i] - positions[j]) <= 2:
                slow[i, codes[j]] += 1
    np.testing.assert_array_equal(counts, slow)
    assert (counts[np.arange(50), codes][codes >= 0] >= 1).all()  # the cell itself


def test_scaling_agrees_with_scikit_learn_and_a_constant_is_zero():
    counts = np.column_stack([np.arange(6.0) ** 2, np.full(6, 4.0)])
    scaled = min_max_scaled(counts)
    np.testing.assert_allclose(scaled, MinMaxScaler().fit_transform(counts), atol=1e-7)
    assert (scaled[:, 1] == 0).all()
