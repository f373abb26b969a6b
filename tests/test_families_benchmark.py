"""The benchmark over families of simulators, controls and real data runs, scores and tabulates."""

import csv
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph

FOLDER = Path(__file__).parents[1] / "benchmarks" / "velocity"
SHARED = FOLDER.parent / "shared"
QUICK = "--quick --half report --models baseline stochastic"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(SHARED))
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for path in (*FOLDER.glob("*.py"), *SHARED.glob("*.py")):
        sys.modules.pop(path.stem, None)


def oracle(made, **more):
    """Return the truth as a velocity field, its genes in another unit each."""
    unit = np.linspace(0.2, 3, made.tissue.n_genes, dtype=np.float32)
    v, s, u = (getattr(made.truth, name).astype(np.float32) * unit for name in ("velocity", "spliced", "unspliced"))
    return VelocityField(made.tissue.genes, v, np.zeros_like(v), s, u, **more)


def test_a_quick_run_fills_csv_and_table_and_goes_on(module, tmp_path):
    families = module("families")
    kinds = ["--kinds", "bilinear mixed", "cycle", "sources half static", "control cells: sources"]
    options = families.parse([*QUICK.split(), *kinds, "--out", str(tmp_path / "rows.json")])
    assert options.seeds == [101]
    said = []
    rows = families.run_all(options, said.append)
    assert families.run_all(options, said.append) == rows
    assert len(said) == len(rows) == 8
    bilinear, cycle, half, control = (row["scores"] for row in rows if row["method"] == "stochastic")
    assert {"std", "raw", "arrows", "time", "genes", "cpu"} <= bilinear.keys()
    assert "time" not in cycle, "a circle has no begin"
    assert 0 < half["static"] < 2
    assert control.keys() == {"cpu", "pairing_z", "lag_z"}, "there is nothing to agree with"
    families.write_csv(rows, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["kind"] for line in lines[::2]] == options.kinds
    assert float(lines[1]["std"]) == bilinear["std"]
    assert f"| bilinear mixed | stochastic | 1 | {bilinear['genes']} | {bilinear['std']:.2f} |" in families.markdown(
        rows
    )


def test_a_model_that_refuses_has_a_row(module, tmp_path, monkeypatch):
    families = module("families")
    options = families.parse([*QUICK.split(), "--kinds", "sources", "--out", str(tmp_path / "rows.json")])
    monkeypatch.setattr(families, "fit", refuse)
    rows = families.run_all(options, print)
    assert [row["error"] for row in rows] == ["too few genes"] * 2
    assert "| sources | baseline | 0 of 1 |" in families.markdown(rows)


def refuse(*_):
    from napari_tissue_dynamics.errors import DataError

    raise DataError("too few genes")


def test_halves_share_no_seed_and_only_the_report_has_all_kinds(module):
    kinds = module("family_kinds")
    development, report = kinds.HALVES["development"], kinds.HALVES["report"]
    assert not set(development.seeds) & set(report.seeds)
    assert set(development.kinds) < set(report.kinds) == set(kinds.KINDS)
    with pytest.raises(SystemExit):
        module("families").parse(["--half", "development", "--kinds", "cycle", "--out", "rows.json"])
    with pytest.raises(SystemExit):
        module("families").parse(["--half", "report", "--seeds", "1", "--out", "rows.json"])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_truth_scores_one_and_its_reverse_minus_one(module, sign):
    made = simulate_telegraph(400, 30, 1, TelegraphSettings(layout="sources", static=0.2, dying=0.1, empty=0.1))
    made = module("family_kinds").Made(made.tissue, made.truth)
    clock = (sign * made.truth.time).astype(np.float32)
    experts = np.eye(2, dtype=np.float32)[made.truth.regime.codes]
    field = oracle(made, time=clock, expert_probability=experts)
    field = VelocityField(**{**fields_of(field), "spliced": sign * field.spliced})
    scores = module("family_scores").score(field, made)
    assert scores["std"] == pytest.approx(sign, abs=1e-5)
    assert scores["raw"] == pytest.approx(sign, abs=1e-5)
    assert scores["time"] == pytest.approx(sign)
    assert (scores["ari"], scores["regimes"], scores["static"], scores["genes"]) == (1, 2, 0, 30)
    assert sign * scores["arrows"] > 0.4


@pytest.mark.parametrize("sign", [1, -1])
def test_without_a_movement_arrows_are_compared_with_those_of_the_true_velocity(module, sign):
    made = simulate_telegraph(300, 30, 1, TelegraphSettings(layout="mosaic"))
    made = module("family_kinds").Made(made.tissue, made.truth)
    field = oracle(made)
    field = VelocityField(**{**fields_of(field), "spliced": sign * field.spliced})
    arrows = module("family_scores").score(field, made)["arrows"]
    assert arrows > 0.999 if sign > 0 else arrows < -0.3


def fields_of(field):
    return {name: getattr(field, name) for name in VelocityField.__dataclass_fields__}


def test_what_a_velocity_says_of_itself_is_kept(module):
    made = simulate_telegraph(200, 20, 1)
    field = oracle(made, evidence=VelocityEvidence("weak", 2.0, 1.5))
    scores = module("family_scores").score(field, SimpleNamespace(truth=None))
    assert scores == {"pairing_z": 2.0, "lag_z": 1.5}


def test_the_baseline_tells_the_direction_of_deep_counts(module):
    """Against the truth; the other way round it is as wrong."""
    settings = TelegraphSettings(layout="sources", n_regimes=1, capture=(1.0, 1.0), depth_spread=0.0, ambient=0.0)
    made = simulate_telegraph(600, 60, 1, settings)
    made = module("family_kinds").Made(made.tissue, made.truth)
    scores = module("family_scores").score(module("family_scores").baseline(made.tissue), made)
    assert scores["std"] > 0.4
    assert scores["arrows"] > 0.5
