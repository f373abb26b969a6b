"""``tissue-dynamics velocity``: any velocity model, from the kinetic ones to STEER."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.commands.options import (
    PRESETS,
    add_files,
    add_origin,
    add_reading,
    add_settings,
    end_report,
    names,
    out,
    read,
    report,
    settings_of,
)
from napari_tissue_dynamics.descriptions import setting_types
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig, Model
from napari_tissue_dynamics.steer.config import SteerConfig

if TYPE_CHECKING:
    import argparse

STEER = "steer"
MODELS = (*get_args(Model), STEER)
DEVICES = ("auto", "cpu", "cuda", "mps")
KINETIC_SETTINGS = frozenset(setting_types(KineticsConfig))
STEER_SETTINGS = frozenset(setting_types(SteerConfig))
STEER_FILES = ("checkpoint", "network")
SCHEDULE_OPTION, SCHEDULES = PRESETS[SteerConfig]


def add_velocity(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command; a setting that several models have is one option."""
    add_files(parser)
    parser.add_argument(
        "--model",
        choices=MODELS,
        default=KineticsConfig().model,
        help="the model; 'steer' is that of the command 'steer' (default: %(default)s)",
    )
    add_reading(parser)
    add_origin(parser)
    add_settings(parser, ProjectionConfig, "arrows")
    parser.add_argument("--device", choices=DEVICES, help="where to compute; kinetic models on the CPU if left out")
    add_settings(parser, KineticsConfig, "settings of the kinetic models", without={"model", "device"})
    add_settings(parser, SteerConfig, "settings of STEER", without=KINETIC_SETTINGS)
    files = parser.add_argument_group("files of STEER")
    files.add_argument("--checkpoint", type=Path, help="file that the state of the run is kept in")
    files.add_argument("--network", type=Path, help="file to write the trained network to, for 'apply'")
    parser.set_defaults(run=run_velocity)


def run_velocity(options: argparse.Namespace) -> None:
    """Fit the model and write its velocities.

    Raises
    ------
    DataError
        If the input cannot be used, or a setting belongs to another model.
    FitError
        If the fit did not come to an end.
    """
    from napari_tissue_dynamics import workflow

    _refuse_settings_of_others(options)
    projection = settings_of(options, ProjectionConfig)
    config = settings_of(options, SteerConfig if options.model == STEER else KineticsConfig)
    tissue = read(options)
    origin = workflow.origin_of(
        tissue,
        root_type=options.root_type,
        root_cells=names(options.root_cell),
        stage=options.stage,
        source=options.file,
    )
    if options.model == STEER:
        result = workflow.velocity(
            tissue,
            config,
            report,
            origin=origin,
            projection=projection,
            checkpoint=options.checkpoint,
            model=options.network,
        )
    else:
        result = workflow.kinetics(tissue, config, report, origin=origin, projection=projection)
    end_report()
    print(workflow.in_words(result, config))
    print(f"wrote {workflow.save(out(options), tissue, source=options.file, velocity=result, settings=[config])}")


def _refuse_settings_of_others(options: argparse.Namespace) -> None:
    """Raise DataError if a setting was given that the model does not have."""
    kinetic = options.model != STEER
    if kinetic:
        others, owner, instead = (STEER_SETTINGS - KINETIC_SETTINGS).union(STEER_FILES), "STEER", STEER
    else:
        others, owner, instead = KINETIC_SETTINGS - STEER_SETTINGS - {"model"}, "the kinetic models", "dynamical"
    given = sorted(name for name in others if getattr(options, name) is not None)
    if kinetic and options.schedule != SCHEDULES[0]:
        given.append(SCHEDULE_OPTION.removeprefix("--"))
    if given:
        raise DataError(
            f"--{given[0].replace('_', '-')} belongs to {owner}; the model is {options.model}. "
            f"Leave it out, or give --model {instead}."
        )
    if kinetic and options.device == "mps":
        raise DataError("Kinetic models do not run on 'mps'. Choose --device cpu, auto or cuda.")
