"""Quick principal components against a full decomposition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.components import leading_components, principal_components


@pytest.fixture
def values():
    """Return five strong components in weak noise."""
    rng = np.random.default_rng(0)
    strong = rng.normal(size=(120, 5)) * [9, 7, 5, 4, 3] @ rng.normal(size=(5, 60))
    return (strong + 0.3 * rng.normal(size=(120, 60)) + 2).astype(np.float32)


@pytest.mark.parametrize("layout", [sparse.csr_array, np.asarray])
def test_strong_components_are_found(values, layout):
    left, size, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    expected = left[:, :5] * size[:5]
    found = leading_components([layout(values[:, :25]), layout(values[:, 25:])], 8)
    sign = np.sign((found[:, :5] * expected).sum(axis=0))
    assert_allclose(found[:, :5] * sign, expected, atol=2e-2)
    assert found.shape == (120, 8)
    assert found.dtype == np.float32
    assert_allclose(np.linalg.norm(found[:, 5:], axis=0), size[5:8], rtol=0.1)


def test_seed_and_limits(values):
    assert_array_equal(leading_components(values, 6, seed=3), leading_components(values, 6, seed=3))
    assert leading_components(values[:7], 30).shape == (7, 6)
    for components in (leading_components, principal_components):
        with pytest.raises(DataError, match="same counts"):
            components(np.ones((9, 4), np.float32))
