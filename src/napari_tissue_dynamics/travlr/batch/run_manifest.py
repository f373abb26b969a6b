"""What a run was made with and on: kept beside its genes, compared before another run goes on with them."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.descriptions import setting_values
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_tissue_dynamics.data.tissue import Counts
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.fit_inputs import Ground

RUN = "run_params.json"
"""Name of its file in the folder of a run."""
FORMAT = "napari-tissue-dynamics betas 1"
# Where the work is done is not a part of the result.
ELSEWHERE = ("device",)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Settings of a run and hashes of its input.

    Parameters
    ----------
    data
        A hash of each part of the input.
    about
        For readers: range of the signals, layer, cell types, time and version of the program.
    """

    settings: Mapping[str, Any]
    data: Mapping[str, str]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, ground: Ground, config: TravlrConfig) -> RunRecord:
        """Return the record of a fit on a tissue."""
        tissue, labels = ground.tissue, ground.tissue.cell_types
        about = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "version": __version__,
            "radius": ground.radius,
            "contact_distance": ground.contact_distance,
            "scale_factor": config.scale_factor,
            "annot": "" if labels is None else labels.name,
            "layer": tissue.expression_key or "expression",
            "n_cells": tissue.n_cells,
            "clusters": list(ground.clusters),
        }
        data = {
            "cells": hash_of(json.dumps(tissue.cells).encode()),
            "positions": hash_of(np.ascontiguousarray(tissue.positions)),
            "cell types": hash_of(ground.codes, json.dumps(ground.clusters).encode()),
            "genes": hash_of(json.dumps(tissue.genes).encode()),
            "expression": hash_of(*_arrays(ground.expression)),
        }
        settings = {name: value for name, value in setting_values(config).items() if name not in ELSEWHERE}
        return cls(json.loads(json.dumps(settings)), data, about)

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Return the record in a file.

        Raises
        ------
        DataError
            If it is not one of this program.
        """
        try:
            found = json.loads(path.read_text())
            if found.get("format") != FORMAT:
                raise ValueError(f"its format is {found.get('format')!r}, {FORMAT!r} was expected")
            return cls(found["settings"], found["data"], found["about"])
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(f"{path} is not the record of a run of this program ({error}).") from error

    def write(self, path: Path) -> None:
        """Write the record unless somebody else just did."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            part.write_text(text)
            try:
                os.link(part, path)  # fails where the file is there, unlike a rename
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                part.replace(path)
        except OSError as error:
            raise DataError(f"{path} cannot be written ({error.strerror or error}). Choose another folder.") from error
        finally:
            part.unlink(missing_ok=True)

    def check_same(self, other: RunRecord, path: Path) -> None:
        """Raise unless the other run has the same settings and input.

        Raises
        ------
        DataError
            If settings or input differ; names what does.
        """
        names = sorted({*self.settings, *other.settings})
        differing = [
            f"{name} {other.settings.get(name)} (now {self.settings.get(name)})"
            for name in names
            if self.settings.get(name) != other.settings.get(name)
        ]
        parts = [name for name in self.data if self.data[name] != other.data.get(name)]
        if differing or parts:
            differences = [*([f"other {', '.join(parts)}"] if parts else []), *differing]
            raise DataError(
                f"{path} holds a run that was made with {'; '.join(differences)}. Use the same input and "
                "settings to resume, "
                "or choose another folder."
            )


def candidates_of(chosen: Modulators) -> str:
    """Return a hash of what may regulate a target, in which order, and how far its ligands reach."""
    return hash_of(json.dumps([chosen.names, chosen.signals]).encode())


def hash_of(*parts: Any) -> str:
    """Return a hash of arrays and bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            part = np.ascontiguousarray(part).data
        digest.update(part)
    return digest.hexdigest()


def _arrays(counts: Counts) -> tuple[Any, ...]:
    return (counts.indptr, counts.indices, counts.data) if isinstance(counts, sparse.csr_array) else (counts,)
