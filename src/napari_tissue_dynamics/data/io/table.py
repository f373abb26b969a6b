"""One view of an AnnData, whether it lies in memory or in a file that is read piece by piece."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import h5py
    from anndata import AnnData
    from numpy.typing import NDArray


Source: TypeAlias = "str | Path | AnnData"
"""Where a tissue and its results come from: an .h5ad file, or an AnnData in memory."""

Axis = Literal["obs", "var"]
Group = Literal["layers", "obs", "var", "obsm", "varm"]
X = "X"
BLOCK_BYTES = 1 << 25
"""Of a layer that are read at once."""


Table: TypeAlias = "MemoryTable | FileTable"
"""What reading needs of an AnnData; every element is passed on as it is stored."""


def noted(table: Table, what: str) -> str | None:
    """Return what an AnnData notes as its ``cell_type``, ``expression`` or ``sections``: a column or a layer.

    ``""`` is a choice, too: none. The answer is None if nothing is noted, or what is noted is no longer there.
    """
    value = table.uns(keys.READ_AS, what)
    there = (X, *table.keys("layers")) if what == "expression" else table.keys("obs")
    return str(value) if value is not None and str(value) in ("", *there) else None


class MemoryTable:
    """An AnnData in memory. Nothing that it hands out has been copied."""

    def __init__(self, adata: AnnData, source: str = "the AnnData") -> None:
        import anndata

        if not isinstance(adata, anndata.AnnData):
            raise DataError(f"An AnnData was expected but {type(adata).__name__} was given. Pass an AnnData.")
        self._adata = self.store = adata
        self.source = source
        self.shape = (int(adata.n_obs), int(adata.n_vars))

    def names(self, axis: Axis) -> tuple[str, ...]:
        """Return the names of the cells or genes."""
        return tuple(map(str, self._adata.obs_names if axis == "obs" else self._adata.var_names))

    def keys(self, group: Group) -> tuple[str, ...]:
        """Return what the group holds."""
        return tuple(str(key) for key in getattr(self._adata, group) if key is not None)

    def has_x(self) -> bool:
        """Return True if there is a main matrix X."""
        return self._adata.X is not None

    def matrix(self, key: str) -> Any:
        """Return X or a layer."""
        found = self._adata.X if key == X else self._adata.layers[key]
        return found.to_memory() if hasattr(found, "to_memory") else found

    def stored(self, key: str) -> Any:
        """Return X or a layer."""
        return self.matrix(key)

    def columns_of(self, key: str, columns: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return some columns of a layer, (cells, columns) float32 and dense."""
        with reading(self.source, key):
            return _dense_columns(self.matrix(key), columns)

    def column(self, name: str, axis: Axis = "obs") -> Any:
        """Return one column of obs or var."""
        return getattr(self._adata, axis)[name].array

    def obsm(self, key: str) -> Any:
        """Return one obsm entry."""
        return self._adata.obsm[key]

    def varm(self, key: str) -> Any:
        """Return one varm entry."""
        return self._adata.varm[key]

    def uns(self, *path: str) -> Any:
        """Return what lies under ``path`` in uns, None if nothing does."""
        return _descend(self._adata.uns, path)

    def uns_keys(self, *path: str) -> tuple[str, ...]:
        """Return the keys of the mapping under ``path`` in uns, none if there is no mapping."""
        found = _descend(self._adata.uns, path)
        return tuple(map(str, found)) if hasattr(found, "keys") else ()


class FileTable:
    """An AnnData in an open HDF5 file; only what is asked for is read."""

    def __init__(self, file: h5py.File, source: str) -> None:
        self.file = self.store = file
        self.source = source
        self.shape = (self._length("obs"), self._length("var"))

    def _length(self, axis: Axis) -> int:
        with reading(self.source, axis):
            frame = self.file[axis]
            index = frame[_text(frame.attrs["_index"])]
            # anndata 0.13 with pandas 3 stores strings as a group: the values, and a mask of those that are missing.
            return int((index["values"] if hasattr(index, "keys") else index).shape[0])

    def names(self, axis: Axis) -> tuple[str, ...]:
        """Return the names of the cells or genes."""
        frame = self.file[axis]
        found = self._read(f"{axis}/{_text(frame.attrs['_index'])}")
        with reading(self.source, f"{axis} names"):
            return tuple(map(_text, found))

    def keys(self, group: Group) -> tuple[str, ...]:
        """Return what the group holds."""
        if group not in self.file:
            return ()
        with reading(self.source, group):
            if group in ("obs", "var"):
                return tuple(_text(key) for key in self.file[group].attrs["column-order"])
            return tuple(self.file[group])

    def has_x(self) -> bool:
        """Return True if there is a main matrix X."""
        return X in self.file and self.file[X].attrs.get("encoding-type") != "null"

    def matrix(self, key: str) -> Any:
        """Return X or a layer."""
        path = self.path_of(key)
        with reading(self.source, path):
            found = self.file[path]
            if hasattr(found, "astype"):
                return found.astype(np.float32)[()]
        return self._read(path)

    def stored(self, key: str) -> Any:
        """Return X or a layer as it is stored, an HDF5 group or dataset."""
        path = self.path_of(key)
        with reading(self.source, path):
            return self.file[path]

    @staticmethod
    def path_of(key: str) -> str:
        """Return where X or a layer lies in the file."""
        return X if key == X else f"layers/{key}"

    def columns_of(self, key: str, columns: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return some columns of a layer, (cells, columns) float32 and dense; it is read in blocks of rows."""
        path = self.path_of(key)
        with reading(self.source, path):
            stored = self.file[path]
            if not hasattr(stored, "shape"):
                return _dense_columns(self.matrix(key), columns)
            n_cells, width = stored.shape
            result = np.empty((n_cells, len(columns)), dtype=np.float32)
            rows = max(1, BLOCK_BYTES // (stored.dtype.itemsize * max(1, width)))
            for first in range(0, n_cells, rows):
                result[first : first + rows] = stored[first : first + rows][:, columns]
            return result

    def column(self, name: str, axis: Axis = "obs") -> Any:
        """Return one column of obs or var."""
        with reading(self.source, f"{axis}/{name}"):
            stored = self.file[axis][name]
            reference = stored.attrs.get("categories")
            if reference is None:
                return self._read(f"{axis}/{name}")
            return _old_categorical(stored[()], self.file[reference])

    def obsm(self, key: str) -> Any:
        """Return one obsm entry."""
        return self._read(f"obsm/{key}")

    def varm(self, key: str) -> Any:
        """Return one varm entry."""
        return self._read(f"varm/{key}")

    def uns(self, *path: str) -> Any:
        """Return what lies under ``path`` in uns, None if nothing does."""
        where = "/".join(("uns", *path))
        return self._read(where) if where in self.file else None

    def uns_keys(self, *path: str) -> tuple[str, ...]:
        """Return the keys of the mapping under ``path`` in uns, none if there is no mapping."""
        where = "/".join(("uns", *path))
        found = self.file.get(where)
        return tuple(found) if hasattr(found, "keys") else ()

    def _read(self, path: str) -> Any:
        import anndata.io

        with reading(self.source, path):
            return anndata.io.read_elem(self.file[path])


@contextmanager
def open_table(source: Source) -> Iterator[Table]:
    """Open an .h5ad file for reading piece by piece, or look at an AnnData in memory in the same way.

    Raises
    ------
    DataError
        If there is no such file, it is not HDF5, is damaged or holds no AnnData.
    """
    if not isinstance(source, (str, Path)):
        yield MemoryTable(source)
        return
    path = Path(source)
    with open_file(path) as file:
        _check_layout(file, path)
        yield FileTable(file, path.name)


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; errors are raised as one sentence."""
    import h5py

    if not path.exists():
        raise DataError(f"There is no file {path}. Choose an existing .h5ad file.")
    if path.is_dir():
        raise DataError(f"{path} is a folder; one .h5ad file was expected. Choose the file itself.")
    try:
        is_hdf5 = h5py.is_hdf5(path)
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"{path.name} cannot be opened ({_first_line(error)}). Check its permissions.") from error
    if not is_hdf5:
        raise DataError(f"{path.name} is not an HDF5 file; an .h5ad file was expected. Choose another file.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(_why_not_open(path, error)) from error
    with file:
        yield file


@contextmanager
def reading(source: str, what: str) -> Iterator[None]:
    """Turn whatever a damaged element raises into one sentence that names the element."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            f"{what!r} of {source} cannot be read ({_first_line(error)}); the file seems damaged. "
            "Fetch or save it again."
        ) from error


def _dense_columns(matrix: Any, columns: NDArray[np.integer]) -> NDArray[np.float32]:
    chosen = matrix.tocsc()[:, columns].toarray() if hasattr(matrix, "tocsc") else matrix[:, columns]
    return np.array(chosen, dtype=np.float32)


def _descend(mapping: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = mapping
    for key in path:
        if not hasattr(found, "keys") or key not in found:
            return None
        found = found[key]
    return found


def _check_layout(file: h5py.File, path: Path) -> None:
    if {"matrix", "row_attrs", "col_attrs"} <= set(file):
        raise DataError(
            f"{path.name} is a loom file, not an AnnData. "
            "Convert it with anndata.io.read_loom(...).write_h5ad(...) and load the result."
        )
    if "obs" not in file or "var" not in file:
        found = ", ".join(sorted(file)[:5]) or "nothing"
        raise DataError(
            f"{path.name} is an HDF5 file but not an AnnData: it holds {found}, "
            "and 'obs' and 'var' were expected. Choose an .h5ad file."
        )
    if any("_index" not in file[axis].attrs for axis in ("obs", "var")):
        raise DataError(
            f"{path.name} has tables 'obs' and 'var' without an index, as anndata before 0.7 wrote them. "
            "Open it with anndata.read_h5ad and save it again."
        )


def _why_not_open(path: Path, error: OSError) -> str:
    reason = _first_line(error)
    if "truncated" in reason:
        return f"{path.name} is truncated: a part of the file is missing. Copy or download it again."
    if "lock" in reason:
        return f"{path.name} is open for writing in another program. Close it there and load it again."
    return f"{path.name} cannot be opened as HDF5 ({reason}); the file appears to be damaged. Download it again."


def _old_categorical(codes: Any, categories: h5py.Dataset) -> Any:
    import pandas as pd

    names: Any = [_text(name) if isinstance(name, bytes) else name for name in categories[()]]
    return pd.Categorical.from_codes(codes, names)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
