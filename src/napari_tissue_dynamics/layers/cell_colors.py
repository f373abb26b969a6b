"""One color per cell for plots beside the viewer, the same as the layers have; rings around selected cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.axes import about, axes, to_napari
from napari_tissue_dynamics.layers.colors import MISSING_COLOR, category_colors, diverging_scale
from napari_tissue_dynamics.layers.legend import ColorBar, category_legend
from napari_tissue_dynamics.layers.points import TIME_SCALE, category_rgba, expert_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Labels, Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.layers.legend import Legend
    from napari_tissue_dynamics.layers.points import LayerData

SELECTED = "selected cells"
SELECTED_COLOR = "#D0006F"
"""Seen on black, on white and on stained tissue; a ring is known by its shape too."""
SELECTED_SIZE = 1.25
TIME, EXPERT, VELOCITY, STATE = "latent time", "expert", "velocity of the gene", "state of the gene"


def color_choices(tissue: Tissue, field: VelocityField) -> tuple[str, ...]:
    """Return what :func:`cell_colors` can color by, in the order in which it is offered."""
    choices = []
    if field.time is not None:
        choices.append(TIME)
    if tissue.cell_types is not None:
        choices.append(tissue.cell_types.name)
    if field.expert_probability is not None:
        choices.append(EXPERT)
    if field.regulation is not None:
        choices.append(STATE)
    return (*choices, VELOCITY)


def cell_colors(
    tissue: Tissue, field: VelocityField, choice: str, gene: str = ""
) -> tuple[NDArray[np.float32], Legend | None]:
    """Return the color of every cell and what it means.

    Parameters
    ----------
    choice
        One of :func:`color_choices`.
    gene
        The gene whose velocity or state is asked for.

    Returns
    -------
    (cells, 4) float32 colors, and the legend.

    Raises
    ------
    DataError
        If the cells have no such values.
    """
    types = tissue.cell_types
    if types is not None and choice == types.name:
        return _by(types)
    if choice == EXPERT and field.expert_probability is not None:
        return _by(expert_labels(field.expert_probability))
    if choice == TIME and field.time is not None:
        return TIME_SCALE.rgba(field.time), ColorBar(TIME, TIME_SCALE, note="0 is the earliest cell, 1 the latest")
    if choice == VELOCITY and gene in field.genes:
        values = field.spliced[:, field.genes.index(gene)]
        scale = diverging_scale(values)
        return scale.rgba(values), ColorBar(f"velocity of {gene}", scale, note="above 0 spliced RNA increases")
    if choice == STATE and field.regulation is not None and gene in field.genes:
        values = field.regulation[:, field.genes.index(gene)]
        scale = diverging_scale(values)
        return scale.rgba(values), ColorBar(f"state of {gene}", scale, note="above 0 induced, below 0 repressed")
    raise DataError(f"Cells cannot be colored by {choice!r}. Choose {', '.join(color_choices(tissue, field))}.")


def plain_colors(n_cells: int) -> NDArray[np.float32]:
    """Return one color for all cells, (cells, 4)."""
    return np.tile(np.array(MISSING_COLOR, np.float32), (n_cells, 1))


def _by(labels: Labels) -> tuple[NDArray[np.float32], Legend]:
    colors = category_colors(labels.categories, labels.colors)
    return category_rgba(labels), category_legend(labels, colors)


def selected_points(tissue: Tissue, selection: NDArray[np.bool_], spacing: float | None = None) -> LayerData:
    """Return a ring around each selected cell; the metadata hold the ``cells`` they belong to.

    Parameters
    ----------
    selection
        (cells,) which of them are selected.
    spacing
        Typical distance of the cells, if it is known already.
    """
    cells = np.flatnonzero(selection)
    options = {
        "name": SELECTED,
        "size": SELECTED_SIZE * (cell_spacing(tissue.positions) if spacing is None else spacing),
        "face_color": "transparent",
        "border_color": SELECTED_COLOR,
        "border_width": 0.15,
        "symbol": "disc",
        "metadata": about("selection", cells=cells),
        **axes(tissue.positions.shape[1], tissue.unit),
    }
    return to_napari(tissue.positions[cells]), options, "points"
