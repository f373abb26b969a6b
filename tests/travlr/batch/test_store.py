"""Fitted genes on disk: what comes back is what was written, and only what is asked for is read."""

from __future__ import annotations

import os
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from napari_tissue_dynamics.data.beta_factors import BetaFactors
from napari_tissue_dynamics.data.regulation_field import GeneFit
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.travlr.batch.export_betadata import export_legacy_steps
from napari_tissue_dynamics.travlr.batch.run_manifest import RunRecord
from napari_tissue_dynamics.travlr.batch.store import BetaStore
from napari_tissue_dynamics.travlr.batch.tensor_file import TensorFile, write_tensors
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.fit_inputs import Ground

CONFIG = TravlrConfig(estimator="network", epochs=0)
MODULATORS = ("Sox2", "Wnt5a$Fzd2", "Wnt5a#Pax6", "Pax6")


@pytest.fixture
def store(tissue, tmp_path):
    return BetaStore.start(tmp_path / "run", RunRecord.of(Ground.of(tissue, CONFIG), CONFIG), tissue)


def factors(rng, bend="identity", basis=None):
    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    anchors = draw(2, 5)
    anchors[:, 3] = 0
    codes = np.where(np.arange(120) < 7, -1, np.arange(120) % 2).astype(np.int32)
    return BetaFactors(draw(120, 6) if basis is None else basis, codes, draw(2, 6, 5), anchors, bend)


def dense(rng):
    betas = rng.normal(size=(120, 5)).astype(np.float32)
    betas[:, [0, 2]] = 0
    return betas


def fitted(coefficients, target="Axin2", rng=None):
    return GeneFit(
        target,
        MODULATORS,
        coefficients,
        clusters=("left", "right"),
        seed_r2=(0.1, float("nan")),
        fit_r2=(0.3, 1 / 3),
        effects=(0.1, 0.2, 0.3, 0.4),
        blocked_r2=(0.2, -0.5),
        deviations=np.arange(10, dtype=np.float32).reshape(2, 5),
        false_discovery=np.full((2, 4), 0.25, dtype=np.float32),
        stopped=True,
    )


@pytest.mark.parametrize("kind", ["identity", "sigmoidx2", "dense"])
def test_a_gene_comes_back_as_it_was(store, rng, kind):
    coefficients = dense(rng) if kind == "dense" else factors(rng, kind)
    before = fitted(coefficients)
    after = store.write(before)
    for entry in fields(GeneFit):
        if entry.name == "coefficients":
            continue
        one, other = getattr(before, entry.name), getattr(after, entry.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        else:
            assert one == other or (entry.name == "seed_r2" and np.array_equal(one, other, equal_nan=True))
    np.testing.assert_allclose(after.betas, before.betas, rtol=1e-6, atol=1e-7)
    for name in ("beta0", *MODULATORS):
        np.testing.assert_allclose(after.beta(name), before.beta(name), rtol=1e-6, atol=1e-7)
    cells, columns = np.array([50, 3, 119]), np.array([4, 0, 3])
    some = after.coefficients.values(columns, cells)
    np.testing.assert_allclose(some, before.betas[np.ix_(cells, columns)], rtol=1e-6, atol=1e-7)


def test_the_functions_of_many_genes_are_kept_once(store, rng):
    first = factors(rng)
    store.write(fitted(first, "A"))
    store.write(fitted(factors(rng, basis=first.basis.copy()), "B"))
    assert len(list((store.path / "bases").iterdir())) == 1
    store.write(fitted(factors(rng), "C"))
    assert len(list((store.path / "bases").iterdir())) == 2
    assert (store.path / "genes" / "A.safetensors").stat().st_size < 3000


def test_genes_with_odd_names_and_what_is_asked_for_by_name(store, rng):
    odd = "HLA-DRB1/B5 (x).1"
    store.write(fitted(dense(rng), odd))
    store.write_failure("Gone", "no regulators")
    again = BetaStore.open(store.path)
    assert again.targets == (odd,)
    assert odd in again
    assert "Gone" not in again
    field = again.field()
    assert field.targets == (odd,)
    assert dict(field.failed) == {"Gone": "no regulators"}
    with pytest.raises(DataError, match="'Nope' is not among the 1 genes"):
        again.gene("Nope")
    store.write(fitted(dense(rng), "Gone"))
    assert not again.failed


def test_another_run_in_the_same_place_is_refused_with_what_differs(store, tissue):
    def start(other, config):
        return BetaStore.start(store.path, RunRecord.of(Ground.of(other, config), config), other)

    assert start(tissue, replace(CONFIG, device="cpu")).targets == ()
    with pytest.raises(DataError, match=r"radius 0.0 \(now 30.0\).*choose another folder"):
        start(tissue, replace(CONFIG, radius=30.0))
    changed = tissue.expression.copy()
    changed[5, 0] += 1
    with pytest.raises(DataError, match="other expression"):
        start(tissue.with_(expression=changed), CONFIG)
    codes = tissue.cell_types.codes.copy()
    codes[0] = 1 - codes[0]
    with pytest.raises(DataError, match="other cell types"):
        start(tissue.with_(cell_types=Labels("kind", codes, ("left", "right"))), CONFIG)


def test_damaged_files_give_a_sentence(store, rng, tmp_path):
    store.write(fitted(dense(rng)))
    file = store.path / "genes" / "Axin2.safetensors"
    whole = file.read_bytes()
    for part in (whole[:-100], whole[:20], b"", b"\xff" * 300):
        file.write_bytes(part)
        with pytest.raises(DataError, match="damaged"):
            store.gene("Axin2")
    with pytest.raises(DataError, match="has no run_params"):
        BetaStore.open(tmp_path)
    (tmp_path / "run_params.json").write_text('{"radius": 3}')
    with pytest.raises(DataError, match="not the record of a run of this program"):
        BetaStore.open(tmp_path)


def test_arrays_of_a_file_are_views_into_it(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "none": np.zeros((0, 4)), "b": np.array([True, False])}
    arrays |= {"odd": np.arange(3, dtype=np.int8), "cube": np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)}
    write_tensors(tmp_path / "x", arrays, {"k": [1, "é"]})
    for name, array in load_file(tmp_path / "x").items():
        np.testing.assert_array_equal(array, arrays[name])
    write_tensors(tmp_path / "rows", {"a": list(arrays["a"]), "no rows": []}, {})
    np.testing.assert_array_equal(load_file(tmp_path / "rows")["a"], arrays["a"])
    found = TensorFile.open(tmp_path / "x")
    assert found.header == {"k": [1, "é"]}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.array(name), array)
    assert isinstance(found.array("a"), np.memmap)
    assert not found.array("a").flags.writeable


def test_looking_at_many_genes_holds_no_files_open(store, rng):
    fit = fitted(factors(rng))
    for k in range(30):
        store.write(replace(fit, target=f"G{k}"))
    field = store.field()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    total = sum(float(gene.beta("Sox2").sum()) for gene in field.genes)
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert np.isfinite(total)
    assert after <= before + 2


def test_tables_of_the_original_package(store, rng, tissue, tmp_path):
    before = {"A": fitted(dense(rng), "A"), "B/x": fitted(factors(rng), "B/x")}
    for fit in before.values():
        store.write(fit)
    assert run_to_end(export_legacy_steps(store, tmp_path / "out")) == 2
    table = pd.read_parquet(tmp_path / "out" / "A_betadata.parquet")
    assert list(table.columns) == ["beta_Sox2", "beta_Wnt5a#Pax6", "beta_Pax6"]  # others are zero
    assert list(table.index) == list(tissue.cells)
    assert (table.dtypes == np.float32).all()
    np.testing.assert_array_equal(table["beta_Pax6"], before["A"].beta("Pax6"))
    other = pd.read_parquet(tmp_path / "out" / "B%2Fx_betadata.parquet")
    assert list(other.columns) == ["beta0", "beta_Sox2", "beta_Wnt5a$Fzd2", "beta_Pax6"]
    with pytest.raises(DataError, match="the run itself"):
        run_to_end(export_legacy_steps(store, store.path))


def test_what_is_told_from_chance_comes_before_what_is_only_large():
    betas = np.zeros((2, 4), dtype=np.float32)
    rates = np.array([[0.9, 0.05, 0.02], [0.8, 0.5, 0.9]], dtype=np.float32)
    gene = GeneFit("Sox2", ("A", "B", "C"), betas, ("left", "right"), effects=(3.0, 1.0, 2.0), false_discovery=rates)
    assert gene.strongest == "C"
    assert replace(gene, false_discovery=np.ones_like(rates)).strongest == "A"
