import numpy as np
import pytest

from napari_tissue_dynamics.layers.scatter import Axis, axis_of, nearest, stamped


def test_discs_are_those_of_a_slow_loop():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-5, 45, 60), rng.uniform(-5, 35, 60)
    x[3], y[7] = np.nan, np.inf
    colors = rng.integers(0, 256, (60, 4)).astype(np.float32) / 255
    expected = np.zeros((30, 40, 4), np.uint8)
    for i in range(60):
        if not np.isfinite([x[i], y[i]]).all():
            continue
        column, row = int(np.rint(x[i])), int(np.rint(y[i]))
        if not (0 <= column < 40 and 0 <= row < 30):
            continue
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                inside = 0 <= row + dy < 30 and 0 <= column + dx < 40
                if inside and dx * dx + dy * dy <= 2.8**2:
                    expected[row + dy, column + dx] = np.round(colors[i] * 255)
    np.testing.assert_array_equal(stamped(x, y, colors, (40, 30), 2.5), expected)


def test_places_and_ticks():
    axis = Axis(-1.0, 9.0, 200.0)
    np.testing.assert_allclose(axis.place(np.array([-1, 4, 9])), [0, 100, 200])
    assert axis.ticks() == [0.0, 5.0]
    assert Axis(0, 0.042, 100).ticks() == [0.0, 0.02, 0.04]


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0], [0.0, 0.0], [-1e-7, 1e7]])
def test_axes_of_odd_values_have_room(values):
    axis = axis_of(np.array(values), 100)
    assert axis.high > axis.low
    assert np.isfinite(axis.place(np.array([v for v in values if np.isfinite(v)]))).all()
    assert len(axis.ticks()) <= 8


def test_nearest_point():
    x, y = np.array([0.0, 10, np.nan]), np.array([0.0, 10, 9])
    assert nearest(x, y, (9.0, 9.0), 5) == 1
    assert nearest(x, y, (5.0, 5.0), 5) is None
    assert nearest(x[:0], y[:0], (5.0, 5.0), 5) is None
