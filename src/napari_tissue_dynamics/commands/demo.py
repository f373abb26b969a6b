"""``tissue-dynamics demo``: the main job in one command, with screenshots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.commands.options import add_reading, names, read
from napari_tissue_dynamics.commands.regulation_options import add_network, network_of

if TYPE_CHECKING:
    import argparse


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", nargs="?", type=Path, help="a spatial .h5ad (default: a simulated tissue)")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for result and screenshots")
    parser.add_argument("--no-window", action="store_true", help="close the viewer after the screenshots")
    add_reading(parser)
    add_network(parser)
    parser.add_argument(
        "--small-types",
        choices=("refuse", "mean"),
        default="refuse",
        help="cell types with too few cells: stop with an error ('refuse') or keep the mean ('mean')",
    )
    parser.set_defaults(run=run_demo_command)


def run_demo_command(options: argparse.Namespace) -> None:
    """Run the demo on the file, or on a simulated tissue."""
    from napari_tissue_dynamics.widgets.docks.demo import run_demo

    tissue = None if options.file is None else read(options)
    targets = names(options.targets)
    network = None
    if tissue is not None and targets:
        network = network_of(options, tissue, targets)
    run_demo(
        options.out,
        tissue=tissue,
        source=options.file,
        targets=targets,
        network=network,
        small_types=options.small_types,
        window=not options.no_window,
        report=options.report,
    )
