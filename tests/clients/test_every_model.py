"""Plots of scVelo, kernels of CellRank, squidpy and napari-spatialdata, on a file of each velocity model."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.genes.portrait import portrait_of, ranked_genes
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer.config import SteerConfig

READERS, VIEWERS = "TISSUE_DYNAMICS_CLIENTS_PYTHON", "TISSUE_DYNAMICS_VIEWERS_PYTHON"
"""Variables with the interpreters of environments made by ``environment.py``."""
EPOCHS = ("autoencoder_epochs", "cluster_epochs", "time_epochs", "warm_up_epochs", "velocity_epochs")
LIGHT = {"min_shared_counts": 1}
MODELS = {
    "steady_state": KineticsConfig(model="steady_state", **LIGHT),
    "stochastic": KineticsConfig(model="stochastic", **LIGHT),
    "dynamical": KineticsConfig(model="dynamical", **LIGHT),
    "steer": SteerConfig(n_experts=2, min_shared_counts=1, **dict.fromkeys(EPOCHS, 4)),
}

pytestmark = pytest.mark.clients


def run(variable, script, *arguments):
    """Run a script in another environment and return what it found."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} does not name an interpreter with the programs; run 'tox -e clients'")
    free = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, Path(__file__).with_name(script), *arguments]
    done = subprocess.run(command, env=free, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(arguments[-1])


@pytest.fixture(scope="module", params=list(MODELS))
def drawn(request, tmp_path_factory):
    """Velocities of a tree of cells, the best gene, and what scVelo and CellRank make of the file."""
    folder = tmp_path_factory.mktemp(request.param)
    tissue = simulate_branching(300, 80, 1, n_states=3, n_branch_points=1).tissue
    velocity = workflow.velocity(tissue, MODELS[request.param])
    path = workflow.save(folder / "tree.h5ad", tissue, velocity=velocity, settings=[MODELS[request.param]])
    field = velocity.field
    gene = ranked_genes(field)[0]
    return field, gene, run(READERS, "run_plots.py", path, gene, folder / "plots.npz")


def test_scvelo_plots_a_gene_with_its_line(drawn):
    field, gene, found = drawn
    assert found["panels"] >= 3  # portrait, velocity and expression
    if "fit_alpha" in field.gene_table:
        return
    line = found["scatter_0"]
    np.testing.assert_array_equal(line, found["velocity_0"])
    steady = portrait_of(field, gene).steady
    slope = np.diff(steady.unspliced)[0] / np.diff(steady.spliced)[0]
    np.testing.assert_allclose((line[-1, 1] - line[0, 1]) / line[-1, 0], slope, rtol=0.02)


def test_scvelo_draws_the_curve_of_a_dynamical_fit_where_ours_is(drawn):
    field, gene, found = drawn
    if "fit_alpha" not in field.gene_table:
        assert "scatter_1" not in found, "only a line was expected"
        return
    curve = portrait_of(field, gene).curves[0]
    lines = [found[name] for name in found.files if name.startswith("scatter_")]
    ours = curve.spliced.max(), curve.unspliced.max()
    assert any(np.allclose(line.max(axis=0), ours, rtol=0.03) for line in lines)
    same = np.corrcoef(found["velocity_again"], field.spliced[:, field.genes.index(gene)])[0, 1]
    assert same > 0.7  # scVelo weighs induction and repression of every cell, where ours places it on one
    assert np.isfinite(found["time_again"]).all()


def test_cellrank_computes_transitions(drawn):
    kernel = drawn[2]["kernel"]
    assert (kernel >= 0).all()
    np.testing.assert_allclose(kernel.sum(axis=1), 1, rtol=1e-5)
    assert (kernel > 0).sum(axis=1).min() > 1


@pytest.fixture(scope="module", params=list(MODELS))
def shown(request, tmp_path_factory):
    """A tissue with velocities and betas, and what squidpy and napari-spatialdata show of the file."""
    folder = tmp_path_factory.mktemp(f"viewers_{request.param}")
    tissue = simulate_tissue(200, 60, seed=0).tissue
    velocity = workflow.velocity(tissue, MODELS[request.param])
    betas = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    regulation = RegulationField((GeneFit(tissue.genes[0], tissue.genes[1:3], betas),))
    path = workflow.save(folder / "tissue.h5ad", tissue, velocity=velocity, regulation=regulation)
    found = run(VIEWERS, "run_viewers.py", path, folder / "viewers.npz")
    return tissue, velocity, betas, found


def test_squidpy_reads_cells_and_results(shown):
    tissue, velocity, _, found = shown
    n_types = len(tissue.cell_types.categories)
    assert found["enrichment"].shape == (n_types, n_types)
    assert (np.diag(found["enrichment"]) > 0).all()
    time = velocity.field.time
    assert found["moran"].shape == (1,)
    assert np.isfinite(found["moran"]).all() == bool(np.ptp(time) > 0)


def test_napari_spatialdata_shows_cells_and_results(shown):
    tissue, velocity, betas, found = shown
    field = velocity.field
    for name in ("circles", "points"):
        np.testing.assert_allclose(found[name][:, ::-1], found["places"], rtol=1e-5)
    np.testing.assert_allclose(np.diff(found["places"], axis=0), np.diff(tissue.positions, axis=0), atol=1e-6)
    np.testing.assert_allclose(found["latent_time"], field.time, rtol=1e-6)
    expected = field.spliced[:, field.genes.index(str(found["gene"]))]
    np.testing.assert_allclose(found["velocity"], expected, rtol=1e-6)
    np.testing.assert_allclose(found["arrows"], velocity.arrows, rtol=1e-6)
    np.testing.assert_array_equal(found["betas"], betas[:, 1])
    assert len(np.unique(found["colors_of_velocity"], axis=0)) > 10
    assert not np.array_equal(found["colors_of_velocity"], found["colors_of_time"])
