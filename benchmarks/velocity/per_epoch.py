"""CPU seconds per epoch of ours and of the original STEER, in one run on one tissue.

``python benchmarks/velocity/per_epoch.py --steer-python PATH``: a few epochs of the second stage of each, with the
same number of cells in a velocity step and the same experts. The processor time of all threads is counted. The three
run one after the other; other work on the machine makes even processor time longer, so keep it idle, and repeat.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tissues import write_tissue
from training_options import EPOCHS

HERE = Path(__file__).parent
SHOWN = {"auto-encoder": 1, "clusters": 2, "velocity": 5}


def seconds(python, runner, folder, options, *words):
    """Return the CPU seconds of the epochs by phase."""
    times = folder / "times.json"
    command = [
        *(python, HERE / runner, "--data", folder / "tissue.h5ad", "--out", folder / "out.npz", *words),
        *("--epochs", *options.epochs, "--velocity-batch", options.velocity_batch, "--expert-size", "slim"),
        *("--epoch-times", times, "--min-shared-counts", 0),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    subprocess.run([str(word) for word in command], env=environment, check=True, stdout=subprocess.DEVNULL)
    return json.loads(times.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--genes", type=int, default=500)
    parser.add_argument("--epochs", type=int, nargs=5, metavar=EPOCHS, default=[6, 6, 2, 2, 11])
    parser.add_argument("--velocity-batch", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steer-python", type=Path, required=True)
    options = parser.parse_args()
    case = {"tissue": "bilinear", "kinetics": "friendly", "noise": "published"}
    case |= {"cells": options.cells, "genes": options.genes}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tissue(folder, case, 42)
        found = {
            "original": seconds(options.steer_python, "steer_original.py", folder, options),
            "ours, faithful": seconds(sys.executable, "ours.py", folder, options, "--profile", "faithful"),
            "ours, improved": seconds(sys.executable, "ours.py", folder, options, "--profile", "improved"),
        }
    print(f"{options.cells} cells x {options.genes} genes, {options.velocity_batch} cells in a velocity step,")
    print(f"slim experts, {options.threads} thread(s); median CPU seconds of an epoch (lowest to highest), and how")
    print("often the median fits in that of the original")
    print(f"\n| phase | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for phase, number in SHOWN.items():
        cells = [_cell(found["original"][phase], times.get(phase)) for times in found.values()]
        print(f"| {number}, {phase} | {' | '.join(cells)} |")


def _cell(reference, seconds):
    if seconds is None:
        return "-"
    median = statistics.median(seconds)
    ratio = statistics.median(reference) / median
    return f"{median:.2f} ({min(seconds):.2f} to {max(seconds):.2f}), {ratio:.1f}x"


if __name__ == "__main__":
    main()
