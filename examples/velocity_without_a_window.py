"""Train STEER on the simulated tissue and print how well the arrows point, without a window."""

import sys

import numpy as np

import napari_tissue_dynamics as td


def main(n_cells=600, n_genes=100, **settings):
    adata = td.simulate(n_cells, n_genes, seed=0)
    td.velocity(adata, "steer", n_experts=3, **settings)
    arrows, true = adata.obsm["velocity_spatial"], adata.obsm["true_spatial_velocity"]
    lengths = np.linalg.norm(arrows, axis=1) * np.linalg.norm(true, axis=1)
    cosine = (arrows * true).sum(axis=1) / np.maximum(lengths, 1e-12)
    print(f"mean cosine between estimated and true direction: {cosine.mean():.2f}")
    return cosine


if __name__ == "__main__":
    sys.exit(0 if main().size else 1)
