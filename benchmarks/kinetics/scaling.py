"""Time and memory of one model with its graph on many cells: ``python scaling.py --cells 100000 --genes 2000``."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import anndata
import numpy as np
from scipy import sparse

from napari_tissue_dynamics.simulators.branching import LIBRARY_SPREAD, simulate_branching

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "shared"))

from measured import run_measured  # noqa: E402  (a module that all benchmarks share)

PART = 5000


def write_many(path, cells, genes):
    """Write Poisson counts, of uneven depth, of the RNA of one tree of a few thousand cells, drawn again and again."""
    truth, rng = simulate_branching(min(PART, cells), genes, seed=0).truth, np.random.default_rng(1)
    layers = {"spliced": [], "unspliced": []}
    for first in range(0, cells, PART):
        depth = np.exp(LIBRARY_SPREAD * rng.normal(size=(min(PART, cells - first), 1)))
        for name, parts in layers.items():
            parts.append(sparse.csr_matrix(rng.poisson(depth * getattr(truth, name)[: len(depth)]).astype(np.float32)))
    stacked = {name: sparse.vstack(parts, format="csr") for name, parts in layers.items()}
    positions = rng.uniform(size=(cells, 2))
    anndata.AnnData(stacked["spliced"], layers=stacked, obsm={"spatial": positions}).write_h5ad(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--mode", default="steady_state")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_many(folder / "tree.h5ad", options.cells, options.genes)
        words = [sys.executable, HERE / "ours_kinetic.py", "--data", folder / "tree.h5ad", "--mode", options.mode]
        used = run_measured(
            [*map(str, words), "--out", str(folder / "out.npz")], folder / "usage.json", dict(os.environ)
        )
    if used["exit"]:
        sys.exit(used["output"])
    print(
        f"{options.cells} cells x {options.genes} genes, {options.mode}: {used['wall']:.0f} s, {used['cpu']:.0f} CPU s"
    )
    print(f"peak memory {used['peak_mib'] / 1024:.1f} GiB")


if __name__ == "__main__":
    main()
