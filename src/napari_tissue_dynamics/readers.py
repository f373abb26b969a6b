"""Reads a spatial .h5ad into napari layers: images, cells and stored velocities."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader if every path looks like an .h5ad file, else None.

    Parameters
    ----------
    path
        One path or several.
    """
    paths = _as_paths(path)
    return read_layers if paths and all(_looks_right(one) for one in paths) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read images, cells and stored arrows; no counts are read.

    The metadata of the layers name the file, so that the docks can work with it. napari shows a warning when another
    place of an image would put clearly more cells on tissue.

    Parameters
    ----------
    path
        One path or several.

    Returns
    -------
    Layer tuples, bottom first.

    Raises
    ------
    DataError
        If a file cannot be used.
    """
    return [layer for one in _as_paths(path) for layer in _layers_of(one)]


def _layers_of(path: Path) -> list[LayerData]:
    from napari_tissue_dynamics.analysis.image.alignment import image_check
    from napari_tissue_dynamics.data.io import ReadOptions, read_h5ad
    from napari_tissue_dynamics.layers.axes import PLUGIN
    from napari_tissue_dynamics.layers.layer_sets import tissue_layers

    tissue = read_h5ad(path, ReadOptions(spliced="", unspliced="", expression=""))
    for verdict in image_check(tissue, path).alignments(tissue):
        if verdict.better is not None:
            warnings.warn(f"{verdict} Adjust its placement in the dock 'Load tissue'.", UserWarning, stacklevel=2)
    layers = [*tissue_layers(tissue), *_arrows(path, tissue)]
    for _, options, _ in layers:
        options["metadata"][PLUGIN] |= {"key": options["name"], "source": str(path)}
    return layers


def _arrows(path: Path, tissue: Tissue) -> list[LayerData]:
    from napari_tissue_dynamics.data import keys
    from napari_tissue_dynamics.data.io.read_results import read_evidence
    from napari_tissue_dynamics.data.io.table import open_table
    from napari_tissue_dynamics.layers.images import on_light
    from napari_tissue_dynamics.layers.vectors import velocity_vectors

    key = keys.VELOCITY_BASIS.format(basis=tissue.basis)
    with open_table(path) as table:
        arrows = table.obsm(key) if key in table.keys("obsm") else None
        evidence = read_evidence(table)
    if arrows is None or getattr(arrows, "shape", ()) != tissue.positions.shape:
        return []
    light = on_light(tissue)
    return [velocity_vectors(tissue.positions, arrows, unit=tissue.unit, evidence=evidence, on_light=light)]


def _as_paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, (str, Path)) else [Path(one) for one in path]


def _looks_right(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.suffix.lower() == ".h5ad" and file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False
