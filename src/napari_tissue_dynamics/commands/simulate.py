"""``tissue-dynamics simulate``: cells of which everything is known, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import argparse

    from napari_tissue_dynamics.simulators.noise import Noise

TWO_ARMS, BRANCHING = "two-arms", "branching"
BENCHMARKS = ("bilinear", "multiradial")
# Options that only some kinds have, and what the tissues without them are.
OWN_OPTIONS = {"kinetics": BENCHMARKS, "noise": (*BENCHMARKS, BRANCHING), "states": (BRANCHING,)}
OWN_OPTIONS["branch_points"] = (BRANCHING,)
REASONS = {
    TWO_ARMS: "The tissue with two arms has one kind of kinetics and noise.",
    BRANCHING: "A lineage tree has rates that differ from gene to gene.",
}


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("out", type=Path, help="the .h5ad to write; the truth is in columns and layers called true_*")
    parser.add_argument(
        "--kind",
        choices=(TWO_ARMS, *BENCHMARKS, BRANCHING),
        default=TWO_ARMS,
        help="two arms with regulation and an image; a published benchmark: two halves, four disks; or a lineage tree "
        "without a tissue",
    )
    parser.add_argument("--cells", type=int, help="number of cells; 1500, 3000, 12000 or 3000 by kind when left out")
    parser.add_argument("--genes", type=int, help="number of genes; 150, 500, 500 or 2000 by kind when left out")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    parser.add_argument("--states", type=int, help="lineage tree: the progenitor and the ends; 5 when left out")
    parser.add_argument("--branch-points", type=int, help="lineage tree: number of branch points; 3 when left out")
    parser.add_argument(
        "--kinetics",
        choices=("friendly", "mixed"),
        help="benchmarks: rates that are the same everywhere, or that differ between the parts of the tissue",
    )
    parser.add_argument(
        "--noise",
        choices=("published", "real", "none"),
        help="benchmarks: noise of the publication (default), counts as of a real tissue, or none; lineage tree: "
        "counts of a single-cell experiment (default), or none",
    )
    parser.set_defaults(run=run_simulate)


def run_simulate(options: argparse.Namespace) -> None:
    """Simulate and write the file."""
    from napari_tissue_dynamics.simulators.write import write_simulated

    _refuse_options_of_others(options)
    given = {"n_cells": options.cells, "n_genes": options.genes, "seed": options.seed}
    simulated, fates = _simulated(options, {name: value for name, value in given.items() if value is not None})
    write_simulated(options.out, simulated.tissue, simulated.truth, fates=fates)
    print(f"wrote {options.out}")


def _simulated(options: argparse.Namespace, given: dict[str, int]) -> tuple[Any, Any]:
    """Return a simulation, and the fates of its cells by name where it has any."""
    if options.kind == TWO_ARMS:
        from napari_tissue_dynamics.simulators.tissue import simulate_tissue

        return simulate_tissue(**given), None
    if options.kind == BRANCHING:
        from napari_tissue_dynamics.simulators.branching import simulate_branching

        tree = {"n_states": options.states, "n_branch_points": options.branch_points}
        given |= {name: value for name, value in tree.items() if value is not None}
        simulated = simulate_branching(**given, noise=_noise_of_a_tree(options.noise))
        return simulated, dict(zip(simulated.state.categories[1:], simulated.fate.T, strict=True))
    from napari_tissue_dynamics.simulators import velocity as benchmark

    simulate = benchmark.simulate_bilinear if options.kind == "bilinear" else benchmark.simulate_multiradial
    noise = getattr(benchmark.Noise, options.noise or "published")()
    return simulate(**given, kinetics=options.kinetics or "friendly", noise=noise), None


def _noise_of_a_tree(name: str | None) -> Noise | None:
    from napari_tissue_dynamics.simulators.noise import Noise

    if name not in (None, "none"):
        raise DataError(
            f"A lineage tree has no {name} noise. Leave --noise out for the counts of a single-cell experiment, "
            "or give 'none'."
        )
    return Noise.none() if name == "none" else None


def _refuse_options_of_others(options: argparse.Namespace) -> None:
    for name, kinds in OWN_OPTIONS.items():
        if getattr(options, name) is not None and options.kind not in kinds:
            reason = REASONS.get(options.kind) if name in ("kinetics", "noise") else None
            reason = reason or f"--{name.replace('_', '-')} belongs to a lineage tree."
            raise DataError(f"{reason} Choose another --kind: {', '.join(kinds)}.")
