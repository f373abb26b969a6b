"""The growth law against its published form, numerical derivatives and a slow branching process."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ks_2samp

from napari_tissue_dynamics.simulators.velocity_growth import (
    CENTERS,
    birth_times,
    grow_bilinear,
    grow_multiradial,
    travelled,
)

COS = np.sqrt(0.5)
ALONG, ACROSS = np.array([COS, COS]), np.array([-COS, COS])


@pytest.fixture(scope="module")
def bilinear():
    return grow_bilinear(3000, np.random.default_rng(42))


@pytest.fixture(scope="module")
def multiradial():
    return grow_multiradial(12000, np.random.default_rng(42))


def families(time):
    """Return the slice of every family; each begins with its root at time 0."""
    starts = np.flatnonzero(time == 0)
    return [slice(*ends) for ends in zip(starts, [*starts[1:], len(time)], strict=True)]


def law(time):
    """Return the published distance: acceleration (d - v0 t_max) / (t_max^2 / 2), start at v0 = 0.01."""
    return 0.5 * (1 - 0.01 * 20) / (0.5 * 20**2) * time**2 + 0.01 * time


def branch_slowly(n_cells, rng):
    times, generation = [0.0], [0.0]
    while len(times) < n_cells:
        born = []
        for parent in generation:
            for _ in range(rng.geometric(0.5)):
                born.append(parent + rng.exponential(3.0))
        generation = born[: n_cells - len(times)]
        times += generation
    return 20 * np.array(times) / max(times)


def test_distance_is_the_published_law_and_one_at_the_end():
    time = np.linspace(0, 20, 9)
    distance, speed = travelled(time)
    assert_allclose(distance, law(time), atol=1e-14)
    assert distance[-1] == pytest.approx(1.0)
    assert_allclose(speed, (law(time + 1e-6) - law(time - 1e-6)) / 2e-6, rtol=1e-7)


def test_birth_times_are_those_of_a_branching_process():
    rng = np.random.default_rng(0)
    fast = np.array([birth_times(50, rng) for _ in range(400)])
    slow = np.array([branch_slowly(50, rng) for _ in range(400)])
    # The times of one family depend on each other, so one number of each family enters a comparison.
    for of_family in (np.mean, np.std, np.median):
        assert ks_2samp(of_family(fast, axis=1), of_family(slow, axis=1)).pvalue > 0.02
    assert (np.count_nonzero(fast == 0), np.count_nonzero(fast == 20)) == (400, 400)


@pytest.mark.parametrize("n_cells", [2, 3, 31])
def test_family_has_the_size_it_was_asked_for(n_cells):
    time = birth_times(n_cells, np.random.default_rng(1))
    assert (len(time), time[0], time.max()) == (n_cells, 0.0, 20.0)


@pytest.mark.parametrize(
    ("grow", "n_cells", "n_roots", "n_regions"),
    [
        (grow_bilinear, 3000, 60, 2),
        (grow_bilinear, 1000, 20, 2),
        (grow_bilinear, 51, 2, 2),
        (grow_multiradial, 12000, 400, 4),
        (grow_multiradial, 50, 4, 4),
    ],
)
def test_roots_and_regions_follow_the_number_of_cells(grow, n_cells, n_roots, n_regions):
    grown = grow(n_cells, np.random.default_rng(2))
    assert len(grown.time) == len(grown.positions) == n_cells
    assert np.count_nonzero(grown.time == 0) == np.count_nonzero(grown.time == 20) == n_roots
    sizes = np.bincount(grown.region)
    assert len(sizes) == n_regions
    assert np.ptp(sizes) <= 1
    assert np.isfinite(grown.velocity).all()


def test_halves_grow_in_opposite_directions_at_45_degrees(bilinear):
    sign = np.where(bilinear.region == 0, 1.0, -1.0)
    assert_allclose(bilinear.positions @ ALONG, sign * law(bilinear.time), atol=1e-12)
    speed = (law(bilinear.time + 1e-6) - law(bilinear.time - 1e-6)) / 2e-6
    assert_allclose(bilinear.velocity @ ALONG, sign * speed, atol=1e-8)


def test_cells_of_a_band_walk_sideways_within_the_published_speeds(bilinear):
    sign = np.where(bilinear.region == 0, 1.0, -1.0)
    across, speed = sign * (bilinear.positions @ ACROSS), sign * (bilinear.velocity @ ACROSS)
    for family in families(bilinear.time):
        assert_allclose(np.diff(across[family]), np.diff(bilinear.time[family]) * speed[family][1:], atol=1e-12)
        assert -0.5 <= across[family][0] <= 0.5
    assert np.abs(speed).min() >= 0.02 / 20 - 1e-12
    assert np.abs(speed).max() <= 0.2 / 20 + 1e-12
    assert np.abs(speed).mean() == pytest.approx(0.11 / 20, rel=0.03)


def test_families_turn_mostly_one_way_each(bilinear):
    """Shares of cells that turn left vary among families as a binomial with a Beta(5, 5) probability."""
    sign = np.where(bilinear.region == 0, 1.0, -1.0)
    left = sign * (bilinear.velocity @ ACROSS) > 0
    shares = np.array([left[family].mean() for family in families(bilinear.time)])
    spread = np.sqrt(25 / (100 * 11) + (0.25 - 25 / (100 * 11)) / 50)
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    assert shares.std() == pytest.approx(spread, rel=0.3)


def test_disks_grow_outwards_from_their_centers(multiradial):
    offset = multiradial.positions - CENTERS[multiradial.region]
    assert_allclose(np.abs(CENTERS), COS)
    radius = np.linalg.norm(offset, axis=1)
    assert_allclose(radius, law(multiradial.time), atol=1e-12)
    moving = radius > 0
    radial = (multiradial.velocity * offset).sum(axis=1)[moving] / radius[moving]
    speed = (law(multiradial.time + 1e-6) - law(multiradial.time - 1e-6)) / 2e-6
    assert_allclose(radial, speed[moving], atol=1e-8)
    cross = offset[:, 0] * multiradial.velocity[:, 1] - offset[:, 1] * multiradial.velocity[:, 0]
    angular = cross[moving] / radius[moving] ** 2
    assert np.abs(angular).min() >= np.pi / 12 / 20 - 1e-9
    assert np.abs(angular).max() <= np.pi / 2 / 20 + 1e-9
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    everywhere = np.zeros(len(radius))
    everywhere[moving] = angular
    for family in families(multiradial.time)[::40]:
        turn = np.diff(angle[family][1:]) - np.diff(multiradial.time[family][1:]) * everywhere[family][2:]
        assert_allclose(np.sin(turn), 0, atol=1e-7)
        assert (np.cos(turn) > 0).all()


def test_local_coordinates_lead_back_to_the_positions(bilinear, multiradial):
    turn = np.array([ALONG, ACROSS])
    assert_allclose(bilinear.local @ turn, bilinear.positions, atol=1e-12)
    radius, angle = multiradial.local.T
    places = CENTERS[multiradial.region] + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    assert_allclose(places, multiradial.positions, atol=1e-12)


def test_regions_have_random_numbers_of_their_own(bilinear):
    first, second = (bilinear.time[bilinear.region == half] for half in (0, 1))
    assert not np.array_equal(first, second)
    again = grow_bilinear(3000, np.random.default_rng(42))
    assert_array_equal(again.positions, bilinear.positions)
