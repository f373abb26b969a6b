"""How napari treats layers, where we rely on it or work around it: an upgrade that changes it is told here."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points, Vectors

PLACES = np.array([[0.0, 0.0], [3.0, 1.0], [5.0, 8.0]])


def test_a_pixel_is_centered_on_its_whole_coordinate():
    """Images of another scale are therefore moved by half the difference of the pixels."""
    image = Image(np.zeros((4, 6)), scale=(2, 2), translate=(0.5, 0.5))
    np.testing.assert_allclose(image.world_to_data((0.5, 0.5)), (0, 0))
    low, high = image.extent.world
    np.testing.assert_allclose(image.extent.data, [[0, 0], [3, 5]])
    np.testing.assert_allclose((low, high), [[0.5, 0.5], [6.5, 10.5]])


def test_units_are_dropped_as_soon_as_layers_disagree():
    """So every layer of a tissue gets the same units."""
    viewer = ViewerModel()
    viewer.add_points(PLACES, units=("um", "um"))
    assert {str(unit) for unit in viewer.layers.extent.units} == {"micrometer"}
    viewer.add_points(PLACES, units=("pixel", "pixel"))
    assert viewer.layers.extent.units is None


def test_a_layer_shares_the_memory_of_its_image():
    """So layers get arrays that nothing changes afterwards: those of a tissue are frozen."""
    pixels = np.zeros((4, 6))
    image = Image(pixels)
    pixels[0, 0] = 7
    assert image.data[0, 0] == 7


def test_few_integers_are_taken_for_categories():
    """So numbers to color by are floats."""
    whole = Points(PLACES, features={"n": np.array([1, 2, 3])}, face_color="n")
    floats = Points(PLACES, features={"n": np.array([1.0, 2.0, 3.0])}, face_color="n")
    assert whole.face_color_mode == "cycle"
    assert floats.face_color_mode == "colormap"


def test_cell_names_need_a_column_because_the_index_is_reset():
    import pandas as pd

    points = Points(PLACES, features=pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=["a", "b", "c"]))
    assert points.features.index.tolist() == [0, 1, 2]


def test_a_colormap_recolors_nothing_in_direct_mode():
    """So colors that we compute stay when the map is set for the color bar alone."""
    rgba = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0.5]], np.float32)
    points = Points(PLACES, face_color=rgba)
    points.face_colormap, points.face_contrast_limits = "viridis", (0, 5)
    np.testing.assert_allclose(points.face_color, rgba)
    assert points.face_color_mode == "direct"


def test_limits_of_values_with_nan_are_not_numbers():
    """So limits are always given."""
    points = Points(PLACES, features={"v": np.array([1.0, np.nan, 3.0])}, face_color="v")
    assert not np.isfinite(points.face_contrast_limits).all()


def test_places_that_are_not_finite_break_the_extent():
    """So a tissue has none."""
    points = Points(np.vstack([PLACES, [np.nan, 1.0]]))
    assert not np.isfinite(points.extent.data).all()


def test_arrows_that_are_not_finite_raise():
    """So arrows of cells without one are left out or zero."""
    arrows = np.zeros((2, 2, 2))
    arrows[1, 1] = np.nan
    with pytest.raises((ValueError, IndexError)), np.errstate(all="ignore"):
        Vectors(arrows, edge_width=1)._update_thumbnail()


def test_colors_cannot_go_from_values_to_categories_directly():
    """So a plain color stands between them; the other way needs none."""
    features = {"value": np.array([1.0, 2.0, 3.0]), "type": np.array(["a", "b", "a"], object)}
    points = Points(PLACES, features=features, face_color="value")
    with pytest.raises(TypeError, match="Cannot cast"):
        points.face_color = "type"
    points = Points(PLACES, features=features, face_color="value")
    points.face_color = "white"
    points.face_color = "type"
    assert points.face_color_mode == "cycle"


def test_features_that_are_changed_in_place_recolor_nothing():
    """So features are given as a whole."""
    points = Points(PLACES, features={"value": np.array([1.0, 2.0, 3.0])}, face_color="value")
    before = points.face_color.copy()
    points.features["value"] = [3.0, 2.0, 1.0]
    np.testing.assert_array_equal(points.face_color, before)


def test_a_change_of_length_begins_with_the_places():
    """Features of another length are refused, and places of another length make up features."""
    points = Points(PLACES, features={"value": np.array([1.0, 2.0, 3.0])})
    with pytest.raises(ValueError, match="does not match"):
        points.features = {"value": np.arange(5.0)}
    points = Points(PLACES, features={"value": np.array([1.0, 2.0, 3.0])})
    points.data = np.zeros((5, 2))
    assert points.features["value"].tolist() == [1.0, 2.0, 3.0, 3.0, 3.0]


def test_names_of_layers_are_made_unique():
    """So layers are found by their id, not by their name."""
    viewer = ViewerModel()
    first, second = viewer.add_points(PLACES, name="cells"), viewer.add_points(PLACES, name="cells")
    assert (first.name, second.name) == ("cells", "cells [1]")
    assert first.unique_id != second.unique_id


def test_adding_a_layer_selects_it():
    """So the selection of a person is put back."""
    viewer = ViewerModel()
    first = viewer.add_points(PLACES)
    viewer.layers.selection = {first}
    second = viewer.add_points(PLACES)
    assert second in viewer.layers.selection
