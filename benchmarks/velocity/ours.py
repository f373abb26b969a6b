"""STEER of this package on one file: ``python ours.py --data tissue.h5ad --profile improved --out result.npz``."""

import argparse
from dataclasses import replace
from typing import get_args

import numpy as np
from training_options import EpochClock, add_training_options

from napari_tissue_dynamics.data.io.read import read_h5ad
from napari_tissue_dynamics.descriptions import with_settings
from napari_tissue_dynamics.steer import SteerConfig, fit
from napari_tissue_dynamics.steer.config import Profile, Schedule


def settings(options):
    """Return the settings of a fit: a schedule and what was asked for beside it."""
    config = SteerConfig.schedule(options.schedule, options.profile)
    changes = {"patience": options.patience, "velocity_batch": options.velocity_batch}
    changes["expert_size"] = options.expert_size
    if options.epochs:
        names = ("autoencoder_epochs", "cluster_epochs", "time_epochs", "warm_up_epochs", "velocity_epochs")
        changes |= dict(zip(names, options.epochs, strict=True))
    config = replace(
        config,
        n_experts=options.experts,
        min_shared_counts=options.min_shared_counts,
        device="cpu",
        seed=options.seed,
    )
    return with_settings(config, {name: value for name, value in changes.items() if value is not None})


def phases_of_last_stage(config):
    """Return the number of epochs of every phase, by its name."""
    from napari_tissue_dynamics.steer.schedule import second_stage

    return {phase.name.split(" (")[0]: phase.epochs for phase in second_stage(config)}


def as_arrays(field):
    """Return a velocity field as the arrays that every runner writes."""
    arrays = {
        "genes": np.array(field.genes, dtype=str),
        "velocity": field.spliced,
        "moments": field.moments_spliced,
        "time": field.time,
        "experts": field.expert,
        "embedding": field.embedding,
        "gene_weight": field.gene_weight,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--profile", choices=get_args(Profile), default="improved")
    parser.add_argument("--schedule", choices=get_args(Schedule), default="quick")
    parser.add_argument("--experts", type=int, default=3, help="0 lets the data decide")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--min-shared-counts", type=int, default=20)
    parser.add_argument("--out", required=True)
    add_training_options(parser)
    options = parser.parse_args()
    config = settings(options)
    clock = EpochClock() if options.epoch_times else None
    np.savez(options.out, **as_arrays(fit(read_h5ad(options.data), config)))
    if clock is not None:
        clock.write(options.epoch_times, phases_of_last_stage(config))


if __name__ == "__main__":
    main()
