"""Time and memory of many genes of SpaceTravLR kept in a store: 5 000 cells of 5 types, 2 processes."""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.travlr.batch.batch_fit import Place, fit_genes
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

CELLS, TYPES, TFS, PAIRS, REGULATORS = 5000, 5, 120, 60, 15


def simulated(n_genes, seed=0):
    """Return a tissue whose targets follow three of their regulators, and its network."""
    rng = np.random.default_rng(seed)
    tfs = [f"Tf{k}" for k in range(TFS)]
    ligands, receptors = [f"Lig{k}" for k in range(PAIRS)], [f"Rec{k}" for k in range(PAIRS)]
    targets = [f"Gene{k}" for k in range(n_genes)]
    positions = rng.uniform(0, 1000, (CELLS, 2))
    drivers = rng.gamma(2, 0.5, (CELLS, TFS + 2 * PAIRS)).astype(np.float32)
    along = np.column_stack([np.sin(positions[:, 0] / 200), np.cos(positions[:, 1] / 300)])
    links, made = {}, np.empty((CELLS, n_genes), dtype=np.float32)
    for k, target in enumerate(targets):
        chosen = rng.choice(TFS, REGULATORS, replace=False)
        links[target] = tuple(tfs[j] for j in chosen)
        slopes = rng.normal(0.5, 0.2, 3) + along @ rng.normal(0, 0.2, (2, 3))
        made[:, k] = 1 + (drivers[:, chosen[:3]] * slopes).sum(axis=1) + 0.4 * rng.normal(size=CELLS)
    tissue = Tissue(
        tuple(f"c{k}" for k in range(CELLS)),
        (*tfs, *ligands, *receptors, *targets),
        positions,
        expression=np.hstack([drivers, made]),
        cell_types=Labels("type", rng.integers(0, TYPES, CELLS).astype(np.int32), tuple("ABCDE"[:TYPES])),
    )
    return tissue, targets, RegulatoryNetwork(links, pairs=tuple(zip(ligands, receptors, strict=True)))


def megabytes(who):
    return resource.getrusage(who).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=30)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    tissue, targets, network = simulated(options.genes)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(store=Path(folder) / "run", processes=options.processes)
        start, cpu = time.monotonic(), time.process_time()
        field = fit_genes(tissue, targets, network, TravlrConfig(), place=place)
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        size = sum(file.stat().st_size for file in place.store.rglob("*") if file.is_file()) / 1e6
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = used.ru_utime + used.ru_stime
    memory = megabytes(resource.RUSAGE_SELF) + options.processes * megabytes(resource.RUSAGE_CHILDREN)
    print(
        f"{len(field.genes)} genes of {CELLS} cells, {TYPES} types, {options.processes} processes: {seconds:.0f} s, "
        f"{(cpu + children) / len(field.genes):.2f} CPU s per gene, {size / len(field.genes):.2f} MB of "
        f"store per gene, at most {memory:.0f} MB of memory in all; targets 2.4 CPU s, 4000 MB"
    )


if __name__ == "__main__":
    main()
