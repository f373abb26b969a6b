import numpy as np
import pytest

from napari_tissue_dynamics.analysis.cells.polygon import inside_polygon


def test_star_agrees_with_matplotlib(rng):
    from matplotlib.path import Path

    angles = np.linspace(0, 2 * np.pi, 15)[:-1]
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.where(np.arange(14) % 2, 0.4, 1)[:, None] + 3
    points = rng.uniform(1.5, 4.5, (3000, 2))
    np.testing.assert_array_equal(inside_polygon(points, corners), Path(corners).contains_points(points))


def test_area_is_the_share_of_the_points(rng):
    points = rng.uniform(0, 1, (20000, 2))
    triangle = np.array([[0, 0], [1, 0], [0, 1]])
    assert inside_polygon(points, triangle).mean() == pytest.approx(0.5, abs=0.015)
    np.testing.assert_array_equal(inside_polygon(points, triangle), points.sum(axis=1) < 1)


def test_a_loop_inside_a_loop_is_outside():
    outer = np.array([[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]])
    inner = np.array([[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]])
    corners = np.concatenate([outer, inner])
    np.testing.assert_array_equal(
        inside_polygon(np.array([[0.5, 2.5], [2, 2.5], [5, 2]]), corners), [True, False, False]
    )


@pytest.mark.parametrize("corners", [np.zeros((0, 2)), np.ones((2, 2))])
def test_less_than_a_triangle_holds_nothing(corners):
    assert not inside_polygon(np.ones((3, 2)), corners).any()
