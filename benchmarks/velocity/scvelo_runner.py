"""scVelo on one file: ``python scvelo_runner.py --data tissue.h5ad --mode dynamical --out result.npz``."""

import argparse

import anndata
import numpy as np
import scvelo as scv

MODES = ("deterministic", "stochastic", "dynamical")


def fit(adata, mode, min_shared_counts):
    """Follow the tutorial of scVelo; return its result as arrays."""
    scv.settings.verbosity = 1
    scv.pp.filter_and_normalize(adata, min_shared_counts=min_shared_counts or None, enforce=True)
    scv.pp.moments(adata, n_pcs=min(30, adata.n_vars - 1), n_neighbors=30)
    if mode == "dynamical":
        scv.tl.recover_dynamics(adata, n_jobs=1)
    scv.tl.velocity(adata, mode=mode)
    scv.tl.velocity_graph(adata, n_jobs=1)
    if mode == "dynamical":
        scv.tl.latent_time(adata)
        time = adata.obs["latent_time"]
    else:
        scv.tl.velocity_pseudotime(adata)
        time = adata.obs["velocity_pseudotime"]
    scv.tl.velocity_embedding(adata, basis="spatial")
    velocity = np.asarray(adata.layers["velocity"], dtype=np.float32)
    used = adata.var["velocity_genes"].to_numpy(dtype=bool) & np.isfinite(velocity).all(axis=0)
    return {
        "genes": adata.var_names[used].to_numpy(dtype=str),
        "velocity": velocity[:, used],
        "moments": np.asarray(adata.layers["Ms"], dtype=np.float32)[:, used],
        "moments_unspliced": np.asarray(adata.layers["Mu"], dtype=np.float32)[:, used],
        "time": time.to_numpy(dtype=np.float32),
        "embedding": np.asarray(adata.obsm["X_pca"], dtype=np.float32),
        "own_arrows": np.asarray(adata.obsm["velocity_spatial"], dtype=np.float32),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--mode", choices=MODES, default="stochastic")
    parser.add_argument("--min-shared-counts", type=int, default=20)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    np.savez(options.out, **fit(anndata.read_h5ad(options.data), options.mode, options.min_shared_counts))


if __name__ == "__main__":
    main()
