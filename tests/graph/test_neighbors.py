import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.neighbors import expression_graph, knn, spatial_graph, union


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dimensions", [2, 3, 30])
def test_neighbors_are_those_of_a_full_distance_matrix(rng, metric, dimensions):
    x = rng.standard_normal((300, dimensions)) + 5
    distance = cdist(x, x, metric)
    np.fill_diagonal(distance, np.inf)
    indices, distances = knn(x, 12, metric=metric)
    assert_array_equal(indices, np.argsort(distance, axis=1)[:, :12])
    assert_allclose(distances, np.sort(distance, axis=1)[:, :12], rtol=1e-5, atol=1e-7)
    assert indices.dtype == np.int32
    assert distances.dtype == np.float32


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_cell_is_not_its_own_neighbor_among_many_at_one_place(rng, metric):
    x = np.repeat(rng.standard_normal((6, 20)), 9, axis=0)
    indices, distances = knn(x, 5, metric=metric)
    assert (indices != np.arange(len(x))[:, None]).all()
    assert_array_equal(indices // 9, np.repeat(np.arange(6), 9)[:, None] * np.ones(5, int))
    assert_allclose(distances, 0, atol=1e-6)
    assert all(len(set(row)) == 5 for row in indices)
    assert_array_equal(indices, knn(x, 5, metric=metric)[0])


def test_cells_far_from_the_origin_keep_their_neighbors(rng):
    x = rng.standard_normal((200, 20))
    assert_array_equal(knn(x + 1e6, 5)[0], knn(x, 5)[0])


def test_zero_rows_are_at_cosine_distance_one(rng):
    x = rng.standard_normal((8, 4))
    x[[2, 5]] = 0
    indices, distances = knn(x, 7, metric="cosine")
    assert indices[2, 0] == 5
    assert distances[2, 0] == 0
    assert_allclose(distances[2, 1:], 1, rtol=1e-6)


def test_fewer_cells_than_neighbors_gives_all_others():
    indices, distances = knn(np.array([[0.0, 0], [1, 0], [3, 0]]), 8)
    assert_array_equal(indices, [[1, 2], [0, 2], [1, 0]])
    assert_array_equal(distances, [[1, 3], [1, 2], [2, 3]])
    assert knn(np.zeros((1, 2)), 4)[0].shape == (1, 0)
    assert_array_equal(spatial_graph(np.zeros((1, 2)), 4).toarray(), [[1]])


@pytest.mark.parametrize(
    ("x", "k", "metric", "words"),
    [
        (np.zeros((3, 2)), 0, "euclidean", "at least 1"),
        (np.full((3, 2), np.nan), 1, "euclidean", "not finite"),
        (np.zeros(3), 1, "euclidean", "shape"),
        (np.zeros((3, 2)), 1, "manhattan", "metric"),
    ],
)
def test_bad_input_is_one_sentence(x, k, metric, words):
    with pytest.raises(DataError, match=words):
        knn(x, k, metric=metric)


def test_the_order_of_cells_does_not_matter(rng):
    x = rng.standard_normal((150, 5))
    order = rng.permutation(150)
    for graph in (spatial_graph, expression_graph):
        there = graph(x, 7).toarray()
        assert_array_equal(graph(x[order], 7).toarray(), there[np.ix_(order, order)])


def test_spatial_graph_is_directed_with_unit_diagonal(rng):
    x = rng.random((120, 2))
    graph = spatial_graph(x, 6)
    expected = np.zeros((120, 120))
    for cell in range(120):
        expected[cell, np.argsort(((x - x[cell]) ** 2).sum(axis=1))[:7]] = 1
    assert_array_equal(graph.toarray(), expected)
    assert graph.dtype == np.float32
    assert not np.array_equal(expected, expected.T)


def test_expression_graph_joins_what_either_cell_takes_for_near(rng):
    x = rng.standard_normal((90, 6))
    distance = cdist(x, x, "cosine")
    expected = np.eye(90)
    for cell in range(90):
        for other in np.argsort(distance[cell])[:10]:  # the cell itself is the first of the ten
            expected[cell, other] = expected[other, cell] = 1
    assert_array_equal(expression_graph(x, 10).toarray(), expected)


@pytest.mark.slow
def test_expression_graph_has_the_entries_of_scanpy_connectivities(rng):
    import anndata
    import scanpy

    x = rng.standard_normal((400, 10)).astype(np.float32)
    adata = anndata.AnnData(np.zeros((400, 1), np.float32), obsm={"X_pca": x})
    scanpy.pp.neighbors(adata, n_neighbors=15, use_rep="X_pca", metric="cosine")
    stored = adata.obsp["connectivities"].toarray() > 0
    np.fill_diagonal(stored, True)
    assert_array_equal(expression_graph(x, 15).toarray() > 0, stored)


def test_union_is_the_logical_or(rng):
    a, b = (sparse.random_array((40, 40), density=0.1, rng=rng, format="csr") for _ in range(2))
    a.data[:3] = 0
    both = union(a, -b)
    assert_array_equal(both.toarray(), (a.toarray() != 0) | (b.toarray() != 0))
    assert both.nnz == both.toarray().sum()
    assert both.dtype == np.float32
