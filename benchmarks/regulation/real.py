"""Fit regulation on real tissues and print how well cells that were left out are predicted, and by what.

``python benchmarks/regulation/real.py --file TISSUE.h5ad --cell-types COLUMN --tfs TFS.txt --pairs PAIRS.csv``: every
measured transcription factor of the list is a regulator of every target; targets are the genes of the panel that vary
most between cells of one type and are no transcription factors themselves.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from napari_tissue_dynamics.analysis.regulation.interactions import modulator_table
from napari_tissue_dynamics.data.io import ReadOptions, read_h5ad
from napari_tissue_dynamics.travlr import TravlrConfig, fit
from napari_tissue_dynamics.travlr.expression import expression_of
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork, read_pairs

FEWEST_CELLS = 100


def targets_of(tissue, regulators, number):
    """Return the genes whose spread inside a cell type is largest."""
    matrix = expression_of(tissue)
    dense = np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix)
    codes = tissue.cell_types.codes
    spread = sum(dense[codes == c].var(axis=0) * (codes == c).sum() for c in np.unique(codes))
    order = [tissue.genes[k] for k in np.argsort(-spread)]
    return [gene for gene in order if gene not in set(regulators)][:number]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--cell-types", required=True)
    parser.add_argument("--tfs", type=Path, required=True, help="names of transcription factors, one a line")
    parser.add_argument("--pairs", type=Path, required=True, help="ligand-receptor pairs")
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument("--impute", action="store_true")
    options = parser.parse_args()
    tissue = read_h5ad(options.file, ReadOptions(cell_type=options.cell_types, expression="X"))
    known = set(options.tfs.read_text().split())
    regulators = tuple(gene for gene in tissue.genes if gene in known)
    targets = targets_of(tissue, regulators, options.targets)
    network = RegulatoryNetwork(dict.fromkeys(targets, regulators), read_pairs(options.pairs))
    config = TravlrConfig(small_types="mean", impute=options.impute, score_threshold=-10, max_pairs=0)
    wall, cpu = time.perf_counter(), time.process_time()
    field = fit(tissue, targets, network, config)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sizes = {name: int((tissue.cell_types.codes == k).sum()) for k, name in enumerate(tissue.cell_types.categories)}
    print(f"{tissue.n_cells} cells, {len(regulators)} factors, {wall:.0f} s, {cpu:.0f} CPU s for {len(targets)} genes")
    print("\n| target | modulators | R² | of cells left out | of pieces left out | supported | strongest |")
    print("|---|---|---|---|---|---|---|")
    for gene in field.genes:
        many = np.array([sizes[name] >= FEWEST_CELLS for name in gene.clusters])
        weight = np.array([sizes[name] for name in gene.clusters])[many]
        kinds = (gene.fit_r2, gene.held_out_r2, gene.blocked_r2)
        scores = [f"{np.average(np.array(r2)[many], weights=weight):.2f}" for r2 in kinds]
        supported = int((gene.false_discovery[many] <= 0.1).any(axis=0).sum())
        strongest = ", ".join(gene.modulators[k] for k in np.argsort(gene.effects)[::-1][:4])
        print("|", " | ".join([gene.target, str(len(gene.modulators)), *scores, str(supported), strongest]), "|")
    assert len(modulator_table(field.genes[0], tissue))


if __name__ == "__main__":
    main()
