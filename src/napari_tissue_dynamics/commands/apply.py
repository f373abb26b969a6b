"""``tissue-dynamics apply``: the velocities of a tissue by a network that was trained on another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.commands.options import (
    DEVICES,
    add_files,
    add_reading,
    add_settings,
    finished,
    out,
    read,
    settings_of,
)

if TYPE_CHECKING:
    import argparse


def add_apply(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("network", type=Path, help="a trained network, from 'steer --save-network'")
    add_files(parser)
    add_reading(parser)
    add_settings(parser, ProjectionConfig, "arrows")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="device to compute on")
    parser.set_defaults(run=run_apply)


def run_apply(options: argparse.Namespace) -> None:
    """Predict the velocities and write them."""
    from napari_tissue_dynamics.workflow import apply_steps, in_words, save

    tissue = read(options)
    projection = settings_of(options, ProjectionConfig)
    result = finished(options, apply_steps(tissue, options.network, projection=projection, device=options.device))
    print(in_words(result))
    print(f"wrote {save(out(options), tissue, source=options.file, velocity=result)}")
