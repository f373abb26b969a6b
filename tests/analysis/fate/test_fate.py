import threading

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
from napari_tissue_dynamics.analysis.fate import fate as analysis
from napari_tissue_dynamics.analysis.fate.fate import FateConfig
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.kinetic_models import KineticsConfig, fit
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.workflow import cell_fate as workflow


@pytest.fixture(scope="module")
def branching():
    simulated = simulate_branching(1000, 400, 0, n_states=4, n_branch_points=2)
    return simulated, fit(simulated.tissue, KineticsConfig(model="steady_state"))


@pytest.fixture(scope="module")
def result(branching):
    simulated, field = branching
    return workflow.fate(simulated.tissue, field)


def test_true_ends_and_fates_are_found(branching, result):
    simulated, _ = branching
    ends = simulated.state.categories[1:]
    assert sorted(result.names) == sorted(ends)
    assert result.initial.categories == ("progenitor",)
    order = [result.names.index(name) for name in ends]
    found = result.probabilities[:, order]
    decided = simulated.fate.max(axis=1) == 1
    assert (found.argmax(axis=1) == simulated.fate.argmax(axis=1))[decided].mean() > 0.9
    assert (np.take_along_axis(simulated.fate, found.argmax(axis=1)[:, None], axis=1) > 0).mean() > 0.9
    time = simulated.truth.time
    for state, name in enumerate(result.names):
        end = simulated.fate[:, ends.index(name)] == 1
        assert time[result.terminal.codes == state].mean() > np.quantile(time[end], 0.75)
    assert time[result.initial.codes >= 0].mean() < np.quantile(time, 0.1)


def test_rows_sum_to_one_and_all_cells_have_a_fate(result):
    np.testing.assert_allclose(result.probabilities.sum(axis=1, dtype=np.float64), 1, atol=1e-6)
    assert result.n_unreachable == 0
    assert result.certainty.min() >= -1e-6
    assert result.certainty.max() <= 1 + 1e-6


def test_driver_genes_are_switched_on_the_way_to_their_fate(branching, result):
    simulated, _ = branching
    above = 0
    for name in result.names:
        end = simulated.fate[:, simulated.state.categories.index(name) - 1] == 1
        for gene in result.drivers.table(name, 5)["gene"]:
            spliced = simulated.truth.spliced[:, simulated.tissue.gene_index(gene)]
            above += spliced[end].mean() > 1.5 * spliced[~end].mean()
    assert above >= 0.8 * 5 * len(result.names)


def test_given_states_are_taken(branching):
    simulated, field = branching
    known = workflow.terminal_states(simulated.tissue, types=["end 1", "end 3"])
    result = workflow.fate(simulated.tissue, field, FateConfig(find_initial=False, drivers=False), terminal=known)
    assert result.names == ("end 1", "end 3")
    assert not result.found
    assert result.initial is None
    inside = simulated.state.codes == 1
    np.testing.assert_array_equal(result.probabilities[inside], np.tile([1, 0], (inside.sum(), 1)))


def test_cells_may_be_named_or_counted_or_marked(branching):
    tissue = branching[0].tissue
    mask = np.zeros(tissue.n_cells, dtype=bool)
    mask[[5, 9]] = True
    ways = ([tissue.cells[5], tissue.cells[9]], np.array([9, 5]), mask)
    found = [workflow.terminal_states(tissue, cells={"tip": way}).codes for way in ways]
    assert all((codes == found[0]).all() for codes in found)
    np.testing.assert_array_equal(np.flatnonzero(found[0] == 0), [5, 9])
    ends = workflow.terminal_states(tissue, cells={"tip": np.array([tissue.n_cells - 1, 0])}).codes
    np.testing.assert_array_equal(np.flatnonzero(ends == 0), [0, tissue.n_cells - 1])


def test_states_that_cannot_be_used_are_one_sentence(branching):
    tissue = branching[0].tissue
    cases = {
        "There is no cell type": {"types": ["end 9"]},
        "has no cell nobody": {"cells": {"tip": ["nobody"]}},
        "in another terminal state": {"cells": {"a": np.array([1]), "b": np.array([1])}},
        "has no cell. Choose": {"cells": {"a": np.array([], dtype=int)}},
        "No terminal state is given": {},
        "counted from 0": {"cells": {"a": np.array([10**6])}},
        f"Cell {tissue.n_cells} was chosen": {"cells": {"a": np.array([3, tissue.n_cells])}},
        "there are 1000, counted": {"cells": {"a": np.array([-1, 3])}},
    }
    for words, given in cases.items():
        with pytest.raises(DataError, match=words):
            workflow.terminal_states(tissue, **given)


def line(n=400, part=1):
    """Cells on a line that all step to the next; the parts are not joined."""
    index = np.arange(n)
    ends = index // (n // part)
    ahead = [np.where(np.isin(index + step, index) & (np.minimum(index + step, n - 1) // (n // part) == ends),
             np.clip(index + step, 0, n - 1), index) for step in (-2, -1, 1, 2)]  # fmt: skip
    cosines = np.tile(np.array([-1, -1, 1, 1], np.float32) * 0.9, (n, 1))
    neighbors = np.stack(ahead, axis=1).astype(np.int32)
    return VelocityGraph(neighbors, np.where(neighbors == index[:, None], 0, cosines).astype(np.float32))


def test_end_and_beginning_of_a_line_are_found():
    result = analysis.fate(line(), FateConfig(n_cells=10))
    assert result.names == ("state 1",)
    assert result.terminal.codes[-10:].min() == 0
    assert result.initial.codes[:10].min() == 0


def test_cells_that_reach_no_state_are_counted():
    graph = line(part=2)
    tip = np.full(400, -1, dtype=np.int32)
    tip[195:200] = 0
    result = analysis.fate(graph, FateConfig(find_initial=False), terminal=Labels("tips", tip, ("tip",)))
    assert result.n_unreachable == 200
    assert np.isnan(result.probabilities[200:]).all()
    np.testing.assert_array_equal(result.fate, np.repeat([0, -1], 200))
    np.testing.assert_array_equal(result.probabilities[:200, 0], 1)


def test_a_sample_of_the_cells_finds_the_same_states(branching, result, monkeypatch):
    simulated, field = branching
    monkeypatch.setattr(workflow, "SKETCH", 700)
    sampled = workflow.fate(simulated.tissue, field, FateConfig(drivers=False))
    assert sorted(sampled.names) == sorted(result.names)
    order = [result.names.index(name) for name in sampled.names]
    same = sampled.fate == np.argsort(order)[result.fate]
    assert same.mean() > 0.9


def test_the_order_of_the_cells_does_not_matter(branching, result, rng):
    simulated, _ = branching
    order = rng.permutation(simulated.tissue.n_cells)
    turned = simulated.tissue.select_cells(order)
    found = workflow.fate(turned, fit(turned, KineticsConfig(model="steady_state")), FateConfig(drivers=False))
    assert sorted(found.names) == sorted(result.names)
    columns = [result.names.index(name) for name in found.names]
    expected = result.probabilities[order][:, columns]
    assert np.corrcoef(found.probabilities.ravel(), expected.ravel())[0, 1] > 0.99


def test_the_same_seed_gives_the_same_and_the_global_state_is_left_alone(branching):
    simulated, field = branching
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (workflow.fate(simulated.tissue, field, FateConfig(drivers=False)) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_other_cells_are_one_sentence(branching):
    simulated, field = branching
    with pytest.raises(DataError, match="of 1000 cells"):
        workflow.fate(simulated.tissue.select_cells(np.arange(500)), field)


def test_stop_ends_the_work(branching):
    simulated, field = branching
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(workflow.fate_steps(simulated.tissue, field, stop=stop))


def test_progress_runs_from_beginning_to_end(branching):
    simulated, field = branching
    seen = [progress.fraction for progress in workflow.fate_steps(simulated.tissue, field)]
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1
