"""Places, times and movements of the layouts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_tissue_dynamics.graph.neighbors import knn
from napari_tissue_dynamics.simulators.requests import LAYOUTS
from napari_tissue_dynamics.simulators.telegraph_layouts import FORK, T_MAX, place


def placed(layout, n_regimes=2, n_cells=1500):
    return place(layout, n_cells, n_regimes, np.random.default_rng(3))


def neighbors_agree(cells):
    """Return the correlation of the time of a cell with the mean time of its 30 nearest."""
    near = knn(cells.positions, 30)[0]
    return np.corrcoef(cells.time, cells.time[near].mean(axis=1))[0, 1]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tissue_neighbors_share_their_time_or_not(layout):
    if layout in ("opposite", "mosaic"):
        assert abs(neighbors_agree(placed(layout))) < 0.35
    else:
        assert neighbors_agree(placed(layout)) > 0.9


@pytest.mark.parametrize("layout", LAYOUTS)
def test_regions_are_of_one_density(layout):
    """Half of the cells have a neighbor within 5 um where one has 100 um^2."""
    nearest = knn(placed(layout).positions, 1)[1]
    assert 4 < np.median(nearest) < 6


def test_opposite_bands():
    cells = placed("opposite")
    side = 10 * np.sqrt(1500)
    assert not cells.movement[:, 1].any()
    assert_allclose(np.abs(cells.movement[:, 0]) * T_MAX, side)
    start = cells.positions[:, 0] - cells.movement[:, 0] * cells.time
    assert_allclose(start, np.where(cells.movement[:, 0] > 0, 0, side), atol=1e-9)
    for regime in range(2):
        ways = np.sign(cells.movement[cells.regime == regime, 0])
        assert 0.4 < (ways > 0).mean() < 0.6, "a regime has bands of both directions"
    near = knn(cells.positions, 30)[0]
    assert 0.3 < (cells.movement[near, 0] == cells.movement[:, :1]).mean() < 0.7


@pytest.mark.parametrize(("n_regimes", "number"), [(1, 3), (2, 4), (3, 3), (5, 5)])
def test_sources_grow_outwards_from_their_centers(n_regimes, number):
    cells = placed("sources", n_regimes)
    centers = cells.positions - cells.movement * cells.time[:, None]
    assert len(np.unique(np.round(centers, 6), axis=0)) == number
    assert np.ptp(np.linalg.norm(cells.movement, axis=1)) == pytest.approx(0, abs=1e-9)
    assert np.einsum("ij,ij->i", cells.movement, cells.positions - centers).min() >= 0


def test_cycle_turns_counterclockwise():
    cells = placed("cycle", 1)
    x, y = cells.positions.T
    assert_allclose(np.arctan2(y, x) % (2 * np.pi), 2 * np.pi * cells.time / T_MAX, atol=1e-9)
    ahead = cells.positions + 1e-4 * cells.movement
    turned = np.angle(np.exp(1j * (np.arctan2(*ahead.T[::-1]) - np.arctan2(y, x))))
    assert_allclose(turned, 2 * np.pi / T_MAX * 1e-4, rtol=1e-6)
    assert placed("cycle", 3).path.max() == 2


def test_branches_follow_trunk_and_arms():
    cells = placed("branches", 3)
    trunk = cells.time < FORK
    assert set(cells.regime[trunk]) == {0}
    assert set(cells.regime[~trunk]) == {1, 2}
    speed = np.linalg.norm(cells.movement, axis=1)
    assert_allclose(speed, speed[0])
    fork = np.array([speed[0] * FORK, 0.0])
    assert_allclose(cells.positions[trunk, 0], speed[0] * cells.time[trunk])
    heading = cells.movement / speed[:, None]
    along = np.einsum("ij,ij->i", cells.positions - fork, heading)
    assert_allclose(along, speed * (cells.time - FORK), atol=1e-9)
    ends = cells.movement[~trunk][:, 1]
    assert (ends > 0).any()
    assert (ends < 0).any()


def test_a_mosaic_has_no_movement():
    cells = placed("mosaic", 5)
    assert cells.movement is None
    assert np.bincount(cells.regime).tolist() == [300] * 5
