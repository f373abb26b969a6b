"""Processor time and memory of STEER by the size of the tissue.

``python benchmarks/velocity/scaling.py --sizes 3000x500 10000x500 30000x500 --epochs 3``: every size is fitted in a
process of its own with a few epochs per phase, and a Markdown table is printed. The processor time of all threads is
counted; ``--threads`` says how many there may be. Large tissues are made from a small simulated one: each new cell lies
between two neighbors, and so do its counts, with fresh Poisson noise.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path.append(str(Path(__file__).parents[1] / "shared"))

from measured import run_measured

SIMULATED = 2000
NEAREST = 8
STEPS = ("genes", "neighbors", "time and regimes")
PHASES = ("auto-encoder", "clock and regimes", "velocity")
READ_OUT = "velocities of all cells"


def make_tissue(n_cells, n_genes, seed=42):
    """Return a tissue of any size with sparse counts like those of a real experiment."""
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.graph.neighbors import knn
    from napari_tissue_dynamics.simulators.velocity import Noise, simulate_multiradial

    small = simulate_multiradial(min(n_cells, SIMULATED), n_genes, seed=seed, noise=Noise.real()).tissue
    rng = np.random.default_rng(seed)
    one = rng.integers(small.n_cells, size=n_cells)
    other = knn(small.positions, NEAREST)[0][one, rng.integers(NEAREST, size=n_cells)]
    share = rng.random(n_cells)
    between = sparse.diags_array(1 - share) @ _rows(one, small.n_cells)
    between = sparse.csr_array(between + sparse.diags_array(share) @ _rows(other, small.n_cells), dtype=np.float32)
    return Tissue(
        genes=small.genes,
        cells=tuple(f"cell {number}" for number in range(n_cells)),
        positions=between @ small.positions + rng.normal(scale=1e-3, size=(n_cells, small.positions.shape[1])),
        spliced=_counted(between @ sparse.csr_array(small.spliced), rng),
        unspliced=_counted(between @ sparse.csr_array(small.unspliced), rng),
    )


def _rows(cells, n):
    return sparse.csr_array((np.ones(len(cells)), (np.arange(len(cells)), cells)), shape=(len(cells), n))


def _counted(mean, rng):
    counts = sparse.csr_array(mean)
    counts.data = rng.poisson(counts.data).astype(np.float32)
    counts.eliminate_zeros()
    return counts


def measure(n_cells, n_genes, options):
    """Fit one tissue; return the CPU seconds of each part, per epoch for what is trained."""
    from napari_tissue_dynamics.steer import overall_progress as journey
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.steer.training import fit_steps

    journey.INTERVAL = 0.0  # every epoch is reported
    tissue = make_tissue(n_cells, n_genes)
    epochs = {f"{name}_epochs": options.epochs for name in ("autoencoder", "time", "velocity")}
    settings = {} if options.cell_batch is None else {"cell_batch": options.cell_batch}
    settings |= {"n_genes": n_genes, "keep_genes": n_genes, "n_experts": options.experts}
    config = SteerConfig(device="cpu", **settings, **epochs)
    used = {"density": tissue.spliced.nnz / (n_cells * n_genes)}
    steps, part, wall = fit_steps(tissue, config), None, time.perf_counter()
    last = time.process_time()
    while True:
        try:
            report = next(steps)
        except StopIteration:
            break
        now = time.process_time()
        used[part], last = used.get(part, 0.0) + now - last, now
        part = READ_OUT if report.fraction >= 1 else report.phase
    used[READ_OUT] = time.process_time() - last
    used.pop(None)
    return {**used, "wall": time.perf_counter() - wall}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["3000x500", "10000x500", "30000x500"], metavar="CELLSxGENES")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--experts", type=int, default=0, help="0: the data decide")
    parser.add_argument("--cell-batch", type=int, help="cells of a batch; the default of the package when left out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes]
    if options.write:
        options.write.write_text(json.dumps(measure(*sizes[0], options)))
        return
    print(f"CPU seconds with {options.threads} thread(s); for the phases of the training, of one epoch.\n")
    names = ["cells x genes", *STEPS, *PHASES, READ_OUT, "peak memory, GiB"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
    for size in sizes:
        print(_row(size, options), flush=True)


def _row(size, options):
    with tempfile.TemporaryDirectory() as name:
        found, usage = Path(name) / "found.json", Path(name) / "usage.json"
        command = [sys.executable, __file__, "--write", found, "--sizes", "x".join(map(str, size))]
        command += ["--epochs", options.epochs, "--experts", options.experts]
        command += [] if options.cell_batch is None else ["--cell-batch", options.cell_batch]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
        measured = run_measured(command, usage, {**os.environ, **threads})
        if measured["exit"]:
            return f"| {size[0]} x {size[1]} | failed: {measured['output'].splitlines()[-1:]} |"
        used = json.loads(found.read_text())
    cells = [f"{size[0]:,} x {size[1]:,}", *(f"{used[step]:.1f}" for step in STEPS)]
    cells += [f"{used[phase] / options.epochs:.2f}" for phase in PHASES]
    cells += [f"{used[READ_OUT]:.1f}", f"{measured['peak_mib'] / 1024:.2f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
