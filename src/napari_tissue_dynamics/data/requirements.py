"""What a fit needs of a tissue, asked before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from napari_tissue_dynamics.data.tissue import Counts, Labels, Tissue


def require_velocity_counts(tissue: Tissue) -> tuple[Counts, Counts]:
    """Return the spliced and unspliced counts, (cells, genes) each.

    Raises
    ------
    DataError
        If one of them is missing.
    """
    if tissue.spliced is not None and tissue.unspliced is not None:
        return tissue.spliced, tissue.unspliced
    names = [name for name in ("spliced", "unspliced") if getattr(tissue, name) is None]
    raise DataError(
        f"{tissue.source} has no {' and '.join(names)} counts; RNA velocity needs both. "
        "Choose their layers when loading, or a file with the layers 'spliced' and 'unspliced'."
    )


def require_expression(tissue: Tissue) -> Counts:
    """Return the (cells, genes) expression for regulation.

    Raises
    ------
    DataError
        If there is none.
    """
    if tissue.expression is None:
        raise DataError(
            f"{tissue.source} has no expression matrix; spatial regulation needs one. "
            "Choose X or a layer as the expression when loading."
        )
    return tissue.expression


def require_cell_types(tissue: Tissue, at_least: int = 1) -> Labels:
    """Return the cell types.

    Parameters
    ----------
    at_least
        Every type that has cells must have this many.

    Raises
    ------
    DataError
        If there are no cell types, no cell has one, or a type has too few cells.
    """
    labels = tissue.cell_types
    if labels is None or not np.any(labels.codes >= 0):
        raise DataError(
            f"{tissue.source} has no cell types; one category for every cell is needed. "
            "Choose an obs column with categories as the cell type when loading."
        )
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    for name, size in zip(labels.categories, sizes, strict=True):
        if 0 < size < at_least:
            raise DataError(
                f"The cell type {name!r} of {labels.name!r} has {size} cell{'' if size == 1 else 's'}; "
                f"at least {at_least} are needed. Merge it with another type, leave its cells without a type "
                "or choose another column."
            )
    return labels
