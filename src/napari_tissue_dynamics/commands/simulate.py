"""``tissue-dynamics simulate``: cells of which everything is known, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.simulators.kinds import KINDS, OWN_SETTINGS
from napari_tissue_dynamics.simulators.requests import LAYOUTS

if TYPE_CHECKING:
    import argparse


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("out", type=Path, help="the .h5ad to write; the truth is in columns and layers called true_*")
    parser.add_argument(
        "--kind",
        type=lambda name: name.replace("-", "_"),
        choices=KINDS,
        default=KINDS[0],
        help="two arms with regulation and an image; a published benchmark: two halves, four disks; a lineage tree "
        "without a tissue; or a tissue with transcriptional bursts",
    )
    parser.add_argument("--cells", type=int, help="number of cells (default: 1500, 3000, 12000, 3000 or 2000 by kind)")
    parser.add_argument("--genes", type=int, help="number of genes (default: 150, 500, 500, 2000 or 200 by kind)")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument(
        "--states", type=int, help="lineage tree: number of states, the progenitor and the ends (default: 5)"
    )
    parser.add_argument("--branch-points", type=int, help="lineage tree: number of branch points (default: 3)")
    parser.add_argument(
        "--kinetics",
        choices=("friendly", "mixed"),
        help="benchmarks: the same rates everywhere, or rates that differ between regions of the tissue",
    )
    parser.add_argument(
        "--noise",
        choices=("published", "real", "none"),
        help="benchmarks: noise of the publication (default), counts as of a real tissue, or none; lineage tree: "
        "counts of a single-cell experiment (default), or none",
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        help="bursts: bands that run in opposite directions (default), sources that grow outwards, rings, a trunk with "
        "branches, or cells of all times mixed",
    )
    parser.add_argument("--regimes", dest="n_regimes", type=int, help="bursts: number of kinetic regimes (default: 2)")
    parser.add_argument("--static", type=float, help="bursts: share of cells in steady state (default: 0)")
    parser.add_argument(
        "--compartments",
        action="store_const",
        const=True,
        help="bursts: nuclear and cytoplasmic counts in place of unspliced and spliced ones",
    )
    parser.set_defaults(run=run_simulate)


def run_simulate(options: argparse.Namespace) -> None:
    """Simulate and write the file."""
    from napari_tissue_dynamics.progress import Progress
    from napari_tissue_dynamics.simulators.kinds import simulate
    from napari_tissue_dynamics.simulators.write import write_simulated

    own = {name: getattr(options, name, None) for name in ("seed", *OWN_SETTINGS)}
    options.report(Progress("simulating cells", 0, 2, 0.0))
    simulated = simulate(options.kind, n_cells=options.cells, n_genes=options.genes, **own)
    options.report(Progress(f"writing {options.out.name}", 1, 2, 0.9))
    write_simulated(options.out, simulated.tissue, simulated.truth, fates=simulated.fates)
    options.report.end()
    print(f"wrote {options.out}")
