"""Betas that other programs have written: a finished run of the Python or the Rust SpaceTravLR.

========================  ==================================================================  ====================
file                      rows                                                                written by
========================  ==================================================================  ====================
``G_betadata.parquet``    one per cell, the name of the cell is the index                     Python
``G_betadata.feather``    one per cell (``CellID``) or one per cell type (``Cluster``)        Rust
``G.orphan``              none: nothing could regulate the gene                               both
========================  ==================================================================  ====================

Columns are ``beta0``, ``beta_TF``, ``beta_L$R`` and ``beta_L#TF``; columns of zeros are omitted. Cells are found by
their names, never by their order; values of ``CellID`` are names even if they look like numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.batch.run_manifest import hash_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue

ENDINGS = ("_betadata.parquet", "_betadata.feather")
ORPHAN = ".orphan"
CELL, CLUSTER = "CellID", "Cluster"
FEW = 3


@dataclass(frozen=True, slots=True, eq=False)
class TissueRows:
    """Finds the rows of a table that belong to the cells of a tissue."""

    tissue: Tissue
    _known: dict[str, NDArray[np.intp]] = field(default_factory=dict, repr=False)

    def of(self, keys: Sequence[str], kind: str, source: str) -> NDArray[np.intp]:
        """Return the (cells,) row of each cell, -1 where it has none.

        Parameters
        ----------
        keys
            What stands at the beginning of each row.
        kind
            ``CellID`` or ``Cluster``; anything else to decide by what the tissue has.
        source
            The file, for messages.

        Raises
        ------
        DataError
            If no row belongs to any cell, or two belong to the same.
        """
        name = hash_of(kind.encode(), "\x1f".join(keys).encode())
        if name not in self._known:
            self._known[name] = self._find(keys, kind, source)
        return self._known[name]

    def _find(self, keys: Sequence[str], kind: str, source: str) -> NDArray[np.intp]:
        row = {key: k for k, key in enumerate(keys)}
        if len(row) < len(keys):
            raise DataError(f"{source} has duplicate row names; one row was expected for every cell or cell type.")
        codes, labels = self._labels(row)
        by_cell = np.array([row.get(cell, -1) for cell in self.tissue.cells], dtype=np.intp)
        by_type = np.array([*(row.get(label, -1) for label in labels), -1], dtype=np.intp)[codes]
        if kind not in (CELL, CLUSTER):  # numbers may name cells as well as types: whatever all rows fit
            kind = CELL if (by_cell >= 0).any() and len(keys) > len(labels) else CLUSTER
            if kind == CLUSTER and not (by_type >= 0).any():
                kind = CELL
        rows = by_cell if kind == CELL else by_type
        if not (rows >= 0).any():
            ours = self.tissue.cells if kind == CELL else labels
            raise DataError(
                f"No {'cell' if kind == CELL else 'cell type'} of {source} ({', '.join(keys[:FEW])}, ...) is in "
                f"{self.tissue.source} ({', '.join(ours[:FEW]) or 'which has none'}, ...). Load the tissue that the "
                "run was made with, with the same column of cell types."
            )
        return rows

    def _labels(self, row: Mapping[str, int]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Return the type of each cell and how the types are called in the file: by name, or by alphabetical rank."""
        types = self.tissue.cell_types
        if types is None:
            return np.full(self.tissue.n_cells, -1, dtype=np.int32), ()
        if any(label in row for label in types.categories):
            return types.codes, types.categories
        present = sorted({types.categories[code] for code in np.unique(types.codes) if code >= 0})
        rank = {label: str(k) for k, label in enumerate(present)}
        return types.codes, tuple(rank.get(label, "") for label in types.categories)


@dataclass(frozen=True, slots=True, eq=False)
class ForeignCoefficients:
    """Betas of one gene in a table; only the columns that are asked for are read.

    Cells that the table lacks have zeros, as cells without a type have.

    Parameters
    ----------
    names
        Its columns in the order of the coefficients, the intercept first; empty where it has none.
    """

    file: Path
    names: tuple[str, ...]
    tissue_rows: TissueRows

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and columns."""
        return self.tissue_rows.tissue.n_cells, len(self.names)

    def rows(self) -> NDArray[np.intp]:
        """Return the (cells,) row of each cell, -1 where it has none."""
        kind = _key(_schema(self.file), self.file)
        keys = [_name(value) for value in _read(self.file, [kind]).column(0).to_pylist()]
        return self.tissue_rows.of(keys, kind, self.file.name)

    def values(
        self, columns: NDArray[np.integer] | slice = slice(None), cells: NDArray[np.integer] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the (cells, columns) float32 coefficients, all or the chosen ones only."""
        rows = self.rows()[cells]
        wanted = np.arange(len(self.names))[columns]
        result = np.zeros((len(rows), len(wanted)), dtype=np.float32)
        there = [(k, self.names[c]) for k, c in enumerate(wanted) if self.names[c]]
        table = _read(self.file, [name for _, name in there])
        for position, (k, name) in enumerate(there):
            try:
                column = table.column(position).to_numpy().astype(np.float32)
            except (ValueError, TypeError) as error:
                raise DataError(f"The column {name} of {self.file.name} does not hold numbers ({error}).") from error
            result[rows >= 0, k] = column[rows[rows >= 0]]
        return result


def tables_of(path: str | Path) -> dict[str, Path]:
    """Return the table of each gene of a run, by gene.

    Parameters
    ----------
    path
        The folder with the tables, or the folder of the run with ``betadata`` inside.

    Raises
    ------
    DataError
        If there is no table.
    """
    path = Path(path)
    found: dict[str, Path] = {}
    for folder in (path / "betadata", path):
        for ending in ENDINGS[::-1]:  # where both kinds are there, parquet
            found |= {_gene(file.name.removesuffix(ending)): file for file in folder.glob(f"*{ending}")}
    if not found:
        raise DataError(
            f"{path} has no files <gene>{ENDINGS[0]} or <gene>{ENDINGS[1]}. Choose the folder of a finished run."
        )
    return dict(sorted(found.items()))


def open_run(path: str | Path, tissue: Tissue) -> RegulationField:
    """Open a run of the Python or Rust SpaceTravLR as fitted genes of a tissue.

    Coefficients stay in their files until they are asked for. What the tables do not hold (quality, deviations) is
    unknown. Genes without regulators (``.orphan``) are among the failed ones.

    Parameters
    ----------
    tissue
        The tissue of the run; its cells may be in another order, more or fewer.

    Raises
    ------
    DataError
        If the folder has no table, one has no beta, or the first has no cell or cell type of the tissue.
    """
    tables, rows = tables_of(path), TissueRows(tissue)
    genes = tuple(_open(gene, file, rows) for gene, file in tables.items())
    first = genes[0].coefficients
    assert isinstance(first, ForeignCoefficients)
    first.rows()
    orphans = {_gene(file.name.removesuffix(ORPHAN)) for file in Path(path).rglob(f"*{ORPHAN}")}
    reason = "No candidate regulators were found when the run was made."
    return RegulationField(genes, failed=dict.fromkeys(sorted(orphans - tables.keys()), reason))


def read_table_of(path: str | Path, gene: str) -> pd.DataFrame:
    """Return the betas of one gene as they are in a run, one row per cell or per cell type.

    Raises
    ------
    DataError
        If the run has no such gene.
    """
    tables = tables_of(path)
    if gene not in tables:
        raise DataError(
            f"{gene!r} is not among the {len(tables)} genes of {path}: {', '.join(list(tables)[:FEW])}, ... "
            "Choose one of these."
        )
    file = tables[gene]
    schema = _schema(file)
    key = _key(schema, file)
    table = _read(file, [key, *(name for name in schema.names if _is_beta(name))]).to_pandas(ignore_metadata=True)
    named: pd.DataFrame = table.set_index(key)
    named.index = named.index.map(_name)
    named.index.name = key if key in (CELL, CLUSTER) else None
    return named


def _open(gene: str, file: Path, rows: TissueRows) -> GeneFit:
    names = [name for name in _schema(file).names if _is_beta(name)]
    if not names:
        raise DataError(f"{file.name} has no column beta0 or beta_<modulator>. Remove it or write it again.")
    modulators = tuple(name.removeprefix("beta_") for name in names if name != "beta0")
    columns = ("beta0" if "beta0" in names else "", *(f"beta_{name}" for name in modulators))
    return GeneFit(gene, modulators, ForeignCoefficients(file, columns, rows))


def _is_beta(name: str) -> bool:
    return name == "beta0" or name.startswith("beta_")


def _gene(stem: str) -> str:
    return stem.replace("%2F", "/").replace("%25", "%")


def _name(value: object) -> str:
    """Return a name as text; whole numbers lose the point that some table formats give them."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _key(schema: pa.Schema, file: Path) -> str:
    """Return the column that identifies the cell or cell type of a row."""
    for name in (CELL, CLUSTER):
        if name in schema.names:
            return name
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    named = [name for name in index if isinstance(name, str) and name in schema.names]
    if len(named) == 1:
        return str(named[0])
    raise DataError(
        f"{file.name} does not identify the cells of its rows: it has no column {CELL} or {CLUSTER} and no index. "
        "Save it with the names of the cells as index."
    )


def _schema(file: Path) -> pa.Schema:
    import pyarrow as pa
    from pyarrow import ipc, parquet

    try:
        if file.suffix == ".parquet":
            return parquet.read_schema(file)
        with pa.memory_map(str(file)) as source:
            return ipc.open_file(source).schema
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read as a table ({error}). Remove it or write it again.") from error


def _read(file: Path, columns: list[str]) -> Any:
    """Return some columns of a table, in their order."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    try:
        if file.suffix == ".parquet":
            return parquet.ParquetFile(file).read(columns=columns).select(columns)
        return feather.read_table(file, columns=columns, memory_map=True).select(columns)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read as a table ({error}). Remove it or write it again.") from error
