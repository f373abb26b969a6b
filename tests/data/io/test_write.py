from __future__ import annotations

import json
from dataclasses import fields

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial import cKDTree

from napari_tissue_dynamics.data.io import (
    ReadOptions,
    read_h5ad,
    read_provenance,
    read_regulation,
    read_velocity,
    write_h5ad,
)
from napari_tissue_dynamics.data.io import write as anndata_write
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.tissue import Histology, Labels, Tissue
from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError

N, G = 30, 11
MODELLED = (7, 2, 9, 4)  # not in the order of the file


def random_counts(seed: int) -> sparse.csr_array:
    return sparse.csr_array(np.random.default_rng(seed).poisson(0.7, (N, G)).astype(np.float32))


def make_tissue(**changes) -> Tissue:
    positions = np.random.default_rng(5).uniform(-40, 90, (N, 2))
    content = {
        "cells": tuple(f"cell{i}" for i in range(N)),
        "genes": tuple(f"gene{i}" for i in range(G)),
        "positions": positions,
        "spliced": random_counts(1),
        "unspliced": random_counts(2),
        "expression": np.random.default_rng(3).normal(size=(N, G)).astype(np.float32),
        "cell_types": Labels("kind", np.arange(N, dtype=np.int32) % 3 - 1, ("b", "a"), ("#010203", "#aabbcc")),
        "unit": "um",
        "counts_meaning": "unspliced = nuclear RNA",
    }
    return Tissue(**(content | changes))


def make_velocity(seed=0, experts=12, **changes) -> VelocityField:
    rng = np.random.default_rng(seed)
    per_gene = ("spliced", "unspliced", "moments_spliced", "moments_unspliced", "alpha", "beta", "gamma", "regulation")
    content = {name: rng.normal(size=(N, len(MODELLED))).astype(np.float32) for name in per_gene}
    content |= {
        "genes": tuple(f"gene{i}" for i in MODELLED),
        "time": rng.random(N).astype(np.float32),
        "expert_probability": rng.dirichlet(np.ones(experts), N).astype(np.float32),
        "embedding": rng.normal(size=(N, 6)).astype(np.float32),
        "gene_weight": rng.random(len(MODELLED)).astype(np.float32),
        "model": "STEER",
        "stopped": True,
    }
    return VelocityField(**(content | changes))


def make_checks() -> VelocityChecks:
    rng = np.random.default_rng(4)
    neighbors = (np.arange(N)[:, None] + np.arange(1, 6)) % N
    return VelocityChecks(
        neighbor_correlation=np.linspace(0, 1, N),
        confidence=rng.random(N),
        neighbors=neighbors,
        cosines=rng.uniform(-1, 1, neighbors.shape),
        self_transition=rng.random(N),
        tables={"summary": pd.DataFrame({"cells": [N]}), "genes": pd.DataFrame({"gene": ["a"]})},
    )


def make_regulation(*targets: str) -> RegulationField:
    rng = np.random.default_rng(1)
    modulators = ("Sox2", "Wnt5a$Fzd1_Lrp6", "A/B$100%", "Bmp4#Pax6")
    fits = [
        GeneFit(
            target,
            modulators[: 1 + i % 4],
            rng.normal(size=(N, 2 + i % 4)).astype(np.float32),
            clusters=("a", "b"),
            seed_r2=(0.25, float("nan")),
            fit_r2=(0.5, float("nan")),
            stopped=bool(i % 2),
        )
        for i, target in enumerate(targets)
    ]
    return RegulationField(tuple(fits), stopped=True)


def assert_same(found, expected):
    for field in fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype, field.name
            assert_array_equal(a, b, err_msg=field.name)
        elif field.name.endswith("_r2"):
            assert_array_equal(a, b)
        else:
            assert a == b, field.name


@pytest.fixture
def source(tmp_path):
    """A file with a lot that is not ours."""
    adata = anndata.AnnData(
        sparse.csr_matrix(random_counts(9)),
        obs=pd.DataFrame(
            {"kind": pd.Categorical(["a", "b"] * 15), "n": np.arange(N), "nullable": pd.array([True, None] * 15)},
            index=[f"cell{i}" for i in range(N)],
        ),
        var=pd.DataFrame({"id": [f"ENS{i}" for i in range(G)]}, index=[f"gene{i}" for i in range(G)]),
    )
    adata.raw = adata.copy()
    adata.layers["spliced"] = random_counts(1)
    adata.layers["unspliced"] = random_counts(2).toarray()
    adata.obsm["spatial"] = np.random.default_rng(5).uniform(size=(N, 2))
    adata.obsm["X_umap"] = np.random.default_rng(6).uniform(size=(N, 2))
    adata.obsp["connectivities"] = sparse.identity(N, format="csr")
    adata.varm["PCs"] = np.ones((G, 2))
    adata.uns["deep"] = {"er": {"still": np.arange(3), "text": "yes"}}
    adata.write_h5ad(tmp_path / "source.h5ad")
    return tmp_path / "source.h5ad"


def everything(path) -> dict[str, object]:
    found: dict[str, object] = {}

    def note(name, element):
        if isinstance(element, h5py.Dataset):
            found[name] = (element.dtype, element[()], dict(element.attrs))

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def assert_kept(before, after):
    for name, (dtype, values, attrs) in before.items():
        assert name in after, name
        assert after[name][0] == dtype
        assert_array_equal(after[name][1], values, err_msg=name)
        assert after[name][2] == attrs


def save_all(path, tissue, source=None, **changes):
    results = {
        "velocity": make_velocity(),
        "projections": {"spatial": np.ones((N, 2)), "X_umap": np.full((N, 2), 2.0)},
        "checks": make_checks(),
        "regulation": make_regulation("T1", "H2/K%1", "T3", "T4"),
        "provenance": {"seed": 3, "parameters": {"width": np.float32(0.5)}},
    }
    write_h5ad(path, tissue, source=source, **(results | changes))


@pytest.mark.parametrize("with_source", [True, False])
def test_results_come_back_unchanged(with_source, source, tmp_path):
    out = tmp_path / "out.h5ad"
    tissue = read_h5ad(source) if with_source else make_tissue()
    save_all(out, tissue, source if with_source else None)
    assert_same(read_velocity(out), make_velocity())
    found, expected = read_regulation(out), make_regulation("T1", "H2/K%1", "T3", "T4")
    assert found.targets == expected.targets
    assert found.stopped
    for target in expected.targets:
        assert_same(found[target], expected[target])
    record = read_provenance(out)
    assert record["provenance"] == {"seed": 3, "parameters": {"width": 0.5}}
    assert record["velocity"]["status"] == "stopped"


def test_a_field_with_nothing_optional(tmp_path):
    nothing = dict.fromkeys(("alpha", "beta", "gamma", "time", "expert_probability", "regulation", "embedding",
                             "gene_weight"))  # fmt: skip
    velocity = make_velocity(model="steady state", stopped=False, **nothing)
    write_h5ad(tmp_path / "out.h5ad", make_tissue(), velocity=velocity)
    assert_same(read_velocity(tmp_path / "out.h5ad"), velocity)


def test_the_keys_that_other_packages_read(source, tmp_path):
    out = tmp_path / "out.h5ad"
    tissue, velocity = read_h5ad(source), make_velocity()
    save_all(out, tissue, source)
    adata = anndata.read_h5ad(out)
    inside = list(MODELLED)
    outside = [i for i in range(G) if i not in inside]
    for key, name in (("velocity", "spliced"), ("velocity_u", "unspliced"), ("alpha", "alpha"), ("beta", "beta"),
                      ("gamma", "gamma"), ("regulate_state", "regulation")):  # fmt: skip
        layer = adata.layers[key]
        assert layer.dtype == np.float32
        assert_array_equal(layer[:, inside], getattr(velocity, name))
        assert np.isnan(layer[:, outside]).all()
    for key, name, counts in (("Ms", "moments_spliced", 1), ("Mu", "moments_unspliced", 2)):
        assert_array_equal(adata.layers[key][:, inside], getattr(velocity, name))
        assert_array_equal(adata.layers[key][:, outside], random_counts(counts).toarray()[:, outside])
    assert np.flatnonzero(adata.var["velocity_genes"]).tolist() == sorted(inside)
    assert adata.var["velocity_genes"].dtype == bool
    assert_allclose(adata.var["rate_gamma"].iloc[inside], np.median(velocity.gamma, axis=0))
    assert not any(name.startswith("fit_") for name in adata.var), "scVelo takes these for a dynamical fit"
    assert_array_equal(adata.obs["latent_time"], velocity.time)
    assert list(adata.obs["expert"].cat.categories) == [str(i) for i in range(12)]
    assert adata.obs["expert"].astype(int).tolist() == velocity.expert_probability.argmax(axis=1).tolist()
    assert_array_equal(adata.obs["expert_weight"], velocity.expert_probability.max(axis=1))
    assert_allclose(adata.obs["velocity_confidence"], np.linspace(0, 1, N), rtol=1e-6)
    assert_array_equal(adata.obsm["velocity_spatial"], np.ones((N, 2)))
    assert_array_equal(adata.obsm["velocity_umap"], np.full((N, 2), 2))
    assert adata.obsm["X_steer"].shape == (N, 6)
    assert adata.uns["velocity_params"]["mode"] == "STEER"
    assert list(adata.uns["velocity_params"]["embeddings"]) == ["spatial", "umap"]
    betas = adata.obsm["betas_T3"]
    assert list(betas.columns) == ["beta0", "beta_Sox2", "beta_Wnt5a$Fzd1_Lrp6", "beta_A%2FB$100%25"]
    assert list(betas.index) == list(adata.obs_names)
    assert json.loads(adata.uns["tissue_dynamics"])["regulation"]["genes"][1]["target"] == "H2/K%1"


def test_genes_outside_a_velocity_have_no_moments_where_there_are_no_counts(tmp_path):
    """scVelo takes means over these layers: they are finite everywhere, and 0 where nothing is known."""
    write_h5ad(tmp_path / "out.h5ad", make_tissue(spliced=None, unspliced=None), velocity=make_velocity())
    adata = anndata.read_h5ad(tmp_path / "out.h5ad")
    outside = [i for i in range(G) if i not in MODELLED]
    for key in ("Ms", "Mu"):
        assert not adata.layers[key][:, outside].any()
    assert np.isnan(adata.layers["velocity"][:, outside]).all()


def test_nothing_of_the_source_is_lost(source, tmp_path):
    before = everything(source)
    content = source.read_bytes()
    save_all(tmp_path / "out.h5ad", read_h5ad(source), source)
    after = everything(tmp_path / "out.h5ad")
    assert source.read_bytes() == content
    assert len(after) > len(before)
    assert_kept(before, after)
    adata = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert list(adata.obs)[:3] == ["kind", "n", "nullable"]
    assert adata.raw.shape == (N, G)


def test_a_second_run_leaves_nothing_of_the_first(source, tmp_path):
    first, second, direct = (tmp_path / name for name in ("first.h5ad", "second.h5ad", "direct.h5ad"))
    tissue = read_h5ad(source)
    save_all(first, tissue, source)
    lean = {
        "velocity": make_velocity(1, alpha=None, expert_probability=None, embedding=None, stopped=False,
                                  gene_weight=None),
        "projections": {"spatial": np.ones((N, 2))},
        "checks": None,
        "regulation": make_regulation("Other"),
    }  # fmt: skip
    save_all(second, tissue, first, **lean)
    save_all(direct, tissue, source, **lean)
    from_two, from_one = everything(second), everything(direct)
    assert set(from_two) == set(from_one)
    assert_kept(from_one, from_two)
    for axis in ("obs", "var"):
        names = [list(getattr(anndata.read_h5ad(path), axis)) for path in (second, direct)]
        assert names[0] == names[1]


def test_regulation_alone_keeps_the_velocity(source, tmp_path):
    tissue = read_h5ad(source)
    save_all(tmp_path / "a.h5ad", tissue, source, regulation=None)
    write_h5ad(tmp_path / "b.h5ad", tissue, source=tmp_path / "a.h5ad", regulation=make_regulation("T1"))
    assert_same(read_velocity(tmp_path / "b.h5ad"), make_velocity())
    assert read_regulation(tmp_path / "b.h5ad").targets == ("T1",)


# -- all or nothing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("boom"), OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("with_source", [True, False])
def test_a_failure_leaves_everything_as_it_was(error, with_source, source, tmp_path, monkeypatch):
    out = tmp_path / "out.h5ad"
    out.write_bytes(b"precious")
    listing = sorted(path.name for path in tmp_path.iterdir())

    def fail(*_args):
        raise error

    monkeypatch.setattr(anndata_write, "add_regulation", fail)
    tissue = read_h5ad(source) if with_source else make_tissue()
    expected = DataError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        save_all(out, tissue, source if with_source else None)
    assert out.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == listing


def test_the_source_is_only_replaced_when_asked(source):
    tissue, content = read_h5ad(source), source.read_bytes()
    with pytest.raises(DataError, match="was not changed"):
        save_all(source, tissue, source)
    assert source.read_bytes() == content
    before = everything(source)
    save_all(source, tissue, source, overwrite_source=True)
    assert_kept(before, everything(source))
    assert_same(read_velocity(source), make_velocity())


def test_a_link_to_the_source_is_the_source(source, tmp_path):
    (tmp_path / "link.h5ad").symlink_to(source)
    with pytest.raises(DataError, match="was not changed"):
        save_all(tmp_path / "link.h5ad", read_h5ad(source), source)


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        write_h5ad(tmp_path / "none" / "out.h5ad", make_tissue())
    with pytest.raises(DataError, match="is a folder"):
        write_h5ad(tmp_path, make_tissue())


def test_a_folder_without_permission(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(anndata.AnnData, "write_h5ad", refuse)
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
        write_h5ad(tmp_path / "out.h5ad", make_tissue())


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ({"checks": VelocityChecks(np.ones(3))}, "check of the velocity has 3 cells but the tissue has 30"),
        ({"projections": {"spatial": np.ones((4, 2))}}, "projection on 'spatial' has 4 cells"),
        ({"velocity": make_velocity(genes=("gene1", "gene2", "gene3", "other"))}, "other"),
        ({"regulation": make_regulation("T", "T")}, "fitted twice"),
    ],
)
def test_results_that_do_not_fit(results, words, tmp_path):
    with pytest.raises(DataError, match=words):
        write_h5ad(tmp_path / "out.h5ad", make_tissue(), **results)
    assert list(tmp_path.iterdir()) == []


def test_a_source_with_other_cells(source, tmp_path):
    tissue = read_h5ad(source)
    other = tissue.with_(cells=("stranger", *tissue.cells[1:]))
    with pytest.raises(DataError, match=r"cells of the tissue \(30\) are not those of source.h5ad \(30\)"):
        write_h5ad(tmp_path / "out.h5ad", other, source=source)


def test_files_without_results(source):
    with pytest.raises(DataError, match="holds no velocity"):
        read_velocity(source)
    with pytest.raises(DataError, match="holds no betas"):
        read_regulation(source)


# -- a tissue without a file ------------------------------------------------------------------------------------


def images() -> tuple[Histology, ...]:
    rng = np.random.default_rng(8)
    return (
        Histology("one", rng.integers(0, 255, (20, 33, 3), dtype=np.uint8), 4.0, (-52.5, -47.0)),
        Histology("two", rng.integers(0, 255, (9, 14), dtype=np.uint8), 10.0, (-40.0, 3.0)),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"histology": images()},
        {"histology": (Histology("h", np.zeros((5, 6), np.uint8), 3.0, (1.0, 1.0)),), "unit": "pixel"},
        {"unit": "embedding", "embedding": "tsne"},
        {"expression": None, "cell_types": None, "counts_meaning": ""},
        {"spliced": None, "unspliced": None},
        {"positions": np.random.default_rng(0).normal(size=(N, 3))},
    ],
)
def test_a_tissue_comes_back_unchanged(changes, tmp_path):
    tissue = make_tissue(**changes)
    write_h5ad(tmp_path / "t.h5ad", tissue)
    found = read_h5ad(tmp_path / "t.h5ad", ReadOptions(cell_type="kind" if tissue.cell_types else ""))
    for name in ("cells", "genes", "unit", "counts_meaning", "basis"):
        assert getattr(found, name) == getattr(tissue, name)
    assert_allclose(found.positions, tissue.positions, rtol=1e-12, atol=1e-12)
    for name in ("spliced", "unspliced", "expression"):
        a, b = getattr(found, name), getattr(tissue, name)
        assert (a is None) == (b is None)
        if b is not None:
            assert_array_equal(a.toarray() if sparse.issparse(a) else a, b.toarray() if sparse.issparse(b) else b)
    if tissue.cell_types is not None:
        assert found.cell_types.colors == tissue.cell_types.colors
        assert found.cell_types.values().tolist() == tissue.cell_types.values().tolist()
    assert len(found.histology) == len(tissue.histology)
    for a, b in zip(found.histology, tissue.histology, strict=True):
        assert a.name == b.name
        assert_array_equal(a.image, b.image)
        assert a.pixel_size == pytest.approx(b.pixel_size)
        assert a.origin == pytest.approx(b.origin)


def test_in_the_file_positions_times_scale_are_image_pixels(tmp_path):
    """The rule of scanpy and squidpy, kept to within one image pixel by the first image."""
    tissue = make_tissue(histology=images())
    write_h5ad(tmp_path / "t.h5ad", tissue)
    adata = anndata.read_h5ad(tmp_path / "t.h5ad")
    entry = adata.uns["spatial"]["one"]
    pixel = adata.obsm["spatial"] * entry["scalefactors"]["tissue_hires_scalef"]
    expected = (tissue.positions - images()[0].origin) / images()[0].pixel_size
    assert np.abs(pixel - expected).max() < 1
    assert_array_equal(entry["images"]["hires"], images()[0].image)
    nearest = np.median(cKDTree(tissue.positions).query(tissue.positions, k=2)[0][:, 1])
    assert entry["scalefactors"]["spot_diameter_fullres"] == pytest.approx(0.8 * nearest)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError("the first line\nthe second line"), "the first line"), (OSError(28, "No space left"), "No space left")],
)
def test_why_a_file_cannot_be_written_is_one_line(error, reason, tmp_path):
    with pytest.raises(DataError, match=rf"cannot be written \({reason}\)"), anndata_write.replacing(tmp_path / "t"):
        raise error
    assert not list(tmp_path.iterdir())
