"""A directory of fitted genes, read back a gene, a modulator or some cells at a time.

==========================  =========================================================================================
``run_params.json``         settings of the run and what it was fitted on
``cells.parquet``           names of the cells and their types
``bases/*.safetensors``     functions that the coefficients of several genes are made of, each once
``genes/*.safetensors``     one gene: factors (or the coefficients themselves), quality, support
``failed/*.json``           why a gene has no fit
==========================  =========================================================================================

Every file appears whole or not at all, so that a directory can be read, and a run resumed, at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from napari_tissue_dynamics.data.beta_factors import BetaFactors
from napari_tissue_dynamics.data.io.write import replacing
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.batch.run_manifest import RUN, RunRecord
from napari_tissue_dynamics.travlr.batch.tensor_file import TensorFile, safe_name, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue

CELLS, GENES, BASES, FAILED = "cells.parquet", "genes", "bases", "failed"
ENDING = ".safetensors"
MOST_NAMED = 5


def is_store(path: str | Path) -> bool:
    """Return whether a folder is that of a run of this program."""
    return (Path(path) / RUN).is_file() and (Path(path) / GENES).is_dir()


def holds_genes(path: str | Path) -> bool:
    """Return whether a folder holds a fitted gene of a run of this program."""
    return is_store(path) and any(True for _ in (Path(path) / GENES).glob(f"*{ENDING}"))


@dataclass(frozen=True, slots=True, eq=False)
class StoredCoefficients:
    """Coefficients of one gene in a file; only what is asked for is read.

    Parameters
    ----------
    bases
        Folder of the shared functions.
    """

    file: Path
    bases: Path
    shape: tuple[int, int]

    def values(
        self, columns: NDArray[np.integer] | slice = slice(None), cells: NDArray[np.integer] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the (cells, columns) float32 coefficients, all or the chosen ones only."""
        stored = TensorFile.open(self.file)
        kept = stored.array("kept_columns")
        place = np.full(self.shape[1], -1, dtype=np.intp)
        place[kept] = np.arange(len(kept))
        at = place[columns]
        there = at >= 0
        read = self._dense if "coefficients" in stored else self._multiplied
        found = read(stored, at[there], cells)
        result = np.zeros((len(found), len(at)), dtype=np.float32)
        result[:, there] = found
        return result

    def _dense(
        self, stored: TensorFile, at: NDArray[np.intp], cells: NDArray[np.integer] | slice
    ) -> NDArray[np.float32]:
        table = stored.array("coefficients")  # (columns, cells): the column of one modulator lies together
        return np.stack([table[k][cells] for k in at], axis=1) if len(at) else table[:0, cells].T

    def _multiplied(
        self, stored: TensorFile, at: NDArray[np.intp], cells: NDArray[np.integer] | slice
    ) -> NDArray[np.float32]:
        shared = TensorFile.open(self.bases / f"{stored.header['basis']}{ENDING}")
        factors = BetaFactors(
            basis=shared.array("basis"),
            codes=shared.array("codes"),
            weights=np.moveaxis(stored.array("weights")[at], 0, 2),
            anchors=stored.array("anchors")[at].T,
            bend=stored.header["bend"],
        )
        return factors.values(cells=cells)


@dataclass(frozen=True, slots=True, eq=False)
class BetaStore:
    """The directory of one run.

    Parameters
    ----------
    path
        The directory.
    record
        Settings of the run and what it was fitted on.
    """

    path: Path
    record: RunRecord
    _written: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: str | Path) -> BetaStore:
        """Return the store in a directory.

        Raises
        ------
        DataError
            If the directory holds none.
        """
        path = Path(path)
        if not (path / RUN).is_file():
            raise DataError(f"{path} holds no fitted genes: it has no {RUN}. Choose the folder of a run.")
        return cls(path, RunRecord.read(path / RUN))

    @classmethod
    def start(cls, path: str | Path, record: RunRecord, tissue: Tissue) -> BetaStore:
        """Start a run in a directory, or resume the run that it holds.

        Parameters
        ----------
        path
            Made when it is not there.
        record
            Settings of the run and what it is fitted on.
        tissue
            Its cells.

        Raises
        ------
        DataError
            If the directory holds another run or cannot be written.
        """
        path = Path(path)
        try:
            for name in (GENES, BASES, FAILED):
                (path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{path} cannot be created ({error.strerror or error}). Choose another folder.") from error
        if not (path / RUN).exists():
            _write_cells(path / CELLS, tissue)
            record.write(path / RUN)
        store = cls.open(path)
        record.check_same(store.record, path)
        return store

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the fitted genes, in alphabetical order."""
        names = (entry.name for entry in os.scandir(self.path / GENES) if entry.name.endswith(ENDING))
        return tuple(sorted(unquote(name.removesuffix(ENDING)) for name in names if not name.startswith(".")))

    @property
    def failed(self) -> Mapping[str, str]:
        """Why genes have no fit."""
        found = {}
        for file in sorted((self.path / FAILED).glob("*.json")):
            entry = json.loads(file.read_text())
            found[entry["target"]] = entry["reason"]
        return found

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells."""
        return tuple(_read_cells(self.path / CELLS)["cell"].astype(str))

    def __contains__(self, target: object) -> bool:
        return isinstance(target, str) and self._file(target).exists()

    def write(self, fit: GeneFit, candidates: str = "") -> GeneFit:
        """Keep a gene; returns it as it is read back.

        Parameters
        ----------
        fit
            The gene.
        candidates
            Hash of what was allowed to regulate it, compared when a run is gone on with.
        """
        header: dict[str, Any] = {"candidates": candidates}
        arrays, values = _parts_of(fit)
        arrays |= self._coefficients(fit, header)
        header["fields"] = values
        header["shape"] = list(fit.coefficients.shape)
        write_tensors(self._file(fit.target), arrays, header)
        (self.path / FAILED / f"{safe_name(fit.target)}.json").unlink(missing_ok=True)
        return self.gene(fit.target)

    def write_failure(self, target: str, reason: str) -> None:
        """Keep why a gene has no fit."""
        with replacing(self.path / FAILED / f"{safe_name(target)}.json") as temporary:
            temporary.write_text(json.dumps({"target": target, "reason": reason}))

    def gene(self, target: str) -> GeneFit:
        """Return a gene whose coefficients stay in their file until they are asked for.

        Raises
        ------
        DataError
            If the gene has not been fitted.
        """
        file = self._file(target)
        if not file.exists():
            known = self.targets
            more = ", ..." if len(known) > MOST_NAMED else ""
            raise DataError(
                f"{target!r} is not among the {len(known)} genes of {self.path}: "
                f"{', '.join(known[:MOST_NAMED]) or 'none'}{more}. Choose one of these or fit it."
            )
        stored = TensorFile.open(file)
        rows, columns = stored.header["shape"]
        given: dict[str, Any] = dict(stored.header["fields"])
        for entry in fields(GeneFit):
            if f"array/{entry.name}" in stored:
                given[entry.name] = np.array(stored.array(f"array/{entry.name}"))
            elif f"numbers/{entry.name}" in stored:
                given[entry.name] = tuple(stored.array(f"numbers/{entry.name}").tolist())
            elif isinstance(given.get(entry.name), list):
                given[entry.name] = tuple(given[entry.name])
        return GeneFit(coefficients=StoredCoefficients(file, self.path / BASES, (rows, columns)), **given)

    def candidates(self, target: str) -> str:
        """Return the hash of what was allowed to regulate a gene."""
        return str(TensorFile.open(self._file(target)).header.get("candidates", ""))

    def field(self, targets: tuple[str, ...] | None = None, *, stopped: bool = False) -> RegulationField:
        """Return all genes, or those of ``targets`` that are there, with their coefficients in their files."""
        found = self.targets if targets is None else tuple(name for name in targets if name in self)
        failed = self.failed if targets is None else {k: v for k, v in self.failed.items() if k in set(targets)}
        return RegulationField(tuple(self.gene(target) for target in found), stopped=stopped, failed=failed)

    def _file(self, target: str) -> Path:
        return self.path / GENES / f"{safe_name(target)}{ENDING}"

    def _coefficients(self, fit: GeneFit, header: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the arrays that hold the coefficients; columns of zeros are omitted."""
        factors = fit.coefficients
        if not isinstance(factors, BetaFactors):
            table = fit.betas.T
            kept = np.flatnonzero(table.any(axis=1))
            return {"kept_columns": kept.astype(np.int32), "coefficients": table[kept].astype(np.float32)}
        header["basis"], header["bend"] = self._basis(factors), factors.bend
        by_column = np.moveaxis(factors.weights, 2, 0)
        used = factors.anchors.any(axis=0)
        if factors.bend == "identity":
            used = (factors.anchors.T[:, :, None] * by_column).any(axis=(1, 2))
        kept = np.flatnonzero(used)
        return {
            "kept_columns": kept.astype(np.int32),
            "weights": by_column[kept],
            "anchors": factors.anchors.T[kept],
        }

    def _basis(self, factors: BetaFactors) -> str:
        """Write the functions of a gene unless they are there, and return their name."""
        last = self._written.get("last")
        if last is not None and last[0] is factors.basis and last[1] is factors.codes:
            return str(last[2])
        digest = hashlib.blake2b(digest_size=16)
        for array in (factors.basis, factors.codes):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        name = digest.hexdigest()
        file = self.path / BASES / f"{name}{ENDING}"
        if not file.exists():
            write_tensors(file, {"basis": factors.basis, "codes": factors.codes}, {})
        self._written["last"] = (factors.basis, factors.codes, name)
        return name


def _parts_of(fit: GeneFit) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return everything about a gene but its coefficients: arrays, and what JSON holds exactly."""
    arrays: dict[str, NDArray[Any]] = {}
    values: dict[str, Any] = {}
    for entry in fields(fit):
        value = getattr(fit, entry.name)
        if entry.name == "coefficients" or value is None:
            continue
        if isinstance(value, np.ndarray):
            arrays[f"array/{entry.name}"] = value
        elif isinstance(value, tuple) and value and all(isinstance(each, (int, float)) for each in value):
            arrays[f"numbers/{entry.name}"] = np.array(value, dtype=np.float64)
        else:
            values[entry.name] = value
    return arrays, values


def _write_cells(path: Path, tissue: Tissue) -> None:
    import pandas as pd

    labels = tissue.cell_types
    names: Any = [] if labels is None else list(labels.categories)
    table = pd.DataFrame({"cell": list(tissue.cells)})
    table["cell_type"] = None if labels is None else pd.Categorical.from_codes(labels.codes, names)
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


def _read_cells(path: Path) -> Any:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). Choose the folder of a run.") from error
