"""Read a user's table of names: CSV, TSV, parquet or feather."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

TEXT = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
BINARY = (".parquet", ".feather")


def read_table(path: str | Path, *, index: bool = False) -> pd.DataFrame:
    """Return the table in a file.

    Parameters
    ----------
    path
        File ending in ``.csv``, ``.tsv``, ``.txt`` (tab-separated; each also with ``.gz``), ``.parquet``
        or ``.feather``.
    index
        Take the first column as row names where the format has none of its own.

    Raises
    ------
    DataError
        If there is no such file, or it is not a table of that kind.
    """
    path = Path(path)
    kind = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind not in TEXT and kind not in BINARY:
        raise DataError(
            f"{path.name} ends in {path.suffix or 'nothing'!r}; a table in CSV, TSV, parquet or feather was "
            "expected. Save it as one of these."
        )
    if not path.is_file():
        raise DataError(f"There is no file {path}. Choose another table.")
    try:
        return _read(path, kind, index)
    except (OSError, ValueError, EOFError) as error:  # pandas and pyarrow raise subclasses of these
        raise DataError(
            f"{path.name} could not be read as a table ({error}). Save it again as CSV or parquet."
        ) from error


def _read(path: Path, kind: str, index: bool) -> pd.DataFrame:
    import pandas as pd

    if kind == ".parquet":
        return pd.read_parquet(path)
    if kind == ".feather":
        table = pd.read_feather(path)
        return table.set_index(table.columns[0]) if index else table
    return pd.read_csv(path, sep=TEXT[kind], index_col=0 if index else None)
