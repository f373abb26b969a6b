"""The original SpaceTravLR 0.1.21 on one problem; runs in an environment of its own, README.md says how to make it.

``ENV/bin/python spacetravlr_original.py --problem p.npz --pixels 64 --out r.npz``
"""

import argparse
import random
import time

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from problem import add_runner_options, read_problem, write_result
from SpaceTravLR.models import parallel_estimators
from SpaceTravLR.tools.network import RegulatoryFactory

# What is looked at cell by cell while it trains.
BY_CELL = ("Xn", "yn", "sp_maps", "cell_indices", "cluster_labels", "spatial_features")


def table_of(problem):
    """Return the tissue as the estimator wants it."""
    adata = AnnData(problem.expression.astype(np.float64))
    adata.var_names = list(problem.genes)
    adata.obs_names = [f"cell_{i}" for i in range(len(problem.codes))]
    adata.layers["imputed_count"] = adata.layers["normalized_count"] = adata.X
    adata.obs["cell_type_int"] = problem.codes.astype(int)
    adata.obsm["spatial"] = problem.positions
    return adata


def links_of(problem):
    """Return the transcription factors of all targets as links, the same in every type."""
    rows = [(factor, target, 1.0, 1.0, 1e-9, 9.0) for target in problem.targets for factor in problem.factors]
    table = pd.DataFrame(rows, columns=["source", "target", "coef_mean", "coef_abs", "p", "-logp"])
    return dict.fromkeys(range(len(problem.types)), table)


def pairs_of(problem):
    table = pd.DataFrame(problem.pairs, columns=["ligand", "receptor", "signaling"])
    return table.assign(pathway="simulated")


def tf_ligands_of(problem):
    ligands = list(dict.fromkeys(ligand for ligand, *_ in problem.pairs))
    table = pd.DataFrame(0.0, index=list(problem.factors), columns=ligands)
    for ligand, factor in problem.tf_ligands:
        table.loc[factor, ligand] = 1.0
    return table


def estimator_of(problem, target, options):
    return parallel_estimators.SpatialCellularProgramsEstimator(
        table_of(problem),
        target,
        spatial_dim=options.pixels,
        cluster_annot="cell_type_int",
        layer="imputed_count",
        radius=problem.radius,
        contact_distance=30,
        tf_ligand_cutoff=0.01,
        receptor_thresh=0.01,
        grn=RegulatoryFactory(links=links_of(problem)),
        tflinks=tf_ligands_of(problem),
        scale_factor=problem.scale_factor,
        activation="sigmoidx2",
    )


def betas_of(estimator, shown, options):
    """Train on the shown cells; return the betas of all cells."""
    everything = {name: getattr(estimator, name) for name in BY_CELL}
    for name, values in everything.items():
        setattr(estimator, name, values[shown])
    seed_everything(options.seed)
    estimator.fit(
        num_epochs=options.epochs,
        threshold_lambda=1e-6,
        learning_rate=5e-3,
        batch_size=512,
        use_pbar=False,
        estimator="lasso",
        vision_model="cnn",
        score_threshold=0.2,
        l1_reg=1e-9,
    )
    for name, values in everything.items():
        setattr(estimator, name, values)
    return estimator.get_betas().to_numpy(dtype=np.float32)


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the original draws from the global state
    torch.manual_seed(seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_runner_options(parser)
    parser.add_argument("--pixels", type=int, default=64, help="side of the maps")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    problem = read_problem(options.problem)
    # The table of pairs is not part of the package; the simulated pairs take its place.
    parallel_estimators.get_cellchat_db = lambda species: pairs_of(problem)
    start = time.process_time()
    estimator_of(problem, problem.targets[0], options)  # its loops are compiled when they are first used
    compiling = time.process_time() - start
    betas, cpu = {}, {}
    for target in problem.targets[: options.targets]:
        start = time.process_time()
        estimator = estimator_of(problem, target, options)
        made = time.process_time() - start
        for split in options.splits:
            start = time.process_time()
            betas[split, target] = betas_of(estimator, problem.shown[split], options)
            cpu[split, target] = made + time.process_time() - start
    write_result(options.out, estimator.modulators, betas, cpu, compiling)


if __name__ == "__main__":
    main()
