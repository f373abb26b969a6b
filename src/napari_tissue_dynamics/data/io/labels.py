"""Obs columns as categories or numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.table import noted
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Table

Kind = Literal["categorical", "numeric"]

FEW_VALUES = 30
"""Integer columns with at most this many different values are taken for categories."""

TYPE_COLUMNS = (
    "cell_type",
    "celltype",
    "cell_types",
    "celltypes",
    "cell type",
    "clusters",
    "leiden",
    "louvain",
    "cluster",
    "layer",
    "celltype_mapped_refined",
    "cell_class",
    "subclass",
    "annotation",
    "region",
    "domain",
)
TYPE_WORDS = ("cell_type", "celltype", "cluster", "annotation")


def kind_of(values: Any) -> Kind:
    """Return whether an obs column holds categories (also strings, truth values, few integers) or numbers."""
    kind = getattr(values.dtype, "kind", "O")
    if kind in "OSUTb":
        return "categorical"
    if kind in "iu" and _n_different(values) <= FEW_VALUES:
        return "categorical"
    return "numeric"


def labels_of(name: str, values: Any, colors: Any = None) -> Labels:
    """Return the categories of an obs column; unused ones are omitted.

    Parameters
    ----------
    values
        (cells,) categorical, strings, truth values or whole numbers.
    colors
        Colors of all categories of the column, as in ``uns["<name>_colors"]``.

    Raises
    ------
    DataError
        If the column holds numbers that are not whole.
    """
    import pandas as pd

    if not hasattr(values.dtype, "categories"):
        values = _categorical(name, values)
    codes = np.asarray(values.codes, dtype=np.int32)
    used = np.unique(codes[codes >= 0])
    position = np.full(len(values.categories) + 1, -1, dtype=np.int32)
    position[used] = np.arange(len(used), dtype=np.int32)
    hexes = hex_colors(colors, len(values.categories))
    names = [_name_of(category) for category in pd.Index(values.categories)[used]]
    if len(set(names)) < len(names):
        names = [str(category) for category in pd.Index(values.categories)[used]]
    colored = None if hexes is None else tuple(hexes[i] for i in used)
    return Labels(name, position[codes], tuple(names), colored, ordered=bool(values.ordered))


def column_of(table: Table, name: str) -> Labels | NDArray[np.float64]:
    """Return one obs column as categories or as (cells,) float64 numbers.

    Raises
    ------
    DataError
        If there is no such column.
    """
    values = _stored(table, name)
    if kind_of(values) == "categorical":
        return labels_of(name, values, table.uns(keys.CATEGORY_COLORS.format(name=name)))
    return _numbers(values)


def cell_types_of(table: Table, name: str | None) -> Labels | None:
    """Return the cell types: of the named obs column, the best guess for None, nothing for ``""``."""
    if name == "":
        return None
    if name is None:
        name = guess_type_column(table)
        if name is None:
            return None
    return labels_of(name, _stored(table, name), table.uns(keys.CATEGORY_COLORS.format(name=name)))


def guess_type_column(table: Table) -> str | None:
    """Return the obs column that is noted as, or most likely holds, the cell types; None if there is none."""
    chosen = noted(table, "cell_type")
    if chosen is not None:
        return chosen or None
    by_lower = {column.lower(): column for column in reversed(table.keys("obs"))}
    exact = [by_lower[name] for name in TYPE_COLUMNS if name in by_lower]
    similar = [by_lower[name] for name in sorted(by_lower) if any(word in name for word in TYPE_WORDS)]
    for column in dict.fromkeys((*exact, *similar)):
        values = table.column(column)
        if kind_of(values) == "categorical" or _whole_with_gaps(values):
            return column
    return None


def _whole_with_gaps(values: Any) -> bool:
    """Return whether these are the numbers of clusters, which became 0.0, 1.0 and NaN when tables were joined."""
    if values.dtype.kind != "f":
        return False
    numbers = _numbers(values)
    known = numbers[~np.isnan(numbers)]
    return (
        0 < len(known) < len(numbers) and _n_different(known) <= FEW_VALUES and bool((known == np.round(known)).all())
    )


def _stored(table: Table, name: str) -> Any:
    columns = table.keys("obs")
    if name not in columns:
        raise DataError(
            f"{table.source} has no obs column {name!r}; it has {', '.join(columns) or 'none'}. Choose one of these."
        )
    return table.column(name)


def _categorical(name: str, values: Any) -> Any:
    import pandas as pd

    if values.dtype.kind == "f":
        numbers = _numbers(values)
        known = numbers[~np.isnan(numbers)]
        if not np.array_equal(known, np.round(known)):
            raise DataError(
                f"The obs column {name!r} holds numbers, not categories. "
                "Choose a column with names, or use the column as a color."
            )
        values = pd.array(numbers).astype("Int64")
    missing = pd.isna(values)
    present = values[~missing]
    if values.dtype.kind not in "iub":
        present = np.array([_name_of(value) for value in present], dtype=object)
    found: tuple[Any, Any] = np.unique(np.asarray(present), return_inverse=True)
    categories, codes = found
    all_codes: Any = np.full(len(values), -1, dtype=np.int32)
    all_codes[~missing] = codes
    return pd.Categorical.from_codes(all_codes, categories)


def _name_of(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _numbers(values: Any) -> NDArray[np.float64]:
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    return np.array(values, dtype=np.float64)


def _n_different(values: Any) -> int:
    import pandas as pd

    return int(pd.Series(values).nunique())


def hex_colors(colors: Any, n: int) -> list[str] | None:
    """Return the first ``n`` colors of any notation as ``#rrggbb``, None when there are fewer or one is no color."""
    if colors is None or isinstance(colors, str) or len(colors) < n:
        return None
    found = [_hex(color) for color in list(colors)[:n]]
    return None if None in found else [color for color in found if color is not None]


def _hex(color: Any) -> str | None:
    text = color.decode() if isinstance(color, bytes) else color
    if isinstance(text, str) and re.fullmatch(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", text):
        return text[:7].lower()
    from matplotlib.colors import to_hex

    try:
        return str(to_hex(text))
    except (ValueError, TypeError):
        return None
