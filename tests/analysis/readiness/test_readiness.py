import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_tissue_dynamics.analysis.readiness import matrix_summary as matrix_facts
from napari_tissue_dynamics.analysis.readiness import readiness_checks
from napari_tissue_dynamics.analysis.readiness.matrix_summary import facts_steps
from napari_tissue_dynamics.analysis.readiness.readiness import readiness, readiness_steps, tissue_readiness_steps
from napari_tissue_dynamics.analysis.readiness.run_cost import steer_cost, travlr_cost
from napari_tissue_dynamics.data.io import ReadOptions, read_h5ad
from napari_tissue_dynamics.devices import free_memory
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import run_to_end

N, G = 90, 60


@pytest.fixture
def good(rng):
    """A file with nothing wrong."""
    spliced, unspliced = (rng.poisson(mean, (N, G)).astype(np.float32) for mean in (3.0, 1.0))
    adata = anndata.AnnData(
        np.log1p(spliced),
        obs=pd.DataFrame({"cell_type": pd.Categorical(["a", "b", "c"] * 30)}, index=[f"c{i}" for i in range(N)]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(G)]),
    )
    adata.layers["spliced"], adata.layers["unspliced"] = sparse.csr_matrix(spliced), sparse.csc_matrix(unspliced)
    adata.obsm["spatial"] = rng.uniform(0, 500, (N, 2))
    return adata


@pytest.fixture
def look(tmp_path):
    def report(adata, **options):
        path = tmp_path / "t.h5ad"
        adata.write_h5ad(path)
        return readiness(path, ReadOptions(**options))

    return report


def said(report, *, stops=None):
    return [each.what for each in report.problems if stops is None or each.stops == stops]


def test_a_good_file_is_ready(good, look):
    report = look(good)
    assert said(report) == []
    assert report.ready("velocity")
    assert report.ready("regulation")
    assert {role: found.kind for role, found in report.matrices.items()} == {
        "spliced": "counts",
        "unspliced": "counts",
        "expression": "logarithms",
    }
    assert report.cell_types == ("cell_type", 3)
    assert report.n_shared_genes == G
    assert report.headline.startswith("Ready for STEER (about ")
    text = str(report)
    assert "expression: X, not whole, at most" in text
    assert "Problem" not in text


@pytest.mark.parametrize("block", [7, 1 << 22])
@pytest.mark.parametrize("kind", ["csr", "csc", "dense", "csr file", "csc file", "dense file"])
def test_facts_are_those_of_the_whole_matrix(rng, tmp_path, monkeypatch, block, kind):
    monkeypatch.setattr(matrix_facts, "BLOCK", block)
    values = rng.poisson(0.4, (40, 9)).astype(np.float32)
    values[[3, 17]] = 0
    values[5, 2] = 6.5
    values[6, 1] = np.nan
    given = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}.get(kind[:3], np.asarray)(values)
    with h5py.File(tmp_path / "t.h5", "w") as file:
        if kind.endswith("file"):
            anndata.io.write_elem(file, "m", given)
            given = file["m"]
        found = run_to_end(facts_steps("m", given, values.shape))
    np.testing.assert_allclose(found.gene_totals, np.nansum(values, axis=0), rtol=1e-6)
    assert found.n_empty == int((np.nan_to_num(values) <= 0).all(axis=1).sum())
    assert (found.n_bad, found.highest, found.kind) == (1, max(6.5, np.nanmax(values)), "logarithms")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 3], "counts"),
        ([0.5, 2], "logarithms"),
        ([0.5, 900], "fractions"),
        ([-1, 2.5], "centered"),
        ([0, 0], "nothing"),
    ],
)
def test_kinds_of_numbers(values, kind):
    assert run_to_end(facts_steps("m", np.array([values], np.float32), (1, 2))).kind == kind


def test_names_places_and_numbers_that_stop(good, look):
    good.obs_names = ["c0"] * 2 + [f"c{i}" for i in range(2, N)]
    good.var_names = ["g1"] * 3 + [f"g{i}" for i in range(3, G)]
    good.obsm["spatial"][4, 1] = np.nan
    good.layers["spliced"].data[:5] = np.nan
    good.layers["unspliced"].data[2] = -1
    report = look(good)
    found = " ".join(said(report, stops=True))
    for words in (
        "1 cell name not unique (c0)",
        "1 gene name not unique (g1)",
        "1 of 90 cells have coordinates that are not finite numbers",
        "spliced (spliced) holds 5 values that are not finite",
        "unspliced counts (unspliced) hold values down to -1",
    ):
        assert words in found
    assert all(each.remedy for each in report.problems)
    assert not report.ready("velocity")
    assert report.headline.startswith("Not ready for model fitting. 5 problems")


def test_wrong_layers_are_noticed(good, look):
    good.layers["spliced"], good.layers["unspliced"] = good.layers["unspliced"].copy(), good.layers["spliced"].copy()
    total = {role: good.layers[role].sum() for role in ("spliced", "unspliced")}
    share = total["unspliced"] / sum(total.values())
    assert said(look(good)) == [f"{share:.1%} of the molecules are unspliced; 2% to 60% are typical."]
    report = look(good, spliced="X", unspliced="X", expression="unspliced")
    assert "The spliced counts (X) are not whole" in " ".join(said(report))
    assert "The expression (unspliced) holds raw counts." in said(report)


def test_missing_parts(good, look):
    del good.layers["unspliced"]
    report = look(good)
    assert said(report, stops=True) == ["There are no unspliced counts."]
    assert not report.ready("velocity")
    assert report.ready("regulation")
    assert report.headline.startswith("Ready for SpaceTravLR (about ")
    report = look(good, expression="", cell_type="")
    assert not report.ready("regulation")
    assert "No column of cell types was found." in said(report)
    report = look(good, spliced="nothing here")
    assert any("no layer 'nothing here'" in what for what in said(report, stops=True))
    good.obsm["X_pca"] = good.obsm.pop("spatial")
    assert any("shown in the embedding pca" in what for what in said(look(good)))
    del good.obsm["X_pca"]
    assert any("has no coordinates" in what for what in said(look(good), stops=True))


def test_few_genes_and_empty_cells(good, look):
    thin = good.layers["spliced"].tolil()
    thin[:, 40:] = 0
    thin[7] = 0
    good.layers["spliced"] = thin.tocsr()
    report = look(good)
    assert report.n_shared_genes == 40
    assert "Only 40 genes have at least 20 spliced and 20 unspliced molecules." in said(report)
    assert "1 of 90 cells have no counts in spliced (spliced)." in said(report)


def test_places_in_several_parts(good, look):
    good.obsm["spatial"][:20] += 10_000
    good.obsm["spatial"][80] = good.obsm["spatial"][81]
    report = look(good)
    assert report.n_parts == 2
    assert "20 cells in 1 part of fewer than 30 cells." in said(report)
    assert "1 cell with the same coordinates as another cell." in said(report)


def test_small_and_missing_types(good, look):
    good.obs["cell_type"] = pd.Categorical(["a"] * 70 + ["b"] * 15 + ["c"] + [None] * 4)
    report = look(good)
    assert "Type c of cell_type has a single cell." in said(report, stops=True)
    assert "Type b of cell_type has fewer than 20 cells." in said(report)
    assert "4 cells without a cell type in cell_type." in said(report)


def test_spots_beside_the_tissue(good, look):
    good.obs["in_tissue"] = (np.arange(N) < 60).astype(int)
    assert "30 of 90 spots are off-tissue (column in_tissue)." in said(look(good))
    good.obs["in_tissue"] = 1
    assert said(look(good)) == []


def test_memory_is_compared_with_what_is_free(good, look, monkeypatch):
    monkeypatch.setattr(readiness_checks, "free_memory", lambda: 2**20)
    found = said(look(good))
    assert any(what.startswith("STEER needs an estimated") and "(1 MB free)" in what for what in found)
    assert any(what.startswith("SpaceTravLR needs an estimated") for what in found)
    free = free_memory()
    assert free is None or free > 2**20


def test_matrices_of_a_read_tissue_give_the_same_report(good, tmp_path):
    path = tmp_path / "t.h5ad"
    good.write_h5ad(path)
    assert str(run_to_end(readiness_steps(path, tissue=read_h5ad(path)))) == str(readiness(path))


def test_no_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        readiness(tmp_path / "nowhere.h5ad")


@pytest.mark.parametrize(("n_cells", "n_genes", "seconds"), [(1200, 150, 45), (3000, 500, 159), (225, 2000, 67)])
def test_cost_of_steer_is_what_was_measured(n_cells, n_genes, seconds):
    assert steer_cost(n_cells, n_genes).seconds == pytest.approx(seconds, rel=0.35)


@pytest.mark.parametrize(("n_cells", "seconds", "mib"), [(1000, 1.5, 284), (5000, 4.2, 351), (20000, 13.3, 503)])
def test_cost_of_travlr_is_what_was_measured(n_cells, seconds, mib):
    cost = travlr_cost(n_cells)
    assert cost.seconds == pytest.approx(seconds, rel=0.2)
    assert cost.memory / 2**20 == pytest.approx(mib, rel=0.1)
    assert steer_cost(100_000, 2000).memory / 2**30 == pytest.approx(10.5, rel=0.1)


def test_a_tissue_without_a_file_gets_the_report_of_its_file(good, tmp_path):
    path = tmp_path / "t.h5ad"
    good.write_h5ad(path)
    from_file, without = readiness(path), run_to_end(tissue_readiness_steps(read_h5ad(path)))
    assert without.headline == from_file.headline
    assert said(without) == said(from_file)
    assert without.facts[0] == from_file.facts[0]
