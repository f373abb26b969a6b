"""Arrows can be seen on what is behind them, and the legend says what is seen."""

from dataclasses import replace

import numpy as np
import pytest

from napari_tissue_dynamics import kinetic_models as velocity
from napari_tissue_dynamics.layers.coloring import Values, coloring_of
from napari_tissue_dynamics.layers.images import brightness, on_light
from napari_tissue_dynamics.layers.layer_sets import tissue_layers
from napari_tissue_dynamics.layers.points import latent_time_points
from napari_tissue_dynamics.layers.vectors import velocity_vectors
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.coloring_view import show_coloring
from napari_tissue_dynamics.widgets.canvas.legend_dock import LegendDock
from napari_tissue_dynamics.widgets.canvas.velocity_view import draw_velocity
from napari_tissue_dynamics.widgets.plots.legend import arrow_color_of
from napari_tissue_dynamics.workflow import picture_steps

DARK, WHITE = "#1a1a1a", "#ffffff"


@pytest.fixture
def drawn(viewer, workspace, tissue):
    """Histology, cells and faint arrows."""
    workspace.set_tissue(tissue)
    for data in tissue_layers(tissue):
        _viewer.show(viewer, workspace, data)
    arrows = np.ones_like(tissue.positions)
    sure = np.linspace(0.6, 1, tissue.n_cells)
    layer = velocity_vectors(tissue.positions, arrows, unit=tissue.unit, confidence=sure)
    return _viewer.show(viewer, workspace, layer)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.zeros((200, 100, 3), np.uint8), 0),
        (np.full((20, 10), 65535, np.uint16), 1),
        (np.full((7, 9, 4), 0.25, np.float32), 0.25),
    ],
)
def test_brightness_of_every_kind_of_image(image, expected):
    assert brightness(image) == pytest.approx(expected)


def test_arrows_are_dark_on_a_stained_slide_and_white_without_it(drawn, viewer, tissue):
    assert on_light(tissue)
    assert arrow_color_of(drawn) == DARK
    opacity = drawn.edge_color[:, 3].copy()
    image = next(layer for layer in viewer.layers if layer.name.startswith("histology"))
    image.visible = False
    assert arrow_color_of(drawn) == WHITE
    image.visible = True
    assert arrow_color_of(drawn) == DARK
    np.testing.assert_array_equal(drawn.edge_color[:, 3], opacity)


def test_arrows_stay_white_on_a_dark_image(viewer, workspace, tissue):
    dark = tuple(replace(each, image=(each.image * 0.2).astype(each.image.dtype)) for each in tissue.histology)
    night = replace(tissue, histology=dark)
    workspace.set_tissue(night)
    for data in tissue_layers(night):
        _viewer.show(viewer, workspace, data)
    arrows = velocity_vectors(tissue.positions, np.ones_like(tissue.positions), unit=tissue.unit)
    assert arrow_color_of(_viewer.show(viewer, workspace, arrows)) == WHITE


def test_arrows_that_a_person_colored_keep_their_color(drawn, viewer):
    drawn.edge_color = "#00aa00"
    next(layer for layer in viewer.layers if layer.name.startswith("histology")).visible = False
    assert arrow_color_of(drawn) == "#00aa00"


def test_legend_follows_the_eye_of_a_layer_and_the_color_of_its_arrows(drawn, viewer, qtbot):
    legend = LegendDock(viewer)
    qtbot.addWidget(legend)
    assert legend.panel.arrows.isVisibleTo(legend)
    assert legend.panel.arrows.color == DARK
    next(layer for layer in viewer.layers if layer.name.startswith("histology")).visible = False
    assert legend.panel.arrows.color == WHITE
    drawn.visible = False
    assert not legend.panel.arrows.isVisibleTo(legend)
    viewer.layers["cells"].visible = False
    assert "No layer with a legend" in legend.panel.title.text()


def test_the_view_comes_near_to_cells_on_a_large_slide(viewer):
    slide = viewer.add_image(np.zeros((400, 600, 3), np.uint8))
    assert slide.rgb
    viewer.reset_view()
    far = viewer.scene.camera.zoom
    x, y = np.meshgrid(np.linspace(30, 90, 7), np.linspace(300, 380, 7))
    _viewer.come_near(viewer, np.column_stack([x.ravel(), y.ravel()]))
    assert viewer.scene.camera.center[-2:] == pytest.approx((340, 60))
    assert viewer.scene.camera.zoom == pytest.approx(far * _viewer.ROOM * min(400 / 80, 600 / 60), rel=0.02)


def test_the_view_stays_where_cells_fill_the_slide(viewer):
    viewer.add_image(np.zeros((400, 600, 3), np.uint8))
    viewer.reset_view()
    before = viewer.scene.camera.zoom, viewer.scene.camera.center
    _viewer.come_near(viewer, np.array([[0.0, 0.0], [600.0, 400.0]]))
    assert (viewer.scene.camera.zoom, viewer.scene.camera.center) == before


@pytest.fixture
def with_time(drawn, viewer, workspace, tissue):
    """Arrows over latent time, as after a first fit."""
    time = latent_time_points(tissue, np.linspace(0, 1, tissue.n_cells))
    _viewer.show(viewer, workspace, time)
    _viewer.hide_other_results(viewer, workspace, ["latent time"])
    return drawn


def test_arrows_make_way_for_the_first_gene_and_stay_when_shown_again(with_time, viewer, workspace, tissue):
    show_coloring(viewer, workspace, coloring_of("a gene", Values(np.arange(tissue.n_cells, dtype=np.float32))))
    assert viewer.layers["explore"].visible
    assert not with_time.visible
    with_time.visible = True
    show_coloring(viewer, workspace, coloring_of("another", Values(np.arange(tissue.n_cells, dtype=np.float32))))
    assert with_time.visible


def test_arrows_stay_over_the_colors_of_the_velocity(with_time, viewer, workspace, tissue):
    time = Values(np.linspace(0, 1, tissue.n_cells).astype(np.float32))
    show_coloring(viewer, workspace, coloring_of("latent time of another run", time))
    assert with_time.visible


def test_a_new_velocity_is_seen_where_nothing_was(with_time, viewer, workspace, tissue):
    """The layer of a fate is gone with the velocity it came from; arrows had made way for it."""
    field = velocity.fit(tissue, velocity.KineticsConfig(model="steady_state", min_shared_counts=0))
    result = run_to_end(picture_steps(tissue, field))
    for layer in viewer.layers:
        layer.visible = layer.name.startswith("histology")
    workspace.set_velocity(result)
    draw_velocity(viewer, workspace, tissue, result, lambda: workspace.set_velocity(result))
    assert viewer.layers["velocity"].visible
    assert [name for name in ("cells", "latent time") if viewer.layers[name].visible] == ["latent time"]
