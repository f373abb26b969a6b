"""``tissue-dynamics look``: what a file holds, whether its image fits its cells, and whether it is ready for fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.commands.options import add_reading, finished, read_options
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import argparse

    from napari_tissue_dynamics.analysis.image.alignment import Alignment
    from napari_tissue_dynamics.data.io import ReadOptions


def add_look(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", type=Path, help="a spatial .h5ad")
    add_reading(parser)
    parser.set_defaults(run=look)


def look(options: argparse.Namespace) -> None:
    """Print what the file holds, the verdict on its images and its readiness for fits."""
    from napari_tissue_dynamics.analysis.readiness.readiness import readiness_steps
    from napari_tissue_dynamics.data.io import contents

    wanted = read_options(options)
    print(contents(options.file))
    for verdict in _alignments(options.file, wanted):
        print(f"image {verdict}")
    ready = finished(options, readiness_steps(options.file, wanted))
    print("\n".join([ready.headline, *ready.facts[1:], *map(str, ready.problems)]))


def _alignments(path: Path, options: ReadOptions) -> tuple[Alignment, ...]:
    """Return the verdicts; a file that cannot be opened has none, and its report states why."""
    from napari_tissue_dynamics.analysis.image.alignment import image_check
    from napari_tissue_dynamics.data.io import read_h5ad

    try:
        tissue = read_h5ad(path, replace(options, spliced="", unspliced="", expression=""))
        return image_check(tissue, path).alignments(tissue)
    except DataError:
        return ()
