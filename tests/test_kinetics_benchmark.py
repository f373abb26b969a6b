"""The benchmark of the kinetic models scores as it says; its slow methods are not run here."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

FOLDERS = [Path(__file__).parents[1] / "benchmarks" / name for name in ("kinetics", "velocity", "shared")]


@pytest.fixture
def module(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDERS[0]), *sys.path])
    yield importlib.import_module
    for folder in FOLDERS:
        for path in folder.glob("*.py"):
            sys.modules.pop(path.stem, None)


def test_lineages_follow_each_other(module):
    after = module("tree_scores").follows(np.array([-1, 0, 0, 1]))
    assert np.argwhere(after).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 1], [1, 3], [2, 2], [3, 3]]


def test_trajectory_of_a_graph_of_five_cells(module):
    """Cells 0, 1, 4 and 2 follow each other in this order, 3 is in the other branch."""
    truth = {"time": np.array([0.0, 1, 2, 2, 1.5]), "segment": np.array([0, 0, 1, 2, 1])}
    truth["parent"] = np.array([-1, 0, 0])
    edges = [(0, 1, 0.9), (0, 2, -0.5), (1, 2, 0.8), (1, 3, 0.7), (1, 0, -0.9), (2, 1, -0.8), (3, 2, 0.9)]
    edges += [(3, 1, -0.9), (4, 2, -0.3), (4, 0, 0.3)]
    row, column, cosine = np.array(edges).T
    graph = sparse.csr_array((cosine, (row.astype(int), column.astype(int))), shape=(5, 5))
    scores = module("tree_scores").trajectory_scores(graph, truth)
    # Right next cells: of 0 and 1. Cell 2 can only go back; 3 goes to the other branch; 4 goes back.
    assert scores["next"] == pytest.approx(2 / 5)
    # Only cells 1 and 4 can go both ways; 1 goes on, 4 goes back.
    assert scores["trajectory"] == pytest.approx(1 / 2)


def test_velocity_scores_do_not_depend_on_the_unit_of_a_gene(module):
    rng = np.random.default_rng(0)
    spliced, velocity = rng.uniform(1, 2, (20, 4)), rng.normal(size=(20, 4))
    truth = {"genes": np.array(list("abcd")), "velocity": velocity, "spliced": spliced}
    unit = np.array([3.0, 0.1, 1.0])
    found = {"genes": np.array(list("bca")), "moments": spliced[:, [1, 2, 0]] * unit}
    found["velocity"] = velocity[:, [1, 2, 0]] * unit
    scores = module("tree_scores").velocity_scores(found, truth)
    assert scores["cosine"] == pytest.approx(1)
    assert scores["cosine_even"] == pytest.approx(1)
    lengths = np.linalg.norm(velocity[:, :3], axis=1) / np.linalg.norm(velocity, axis=1)
    assert scores["cosine_all"] == pytest.approx(lengths.mean())
    wrong = module("tree_scores").velocity_scores({**found, "velocity": -found["velocity"]}, truth)
    assert wrong["cosine"] == pytest.approx(-1)


@pytest.mark.parametrize(("turned", "expected"), [(False, 1.0), (True, 0.0)])
def test_fates_of_a_graph_that_leads_to_the_right_or_the_wrong_end(module, turned, expected):
    """Two lines of 40 cells with steps to the next two cells; turned, those into the 30 last ones change the line."""
    n, early = 40, 10
    truth = {"time": np.tile(np.arange(n, dtype=float), 2), "fate": np.repeat(np.eye(2), n, axis=0)}
    truth["states"] = ("start", "one", "two")
    row, column = [], []
    for cell in range(2 * n):
        line, place = divmod(cell, n)
        for step in (1, 2):
            if place + step < n:
                crosses = turned and place < early <= place + step
                row.append(cell)
                column.append((1 - line if crosses else line) * n + place + step)
    graph = sparse.csr_array((np.full(len(row), 0.9), (row, column)), shape=(2 * n, 2 * n))
    scores = module("tree_scores").fate_scores(graph, truth)
    assert scores["fate"] == pytest.approx(1 - early / n * (1 - expected))


def test_results_are_kept_and_tabulated(module, monkeypatch, tmp_path):
    run = module("run")

    def here(words, usage, environment):
        assert words[0] == sys.executable
        monkeypatch.setattr(sys, "argv", words[1:])
        module(Path(words[1]).stem).main()
        return {"wall": 2.0, "cpu": 1.5, "peak_mib": 300.0, "exit": 0, "output": ""}

    monkeypatch.setattr(run, "run_measured", here)
    small = "--cells 300 --genes 80 --states 3 --branch-points 1 --seeds 3 --methods true-velocity ours-steady"
    options = run.parse([*small.split(), "--out", str(tmp_path / "rows.json")])
    said = []
    rows = run.run_all(options, said.append)
    true, steady = (row["scores"] for row in rows)
    assert true["cosine"] == pytest.approx(1, abs=1e-5)
    assert true["trajectory"] > 0.9
    assert steady["trajectory"] > 0.7
    assert steady["time_r"] > 0.9
    assert {"own_trajectory", "own_next", "peak_mib"} <= steady.keys()
    assert steady["fate"] > 0.6
    assert steady["ends_found"] <= 2
    assert json.loads(options.out.read_text()) == rows
    assert run.run_all(options, said.append) == rows
    assert len(said) == 2, "what is done is not run again"
    table = module("tree_table").markdown(rows)
    assert "300 cells x 80 genes, 3 states, 1 branch points, noise 'counts'" in table
    assert f"| true-velocity (1) | {true['cosine']:.3f} |" in table
