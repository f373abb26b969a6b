import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.components import principal_components
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import expression_graph, spatial_graph, union
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.preprocessing import normalise, prepare, select_genes

CONFIG = SteerConfig(profile="faithful", smooth_neighbors=12, expression_neighbors=10, spatial_neighbors=4)


def make_tissue(n=80, genes=60, seed=0, layout=sparse.csr_array, unit="um"):
    rng = np.random.default_rng(seed)
    time = rng.random((n, 1))
    level = rng.gamma(0.5, 4, genes)
    peak = np.exp(-((time - rng.random(genes)) ** 2) / 0.1)
    spliced, unspliced = rng.poisson(level * peak), rng.poisson(0.4 * level * peak)
    return Tissue(
        cells=tuple(f"cell{i}" for i in range(n)),
        genes=tuple(f"gene{i}" for i in range(genes)),
        positions=rng.random((n, 2)),
        spliced=layout(spliced.astype(np.float32)),
        unspliced=layout(unspliced.astype(np.float32)),
        unit=unit,
    )


def dense(counts):
    return counts.toarray() if sparse.issparse(counts) else np.asarray(counts)


def pca_by_svd(x, number):
    left, size, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return (left * size)[:, :number]


def test_normalised_cells_have_the_median_size():
    counts = dense(make_tissue().spliced)
    counts[3] = 0
    result = normalise(sparse.csr_array(counts))
    size = counts.sum(axis=1)
    median = np.median(size[size > 0])
    assert_allclose(np.delete(result.toarray().sum(axis=1), 3), median, rtol=1e-5)
    assert_array_equal(result.toarray()[3], 0)
    assert_allclose(result.toarray()[5], counts[5] * median / size[5], rtol=1e-6)
    assert_array_equal(normalise(counts.astype(np.int64)).toarray(), result.toarray())


def test_genes_need_counts_in_cells_with_both_kinds():
    tissue = make_tissue()
    spliced, unspliced = dense(tissue.spliced), dense(tissue.unspliced)
    expected = []
    for gene in range(60):
        total = 0
        for cell in range(80):
            if spliced[cell, gene] and unspliced[cell, gene]:
                total += spliced[cell, gene] + unspliced[cell, gene]
        if total >= 20:
            expected.append(gene)
    assert 2 < len(expected) < 60
    assert_array_equal(select_genes(tissue, SteerConfig()), expected)
    assert_array_equal(select_genes(tissue, SteerConfig(min_shared_counts=0)), np.arange(60))


def seurat_dispersion(counts):
    """(genes,) normalised dispersion, as a table of genes grouped by mean."""
    table = pd.DataFrame({"mean": counts.mean(axis=0), "var": counts.var(axis=0, ddof=1)})
    table["dispersion"] = np.log(table["var"] / table["mean"])
    groups = table.groupby(pd.cut(np.log1p(table["mean"]), 20), observed=True)["dispersion"]
    centre, spread = groups.transform("mean"), groups.transform("std")
    alone = spread.isna()
    spread[alone], centre[alone] = centre[alone], 0
    return ((table["dispersion"] - centre) / spread).to_numpy()


def test_the_most_dispersed_genes_are_taken_in_their_order():
    tissue = make_tissue(genes=300)
    config = SteerConfig(n_genes=25, min_shared_counts=5)
    passing = select_genes(tissue, SteerConfig(min_shared_counts=5))
    dispersion = seurat_dispersion(normalise(tissue.spliced).toarray()[:, passing].astype(float))
    chosen = select_genes(tissue, config)
    assert_array_equal(chosen, np.sort(passing[np.argsort(-dispersion)[:25]]))


@pytest.mark.slow
def test_the_most_dispersed_genes_are_those_of_scanpy():
    import anndata
    import scanpy

    tissue = make_tissue(genes=300)
    adata = anndata.AnnData(np.log1p(normalise(tissue.spliced).toarray().astype(float)))
    scanpy.pp.highly_variable_genes(adata, flavor="seurat", n_top_genes=25)
    chosen = select_genes(tissue, SteerConfig(n_genes=25, min_shared_counts=0))
    assert_array_equal(chosen, np.flatnonzero(adata.var["highly_variable"]))


@pytest.mark.parametrize("layout", [sparse.csr_array, np.asarray])
def test_principal_components_are_those_of_a_full_decomposition(layout):
    x = np.random.default_rng(0).gamma(1, 2, (90, 40)).astype(np.float32)
    result = principal_components(layout(x), 8)
    expected = pca_by_svd(x.astype(float), 8)
    sign = np.sign((result * expected).sum(axis=0))
    assert_allclose(result * sign, expected, atol=2e-3)
    assert result.dtype == np.float32
    assert principal_components(layout(x[:12]), 30).shape == (12, 11)


@pytest.mark.parametrize("unit", ["um", "embedding"])
def test_prepared_follows_the_recipe(unit):
    tissue = make_tissue(unit=unit)
    genes = select_genes(tissue, CONFIG)
    layers = []
    for counts in (tissue.unspliced, tissue.spliced):
        values = dense(counts).astype(float)
        size = values.sum(axis=1, keepdims=True)
        layers.append((values * np.median(size) / size)[:, genes])
    unspliced, spliced = layers
    components = pca_by_svd(np.hstack([spliced, unspliced]), 30)
    similar = expression_graph(components, 12)
    mean_u, mean_s = moments(unspliced, similar), moments(spliced, similar)
    graph = expression_graph(pca_by_svd(np.hstack([mean_u, mean_s]).astype(float), 30), 10)
    if unit == "um":
        graph = union(graph, spatial_graph(tissue.positions, 4))

    result = prepare(tissue, CONFIG, genes)
    assert result.genes == tuple(tissue.genes[gene] for gene in genes)
    assert_allclose(np.abs(result.components), np.abs(components), atol=2e-3)
    assert_allclose(result.unspliced, mean_u, rtol=1e-4, atol=1e-5)
    assert_allclose(result.spliced, mean_s, rtol=1e-4, atol=1e-5)
    assert_allclose(result.u, mean_u / mean_u.max(axis=0), rtol=1e-4, atol=1e-5)
    assert_allclose(result.s, mean_s / mean_s.max(axis=0), rtol=1e-4, atol=1e-5)
    assert_array_equal(result.graph.toarray(), graph.toarray())
    assert {array.dtype for array in (result.u, result.s, result.unspliced, result.spliced)} == {np.dtype("f4")}


def test_dense_and_sparse_counts_give_the_same():
    one, other = (
        prepare(make_tissue(layout=layout), CONFIG, np.arange(60)) for layout in (sparse.csr_array, np.asarray)
    )
    assert_allclose(one.u, other.u, atol=1e-6)
    assert_array_equal(one.graph.toarray(), other.graph.toarray())


def test_the_order_of_cells_does_not_matter():
    tissue = make_tissue()
    order = np.random.default_rng(1).permutation(80)
    genes = select_genes(tissue, CONFIG)
    here, there = prepare(tissue, CONFIG, genes), prepare(tissue.select_cells(order), CONFIG, genes)
    assert_array_equal(select_genes(tissue.select_cells(order), CONFIG), genes)
    assert_allclose(there.s, here.s[order], rtol=1e-4, atol=1e-5)
    assert_array_equal(there.graph.toarray(), here.graph.toarray()[np.ix_(order, order)])


def test_empty_cells_and_genes_stay_finite():
    tissue = make_tissue()
    spliced, unspliced = dense(tissue.spliced), dense(tissue.unspliced)
    spliced[:3], unspliced[2:5] = 0, 0
    spliced[:, 7], unspliced[:, 7] = 0, 0
    tissue = tissue.with_(spliced=sparse.csr_array(spliced), unspliced=sparse.csr_array(unspliced))
    result = prepare(tissue, CONFIG, np.arange(60))
    for array in (result.u, result.s, result.components):
        assert np.isfinite(array).all()
    assert not result.u[:, 7].any()
    assert result.u.max() == result.s.max() == 1
    assert result.graph.diagonal().min() == 1


def test_fewer_cells_than_neighbors_still_differ():
    tissue = make_tissue(n=12)
    result = prepare(tissue, SteerConfig(profile="faithful"), np.arange(60))
    assert_array_equal(result.graph.toarray(), np.ones((12, 12)))
    similar = expression_graph(result.components, 4)
    assert_allclose(result.spliced, moments(normalise(tissue.spliced), similar), rtol=1e-5)


def test_same_seed_same_result_and_global_state_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (prepare(make_tissue(), CONFIG, np.arange(60)) for _ in range(2))
    assert_array_equal(first.u, second.u)
    assert_array_equal(first.components, second.components)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_unusable_counts_are_one_sentence_each():
    tissue = make_tissue()
    bad = dense(tissue.spliced)
    bad[0, 0] = np.nan
    cases = {
        "no spliced counts": tissue.with_(spliced=None),
        "no unspliced counts": tissue.with_(unspliced=None),
        "9 cells": tissue.select_cells(np.arange(9)),
        "not finite": tissue.with_(spliced=bad),
        "negative": tissue.with_(unspliced=-dense(tissue.unspliced)),
    }
    for words, case in cases.items():
        with pytest.raises(DataError, match=words):
            select_genes(case, CONFIG)
        with pytest.raises(DataError, match=words):
            prepare(case, CONFIG, np.arange(60))


def test_too_few_genes_say_what_to_lower():
    tissue = make_tissue()
    with pytest.raises(DataError, match=r"0 of 60 genes have 100000 .* Lower min_shared_counts"):
        select_genes(tissue, SteerConfig(min_shared_counts=100000))
    with pytest.raises(DataError, match="1 genes were chosen"):
        prepare(tissue, CONFIG, np.array([3]))


def test_cells_that_are_all_alike_are_refused():
    flat = sparse.csr_array(np.ones((20, 5), np.float32))
    tissue = make_tissue(n=20, genes=5).with_(spliced=flat, unspliced=flat)
    with pytest.raises(DataError, match="All 20 cells have the same counts"):
        prepare(tissue, CONFIG, np.arange(5))
