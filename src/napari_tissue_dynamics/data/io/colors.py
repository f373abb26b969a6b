"""Colors of categories in an .h5ad file, where scanpy and squidpy look for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.labels import hex_colors, kind_of, labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import h5py

NO_COLOR = "#808080"
"""Color of categories without cells that had none before."""


def add_category_colors(file: h5py.File, palettes: Mapping[str, Mapping[str, str]]) -> None:
    """Write ``uns["<column>_colors"]``: one ``#rrggbb`` for each category, in the order of the categories.

    Parameters
    ----------
    palettes
        ``#rrggbb`` by category, by obs column. Columns that are not categorical are omitted; a category that is not
        named keeps its color. Experts can be named ``"expert 0"`` or ``"0"``.
    """
    import anndata.io

    for column, colors in palettes.items():
        if column not in file["obs"]:
            continue
        values = anndata.io.read_elem(file["obs"][column])
        if kind_of(values) != "categorical":
            continue
        names = _names_of(column, values)
        key = keys.CATEGORY_COLORS.format(name=column)
        before = anndata.io.read_elem(file["uns"][key]) if key in file["uns"] else None
        kept = hex_colors(before, len(names)) or [NO_COLOR] * len(names)
        chosen = [colors.get(name, colors.get(f"{column} {name}", old)) for name, old in zip(names, kept, strict=True)]
        anndata.io.write_elem(file["uns"], key, np.array(chosen, dtype=object))


def _names_of(column: str, values: Any) -> tuple[str, ...]:
    """Return the names of all categories as a tissue has them, also of those without cells."""
    import pandas as pd

    if not hasattr(values.dtype, "categories"):
        return labels_of(column, values).categories
    every = pd.Categorical.from_codes(np.arange(len(values.categories)), dtype=values.dtype)
    return labels_of(column, every).categories
