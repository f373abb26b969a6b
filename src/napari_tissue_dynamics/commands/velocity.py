"""``tissue-dynamics velocity`` and ``steer``: any velocity model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.commands.options import (
    DEVICES,
    PRESETS,
    add_files,
    add_origin,
    add_reading,
    add_settings,
    finished,
    names,
    out,
    read,
    settings_of,
)
from napari_tissue_dynamics.descriptions import setting_types
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.workflow.models import CHECKPOINT, MODELS, NETWORK

if TYPE_CHECKING:
    import argparse

    from napari_tissue_dynamics.workflow.models import VelocityModel

DEFAULT = "dynamical"
FILES = {CHECKPOINT: "checkpoint", NETWORK: "save_network"}
"""The option for each file that a model may keep."""


def add_velocity(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; a setting that several models have is one option."""
    add_files(parser)
    text = "the velocity model (default: %(default)s)"
    parser.add_argument("--model", choices=list(MODELS), default=DEFAULT, help=text)
    _add_common(parser)
    parser.add_argument("--device", choices=DEVICES, help="device to compute on (default: the device of the model)")
    there = {"model", "device"}
    first = MODELS[DEFAULT].settings
    for settings in dict.fromkeys((first, *(row.settings for row in MODELS.values()))):
        labels = [row.label for row in MODELS.values() if row.settings is settings]
        add_settings(parser, settings, f"settings of {', '.join(labels)}", without=there)
        there |= set(setting_types(settings))
    _add_kept(parser, {name for row in MODELS.values() for name in row.files})


def add_steer(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command that is short for ``velocity --model steer``."""
    row = MODELS["steer"]
    add_files(parser)
    _add_common(parser)
    add_settings(parser, row.settings)
    _add_kept(parser, set(row.files))
    parser.set_defaults(model=row.name)


def run_velocity(options: argparse.Namespace) -> None:
    """Fit the model and write its velocities.

    Raises
    ------
    DataError
        If the input cannot be used, or a setting belongs to another model.
    FitError
        If the fit was stopped or failed.
    """
    from napari_tissue_dynamics import workflow

    row = MODELS[options.model]
    _refuse_settings_of_others(row, options)
    projection, config = settings_of(options, ProjectionConfig), _config(row, options)
    tissue = read(options)
    origin = workflow.origin_of(
        tissue,
        root_type=options.root_type,
        root_cells=names(options.root_cell),
        stage=options.stage,
        source=options.file,
    )
    files = {name: getattr(options, option) for name, option in FILES.items()}
    result = finished(options, workflow.velocity_steps(tissue, config, origin=origin, projection=projection, **files))
    print(workflow.in_words(result, config))
    print(f"wrote {workflow.save(out(options), tissue, source=options.file, velocity=result, settings=[config])}")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_reading(parser)
    add_origin(parser)
    add_settings(parser, ProjectionConfig, "arrows")
    parser.set_defaults(run=run_velocity)


def _add_kept(parser: argparse.ArgumentParser, files: set[str]) -> None:
    group = parser.add_argument_group("files of a run")
    if CHECKPOINT in files:
        text = "file for the state of the run, written every half minute; an interrupted run resumes from it"
        group.add_argument("--checkpoint", type=Path, metavar="FILE", help=text)
    if NETWORK in files:
        text = "file to write the trained network to, for 'apply'"
        group.add_argument("--save-network", type=Path, metavar="FILE", help=text)


def _config(row: VelocityModel, options: argparse.Namespace) -> Any:
    from dataclasses import replace

    return replace(settings_of(options, row.settings), **row.chosen)


def _refuse_settings_of_others(row: VelocityModel, options: argparse.Namespace) -> None:
    """Raise DataError if a setting was given that the model does not have."""
    own = set(setting_types(row.settings)) | {FILES[name] for name in row.files}
    for other in MODELS.values():
        theirs = [*setting_types(other.settings), *(FILES[name] for name in other.files)]
        given = [name for name in theirs if name not in own and getattr(options, name, None) is not None]
        if other.settings in PRESETS and other.settings is not row.settings:
            option, starts = PRESETS[other.settings]
            name = option.removeprefix("--")
            given += [name] if getattr(options, name, starts[0]) != starts[0] else []
        given = [name for name in given if name != "model"]
        if given:
            raise DataError(
                f"--{given[0].replace('_', '-')} belongs to the model {other.name}, but the model is {row.name}. "
                f"Remove it, or give --model {other.name}."
            )
