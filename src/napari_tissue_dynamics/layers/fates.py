"""Fates of cells, as colors: one layer per fate, and one in which all fates are mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.layers.axes import about
from napari_tissue_dynamics.layers.colors import (
    MISSING_COLOR,
    ColorScale,
    category_colors,
)
from napari_tissue_dynamics.layers.expert_blend import mixed_rgba
from napari_tissue_dynamics.layers.legend import CategoryLegend, LegendEntry
from napari_tissue_dynamics.layers.points import category_points, painted, value_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData

FATE_SCALE = ColorScale(0.0, 1.0)
MIXED, TERMINAL, ONE = "fates", "terminal states", "fate {name}"
"""Names of the layers."""
NOWHERE = "reaches no terminal state"


def fate_points(tissue: Tissue, result: FateResult, name: str) -> LayerData:
    """Return the cells colored by the probability of one fate, 0 to 1; cells without a fate are gray.

    Raises
    ------
    ValueError
        If there is no such fate.
    """
    values = result.probabilities[:, result.names.index(name)]
    note = f"probability of ending in {name}"
    if result.n_unreachable:
        note += "; gray reaches no terminal state"
    return value_points(tissue, values, name=ONE.format(name=name), kind="fate", scale=FATE_SCALE, note=note)


def mixed_fates(tissue: Tissue, result: FateResult) -> LayerData:
    """Return the cells in the colors of their fates, mixed by their probabilities; cells without a fate are gray.

    The legend counts the cells that most probably have each fate.
    """
    colors = fate_colors(result, tissue.cell_types)
    likely = Labels(MIXED, result.fate, result.names, colors)
    cells = category_points(tissue, likely, name=MIXED, kind="fate")
    surest = np.where(result.unreachable, np.float32(np.nan), np.nan_to_num(result.probabilities).max(axis=1))
    layer = painted(
        cells, mixed_rgba(result.probabilities, colors), metadata=about("fate", legend=fate_legend(result, colors))
    )
    layer[1]["features"] |= {MIXED: likely.values(NOWHERE), "probability": surest.astype(np.float32)}
    return layer


def terminal_points(tissue: Tissue, result: FateResult) -> LayerData:
    """Return the cells of the terminal states in the colors of their fates, and all other cells without a color."""
    labels = Labels(TERMINAL, result.terminal.codes, result.names, fate_colors(result, tissue.cell_types))
    return category_points(tissue, labels, name=TERMINAL, kind="fate")


def fate_colors(result: FateResult, types: Labels | None = None) -> tuple[str, ...]:
    """Return the color of every fate, ``#rrggbb``: that of the cell type it is named after, else its own.

    Colors are those of the fates alone if two fates would have the same.
    """
    own = category_colors(result.names, result.terminal.colors)
    of_types = {} if types is None else category_colors(types.categories, types.colors)
    colors = tuple(of_types.get(name, own[name]) for name in result.names)
    return colors if len(set(colors)) == len(colors) else tuple(own[name] for name in result.names)


def fate_legend(result: FateResult, colors: Sequence[str]) -> CategoryLegend:
    """Return the fates in these colors with the number of cells whose most probable one each is."""
    counts = [int((result.fate == each).sum()) for each in range(len(result.names))]
    entries = [LegendEntry(*each) for each in zip(result.names, colors, counts, strict=True)]
    if result.n_unreachable:
        gray = "#" + "".join(f"{round(255 * part):02X}" for part in MISSING_COLOR[:3])
        entries.append(LegendEntry(NOWHERE, gray, result.n_unreachable))
    return CategoryLegend("fates, mixed by probability", tuple(entries))
