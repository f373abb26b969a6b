"""The benchmark of regulation shows methods what it says, scores them and keeps the results; networks are not run."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.simulators.betas import BetaSettings

FOLDER = Path(__file__).parents[1] / "benchmarks" / "regulation"
SMALL = BetaSettings(n_targets=1, n_types=2, n_factors=3, n_pairs=2, n_tf_ligands=1)


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for path in (*FOLDER.glob("*.py"), *(FOLDER.parent / "shared").glob("*.py")):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def in_this_process(module, monkeypatch):
    """Run the runners without a process of their own, which would load everything again."""

    def run(words, usage, environment):
        assert environment["OMP_NUM_THREADS"] == "1"
        monkeypatch.setattr(sys, "argv", words[1:])
        module(Path(words[1]).stem).main()
        return {"wall": 2.0, "cpu": 1.5, "peak_mib": 300.0, "exit": 0, "output": ""}

    monkeypatch.setattr(module("run"), "run_measured", run)


@pytest.fixture
def problem(module, tmp_path):
    made = module("simulated").write_simulated(tmp_path, 240, 0, SMALL)
    return made, module("problem").read_problem(tmp_path / "problem.npz")


def test_results_are_collected_kept_and_tabulated(module, in_this_process, tmp_path):
    words = ["--cells", "150", "--targets", "2", "--seeds", "3", "--methods", "ridge", "gwr"]
    run, said = module("run"), []
    options = run.parse([*words, "--out", str(tmp_path / "rows.json")])
    rows = run.run_all(options, said.append)
    assert [row["method"] for row in rows] == ["ridge", "gwr"]
    assert all(set(row["genes"]) == {"Target1", "Target2"} for row in rows)
    ridge, gwr = (row["scores"] for row in rows)
    assert min(ridge["correlation"], gwr["correlation"]) > 0.1
    assert 0.6 < ridge["oracle_random"] == gwr["oracle_random"] < 0.95
    assert json.loads(options.out.read_text()) == rows
    assert run.run_all(options, said.append) == rows
    assert len(said) == 2, "what is done is not run again"
    table = module("table").markdown(rows)
    assert "### 150 cells\n\n2 genes of every tissue." in table
    assert f"| ridge (1) | {ridge['correlation']:.2f} |" in table


def test_columns_give_the_true_signal(problem):
    made, given = problem
    truth = made.truth["Target1"]
    assert_allclose(truth.intercept + (truth.betas * given.x).sum(axis=1), truth.signal, atol=1e-4)
    assert_allclose(given.y("Target1"), made.y["Target1"])
    assert given.tf_ligands
    assert all(len(pair) == 3 for pair in given.pairs)


def test_splits_hide_a_fifth_at_random_or_as_tiles(problem):
    _, given = problem
    assert given.shown["all"].all()
    assert (~given.shown["random"]).sum() == 48
    hidden = ~given.shown["blocks"]
    assert 0.1 < hidden.mean() < 0.3
    places = (given.positions - given.positions.min(axis=0)) / np.ptp(given.positions, axis=0)
    tile = np.minimum(places * 5, 4).astype(int) @ [5, 1]
    assert all(len(np.unique(hidden[tile == k])) == 1 for k in np.unique(tile))
    assert len(np.unique(tile[hidden])) == 5


def test_what_is_hidden_is_not_looked_at(module, problem):
    _, given = problem
    shown, column = given.shown["random"], given.genes.index("Target1")
    other = given.expression.copy()
    other[~shown, column] += 100
    changed = SimpleNamespace(
        **{**vars(given), "expression": other, "y": lambda target: other[:, column].astype(float)}
    )
    baselines, ours = module("baselines"), module("ours")
    for method in baselines.METHODS.values():
        betas = [method(case, case.y("Target1"), shown, 0) for case in (given, changed)]
        assert_array_equal(*betas)
        assert np.isfinite(betas[0]).all()
    for estimator in ("smooth", "seed"):
        options = SimpleNamespace(estimator=estimator, plain=True, pixels=8, epochs=0, seed=0)
        assert_array_equal(*(_betas_of_ours(ours, case, shown, options) for case in (given, changed)))


def _betas_of_ours(ours, given, shown, options):
    config = ours.settings(given, options)
    network = ours.network_of(given.targets, given.factors, given.pairs, given.tf_ligands)
    plan = ours.make_plan(ours.tissue_of(given), given.targets, network, config)
    context = ours.run_to_end(ours.context_steps(plan, config))
    make = ours.smooth_estimator if options.estimator == "smooth" else ours.network_estimator
    names, betas = make(context, config, shown)(plan.modulators[0])
    assert set(names) == set(given.names)
    assert np.abs(betas[~shown]).max() > 0
    return betas


def test_local_regression_equals_weighted_least_squares(module, monkeypatch):
    baselines, rng = module("baselines"), np.random.default_rng(0)
    monkeypatch.setattr(baselines, "SMALLEST_PENALTY", 0.0)
    monkeypatch.setattr(baselines, "PLACES_AT_ONCE", 2)
    columns, y, place = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=60), rng.uniform(size=(60, 2))
    codes, rows, at = rng.integers(0, 2, 60), np.arange(10, 60), np.array([0, 5, 30])
    found = baselines.local_weights(columns, y, place, codes, rows, at, 0.3, 0.1)
    for k, i in enumerate(at):
        weight = [
            np.exp(-((place[i] - place[j]) ** 2).sum() / (2 * 0.3**2)) * (1 if codes[i] == codes[j] else 0.1)
            for j in rows
        ]
        root = np.sqrt(weight)
        expected = np.linalg.lstsq(columns[rows] * root[:, None], y[rows] * root)[0]
        assert_allclose(found[k], expected, rtol=1e-3, atol=1e-4)


def test_ridge_equals_least_squares_with_rows_for_its_penalty(module):
    baselines, rng = module("baselines"), np.random.default_rng(0)
    types = np.eye(2)[rng.integers(0, 2, 50)]
    fields = np.column_stack([types, rng.uniform(0.1, 1, (50, 2))])
    z, y = np.column_stack([np.ones(50), rng.normal(size=(50, 2))]), rng.normal(size=50)
    (found,) = baselines.ridge_weights(fields, z, y, np.arange(50), [7.0])
    wide = np.array([[z[i, k] * fields[i, j] for k in range(3) for j in range(4)] for i in range(50)])
    free = np.sqrt(7.0 * np.array([1e-6] * 2 + [1.0] * 10))
    expected = np.linalg.lstsq(np.vstack([wide, np.diag(free)]), np.append(y, np.zeros(12)))[0]
    assert_allclose(found.ravel(), expected, rtol=1e-6)


def test_scores_of_the_truth_are_perfect_and_units_do_not_matter(module, problem):
    made, _ = problem
    truth, scores = made.truth["Target1"], module("scores")
    found = {
        "names": made.names[::-1],
        "betas": {
            (split, "Target1"): np.column_stack([truth.intercept, truth.betas[:, ::-1]]) for split in ("all", "random")
        },
        "cpu": {("all", "Target1"): 3.0},
    }
    result = scores.score(found, made, "Target1")
    for name in ("correlation", "within", "sign", "auroc", "auprc"):
        assert result[name] == pytest.approx(1)
    assert result["cpu"] == 3
    assert result["r2_random"] == pytest.approx(result["oracle_random"], abs=1e-5)
    assert result["r2_random_within"] < result["r2_random"]
    unit = np.array([0.1, 3.0])
    rng = np.random.default_rng(0)
    betas, true, x = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    true[:, 1] = 0
    codes = rng.integers(0, 2, 40)
    plain = scores.beta_scores(betas, true, np.array([False, True]), x, codes)
    scaled = scores.beta_scores(betas * unit, true * unit, np.array([False, True]), x / unit, codes)
    assert scaled == pytest.approx(plain)
    assert plain["within"] == pytest.approx(
        np.mean([np.corrcoef(betas[codes == c, 0], true[codes == c, 0])[0, 1] for c in (0, 1)])
    )


def test_constant_betas_have_no_correlation(module):
    assert module("scores").correlation(np.full(5, 0.3), np.arange(5.0)) == 0
    assert module("scores").correlation(np.zeros(5), np.arange(5.0)) == 0
