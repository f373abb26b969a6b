"""What several commands have in common: files to read and write, settings as options, progress in the terminal."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

from napari_tissue_dynamics.descriptions import parameter_texts, setting_types, with_settings
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, run_to_end
from napari_tissue_dynamics.settings import check_setting
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.terminal import TerminalProgress
from napari_tissue_dynamics.travlr.config import TravlrConfig

if TYPE_CHECKING:
    from collections.abc import Container, Generator

    from napari_tissue_dynamics.data.io import ReadOptions
    from napari_tissue_dynamics.data.tissue import Tissue

Result = TypeVar("Result")

DEVICES = ("auto", "cpu", "cuda", "mps")
PRESETS = {SteerConfig: ("--schedule", ("quick", "fast", "full")), TravlrConfig: ("--profile", ("fast", "full"))}
"""By settings: the option with their starting values, and the names of these."""


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the file to read and the one to write."""
    parser.add_argument("file", type=Path, help="a spatial .h5ad")
    parser.add_argument("--out", type=Path, help="file to write (default: <FILE>_result.h5ad)")


def add_origin(parser: argparse.ArgumentParser) -> None:
    """Add the options for root cells and known stages; see :func:`.workflow.origin_of`."""
    group = parser.add_argument_group("root cells and known order").add_mutually_exclusive_group()
    group.add_argument("--root-type", metavar="NAME", help="root cell type (improved profile)")
    group.add_argument("--root-cell", metavar="ID", help="root cells, comma-separated")
    group.add_argument("--stage", metavar="COLUMN", help="obs column with the known stage of the cells")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what :func:`read` reads."""
    group = parser.add_argument_group("reading")
    group.add_argument("--spliced", default="spliced", help="layer with spliced counts")
    group.add_argument("--unspliced", default="unspliced", help="layer with unspliced counts")
    group.add_argument("--expression", help="layer (or X) with the expression that regulation is fitted to")
    group.add_argument("--spatial", help="obsm key of the coordinates")
    group.add_argument("--cell-type", help="obs column with the cell types")
    group.add_argument("--library", help="image library in uns['spatial']")
    group.add_argument("--image", type=Path, help="image file of the tissue")
    group.add_argument("--image-pixel-size", type=float, help="side of an image pixel in the unit of the coordinates")
    group.add_argument("--pixel-size-um", type=float, help="micrometers per unit of the coordinates")
    group.add_argument("--sections", metavar="COLUMN", help="obs column with the section; '' for none")
    group.add_argument("--only", metavar="COLUMN=VALUE", help="read only cells with this value, such as in_tissue=1")
    text = "placement of the image: 'swap', 'flip-x', 'flip-y', 'scale 2', or several, comma-separated"
    group.add_argument("--place-image", metavar="MOVES", help=text)


def add_settings(
    parser: argparse.ArgumentParser, settings: type[Any], title: str = "settings", *, without: Container[str] = ()
) -> None:
    """Add one option per field of a settings class, with its description; :func:`settings_of` reads them.

    Parameters
    ----------
    without
        Fields whose options are there already.
    """
    group = parser.add_argument_group(title)
    if settings in PRESETS:
        option, starts = PRESETS[settings]
        group.add_argument(option, choices=starts, default=starts[0], help="starting values of the settings")
    texts = parameter_texts(settings)
    for name, annotation in setting_types(settings).items():
        if name in without:
            continue
        hint = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
        flag = "--" + name.replace("_", "-")
        text = texts[name].replace("%", "%%")
        choices = get_args(hint) if get_origin(hint) is Literal else None
        if hint is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(flag, type=str if choices else hint, choices=choices, default=None, help=text)


def settings_of(options: argparse.Namespace, settings: type[Any]) -> Any:
    """Return the starting values with what was given on the command line; checks the ranges the form also has."""
    hints = setting_types(settings)
    given = {name: getattr(options, name) for name in hints}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        check_setting("--" + name.replace("_", "-"), value, hints[name])
    if settings is SteerConfig:
        start: Any = SteerConfig.schedule(options.schedule, options.profile or SteerConfig().profile)
    elif settings is TravlrConfig:
        start = TravlrConfig.profile(options.profile)
    else:
        start = settings()
    return with_settings(start, given)


def read_options(options: argparse.Namespace) -> ReadOptions:
    """Return which parts of the file are read, and in which role."""
    from napari_tissue_dynamics.data.image_placement import Placement
    from napari_tissue_dynamics.data.io import ReadOptions

    given: dict[str, Any] = {field.name: getattr(options, field.name, None) for field in fields(ReadOptions)}
    moves = None if options.place_image is None else Placement.parse(options.place_image)
    return ReadOptions(**(given | {"only": _only(options.only), "placement": moves}))


def _only(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    column, sign, value = text.partition("=")
    if not sign:
        raise DataError(f"--only {text} contains no value. Give COLUMN=VALUE, such as in_tissue=1.")
    return column.strip(), value.strip()


def read(options: argparse.Namespace) -> Tissue:
    """Return the tissue of the file."""
    from napari_tissue_dynamics.data.io import read_h5ad

    return read_h5ad(options.file, read_options(options))


def names(text: str | None) -> tuple[str, ...]:
    """Split a comma-separated list of gene names."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def out(options: argparse.Namespace) -> Path:
    """Return the file to write."""
    given: Path | None = options.out
    return given if given is not None else options.file.with_name(f"{options.file.stem}_result.h5ad")


def finished(options: argparse.Namespace, steps: Generator[Progress, None, Result]) -> Result:
    """Run work to its end with its progress on the terminal."""
    result = run_to_end(steps, options.report)
    options.report.end()
    return result


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add how progress is shown; :func:`progress_of` reads it."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="show progress as plain lines, not as a bar")
    how.add_argument("--quiet", action="store_true", help="show no progress")


def progress_of(options: argparse.Namespace) -> TerminalProgress:
    """Return what shows progress on stderr: a bar on a terminal, plain lines, or nothing."""
    return TerminalProgress("plain" if options.plain else "quiet" if options.quiet else "auto")
