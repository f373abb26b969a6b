from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.data.io import ReadOptions, from_anndata, read_h5ad
from napari_tissue_dynamics.errors import DataError

N_CELLS, N_GENES = 12, 5
COUNTS = np.random.default_rng(1).poisson(1.5, (N_CELLS, N_GENES))
PLACES = np.random.default_rng(2).uniform(0, 100, (N_CELLS, 2))

LAYOUTS = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr array": sparse.csr_array,
    "csc array": sparse.csc_array,
    "dense": np.array,
    "fortran": np.asfortranarray,
}


def table(**changes) -> anndata.AnnData:
    adata = anndata.AnnData(
        X=sparse.csr_matrix(2.0 * COUNTS),
        obs=pd.DataFrame(index=[f"cell{i}" for i in range(N_CELLS)]),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(N_GENES)]),
    )
    adata.layers["spliced"] = sparse.csr_matrix(COUNTS)
    adata.layers["unspliced"] = sparse.csr_matrix(COUNTS[::-1].copy())
    adata.obsm["spatial"] = PLACES.copy()
    for name, value in changes.items():
        setattr(adata, name, value)
    return adata


def both_ways(adata, tmp_path, options=ReadOptions()):
    """The tissue from memory and from a file."""
    adata.write_h5ad(tmp_path / "t.h5ad")
    return from_anndata(adata, options), read_h5ad(tmp_path / "t.h5ad", options)


def dense(counts):
    return counts.toarray() if sparse.issparse(counts) else counts


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "uint16", "int64", "bool"])
def test_every_layout_and_type_of_counts_is_read(layout, dtype, tmp_path):
    adata = table()
    expected = COUNTS.astype(dtype)
    adata.layers["spliced"] = LAYOUTS[layout](expected)
    for tissue in both_ways(adata, tmp_path):
        assert tissue.spliced.dtype == np.float32
        if sparse.issparse(adata.layers["spliced"]):
            assert tissue.spliced.format == "csr"
        assert_array_equal(dense(tissue.spliced), expected.astype(np.float32))
        assert_array_equal(dense(tissue.unspliced), COUNTS[::-1])
        assert_array_equal(dense(tissue.expression), 2 * COUNTS)


@pytest.mark.parametrize("layout", ["csr", "dense"])
@pytest.mark.parametrize(("bad", "words"), [(np.nan, "not finite"), (np.inf, "not finite"), (-1.0, "below zero")])
def test_impossible_counts_are_refused(layout, bad, words, tmp_path):
    values = COUNTS.astype(float)
    values[3, 2] = bad
    adata = table()
    adata.layers["unspliced"] = LAYOUTS[layout](values)
    adata.write_h5ad(tmp_path / "t.h5ad")
    for read in (lambda: from_anndata(adata), lambda: read_h5ad(tmp_path / "t.h5ad")):
        with pytest.raises(DataError, match=f"unspliced.*{words}"):
            read()


def test_expression_may_be_below_zero():
    adata = table()
    adata.layers["scaled"] = COUNTS - 3.0
    assert from_anndata(adata, ReadOptions(expression="scaled")).expression.min() == -3


def test_expression_guess_and_choice(tmp_path):
    adata = table()
    adata.layers["logcounts"] = np.full((N_CELLS, N_GENES), 7.0)
    for tissue in both_ways(adata, tmp_path):
        assert (tissue.expression == 7).all()
    adata.layers["imputed_count"] = np.full((N_CELLS, N_GENES), 8.0)
    for tissue in both_ways(adata, tmp_path):
        assert (tissue.expression == 8).all()
    for tissue in both_ways(adata, tmp_path, ReadOptions(expression="X")):
        assert_array_equal(dense(tissue.expression), 2 * COUNTS)
    for tissue in both_ways(adata, tmp_path, ReadOptions(expression="")):
        assert tissue.expression is None


def test_without_x_and_without_layers(tmp_path):
    adata = table(X=None)
    del adata.layers["spliced"]
    for tissue in both_ways(adata, tmp_path):
        assert tissue.expression is None
        assert tissue.spliced is None
        assert tissue.unspliced is not None


def test_a_wrong_layer_name_is_answered_with_the_right_ones():
    with pytest.raises(DataError, match=r"no layer 'exonic'; it has spliced, unspliced, X"):
        from_anndata(table(), ReadOptions(spliced="exonic"))


@pytest.mark.parametrize("layout", ["csr", "dense"])
def test_the_adata_is_neither_shared_nor_changed(layout):
    adata = table()
    adata.layers["spliced"] = LAYOUTS[layout](COUNTS.astype(np.float32))
    adata.obs["cell_type"] = pd.Categorical(["a", "b"] * (N_CELLS // 2))
    before = adata.copy()
    tissue = from_anndata(adata)
    stored = adata.layers["spliced"]
    (stored.data if layout == "csr" else stored)[:] = 99
    adata.obsm["spatial"][:] = -1
    adata.obs["cell_type"] = "c"
    assert_array_equal(dense(tissue.spliced), COUNTS)
    assert_array_equal(tissue.positions, PLACES)
    assert tissue.cell_types.values().tolist() == list(before.obs["cell_type"])
    assert_array_equal(dense(before.layers["spliced"]), COUNTS)


def test_a_view_is_read_without_becoming_real():
    view = table()[[4, 2, 7], [3, 0]]
    tissue = from_anndata(view)
    assert view.is_view
    assert tissue.cells == ("cell4", "cell2", "cell7")
    assert_array_equal(dense(tissue.spliced), COUNTS[[4, 2, 7]][:, [3, 0]])


# -- coordinates ------------------------------------------------------------------------------------------------


def without_places(**obsm) -> anndata.AnnData:
    adata = table()
    del adata.obsm["spatial"]
    for key, value in obsm.items():
        adata.obsm[key] = value
    return adata


def test_order_of_coordinates(tmp_path, rng):
    other = rng.normal(size=(N_CELLS, 4))
    adata = without_places(X_umap=other[:, :2], X_pca=other)
    for tissue in both_ways(adata, tmp_path):
        assert tissue.unit == "embedding"
        assert_array_equal(tissue.positions, other[:, :2])
    adata.obs["x"], adata.obs["y"] = PLACES[:, 0] + 1, PLACES[:, 1] + 1
    for tissue in both_ways(adata, tmp_path):
        assert tissue.unit == "pixel"
        assert_array_equal(tissue.positions, PLACES + 1)
    adata.obs["z"] = np.arange(N_CELLS)
    assert from_anndata(adata).positions.shape == (N_CELLS, 3)
    adata.obsm["X_spatial"] = PLACES + 2
    for tissue in both_ways(adata, tmp_path):
        assert_array_equal(tissue.positions, PLACES + 2)
    adata.obsm["spatial"] = PLACES + 3
    for tissue in both_ways(adata, tmp_path):
        assert_array_equal(tissue.positions, PLACES + 3)
    for tissue in both_ways(adata, tmp_path, ReadOptions(spatial="X_pca")):
        assert (tissue.unit, tissue.positions.shape) == ("embedding", (N_CELLS, 2))


def test_pca_and_unknown_embeddings_take_the_place_of_a_tissue(rng):
    pca = rng.normal(size=(N_CELLS, 30))
    assert_array_equal(from_anndata(without_places(X_pca=pca)).positions, pca[:, :2])
    assert from_anndata(without_places(X_scvi_latent=pca)).basis == "scvi_latent"


def test_a_data_frame_of_coordinates(tmp_path):
    frame = pd.DataFrame(PLACES, columns=["x", "y"], index=[f"cell{i}" for i in range(N_CELLS)])
    for tissue in both_ways(without_places(spatial=frame), tmp_path):
        assert_array_equal(tissue.positions, PLACES)


@pytest.mark.parametrize(("third", "columns"), [(np.zeros(N_CELLS), 2), (np.arange(N_CELLS), 3)])
def test_a_constant_third_coordinate_is_flat(third, columns):
    tissue = from_anndata(without_places(spatial=np.column_stack([PLACES, third])))
    assert tissue.positions.shape == (N_CELLS, columns)


@pytest.mark.parametrize(
    ("obsm", "options", "words"),
    [
        ({}, {}, "no coordinates"),
        ({"spatial": PLACES}, {"spatial": "centroid"}, "no coordinates 'centroid' in obsm; it has spatial"),
        ({"spatial": np.full((N_CELLS, 2), np.nan)}, {}, "12 of 12 cells have coordinates that are not finite"),
        ({"spatial": np.ones((N_CELLS, 5))}, {}, "expected"),
        ({"spatial": np.ones((N_CELLS, 1))}, {}, "expected"),
    ],
)
def test_unusable_coordinates(obsm, options, words):
    with pytest.raises(DataError, match=words):
        from_anndata(without_places(**obsm), ReadOptions(**options))


@pytest.mark.parametrize(
    ("uns", "unit"),
    [
        ({"spatial_unit": "um"}, "um"),
        ({"spatial_unit": "µm"}, "um"),
        ({"layer_meaning": {"spatial_unit": "micrometre (0.18 um per pixel)"}}, "um"),
        ({"spatial_unit": "pixel"}, "pixel"),
        ({}, "pixel"),
    ],
)
def test_unit_as_the_file_says(uns, unit, tmp_path):
    adata = table()
    adata.uns.update(uns)
    for tissue in both_ways(adata, tmp_path):
        assert tissue.unit == unit
        assert_array_equal(tissue.positions, PLACES)


def test_pixel_size_makes_micrometers(tmp_path):
    for tissue in both_ways(table(), tmp_path, ReadOptions(pixel_size_um=0.5)):
        assert tissue.unit == "um"
        assert_allclose(tissue.positions, PLACES / 2)


@pytest.mark.parametrize("size", [0.0, -1.0, np.inf, np.nan])
def test_an_impossible_pixel_size_is_refused(size):
    with pytest.raises(DataError, match="The pixel size is"):
        from_anndata(table(), ReadOptions(pixel_size_um=size))


# -- cell types and words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "categories"),
    [
        (pd.Categorical(["b", "a", "b"] * 4, categories=["b", "unused", "a"]), ("b", "a")),
        (["b", "a", "b"] * 4, ("a", "b")),
        ([True, False, True] * 4, ("False", "True")),
        ([10, 2, 10] * 4, ("2", "10")),
        (pd.Categorical([10, 2, 10] * 4), ("2", "10")),
        ([10.0, 2.0, np.nan] * 4, ("2", "10")),
        (pd.array([10, 2, None] * 4, dtype="Int64"), ("2", "10")),
        (pd.Categorical(["a", None, "a"] * 4), ("a",)),
    ],
)
def test_cell_types_of_any_kind(values, categories, tmp_path):
    adata = table()
    adata.obs["kind"] = values
    expected = [
        "unassigned" if pd.isna(v) else str(int(v)) if isinstance(v, float) else str(v) for v in adata.obs["kind"]
    ]
    for tissue in both_ways(adata, tmp_path, ReadOptions(cell_type="kind")):
        assert tissue.cell_types.categories == categories
        assert tissue.cell_types.values().tolist() == expected


def test_guess_of_the_cell_types(tmp_path):
    adata = table()
    assert from_anndata(adata).cell_types is None
    adata.obs["cluster"] = np.linspace(0, 1, N_CELLS)
    assert from_anndata(adata).cell_types is None
    adata.obs["leiden"] = ["0", "1"] * 6
    adata.obs["batch"] = ["one"] * N_CELLS
    for tissue in both_ways(adata, tmp_path):
        assert tissue.cell_types.name == "leiden"
    for tissue in both_ways(adata, tmp_path, ReadOptions(cell_type="")):
        assert tissue.cell_types is None
    with pytest.raises(DataError, match="no obs column 'types'; it has cluster, leiden, batch"):
        from_anndata(adata, ReadOptions(cell_type="types"))
    with pytest.raises(DataError, match="'cluster' holds numbers"):
        from_anndata(adata, ReadOptions(cell_type="cluster"))


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        (["#FF0000", "#00ff00", "#0000ffff"], ("#ff0000", "#0000ff")),
        (["red", "lime", "blue"], ("#ff0000", "#0000ff")),
        (["#ff0000", "#00ff00"], None),
        (["#ff0000", "nonsense", "blue"], None),
    ],
)
def test_colors_of_the_used_categories(colors, expected, tmp_path):
    adata = table()
    adata.obs["kind"] = pd.Categorical(["a", "c"] * 6, categories=["a", "b", "c"])
    tissue = from_anndata(adata, ReadOptions(cell_type="kind"))
    assert tissue.cell_types.colors is None
    adata.uns["kind_colors"] = np.array(colors, dtype=object)
    assert from_anndata(adata, ReadOptions(cell_type="kind")).cell_types.colors == expected


def test_what_the_counts_mean(tmp_path):
    adata = table()
    assert from_anndata(adata).counts_meaning == ""
    adata.uns["layer_meaning"] = {"spliced": "cytoplasmic RNA", "unspliced": "nuclear\n RNA", "X": "both"}
    for tissue in both_ways(adata, tmp_path):
        assert tissue.counts_meaning == "unspliced = nuclear RNA, spliced = cytoplasmic RNA"
    adata.uns["layer_meaning"] = "u is nuclear"
    for tissue in both_ways(adata, tmp_path):
        assert tissue.counts_meaning == "u is nuclear"
