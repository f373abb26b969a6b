"""CPU seconds, memory and error of the ligands that reach a million cells, 20 x 20 mm, radius 150."""

import time
import tracemalloc

import numpy as np

from napari_tissue_dynamics.travlr.received_ligands import received_steps

CELLS, SIDE, RADIUS, LIGANDS, CHECKED = 1_000_000, 20_000.0, 150.0, 8, 100


def exact(positions, ligands, rows):
    """Return the plain sum at a few cells."""
    found = np.zeros((len(rows), ligands.shape[1]))
    for k, row in enumerate(rows):
        squared = ((positions - positions[row]) ** 2).sum(axis=1)
        found[k] = np.exp(squared / (-2 * RADIUS**2)) @ ligands
    return found / len(positions)


def run(positions, ligands):
    """Return the result, CPU seconds and the longest time between two reports."""
    steps = received_steps(positions, ligands, np.full(ligands.shape[1], RADIUS))
    start, longest, last = time.process_time(), 0.0, time.perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, time.process_time() - start, longest
        now = time.perf_counter()
        longest, last = max(longest, now - last), now


def measure():
    """Print one line."""
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, SIDE, (CELLS, 2))
    ligands = (rng.gamma(1, 1, (CELLS, LIGANDS)) * (rng.random((CELLS, LIGANDS)) < 0.1)).astype(np.float32)
    found, seconds, longest = run(positions, ligands)
    rows = rng.choice(CELLS, CHECKED, replace=False)
    error = np.abs(found[rows] - exact(positions, ligands, rows)).max() / found.max()
    tracemalloc.start()
    run(positions, ligands)
    memory = tracemalloc.get_traced_memory()[1] / 1e9
    print(
        f"ligands of {CELLS:,} cells: {seconds / LIGANDS:.2f} CPU s per ligand of {LIGANDS}, {memory:.2f} GB, "
        f"error {error:.1e} of the maximum, longest time without a report {longest:.2f} s; targets < 1 s, 2e-3, 1 s"
    )


if __name__ == "__main__":
    measure()
