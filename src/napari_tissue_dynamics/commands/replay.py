"""``tissue-dynamics replay``: replay an action log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.commands.options import finished

if TYPE_CHECKING:
    import argparse


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("log", type=Path, help="an action log (.jsonl), or a result (.h5ad) saved by a dock")
    parser.add_argument("--file", type=Path, help="the tissue file, if it was moved")
    parser.add_argument("--out", type=Path, required=True, help="the .h5ad to write")
    parser.set_defaults(run=run_replay)


def run_replay(options: argparse.Namespace) -> None:
    """Run the command."""
    from napari_tissue_dynamics.data.io.action_log import read_log
    from napari_tissue_dynamics.workflow.replay import replay_steps

    actions = read_log(options.log)
    written = finished(options, replay_steps(actions, options.out, source=options.file))
    print(f"Replayed {len(actions)} actions and wrote {written}")
