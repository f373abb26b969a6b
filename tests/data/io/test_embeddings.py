"""Embeddings: what is refused, and which columns of a stored one are taken."""

import anndata
import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_tissue_dynamics.data.io.embeddings import Embedding, stored_embedding
from napari_tissue_dynamics.errors import DataError

N = 7


def test_coordinates_that_are_missing_are_counted():
    places = np.zeros((N, 2), np.float32)
    places[[1, 4], 0], places[4, 1] = np.nan, np.inf
    with pytest.raises(DataError, match=f"2 of {N} cells have no finite coordinates in the embedding 'umap'"):
        Embedding("umap", places)


@pytest.mark.parametrize("shape", [(N,), (N, 1), (N, 4), (N, 2, 2)])
def test_another_shape_is_one_sentence(shape):
    with pytest.raises(DataError, match=r"\(cells, 2\) or \(cells, 3\) was expected"):
        Embedding("umap", np.zeros(shape, np.float32))


def test_as_many_columns_are_taken_as_are_asked_for_and_two_by_default():
    rng = np.random.default_rng(0)
    adata = anndata.AnnData(np.zeros((N, 1), np.float32))
    adata.obsm["X_umap"], adata.obsm["X_pca"] = rng.normal(size=(N, 2)), rng.normal(size=(N, 5))
    preferred = ("X_tsne", "X_umap", "X_pca")
    assert_allclose(stored_embedding(adata, preferred).coordinates, adata.obsm["X_umap"], rtol=1e-6)
    deep = stored_embedding(adata, preferred, n_dimensions=3)
    assert (deep.name, deep.key) == ("pca", "X_pca")
    assert_allclose(deep.coordinates, adata.obsm["X_pca"][:, :3], rtol=1e-6)
    adata.obsm["X_umap"][3] = np.nan  # no place for every cell
    assert_allclose(stored_embedding(adata, preferred).coordinates, adata.obsm["X_pca"][:, :2], rtol=1e-6)
