"""How the cells are colored now: by categories or by a value, as numbers that change in place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.layers.colors import (
    UNASSIGNED,
    ColorScale,
    category_colors,
    diverging_scale,
    sequential_scale,
)
from napari_tissue_dynamics.layers.legend import ColorBar, category_legend
from napari_tissue_dynamics.layers.points import category_rgba

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.layers.colors import MapName
    from napari_tissue_dynamics.layers.legend import CategoryLegend, Legend

BINS = 80
COLOR = re.compile("#[0-9a-fA-F]{6}")
CLIP = 1.0
"""Percent of the cells at each end of a color bar that share its end color."""


@dataclass(frozen=True, eq=False)
class Values:
    """A number for every cell and its description.

    Parameters
    ----------
    numbers
        (cells,) float32; not finite where there is none.
    signed
        Whether zero is a middle, with something different on both sides.
    limits
        Smallest and largest possible value, None when there are none.
    note
        A sentence for the color bar, may be empty.
    """

    numbers: NDArray[np.float32]
    signed: bool = False
    limits: tuple[float, float] | None = None
    note: str = ""

    @cached_property
    def n_missing(self) -> int:
        """Number of cells without a finite value."""
        return int(np.size(self.numbers) - np.isfinite(self.numbers).sum())

    @cached_property
    def distribution(self) -> tuple[float, float, NDArray[np.intp]]:
        """Smallest and largest finite value, and the number of cells in each of ``BINS`` equal steps between them."""
        finite = self.numbers[np.isfinite(self.numbers)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        counts, _ = np.histogram(finite, bins=BINS, range=(low, high if high > low else low + 1.0))
        return low, high, counts

    def scale(self, clip: float = CLIP) -> ColorScale:
        """Return the scale that leaves ``clip`` percent of the cells beyond each end, symmetric for signed values."""
        if self.limits is not None:
            return ColorScale(*self.limits)
        return (diverging_scale if self.signed else sequential_scale)(self.numbers, 100 - clip)


@dataclass(frozen=True, slots=True, eq=False)
class ValueColoring:
    """Cells colored by a value."""

    title: str
    values: Values
    scale: ColorScale

    def rgba(self, shown: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return (cells, 4) colors; cells that are not ``shown`` are transparent."""
        return _faded(self.scale.rgba(self.values.numbers), shown)

    def legend(self) -> Legend:
        """Return the color bar."""
        missing = self.values.n_missing
        gray = f"gray: no value ({missing} cells)" if missing else ""
        return ColorBar(self.title, self.scale, note="; ".join(part for part in (self.values.note, gray) if part))

    def text(self, cell: int) -> str:
        """Return the value of one cell in words."""
        value = float(self.values.numbers[cell])
        return f"{value:.4g}" if np.isfinite(value) else "no value"

    def with_limits(self, low: float, high: float) -> ValueColoring:
        """Return the same between other limits."""
        return replace(self, scale=replace(self.scale, low=low, high=high))

    def with_map(self, name: MapName) -> ValueColoring:
        """Return the same with another color map."""
        return replace(self, scale=replace(self.scale, colormap=name))

    def clipped(self, clip: float) -> ValueColoring:
        """Return the same with limits that ``clip`` percent of the cells exceed at each end."""
        found = replace(self.values, limits=None).scale(clip)
        return self.with_limits(found.low, found.high)


@dataclass(frozen=True, slots=True, eq=False)
class CategoryColoring:
    """Cells colored by a category.

    Parameters
    ----------
    labels
        The category of every cell, with colors or without.
    """

    title: str
    labels: Labels

    def rgba(self, shown: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return (cells, 4) colors; cells that are not ``shown`` are transparent."""
        return _faded(category_rgba(self.labels), shown)

    def legend(self) -> CategoryLegend:
        """Return names, colors and counts; cells without a category come last."""
        return category_legend(self.labels, category_colors(self.labels.categories, self.labels.colors), self.title)

    def text(self, cell: int) -> str:
        """Return the category of one cell."""
        code = self.labels.codes[cell]
        return self.labels.categories[code] if code >= 0 else UNASSIGNED

    def with_color(self, name: str, color: str) -> CategoryColoring:
        """Return the same with another ``#rrggbb`` for one category."""
        colors = category_colors(self.labels.categories, self.labels.colors) | {name: color}
        return self.with_colors([colors[each] for each in self.labels.categories])

    def with_colors(self, colors: Sequence[str]) -> CategoryColoring:
        """Return the same with one ``#rrggbb`` for each category, in their order."""
        return replace(self, labels=replace(self.labels, colors=tuple(colors)))


Coloring: TypeAlias = "ValueColoring | CategoryColoring"


def coloring_of(title: str, values: Labels | Values) -> Coloring:
    """Return categories or numbers colored as suits them."""
    if isinstance(values, Labels):
        if values.colors is None and all(COLOR.fullmatch(name) for name in values.categories):
            values = replace(values, colors=values.categories)  # a column of colors shows itself
        return CategoryColoring(title, values)
    return ValueColoring(title, values, values.scale())


def prepared(title: str, values: Labels | Values) -> Coloring:
    """Return :func:`coloring_of` with all that its legend needs counted already, for a thread of its own."""
    coloring = coloring_of(title, values)
    if isinstance(coloring, ValueColoring):
        _ = coloring.values.n_missing, coloring.values.distribution
    return coloring


def shown_cells(labels: Labels, hidden: frozenset[str]) -> NDArray[np.bool_]:
    """Return (cells,) which cells are in none of the ``hidden`` categories; cells without one are "unassigned"."""
    seen = np.array([name not in hidden for name in (*labels.categories, UNASSIGNED)])
    return np.asarray(seen[labels.codes])


def _faded(rgba: NDArray[np.float32], shown: NDArray[np.bool_] | None) -> NDArray[Any]:
    if shown is not None:
        rgba[~shown, 3] = 0.0
    return rgba
