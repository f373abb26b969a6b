"""The benchmark of velocities collects, scores and tabulates; its slow methods are not run here."""

import importlib
import json
import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "velocity"
SHARED = FOLDER.parent / "shared"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(SHARED))
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for path in (*FOLDER.glob("*.py"), *SHARED.glob("*.py")):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def options(module, tmp_path):
    small = "--cells 200 --genes 20 --noise none --seeds 3 --methods oracle least-squares"
    return module("run").parse([*small.split(), "--out", str(tmp_path / "rows.json")])


@pytest.fixture
def in_this_process(module, monkeypatch):
    """Run the runners without a process of their own, which would load everything again."""

    def run(words, usage, environment):
        assert words[0] == sys.executable
        assert environment["OMP_NUM_THREADS"] == "1"
        monkeypatch.setattr(sys, "argv", words[1:])
        module(Path(words[1]).stem).main()
        return {"wall": 2.0, "cpu": 1.5, "peak_mib": 300.0, "exit": 0, "output": ""}

    monkeypatch.setattr(module("run"), "run_measured", run)


def test_results_are_collected_kept_and_tabulated(module, options, in_this_process):
    said = []
    rows = module("run").run_all(options, said.append)
    oracle, plain = (row["scores"] for row in rows)
    assert len(said) == 2
    assert oracle["gene_cosine"] > 0.97, "1, but for 4 of 200 cells that do not change"
    assert oracle["accuracy"] > 0.5
    assert oracle["gene_cosine"] > plain["gene_cosine"]
    assert {"cbdir", "icvcoh", "accuracy_expression"} <= oracle.keys()
    assert json.loads(options.out.read_text()) == rows
    assert module("run").run_all(options, said.append) == rows
    assert len(said) == 2, "what is done is not run again"
    table = module("table").markdown(rows)
    assert "bilinear, mixed kinetics, none noise" in table
    assert f"| oracle (1) | {oracle['accuracy']:.3f} |" in table
    assert table.rstrip().endswith("| 2 | 2 | 300 |")


def test_a_method_that_fails_is_a_row_that_says_so_and_is_tried_again(module, options, monkeypatch):
    run = module("run")
    options.methods = ["oracle"]
    monkeypatch.setattr(run, "command", lambda *_: [sys.executable, "-S", "-c", "raise SystemExit('no luck')"])
    (row,) = run.run_all(options, lambda _: None)
    assert "no luck" in row["error"]
    assert "| oracle (1, 1 failed) | - |" in module("table").markdown([row])
    monkeypatch.setattr(run, "run_method", lambda *_: {"error": "tried again"})
    assert [row["error"] for row in run.run_all(options, lambda _: None)] == ["tried again"]


def test_a_command_is_measured_without_the_process_that_starts_it(module, tmp_path):
    work = "a = bytearray(60 * 2**20); s = sum(range(2_000_000)); print('said')"
    used = module("measured").run_measured(
        [sys.executable, "-S", "-c", work], tmp_path / "usage.json", dict(os.environ)
    )
    assert used["exit"] == 0
    assert used["output"] == "said\n"
    assert 60 < used["peak_mib"] < 100
    assert 0.01 < used["cpu"] <= used["wall"] + 0.1


def test_table_has_mean_and_spread_over_seeds(module):
    case = {"tissue": "bilinear", "kinetics": "mixed", "noise": "real", "cells": 9, "genes": 8, "schedule": "quick"}
    rows = [
        {"case": case, "seed": seed, "method": "plain", "scores": {"accuracy": value, "cpu": 10 * value}}
        for seed, value in ((1, 0.2), (2, 0.4))
    ]
    table = module("table").markdown(rows)
    assert f"| plain (2) | 0.300 ± {np.std([0.2, 0.4], ddof=1):.3f} | - |" in table
    assert "seeds 1, 2." in table


def test_scores_of_time_and_groups_need_no_velocity(module):
    truth = {"time": np.arange(6.0), "regime": np.array([0, 0, 0, 1, 1, 1])}
    found = {"time": np.array([0, 1, 2, 5, np.nan, 3]), "experts": np.array([7, 7, 7, 2, 2, 2])}
    scores = module("scores").score(found, truth)
    assert scores["ari"] == 1
    assert scores["time_within"] == pytest.approx((1 - 0.5) / 2)
    same = {**truth, "regime": np.zeros(6, int)}
    assert "ari" not in module("scores").score(found, same), "one regime has nothing to find"


def test_scores_do_not_depend_on_the_unit_of_a_gene(module):
    rng = np.random.default_rng(0)
    truth = {
        "genes": np.array(["a", "b", "c", "d"]),
        "positions": rng.uniform(size=(60, 2)),
        "movement": rng.normal(size=(60, 2)),
        "time": rng.uniform(size=60),
        "regime": np.zeros(60, int),
        "velocity": rng.normal(size=(60, 4)),
        "spliced": rng.gamma(2.0, size=(60, 4)),
    }
    found = {
        "genes": np.array(["d", "b", "a"]),
        "velocity": rng.normal(size=(60, 3)).astype(np.float32),
        "moments": truth["spliced"][:, [3, 1, 0]].astype(np.float32),
        "embedding": rng.normal(size=(60, 5)).astype(np.float32),
    }
    unit = np.array([0.1, 7.0, 30.0], dtype=np.float32)
    scores = module("scores")
    changed = {**found, "velocity": found["velocity"] * unit, "moments": found["moments"] * unit}
    assert scores.score(changed, truth) == pytest.approx(scores.score(found, truth), abs=1e-4)
    right = {**found, "velocity": truth["velocity"][:, [3, 1, 0]].astype(np.float32)}
    assert scores.score(right, truth)["gene_cosine"] == pytest.approx(1, abs=1e-5)


def test_stand_in_of_the_compiled_maximum():
    import torch

    scatter_max = runpy.run_path(str(FOLDER / "stand_ins" / "torch_scatter.py"))["scatter_max"]
    src = torch.randn(7, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([0, 2, 0, 2, 2, 0, 3])
    values, rows = scatter_max(src, index)
    values.sum().backward()
    gradient = torch.zeros(7, 3)
    for group in (0, 2, 3):
        members = torch.nonzero(index == group).ravel()
        best = members[src[members].argmax(dim=0)]
        assert torch.equal(rows[group], best)
        assert torch.equal(values[group], src[best, torch.arange(3)])
        gradient[best, torch.arange(3)] = 1
    assert torch.equal(src.grad, gradient)
    assert (values[1] == 0).all()


def test_first_epoch_of_a_phase_is_not_counted(module):
    times = [100.0, 0.0, 9.0, 10.0, 11.0, 12.0, 20.0, 23.0, 26.0]
    assert module("training_options").seconds_per_epoch(times, [3, 4, 1]) == [[9, 1], [1, 8, 3], []]
