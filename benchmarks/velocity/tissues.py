"""Simulated tissues as files that every method can read."""

import anndata
import numpy as np

from napari_tissue_dynamics.simulators.velocity import Noise, simulate_bilinear, simulate_multiradial

TISSUES = {"bilinear": simulate_bilinear, "multiradial": simulate_multiradial}
KINETICS = ("friendly", "mixed")
NOISE = {"published": Noise.published, "real": Noise.real, "none": Noise.none}
# Genes with fewer shared counts are left out; continuous values have no counts.
MIN_SHARED_COUNTS = {"published": 0, "real": 20, "none": 0}


def write_tissue(folder, case, seed):
    """Simulate one tissue; write ``tissue.h5ad`` and ``truth.npz`` and return the truth."""
    simulate = TISSUES[case["tissue"]]
    simulated = simulate(
        case["cells"], case["genes"], seed=seed, kinetics=case["kinetics"], noise=NOISE[case["noise"]]()
    )
    tissue, truth = simulated.tissue, simulated.truth
    positions = np.array(tissue.positions)
    table = anndata.AnnData(
        X=tissue.spliced.copy(),
        layers={"spliced": tissue.spliced.copy(), "unspliced": tissue.unspliced.copy()},
        obsm={"spatial": positions, "X_spatial": positions.copy()},
    )
    table.obs_names, table.var_names = list(tissue.cells), list(tissue.genes)
    table.write_h5ad(folder / "tissue.h5ad")
    arrays = {
        "genes": np.array(tissue.genes, dtype=str),
        "positions": positions,
        "time": truth.time,
        "movement": truth.spatial_velocity,
        "velocity": truth.velocity,
        "spliced": truth.spliced,
        "regime": truth.regime.codes,
    }
    np.savez(folder / "truth.npz", **arrays)
    return arrays
