"""Compare methods of RNA velocity on simulated tissues; README.md says how.

Every method runs in a process of its own and writes its velocities; arrows and scores are then made in the same way
for all. Results are kept after every run: started again with the same ``--out``, only what is missing is run.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import get_args

import numpy as np
from scores import score
from table import markdown
from tissues import KINETICS, MIN_SHARED_COUNTS, NOISE, TISSUES, write_tissue

from napari_tissue_dynamics.steer.config import Profile, Schedule, SteerConfig

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "shared"))

from kept import finish, run_missing  # noqa: E402  (modules that all benchmarks share)
from measured import run_measured  # noqa: E402

BASELINES = ("oracle", "least-squares", "kmeans")
SCVELO = {"scvelo-steady": "deterministic", "scvelo-stochastic": "stochastic", "scvelo-dynamical": "dynamical"}
OURS = {f"ours-{profile}": profile for profile in get_args(Profile)}
METHODS = (*BASELINES, *SCVELO, "steer-original", *OURS)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def command(method, folder, case, seed, options):
    """Return the command that runs a method on the tissue in ``folder``."""
    common = ["--data", folder / "tissue.h5ad", "--out", folder / f"{method}.npz"]
    common += ["--min-shared-counts", MIN_SHARED_COUNTS[case["noise"]]]
    if method in SCVELO:
        return [options.scvelo_python, HERE / "scvelo_runner.py", *common, "--mode", SCVELO[method]]
    common += ["--seed", seed, "--experts", options.experts]
    if method in BASELINES:
        return [sys.executable, HERE / "baselines.py", *common, "--method", method, "--truth", folder / "truth.npz"]
    if method == "steer-original":
        return [options.steer_python, HERE / "steer_original.py", *common, *_schedule(options)]
    epochs = ["--epochs", *options.epochs] if options.epochs else []
    return [
        *(sys.executable, HERE / "ours.py", *common),
        *("--profile", OURS[method], "--schedule", options.schedule, *epochs),
    ]


def _schedule(options):
    """Return the published schedule as arguments for the original."""
    config = SteerConfig.schedule(options.schedule, "faithful")
    epochs = options.epochs or [
        config.autoencoder_epochs,
        config.cluster_epochs,
        config.time_epochs,
        config.warm_up_epochs,
        config.velocity_epochs,
    ]
    return [
        *("--epochs", *epochs),
        *("--patience", config.patience, "--velocity-batch", config.velocity_batch),
        *("--expert-size", config.published.expert_size),
    ]


def run_method(method, folder, truth, case, seed, options):
    """Run one method on one tissue; return its scores, or what it said when it failed."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(options.threads))}
    words = [str(word) for word in command(method, folder, case, seed, options)]
    used = run_measured(words, folder / "usage.json", environment)
    if used["exit"]:
        return {"error": used["output"]}
    with np.load(folder / f"{method}.npz") as found:
        scores = score(dict(found), truth)
    return {"scores": {**scores, **{name: used[name] for name in ("wall", "cpu", "peak_mib")}}}


def run_all(options, report=print):
    """Run every method on every tissue that has no row in ``options.out`` yet; return all rows."""

    def run(*what):
        return run_method(*what, options)

    return run_missing(options, cases(options), write_tissue, run, report)


def cases(options):
    """Return what is simulated, every tissue with every kinetics."""
    schedule = " ".join(map(str, options.epochs)) if options.epochs else options.schedule
    return [
        {
            "tissue": tissue,
            "kinetics": kinetics,
            "noise": options.noise,
            "cells": options.cells,
            "genes": options.genes,
            "schedule": schedule,
            "experts": options.experts,
        }
        for tissue in options.tissue
        for kinetics in options.kinetics
    ]


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tissue", nargs="+", choices=TISSUES, default=["bilinear"])
    parser.add_argument("--kinetics", nargs="+", choices=KINETICS, default=["mixed"])
    parser.add_argument("--noise", choices=NOISE, default="real")
    parser.add_argument("--cells", type=int, default=1500)
    parser.add_argument("--genes", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*BASELINES, *OURS])
    parser.add_argument("--experts", type=int, default=3, help="experts of STEER and groups of kmeans")
    parser.add_argument("--schedule", choices=get_args(Schedule), default="quick", help="of ours and of the original")
    parser.add_argument("--epochs", type=int, nargs=5, help="of the five phases, in place of those of the schedule")
    parser.add_argument("--threads", type=int, default=1, help="of every method")
    parser.add_argument("--scvelo-python", type=Path, help="python of an environment with scVelo")
    parser.add_argument("--steer-python", type=Path, help="python of an environment with the original STEER")
    parser.add_argument("--out", type=Path, required=True, help="results, JSON")
    parser.add_argument("--table", type=Path, help="results, Markdown")
    options = parser.parse_args(arguments)
    if options.scvelo_python is None and set(options.methods) & set(SCVELO):
        parser.error("give --scvelo-python, or leave the methods of scVelo out")
    if options.steer_python is None and "steer-original" in options.methods:
        parser.error("give --steer-python, or leave steer-original out")
    return options


def main():
    options = parse()
    finish(options, markdown(run_all(options)))


if __name__ == "__main__":
    main()
