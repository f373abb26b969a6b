import numpy as np
from napari.layers import Layer

from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.samples import SAMPLE, simulated_tissue


def test_sample_is_the_same_every_time():
    first = simulated_tissue()
    for (a, _, _), (b, _, _) in zip(first, simulated_tissue(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sample_has_image_and_cells_that_say_where_they_come_from():
    layers = [Layer.create(*data) for data in simulated_tissue()]
    assert [type(layer).__name__ for layer in layers] == ["Image", "Points", "Vectors"]
    assert all(layer.metadata[PLUGIN]["source"] == SAMPLE for layer in layers)
    image, cells, truth = layers
    assert truth.name == "true movement"
    assert not truth.visible
    np.testing.assert_allclose(truth.data[:, 0], cells.data)
    inside = image.extent.world
    assert np.all(cells.data >= inside[0])
    assert np.all(cells.data <= inside[1])
