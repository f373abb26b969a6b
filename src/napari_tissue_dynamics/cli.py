"""The command ``tissue-dynamics``: everything the docks do, without a window."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from napari_tissue_dynamics.commands.apply import add_apply
from napari_tissue_dynamics.commands.betas import add_betas
from napari_tissue_dynamics.commands.demo import add_demo
from napari_tissue_dynamics.commands.direction import add_direction
from napari_tissue_dynamics.commands.export import add_export
from napari_tissue_dynamics.commands.fate import add_fate
from napari_tissue_dynamics.commands.look import add_look
from napari_tissue_dynamics.commands.options import add_progress, progress_of
from napari_tissue_dynamics.commands.replay import add_replay
from napari_tissue_dynamics.commands.simulate import add_simulate
from napari_tissue_dynamics.commands.travlr import add_travlr
from napari_tissue_dynamics.commands.velocity import add_steer, add_velocity
from napari_tissue_dynamics.errors import TissueDynamicsError
from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BAD_INPUT, INTERRUPTED = 2, 130
COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "demo": (add_demo, "run the main job on a simulated tissue or on FILE"),
    "look": (add_look, "show what a file holds and whether it is ready for model fitting"),
    "velocity": (add_velocity, "fit a velocity model: steady-state, stochastic, dynamical or STEER"),
    "direction": (add_direction, "compare stored velocities with a known order"),
    "fate": (add_fate, "find terminal states, fate probabilities and driver genes"),
    "steer": (add_steer, "train STEER; short for 'velocity --model steer'"),
    "apply": (add_apply, "predict velocities with a network trained on another tissue"),
    "travlr": (add_travlr, "fit SpaceTravLR and write the betas of every cell"),
    "betas": (add_betas, "write the betas of one gene of a run as a table"),
    "replay": (add_replay, "replay an action log"),
    "export": (add_export, "write the velocities of a file as tables and as a web page"),
    "simulate": (add_simulate, "write simulated cells with known truth"),
}
"""Every command, in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 2 when the input cannot be used, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        with progress_of(options) as options.report:
            options.run(options)
    except TissueDynamicsError as error:
        print(f"tissue-dynamics: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:  # what was finished by then is kept where the command keeps it
        print("tissue-dynamics: stopped", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tissue-dynamics",
        description="RNA velocity (kinetic models, STEER) and spatially varying regulation (SpaceTravLR) of a tissue.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (add, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        add(command)
        add_progress(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
