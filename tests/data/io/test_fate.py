import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import pearsonr

from napari_tissue_dynamics.data.fate_result import FateDrivers, FateResult
from napari_tissue_dynamics.data.io import read_fate, write_h5ad
from napari_tissue_dynamics.data.io.fate import _drivers_table
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError

N, G = 12, 5


@pytest.fixture
def tissue(rng):
    return Tissue(
        cells=tuple(f"c{i}" for i in range(N)),
        genes=tuple(f"g{i}" for i in range(G)),
        positions=rng.normal(size=(N, 2)),
        spliced=sparse.csr_array(rng.poisson(2, (N, G)).astype(np.float32)),
        unspliced=sparse.csr_array(rng.poisson(1, (N, G)).astype(np.float32)),
    )


@pytest.fixture
def fate(rng):
    codes = np.full(N, -1, dtype=np.int32)
    codes[[0, 1]], codes[[2]] = 0, 1
    probabilities = rng.dirichlet([1, 1], N).astype(np.float32)
    probabilities[5] = np.nan
    r = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
    r[1, 0] = np.nan
    drivers = FateDrivers(("Alpha/Beta", "Delta"), ("g1", "g2", "g4"), r, rng.random((3, 2)), rng.random((3, 2)), N - 1)
    return FateResult(
        Labels("term_states_fwd", codes, ("Alpha/Beta", "Delta"), ("#ff0000", "#00ff00")),
        probabilities,
        Labels("init_states_fwd", np.roll(codes, 4).clip(max=0), ("Ductal",), ("#0000ff",)),
        np.where(codes >= 0, 0.75, 0).astype(np.float32),
        drivers,
    )


def velocity(rng):
    values = [rng.gamma(2, size=(N, G)).astype(np.float32) for _ in range(4)]
    return VelocityField(tuple(f"g{i}" for i in range(G)), *values)


def test_fates_come_back(tissue, fate, tmp_path):
    write_h5ad(tmp_path / "a.h5ad", tissue, fate=fate)
    found = read_fate(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(found.probabilities, fate.probabilities)
    np.testing.assert_array_equal(found.membership, fate.membership)
    for states, expected in ((found.terminal, fate.terminal), (found.initial, fate.initial)):
        np.testing.assert_array_equal(states.codes, expected.codes)
        assert (states.categories, states.colors) == (expected.categories, expected.colors)
    assert found.n_unreachable == 1
    assert found.drivers.genes == fate.drivers.genes
    for name in ("correlation", "p_value", "fdr"):
        np.testing.assert_allclose(getattr(found.drivers, name), getattr(fate.drivers, name))
    assert found.drivers.n_cells == N - 1


def test_anndata_sees_the_keys_of_cellrank(tissue, fate, tmp_path):
    write_h5ad(tmp_path / "a.h5ad", tissue, fate=fate)
    adata = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert list(adata.obs["term_states_fwd"].cat.categories) == ["Alpha/Beta", "Delta"]
    assert adata.obs["term_states_fwd"].isna().sum() == N - 3
    assert adata.obs["term_states_fwd_probs"].isna().sum() == N - 3
    assert list(adata.uns["term_states_fwd_colors"]) == ["#ff0000", "#00ff00"]
    assert adata.obsm["lineages_fwd"].shape == (N, 2)
    columns = adata.varm["terminal_lineage_drivers"].columns
    assert list(columns[5:]) == [f"Delta_{kind}" for kind in ("corr", "pval", "qval", "ci_low", "ci_high")]
    low, r, high = (
        adata.varm["terminal_lineage_drivers"][f"Delta_{kind}"].to_numpy() for kind in ("ci_low", "corr", "ci_high")
    )
    kept = np.isfinite(r)
    assert ((low < r) & (r < high))[kept].all()


def test_fates_of_another_program_are_read(tissue, tmp_path):
    write_h5ad(tmp_path / "a.h5ad", tissue)
    adata = anndata.read_h5ad(tmp_path / "a.h5ad")
    adata.obs["term_states_fwd"] = pd.Categorical(["x", "y", *[None] * (N - 2)])
    adata.obsm["lineages_fwd"] = np.tile([0.25, 0.75], (N, 1))
    adata.write_h5ad(tmp_path / "b.h5ad")
    found = read_fate(tmp_path / "b.h5ad")
    assert found.names == ("x", "y")
    assert (found.fate == 1).all()
    assert found.drivers is None


def test_no_fates_are_one_sentence(tissue, tmp_path):
    write_h5ad(tmp_path / "a.h5ad", tissue)
    with pytest.raises(DataError, match="holds no fates"):
        read_fate(tmp_path / "a.h5ad")


def test_a_new_velocity_takes_the_fates_of_the_last_away(tissue, fate, tmp_path, rng):
    write_h5ad(tmp_path / "a.h5ad", tissue, velocity=velocity(rng), fate=fate)
    write_h5ad(tmp_path / "b.h5ad", tissue, source=tmp_path / "a.h5ad", velocity=velocity(rng))
    with pytest.raises(DataError, match="holds no fates"):
        read_fate(tmp_path / "b.h5ad")
    adata = anndata.read_h5ad(tmp_path / "b.h5ad")
    assert "terminal_lineage_drivers" not in adata.varm
    assert "term_states_fwd_colors" not in adata.uns


def test_fates_of_other_cells_are_one_sentence(tissue, fate, tmp_path):
    with pytest.raises(DataError, match="fates are of 12 cells"):
        write_h5ad(tmp_path / "a.h5ad", tissue.select_cells(np.arange(5)), fate=fate)


def graph(rng):
    neighbors = np.array([rng.permutation(np.delete(np.arange(N), i))[:3] for i in range(N)], dtype=np.int32)
    neighbors[0] = 0
    return VelocityChecks(neighbors=neighbors, cosines=rng.uniform(-1, 1, (N, 3)).astype(np.float32))


def test_neighbors_of_the_graph_lie_where_scanpy_looks(tissue, tmp_path, rng):
    field, checks = velocity(rng), graph(rng)
    write_h5ad(tmp_path / "a.h5ad", tissue, velocity=field, checks=checks)
    adata = anndata.read_h5ad(tmp_path / "a.h5ad")
    scaled = field.moments_spliced / field.moments_spliced.max(axis=0)
    distances = adata.obsp["distances"].toarray()
    joined = np.zeros((N, N))
    for i, row in enumerate(checks.neighbors):
        for j in row[row != i]:
            joined[i, j] = 1
            assert distances[i, j] == pytest.approx(np.linalg.norm(scaled[i] - scaled[j]), rel=1e-5)
    np.testing.assert_array_equal(distances > 0, joined > 0)
    np.testing.assert_allclose(adata.obsp["connectivities"].toarray(), (joined + joined.T) / 2)
    assert adata.uns["neighbors"]["distances_key"] == "distances"


def test_neighbors_are_replaced_with_the_velocity_but_those_of_others_stay(tissue, tmp_path, rng):
    write_h5ad(tmp_path / "a.h5ad", tissue, velocity=velocity(rng), checks=graph(rng))
    write_h5ad(tmp_path / "b.h5ad", tissue, source=tmp_path / "a.h5ad", velocity=velocity(rng), checks=graph(rng))
    first, second = (anndata.read_h5ad(tmp_path / name).obsp["distances"].toarray() for name in ("a.h5ad", "b.h5ad"))
    assert (first != second).any()
    adata = anndata.read_h5ad(tmp_path / "b.h5ad")
    adata.uns["neighbors"]["params"]["method"] = "umap"
    adata.write_h5ad(tmp_path / "c.h5ad")
    write_h5ad(tmp_path / "d.h5ad", tissue, source=tmp_path / "c.h5ad", velocity=velocity(rng), checks=graph(rng))
    np.testing.assert_array_equal(anndata.read_h5ad(tmp_path / "d.h5ad").obsp["distances"].toarray(), second)


def test_bounds_of_a_correlation_are_those_of_scipy(rng):
    x = rng.normal(size=(40, 3))
    x[:, 1:] += x[:, :1]
    found = [pearsonr(x[:, 0], x[:, k]) for k in (1, 2)]
    r, p = (np.array([[getattr(each, name) for each in found]]) for name in ("statistic", "pvalue"))
    table = _drivers_table(FateDrivers(("A", "B"), ("g1",), r.astype(np.float32), p, p, 40), ("g0", "g1"))
    assert np.isnan(table.loc["g0"]).all()
    for each, name in zip(found, "AB", strict=True):
        bounds = each.confidence_interval(0.95)
        np.testing.assert_allclose(table.loc["g1", [f"{name}_ci_low", f"{name}_ci_high"]], [*bounds], rtol=1e-5)
