"""The original STEER on one file: ``python steer_original.py --data tissue.h5ad --experts 3 --out result.npz``.

Runs in an environment of its own in which the source of STEER can be imported; README.md says how to make it.
The order of the calls is that of its notebooks. The mixture of R is replaced by one of scikit-learn with the same
covariance (shared, full) and several starts.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

import anndata
import numpy as np
import torch
import torch_geometric  # noqa: F401  before the stand-ins, which it would take for compiled extensions

sys.path.append(str(Path(__file__).parent / "stand_ins"))

import scanpy as sc
import scvelo as scv
from sklearn.mixture import GaussianMixture
from steer.prior.prior import PriorInferenceManager
from training_options import PHASES, EpochClock, add_training_options

import steer

MIXTURE_SEED = 618


def prepared(path, min_shared_counts):
    """Return the tissue, size-normalized, with its positions where STEER looks for them."""
    adata = steer.prepare_spatial_adata(
        anndata.read_h5ad(path), obs_copy_map={}, na_clear_keys=[], celltype_key=None, remove_celltypes=[]
    )
    scv.pp.filter_and_normalize(adata, min_shared_counts=min_shared_counts or None, n_top_genes=None, enforce=True)
    return adata


def graphs(adata):
    """Add moments; return the long table, the adjacency and the tissue."""
    return steer.preprocess_anndata_spatial(
        adata,
        npc=min(30, adata.n_vars - 1),
        NUM_AD_NEIGH=30,
        spatial_neighbors=8,
        SMOOTH_NEIGH=30,
        moments_adj=True,
        combine_mode="union",
        neighbor_metric="cosine",
        spatial_key="X_spatial",
        use_us=True,
    )


def phases_of_last_stage(options):
    """Return the number of epochs of every phase; the original trains one more in the second than it is told."""
    autoencoder, cluster, *others = options.epochs
    return dict(zip(PHASES, (autoencoder, cluster + 1, *others), strict=True))


def train(adata, data, mode, folder, options):
    """Train one stage."""
    autoencoder, cluster, time, warm_up, _ = options.epochs
    return steer.model_training_share_neighbor_adata(
        device=torch.device("cpu"),
        device2=torch.device("cpu"),
        pyg_data=data,
        MODEL_MODE=mode,
        adata=adata,
        NUM_LOSS_NEIGH=30,
        corr_mode="u",
        max_n_cluster=options.experts,
        path=folder,
        expert_mode=options.expert_size,
        pretrain_epochs=autoencoder,
        cluster_epochs=cluster,
        time_epochs=time,
        warm_up_epochs=warm_up,
        num_epochs=sum(phases_of_last_stage(options).values()),
        velo_batch_size=options.velocity_batch or None,
        PATIENCE=options.patience,
    )


def first_stage(options, folder):
    """Return the tissue with priors, and the fine cluster of every cell."""
    df, adjacency, adata = graphs(prepared(options.data, options.min_shared_counts))
    dataset = steer.preload_datasets_all_genes_anndata(df=df, MODEL_MODE="pretrain", adata=adata)
    found = train(adata, steer.create_pyg_data(dataset, adjacency, normalize=True), "pretrain", folder, options)
    mixture = GaussianMixture(
        options.experts, covariance_type="tied", tol=1e-5, max_iter=500, n_init=5, random_state=MIXTURE_SEED
    )
    found.obs["pred_cluster"] = mixture.fit_predict(found.obsm["X_pre_embed"].astype(np.float64)) + 1
    found.obs["pred_cluster"] = found.obs["pred_cluster"].astype("category")
    prior = PriorInferenceManager(found, df, folder, seed=options.seed, n_jobs=1)
    prior.task1_define_fine_clusters(method="hierarchical", target_size=300)
    prior.task2_filter_genes(based_on="expert", keep_ngene=1000, use_filter=False)
    prior.task3_calc_convexity(based_on="fine_cluster")
    found, _, fine = prior.finalize_for_training()
    return found, fine


def second_stage(options, folder, first, fine):
    """Return the tissue with velocities."""
    adata = prepared(options.data, options.min_shared_counts)
    adata.layers["pred_cell_type"] = first.layers["pred_cell_type"]
    adata.obsm["X_pre_embed"] = first.obsm["X_pre_embed"]
    adata.obs["pred_cluster"] = first.obs["pred_cluster"].astype(int)
    adata = adata[:, first.var["is_velocity_gene"].to_numpy(dtype=bool)].copy()
    df, adjacency, adata = graphs(adata)
    dataset = steer.preload_datasets_all_genes_anndata(df=df, MODEL_MODE="whole", adata=adata)
    data = steer.create_pyg_data(dataset, adjacency, normalize=True)
    data.fine_clus_vec = torch.as_tensor(fine, dtype=torch.long)
    return train(adata, data, "whole", folder, options)


def own_arrows(adata):
    """Return the arrows in the tissue as the notebooks of STEER draw them."""
    sc.pp.neighbors(adata, use_rep="X_refine_embed", n_neighbors=min(100, adata.n_obs - 1))
    steer.velocity_graph(adata, vkey="pred_vs_norm", xkey="model_Ms", n_jobs=1)
    scv.tl.velocity_embedding(adata, basis="spatial", vkey="pred_vs_norm")
    return adata.obsm["pred_vs_norm_spatial"]


def fit(options):
    random.seed(options.seed)
    np.random.seed(options.seed)  # noqa: NPY002  the original draws from the global state
    with tempfile.TemporaryDirectory() as folder:
        first, fine = first_stage(options, folder)
        result = second_stage(options, folder, first, fine)
    return {
        "genes": result.var_names.to_numpy(dtype=str),
        "velocity": np.asarray(result.layers["pred_vs_norm"], dtype=np.float32),
        "moments": np.asarray(result.layers["model_Ms"], dtype=np.float32),
        "moments_unspliced": np.asarray(result.layers["model_Mu"], dtype=np.float32),
        "time": result.obs["Pred Time"].to_numpy(dtype=np.float32),
        "experts": result.obs["Expert"].to_numpy().astype(np.int32),
        "embedding": np.asarray(result.obsm["X_refine_embed"], dtype=np.float32),
        "own_arrows": np.asarray(own_arrows(result), dtype=np.float32),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--experts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--min-shared-counts", type=int, default=20)
    parser.add_argument("--out", required=True)
    add_training_options(parser)
    parser.set_defaults(epochs=[500, 200, 200, 200, 3899], patience=200, velocity_batch=2048, expert_size="slim")
    options = parser.parse_args()
    clock = EpochClock()
    np.savez(options.out, **fit(options))
    if options.epoch_times is not None:
        clock.write(options.epoch_times, phases_of_last_stage(options))


if __name__ == "__main__":
    main()
