import threading

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import false_discovery_control, fisher_exact, mannwhitneyu

from napari_tissue_dynamics.analysis.cells.rank_sum import rank_sums
from napari_tissue_dynamics.analysis.cells.regions import Region, compare_steps
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import run_to_end

N = 120


def compare(*given, **more):
    return run_to_end(compare_steps(*given, **more))


def values_of(rng, n=N):
    """Columns of every kind: counts with many ties, negative numbers, nothing but zeros, a constant, one value."""
    counts = rng.poisson(0.7, (n, 6))
    normal = rng.normal(size=(n, 3)) * (rng.random((n, 3)) < 0.5)
    single = np.zeros(n)
    single[7] = 3
    columns = [counts, normal, np.zeros((n, 1)), np.full((n, 1), 2.0), single[:, None], rng.random((n, 2))]
    return np.concatenate(columns, axis=1).astype(np.float32)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("block", [None, 100])
def test_rank_sums_are_those_of_scipy(form, block, monkeypatch):
    if block:
        monkeypatch.setattr("napari_tissue_dynamics.analysis.cells.rank_sum.BLOCK", block)
    rng = np.random.default_rng(0)
    values, in_a = values_of(rng), rng.random(N) < 0.3
    found = rank_sums(form(values), in_a)
    for k, column in enumerate(values.astype(np.float64).T):
        a, b = column[in_a], column[~in_a]
        assert found.mean_a[k] == pytest.approx(a.mean(), abs=1e-6)
        assert found.mean_b[k] == pytest.approx(b.mean(), abs=1e-6)
        more = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
        assert found.above[k] == pytest.approx(more)
        if np.ptp(column) == 0:
            assert found.p_value[k] == 1
        else:
            expected = mannwhitneyu(a, b, method="asymptotic", use_continuity=True).pvalue
            assert found.p_value[k] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(found.fdr(), false_discovery_control(found.p_value))


def test_explicit_zeros_are_zeros():
    rng = np.random.default_rng(1)
    values, in_a = values_of(rng), np.arange(N) < 40
    stored = sparse.csr_array(np.where(values == 0, 99, values))
    stored.data[stored.data == 99] = 0
    np.testing.assert_allclose(rank_sums(stored, in_a).p_value, rank_sums(values, in_a).p_value)


def test_values_without_a_difference_give_even_p_values():
    rng = np.random.default_rng(2)
    found = rank_sums(rng.random((300, 800)).astype(np.float32), np.arange(300) < 100)
    assert np.mean(found.p_value < 0.05) == pytest.approx(0.05, abs=0.025)
    assert (found.fdr() < 0.05).sum() <= 2


def tissue_of(rng):
    expression = rng.poisson(0.6, (N, 5)).astype(np.float32)
    labels = Labels("kind", rng.integers(-1, 3, N).astype(np.int32), ("x", "y", "z", "never"))
    return Tissue(
        tuple(f"c{i}" for i in range(N)), tuple("ABCDE"), rng.random((N, 2)),
        expression=sparse.csr_array(expression), cell_types=labels,
    )  # fmt: skip


def test_a_region_against_the_rest_and_against_another():
    rng = np.random.default_rng(3)
    tissue = tissue_of(rng)
    a, b = np.arange(N) < 40, (np.arange(N) >= 30) & (np.arange(N) < 90)
    whole = compare(tissue, Region("A", a))
    assert (whole.n_a, whole.n_b, whole.shared, whole.name_b) == (40, 80, 0, "rest")
    two = compare(tissue, Region("A", a), Region("B", b))
    assert (two.n_a, two.n_b, two.shared, two.name_b) == (30, 50, 10, "B")
    in_a, in_b = a & ~b, b & ~a
    dense = tissue.expression.toarray()
    for k in range(5):
        expected = mannwhitneyu(dense[in_a, k], dense[in_b, k], method="asymptotic").pvalue
        assert two.genes.tests.p_value[k] == pytest.approx(expected)
    codes = tissue.cell_types.codes
    assert two.composition.cell_types == ("x", "y", "z", "unassigned")
    for k, code in enumerate((0, 1, 2, -1)):
        x, y = int((codes[in_a] == code).sum()), int((codes[in_b] == code).sum())
        assert (two.composition.count_a[k], two.composition.count_b[k]) == (x, y)
        test = fisher_exact([[x, 30 - x], [y, 50 - y]])
        assert two.composition.p_value[k] == pytest.approx(test.pvalue)
        assert two.composition.odds_ratio[k] == pytest.approx(test.statistic)
    assert two.betas is None
    assert two.results.names == ()


def test_results_and_betas_of_regions():
    rng = np.random.default_rng(4)
    tissue, a = tissue_of(rng), np.arange(N) < 50
    weight = rng.dirichlet(np.ones(2), N).astype(np.float32)
    arrays = [rng.random((N, 2)).astype(np.float32) for _ in range(4)]
    velocity = VelocityField(("A", "B"), *arrays, time=a.astype(np.float32), expert_probability=weight)
    partly, nobody = weight[:, 0].copy(), np.full(N, np.nan, np.float32)
    partly[::3] = np.nan
    betas = rng.normal(size=(N, 4)).astype(np.float32)
    betas[:, 2] = 0
    betas[a, 3] += 5
    deviations = np.float32([[9, 0.1, 9, 0.3], [9, 0.2, 9, 0.4]])
    fit = GeneFit("T", ("P", "Q", "R"), betas, ("x", "z"), deviations=deviations)
    found = compare(
        tissue,
        Region("A", a),
        velocity=velocity,
        regulation=RegulationField((fit,)),
        further={"fate": partly, "none": nobody},
    )
    assert found.results.names == ("latent time", "expert 0", "expert 1", "fate", "none")
    assert found.results.tests.above[0] == 1
    assert found.results.tests.p_value[1] == pytest.approx(mannwhitneyu(weight[a, 0], weight[~a, 0]).pvalue)
    known = np.isfinite(partly)
    expected = mannwhitneyu(partly[known & a], partly[known & ~a], method="asymptotic").pvalue
    assert found.results.tests.p_value[3:] == pytest.approx([expected, 1])
    assert np.isnan(found.results.tests.mean_a[4])
    assert found.betas.names == ("T ← P", "T ← R")
    assert found.betas.tests.mean_a[1] == pytest.approx(betas[a, 3].mean(), rel=1e-5)
    assert found.betas.fdr[1] < 1e-6 < found.betas.fdr[0]
    codes = tissue.cell_types.codes
    variance = [
        np.mean([{0: 0.3, 2: 0.4}[code] ** 2 for code in codes[part].tolist() if code in (0, 2)]) for part in (a, ~a)
    ]
    difference = found.betas.tests.mean_a[1] - found.betas.tests.mean_b[1]
    assert found.betas.in_deviations[1] == pytest.approx(difference / np.sqrt(sum(variance)), rel=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (np.arange(N) < 2, None, "A has 2 cells; at least 3"),
        (np.ones(N, bool), None, "rest has 0 cells"),
        (np.arange(N) < 50, np.arange(N) < 52, "A has 0 cells besides the 50 that lie in both"),
        (np.ones(N - 1, bool), None, "119 cells but the tissue has 120"),
    ],
)
def test_regions_that_cannot_be_compared_give_a_sentence(a, b, words):
    with pytest.raises(DataError, match=words):
        compare(tissue_of(np.random.default_rng(0)), Region("A", a), None if b is None else Region("B", b))


def test_a_comparison_stops_when_asked():
    stop = threading.Event()
    stop.set()
    assert (
        run_to_end(compare_steps(tissue_of(np.random.default_rng(0)), Region("A", np.arange(N) < 9), None, stop))
        is None
    )
