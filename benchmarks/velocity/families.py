"""Run velocity models over two families of simulators, controls and real data: ``python families.py --out rows.json``.

``family_kinds.py`` holds the kinds and the two halves. Rows are kept after every run: started again with the same
``--out``, only what is missing is run. ``--csv`` has a line for each run, ``--table`` means over the seeds.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np
from family_kinds import FAMILIES, HALVES, KINDS
from family_scores import baseline, score

from napari_tissue_dynamics.descriptions import with_settings
from napari_tissue_dynamics.errors import TissueDynamicsError
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.workflow.models import MODELS

sys.path.append(str(Path(__file__).parents[1] / "shared"))

from kept import finish, run_missing

BASELINE = "baseline"
CELLS, GENES = 1200, 150
QUICK_CELLS, QUICK_GENES = 200, 40
EPOCHS = ("autoencoder_epochs", "cluster_epochs", "time_epochs", "warm_up_epochs", "velocity_epochs")
# Title and digits of every score.
COLUMNS = {
    "genes": ("genes", 0),
    "std": ("std cosine", 2),
    "raw": ("raw cosine", 2),
    "arrows": ("2-D cosine", 2),
    "time": ("time in regime", 2),
    "regimes": ("regimes", 1),
    "ari": ("ARI", 2),
    "static": ("static speed", 2),
    "pairing_z": ("pairing z", 1),
    "lag_z": ("lag z", 1),
    "cpu": ("CPU s", 1),
}


def fit(tissue, name, seed, quick):
    """Return the velocities of a model with its default settings, on the CPU; quick ones are trained for two epochs."""
    if name == BASELINE:
        return baseline(tissue)
    row = MODELS[name]
    epochs = dict.fromkeys(EPOCHS, 2) if quick and name == "steer" else {}
    settings = with_settings(row.start(), {"seed": seed, "device": "cpu", **epochs})
    return run_to_end(row.fit_steps(tissue, settings, None, ANYWHERE, {}))


def run_all(options, report=print):
    """Run every model on every kind and seed that has no row in ``options.out`` yet; return all rows."""

    def prepare(folder, case, seed):
        return KINDS[case["kind"]](case["n_cells"], case["n_genes"], seed)

    def run(method, folder, made, case, seed):
        begin = time.process_time()
        try:
            field = fit(made.tissue, method, seed, options.quick)
        except TissueDynamicsError as error:
            return {"error": str(error)}
        used = time.process_time() - begin
        verdict = "" if field.evidence is None else field.evidence.verdict
        return {"scores": {**score(field, made), "cpu": used}, "verdict": verdict}

    return run_missing(options, cases(options), prepare, run, report)


def cases(options):
    """Return what is run."""
    size = {"n_cells": options.cells, "n_genes": options.genes}
    return [{"half": options.half, "family": FAMILIES[kind], "kind": kind, **size} for kind in options.kinds]


def write_csv(rows, path):
    """Write a line for each run."""
    names = ["half", "family", "kind", "n_cells", "n_genes", "seed", "model", *COLUMNS, "verdict", "error"]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        for row in rows:
            said = {"seed": row["seed"], "model": row["method"], "verdict": row.get("verdict", "")}
            table.writerow({**row["case"], **said, **row.get("scores", {}), "error": row.get("error", "")})


def markdown(rows):
    """Return one table: a line for each kind and model, means over the seeds, how often each verdict was given."""
    titles = ["kind", "model", "runs", *(title for title, _ in COLUMNS.values()), "verdict"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    groups = {}
    for row in rows:
        groups.setdefault((row["case"]["kind"], row["method"]), []).append(row)
    for (kind, method), members in groups.items():
        worked = [row for row in members if "error" not in row]
        texts = [_mean([row["scores"].get(name) for row in worked], digits) for name, (_, digits) in COLUMNS.items()]
        verdicts = [row["verdict"] for row in worked if row["verdict"]]
        said = ", ".join(f"{verdicts.count(each)} {each}" for each in dict.fromkeys(verdicts)) or "-"
        runs = str(len(worked)) if len(worked) == len(members) else f"{len(worked)} of {len(members)}"
        lines.append(f"| {kind} | {method} | {runs} | {' | '.join(texts)} | {said} |")
    return "\n".join([*lines, ""])


def _mean(values, digits):
    known = [value for value in values if value is not None and np.isfinite(value)]
    return f"{np.mean(known):.{digits}f}" if known else "-"


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default="development")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, help="some kinds of the half (default: all)")
    parser.add_argument("--family", nargs="+", choices=sorted(set(FAMILIES.values())), help="kinds of these families")
    parser.add_argument("--models", nargs="+", dest="methods", choices=(BASELINE, *MODELS), default=[BASELINE, *MODELS])
    parser.add_argument("--seeds", type=int, nargs="+", help="some seeds of the half (default: all)")
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--genes", type=int, default=GENES)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one seed and two epochs: does it run at all?")
    parser.add_argument("--out", type=Path, required=True, help="results, JSON")
    parser.add_argument("--csv", type=Path, help="results, one line for each run")
    parser.add_argument("--table", type=Path, help="results, Markdown")
    options = parser.parse_args(arguments)
    half = HALVES[options.half]
    if options.quick:
        options.cells, options.genes = QUICK_CELLS, QUICK_GENES
    options.seeds = options.seeds or list(half.seeds[: 1 if options.quick else None])
    outside = [*set(options.kinds or ()) - set(half.kinds), *set(options.seeds) - set(half.seeds)]
    if outside:
        parser.error(f"{outside[0]} does not belong to the {options.half} half")
    chosen = options.kinds or half.kinds
    options.kinds = [kind for kind in chosen if not options.family or FAMILIES[kind] in options.family]
    return options


def main():
    options = parse()
    rows = run_all(options)
    if options.csv is not None:
        write_csv(rows, options.csv)
    finish(options, markdown(rows))


if __name__ == "__main__":
    main()
