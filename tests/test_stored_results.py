"""What is saved comes back: every part of a velocity, its picture and the fates, without computing it again."""

from dataclasses import fields, is_dataclass, replace

import anndata
import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.data.io import from_anndata, read_fate, read_h5ad
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.workflow import stored

LIGHT = {"min_shared_counts": 1, "n_neighbors": 15}
SETTINGS = {
    "stochastic": KineticsConfig(model="stochastic", **LIGHT),
    "dynamical": KineticsConfig(model="dynamical", **LIGHT),
    "steer": SteerConfig(
        autoencoder_epochs=2, cluster_epochs=2, time_epochs=2, warm_up_epochs=2, velocity_epochs=2, n_experts=2
    ),
}


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(150, 40, seed=0).tissue


@pytest.fixture(scope="module", params=list(SETTINGS))
def saved(request, tissue, tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / f"{request.param}.h5ad"
    velocity = workflow.velocity(tissue, SETTINGS[request.param])
    fate = workflow.fate(tissue, velocity)
    workflow.save(path, tissue, velocity=velocity, fate=fate, settings=[SETTINGS[request.param]])
    return path, velocity, fate


@pytest.fixture
def no_picture(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the picture is computed again")

    monkeypatch.setattr(stored, "picture_steps", refuse)


def assert_equal(found, expected, where=""):
    """Compare values of any kind; numbers to the precision of float32."""
    if is_dataclass(expected) and not isinstance(expected, type):
        assert type(found) is type(expected), where
        for each in fields(expected):
            assert_equal(getattr(found, each.name), getattr(expected, each.name), f"{where}.{each.name}")
    elif hasattr(expected, "keys"):
        assert list(found) == list(expected), where
        for key in expected:
            assert_equal(found[key], expected[key], f"{where}[{key}]")
    elif isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7, err_msg=where)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected, err_msg=where)
    else:
        assert found == expected, where


@pytest.mark.usefixtures("no_picture")
def test_every_part_of_a_velocity_comes_back(saved):
    path, velocity, _ = saved
    assert_equal(run_to_end(workflow.stored_steps(read_h5ad(path), path)), velocity)


@pytest.mark.usefixtures("no_picture")
def test_it_comes_back_from_memory_as_well(saved):
    path, velocity, _ = saved
    adata = anndata.read_h5ad(path)
    assert_equal(run_to_end(workflow.stored_steps(from_anndata(adata), adata)), velocity)


@pytest.mark.usefixtures("no_picture")
def test_evidence_and_confidence_come_back(saved, tissue, tmp_path):
    told = replace(
        saved[1].field, evidence=VelocityEvidence("supported", 8.5, 4.5, (7.0, 3.5), {"a": "weak"}, "Few genes.")
    )
    velocity = run_to_end(workflow.picture_steps(tissue, told))
    path = workflow.save(tmp_path / "told.h5ad", tissue, velocity=velocity)
    found = run_to_end(workflow.stored_steps(read_h5ad(path), path))
    assert found.evidence.sentence == told.evidence.sentence
    np.testing.assert_array_equal(found.confidence, velocity.confidence)
    assert_equal(found, velocity)


def test_a_confidence_without_support_is_not_believed(saved, tissue):
    path, _, _ = saved
    adata = anndata.read_h5ad(path)
    adata.obs["velocity_local_confidence"] = 1.0
    adata.uns["velocity_evidence"] = {"verdict": "none", "pairing_z": 0.1, "lag_z": 0.2}
    assert run_to_end(workflow.stored_steps(from_anndata(adata), adata)).confidence is None


def test_every_part_of_the_fates_comes_back(saved):
    path, _, fate = saved
    assert_equal(read_fate(path), fate)
    found = run_to_end(workflow.stored_steps(read_h5ad(path), path))
    assert_equal(workflow.fate(read_h5ad(path), found), fate)


@pytest.mark.parametrize("change", ["projection", "unit", "places", "older", "cells"])
def test_what_belongs_to_something_else_is_computed(tissue, tmp_path, change, monkeypatch):
    velocity = workflow.velocity(tissue, SETTINGS["stochastic"])
    path = workflow.save(tmp_path / "out.h5ad", tissue, velocity=velocity)
    adata, config = anndata.read_h5ad(path), ProjectionConfig()
    now = read_h5ad(path)
    if change == "projection":
        config = ProjectionConfig(neighbors="expression")
    elif change == "unit":
        now = now.with_(unit="pixel")
    elif change == "places":
        now = now.with_(positions=now.positions * 2)
    elif change == "older":
        del adata.obs["velocity_confidence"]
    else:
        names = [f"other {name}" for name in tissue.cells]
        now = now.with_(cells=tuple(names))
    asked = []

    def picture(*_, **given):
        asked.append(given["projection"])
        yield from ()
        return "computed"

    monkeypatch.setattr(stored, "picture_steps", picture)
    assert run_to_end(workflow.stored_steps(now, adata, projection=config)) == "computed"
    assert asked == [config]


def test_neighbors_without_a_cosine_are_kept(tissue, tmp_path):
    """A cell whose velocity is zero has cosines of zero, which a sparse graph does not hold."""
    velocity = workflow.velocity(tissue, SETTINGS["stochastic"])
    cosines = velocity.graph.cosines.copy()
    cosines[3] = 0
    velocity = replace(velocity, graph=replace(velocity.graph, cosines=cosines))
    path = workflow.save(tmp_path / "out.h5ad", tissue, velocity=velocity)
    found = stored.stored_graph(path)
    np.testing.assert_array_equal(found.neighbors, velocity.graph.neighbors)
    np.testing.assert_allclose(found.cosines, cosines, rtol=1e-6)
    adata = anndata.read_h5ad(path)
    adata.uns["velocity_graph"] = sparse.csr_matrix(np.roll(adata.uns["velocity_graph"].toarray(), 1, axis=0))
    other = stored.stored_graph(adata)  # of another program, written over ours
    assert not np.array_equal(other.neighbors, velocity.graph.neighbors)
