"""``tissue-dynamics direction``: whether the velocity of a file runs along a known order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.commands.options import add_reading, finished, read

if TYPE_CHECKING:
    import argparse

    from napari_tissue_dynamics.analysis.validation.direction_check import DirectionCheck


def add_direction(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", type=Path, help="an .h5ad with velocities, ours or those of scVelo")
    group = parser.add_argument_group("known order").add_mutually_exclusive_group(required=True)
    group.add_argument("--order", metavar="TYPES", help="cell types that follow each other: 'A > B > C, D; A > E'")
    group.add_argument("--stage", metavar="COLUMN", help="obs column with the stage of the cells")
    parser.add_argument("--shuffles", type=int, default=99, help="number of shuffled velocities (default: 99)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the shuffles (default: 0)")
    add_reading(parser)
    parser.set_defaults(run=run_direction)


def run_direction(options: argparse.Namespace) -> None:
    """Compare and print the verdict.

    Raises
    ------
    DataError
        If the file holds no velocity, or the order does not apply to its cells.
    """
    from napari_tissue_dynamics import workflow
    from napari_tissue_dynamics.data.io import read_velocity
    from napari_tissue_dynamics.data.velocity_evidence import direction_in_words

    tissue = read(options)
    field = read_velocity(options.file)
    order = workflow.named_order(tissue, types=options.order or "", stage=options.stage or "", source=options.file)
    steps = workflow.direction_steps(tissue, field, order, shuffles=options.shuffles, seed=options.seed)
    check = finished(options, steps)
    print(direction_in_words(field.evidence))
    print(check.verdict)
    print(table(check))


def table(check: DirectionCheck) -> str:
    """Return a line for every two groups that follow each other: score of velocities and of arrows, and cells."""
    lines = [("from > to", "velocity", "arrows", "cells")]
    columns = (check.edges, check.velocity_edges, check.arrow_edges, check.velocity_cells)
    for (before, after), velocity, arrows, cells in zip(*columns, strict=True):
        lines.append((f"{before} > {after}", _number(velocity), _number(arrows), str(cells)))
    width = max(len(line[0]) for line in lines)
    return "\n".join(f"{name:<{width}} {velocity:>9} {arrows:>7} {cells:>6}" for name, velocity, arrows, cells in lines)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "none"
