"""Compare estimators of spatially varying regulation where the betas are known; README.md says how.

Every method runs in a process of its own on the same file. Results are kept after every run: started again with the
same ``--out``, only what is missing is run.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from problem import read_result
from scores import score
from simulated import SPLITS, write_simulated
from table import markdown

from napari_tissue_dynamics.simulators.betas import BetaSettings

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "shared"))

from kept import finish, run_missing  # noqa: E402  (modules that all benchmarks share)
from measured import run_measured  # noqa: E402

OURS = ("smooth", "smooth-plain", "seed", "network-16", "network-64")
BASELINES = ("ridge", "gwr")
ORIGINAL = ("spacetravlr-16", "spacetravlr-64")
METHODS = (*OURS, *BASELINES, *ORIGINAL)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def command(method, folder, options):
    """Return the command that runs a method on the problem in ``folder``."""
    name, _, variant = method.partition("-")
    common = ["--problem", folder / "problem.npz", "--out", folder / f"{method}.npz", "--splits", *options.splits]
    common += ["--targets", options.fit] if options.fit else []
    training = ["--epochs", options.epochs, "--pixels", variant] if variant.isdigit() else []
    if method in ORIGINAL:
        return [options.travlr_python, HERE / "spacetravlr_original.py", *common, *training]
    if method in BASELINES:
        return [sys.executable, HERE / "baselines.py", *common, "--method", name]
    plain = ["--plain"] if variant == "plain" else []
    return [sys.executable, HERE / "ours.py", *common, "--estimator", name, *training, *plain]


def run_method(method, folder, made, options):
    """Run one method on one tissue; return its scores, or what it said when it failed."""
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    words = [str(word) for word in command(method, folder, options)]
    try:
        used = run_measured(words, folder / "usage.json", environment)
    except FileNotFoundError:
        return {"error": "ended from outside"}
    if used["exit"]:
        return {"error": used["output"]}
    found = read_result(folder / f"{method}.npz")
    targets = dict.fromkeys(target for _, target in found["betas"])
    genes = {target: score(found, made, target) for target in targets}
    scores = {name: float(np.mean([gene[name] for gene in genes.values()])) for name in next(iter(genes.values()))}
    scores |= {"setup_cpu": found["setup_cpu"], "peak_mib": used["peak_mib"], "process_cpu": used["cpu"]}
    return {"epochs": options.epochs if method[-1].isdigit() else None, "genes": genes, "scores": scores}


def prepare(folder, case, seed):
    """Simulate a tissue; return what is true of it."""
    settings = replace(BetaSettings(), n_targets=case["targets"], sharing=case["sharing"])
    return write_simulated(folder, case["cells"], seed, settings)


def run_all(options, report=print):
    """Run every method on every tissue that has no row in ``options.out`` yet; return all rows."""
    cases = [{"cells": cells, "targets": options.targets, "sharing": options.sharing} for cells in options.cells]

    def run(method, folder, made, *_):
        return run_method(method, folder, made, options)

    return run_missing(options, cases, prepare, run, report)


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--targets", type=int, default=4, help="regulated genes of every tissue")
    parser.add_argument("--fit", type=int, help="fit the first so many of them only")
    parser.add_argument("--sharing", type=float, default=BetaSettings().sharing, help="of ligands and receptors")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["smooth", "seed", *BASELINES])
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--epochs", type=int, default=100, help="of networks, ours and the original's")
    parser.add_argument("--travlr-python", type=Path, help="python of an environment with SpaceTravLR 0.1.21")
    parser.add_argument("--out", type=Path, required=True, help="results, JSON")
    parser.add_argument("--table", type=Path, help="results, Markdown")
    options = parser.parse_args(arguments)
    if options.travlr_python is None and set(options.methods) & set(ORIGINAL):
        parser.error("give --travlr-python, or leave the original out")
    return options


def main():
    options = parse()
    finish(options, markdown(run_all(options)))


if __name__ == "__main__":
    main()
