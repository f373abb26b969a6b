"""What scVelo and CellRank make of a file of ours: ``python run_clients.py FILE OUT.npz``.

Runs in an environment of its own, without this package; see ``environment.py``.
"""

import sys

import matplotlib

matplotlib.use("Agg")

import cellrank
import numpy as np
import scanpy
import scvelo
from scipy import sparse


def main() -> None:
    file, out = sys.argv[1:]
    adata = scanpy.read_h5ad(file)
    found = {}

    transition = scvelo.utils.get_transition_matrix(adata)
    found["scvelo_transition"] = transition.toarray()

    ours = adata.obs["velocity_confidence"].to_numpy().copy()
    scvelo.tl.velocity_confidence(adata)
    found["scvelo_confidence"] = adata.obs["velocity_confidence"].to_numpy()
    adata.obs["velocity_confidence"] = ours

    scvelo.pl.velocity_embedding_stream(adata, basis="pca", show=False, save=False)
    del adata.obsm["velocity_pca"]
    scvelo.tl.velocity_embedding(adata, basis="pca", autoscale=False)
    found["scvelo_arrows"] = adata.obsm["velocity_pca"]
    scvelo.pl.velocity_embedding_stream(adata, basis="pca", show=False, save=False)

    kernel = cellrank.kernels.VelocityKernel(adata).compute_transition_matrix(
        softmax_scale=4.0, show_progress_bar=False
    )
    found["cellrank_velocity"] = kernel.transition_matrix.toarray()
    walk = cellrank.kernels.ConnectivityKernel(adata).compute_transition_matrix(density_normalize=False)
    found["cellrank_connectivities"] = walk.transition_matrix.toarray()

    lineages = cellrank.Lineage.from_adata(adata)
    found["cellrank_names"], found["cellrank_fates"] = np.array(lineages.names), lineages.X
    adata.X = adata.layers["spliced"]  # CellRank asks for an X; a tissue without expression has none
    chain = cellrank.kernels.PrecomputedKernel(
        sparse.csr_matrix(0.8 * transition + 0.2 * walk.transition_matrix), adata=adata
    )
    estimator = cellrank.estimators.GPCCA(chain)
    estimator.set_terminal_states(adata.obs["term_states_fwd"], cluster_key=None)
    estimator.compute_fate_probabilities(solver="direct", use_petsc=False, show_progress_bar=False)
    found["cellrank_solved_names"] = np.array(estimator.fate_probabilities.names)
    found["cellrank_solved"] = estimator.fate_probabilities.X
    np.savez(out, **found)


if __name__ == "__main__":
    main()
