"""Compare kinetic models of RNA velocity on simulated lineage trees; README.md says how.

Every method runs in a process of its own on the same noisy counts. Results are kept after every run: started again with
the same ``--out``, only what is missing is run.
"""

import argparse
import os
import sys
from pathlib import Path

import anndata
import numpy as np
from scipy import sparse
from tree_scores import TINY, score
from tree_table import markdown
from trees import MIN_SHARED_COUNTS, NOISE, write_tree

from napari_tissue_dynamics.graph.components import principal_components
from napari_tissue_dynamics.graph.counts import normalise
from napari_tissue_dynamics.graph.neighbors import knn

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "shared"))

from kept import finish, run_missing  # noqa: E402  (modules that all benchmarks share)
from measured import run_measured  # noqa: E402

OURS = {f"ours-{name}": mode for name, mode in (("steady", "steady_state"), ("stochastic",) * 2, ("dynamical",) * 2)}
SCVELO = {"scvelo-steady": "deterministic", "scvelo-stochastic": "stochastic", "scvelo-dynamical": "dynamical"}
TRUE = "true-velocity"
METHODS = (TRUE, *OURS, *SCVELO)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
NEIGHBORS, COMPONENTS = 30, 30


def command(method, folder, case, options):
    """Return the command that runs a method on the tree in ``folder``."""
    common = ["--data", folder / "tree.h5ad", "--out", folder / f"{method}.npz"]
    common += ["--min-shared-counts", MIN_SHARED_COUNTS[case["noise"]]]
    if method in SCVELO:
        return [options.scvelo_python, HERE / "scvelo_kinetic.py", *common, "--mode", SCVELO[method]]
    return [sys.executable, HERE / "ours_kinetic.py", *common, "--mode", OURS[method]]


def candidates(folder):
    """Return the candidates of the next cell, (cells, k), and the spliced moments over them; the same for all methods.

    They are the nearest cells in the principal components of the logarithms of the measured spliced counts.
    """
    counts = normalise(sparse.csr_array(anndata.read_h5ad(folder / "tree.h5ad").layers["spliced"]).astype(np.float32))
    near, _ = knn(principal_components(counts.log1p(), COMPONENTS, seed=0), NEIGHBORS)
    moments = np.stack([np.asarray(counts[cells].mean(axis=0)).ravel() for cells in near])
    return near, moments.astype(np.float32)


def run_method(method, folder, made, case, options):
    """Run one method on one tree; return its scores, or what it said when it failed."""
    truth, near, moments = made
    if method == TRUE:
        unit = (moments * truth["spliced"]).sum(axis=0) / np.maximum((truth["spliced"] ** 2).sum(axis=0), TINY)
        found = {"genes": truth["genes"], "velocity": truth["velocity"] * unit, "moments": moments}
        return {"scores": score(found, truth, near)}
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    words = [str(word) for word in command(method, folder, case, options)]
    used = run_measured(words, folder / "usage.json", environment)
    if used["exit"]:
        return {"error": used["output"]}
    with np.load(folder / f"{method}.npz") as found:
        scores = score(dict(found), truth, near)
    return {"scores": {**scores, **{name: used[name] for name in ("wall", "cpu", "peak_mib")}}}


def prepare(folder, case, seed):
    """Simulate a tree; return what is true of it, the candidates of the next cell and the moments over them."""
    truth = write_tree(folder, case, seed)
    return truth, *candidates(folder)


def run_all(options, report=print):
    """Run every method on every tree that has no row in ``options.out`` yet; return all rows."""
    case = {name: getattr(options, name) for name in ("cells", "genes", "states", "branch_points", "noise")}

    def run(method, folder, made, case, _):
        return run_method(method, folder, made, case, options)

    return run_missing(options, [case], prepare, run, report)


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--states", type=int, default=5)
    parser.add_argument("--branch-points", type=int, default=3)
    parser.add_argument("--noise", choices=NOISE, default="counts")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[TRUE, *OURS])
    parser.add_argument("--scvelo-python", type=Path, help="python of an environment with scVelo")
    parser.add_argument("--out", type=Path, required=True, help="results, JSON")
    parser.add_argument("--table", type=Path, help="results, Markdown")
    options = parser.parse_args(arguments)
    if options.scvelo_python is None and set(options.methods) & set(SCVELO):
        parser.error("give --scvelo-python, or leave the methods of scVelo out")
    return options


def main():
    options = parse()
    finish(options, markdown(run_all(options), METHODS))


if __name__ == "__main__":
    main()
