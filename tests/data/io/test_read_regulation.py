"""Betas come back from a file with all that the fit says of them."""

import shutil
from dataclasses import fields

import anndata
import numpy as np
import pytest

from napari_tissue_dynamics.data.beta_factors import BetaFactors
from napari_tissue_dynamics.data.io import read_regulation, regulation, write_h5ad, write_into
from napari_tissue_dynamics.data.io.new_anndata import new_anndata
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.errors import DataError

N, TYPES, FUNCTIONS = 40, 3, 5
MODULATORS = ("Sox2", "Wnt5a$Fzd1_Lrp6", "A/B$100%", "Bmp4#Pax6")
WIDTH = 1 + len(MODULATORS)


@pytest.fixture
def tissue():
    positions = np.random.default_rng(0).uniform(size=(N, 2))
    counts = np.ones((N, 2), dtype=np.float32)
    return Tissue(tuple(f"c{i}" for i in range(N)), ("A", "B"), positions, expression=counts)


def factors(seed, basis, bend="identity"):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(TYPES, FUNCTIONS, WIDTH)).astype(np.float32)
    anchors = rng.normal(size=(TYPES, WIDTH)).astype(np.float32)
    (weights if bend == "identity" else anchors)[..., 2] = 0  # a modulator that was screened out
    return BetaFactors(basis, (np.arange(N) % (TYPES + 1) - 1).astype(np.int32), weights, anchors, bend)


def a_fit(target, coefficients, seed=0):
    rng = np.random.default_rng(seed)
    return GeneFit(
        target,
        MODULATORS,
        coefficients,
        ("a", "b", "c/d"),
        seed_r2=(1 / 3, float("nan"), 0.1),
        fit_r2=(0.5, 0.25, float("nan")),
        effects=tuple(rng.random(len(MODULATORS)).tolist()),
        held_out_r2=(0.4, 1 / 7, -0.1),
        blocked_r2=(0.3, float("nan"), 0.0),
        deviations=rng.random((TYPES, WIDTH)).astype(np.float32),
        false_discovery=rng.random((TYPES, len(MODULATORS))).astype(np.float32),
        contact_ligands=("Bmp4",),
        stopped=True,
    )


@pytest.fixture
def field():
    rng = np.random.default_rng(7)
    basis, other = (rng.random((N, FUNCTIONS)).astype(np.float32) for _ in range(2))
    dense = rng.normal(size=(N, WIDTH)).astype(np.float32)
    lean = GeneFit("Lean", MODULATORS[:1], dense[:, :2].copy(), ("a",))
    fits = (
        a_fit("Table", dense),
        a_fit("H2/K%1", factors(1, basis), 1),
        a_fit("Same basis", factors(2, basis), 2),
        a_fit("Bent", factors(3, other, "sigmoidx2"), 3),
        lean,
    )
    return RegulationField(fits, stopped=True, failed={"Gone": "It is the same in all cells."})


def assert_same(found, expected):
    assert found.targets == expected.targets
    assert found.stopped == expected.stopped
    assert found.failed == expected.failed
    for one, other in zip(found.genes, expected.genes, strict=True):
        np.testing.assert_array_equal(one.betas, other.betas)
        for each in fields(GeneFit):
            if each.name != "coefficients":
                np.testing.assert_equal(getattr(one, each.name), getattr(other, each.name), err_msg=each.name)


@pytest.mark.parametrize("in_memory", [False, True])
def test_every_field_comes_back(tissue, field, tmp_path, in_memory):
    where = new_anndata(tissue) if in_memory else tmp_path / "out.h5ad"
    if in_memory:
        write_into(where, tissue, regulation=field)
    else:
        write_h5ad(where, tissue, regulation=field)
    found = read_regulation(where)
    assert_same(found, field)
    bases = [found[name].coefficients for name in ("H2/K%1", "Same basis", "Bent")]
    assert all(isinstance(each, BetaFactors) for each in bases)
    assert bases[0].basis is bases[1].basis
    assert isinstance(found["Table"].coefficients, np.ndarray)


def test_factors_of_many_genes_are_written_without_tables(tissue, field, tmp_path, monkeypatch):
    monkeypatch.setattr(regulation, "MOST_TABLES", 100)
    write_h5ad(tmp_path / "out.h5ad", tissue, regulation=field)
    assert_same(read_regulation(tmp_path / "out.h5ad"), RegulationField(
        field.genes, stopped=field.stopped, failed=field.failed))  # fmt: skip
    tables = [key for key in anndata.read_h5ad(tmp_path / "out.h5ad").obsm if key.startswith("betas_")]
    assert sorted(tables) == ["betas_Lean", "betas_Table"]


def test_large_tables_stay_in_the_file(tissue, field, tmp_path, monkeypatch):
    monkeypatch.setattr(regulation, "MOST_READ", 100)
    path = tmp_path / "out.h5ad"
    write_h5ad(path, tissue, regulation=field)
    found, expected = read_regulation(path), field["Table"]
    lazy = found["Table"]
    assert isinstance(lazy.coefficients, regulation.TableInFile)
    assert_same(found, field)
    np.testing.assert_array_equal(lazy.beta("Bmp4#Pax6"), expected.beta("Bmp4#Pax6"))
    cells = np.array([30, 2])
    np.testing.assert_array_equal(lazy.coefficients.values(cells=cells), expected.betas[cells])
    write_h5ad(path, tissue, source=path, regulation=found, overwrite_source=True)
    np.testing.assert_array_equal(lazy.betas, expected.betas)

    changed = RegulationField((a_fit("Table", expected.betas + 1, seed=9),))
    write_h5ad(path, tissue, source=path, regulation=changed, overwrite_source=True)
    with pytest.raises(DataError, match="other betas"):
        _ = lazy.betas
    path.unlink()
    with pytest.raises(DataError, match="no file"):
        _ = lazy.betas


def test_another_run_leaves_nothing_of_the_first(tissue, field, tmp_path):
    first, second = tmp_path / "first.h5ad", tmp_path / "second.h5ad"
    write_h5ad(first, tissue, regulation=field)
    lean = RegulationField(field.genes[-1:])
    write_h5ad(second, tissue, source=first, regulation=lean)
    adata = anndata.read_h5ad(second)
    assert set(adata.obsm) == {"spatial", "betas_Lean"}
    assert "regulation" not in adata.uns
    assert_same(read_regulation(second), lean)


def test_betas_of_chosen_cells_stay_those_of_the_cells(tissue, field, tmp_path):
    write_h5ad(tmp_path / "all.h5ad", tissue, regulation=field)
    cells = np.array([3, 17, 30])
    anndata.read_h5ad(tmp_path / "all.h5ad")[cells].copy().write_h5ad(tmp_path / "some.h5ad")
    for fit in read_regulation(tmp_path / "some.h5ad").genes:
        np.testing.assert_allclose(fit.betas, field[fit.target].betas[cells], rtol=1e-5)


def test_files_of_older_versions_and_without_a_record_are_read(tissue, field, tmp_path):
    write_h5ad(tmp_path / "out.h5ad", tissue, regulation=RegulationField(field.genes[:1]))
    adata = anndata.read_h5ad(tmp_path / "out.h5ad")
    del adata.uns["tissue_dynamics"], adata.uns["regulation"]
    adata.write_h5ad(tmp_path / "old.h5ad")
    found = read_regulation(tmp_path / "old.h5ad")["Table"]
    assert found.modulators == MODULATORS
    assert found.false_discovery is None
    np.testing.assert_array_equal(found.betas, field["Table"].betas)


def test_settings_of_results_that_stay_are_kept(tissue, field, tmp_path):
    from napari_tissue_dynamics.data.io import read_provenance

    first, second = tmp_path / "first.h5ad", tmp_path / "second.h5ad"
    made = {"settings": {"TravlrConfig": {"radius": 80.0}}}
    write_h5ad(first, tissue, regulation=field, provenance=made)
    write_h5ad(second, tissue, source=first, provenance={"settings": {"Other": {}}})
    assert read_provenance(second)["provenance"]["settings"] == {"TravlrConfig": {"radius": 80.0}, "Other": {}}
    shutil.copy(second, first)
    write_h5ad(second, tissue, source=first, regulation=field, provenance={"settings": {}})
    assert read_provenance(second)["provenance"]["settings"] == {}
