"""``tissue-dynamics fate``: where cells end up, from the velocity of a file or after fitting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.analysis.fate.fate import FateConfig
from napari_tissue_dynamics.commands.options import (
    add_files,
    add_reading,
    add_settings,
    finished,
    names,
    out,
    read,
    settings_of,
)
from napari_tissue_dynamics.commands.velocity import DEFAULT
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.workflow.models import MODELS

if TYPE_CHECKING:
    import argparse

    from napari_tissue_dynamics.data.tissue import Labels, Tissue

STORED = "stored"


def add_fate(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_files(parser)
    parser.add_argument(
        "--model",
        choices=(STORED, *MODELS),
        help="velocity to use: the one stored in the file, or a model to fit with its default settings "
        f"(default: the stored one, otherwise the {DEFAULT} model)",
    )
    group = parser.add_argument_group("known terminal states").add_mutually_exclusive_group()
    group.add_argument("--terminal-types", metavar="NAMES", help="cell types, comma-separated")
    group.add_argument("--terminal-column", metavar="COLUMN", help="obs column whose categories are terminal states")
    group.add_argument(
        "--terminal-cells",
        metavar="NAME=CELLS",
        action="append",
        help="a state and its cells, comma-separated; repeat for each state",
    )
    add_reading(parser)
    add_settings(parser, FateConfig)
    parser.set_defaults(run=run_fate)


def run_fate(options: argparse.Namespace) -> None:
    """Find the fates and write them.

    Raises
    ------
    DataError
        If the input cannot be used.
    FitError
        If the work did not come to an end.
    """
    from napari_tissue_dynamics import workflow
    from napari_tissue_dynamics.data.io import read_velocity
    from napari_tissue_dynamics.data.velocity_evidence import direction_in_words

    config = settings_of(options, FateConfig)
    tissue = read(options)
    terminal = _terminal(options, tissue)
    made: list[Any] = [config]
    if options.model is None and _has_velocity(options):
        options.model = STORED
    if options.model == STORED:
        velocity, graph = None, workflow.stored_graph(options.file)
        field = read_velocity(options.file)
        steps = workflow.fate_steps(tissue, field, config, terminal=terminal, graph=graph)
    else:
        fitted = MODELS[options.model or DEFAULT].start()
        velocity = finished(options, workflow.velocity_steps(tissue, fitted))
        field = velocity.field
        steps = workflow.fate_steps(tissue, velocity, config, terminal=terminal)
        made.append(fitted)
    found = finished(options, steps)
    print(direction_in_words(field.evidence))
    print(workflow.fate_in_words(found))
    target = workflow.save(out(options), tissue, source=options.file, velocity=velocity, fate=found, settings=made)
    print(f"wrote {target}")


def _has_velocity(options: argparse.Namespace) -> bool:
    from napari_tissue_dynamics.data import keys
    from napari_tissue_dynamics.data.io.table import open_table

    with open_table(options.file) as table:
        return {keys.VELOCITY, keys.MOMENTS_SPLICED, keys.MOMENTS_UNSPLICED} <= set(table.keys("layers"))


def _terminal(options: argparse.Namespace, tissue: Tissue) -> Labels | None:
    from napari_tissue_dynamics.workflow import terminal_column, terminal_states

    if options.terminal_types:
        return terminal_states(tissue, types=names(options.terminal_types))
    if options.terminal_cells:
        parts = [given.partition("=") for given in options.terminal_cells]
        if not all(name and cells for name, _, cells in parts):
            raise DataError("--terminal-cells takes a name and its cells, such as Alpha=cell_1,cell_2.")
        return terminal_states(tissue, cells={name.strip(): names(cells) for name, _, cells in parts})
    if options.terminal_column:
        return terminal_column(tissue, options.terminal_column, options.file)
    return None
