"""What lies in a file lies in an AnnData in memory under the same keys, and comes back the same."""

from __future__ import annotations

from dataclasses import fields, replace

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.data.fate_result import FateDrivers, FateResult
from napari_tissue_dynamics.data.io import (
    contents,
    from_anndata,
    read_arrows,
    read_checks,
    read_fate,
    read_regulation,
    read_velocity,
    save_anndata,
    write_h5ad,
    write_into,
)
from napari_tissue_dynamics.data.io.new_anndata import new_anndata
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError

N, G = 24, 9
MODELLED = (7, 2, 4)  # not in the order of the AnnData


def counts(seed):
    return sparse.csr_array(np.random.default_rng(seed).poisson(0.8, (N, G)).astype(np.float32))


@pytest.fixture
def tissue():
    types = Labels("kind", np.arange(N, dtype=np.int32) % 2, ("a", "b"))
    positions = np.random.default_rng(5).uniform(0, 90, (N, 2))
    cells, genes = tuple(f"cell{i}" for i in range(N)), tuple(f"gene{i}" for i in range(G))
    return Tissue(cells, genes, positions, spliced=counts(1), unspliced=counts(2), cell_types=types)


@pytest.fixture
def results():
    rng = np.random.default_rng(0)

    def per_gene():
        return rng.random((N, len(MODELLED))).astype(np.float32)

    velocity = VelocityField(
        tuple(f"gene{i}" for i in MODELLED),
        **{name: per_gene() for name in ("spliced", "unspliced", "moments_spliced", "moments_unspliced", "gamma")},
        time=rng.random(N).astype(np.float32),
        expert_probability=rng.dirichlet(np.ones(2), N).astype(np.float32),
        gene_weight=rng.random(len(MODELLED)).astype(np.float32),
        model="STEER",
        evidence=VelocityEvidence("weak", 2.5, 1.5, (3.0, np.nan), {"E9/left": "none", "": "supported"}, "Few genes."),
    )
    neighbors = (np.arange(N)[:, None] + np.arange(1, 5)) % N
    cosines = rng.uniform(-1, 1, neighbors.shape)
    tables = {"summary": pd.DataFrame({"cells of a/b": [N]}), "genes": pd.DataFrame({"gene": ["x"]})}
    checks = VelocityChecks(
        neighbor_correlation=rng.random(N),
        confidence=rng.random(N),
        neighbors=neighbors,
        cosines=cosines,
        tables=tables,
    )
    betas = rng.normal(size=(N, 3)).astype(np.float32)
    fit = GeneFit("gene1", ("gene2", "gene3$gene4"), betas, ("a", "b"), (0.5, np.nan), (0.4, 0.3))
    terminal = Labels("term_states_fwd", np.where(np.arange(N) < 4, 0, -1).astype(np.int32), ("b",), ("#102030",))
    p = rng.random((3, 1))
    drivers = FateDrivers(("b",), ("gene1", "gene3", "gene5"), rng.uniform(-1, 1, (3, 1)).astype(np.float32), p, p, N)
    return {
        "velocity": velocity,
        "projections": {"spatial": rng.normal(size=(N, 2))},
        "checks": checks,
        "regulation": RegulationField((fit,)),
        "fate": FateResult(terminal, np.ones((N, 1), np.float32), drivers=drivers),
        "provenance": {"seed": 3},
    }


def same(one, other, where=""):
    if hasattr(one, "keys") and not hasattr(one, "columns"):
        assert set(one.keys()) == set(other.keys()), where
        for key in one.keys():  # noqa: SIM118  # mappings of AnnData
            same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_index_type=False, check_column_type=False)
    elif sparse.issparse(one):
        assert_array_equal(one.toarray(), other.toarray(), err_msg=where)
    else:
        assert_array_equal(one, other, err_msg=where)


def test_memory_and_file_hold_the_same(tmp_path, tissue, results):
    write_h5ad(tmp_path / "file.h5ad", tissue, **results)
    file, memory = anndata.read_h5ad(tmp_path / "file.h5ad"), new_anndata(tissue)
    write_into(memory, tissue, **results)
    for group in ("layers", "obsm", "obsp", "varm", "uns"):
        same(getattr(memory, group), getattr(file, group), group)
    pd.testing.assert_frame_equal(memory.obs, file.obs, check_index_type=False)
    pd.testing.assert_frame_equal(memory.var, file.var, check_index_type=False)


def test_results_come_back_from_memory_as_from_a_file(tmp_path, tissue, results):
    memory = new_anndata(tissue)
    write_into(memory, tissue, **results)
    save_anndata(tmp_path / "saved.h5ad", memory)
    for read in (read_velocity, read_checks, read_fate):
        one, other = read(memory), read(tmp_path / "saved.h5ad")
        for field in fields(one):
            if isinstance(getattr(one, field.name), np.ndarray):
                assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)
    assert read_velocity(memory).genes == results["velocity"].genes
    assert_array_equal(read_arrows(memory, "spatial"), results["projections"]["spatial"].astype(np.float32))
    assert_array_equal(read_regulation(memory)["gene1"].betas, results["regulation"]["gene1"].betas)
    assert set(contents(memory).layers) == set(contents(tmp_path / "saved.h5ad").layers)


def test_an_anndata_in_memory_can_be_the_source_of_a_file(tmp_path, tissue, results):
    memory = new_anndata(tissue)
    memory.obs["note"] = [f"text {i}" for i in range(N)]
    memory.uns["foreign"] = {"kept": 1}
    some = from_anndata(memory).select_cells(np.arange(5, 15))
    write_h5ad(tmp_path / "all.h5ad", from_anndata(memory), source=memory, velocity=results["velocity"])
    write_h5ad(tmp_path / "some.h5ad", some, source=memory)
    assert list(anndata.read_h5ad(tmp_path / "some.h5ad").obs_names) == list(some.cells)
    written = anndata.read_h5ad(tmp_path / "all.h5ad")
    assert written.uns["foreign"] == {"kept": 1}
    assert "velocity" in written.layers
    assert "velocity" not in memory.layers
    assert memory.obs["note"].dtype != "category"


def test_results_replace_those_before_and_leave_the_rest(tissue, results):
    memory = new_anndata(tissue)
    memory.obs["mine"] = np.arange(N)
    memory.layers["mine"] = np.ones((N, G))
    before = {group: set(getattr(memory, group)) for group in ("layers", "obs", "var", "uns", "obsm")}
    write_into(memory, tissue, **results)
    field = results["velocity"]
    steady = VelocityField(field.genes, field.spliced, field.unspliced, field.moments_spliced, field.moments_unspliced)
    write_into(memory, tissue, velocity=steady)
    added = {group: set(getattr(memory, group)) - names for group, names in before.items()}
    assert added == {
        "layers": {"velocity", "velocity_u", "Ms", "Mu"},
        "obs": set(),
        "var": {"velocity_genes"},
        "uns": {"velocity_params", "tissue_dynamics"},
        "obsm": {"betas_gene1"},
    }


def test_results_of_other_cells_are_refused_before_anything_is_written(tissue, results):
    memory = new_anndata(tissue)
    with pytest.raises(DataError, match="cells"):
        write_into(memory[:10].copy(), tissue, **results)
    with pytest.raises(DataError, match="genes of the velocity"):
        write_into(memory, tissue.with_(genes=tuple(f"g{i}" for i in range(G))), velocity=results["velocity"])
    assert "velocity" not in memory.layers


def test_what_cannot_be_stored_is_named_and_no_file_is_left(tmp_path, tissue):
    memory = new_anndata(tissue)
    memory.uns["strange"] = object()
    with pytest.raises(DataError, match="strange"):
        save_anndata(tmp_path / "a.h5ad", memory)
    assert not list(tmp_path.iterdir())


def test_evidence_comes_back_whole_and_its_sentence_can_be_read(tmp_path, tissue, results):
    evidence = results["velocity"].evidence
    write_h5ad(tmp_path / "file.h5ad", tissue, **results)
    stored = anndata.read_h5ad(tmp_path / "file.h5ad").uns["velocity_evidence"]
    assert (stored["verdict"], float(stored["pairing_z"]), float(stored["lag_z"])) == ("weak", 2.5, 1.5)
    assert stored["sentence"] == evidence.sentence
    found = read_velocity(tmp_path / "file.h5ad").evidence
    for name in ("verdict", "pairing_z", "lag_z", "caution", "sentence"):
        assert getattr(found, name) == getattr(evidence, name)
    assert dict(found.samples) == evidence.samples
    assert_array_equal(found.regime_z, evidence.regime_z)


def test_a_velocity_that_was_not_tested_takes_the_evidence_of_an_earlier_one_away(tissue, results):
    memory = new_anndata(tissue)
    write_into(memory, tissue, **results)
    memory.obs["velocity_null_pvalue"] = memory.obs["latent_time_spread"] = 0.5  # of an earlier version
    write_into(memory, tissue, velocity=replace(results["velocity"], evidence=None))
    assert "velocity_evidence" not in memory.uns
    assert not {"velocity_null_pvalue", "latent_time_spread", "velocity_local_confidence"} & set(memory.obs)
    assert read_velocity(memory).evidence is None


@pytest.mark.parametrize("stored", [
    {"verdict": "certain", "pairing_z": 1.0, "lag_z": 1.0}, {"verdict": "weak", "pairing_z": "high", "lag_z": 1.0},
    {"verdict": "weak"}, "weak", np.arange(3), {"verdict": "weak", "pairing_z": 1, "lag_z": 1, "samples": ["a"]},
])  # fmt: skip
def test_what_is_no_evidence_is_none(tmp_path, tissue, results, stored):
    memory = new_anndata(tissue)
    write_into(memory, tissue, velocity=results["velocity"])
    memory.uns["velocity_evidence"] = stored
    save_anndata(tmp_path / "file.h5ad", memory)
    for source in (memory, tmp_path / "file.h5ad"):
        assert read_velocity(source).evidence is None


def test_files_of_earlier_versions_open_as_not_tested(tmp_path, tissue, results):
    memory = new_anndata(tissue)
    write_into(memory, tissue, velocity=replace(results["velocity"], evidence=None), checks=results["checks"])
    for key in ("velocity_direction_confidence", "velocity_null_pvalue", "velocity_null_length", "latent_time_spread"):
        memory.obs[key] = 0.5
    memory.obs["velocity_above_null"] = True
    memory.uns["velocity_params"] |= {"null_shuffle": "signs", "null_shuffles": 99}
    save_anndata(tmp_path / "file.h5ad", memory)
    assert read_velocity(tmp_path / "file.h5ad").evidence is None
    assert_array_equal(read_checks(tmp_path / "file.h5ad").neighbors, results["checks"].neighbors)
