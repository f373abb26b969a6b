"""The lineage tree against its own kinetics, its shape and the counts that come of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.branching import (
    DEPTH,
    DROPOUT,
    SEGMENT,
    branching_noise,
    lineage_tree,
    simulate_branching,
)
from napari_tissue_dynamics.simulators.noise import Noise


@pytest.fixture(scope="module")
def simulated():
    return simulate_branching(400, 120, seed=1)


def path_of(parent, segment):
    path = [segment]
    while parent[path[0]] >= 0:
        path.insert(0, parent[path[0]])
    return path


def followed(state, alphas, edges, beta, gamma):
    """Integrate the kinetics numerically through phases of constant transcription."""
    for alpha, begin, end in zip(alphas, edges[:-1], edges[1:], strict=True):
        system = np.array([[-beta, 0.0], [beta, -gamma]])
        flow = solve_ivp(lambda _, y, a=alpha, m=system: m @ y + [a, 0], (begin, end), state, rtol=1e-10, atol=1e-12)
        state = flow.y[:, -1]
    return state


def test_rna_of_a_cell_equals_the_integration_of_its_path(simulated):
    """Every switch of a gene on the way to a cell turns transcription from on to off or back."""
    x, truth = simulated, simulated.truth
    rng, checked = np.random.default_rng(0), 0
    for cell, gene in zip(rng.integers(400, size=40), rng.integers(120, size=40), strict=True):
        times = [x.switch_time[segment, gene] for segment in path_of(x.parent, truth.regime.codes[cell])]
        times = [time for time in times if time < truth.time[cell]]
        levels = np.unique(truth.alpha[:, gene])
        if times and len(levels) == 1:
            continue  # switched so early that no cell shows what was before
        alphas = [truth.alpha[cell, gene]]
        for _ in times:
            alphas.insert(0, levels.sum() - alphas[0])
        beta, gamma = truth.beta[cell, gene], truth.gamma[cell, gene]
        start = [alphas[0] / beta, alphas[0] / gamma]
        expected = followed(start, alphas, [0.0, *times, truth.time[cell]], beta, gamma)
        assert_allclose([truth.unspliced[cell, gene], truth.spliced[cell, gene]], expected, rtol=1e-6)
        checked += len(times) > 0
    assert checked > 10
    assert_allclose(truth.velocity, truth.beta * truth.unspliced - truth.gamma * truth.spliced, rtol=1e-12)


@pytest.mark.parametrize(("states", "branches"), [(5, 3), (2, 0), (3, 1), (6, 3), (7, 2), (9, 1)])
def test_tree_has_the_states_and_branch_points_that_were_asked_for(states, branches):
    parent = lineage_tree(states, branches)
    children = np.bincount(parent[parent >= 0], minlength=len(parent))
    assert parent[0] == -1
    assert (parent[1:] < np.arange(1, len(parent))).all()
    assert (children > 1).sum() == branches
    assert (children == 0).sum() == states - 1


def test_time_states_and_fates_follow_the_tree(simulated):
    x, segment = simulated, simulated.truth.regime.codes
    begin = np.array([SEGMENT * (len(path_of(x.parent, k)) - 1) for k in range(len(x.parent))])
    passed = x.truth.time - begin[segment]
    assert ((passed >= 0) & (passed <= SEGMENT)).all()
    assert np.ptp(np.bincount(segment)) <= 1
    assert_allclose(x.fate.sum(axis=1), 1)
    assert x.fate.shape == (400, 4)
    committed = x.state.codes > 0
    assert_array_equal(x.fate[committed].argmax(axis=1), x.state.codes[committed] - 1)
    assert (x.fate[committed].max(axis=1) == 1).all()
    assert_allclose(x.fate[segment == 0], 0.25)
    assert set(np.unique(x.fate)) == {0.0, 0.25, 0.5, 1.0}
    assert x.tissue.cell_types is x.state


def test_some_genes_are_steady_and_all_others_are_switched(simulated):
    steady = np.array(simulated.truth.programme) == "steady"
    assert steady.sum() == 6
    assert_allclose(simulated.truth.velocity[:, steady], 0, atol=1e-9)
    assert (np.abs(simulated.truth.velocity[:, ~steady]).max(axis=0) > 1e-3).all()


def test_counts_are_poisson_of_the_truth(simulated):
    """Depth, zeros and variance are those that were asked for."""
    truth, counts = simulated.truth, simulated.tissue.spliced.toarray()
    assert_allclose(np.median(truth.spliced.sum(axis=1)), DEPTH, rtol=1e-6)
    assert_array_equal(counts, counts.round())
    assert_allclose(np.median(counts.sum(axis=1)), DEPTH * (1 - DROPOUT), rtol=0.15)
    ratio = simulated.tissue.unspliced.sum() / simulated.tissue.spliced.sum()
    assert_allclose(ratio, truth.unspliced.sum() / truth.spliced.sum(), rtol=0.05)
    exact = simulate_branching(100, 20, seed=1, noise=Noise.none())
    assert_allclose(exact.tissue.spliced.toarray(), exact.truth.spliced, rtol=1e-5)


def test_the_seed_decides_everything_and_nothing_else_does():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = (simulate_branching(60, 15, seed=seed) for seed in (3, 3, 4))
    assert (one.tissue.spliced != same.tissue.spliced).nnz == 0
    assert_array_equal(one.truth.time, same.truth.time)
    assert_array_equal(one.tissue.positions, same.tissue.positions)
    assert (one.tissue.spliced != other.tissue.spliced).nnz > 0
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    noisy = simulate_branching(60, 15, seed=3, noise=Noise(depth=50.0, gaussian=0.0, sparsity=(0.0, 0.0)))
    assert_array_equal(noisy.truth.time, one.truth.time)
    assert branching_noise().depth == DEPTH


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"n_cells": 9}, "9 cells"),
        ({"n_genes": 3}, "3 genes"),
        ({"seed": -1}, "seed of -1"),
        ({"n_states": 4}, "at least 5 states"),
        ({"n_branch_points": -1}, "-1 branch points"),
        ({"n_branch_points": 0}, "A line without branch points"),
    ],
)
def test_impossible_requests_are_told(request_, said):
    with pytest.raises(DataError, match=said):
        simulate_branching(**request_)
