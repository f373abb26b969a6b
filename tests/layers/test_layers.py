"""Layer tuples are made without napari; napari must take every one of them."""

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer

from napari_tissue_dynamics.analysis.arrows.projection import on_grid
from napari_tissue_dynamics.data.regulation_field import GeneFit, LayerKey, RegulationField
from napari_tissue_dynamics.data.tissue import Histology, Labels, Tissue
from napari_tissue_dynamics.data.velocity_evidence import VERDICTS, VelocityEvidence, direction_in_words
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers import points, vectors
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.evidence import FAINT, HALF
from napari_tissue_dynamics.layers.layer_sets import tissue_layers, velocity_layers

N = 50


@pytest.fixture
def tissue():
    """A wide, low tissue with an image of other proportions: a flip or swap of axes cannot pass."""
    rng = np.random.default_rng(0)
    image = np.full((40, 130, 3), 230, dtype=np.uint8)
    positions = rng.uniform([100, 20], [600, 150], (N, 2))
    histology = Histology("section", image, pixel_size=4.0, origin=(95.0, 12.0))
    codes = rng.integers(-1, 2, N).astype(np.int32)
    return Tissue(
        cells=tuple(f"cell {i}" for i in range(N)),
        genes=("A", "B"),
        positions=positions,
        cell_types=Labels("cell_type", codes, ("round", "long"), ("#E69F00", "#0072B2")),
        histology=(histology,),
        unit="um",
    )


@pytest.fixture
def field():
    rng = np.random.default_rng(1)
    matrix = rng.gamma(2.0, size=(N, 2)).astype(np.float32)
    probability = rng.dirichlet([1, 1, 1], N).astype(np.float32)
    time = np.linspace(0, 1, N, dtype=np.float32)
    return VelocityField(("A", "B"), matrix, matrix.copy(), matrix.copy(), matrix.copy(), time=time,
                         expert_probability=probability)  # fmt: skip


def all_layers(tissue, field):
    arrows = np.random.default_rng(2).normal(size=(N, 2)).astype(np.float32)
    fit = GeneFit("A", ("TF",), np.linspace(-1, 3, 2 * N, dtype=np.float32).reshape(N, 2))
    return [
        *tissue_layers(tissue),
        *velocity_layers(tissue, field, arrows, on_grid(tissue.positions, arrows, nodes=8)),
        points.beta_points(tissue, fit, "TF"),
        points.value_points(tissue, np.full(N, np.nan), name="nothing"),
    ]


def test_napari_takes_every_layer_and_units_agree(tissue, field):
    layers = [Layer.create(*layer) for layer in all_layers(tissue, field)]
    names = [layer.name for layer in layers]
    assert names[:6] == ["histology: section", "cells", "expert", "latent time", "velocity grid", "velocity"]
    assert names[6] == "beta A ← TF"
    assert layers[6].metadata[PLUGIN]["layer_key"] == LayerKey("beta", "A", "TF")
    assert {str(unit) for layer in layers for unit in layer.units} == {"micrometer"}
    for layer in layers:
        if hasattr(layer, "face_color"):
            assert np.isfinite(layer.face_color).all()
            np.testing.assert_array_equal(layer.face_color, layer.border_color)


def test_axes_are_row_column(tissue):
    data, _, kind = points.cell_points(tissue)
    assert kind == "points"
    np.testing.assert_allclose(data[:, 0], tissue.positions[:, 1], rtol=1e-6)
    np.testing.assert_allclose(data[:, 1], tissue.positions[:, 0], rtol=1e-6)


def test_vectors_turn_places_and_displacements(tissue):
    arrows = np.zeros((N, 2), dtype=np.float32)
    arrows[3] = (5, 0)  # along x: to the right, which is the second axis of napari
    data, options, _ = vectors.velocity_vectors(tissue.positions, arrows, unit="um")
    np.testing.assert_allclose(data, [[tissue.positions[3, ::-1], (0, 5)]], rtol=1e-6)
    assert options["metadata"][PLUGIN]["cells"].tolist() == [3]


def test_a_known_spot_coincides_with_its_image_pixel(tissue):
    image = np.zeros((40, 130), dtype=np.float32)
    row, column = 7, 101
    image[row, column] = 1
    spot = (95.0 + 4.0 * column, 12.0 + 4.0 * row)
    tissue = replace(
        tissue,
        positions=np.vstack([spot, tissue.positions[1:]]),
        histology=(Histology("section", image, 4.0, (95.0, 12.0)),),
    )
    (histology, cells) = (Layer.create(*layer) for layer in tissue_layers(tissue))
    pixel = histology.world_to_data(cells.data_to_world(cells.data[0]))
    np.testing.assert_allclose(pixel, (row, column), atol=1e-4)


def test_arrows_that_are_not_finite_are_dropped(tissue):
    arrows = np.ones((N, 2), dtype=np.float32)
    arrows[0, 0] = np.nan
    data, _, _ = vectors.velocity_vectors(tissue.positions, arrows, unit="um")
    assert len(data) == N - 1


def test_too_many_arrows_are_thinned_evenly_and_it_is_said(monkeypatch, tissue):
    monkeypatch.setattr(vectors, "MOST_ARROWS", 10)
    monkeypatch.setattr(vectors, "MOST_WITH_HEADS", 5)
    data, options, _ = vectors.velocity_vectors(tissue.positions, np.ones((N, 2)), unit="um")
    assert len(data) == 10
    assert options["vector_style"] == "line"
    assert options["metadata"][PLUGIN]["note"] == "10 of 50 arrows shown"


def test_unsure_arrows_are_faint_and_it_is_said(tissue):
    arrows = np.ones((N, 2), dtype=np.float32)
    arrows[0] = 0  # no arrow: colors must stay with their cells
    sure = np.linspace(-1, 1, N)
    sure[1] = np.nan
    drawn = vectors.velocity_vectors(
        tissue.positions, arrows, unit="um", evidence=VelocityEvidence("supported", 9.0, 5.0), confidence=sure
    )
    layer = Layer.create(*drawn)
    opacity = layer.edge_color[:, 3]
    np.testing.assert_array_equal(layer.edge_color[:, :3], 1)
    assert opacity[0] == pytest.approx(vectors.LEAST_OPACITY)
    assert opacity[-1] == pytest.approx(1)
    assert np.interp(0.5, sure[2:], opacity[1:]) == pytest.approx((1 + vectors.LEAST_OPACITY) / 2, abs=0.01)
    assert (np.diff(opacity[1:]) >= 0).all()
    key = layer.metadata[PLUGIN]["arrow_key"]
    assert (key.faint, key.least, key.most) == ("low confidence", vectors.LEAST_OPACITY, 1)


@pytest.mark.parametrize("verdict", [*VERDICTS, None])
def test_arrows_of_the_stack_are_as_opaque_as_their_direction_is_supported(tissue, field, verdict):
    arrows = np.ones((N, 2), dtype=np.float32)
    evidence = verdict and VelocityEvidence(verdict, 1.0, 1.0)
    grid = on_grid(tissue.positions, arrows, nodes=8)
    *_, coarse, fine = velocity_layers(tissue, replace(field, evidence=evidence), arrows, grid)
    expected = {"supported": 1.0, "weak": HALF, None: HALF, "none": FAINT, "contradicted": FAINT}[verdict]
    for data in (coarse, fine):
        assert (data[1]["edge_color"][:, 3] == np.float32(expected)).all()
        assert data[1]["metadata"][PLUGIN]["arrow_key"].most == expected
        assert direction_in_words(evidence) in data[1]["metadata"][PLUGIN]["arrow_key"].meaning


def test_legend_counts_every_cell(tissue):
    legend = points.cell_points(tissue)[1]["metadata"][PLUGIN]["legend"]
    counts = {entry.name: entry.count for entry in legend.entries}
    values = tissue.cell_types.values()
    assert counts == {name: (values == name).sum() for name in ("round", "long", "unassigned")}


def test_categories_have_their_own_colors(tissue):
    layer = Layer.create(*points.cell_points(tissue))
    values = tissue.cell_types.values()
    expected = {"round": "#e69f00", "long": "#0072b2", "unassigned": "#5a5a5a"}
    for name, color in expected.items():
        rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        np.testing.assert_allclose(layer.face_color[values == name][:, :3], np.tile(rgb, ((values == name).sum(), 1)),
                                   atol=1e-3)  # fmt: skip


@pytest.mark.parametrize("many", [False, True])
def test_colors_are_the_same_whoever_computes_them(monkeypatch, tissue, many):
    values = np.random.default_rng(0).normal(size=N)
    values[4] = np.nan
    if many:
        monkeypatch.setattr(points, "MANY_CELLS", 10)
    layer = Layer.create(*points.value_points(tissue, values, name="value"))
    legend = layer.metadata[PLUGIN]["legend"]
    np.testing.assert_allclose(layer.face_color, legend.scale.rgba(values), atol=0.02)
    assert layer.face_contrast_limits == (legend.scale.low, legend.scale.high)


def test_many_cells_get_the_colors_that_napari_would_give_them(monkeypatch, tissue):
    labels = Labels("part", tissue.cell_types.codes, ("unassigned", "long"))  # a category with the name of none
    few = Layer.create(*points.category_points(tissue, labels, name="part"))
    monkeypatch.setattr(points, "MANY_CELLS", 10)
    many = Layer.create(*points.category_points(tissue, labels, name="part"))
    assert many.face_color_mode == "direct"
    np.testing.assert_allclose(many.face_color[labels.codes >= 0], few.face_color[labels.codes >= 0], atol=1e-6)
    np.testing.assert_allclose(many.face_color[labels.codes < 0][:, :3], 0x5A / 255, atol=1e-3)


def test_experts_are_counted_as_in_the_file(tissue, field):
    _, options, _ = points.expert_points(tissue, field)
    assert [entry.name for entry in options["metadata"][PLUGIN]["legend"].entries] == [
        "expert 0",
        "expert 1",
        "expert 2",
    ]
    assert options["features"]["expert"].tolist() == [f"expert {k}" for k in field.expert]


@pytest.mark.parametrize("draw", [points.expert_points, points.time_points])
def test_a_model_without_experts_or_time_is_one_sentence(tissue, field, draw):
    with pytest.raises(DataError, match="train STEER"):
        draw(tissue, replace(field, expert_probability=None, time=None))


def test_no_arrow_at_all_is_a_layer_too(tissue):
    layer = Layer.create(*vectors.velocity_vectors(tissue.positions, np.zeros((N, 2)), unit="um"))
    assert len(layer.data) == 0


def test_layer_controls_of_napari_keep_working(tissue):
    layer = Layer.create(*points.value_points(tissue, np.arange(float(N)), name="value"))
    before = layer.face_color.copy()
    layer.face_contrast_limits = (0, 5)
    layer.face_colormap = "gray"
    assert not np.allclose(before, layer.face_color)
    np.testing.assert_allclose(layer.face_color[20, :3], 1, atol=1e-3)


def test_betas_have_limits_symmetric_around_zero(tissue):
    betas = np.column_stack([np.zeros(N), np.linspace(-1, 4, N)]).astype(np.float32)
    layer = Layer.create(*points.beta_points(tissue, GeneFit("A", ("TF",), betas), "TF"))
    low, high = layer.face_contrast_limits
    assert low == -high
    assert 3.5 < high <= 4


def test_three_dimensional_cells(tissue):
    positions = np.column_stack([tissue.positions, np.arange(N)])
    layer = Layer.create(*points.cell_points(replace(tissue, positions=positions, histology=())))
    np.testing.assert_allclose(layer.data, positions[:, ::-1], rtol=1e-6)
    assert layer.axis_labels == ("z", "y", "x")


def test_betas_are_found_whatever_is_in_the_names_of_their_genes():
    coefficients = np.zeros((N, 2), np.float32)
    field = RegulationField((GeneFit("A ← B", ("C",), coefficients), GeneFit("A", ("B ← C",), coefficients)))
    assert {(key.target, key.modulator) for key in field.betas.values()} <= {("A ← B", "C"), ("A", "B ← C")}
    assert len({LayerKey("beta", "A ← B", "C"), LayerKey("beta", "A", "B ← C")}) == 2
