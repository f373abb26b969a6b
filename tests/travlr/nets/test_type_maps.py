from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.nets.spatial_maps import MapGrid
from napari_tissue_dynamics.travlr.nets.type_maps import SpatialMaps, type_maps


def _tissue(dimensions=2, n=40):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 100, (n, dimensions)), rng.integers(-1, 3, n)


def _pixel(positions, cell, pixels):
    """Row and column of a cell, counted from the top left."""
    low, high = positions.min(0), positions.max(0)
    part = np.minimum((positions[cell] - low) / (high - low) * pixels, pixels - 1e-9)
    return int(np.ceil(pixels - part[1]) - 1), int(part[0])


def test_masked_distance_is_the_distance_where_the_type_has_cells():
    positions, codes = _tissue()
    maps = type_maps("masked_distance", positions, codes, 3, 8, 10.0)
    distance = MapGrid.over(positions, 8).distances(positions[:5])
    for k in range(3):
        seen = np.zeros((8, 8), dtype=bool)
        for cell in np.flatnonzero(codes == k):
            seen[_pixel(positions, cell, 8)] = True
        for cell in range(5):
            image = np.where(seen, distance[cell], 0)
            expected = (image - image.min()) / (image.max() - image.min())
            np.testing.assert_allclose(maps[k].images(positions[:5])[cell, 0], expected, atol=1e-6)
        assert 0 < seen.sum() < 64


@pytest.mark.parametrize("dimensions", [2, 3])
def test_density_counts_the_cells_around_a_cell(dimensions):
    positions, codes = _tissue(dimensions, 60)
    (maps, *_) = type_maps("density", positions, codes, 3, 8, 15.0)
    images = maps.images(positions[:4])
    assert images.shape == (4, 3, *[8] * dimensions)
    axes = (1, 0, 2)[:dimensions]
    for cell in range(4):
        expected = np.zeros((3, *[8] * dimensions))
        for other in range(60):
            step = positions[other] - positions[cell]
            if codes[other] < 0 or np.abs(step).max() > 30:
                continue
            up = [step[a] if a == 0 else -step[a] for a in axes]
            expected[(codes[other], *[min(7, int((u + 30) // 7.5)) for u in up])] += 1
        for k in range(3):
            np.testing.assert_allclose(images[cell, k], gaussian_filter(expected[k], 1.0, mode="constant"), atol=1e-5)


def test_density_moves_with_the_cell():
    positions, codes = _tissue()
    here = type_maps("density", positions, codes, 3, 8, 15.0)[0].images(positions)
    moved = positions + np.array([1000, -50])
    there = type_maps("density", moved, codes, 3, 8, 15.0)[0].images(moved)
    np.testing.assert_allclose(here, there, atol=1e-5)


def test_inverse_distance_is_capped_at_the_cell():
    positions, codes = _tissue()
    image = type_maps("inverse_distance", positions, codes, 3, 8, 1.0)[0].images(positions)
    np.testing.assert_allclose(image[:, 0], 1 / MapGrid.over(positions, 8).distances(positions), rtol=1e-6)


@pytest.mark.parametrize("kind", ["position", "masked_distance", "density", "inverse_distance"])
def test_lazy_maps_are_the_array_that_they_stand_for(kind):
    positions, codes = _tissue()
    maps = type_maps(kind, positions, codes, 3, 8, 15.0)
    lazy = SpatialMaps(positions, codes, maps)
    assert lazy.shape == (40, 3, 8, 8)
    assert lazy.nbytes == 40 * 3 * 64 * 4
    whole = np.asarray(lazy)
    for k in range(3):
        channel = k if kind == "density" else 0
        np.testing.assert_array_equal(whole[:, k], maps[k].images(positions)[:, channel])
    rows = np.array([7, 3, 3])
    mask = codes == 1
    for index in (5, -1, slice(3, 9, 2), rows, mask, (rows, 1), (slice(2), 1, 0), (rows, np.array([0, 1, 2])), ...,
                  (..., 2), (4, 2, 1, 1), (rows[None], slice(1, 3))):  # fmt: skip
        np.testing.assert_array_equal(lazy[index], whole[index])
    with pytest.raises(DataError, match="new axes"):
        lazy[None]


def test_only_the_channel_of_the_own_type_can_be_drawn():
    positions, codes = _tissue(3)
    lazy = np.asarray(SpatialMaps(positions, codes, type_maps("inverse_distance", positions, codes, 3, 8, 1.0), True))
    for cell, code in enumerate(codes):
        assert [bool(channel.any()) for channel in lazy[cell]] == [k == code for k in range(3)]
