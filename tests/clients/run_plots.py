"""What scVelo and CellRank draw and compute of a file of any model: ``python run_plots.py FILE GENE OUT.npz``.

Runs in an environment of its own, without this package; see ``environment.py``.
"""

import sys

import matplotlib

matplotlib.use("Agg")

import cellrank
import matplotlib.pyplot as plt
import numpy as np
import scanpy
import scvelo


def main() -> None:
    file, gene, out = sys.argv[1:]
    adata = scanpy.read_h5ad(file)
    basis = "pca" if "X_pca" in adata.obsm else "spatial"
    found = {}

    axes = scvelo.pl.scatter(adata, gene, show=False, save=False)
    found |= lines(axes, "scatter")
    scvelo.pl.velocity(adata, [gene], basis=basis, show=False, save=False)
    found |= lines(plt.gcf().axes[0], "velocity")
    found["panels"] = len(plt.gcf().axes)
    plt.close("all")
    scvelo.pl.velocity_embedding_stream(adata, basis=basis, show=False, save=False)

    kernel = cellrank.kernels.VelocityKernel(adata).compute_transition_matrix(show_progress_bar=False)
    found["kernel"] = kernel.transition_matrix.toarray()
    if "fit_alpha" in adata.var:  # what scVelo computes from its own dynamical fit
        again = adata.copy()
        scvelo.tl.velocity(again, mode="dynamical")
        found["velocity_again"] = np.asarray(again[:, gene].layers["velocity"]).ravel()
        scvelo.tl.latent_time(again)
        found["time_again"] = again.obs["latent_time"].to_numpy()
    np.savez(out, **found)


def lines(axes: plt.Axes, name: str) -> dict[str, np.ndarray]:
    """Return the lines of a plot, (points, 2) each."""
    drawn = [np.stack(line.get_data(), axis=1).astype(float) for line in axes.get_lines()]
    return {f"{name}_{k}": line for k, line in enumerate(drawn)}


if __name__ == "__main__":
    main()
