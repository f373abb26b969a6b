"""Time and memory of many genes: ``python many_genes.py --genes 60 --cells 5000 --processes 2``; Linux only.

Fits the genes with ``travlr.batch.batch_fit.fit_genes`` into a directory that is removed afterwards and prints one
line of JSON: wall and CPU seconds of all processes together, the same per gene, what they come to for ``--of`` genes,
and the largest memory of all processes together (shared pages counted once).
"""

import argparse
import json
import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
from simulated import network_of

from napari_tissue_dynamics.simulators.betas import BetaSettings, simulate_betas
from napari_tissue_dynamics.travlr import TravlrConfig
from napari_tissue_dynamics.travlr.batch.batch_fit import Place, fit_genes

SECONDS_BETWEEN_LOOKS = 0.25


class Watch:
    """Largest memory of this process and its children while something runs."""

    def __init__(self):
        self.peak, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _look(self):
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            mine = psutil.Process()
            total = 0
            for process in (mine, *mine.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:  # it has just ended
                    continue
            self.peak = max(self.peak, total)


def cpu_seconds():
    """Return what this process and its finished children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=60)
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--factors", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--tf-ligands", type=int, default=4)
    parser.add_argument("--of", type=int, default=1000, help="genes to extrapolate to")
    parser.add_argument("--plain", action="store_true", help="no held-out scores and no test by permutation")
    options = parser.parse_args()
    settings = BetaSettings(
        n_targets=options.genes, n_factors=options.factors, n_pairs=options.pairs, n_tf_ligands=options.tf_ligands
    )
    simulated = simulate_betas(options.cells, 0, settings)
    config = TravlrConfig(radius=simulated.radius, scale_factor=simulated.scale_factor)
    if options.plain:
        config = replace(config, held_out=False, permutations=0)
    targets, factors = simulated.targets, simulated.regulators[simulated.targets[0]]
    network = network_of(targets, factors, simulated.pairs, simulated.tf_ligands)
    print(json.dumps(measured(simulated.tissue, targets, network, config, options)))


def measured(tissue, targets, network, config, options):
    """Fit the genes; return what it took."""
    started, used, arrived = time.perf_counter(), cpu_seconds(), []

    def report(progress):
        if progress.snapshot is not None:
            arrived.append(time.perf_counter() - started)

    with tempfile.TemporaryDirectory() as folder, Watch() as watch:
        place = Place(store=Path(folder) / "store", processes=options.processes)
        field = fit_genes(tissue, targets, network, config, report, place=place)
        modulators = len(field.genes[0].modulators)
        wall = time.perf_counter() - started
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    cpu = cpu_seconds() - used
    steady = (arrived[-1] - arrived[0]) / max(len(arrived) - 1, 1)
    return {
        "cells": options.cells,
        "genes": len(field.genes),
        "failed": len(field.failed),
        "modulators": modulators,
        "processes": options.processes,
        "wall_s": round(wall, 1),
        "first_gene_s": round(arrived[0], 1),
        "cpu_s": round(cpu, 1),
        "cpu_s_per_gene": round(cpu / options.genes, 2),
        f"wall_min_of_{options.of}": round((arrived[0] + steady * options.of) / 60, 1),
        f"cpu_min_of_{options.of}": round(cpu / options.genes * options.of / 60, 1),
        "peak_mib": round(watch.peak / 2**20),
        "kib_on_disk_per_gene": round(size / 1024 / options.genes),
    }


if __name__ == "__main__":
    main()
