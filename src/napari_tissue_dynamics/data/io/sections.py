"""Several sections in one file: which cell is of which, and places side by side for those that lie on each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.io.labels import column_of, kind_of
from napari_tissue_dynamics.data.io.table import noted
from napari_tissue_dynamics.data.tissue import Histology, Labels, Tissue
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Table

SAMPLE_COLUMNS = (
    "library_id",
    "sample",
    "sample_id",
    "section",
    "slice",
    "slide",
    "slice_id",
    "batch",
    "library",
    "fov",
)
"""Obs columns that name the section of a cell, the likeliest first."""

IN_TISSUE = "in_tissue"
"""Obs column of Space Ranger and others that marks the spots under tissue."""

TRUE = ("1", "1.0", "true", "yes")
MOST_SECTIONS = 60
GAP = 0.08
"""Space between sections, of the side of the largest."""

OVERLAP = 0.05
"""Sections whose frames share more than this part of the smaller one lie on each other."""


def is_tissue(column: str, value: str) -> bool:
    """Return whether a value of an obs column means that a spot lies under tissue."""
    return column == IN_TISSUE and value.lower() in TRUE


def subsets_of(table: Table) -> tuple[tuple[str, str], ...]:
    """Return subsets of the cells that may be read on their own: column and value."""
    names = [name for name in (IN_TISSUE, *sample_columns(table)) if name in table.keys("obs")]
    found = []
    for name in names:
        labels = column_of(table, name)
        if isinstance(labels, Labels) and 1 < len(labels.categories) <= MOST_SECTIONS:
            found += [(name, value) for value in labels.categories]
    return tuple(found)


def sample_columns(table: Table) -> tuple[str, ...]:
    """Return the obs columns that are called like one that names the section, the likeliest first."""
    by_lower = {name.lower(): name for name in table.keys("obs")}
    named = [by_lower[name] for name in SAMPLE_COLUMNS if name in by_lower]
    return tuple(name for name in named if kind_of(table.column(name)) == "categorical")


def sections_of(table: Table, name: str | None) -> Labels | None:
    """Return the section of every cell: of the named obs column, the best guess for None, nothing for ``""``.

    The best guess is a column with a usual name and 2 to 60 different values.

    Raises
    ------
    DataError
        If there is no such column, or it does not hold categories.
    """
    name = noted(table, "sections") if name is None else name
    if name == "":
        return None
    for column in sample_columns(table) if name is None else (name,):
        labels = column_of(table, column)
        if not isinstance(labels, Labels):
            raise DataError(f"The column {name!r} of {table.source} holds numbers; names of sections were expected.")
        if name is not None or 1 < len(labels.categories) <= MOST_SECTIONS:
            return labels
    return None


def only(tissue: Tissue, labels: Labels | NDArray[np.float64], value: str) -> Tissue:
    """Return the tissue of the cells with one value in an obs column, and of images only its own.

    1 and 0 also stand for truth values.

    Raises
    ------
    DataError
        If no cell has this value.
    """
    if isinstance(labels, Labels) and set(labels.categories) <= {"False", "True"}:
        value = {"0": "False", "1": "True"}.get(value, value)
    if not isinstance(labels, Labels) or value not in labels.categories:
        known = ", ".join(labels.categories) if isinstance(labels, Labels) else "numbers"
        raise DataError(f"No cell of {tissue.source} has the value {value!r}; it has {known}. Choose one of these.")
    kept = tissue.select_cells(labels.codes == labels.categories.index(value))
    own = tuple(image for image in tissue.histology if image.name == value)
    others = {image.name for image in tissue.histology} & set(labels.categories)
    return (
        kept.with_(histology=own)
        if own
        else kept.with_(histology=tuple(image for image in tissue.histology if image.name not in others))
    )


def side_by_side(tissue: Tissue, sections: Labels) -> Tissue:
    """Return the tissue with its sections in rows and columns, if they lie on each other; else as it is.

    An image whose name is that of a section goes with it. Directions and distances inside a section stay.

    Parameters
    ----------
    sections
        Which section every cell is of.
    """
    tissue = tissue.with_(sections=sections)
    present = [k for k in range(len(sections.categories)) if np.any(sections.codes == k)]
    frames = {k: _frame(tissue, sections, k) for k in present}
    if len(present) < 2 or not _on_each_other(list(frames.values())):
        return tissue
    shifts = _shifts(frames)
    positions = np.array(tissue.positions)
    for k, shift in shifts.items():
        positions[sections.codes == k, :2] += shift
    by_name = {sections.categories[k]: shift for k, shift in shifts.items()}
    images = tuple(_moved(image, by_name.get(image.name)) for image in tissue.histology)
    return tissue.with_(positions=positions, histology=images)


def _frame(tissue: Tissue, sections: Labels, k: int) -> NDArray[np.float64]:
    """Return the corners (low, high) of a section and its image, (2, 2)."""
    xy = tissue.positions[sections.codes == k, :2]
    corners = [xy.min(axis=0), xy.max(axis=0)]
    for image in tissue.histology:
        if image.name == sections.categories[k]:
            first = np.array(image.origin) - image.pixel_size / 2
            corners += [first, first + image.pixel_size * np.array(image.image.shape[1::-1])]
    return np.array([np.min(corners, axis=0), np.max(corners, axis=0)])


def _on_each_other(frames: list[NDArray[np.float64]]) -> bool:
    for i, one in enumerate(frames):
        for other in frames[i + 1 :]:
            shared = np.clip(np.minimum(one[1], other[1]) - np.maximum(one[0], other[0]), 0, None)
            smaller = min(float(np.prod(each[1] - each[0])) for each in (one, other))
            if float(np.prod(shared)) > OVERLAP * smaller > 0:
                return True
    return False


def _shifts(frames: dict[int, NDArray[np.float64]]) -> dict[int, NDArray[np.float64]]:
    """Return by how much every section moves; the first one stays where it is."""
    sides = np.array([frame[1] - frame[0] for frame in frames.values()])
    step = sides.max(axis=0) + GAP * sides.max()
    columns = int(np.ceil(np.sqrt(len(frames))))
    start = next(iter(frames.values()))[0]
    places = {k: start + step * (i % columns, i // columns) for i, k in enumerate(frames)}
    return {k: places[k] - frame[0] for k, frame in frames.items()}


def _moved(image: Histology, shift: NDArray[np.float64] | None) -> Histology:
    if shift is None:
        return image
    x, y = float(shift[0]), float(shift[1])
    return replace(
        image, origin=(image.origin[0] + x, image.origin[1] + y), zero=(image.zero[0] + x, image.zero[1] + y)
    )
