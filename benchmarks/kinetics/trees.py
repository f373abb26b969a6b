"""Simulated lineage trees as files that every method can read."""

import anndata
import numpy as np

from napari_tissue_dynamics.simulators.branching import branching_noise, simulate_branching
from napari_tissue_dynamics.simulators.noise import Noise

NOISE = {
    "deep": lambda: Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=12000.0, dropout=0.05, library_spread=0.4),
    "counts": branching_noise,
    "sparse": lambda: Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=1500.0, dropout=0.3, library_spread=0.4),
    "none": lambda: Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=None, dropout=0.0, library_spread=0.0),
}
# Genes with fewer shared counts are left out; continuous values have no counts.
MIN_SHARED_COUNTS = {"deep": 20, "counts": 20, "sparse": 20, "none": 0}


def write_tree(folder, case, seed):
    """Simulate one tree; write ``tree.h5ad`` and return what is true."""
    simulated = simulate_branching(
        case["cells"],
        case["genes"],
        seed,
        n_states=case["states"],
        n_branch_points=case["branch_points"],
        noise=NOISE[case["noise"]](),
    )
    tissue, truth = simulated.tissue, simulated.truth
    positions = np.array(tissue.positions)
    table = anndata.AnnData(
        X=tissue.spliced.copy(),
        layers={"spliced": tissue.spliced.copy(), "unspliced": tissue.unspliced.copy()},
        obsm={"X_spatial": positions, "spatial": positions.copy()},
    )
    table.obs_names, table.var_names = list(tissue.cells), list(tissue.genes)
    table.write_h5ad(folder / "tree.h5ad")
    return {
        "genes": np.array(tissue.genes, dtype=str),
        "time": truth.time,
        "velocity": truth.velocity,
        "spliced": truth.spliced,
        "segment": truth.regime.codes,
        "parent": simulated.parent,
        "state": simulated.state.codes,
        "states": simulated.state.categories,
        "fate": simulated.fate,
    }
