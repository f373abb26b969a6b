"""A given order of groups of cells: successive stages, or types with arrows between them."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.known_order import stage_of
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_STAGES = 12
"""A stage with more different values is cut into bins."""
BINS = 6
ARROW = re.compile(r"->|→|>")
EXAMPLE = "'A > B > C', with commas between branches, as in 'A > B, C', and semicolons between paths"


@dataclass(frozen=True, slots=True, eq=False)
class NamedOrder:
    """Groups of cells and which of them follow each other.

    Parameters
    ----------
    labels
        (cells,) code of the group of every cell; -1 for a cell of no group.
    edges
        Codes ``(from, to)`` of groups that follow each other.
    stage
        (cells,) float64 place of every cell in the order, NaN where it has none; None if the edges go in a circle.

    Raises
    ------
    DataError
        If there is no edge, or an edge names no group.
    """

    labels: NDArray[np.int32]
    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    stage: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if not self.edges:
            raise DataError(f"No two groups follow each other in this order. Write {EXAMPLE}.")
        if any(not 0 <= code < len(self.names) for edge in self.edges for code in edge):
            raise DataError(f"The order names groups that are not among the {len(self.names)} of the cells.")

    @property
    def named_edges(self) -> tuple[tuple[str, str], ...]:
        """Names of the groups of every edge."""
        return tuple((self.names[a], self.names[b]) for a, b in self.edges)


def order_of_stages(name: str, values: Labels | NDArray[np.floating]) -> NamedOrder:
    """Return the order that a column of stages defines; many different numbers are cut into six bins of like size.

    Parameters
    ----------
    values
        Its numbers or categories, see :func:`~napari_tissue_dynamics.data.known_order.stage_of`.

    Raises
    ------
    DataError
        If the column does not define an order, or all cells have the same stage.
    """
    stage = stage_of(name, values)
    known = np.isfinite(stage)
    different = np.unique(stage[known])
    if different.size < 2:
        raise DataError(
            f"The column {name!r} has {different.size} different stage{'' if different.size == 1 else 's'}; "
            "at least two are needed. Choose another column."
        )
    labels = np.full(len(stage), -1, dtype=np.int32)
    if different.size > MOST_STAGES:
        edges = np.unique(np.quantile(stage[known], np.linspace(0, 1, BINS + 1)))
        labels[known] = np.clip(np.searchsorted(edges, stage[known], side="right") - 1, 0, len(edges) - 2)
        names = tuple(f"{low:.3g} to {high:.3g}" for low, high in itertools.pairwise(edges))
    else:
        labels[known] = np.searchsorted(different, stage[known])
        names = tuple(f"{value:g}" for value in different)
        if isinstance(values, Labels):
            of_code = [(float(stage[values.codes == code][0]), category) for code, category in _used(values)]
            first = dict(reversed(of_code))  # of categories with one stage the first gives the name
            names = tuple(first[float(value)] for value in different)
    return NamedOrder(labels, names, tuple((i, i + 1) for i in range(len(names) - 1)), stage)


def order_of_types(types: Labels, text: str) -> NamedOrder:
    """Return the order of cell types in a user's text.

    Parameters
    ----------
    text
        Names of types with arrows (``>`` or ``→``) between them, commas between types of the same place, semicolons or
        new lines between paths: ``"Ductal > Ngn3 > Alpha, Beta"``. A name is found whatever its case.

    Raises
    ------
    DataError
        If a name is no type, or no arrow is written.
    """
    edges: list[tuple[int, int]] = []
    for path in re.split(r"[;\n]", text):
        places = [[_code(types, name) for name in _split_names(part, types)] for part in ARROW.split(path)]
        for before, after in itertools.pairwise(places):
            edges += [(a, b) for a in before for b in after if (a, b) not in edges]
    order = NamedOrder(types.codes, types.categories, tuple(edges))
    depth = _depths(order.edges)
    if depth is None:
        return order
    places_of = np.array([depth.get(code, np.nan) for code in range(len(types.categories))] + [np.nan])
    return NamedOrder(order.labels, order.names, order.edges, places_of[types.codes])


def _used(values: Labels) -> list[tuple[int, str]]:
    present = set(np.unique(values.codes).tolist())
    return [(code, name) for code, name in enumerate(values.categories) if code in present]


def _split_names(part: str, types: Labels) -> Sequence[str]:
    """Return the names in one place of a path; a type whose own name holds a comma is found as a whole."""
    whole = part.strip()
    if _find(types, whole) is not None:
        return [whole]
    return [name.strip() for name in part.split(",") if name.strip()]


def _find(types: Labels, name: str) -> int | None:
    folded = name.casefold()
    found = [code for code, category in enumerate(types.categories) if category.casefold() == folded]
    return found[0] if found else None


def _code(types: Labels, name: str) -> int:
    code = _find(types, name)
    if code is None:
        known = ", ".join(types.categories[:MOST_STAGES]) + (", …" if len(types.categories) > MOST_STAGES else "")
        raise DataError(f"There is no cell type {name!r}; there are {known}. Write {EXAMPLE}.")
    return code


def _depths(edges: Sequence[tuple[int, int]]) -> dict[int, float] | None:
    """Return the longest way to every group from a first one; None if the edges go in a circle."""
    groups = {code for edge in edges for code in edge}
    depth = dict.fromkeys(groups, 0.0)
    for _ in range(len(groups)):
        changed = False
        for a, b in edges:
            if depth[b] < depth[a] + 1:
                depth[b], changed = depth[a] + 1, True
        if not changed:
            return depth
    return None
