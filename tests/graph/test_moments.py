import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph import moments as module
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import spatial_graph


@pytest.fixture
def counts():
    return np.random.default_rng(1).poisson(0.6, (70, 9)).astype(np.float32)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("block", [16, 2048])
def test_moments_are_plain_means_over_neighborhoods(counts, layout, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    graph = spatial_graph(np.random.default_rng(2).random((70, 2)), 5)
    neighborhoods = graph.toarray() > 0
    expected = [counts[near].mean(axis=0) for near in neighborhoods]
    result = moments(layout(counts), graph)
    assert_allclose(result, expected, rtol=1e-6)
    assert result.dtype == np.float32
    assert neighborhoods.sum(axis=1).tolist() == [6] * 70


def test_integer_counts_and_isolated_cells(counts):
    graph = sparse.csr_array(([1.0, 1.0], ([0, 1], [0, 0])), shape=(70, 70))
    result = moments(counts.astype(np.int64), graph)
    assert_array_equal(result[:2], counts[[0, 0]])
    assert not result[2:].any()


def test_a_graph_of_other_cells_is_refused(counts):
    with pytest.raises(DataError, match=r"\(70, 70\) was expected"):
        moments(counts, sparse.eye_array(69, format="csr"))
