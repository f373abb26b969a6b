"""Train STEER on the simulated tissue and say how well the arrows point, without a window."""

import sys

import numpy as np

from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer import SteerConfig
from napari_tissue_dynamics.workflow import velocity


def main(n_cells=600, n_genes=100, **settings):
    simulated = simulate_tissue(n_cells, n_genes, seed=0)
    result = velocity(simulated.tissue, SteerConfig(n_experts=3, **settings))
    true = simulated.truth.spatial_velocity
    lengths = np.linalg.norm(result.arrows, axis=1) * np.linalg.norm(true, axis=1)
    cosine = (result.arrows * true).sum(axis=1) / np.maximum(lengths, 1e-12)
    print(f"mean cosine between estimated and true direction: {cosine.mean():.2f}")
    return cosine


if __name__ == "__main__":
    sys.exit(0 if main().size else 1)
