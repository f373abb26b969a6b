import numpy as np
import pytest

from napari_tissue_dynamics.layers.plot_axes import PlotView, fitted

PLACES = np.array([[0.0, 0.0], [10.0, 4.0], [2.0, 1.0]])


def test_all_cells_are_seen_and_y_goes_up():
    pixels = fitted(PLACES, 300, 200).pixels(PLACES)
    assert (pixels >= 0).all()
    assert (pixels <= [300, 200]).all()
    assert np.ptp(pixels[:, 0]) == pytest.approx(270)
    assert pixels[1, 1] < pixels[0, 1]


def test_places_and_pixels_are_inverse():
    view = PlotView((3.0, -2.0), 7.5, (300, 200))
    np.testing.assert_allclose(view.places(view.pixels(PLACES)), PLACES, atol=1e-12)


def test_zoom_keeps_what_is_under_the_mouse():
    view = fitted(PLACES, 300, 200)
    at = view.pixels(PLACES[2:])[0]
    larger = view.zoomed(3.0, tuple(at))
    np.testing.assert_allclose(larger.pixels(PLACES[2:])[0], at, atol=1e-9)
    assert larger.scale == pytest.approx(3 * view.scale)


def test_a_drag_moves_cells_with_the_mouse():
    view = fitted(PLACES, 300, 200)
    np.testing.assert_allclose(view.moved(12, -7).pixels(PLACES), view.pixels(PLACES) + np.array([12, -7]), atol=1e-9)


def test_one_place_and_none_can_be_seen():
    np.testing.assert_allclose(fitted(PLACES[:1], 300, 200).pixels(PLACES[:1]), [[150, 100]])
    assert fitted(PLACES[:0], 300, 200).scale == 1
