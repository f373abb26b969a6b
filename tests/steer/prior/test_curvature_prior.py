import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.steer.prior.curvature_prior import (
    expert_clusters,
    fine_clusters,
    gene_entropy,
    split_clusters,
)


@pytest.fixture
def latent():
    """Three groups of cells in a 40-dimensional latent space, and the group of every cell."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [300, 200, 60])
    centres = 2 * rng.standard_normal((3, 40))
    return (centres[truth] + rng.standard_normal((560, 40))).astype(np.float32), truth


def test_expert_clusters_are_the_groups(latent):
    z, truth = latent
    codes = expert_clusters(z, 3, 0)
    assert adjusted_rand_score(truth, codes) > 0.99
    assert codes.dtype == np.int32
    assert set(codes) == {0, 1, 2}
    order = np.random.default_rng(1).permutation(len(z))
    assert adjusted_rand_score(expert_clusters(z[order], 3, 0), truth[order]) > 0.99
    assert_array_equal(expert_clusters(z, 1, 0), 0)


@pytest.mark.parametrize("k", [0, 561])
def test_more_experts_than_cells_are_refused(latent, k):
    with pytest.raises(DataError, match="560 cells"):
        expert_clusters(latent[0], k, 0)


def test_large_clusters_are_split_and_small_ones_kept(latent):
    z, truth = latent
    codes = split_clusters(z, truth, 100, 0)
    parts = [len(np.unique(codes[truth == expert])) for expert in range(3)]
    assert parts == [3, 2, 1]  # 300, 200 and 60 cells with 100 aimed at
    assert_array_equal(np.unique(codes), np.arange(6))
    assert all(len(np.unique(truth[codes == code])) == 1 for code in np.unique(codes))
    assert codes.dtype == np.int32


@pytest.mark.parametrize(("target_size", "clusters"), [(200, [1, 1, 1]), (199, [2, 1, 1]), (133, [2, 2, 1])])
def test_a_cluster_is_split_above_one_and_a_half_target_sizes(latent, target_size, clusters):
    z, truth = latent
    codes = split_clusters(z, truth, target_size, 0)
    assert [len(np.unique(codes[truth == expert])) for expert in range(3)] == clusters


def test_parts_are_compact(latent):
    z, truth = latent
    z = z.copy()
    z[:150, 0] += 40
    codes = split_clusters(z, truth, 150, 0)
    assert len(np.unique(codes[:300])) == 2
    assert adjusted_rand_score(codes[:300], np.arange(300) < 150) == 1


def test_five_experts_are_their_own_fine_clusters(latent):
    z, _ = latent
    five = np.array([0, 2, 4, 6, 8])[np.arange(560) % 5]
    assert_array_equal(fine_clusters(z, five, 20, 0), np.arange(560) % 5)
    assert len(np.unique(fine_clusters(z, np.arange(560) % 4, 20, 0))) > 4


def test_gene_entropy_against_a_slow_loop():
    rng = np.random.default_rng(0)
    u, s = rng.random((2, 150, 300))
    u[:, 0], s[:, 0] = 0, 0
    u[0, 1] = s[0, 1] = 1
    u[:, 2] = np.linspace(0, 1, 6)[rng.integers(0, 6, 150)]  # on the edges of the boxes
    codes = rng.integers(0, 4, 150)
    edges = [np.linspace(x.min(), x.max(), 6) for x in (u, s)]
    for lower in edges:
        lower[0] -= 1e-3 * (lower[-1] - lower[0])
    expected = []
    for gene in range(300):
        values = []
        for i in range(5):
            for j in range(5):
                inside = (u[:, gene] > edges[0][i]) & (u[:, gene] <= edges[0][i + 1])
                inside &= (s[:, gene] > edges[1][j]) & (s[:, gene] <= edges[1][j + 1])
                if inside.sum() >= 5:
                    values.append(entropy(np.bincount(codes[inside]), base=2))
        expected.append(np.mean(values))
    assert_allclose(gene_entropy(u, s, codes), expected, rtol=1e-12)
    assert_allclose(expected[0], entropy(np.bincount(codes), base=2))


def test_a_gene_that_tells_the_clusters_apart_has_no_entropy():
    codes = np.repeat([0, 1], 50)
    u = np.column_stack([codes, np.tile([0, 1], 50)]).astype(np.float32)
    assert_allclose(gene_entropy(u, u, codes), [0, 1])


def test_a_gene_without_a_full_box_has_no_entropy_at_all():
    values = np.linspace(0, 1, 8)[:, None]
    assert np.isnan(gene_entropy(values, values[::-1], np.zeros(8, int))).all()


def test_same_seed_same_result_and_global_state_untouched(latent):
    z, truth = latent
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for fit in (lambda: expert_clusters(z, 4, 3), lambda: split_clusters(z, truth, 50, 3)):
        assert_array_equal(fit(), fit())
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
