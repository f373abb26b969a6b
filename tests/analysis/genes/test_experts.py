from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from napari_tissue_dynamics.analysis.genes import experts
from napari_tissue_dynamics.analysis.genes.experts import expert_statistics, spatial_order
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError

N, G = 150, 12


@pytest.fixture
def field():
    rng = np.random.default_rng(0)
    matrices = rng.gamma(2.0, size=(5, N, G)).astype(np.float32)
    probability = rng.dirichlet([0.3, 0.3, 0.3], N).astype(np.float32)
    probability = np.hstack([probability, np.zeros((N, 1), np.float32)])  # an expert that no cell has
    gamma = matrices[4].copy()
    gamma[:, 7] *= np.where(probability.argmax(axis=1) == 1, 3, 1)
    matrices[1, :, 3] = 0.5
    return VelocityField(
        tuple(f"g{i}" for i in range(G)), matrices[0], matrices[0].copy(), matrices[1], matrices[1].copy(),
        time=rng.random(N).astype(np.float32), alpha=matrices[2], beta=matrices[3], gamma=gamma,
        expert_probability=probability,
    )  # fmt: skip


@pytest.fixture
def positions():
    return np.random.default_rng(1).uniform(0, 10, (N, 2))


def slow_moran(z, positions, k):
    n = len(z)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    w = np.zeros((n, n))
    for i, row in enumerate(distances):
        w[i, np.argsort(row)[:k]] = 1
    z = z - z.mean()
    index = n / w.sum() * (w * np.outer(z, z)).sum() / (z @ z)
    s1 = 0.5 * ((w + w.T) ** 2).sum()
    s2 = ((w.sum(axis=0) + w.sum(axis=1)) ** 2).sum()
    expected = -1 / (n - 1)
    variance = (n**2 * s1 - n * s2 + 3 * w.sum() ** 2) / ((n**2 - 1) * w.sum() ** 2) - expected**2
    return index, stats.norm.sf((index - expected) / np.sqrt(variance))


def test_moran_equals_the_slow_formula(positions):
    rng = np.random.default_rng(2)
    group = rng.integers(0, 3, N)
    values = positions[:, 0] * (group == 1) + 3 * rng.normal(size=N)
    order = spatial_order(values, positions, group, 3, k=5)
    expected = [slow_moran(values[group == g], positions[group == g], 5) for g in range(3)]
    np.testing.assert_allclose(np.stack([order.moran, order.p_value], axis=1), expected, rtol=1e-6)


def test_moran_p_values_are_those_of_permutations(positions):
    rng = np.random.default_rng(3)
    value = positions[:, 0] + 7 * rng.normal(size=N)
    one = np.zeros(N, dtype=int)
    order = spatial_order(value, positions, one, 1)
    null = [spatial_order(rng.permutation(value), positions, one, 1).moran[0] for _ in range(200)]
    assert 0.01 < order.p_value[0] < 0.4  # neither end says anything about the variance
    assert order.p_value[0] == pytest.approx(np.mean(null >= order.moran[0]), abs=0.06)


def test_moran_of_a_gradient_of_noise_and_of_too_few_cells(positions):
    group = np.zeros(N, dtype=int)
    group[:3] = 1
    assert spatial_order(positions[:, 0], positions, group, 3).moran[0] > 0.8
    order = spatial_order(np.random.default_rng(0).normal(size=N), positions, group, 3)
    assert abs(order.moran[0]) < 0.15
    assert np.isnan(order.moran[1:]).all()
    assert np.isnan(spatial_order(np.ones(N), positions, group, 1).moran[0])


def test_a_group_in_which_all_are_neighbors_says_nothing():
    order = spatial_order(np.arange(5.0), np.arange(10.0).reshape(5, 2), np.zeros(5, int), 1, k=8)
    assert order.moran[0] == pytest.approx(-1 / 4)
    assert order.p_value[0] == 1


@pytest.mark.parametrize("block", [1, 10**7])
def test_contrasts_equal_scipy_gene_by_gene(field, positions, block, monkeypatch):
    monkeypatch.setattr(experts, "BLOCK", block)
    found = expert_statistics(field, positions)
    assert set(found.contrasts) == {"expression", "alpha", "beta", "gamma", "alpha/beta", "gamma/beta"}
    quantities = {
        "gamma": field.gamma, "alpha/beta": field.alpha / field.beta, "expression": field.moments_spliced,
    }  # fmt: skip
    for name, values in quantities.items():
        contrast = found.contrasts[name]
        for expert in range(3):
            inside, outside = values[field.expert == expert], values[field.expert != expert]
            for gene in range(G):
                if name == "expression" and gene == 3:  # the same in all cells
                    assert (contrast.score[expert, gene], contrast.p_value[expert, gene]) == (0, 1)
                    continue
                a, b = inside[:, gene].astype(float), outside[:, gene].astype(float)
                expected = stats.ttest_ind(a, b, equal_var=False)
                assert contrast.score[expert, gene] == pytest.approx(expected.statistic, rel=1e-4, abs=1e-6)
                assert contrast.p_value[expert, gene] == pytest.approx(expected.pvalue, rel=1e-4)
                assert contrast.log2_fold[expert, gene] == pytest.approx(np.log2(a.mean() / b.mean()), abs=1e-4)
        assert (contrast.p_value[3] == 1).all()
        assert np.isfinite(contrast.score).all()


def test_false_discovery_rate_is_that_of_benjamini_and_hochberg(field, positions):
    contrast = expert_statistics(field, positions).contrasts["gamma"]
    p = contrast.p_value[1]
    expected = [min(G * q / (p <= q).sum() for q in p[p >= each]) for each in p]
    np.testing.assert_allclose(contrast.fdr[1], expected, rtol=1e-9)


def test_the_gene_that_differs_comes_first(field, positions):
    table = expert_statistics(field, positions).gene_table(1, "gamma")
    assert table["gene"].iloc[0] == "g7"
    assert table["log2_fold"].iloc[0] == pytest.approx(np.log2(3), abs=0.4)
    assert table["fdr"].iloc[0] < 1e-4
    assert len(expert_statistics(field, positions).gene_table()) == 4 * 6 * G


def test_composition_counts_every_cell(field, positions):
    codes = np.random.default_rng(5).integers(-1, 2, N).astype(np.int32)
    found = expert_statistics(field, positions, Labels("type", codes, ("round", "long")))
    assert found.cell_types == ("round", "long", "unassigned")
    for expert in range(4):
        expected = [((field.expert == expert) & (codes == code)).sum() for code in (0, 1, -1)]
        assert found.composition[expert].tolist() == expected
    summary = found.summary()
    assert summary["cells"].sum() == N
    np.testing.assert_allclose(summary.filter(like="share of").sum(axis=1)[:3], 1)
    assert {"moran of time", "moran p_value"} <= set(summary)


def test_what_is_missing_is_left_out(field):
    lean = replace(field, alpha=None, beta=None, time=None)
    found = expert_statistics(lean, None)
    assert set(found.contrasts) == {"expression", "gamma"}
    assert found.time_order is None
    assert list(found.summary()) == ["cells"]


def test_a_model_without_experts_is_one_sentence(field, positions):
    with pytest.raises(DataError, match="has no experts"):
        expert_statistics(replace(field, expert_probability=None), positions)
