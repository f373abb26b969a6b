"""Cells that light up with time, mixed colors of experts, and what an arrow length means."""

import numpy as np
import pytest

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.expert_blend import gate_entropy, mixed_rgba
from napari_tissue_dynamics.layers.time_animation import UNLIT, lit_colors
from napari_tissue_dynamics.layers.vectors import arrow_length_words

TIME = np.array([0.0, 0.2, 0.5, 0.9, np.nan], dtype=np.float32)
BASE = np.tile(np.array([0.2, 0.4, 0.6, 1.0], dtype=np.float32), (5, 1))


def test_cells_whose_time_has_come_are_lit():
    colors = lit_colors(BASE, TIME, 0.5)
    np.testing.assert_allclose(colors[:, 3], [1, 1, 1, UNLIT, UNLIT], rtol=1e-6)
    np.testing.assert_allclose(colors[:2], BASE[:2])  # long past the front
    np.testing.assert_allclose(colors[2, :3], 1)  # on the front
    np.testing.assert_array_equal(BASE[0], np.array([0.2, 0.4, 0.6, 1.0], dtype=np.float32))


def test_at_the_end_all_cells_have_their_color():
    np.testing.assert_allclose(lit_colors(BASE, TIME, 1.0)[:4], BASE[:4])


def test_only_now_fades_on_both_sides():
    opacity = lit_colors(BASE, np.array([0.4, 0.46, 0.5, 0.54, 0.6]), 0.5, "only now")[:, 3]
    assert opacity[2] == pytest.approx(1)
    assert opacity[1] == pytest.approx(UNLIT + (1 - UNLIT) * 0.5)
    np.testing.assert_allclose(opacity, opacity[::-1], rtol=1e-5)
    np.testing.assert_allclose(opacity[[0, 4]], UNLIT, rtol=1e-5)


def test_hidden_cells_stay_hidden():
    base = BASE.copy()
    base[:, 3] = 0
    assert not lit_colors(base, TIME, 0.7)[:, 3].any()


def test_pure_weights_give_pure_colors_and_halves_the_mean_of_light():
    weight = np.array([[1, 0], [0, 3], [1, 1], [np.nan, 1], [0, 0]])
    rgba = mixed_rgba(weight, ("#FF0000", "#0000FF"))
    np.testing.assert_allclose(rgba[0], [1, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(rgba[1], [0, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(rgba[2, :3] ** 2.2, [0.5, 0, 0.5], atol=1e-6)
    np.testing.assert_array_equal(rgba[3], rgba[4])
    with pytest.raises(DataError, match="2 columns of weights and 1 colors"):
        mixed_rgba(weight, ("#FF0000",))


def test_entropy_is_that_of_scipy(rng):
    from scipy.stats import entropy

    p = rng.dirichlet(np.ones(5), 40)
    p[0], p[1] = np.eye(5)[0], 0.2
    np.testing.assert_allclose(gate_entropy(p), entropy(p, axis=1) / np.log(5), atol=1e-6)
    assert gate_entropy(p)[0] == 0
    assert gate_entropy(p)[1] == pytest.approx(1)
    assert not gate_entropy(np.ones((3, 1))).any()


def test_words_give_the_long_arrow():
    arrows = np.zeros((102, 2))
    arrows[:101, 0] = np.arange(101)  # zero, then 1 to 100
    words = arrow_length_words(arrows, "um")
    long = np.quantile(np.arange(1, 101), 0.95)
    assert f"shorter than {long:.3g} µm" in words
    assert arrow_length_words(np.zeros((3, 2)), "um") == "No cell has an arrow."
