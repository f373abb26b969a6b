"""Betas in an AnnData: a table of every target, the factors behind it, and how sure the coefficients are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.beta_factors import BetaFactors
from napari_tissue_dynamics.data.io.elements import add_element, drop_element, keys_of
from napari_tissue_dynamics.data.io.results import REGULATION_RECORD, original_key, read_record, safe_key
from napari_tissue_dynamics.data.io.table import open_table, reading
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import stat_result

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.elements import Store
    from napari_tissue_dynamics.data.io.table import Source, Table
    from napari_tissue_dynamics.data.tissue import Tissue

PREFIX = keys.BETAS.format(target="")
BASIS_PREFIX, CODES_PREFIX = keys.BETA_BASIS.format(number=""), keys.BETA_CODES.format(number="")
MOST_TABLES = 1 << 30
"""Bytes of tables above which betas that are kept as factors are written as factors only, 10 to 100 times smaller."""
MOST_READ = 1 << 27
"""Bytes of tables above which those of a file stay there until they are asked for."""

TEXTS = ("clusters", "contact_ligands")
NUMBERS = ("seed_r2", "fit_r2", "effects", "held_out_r2", "blocked_r2")
ARRAYS = ("deviations", "false_discovery")
"""Fields of a GeneFit by how they are kept: in the record, in the record with null for NaN, as arrays."""


def holds_betas(obsm: Iterable[str]) -> bool:
    """Return whether an AnnData with these keys in obsm holds betas."""
    return any(key.startswith((PREFIX, BASIS_PREFIX)) for key in obsm)


def betas_key(target: str) -> str:
    """Return the obsm key of the table of betas of a target gene."""
    return keys.BETAS.format(target=safe_key(target))


def drop_regulation(store: Store) -> None:
    """Remove the betas of an earlier run."""
    for key in keys_of(store, "obsm"):
        if key.startswith((PREFIX, BASIS_PREFIX, CODES_PREFIX)):
            drop_element(store, "obsm", key)
    drop_element(store, "uns", keys.REGULATION_FIT)


def add_regulation(store: Store, tissue: Tissue, field: RegulationField) -> dict[str, object]:
    """Add the betas gene by gene and return their entry in the record."""
    import pandas as pd

    index = pd.Index(tissue.cells, dtype=object)
    tables = sum(4 * int(np.prod(fit.coefficients.shape)) for fit in field.genes) <= MOST_TABLES
    bases: list[BetaFactors] = []
    genes = []
    for fit in field.genes:
        record, arrays = _parts_of(fit)
        factors = fit.coefficients if isinstance(fit.coefficients, BetaFactors) else None
        if factors is not None:
            record |= {"basis": _add_basis(store, factors, bases), "bend": factors.bend}
            arrays |= _weights(factors)
        if factors is None or tables:
            columns = pd.Index([safe_key(name) for name in fit.columns], dtype=object)
            add_element(store, "obsm", betas_key(fit.target), pd.DataFrame(fit.betas, index, columns, copy=True))
        if arrays:
            add_element(store, f"uns/{keys.REGULATION_FIT}", safe_key(fit.target), arrays)
        genes.append(record)
    return {"status": _status(field.stopped), "failed": dict(field.failed), "genes": genes}


def read_regulation(source: Source) -> RegulationField:
    """Return the fitted target genes that an .h5ad file or an AnnData holds.

    Coefficients come back as factors where these were kept. Large tables stay in their file until they are asked for.

    Raises
    ------
    DataError
        If the file holds no betas, or cannot be read.
    """
    with open_table(source) as table:
        obsm = table.keys("obsm")
        if not holds_betas(obsm):
            raise DataError(
                f"{table.source} holds no betas. Fit the spatial regulation, or choose a file saved after the fit."
            )
        record = read_record(table.store).get(REGULATION_RECORD, {})
        with reading(table.source, f"uns/{keys.PROVENANCE}"):
            by_key = {gene["key"]: gene for gene in record.get("genes", ())}
        noted = [key for key, gene in by_key.items() if key in obsm or "basis" in gene]
        others = [key for key in obsm if key.startswith(PREFIX) and key not in by_key]
        reader = _Reader(table, source, {})
        fits = tuple(reader.gene(key, by_key.get(key, {})) for key in (*noted, *others))
        failed = record.get("failed", {})
        return RegulationField(fits, stopped=record.get("status") == "stopped", failed=failed)


@dataclass(frozen=True, slots=True, eq=False)
class TableInFile:
    """A table of betas in an .h5ad file; the columns that are asked for are read.

    Parameters
    ----------
    key
        Of the table in obsm.
    columns
        Keys of its columns.
    made
        The entry of the gene in the record, and the state of the file at that time.
    """

    file: Path
    key: str
    columns: tuple[str, ...]
    n_cells: int
    made: tuple[Mapping[str, Any], stat_result]

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and columns."""
        return self.n_cells, len(self.columns)

    def values(
        self, columns: NDArray[np.integer] | slice = slice(None), cells: NDArray[np.integer] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the (cells, columns) float32 coefficients, all or the chosen ones only.

        Raises
        ------
        DataError
            If the file is gone, or holds the betas of another fit by now.
        """
        chosen = np.arange(len(self.columns))[columns]
        rows = np.arange(self.n_cells)[cells]
        result = np.empty((len(rows), len(chosen)), dtype=np.float32)
        with open_table(self.file) as table:
            self._check(table)
            with reading(table.source, f"obsm/{self.key}"):
                for place, column in enumerate(chosen):
                    stored: Any = table.store["obsm"][self.key][self.columns[column]]  # type: ignore[index]
                    result[:, place] = stored[()][rows]
        return result

    def _check(self, table: Table) -> None:
        record, state = self.made
        if _stamp(self.file.stat()) == _stamp(state):
            return
        genes = read_record(table.store).get(REGULATION_RECORD, {}).get("genes", ())
        if not any(gene == record for gene in genes) and (record or self.key not in table.keys("obsm")):
            raise DataError(f"{self.file.name} was overwritten and now holds other betas. Load them again.")


def _stamp(state: stat_result) -> tuple[int, int, int]:
    return state.st_ino, state.st_size, state.st_mtime_ns


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads genes; what several of them are made of is read once."""

    table: Table
    source: Source
    bases: dict[int, tuple[NDArray[np.float32], NDArray[np.int32]]]

    def gene(self, key: str, record: Mapping[str, Any]) -> GeneFit:
        """Return one gene."""
        target = record.get("target", original_key(key.removeprefix(PREFIX)))
        arrays = self._arrays(target)
        with reading(self.table.source, f"obsm/{key}"):
            if "basis" in record and {"weights", "anchors", "columns"} <= set(arrays):
                coefficients: Any = self._factors(record, arrays)
                modulators = record["modulators"]
            else:
                coefficients, found = self._table(key, record)
                modulators = record.get("modulators", found)
            given: dict[str, Any] = {name: arrays.get(name) for name in ARRAYS}
            given |= {name: tuple(record[name]) for name in TEXTS if record.get(name) is not None}
            given |= {name: _with_nan(record.get(name, ())) for name in NUMBERS}
            return GeneFit(target, tuple(modulators), coefficients, stopped=record.get("status") == "stopped", **given)

    def _arrays(self, target: str) -> dict[str, NDArray[Any]]:
        found = self.table.uns(keys.REGULATION_FIT, safe_key(target))
        return {name: np.array(values) for name, values in (found or {}).items()}

    def _factors(self, record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> BetaFactors:
        basis, codes = self._basis(int(record["basis"]))
        kept, width = arrays["columns"], 1 + len(record["modulators"])
        weights = np.zeros((*arrays["weights"].shape[:2], width), dtype=np.float32)
        anchors = np.zeros((len(weights), width), dtype=np.float32)
        weights[:, :, kept], anchors[:, kept] = arrays["weights"], arrays["anchors"]
        return BetaFactors(basis, codes, weights, anchors, record["bend"])

    def _basis(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        if number not in self.bases:
            basis = np.array(self.table.obsm(keys.BETA_BASIS.format(number=number)), dtype=np.float32)
            codes = np.array(self.table.obsm(keys.BETA_CODES.format(number=number)), dtype=np.int32)
            self.bases[number] = basis, codes.ravel()
        return self.bases[number]

    def _table(self, key: str, record: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
        """Return the coefficients of a table and the modulators that its columns name."""
        if isinstance(self.source, (str, Path)):
            path, stored = Path(self.source).resolve(), self.table.store["obsm"][key]  # type: ignore[index]
            columns = tuple(_text(name) for name in stored.attrs["column-order"])
            coefficients: Any = TableInFile(path, key, columns, self.table.shape[0], (record, path.stat()))
            tables = sum(each.startswith(PREFIX) for each in self.table.keys("obsm"))
            if 4 * int(np.prod(coefficients.shape)) * tables <= MOST_READ:
                coefficients = np.array(self.table.obsm(key), dtype=np.float32, order="C")
        else:
            frame = self.table.obsm(key)
            columns, coefficients = tuple(map(str, frame.columns)), np.array(frame, dtype=np.float32, order="C")
        return coefficients, tuple(original_key(column).removeprefix("beta_") for column in columns[1:])


def _parts_of(fit: GeneFit) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return everything about a gene but its coefficients: its entry in the record, and arrays."""
    record: dict[str, Any] = {
        "target": fit.target,
        "key": betas_key(fit.target),
        "modulators": list(fit.modulators),
        "status": _status(fit.stopped),
    }
    for name in TEXTS:
        record[name] = None if getattr(fit, name) is None else list(getattr(fit, name))
    for name in NUMBERS:
        record[name] = [float(value) if np.isfinite(value) else None for value in getattr(fit, name)]
    arrays = {name: np.array(getattr(fit, name)) for name in ARRAYS if getattr(fit, name) is not None}
    return record, arrays


def _weights(factors: BetaFactors) -> dict[str, NDArray[Any]]:
    """Return weights and anchors of the columns that are not zero throughout."""
    kept = np.flatnonzero(factors.weights.any(axis=(0, 1)) & factors.anchors.any(axis=0))
    if factors.bend != "identity":
        kept = np.flatnonzero(factors.anchors.any(axis=0))
    return {
        "columns": kept.astype(np.int32),
        "weights": factors.weights[:, :, kept],
        "anchors": factors.anchors[:, kept],
    }


def _add_basis(store: Store, factors: BetaFactors, bases: list[BetaFactors]) -> int:
    """Add the functions that a gene is made of, unless they are there, and return their number."""
    for number, other in enumerate(bases):
        if _same_basis(factors, other):
            return number
    number = len(bases)
    bases.append(factors)
    add_element(store, "obsm", keys.BETA_BASIS.format(number=number), np.array(factors.basis))
    add_element(store, "obsm", keys.BETA_CODES.format(number=number), np.array(factors.codes)[:, None])
    return number


def _same_basis(one: BetaFactors, other: BetaFactors) -> bool:
    pairs = ((one.basis, other.basis), (one.codes, other.codes))
    return all(a is b or np.array_equal(a, b) for a, b in pairs)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _status(stopped: bool) -> str:
    return "stopped" if stopped else "complete"


def _with_nan(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(float("nan") if value is None else float(value) for value in values)
