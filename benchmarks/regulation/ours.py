"""Estimators of this package on one problem: ``python ours.py --problem p.npz --estimator smooth --out r.npz``."""

import argparse
import time
from dataclasses import replace

import numpy as np
from problem import add_runner_options, read_problem, write_result
from simulated import network_of

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.travlr import TravlrConfig
from napari_tissue_dynamics.travlr.fit_inputs import make_plan
from napari_tissue_dynamics.travlr.shared_inputs import Context, context_steps
from napari_tissue_dynamics.travlr.training import gene_steps

ESTIMATORS = ("smooth", "network", "seed")


def settings(problem, options):
    """Return the settings: the defaults, with the reach of the ligands that is known."""
    config = TravlrConfig(
        radius=problem.radius, scale_factor=problem.scale_factor, max_pairs=0, device="cpu", seed=options.seed
    )
    if options.estimator == "smooth":
        return replace(config, held_out=False, permutations=0) if options.plain else config
    epochs = options.epochs if options.estimator == "network" else 0
    return replace(config, estimator="network", spatial_dim=options.pixels, epochs=epochs)


def tissue_of(problem):
    return Tissue(
        cells=tuple(map(str, range(len(problem.positions)))),
        genes=problem.genes,
        positions=problem.positions,
        expression=problem.expression,
        cell_types=Labels("cell_type", problem.codes, problem.types),
    )


def smooth_estimator(context, config, shown):
    """Return what gives names and betas of all cells; a cell that is not shown has no type while fitting."""
    fitted = Context(
        positions=context.positions,
        codes=np.where(shown, context.codes, -1).astype(np.int32),
        clusters=context.clusters,
        columns=context.columns,
        received=context.received,
        neighbors=context.neighbors,
    )

    def betas(chosen):
        fit = run_to_end(gene_steps(chosen, fitted, config))
        return fit.modulators, replace(fit.coefficients, codes=context.codes).values()

    return betas


def network_estimator(context, config, shown):
    """Return what gives names and betas of all cells; each network sees the shown cells and is asked about all."""
    from napari_tissue_dynamics.compute import pick_device
    from napari_tissue_dynamics.travlr.nets.cell_type import seed_of, type_steps
    from napari_tissue_dynamics.travlr.nets.cell_type_network import Niche, betas_of
    from napari_tissue_dynamics.travlr.nets.type_maps import type_maps

    device, place, types = pick_device(config.device), context.positions, len(context.clusters)
    maps = type_maps(config.published.maps, place, context.codes, types, config.spatial_dim, config.radius)
    every = [Niche.of(place[rows], context.neighbors[rows], maps[k], device) for k, rows in enumerate(context.members)]
    members = [rows[shown[rows]] for rows in context.members]
    seen = [Niche.of(place[rows], context.neighbors[rows], maps[k], device) for k, rows in enumerate(members)]

    def betas(chosen):
        design = context.design(chosen)
        result = np.zeros((len(shown), 1 + len(design.names)), dtype=np.float32)
        for k, rows in enumerate(members):
            seed = seed_of(config.seed, chosen.target, context.clusters[k])
            fitted = run_to_end(type_steps(design.x[rows], design.y[rows], design.groups, seen[k], config, seed))
            found = fitted.anchors if fitted.network is None else betas_of(fitted.network, every[k])
            result[context.members[k]] = found
        return design.names, result

    return betas


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_runner_options(parser)
    parser.add_argument("--estimator", choices=ESTIMATORS, default="smooth")
    parser.add_argument("--plain", action="store_true", help="no held-out scores and no test by permutation")
    parser.add_argument("--pixels", type=int, default=16, help="side of the maps of the network")
    parser.add_argument("--epochs", type=int, default=100, help="of the network")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    problem = read_problem(options.problem)
    config = settings(problem, options)
    targets = problem.targets[: options.targets]
    start = time.process_time()
    network = network_of(targets, problem.factors, problem.pairs, problem.tf_ligands)
    plan = make_plan(tissue_of(problem), targets, network, config)
    context = run_to_end(context_steps(plan, config))
    setup = time.process_time() - start
    betas, cpu = {}, {}
    for split in options.splits:
        make = smooth_estimator if options.estimator == "smooth" else network_estimator
        estimate = make(context, config, problem.shown[split])
        for chosen in plan.modulators:
            start = time.process_time()
            names, betas[split, chosen.target] = estimate(chosen)
            cpu[split, chosen.target] = time.process_time() - start
    write_result(options.out, names, betas, cpu, setup)


if __name__ == "__main__":
    main()
