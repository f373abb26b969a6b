import gc

import numpy as np
import pytest
from napari.layers import Layer

from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.colors import ColorScale, color_table
from napari_tissue_dynamics.layers.legend import ColorBar
from napari_tissue_dynamics.layers.points import cell_points, value_points
from napari_tissue_dynamics.widgets.canvas.legend_dock import LegendDock
from napari_tissue_dynamics.widgets.plots.legend import ColorBarView, number


@pytest.fixture
def legend(viewer, qtbot):
    dock = LegendDock(viewer)
    qtbot.addWidget(dock)
    return dock


def test_legend_follows_the_active_layer(legend, viewer, tissue):
    assert "No layer with a legend" in legend.panel.title.text()
    viewer.layers.append(Layer.create(*cell_points(tissue)))
    types = tissue.cell_types
    texts = [legend.panel.categories.item(k).text() for k in range(legend.panel.categories.count())]
    counts = [int((types.codes == k).sum()) for k in range(len(types.categories))]
    assert texts == [f"{name}  ({n})" for name, n in zip(types.categories, counts, strict=True)]
    values = np.linspace(-2, 6, tissue.n_cells)
    viewer.layers.append(Layer.create(*value_points(tissue, values, name="v", scale=ColorScale(-2, 6))))
    assert legend.panel.title.text() == "v"
    assert legend.panel.bar.ticks() == ["-2", "2", "6"]
    viewer.layers.selection.active = viewer.layers["cells"]
    assert legend.panel.title.text() == types.name
    viewer.layers.clear()
    assert "No layer with a legend" in legend.panel.title.text()


def test_cells_come_before_lines_that_are_drawn_on_them(legend, viewer, tissue):
    viewer.layers.append(Layer.create(*cell_points(tissue)))
    bar = ColorBar("senders", ColorScale(0, 1))
    lines = viewer.add_vectors(np.zeros((1, 2, 2)), metadata={PLUGIN: {"kind": "senders", "legend": bar}})
    viewer.layers.selection.active = None
    assert legend.panel.title.text() == tissue.cell_types.name
    viewer.layers.selection.active = lines
    assert legend.panel.title.text() == "senders"


def test_a_layer_without_legend_leaves_that_of_the_topmost(legend, viewer, tissue):
    viewer.layers.append(Layer.create(*cell_points(tissue)))
    viewer.add_points(np.zeros((1, 2)))
    assert legend.panel.title.text() == tissue.cell_types.name


def test_bar_has_the_colors_of_the_scale(qtbot):
    view = ColorBarView()
    qtbot.addWidget(view)
    view.resize(256, view.height())
    view.show_bar(ColorBar("beta", ColorScale(-1.0, 1.0, "balance")))
    image = view.grab().toImage()
    table = (color_table("balance") * 255).round()
    for column in (2, 64, 128, 192, 253):
        place = round(column * image.width() / 256)
        color = image.pixelColor(place, 5)
        np.testing.assert_allclose([color.red(), color.green(), color.blue()], table[column][:3], atol=6)


def test_dead_legend_hears_nothing(viewer, tissue, qtbot):
    dock = LegendDock(viewer)
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    del dock
    gc.collect()
    viewer.layers.append(Layer.create(*cell_points(tissue)))
    assert len(viewer.layers) == 1


def test_numbers_are_short():
    assert [number(x) for x in (0.0, 1e-15, 0.12345, -1234567.0)] == ["0", "0", "0.123", "-1.23e+06"]
