import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
from napari_tissue_dynamics.analysis.fate.markov import diffusion_chain, fate_chain, velocity_chain
from napari_tissue_dynamics.errors import DataError


@pytest.fixture
def graph(rng):
    neighbors = np.array([rng.permutation(np.delete(np.arange(30), i))[:5] for i in range(30)], dtype=np.int32)
    neighbors[4, 3:] = 4  # fewer neighbors
    neighbors[7] = 7  # none
    cosines = rng.uniform(-1, 1, neighbors.shape).astype(np.float32)
    return VelocityGraph(neighbors, cosines)


def slow_chain(graph, kernel, scale):
    n = len(graph.neighbors)
    best = [max((c for j, c in zip(*row, strict=True) if j != i), default=-1.0)
            for i, row in enumerate(zip(graph.neighbors, graph.cosines.astype(float), strict=True))]  # fmt: skip
    bound = np.quantile(best, 0.98)
    result = np.zeros((n, n))
    for i in range(n):
        for j, c in zip(graph.neighbors[i], graph.cosines[i].astype(float), strict=True):
            if j != i:
                result[i, j] = np.exp(scale * c) if kernel == "exp" else np.expm1(scale * max(c, 0))
        own = scale * min(max(bound - max(best[i], 0), 0), 1)
        result[i, i] = np.exp(own) * (own > 0) if kernel == "exp" else np.expm1(own)
        total = result[i].sum()
        result[i] = result[i] / total if total > 0 else np.eye(n)[i]
    return result


@pytest.mark.parametrize("kernel", ["expm1", "exp"])
def test_chain_along_the_velocity_equals_slow_loop(graph, kernel):
    found = velocity_chain(graph, kernel=kernel, scale=7.0).toarray()
    np.testing.assert_allclose(found, slow_chain(graph, kernel, 7.0), atol=1e-5)


def test_random_walk_equals_slow_loop(graph):
    n = len(graph.neighbors)
    near = np.zeros((n, n))
    for i, row in enumerate(graph.neighbors):
        near[i, row] = 1
    np.fill_diagonal(near, 0)
    walk = near + near.T
    total = walk.sum(axis=1, keepdims=True)
    expected = np.where(total > 0, walk / np.where(total > 0, total, 1), np.eye(n))
    np.testing.assert_allclose(diffusion_chain(graph.neighbors).toarray(), expected, atol=1e-12)


@pytest.mark.parametrize("kernel", ["expm1", "exp"])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_rows_sum_to_one(graph, kernel, backward, share):
    chain = fate_chain(graph, kernel=kernel, connectivity_weight=share, backward=backward)
    np.testing.assert_allclose(chain.sum(axis=1), 1, atol=1e-12)
    assert chain.data.min() > 0


def test_share_of_the_random_walk(graph):
    found = fate_chain(graph, connectivity_weight=0.3).toarray()
    expected = 0.7 * velocity_chain(graph).toarray() + 0.3 * diffusion_chain(graph.neighbors).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_backward_steps_are_the_forward_ones_turned_around(graph):
    forward = velocity_chain(graph).toarray()
    backward = fate_chain(graph, connectivity_weight=0, backward=True).toarray()
    reached = forward.sum(axis=0) > 0
    expected = (forward / np.where(reached, forward.sum(axis=0), 1)).T
    np.testing.assert_allclose(backward[reached], expected[reached], atol=1e-12)


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_share_that_is_none_is_one_sentence(graph, share):
    with pytest.raises(DataError, match="between 0 and 1"):
        fate_chain(graph, connectivity_weight=share)


def test_cosines_that_are_not_finite_are_one_sentence(graph):
    cosines = graph.cosines.copy()
    cosines[0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        fate_chain(VelocityGraph(graph.neighbors, cosines))
