import numpy as np
import pytest

from napari_tissue_dynamics.analysis.cells.shape_membership import inside_polygon, inside_shape

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-10, 10, (500, 2))


def test_ellipse_is_that_of_its_formula_also_when_turned():
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    box = np.array([[-6, -3], [6, -3], [6, 3], [-6, 3]]) @ turn.T + [1, 2]
    inside = inside_shape(POINTS, box, "ellipse")
    for point, found in zip(POINTS, inside, strict=True):
        x, y = turn.T @ (point - [1, 2])
        assert found == ((x / 6) ** 2 + (y / 3) ** 2 <= 1)


@pytest.mark.parametrize("kind", ["polygon", "rectangle", "path"])
def test_a_rectangle_has_what_lies_between_its_sides(kind):
    box = np.array([[-6.0, -3], [6, -3], [6, 3], [-6, 3]])
    expected = (np.abs(POINTS[:, 0]) < 6) & (np.abs(POINTS[:, 1]) < 3)
    np.testing.assert_array_equal(inside_shape(POINTS, box, kind), expected)


def test_a_line_and_a_flat_ellipse_have_no_inside():
    assert not inside_shape(POINTS, np.array([[-6.0, -3], [6, 3]]), "line").any()
    assert not inside_shape(POINTS, np.zeros((4, 2)), "ellipse").any()


def test_only_the_plane_that_was_drawn_on_is_inside():
    places = np.column_stack([POINTS, np.repeat([0.0, 10.0, 20.0, 30.0, 40.0], 100)])
    box = np.array([[-20.0, -20, 21], [20, -20, 21], [20, 20, 21], [-20, 20, 21]])
    np.testing.assert_array_equal(inside_shape(places, box, "polygon"), places[:, 2] == 20)


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
