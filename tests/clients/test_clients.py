"""What scVelo and CellRank make of a saved file, against our numbers."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph, velocity_graph
from napari_tissue_dynamics.analysis.fate.markov import diffusion_chain, velocity_chain
from napari_tissue_dynamics.data.io import read_arrows, read_checks, read_fate, read_velocity
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.simulators.branching import simulate_branching

PYTHON = "TISSUE_DYNAMICS_CLIENTS_PYTHON"
"""Variable with the interpreter of an environment made by ``environment.py``."""
SOFTMAX_SCALE = 4.0

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("clients") / "tree.h5ad"
    tissue = simulate_branching(500, 200, 1, n_states=3, n_branch_points=1).tissue
    velocity = workflow.velocity(tissue, KineticsConfig(model="stochastic"))
    return workflow.save(path, tissue, velocity=velocity, fate=workflow.fate(tissue, velocity))


@pytest.fixture(scope="module")
def clients(file):
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} does not name an interpreter with scVelo and CellRank; run 'tox -e clients'")
    out = file.with_suffix(".npz")
    script = Path(__file__).with_name("run_clients.py")
    free = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, script, file, out], env=free, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return np.load(out)


@pytest.fixture(scope="module")
def graph(file):
    checks = read_checks(file)
    return VelocityGraph(checks.neighbors, checks.cosines)


def test_transitions_are_those_of_scvelo(clients, graph):
    np.testing.assert_allclose(velocity_chain(graph).toarray(), clients["scvelo_transition"], atol=1e-5)


def test_confidence_is_that_of_scvelo(clients, file):
    ours = read_checks(file).neighbor_correlation
    np.testing.assert_allclose(np.clip(ours, 0, None), clients["scvelo_confidence"], atol=1e-5)


def test_arrows_point_where_those_of_scvelo_do(clients, file):
    ours, theirs = read_arrows(file, "pca"), clients["scvelo_arrows"]
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosines = (ours * theirs).sum(axis=1) / np.maximum(lengths, 1e-12)
    assert np.median(cosines) > 0.9


def test_velocity_kernel_of_cellrank_is_ours_with_its_softmax(clients, file):
    field = read_velocity(file)
    counts = slice(None) if field.velocity_genes is None else field.velocity_genes
    near = neighbors_in(clients["cellrank_connectivities"])
    own = near == np.arange(len(near))[:, None]
    cosines = velocity_graph(field.spliced[:, counts], field.moments_spliced[:, counts], near).cosines
    odds = np.where(own, 0, np.exp(SOFTMAX_SCALE * cosines.astype(np.float64)))
    odds /= odds.sum(axis=1, keepdims=True)
    expected = np.zeros((len(near), len(near)))
    for cell, row in enumerate(near):
        expected[cell, row[~own[cell]]] = odds[cell, ~own[cell]]
    np.testing.assert_allclose(clients["cellrank_velocity"], expected, atol=1e-4)


def neighbors_in(matrix):
    """Return the neighbors in every row, filled up with the cell itself."""
    graph = sparse.csr_array(matrix)
    most = np.diff(graph.indptr).max()
    near = np.tile(np.arange(graph.shape[0], dtype=np.int32)[:, None], most)
    filled = np.arange(most) < np.diff(graph.indptr)[:, None]
    near[filled] = graph.indices
    return near


def test_connectivity_kernel_of_cellrank_is_our_random_walk(clients, graph):
    np.testing.assert_allclose(
        clients["cellrank_connectivities"], diffusion_chain(graph.neighbors).toarray(), atol=1e-6
    )


def test_cellrank_reads_our_fates_and_solves_for_the_same(clients, file):
    ours = read_fate(file)
    assert tuple(clients["cellrank_names"]) == ours.names
    np.testing.assert_array_equal(clients["cellrank_fates"].astype(np.float32), ours.probabilities)
    order = [list(clients["cellrank_solved_names"]).index(name) for name in ours.names]
    np.testing.assert_allclose(clients["cellrank_solved"][:, order], ours.probabilities, atol=1e-5)
