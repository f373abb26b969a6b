"""Embeddings from files and computed."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_tissue_dynamics.analysis.cells.embedding import Embedding, EmbeddingConfig, embed, embedding_steps
from napari_tissue_dynamics.data.io.embeddings import stored_embedding
from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end

GROUPS = 3


@pytest.fixture
def grouped(rng):
    """Return a tissue of three groups of cells that express different genes, and the group of every cell."""
    group = np.repeat(np.arange(GROUPS), 40)
    rate = np.where(np.arange(30) % GROUPS == group[:, None], 12.0, 1.0)
    counts = rng.poisson(rate).astype(np.float32)
    names = tuple(f"c{i}" for i in range(len(group)))
    return Tissue(names, tuple(f"g{i}" for i in range(30)), rng.normal(size=(len(group), 2)), spliced=counts), group


def test_umap_keeps_groups_together_and_is_the_same_for_the_same_seed(grouped):
    tissue, group = grouped
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    config = EmbeddingConfig(method="umap", n_neighbors=10, seed=3)
    found = embed(tissue, config)
    near = cKDTree(found.coordinates).query(found.coordinates, 8)[1]
    assert (group[near] == group[:, None]).mean() > 0.99
    assert found.name == "umap"
    assert found.coordinates.shape == (len(group), 2)
    np.testing.assert_array_equal(embed(tissue, config).coordinates, found.coordinates)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_principal_components_are_those_of_a_dense_decomposition(grouped):
    tissue, _ = grouped
    found = embed(tissue, EmbeddingConfig(method="pca", n_dimensions=3)).coordinates
    size = tissue.spliced.sum(axis=1, keepdims=True)
    values = np.log1p(tissue.spliced * (np.median(size) / size))
    u, s, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    expected = (u * s)[:, :2]  # the third lies in the noise, where only the space is known
    np.testing.assert_allclose(np.abs(found[:, :2]), np.abs(expected), rtol=1e-2, atol=1e-2)


def test_velocity_is_embedded_as_the_model_saw_it(field_of, rng):
    place = rng.uniform(0, 1, 50)
    moments = 5 + np.outer(place, rng.normal(size=20))
    found = embed(field_of(np.ones((50, 20)), moments), EmbeddingConfig(method="pca"))
    assert abs(np.corrcoef(found.coordinates[:, 0], place)[0, 1]) > 0.999


def test_the_embedding_of_the_file_is_taken(grouped, rng):
    tissue, _ = grouped
    stored = Embedding("umap", rng.normal(size=(tissue.n_cells, 2)).astype(np.float32), "X_umap of a file")
    assert embed(tissue, stored=stored) is stored
    assert embed(tissue, EmbeddingConfig(method="pca"), stored=stored).name == "pca"
    with pytest.raises(DataError, match="120 were expected"):
        embed(tissue, stored=Embedding("umap", stored.coordinates[:50]))


def test_files_are_read_and_damaged_embeddings_passed_over(tmp_path, rng):
    import anndata as ad

    umap, tsne = rng.normal(size=(2, 12, 2))
    adata = ad.AnnData(np.ones((12, 3), np.float32), obsm={"X_umap": umap, "X_tsne": tsne})
    adata.write_h5ad(tmp_path / "a.h5ad")
    found = stored_embedding(tmp_path / "a.h5ad")
    assert found.key == "X_umap"
    np.testing.assert_allclose(found.coordinates, umap, rtol=1e-6)
    assert stored_embedding(adata, n_dimensions=3) is None
    umap[3, 0] = np.nan
    adata.obsm["X_umap"] = umap
    assert stored_embedding(adata).name == "tsne"


def test_few_cells_fall_back_to_components_and_say_so(grouped):
    few = grouped[0].select_cells(np.arange(6))
    found = embed(few)
    assert found.name == "pca"
    assert "at least 10 cells" in found.note
    with pytest.raises(DataError, match="at least 10 cells; there are 6"):
        embed(few, EmbeddingConfig(method="umap"))


def test_stopped_embedding_gives_no_result(grouped):
    import threading

    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(embedding_steps(grouped[0], stop=stop))


def test_bad_coordinates_are_refused():
    with pytest.raises(DataError, match="4, 5"):
        Embedding("x", np.ones((4, 5), np.float32))
    with pytest.raises(DataError, match="1 of 4 cells"):
        Embedding("x", np.array([[0, 0], [1, 1], [np.nan, 0], [2, 2]], np.float32))
