"""The known order of cells: root cells by name or by type, or a stage for all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue

NAMED = 8
"""Maximum number of names listed in an error."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def cells_of_type(tissue: Tissue, name: str) -> NDArray[np.intp]:
    """Return the indices of the cells of one type.

    Raises
    ------
    DataError
        If the tissue has no such type.
    """
    types = tissue.cell_types
    if types is None:
        raise DataError(f"{tissue.source} has no cell types. Choose a column of cell types when loading it.")
    if name not in types.categories:
        raise DataError(f"There is no cell type {name!r}; there are {_listed(types.categories)}. Choose one of these.")
    return np.flatnonzero(types.codes == types.categories.index(name))


def cells_named(tissue: Tissue, names: Sequence[str]) -> NDArray[np.intp]:
    """Return the indices of cells, in the order of their names.

    Raises
    ------
    DataError
        If a cell is not there.
    """
    place = {name: index for index, name in enumerate(tissue.cells)}
    missing = [name for name in names if name not in place]
    if missing:
        raise DataError(
            f"{tissue.source} has no cell {_listed(missing)}; its first cells are {_listed(tissue.cells[:3])}."
        )
    return np.array([place[name] for name in names], dtype=np.intp)


def stage_of(name: str, values: Labels | NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the stage of every cell as a number, (cells,), NaN where there is none.

    Parameters
    ----------
    values
        Its numbers; or categories that each hold a number (``E8.5``, ``day 3``), which is then the stage; or ordered
        categories, whose stages are 0, 1, 2 and so on.

    Raises
    ------
    DataError
        If the categories define no order.
    """
    if not isinstance(values, Labels):
        return np.asarray(values, dtype=np.float64)
    numbers = _numbers_in(values.categories)
    if numbers is None and values.ordered and len(values.categories) > 1:
        numbers = [float(place) for place in range(len(values.categories))]
    if numbers is None:
        raise DataError(
            f"The obs column {name!r} does not define an order: its categories are {_listed(values.categories)}. "
            "Choose a column of numbers, of ordered categories, or of names with a number in each, such as E8.5."
        )
    return np.array([*numbers, np.nan])[values.codes]


def defines_order(values: Any) -> bool:
    """Return whether a stored obs column can be the stage of cells: numbers, or categories as in :func:`stage_of`."""
    categories = getattr(values.dtype, "categories", None)
    if categories is None:
        return getattr(values.dtype, "kind", "O") in "iuf"
    if values.dtype.ordered and len(categories) > 1:
        return True
    return _numbers_in([str(category) for category in categories]) is not None


def _numbers_in(categories: Sequence[str]) -> list[float] | None:
    """Return the first number in each name, None unless each has one and there are two or more."""
    found = [NUMBER.search(category) for category in categories]
    numbers = [float(match.group()) for match in found if match is not None]
    return numbers if len(numbers) == len(categories) and len(set(numbers)) > 1 else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
