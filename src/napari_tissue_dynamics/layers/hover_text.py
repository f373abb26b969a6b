"""Description of a cell while the mouse is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_tissue_dynamics.layers.colors import UNASSIGNED, category_colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.layers.coloring import Coloring


class CardLine(NamedTuple):
    """One line: what it is, its value, and the ``#rrggbb`` of a category or an empty text."""

    name: str
    value: str
    color: str = ""


def cell_card(
    tissue: Tissue,
    cell: int,
    coloring: Coloring | None = None,
    velocity: VelocityField | None = None,
    palettes: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[CardLine, ...]:
    """Return name, type, shown value, latent time and expert of a cell; unknown values are omitted.

    Parameters
    ----------
    cell
        One of them, counted from 0.
    palettes
        Colors set by the user for categories, by column.
    """
    lines = [CardLine("cell", tissue.cells[cell])]
    types = tissue.cell_types
    if types is not None:
        code = types.codes[cell]
        name = types.categories[code] if code >= 0 else UNASSIGNED
        colors = category_colors(types.categories, types.colors) | dict((palettes or {}).get(types.name, {}))
        lines.append(CardLine(types.name, name, colors[name]))
    if coloring is not None and (types is None or coloring.title != types.name):
        lines.append(CardLine(coloring.title, coloring.text(cell)))
    if velocity is not None and velocity.time is not None and (coloring is None or coloring.title != "latent time"):
        lines.append(CardLine("latent time", f"{float(velocity.time[cell]):.3f}"))
    if velocity is not None and velocity.expert_probability is not None:
        weights = velocity.expert_probability[cell]
        best = int(weights.argmax())
        lines.append(CardLine("expert", f"{best} (weight {float(weights[best]):.2f})"))
    return tuple(lines)
