"""The picture of a running fit: drawn once, changed in place, and gone without a trace."""

import numpy as np
import pytest

from napari_tissue_dynamics.layers.colors import color_table
from napari_tissue_dynamics.layers.evidence import HALF
from napari_tissue_dynamics.layers.vectors import CELL_ARROW_ON_LIGHT
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.legend_dock import LegendDock
from napari_tissue_dynamics.widgets.canvas.live_preview import LivePreview
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.plots.legend import arrow_color_of
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue
from napari_tissue_dynamics.workflow import VelocityPreview

FIRST_SEEN = ("velocity", "latent time")
RUNNING = ["running: expert", "running: latent time", "running: velocity"]


def preview(tissue, seed=0):
    rng = np.random.default_rng(seed)
    n = tissue.n_cells
    arrows = rng.normal(size=(n, 2)).astype(np.float32)
    arrows[: 10 * seed] = 0  # another number of arrows each time
    return VelocityPreview(rng.random(n).astype(np.float32), rng.random((n, 2 + seed)).astype(np.float32), arrows)


@pytest.fixture
def shown(viewer, workspace, tissue):
    show_tissue(viewer, workspace, OpenedTissue(tissue, None, None))
    return viewer


@pytest.fixture
def live(shown, workspace, tissue):
    return LivePreview(shown, workspace, tissue, FIRST_SEEN)


def looks(viewer):
    return [(layer.name, layer.visible, str(layer.unique_id)) for layer in viewer.layers]


def test_the_first_picture_takes_the_place_of_the_cells(live, shown, tissue):
    before, selected = looks(shown), set(shown.layers.selection)
    live.show(preview(tissue))
    names = [layer.name for layer in shown.layers]
    assert [name for name in names if name.startswith("running")] == RUNNING
    visible = {layer.name for layer in shown.layers if layer.visible}
    assert {"running: latent time", "running: velocity"} <= visible
    assert not {"cells", "running: expert"} & visible
    assert set(shown.layers.selection) == selected
    live.end()
    assert looks(shown) == before
    assert set(shown.layers.selection) == selected


def test_later_pictures_change_the_same_layers(live, shown, tissue):
    live.show(preview(tissue))
    mine = shown.add_points(np.zeros((3, 2)), name="mine")
    before = looks(shown)
    for seed in (1, 3, 2):
        now = preview(tissue, seed)
        live.show(now)
        assert looks(shown) == before
        assert set(shown.layers.selection) == {mine}
        expected = color_table("dusk")[(now.time * 255).round().astype(int)]
        for color in ("face_color", "border_color"):
            np.testing.assert_allclose(getattr(shown.layers["running: latent time"], color), expected, atol=1e-6)
        drawn = shown.layers["running: velocity"]
        np.testing.assert_allclose(drawn.data[:, 1], now.arrows[10 * seed :, ::-1])
        assert len(drawn.edge_color) == len(drawn.data)
        assert arrow_color_of(drawn) == CELL_ARROW_ON_LIGHT.lower()  # on the stained slide


def test_a_hidden_layer_is_up_to_date_when_it_is_shown(live, shown, tissue):
    live.show(preview(tissue))
    now = preview(tissue, 1)
    live.show(now)
    expert = shown.layers["running: expert"]
    expert.visible = True
    colors = {tuple(color) for color in expert.face_color[now.expert_probability.argmax(axis=1) == 2]}
    others = {tuple(color) for color in expert.face_color[now.expert_probability.argmax(axis=1) != 2]}
    assert len(colors) == 1
    assert not colors & others


def test_earlier_results_come_back_as_they_were(live, shown, workspace, tissue):
    for name, kind in (("latent time", "points"), ("velocity grid", "vectors"), ("velocity", "vectors")):
        data = tissue.positions if kind == "points" else np.zeros((4, 2, 2))
        _viewer.show(shown, workspace, (data, {"name": name}, kind), visible=name != "velocity")
    before = looks(shown)
    live.show(preview(tissue))
    visible = {layer.name for layer in shown.layers if layer.visible}
    assert "running: latent time" in visible
    assert not {"latent time", "velocity grid", "velocity", "running: velocity"} & visible
    live.end()
    assert looks(shown) == before


def test_arrows_alone_leave_all_else(shown, workspace, tissue):
    for name, kind in (("latent time", "points"), ("velocity grid", "vectors"), ("velocity", "vectors")):
        data = tissue.positions if kind == "points" else np.zeros((4, 2, 2))
        _viewer.show(shown, workspace, (data, {"name": name}, kind))
    before = looks(shown)
    live = LivePreview(shown, workspace, tissue, FIRST_SEEN, arrows_only=True)
    live.show(preview(tissue))
    assert [layer.name for layer in shown.layers if layer.name.startswith("running")] == ["running: velocity"]
    assert shown.layers["running: velocity"].visible
    assert shown.layers["latent time"].visible
    assert not shown.layers["velocity"].visible
    assert not shown.layers["velocity grid"].visible
    live.end()
    assert looks(shown) == before


def test_what_a_person_does_meanwhile_is_respected(live, shown, tissue):
    live.show(preview(tissue))
    shown.layers.remove("running: latent time")
    shown.layers["cells"].visible = True
    live.show(preview(tissue, 1))
    assert "running: latent time" not in shown.layers
    shown.layers.remove("cells")
    live.end()
    assert not [layer for layer in shown.layers if layer.name.startswith("running")]


def test_arrows_can_be_seen_on_every_canvas(live, shown, workspace, tissue, open_dock):
    open_dock(VelocityDock)
    next(layer for layer in shown.layers if layer.name.startswith("histology")).visible = False
    rgba = np.ones((4, 4), dtype=np.float32)
    rgba[:, 3] = [0.15, 0.4, 0.7, 1]
    data = (np.ones((4, 2, 2)), {"name": "velocity", "edge_color": rgba}, "vectors")
    arrows = _viewer.show(shown, workspace, data)
    mine = shown.add_vectors(np.ones((2, 2, 2)), edge_color="white")
    np.testing.assert_array_equal(arrows.edge_color, rgba)
    shown.theme = "light"
    assert (arrows.edge_color[:, :3] < 0.2).all()
    np.testing.assert_allclose(arrows.edge_color[:, 3], rgba[:, 3])
    assert (mine.edge_color == 1).all()
    live.show(preview(tissue, 3))
    live.show(preview(tissue))  # more arrows than before
    assert (shown.layers["running: velocity"].edge_color[:, :3] < 0.2).all()
    arrows.edge_color = "red"
    shown.theme = "dark"
    assert (arrows.edge_color[:, :3] == [1, 0, 0]).all()
    running = shown.layers["running: velocity"].edge_color
    assert (running[:, :3] == 1).all()
    assert (running[:, 3] == HALF).all(), "its direction is not tested yet"


def test_legend_follows_the_running_fit(live, shown, tissue, qtbot):
    legend = LegendDock(shown)
    qtbot.addWidget(legend)
    live.show(preview(tissue))
    assert legend.panel.title.text() == "latent time"
    shown.layers["running: latent time"].visible = False
    shown.layers["running: expert"].visible = True
    live.show(preview(tissue, 1))
    assert legend.panel.title.text() == "expert"
    assert legend.panel.categories.count() == 3
    live.end()
    assert legend.panel.title.text() == tissue.cell_types.name
