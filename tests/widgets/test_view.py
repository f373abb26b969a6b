"""Tissues from Python in the docks, and layers of a tissue that napari saves."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
from napari.components import ViewerModel
from numpy.testing import assert_allclose, assert_array_equal

import napari_tissue_dynamics as td
from napari_tissue_dynamics.data.io import read_velocity
from napari_tissue_dynamics.data.io.action_log import read_log
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.readers import read_layers
from napari_tissue_dynamics.samples import simulated_tissue
from napari_tissue_dynamics.widgets.canvas import write_layers
from napari_tissue_dynamics.widgets.canvas.viewer import find
from napari_tissue_dynamics.widgets.canvas.write_layers import write_tissue
from napari_tissue_dynamics.widgets.docks.explore import ExploreDock
from napari_tissue_dynamics.widgets.docks.load import LoadDock
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.state.workspace import workspace_of
from napari_tissue_dynamics.workflow.replay import replay_steps


@pytest.fixture(scope="module")
def fitted():
    adata = td.simulate(n_cells=250, n_genes=40, seed=1)
    td.velocity(adata, "steady_state", min_shared_counts=5)
    td.fate(adata, ["epithelium", "neural"])
    offered = {"regulators": adata.uns["true_regulators"], "pairs": "none"}
    td.regulation(adata, "Axin2", permutations=0, **offered)
    adata.uns["foreign"] = {"kept": np.arange(3)}
    return adata


def tuples(viewer):
    return [layer.as_layer_data_tuple() for layer in viewer.layers]


def test_an_anndata_in_memory_is_the_tissue_of_the_docks(viewer, workspace, fitted, open_dock, finish, tmp_path):
    assert td.view(fitted, viewer) is viewer
    assert workspace.tissue.cells == tuple(fitted.obs_names)
    assert workspace.source is fitted
    assert workspace.path is None
    dock = open_dock(LoadDock)
    dock.color_by("true_time")  # a column that only the AnnData has
    finish(dock)
    assert find(viewer, workspace, "cells") is not None
    dock.save(tmp_path / "saved.h5ad")
    finish(dock)
    saved = anndata.read_h5ad(tmp_path / "saved.h5ad")
    assert_array_equal(saved.uns["foreign"]["kept"], np.arange(3))
    assert_allclose(saved.layers["velocity"], fitted.layers["velocity"])
    assert "true_betas_Axin2" in saved.obsm
    with pytest.raises(DataError, match="in memory"):
        list(replay_steps(read_log(tmp_path / "saved.h5ad"), tmp_path / "again.h5ad"))


def test_stored_results_are_taken_up(viewer, workspace, fitted):
    td.view(fitted, viewer)
    assert_array_equal(workspace.velocity.field.spliced, read_velocity(fitted).spliced)
    assert workspace.fate.names == ("epithelium", "neural")
    assert workspace.regulation.targets == ("Axin2",)
    assert find(viewer, workspace, "velocity") is not None
    assert workspace.running == ""


def test_docks_work_on_an_anndata_in_memory(viewer, workspace, fitted, open_dock, finish):
    plain = td.simulate(n_cells=250, n_genes=40, seed=1)
    td.view(plain, viewer)
    assert workspace.velocity is None
    dock, explore = open_dock(VelocityDock), open_dock(ExploreDock)
    assert not dock.files.keep.isEnabled()  # there is no file beside which a state could be kept
    dock.form.set_value(td.KineticsConfig(model="steady_state", min_shared_counts=5))
    dock.start()
    finish(dock)
    assert_allclose(workspace.velocity.arrows, fitted.obsm["velocity_spatial"], atol=1e-5)
    assert "velocity" not in plain.layers
    assert explore is not None
    td.view(fitted, viewer)
    assert dock.stored_button.isVisibleTo(dock)
    dock.use_stored()
    finish(dock)
    assert_array_equal(workspace.velocity.field.spliced, read_velocity(fitted).spliced)


def test_files_and_tissues_are_opened_as_well(viewer, workspace, fitted, tmp_path):
    path = td.save(tmp_path / "a.h5ad", fitted)
    td.view(path, viewer, cell_type="true_regime")
    assert workspace.path == path
    assert workspace.tissue.cell_types.name == "true_regime"
    assert workspace.velocity is not None
    td.view(td.Tissue(("a", "b"), ("g",), np.array([[0.0, 0.0], [1.0, 1.0]])), viewer)
    assert workspace.tissue.n_cells == 2
    assert workspace.velocity is None
    assert "velocity" not in workspace.layer_ids


def test_what_cannot_be_opened_leaves_the_viewer(viewer, workspace, tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        td.view(tmp_path / "no.h5ad", viewer)
    with pytest.raises(DataError, match="no setting 'celltype'"):
        td.view(tmp_path / "no.h5ad", viewer, celltype="a")
    assert workspace.tissue is None
    assert not viewer.layers


def test_results_of_other_cells_are_told_and_left_out(viewer, workspace, fitted, tmp_path):
    path = td.save(tmp_path / "a.h5ad", fitted)
    with pytest.warns(UserWarning, match="Load all cells"):
        td.view(path, viewer, only=("cell_type", "neural"))
    assert 0 < workspace.tissue.n_cells < 250
    assert workspace.velocity is None


@pytest.mark.gui
def test_a_window_opens_with_the_docks(make_napari_viewer, monkeypatch, fitted):
    monkeypatch.setattr("napari.Viewer", make_napari_viewer)
    viewer = td.view(fitted)
    titles = list(viewer.window.dock_widgets)
    assert all(any(title.startswith(name) for title in titles) for name in ("Load tissue", "Velocity", "Explore"))
    td.view(fitted, viewer)
    assert len(viewer.window.dock_widgets) == len(titles)


@pytest.mark.gui
def test_napari_saves_layers_of_a_tissue_with_its_results(make_napari_viewer, fitted, tmp_path):
    viewer = make_napari_viewer()
    td.view(fitted, viewer)
    path = str(tmp_path / "layers.h5ad")
    assert viewer.layers.save(path) == [path]
    saved = td.read(path)
    assert_allclose(saved.obsm["velocity_spatial"], workspace_of(viewer).velocity.arrows)
    assert saved.uns["foreign"]["kept"].tolist() == [0, 1, 2]
    assert "betas_Axin2" in saved.obsm
    assert "lineages_fwd" in saved.obsm


def test_any_layer_of_a_tissue_stands_for_it(viewer, fitted, tmp_path):
    td.view(fitted, viewer)
    path = str(tmp_path / "one.h5ad")
    assert write_tissue(path, [viewer.layers["cells"].as_layer_data_tuple()]) == [path]
    assert "velocity" in anndata.read_h5ad(path).layers


def test_layers_of_no_or_two_tissues_are_refused(viewer, fitted, tmp_path):
    other = ViewerModel()
    td.view(fitted, viewer)
    td.view(td.simulate(n_cells=60, n_genes=30), other)
    path = str(tmp_path / "a.h5ad")
    for layers, words in (
        ([*tuples(viewer), *tuples(other)], "2 tissues"),
        ([(np.ones((2, 2)), {}, "points")], "no tissues"),
    ):
        with pytest.raises(DataError, match=words):
            write_tissue(path, layers)
    assert not list(tmp_path.iterdir())


def test_layers_that_no_dock_has_taken_over_are_saved_by_their_source(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(write_layers, "workspaces", tuple)  # those of other tests may still be in memory
    path = td.save(tmp_path / "a.h5ad", fitted)
    out = str(tmp_path / "b.h5ad")
    write_tissue(out, read_layers(path))
    assert_array_equal(anndata.read_h5ad(out).obsm["velocity_spatial"], fitted.obsm["velocity_spatial"])
    with pytest.raises(DataError, match="was not changed"):
        write_tissue(str(path), read_layers(path))
    write_tissue(str(tmp_path / "sample.h5ad"), simulated_tissue())
    assert anndata.read_h5ad(tmp_path / "sample.h5ad").n_obs == 1500
