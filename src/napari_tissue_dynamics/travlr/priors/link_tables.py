"""Tables of links from transcription factors to targets, one per cell type."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.cluster_labels import plain_label, sorted_labels
from napari_tissue_dynamics.travlr.priors.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

    from napari_tissue_dynamics.travlr.priors.cluster_labels import Label

PICKLES = (".pkl", ".pickle", ".celloracle")
# Columns that assign a link to a cell type, and the type of links without one.
CLUSTER_COLUMNS = ("cluster", "cell_type")
EVERYWHERE = "all"
# What a pickled dictionary of tables needs; anything else is not called.
ALLOWED = {
    "builtins": {"slice", "list", "dict", "set", "frozenset", "tuple", "int", "float", "str", "bool"},
    "collections": {"OrderedDict"},
    "_codecs": {"encode"},
    "numpy": {"ndarray", "dtype"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
    "pandas.core.frame": {"DataFrame"},
    "pandas.core.internals.managers": {"BlockManager"},
    "pandas.core.internals.blocks": {"new_block"},
    "pandas._libs.internals": {"_unpickle_block"},
    "pandas.core.indexes.base": {"_new_Index", "Index"},
    "pandas.core.indexes.range": {"RangeIndex"},
    "pandas.core.indexes.numeric": {"Int64Index"},
    "pandas.core.arrays.categorical": {"Categorical"},
    "pandas.core.dtypes.dtypes": {"CategoricalDtype"},
    "pandas._libs.arrays": {"__pyx_unpickle_NDArrayBacked"},
}


def read_link_tables(path: str | Path, *, allow_pickle: bool = False) -> dict[Label, pd.DataFrame]:
    """Read the links of every cell type.

    Parameters
    ----------
    path
        CSV, TSV, parquet or feather with columns ``source`` and ``target``, optionally ``cluster`` (or
        ``cell_type``), ``p`` and ``coef_mean``; or, where allowed, a pickled dictionary of such tables.
    allow_pickle
        Read a pickle. Nothing but tables is restored from it.

    Raises
    ------
    DataError
        If the file cannot be read, is a pickle and pickles are not allowed, or lacks a column.
    """
    path = Path(path)
    if path.suffix.lower() in PICKLES or _is_pickle(path):
        if not allow_pickle:
            raise DataError(
                f"{path.name} is a pickle, which can run arbitrary code when opened. Save the links as CSV or "
                "parquet, or pass allow_pickle=True if you made the file yourself; nothing but tables is read then."
            )
        return link_tables(_unpickled(path), path.name)
    return link_tables(read_table(path), path.name)


def link_tables(links: Mapping[Any, pd.DataFrame] | pd.DataFrame, name: str = "The table") -> dict[Label, pd.DataFrame]:
    """Return one table of links per cell type from a long table, or from tables by cell type.

    Raises
    ------
    DataError
        If these are no tables, or one lacks a column.
    """
    import pandas as pd

    if isinstance(links, pd.DataFrame):
        column = next((name for name in CLUSTER_COLUMNS if name in links), None)
        parts = {EVERYWHERE: links} if column is None else dict(list(links.groupby(column, observed=True)))
        return link_tables(parts, name)
    if not isinstance(links, Mapping) or not all(isinstance(part, pd.DataFrame) for part in links.values()):
        raise DataError(f"{name} holds no links; a table, or a dictionary of one table per cell type, was expected.")
    tables = {plain_label(label): part for label, part in links.items()}
    for label, part in tables.items():
        missing = [column for column in ("source", "target") if column not in part]
        if missing:
            raise DataError(
                f"{name} has no column {' and '.join(missing)} for {label!r}; its columns are "
                f"{', '.join(map(str, part.columns)) or 'none'}. Name the columns source and target."
            )
    return {label: tables[label] for label in sorted_labels(tables)}


def _is_pickle(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


class _TablesOnly(pickle.Unpickler):
    """Restores tables, arrays, names and numbers; refuses everything else before it is called."""

    def find_class(self, module: str, name: str) -> Any:
        if name not in ALLOWED.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _unpickled(path: Path) -> Any:
    try:
        return _TablesOnly(io.BytesIO(path.read_bytes())).load()
    except OSError as error:
        raise DataError(f"{path} could not be read ({error}). Choose another file.") from error
    except (pickle.UnpicklingError, EOFError, ImportError, AttributeError, ValueError, TypeError, IndexError) as error:
        raise DataError(
            f"{path.name} is not a pickled dictionary of tables alone ({error}). Save the links as CSV or parquet."
        ) from error
