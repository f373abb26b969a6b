"""Checks of a velocity in the file, under the keys that scVelo reads, and back."""

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_tissue_dynamics.data.io import write_h5ad
from napari_tissue_dynamics.data.io.read_results import read_arrows, read_checks, read_velocity
from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError

N, K = 12, 4


@pytest.fixture
def tissue():
    positions = np.random.default_rng(0).uniform(size=(N, 2))
    counts = np.ones((N, 2), dtype=np.float32)
    return Tissue(tuple(f"c{i}" for i in range(N)), ("A", "B"), positions, counts, counts.copy())


@pytest.fixture
def checks():
    rng = np.random.default_rng(1)
    neighbors = np.array([np.sort(rng.permutation(np.delete(np.arange(N), i))[:K]) for i in range(N)], dtype=np.int32)
    cosines = rng.uniform(-1, 1, (N, K)).astype(np.float32)
    neighbors[3, 2:], cosines[3, 2:] = 3, 0  # a cell with two neighbors only
    genes = {"expert": ["0", "1"], "quantity": ["alpha/beta", "gamma"], "gene": ["a", "b"], "score": [1.5, -2.0]}
    summary = {"cells": [20, 10], "share of T/NK 50%": [0.5, np.nan]}
    return VelocityChecks(
        neighbor_correlation=np.linspace(0, 1, N, dtype=np.float32),
        confidence=rng.random(N).astype(np.float32),
        neighbors=neighbors,
        cosines=cosines,
        self_transition=rng.random(N).astype(np.float32),
        tables={"summary": pd.DataFrame(summary, index=pd.Index(["0", "1"], name="expert")),
                "genes": pd.DataFrame(genes)},
    )  # fmt: skip


@pytest.fixture
def written(tissue, checks, tmp_path):
    arrows = {"spatial": np.arange(2 * N, dtype=np.float32).reshape(N, 2)}
    write_h5ad(tmp_path / "out.h5ad", tissue, projections=arrows, checks=checks)
    return tmp_path / "out.h5ad"


def test_the_graph_lies_where_scvelo_reads_it(written, checks):
    """scVelo adds both parts, takes the rows' largest cosine and puts the self transition on the diagonal."""
    adata = anndata.read_h5ad(written)
    expected = np.zeros((N, N), dtype=np.float32)
    for i, row in enumerate(checks.neighbors):
        for j, cosine in zip(row, checks.cosines[i], strict=True):
            expected[i, j] += cosine
    positive, negative = adata.uns["velocity_graph"], adata.uns["velocity_graph_neg"]
    assert sparse.issparse(positive)
    assert positive.format == negative.format == "csr"
    assert positive.dtype == np.float32
    np.testing.assert_array_equal(positive.toarray(), np.maximum(expected, 0))
    np.testing.assert_array_equal(negative.toarray(), np.minimum(expected, 0))
    assert positive.nnz + negative.nnz == N * K - 2
    np.testing.assert_array_equal(adata.obs["velocity_self_transition"], checks.self_transition)
    params = adata.uns["velocity_params"]
    assert (params["mode_neighbors"], int(params["n_recurse_neighbors"])) == ("distances", 1)
    assert list(params["embeddings"]) == ["spatial"]


def test_the_key_of_scvelo_has_the_figure_of_scvelo_and_ours_has_another_name(written, checks):
    adata = anndata.read_h5ad(written)
    np.testing.assert_array_equal(adata.obs["velocity_confidence"], checks.neighbor_correlation)
    np.testing.assert_array_equal(adata.obs["velocity_local_confidence"], checks.confidence)


def test_checks_come_back(written, checks):
    found = read_checks(written)
    for name in ("neighbor_correlation", "confidence", "self_transition"):
        np.testing.assert_array_equal(getattr(found, name), getattr(checks, name))
    pairs = [
        {(i, j): c for i, row in enumerate(each.neighbors) for j, c in zip(row, each.cosines[i], strict=True) if j != i}
        for each in (found, checks)
    ]
    assert pairs[0] == pairs[1]
    assert (found.neighbors[3] == 3).sum() == 2
    assert set(found.tables) == {"summary", "genes"}
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(table, checks.tables[name], check_index_type=False, check_names=False)


@pytest.mark.parametrize("place", [-1, N])
def test_neighbors_that_are_no_cells_are_not_believed(written, checks, place):
    adata = anndata.read_h5ad(written)
    adata.obsm["similar_cells"][0, 0] = place
    adata.write_h5ad(written)
    found = read_checks(written)
    assert found.neighbors.min() >= 0
    assert found.neighbors.max() < N


def test_the_order_of_the_neighbors_comes_back_even_where_the_first_cell_is_nobodys(tissue, checks, tmp_path, rng):
    neighbors = np.array([rng.permutation(np.delete(np.arange(1, N), max(i - 1, 0)))[:K] for i in range(N)], np.int32)
    cosines = rng.uniform(0.1, 1, (N, K)).astype(np.float32)
    write_h5ad(tmp_path / "t.h5ad", tissue, checks=replace(checks, neighbors=neighbors, cosines=cosines))
    found = read_checks(tmp_path / "t.h5ad")
    np.testing.assert_array_equal(found.neighbors, neighbors)
    np.testing.assert_array_equal(found.cosines, cosines)


def test_arrows_come_back(written):
    np.testing.assert_array_equal(read_arrows(written, "spatial").ravel(), np.arange(2 * N))
    with pytest.raises(DataError, match="no arrows on 'umap'"):
        read_arrows(written, "umap")


def test_a_file_without_checks(tissue, tmp_path):
    write_h5ad(tmp_path / "out.h5ad", tissue)
    found = read_checks(tmp_path / "out.h5ad")
    assert found.n_cells is None
    assert found.neighbors is None
    assert not found.tables


def test_a_damaged_graph_is_one_sentence(written):
    import h5py

    with h5py.File(written, "r+") as file:
        del file["uns/velocity_graph/indptr"]
    with pytest.raises(DataError, match="velocity_graph"):
        read_checks(written)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"confidence": np.ones(3), "self_transition": np.ones(4)}, "confidence 3, self_transition 4"),
        ({"cosines": np.ones((3, 2))}, "one graph"),
    ],
)
def test_checks_that_do_not_fit_together(values, words):
    with pytest.raises(DataError, match=words):
        VelocityChecks(**values)


CURVE = ("fit_alpha", "fit_beta", "fit_gamma", "fit_t_", "fit_scaling", "fit_likelihood")


def a_velocity(*, timed: bool, curve: bool = True) -> VelocityField:
    rng = np.random.default_rng(3)
    matrices = [rng.random((N, 2)).astype(np.float32) for _ in range(8)]
    table = {name: rng.random(2).astype(np.float32) for name in (*CURVE, "fit_agreement")} if curve else {}
    names = ("spliced", "unspliced", "moments_spliced", "moments_unspliced", "alpha", "beta", "gamma")
    values = dict(zip(names, matrices, strict=False))
    return VelocityField(("A", "B"), **values, gene_time=matrices[7] if timed else None, gene_table=table)


def test_all_keys_of_a_dynamical_fit_of_scvelo_are_there_or_none(tissue, tmp_path):
    """scVelo takes ``fit_alpha`` for the sign of such a fit and then asks for times, switch and scaling as well."""
    for name, field in (("timed", a_velocity(timed=True)), ("large", a_velocity(timed=False))):
        write_h5ad(tmp_path / f"{name}.h5ad", tissue, velocity=field)
        found = read_velocity(tmp_path / f"{name}.h5ad")
        assert list(found.gene_table) == [*CURVE, "fit_agreement"]
        for key, values in field.gene_table.items():
            np.testing.assert_array_equal(found.gene_table[key], values)
    whole = anndata.read_h5ad(tmp_path / "timed.h5ad")
    assert {*CURVE, "fit_u0", "fit_s0"} <= set(whole.var)
    assert {"fit_t", "fit_tau", "fit_tau_"} <= set(whole.layers)
    np.testing.assert_allclose(whole.layers["fit_tau"] + whole.layers["fit_tau_"], whole.layers["fit_t"], rtol=1e-6)
    assert not whole.uns["recover_dynamics"]["use_raw"]
    without = anndata.read_h5ad(tmp_path / "large.h5ad")
    assert not {*CURVE, "fit_u0", "fit_s0"} & set(without.var)
    assert {"curve_alpha", "curve_t_"} <= set(without.var)
    assert "recover_dynamics" not in without.uns


def test_the_line_that_scvelo_draws_is_the_steady_state(tissue, tmp_path):
    field = a_velocity(timed=False, curve=False)
    write_h5ad(tmp_path / "out.h5ad", tissue, velocity=field)
    var = anndata.read_h5ad(tmp_path / "out.h5ad").var
    np.testing.assert_allclose(var["velocity_gamma"], np.median(field.gamma / field.beta, axis=0), rtol=1e-6)
    assert "velocity_beta" not in var, "scVelo divides the slope by it"
    assert not any(name.startswith("fit_") for name in var)


def test_another_velocity_leaves_no_part_of_a_dynamical_fit(tissue, tmp_path):
    first, second = tmp_path / "first.h5ad", tmp_path / "second.h5ad"
    write_h5ad(first, tissue, velocity=a_velocity(timed=True))
    write_h5ad(second, tissue, source=first, velocity=a_velocity(timed=False, curve=False))
    found = anndata.read_h5ad(second)
    assert not any(name.startswith("fit_") for name in found.var)
    assert not any(name.startswith("fit_") for name in found.layers)
    assert "recover_dynamics" not in found.uns


def test_times_of_a_fit_of_scvelo_are_not_taken_for_those_of_our_velocity(tissue, tmp_path):
    first, second = tmp_path / "first.h5ad", tmp_path / "second.h5ad"
    write_h5ad(first, tissue)
    adata = anndata.read_h5ad(first)
    adata.layers["fit_t"] = np.ones((N, 2))
    adata.write_h5ad(first)
    write_h5ad(second, tissue, source=first, velocity=a_velocity(timed=False, curve=False))
    assert read_velocity(second).gene_time is None
    assert "fit_t" in anndata.read_h5ad(second).layers
