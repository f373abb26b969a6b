"""A look into an AnnData: what there is to choose from, and single columns of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data.io.images import libraries_of
from napari_tissue_dynamics.data.io.labels import Kind, column_of, guess_type_column, kind_of
from napari_tissue_dynamics.data.io.read import as_counts
from napari_tissue_dynamics.data.io.sections import sample_columns, subsets_of
from napari_tissue_dynamics.data.io.table import FileTable, X, open_table, reading
from napari_tissue_dynamics.data.known_order import defines_order
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import h5py
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Source, Table

BLOCK = 1 << 22
"""Entries of a sparse matrix that are searched at a time."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an AnnData holds.

    Parameters
    ----------
    layers
        Names of the matrices, ``"X"`` first if there is one.
    obs
        Kind of every obs column, ``"categorical"`` or ``"numeric"``, in the order of the file.
    obsm
        Keys with coordinates or embeddings.
    libraries
        Names of the image libraries.
    cell_type
        The obs column that most likely holds the cell types.
    stages
        The obs columns that can be a known stage of the cells.
    sections
        The obs columns that may name the section of a cell, the likeliest first.
    subsets
        Parts of the cells that may be wanted by themselves: column and value.
    """

    n_cells: int
    n_genes: int
    layers: tuple[str, ...]
    obs: Mapping[str, Kind]
    obsm: tuple[str, ...]
    libraries: tuple[str, ...]
    cell_type: str | None
    stages: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    subsets: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        columns = [f"{name} ({kind})" for name, kind in self.obs.items()]
        lines = {
            "layers": self.layers,
            "obs columns": columns,
            "obsm": self.obsm,
            "image libraries": self.libraries,
            "cell types (guess)": [self.cell_type] if self.cell_type else [],
        }
        size = f"{self.n_cells} cells x {self.n_genes} genes"
        return "\n".join([size, *(f"{title}: {', '.join(found) or 'none'}" for title, found in lines.items())])


def contents(source: Source) -> Contents:
    """Return what an .h5ad file or an AnnData holds; no matrix is read.

    Raises
    ------
    DataError
        If the file is missing, damaged or no AnnData.
    """
    with open_table(source) as table:
        obs: dict[str, Kind] = {}
        stages = []
        for name in table.keys("obs"):
            values = table.column(name)
            obs[name] = kind_of(values)
            stages += [name] if defines_order(values) else []
        return Contents(
            *table.shape,
            layers=(*([X] if table.has_x() else []), *table.keys("layers")),
            obs=obs,
            obsm=table.keys("obsm"),
            libraries=libraries_of(table),
            cell_type=guess_type_column(table),
            stages=tuple(stages),
            sections=sample_columns(table),
            subsets=subsets_of(table),
        )


def gene_names(source: Source) -> tuple[str, ...]:
    """Return the names of all genes."""
    with open_table(source) as table:
        return table.names("var")


def obs_column(source: Source, name: str, cells: tuple[str, ...] | None = None) -> Labels | NDArray[np.float64]:
    """Return one obs column, as categories or as (cells,) numbers.

    Strings, truth values and integers with few different values are categories.

    Parameters
    ----------
    source
        The file, or an AnnData.
    cells
        Names of the cells that are wanted, in their order; all when None.

    Raises
    ------
    DataError
        If there is no such column, file or cell.
    """
    with open_table(source) as table:
        found = column_of(table, name)
        rows = None if cells is None else rows_of(table, cells)
    if rows is None:
        return found
    return replace(found, codes=found.codes[rows]) if isinstance(found, Labels) else found[rows]


def rows_of(table: Table, cells: tuple[str, ...]) -> NDArray[np.intp] | None:
    """Return the rows of named cells, None when they are all cells of the file in its order.

    Raises
    ------
    DataError
        If the file does not have one of them.
    """
    names = table.names("obs")
    if names == cells:
        return None
    place = {name: i for i, name in enumerate(names)}
    missing = next((name for name in cells if name not in place), None)
    if missing is not None:
        raise DataError(f"{table.source} has no cell {missing!r} (any more). Load the file again.")
    return np.array([place[name] for name in cells], dtype=np.intp)


def gene_column(source: Source, gene: str, layer: str = X) -> NDArray[np.float32]:
    """Return one gene of X or a layer, (cells,) float32; only that gene is kept in memory.

    Raises
    ------
    DataError
        If there is no such gene, layer or file.
    """
    with open_table(source) as table:
        column = _gene_position(table, gene)
        if layer not in table.keys("layers") and not (layer == X and table.has_x()):
            available = (*table.keys("layers"), *([X] if table.has_x() else []))
            raise DataError(
                f"{table.source} has no layer {layer!r}; it has {', '.join(available) or 'none'}. Choose one of these."
            )
        if isinstance(table, FileTable):
            found = table.stored(layer)
            with reading(table.source, layer):
                return _stored_column(found, column, table.shape[0])
        matrix: Any = table.matrix(layer)
        selected = matrix.tocsc()[:, [column]] if hasattr(matrix, "tocsc") else matrix[:, [column]]
        values = as_counts(selected, layer, counts=False)
        return np.asarray(values.toarray() if sparse.issparse(values) else values).ravel()


def _gene_position(table: Table, gene: str) -> int:
    import difflib

    genes = table.names("var")
    if gene in genes:
        return genes.index(gene)
    by_lower = {name.lower(): name for name in genes}
    close = difflib.get_close_matches(gene.lower(), by_lower, n=1)
    hint = f"Did you mean {by_lower[close[0]]}?" if close else "Choose a gene of this file."
    raise DataError(f"There is no gene {gene!r} among the {len(genes)} genes of {table.source}. {hint}")


def _stored_column(stored: Any, column: int, n_cells: int) -> NDArray[np.float32]:
    if hasattr(stored, "shape"):
        return np.asarray(stored[:, column], dtype=np.float32)
    layout = stored.attrs.get("encoding-type", stored.attrs.get("h5sparse_format", ""))
    layout = layout.decode() if isinstance(layout, bytes) else str(layout)
    return _from_csc(stored, column, n_cells) if layout.startswith("csc") else _from_csr(stored, column, n_cells)


def _from_csc(stored: h5py.Group, column: int, n_cells: int) -> NDArray[np.float32]:
    first, last = stored["indptr"][column], stored["indptr"][column + 1]
    result = np.zeros(n_cells, dtype=np.float32)
    np.add.at(result, stored["indices"][first:last], stored["data"][first:last])
    return result


def _from_csr(stored: h5py.Group, column: int, n_cells: int) -> NDArray[np.float32]:
    starts = stored["indptr"][()]
    result = np.zeros(n_cells, dtype=np.float32)
    for first in range(0, int(starts[-1]), BLOCK):
        last = min(first + BLOCK, int(starts[-1]))
        hits = np.flatnonzero(stored["indices"][first:last] == column)
        if hits.size:
            rows = np.searchsorted(starts, first + hits, side="right") - 1
            np.add.at(result, rows, stored["data"][first:last][hits])
    return result
