"""Genes that vary in space and neighborhoods of groups, against a plain formula and known patterns."""

import threading

import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics.analysis.genes import spatial_genes as module
from napari_tissue_dynamics.analysis.genes.spatial_genes import spatial_gene_steps, spatial_genes, suggested_targets
from napari_tissue_dynamics.analysis.genes.spatial_statistics import (
    morans_i,
    neighborhood_enrichment,
    spatial_neighbors,
)
from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end

CELLS = 300


@pytest.fixture
def patterned(rng):
    """Return a tissue whose genes are two gradients, noise, a rare one and a constant one."""
    positions = rng.uniform(0, 100, (CELLS, 2))
    values = rng.normal(5, 1, (CELLS, 6))
    values[:, 1] += positions[:, 0] / 10
    values[:, 3] += positions[:, 1] / 30
    values[:, 4] = 0
    values[:5, 4] = 3
    values[:, 5] = 2
    names = tuple(f"c{i}" for i in range(CELLS))
    return Tissue(names, tuple("abcdef"), positions, expression=values.astype(np.float32))


def plain_moran(values, weights):
    weights = weights / weights.sum(axis=1, keepdims=True)
    z = values - values.mean()
    return len(z) / weights.sum() * (weights * np.outer(z, z)).sum() / (z @ z)


@pytest.mark.parametrize("graph", ["nearest", "delaunay"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_moran_of_every_column_is_the_plain_formula(patterned, graph, form):
    values = patterned.expression[:, :4]
    neighbors = spatial_neighbors(patterned.positions, graph)
    index, p_value = morans_i(form(values), neighbors)
    expected = [plain_moran(column.astype(float), neighbors.toarray()) for column in values.T]
    np.testing.assert_allclose(index, expected, rtol=1e-6)
    assert p_value[1] < 1e-6
    assert p_value[0] > 1e-3


def test_delaunay_neighbors_share_an_edge_of_the_triangulation(patterned):
    from scipy.spatial import Delaunay

    edges = set()
    for triangle in Delaunay(patterned.positions).simplices:
        edges |= {(int(a), int(b)) for a in triangle for b in triangle if a != b}
    assert (
        set(zip(*map(np.ndarray.tolist, spatial_neighbors(patterned.positions, "delaunay").nonzero()), strict=True))
        == edges
    )


def test_gradients_come_first_and_are_suggested(patterned, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2 * CELLS)
    table = spatial_genes(patterned)
    assert list(table.index[:2]) == ["b", "d"]
    assert set(table.index) == set("abcd")  # the rare and the constant gene are not tested
    assert suggested_targets(table) == ("b", "d")
    assert suggested_targets(table, 1) == ("b",)
    assert (table["fdr"] >= table["p_value"]).all()


def test_what_cannot_be_tested_is_one_sentence(patterned):
    from dataclasses import replace

    with pytest.raises(DataError, match="no spatial coordinates"):
        spatial_genes(replace(patterned, unit="embedding"))
    with pytest.raises(DataError, match="No gene"):
        spatial_genes(replace(patterned, expression=np.ones((CELLS, 6), np.float32)))
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(spatial_gene_steps(patterned, stop=stop))


def test_separate_groups_avoid_each_other_and_mixed_ones_do_not(rng):
    positions = rng.uniform(0, 100, (CELLS, 2))
    neighbors = spatial_neighbors(positions)
    apart = (positions[:, 0] > 50).astype(int) * 2  # no cell is of group 1
    score = neighborhood_enrichment(apart, 3, neighbors)
    assert min(score[0, 0], score[2, 2]) > 10
    assert max(score[0, 2], score[2, 0]) < -10
    assert np.isnan(score[1]).all()
    assert np.isnan(score[:, 1]).all()
    mixed = neighborhood_enrichment(rng.integers(0, 2, CELLS), 2, neighbors)
    assert np.abs(mixed).max() < 4
    np.testing.assert_array_equal(neighborhood_enrichment(apart, 3, neighbors), score)
    assert np.isnan(neighborhood_enrichment(np.zeros(CELLS, int), 1, neighbors)).all()
