"""Contents of a legend, independent of how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_tissue_dynamics.layers.colors import UNASSIGNED, UNASSIGNED_COLOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_tissue_dynamics.data.tissue import Labels
    from napari_tissue_dynamics.layers.colors import ColorScale


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One category: its name, ``#rrggbb`` and number of cells."""

    name: str
    color: str
    count: int


@dataclass(frozen=True, slots=True)
class CategoryLegend:
    """The categories of one layer."""

    title: str
    entries: tuple[LegendEntry, ...]


@dataclass(frozen=True, slots=True)
class ColorBar:
    """The color scale of one layer.

    Parameters
    ----------
    unit
        Unit of the values, may be empty.
    note
        A further sentence, may be empty.
    """

    title: str
    scale: ColorScale
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ArrowKey:
    """What the opacity and the length of arrows, lines or particles mean.

    Parameters
    ----------
    faint, opaque
        What a faint and what an opaque arrow is. Where all are alike, the second is empty and the first describes all.
    least, most
        Opacity of the faintest and of the most opaque.
    meaning
        What their length means and whether the counts support their direction, in sentences; may be empty.
    """

    title: str
    faint: str
    opaque: str
    least: float
    most: float = 1.0
    meaning: str = ""


Legend: TypeAlias = CategoryLegend | ColorBar

MOST_LISTED = 300
"""How many categories a list shows; a column of barcodes has one for each cell."""


def largest(entries: Sequence[LegendEntry], most: int = MOST_LISTED) -> tuple[LegendEntry, ...]:
    """Return the entries with the most cells, in their order."""
    if len(entries) <= most:
        return tuple(entries)
    kept = set(sorted(range(len(entries)), key=lambda k: -entries[k].count)[:most])
    return tuple(entry for k, entry in enumerate(entries) if k in kept)


def category_legend(labels: Labels, colors: Mapping[str, str], title: str = "") -> CategoryLegend:
    """Return the legend of categories with their counts; cells without one come last."""
    counts = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    entries = [LegendEntry(name, colors[name], int(n)) for name, n in zip(labels.categories, counts, strict=True)]
    missing = int((labels.codes < 0).sum())
    if missing:
        entries.append(LegendEntry(UNASSIGNED, UNASSIGNED_COLOR, missing))
    return CategoryLegend(title or labels.name, tuple(entries))
