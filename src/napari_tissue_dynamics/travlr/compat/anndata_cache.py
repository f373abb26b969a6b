"""What init_data stores in an AnnData, each piece with a hash of all that it depends on.

The keys are those of SpaceTravLR's API page. Beside them, ``uns["spacetravlr"]`` has a hash of the inputs and of the
values, so that a piece is used again only for the same inputs and if nobody has changed it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

KEYS = "spacetravlr"
RECEIVED, RECEIVED_TF = "received_ligands", "received_ligands_tfl"
PAIR_PRODUCTS, TF_PRODUCTS = "ligand_receptor", "ligand_regulator"
MAPS, COUNTS = "spatial_maps", "spatial_features"
# Bytes of maps above which they are drawn on demand only, and not stored in the table.
STORED_MAPS = 2**27


def digest(*parts: Any) -> str:
    """Return a hash of arrays and of values that JSON can hold."""
    found = hashlib.blake2b(digest_size=12)
    for part in parts:
        if isinstance(part, np.ndarray):
            found.update(f"{part.dtype} {part.shape}".encode())
            found.update(np.ascontiguousarray(part).data)
        else:
            found.update(json_text(part))
        found.update(b"\x1f")
    return found.hexdigest()


def json_text(value: Any) -> bytes:
    """Return a value as JSON; numbers of numpy count as those of Python.

    Raises
    ------
    DataError
        If a part is anything else.
    """
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise DataError(f"{value!r} was given; a number, text or truth value was expected.")


class Mirror:
    """The pieces that init_data stores in one AnnData."""

    def __init__(self, adata: AnnData) -> None:
        self._adata = adata

    def received(self) -> dict[str, NDArray[np.float32]]:
        """Return the received ligands that are stored and unchanged, by the hash of their inputs."""
        found: dict[str, NDArray[np.float32]] = {}
        for key in (RECEIVED, RECEIVED_TF):
            frame, stated = self._adata.uns.get(key), self._stated(key)
            if frame is None or list(getattr(frame, "columns", ())) != list(stated):
                continue
            for column, hashes in stated.items():
                inputs, _, values = hashes.partition("/")
                column_values = frame[column].to_numpy()
                if digest(column_values) == values:
                    found[inputs] = column_values
        return found

    def store_received(self, key: str, frame: pd.DataFrame, inputs: Sequence[str]) -> None:
        """Store received ligands, (cells, ligands), with the hash of the inputs of each."""
        self._adata.uns[key] = frame
        hashes = [f"{of}/{digest(frame.iloc[:, k].to_numpy())}" for k, of in enumerate(inputs)]
        self._state(key, dict(zip(frame.columns, hashes, strict=True)))

    def store_products(self, key: str, frame: pd.DataFrame) -> None:
        """Store the columns of the pairs of the latest gene."""
        self._adata.uns[key] = frame

    def counts(self, inputs: str, columns: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the counts of neighbors if they are stored for these inputs and unchanged."""
        frame = self._adata.obsm.get(COUNTS)
        if frame is None or list(getattr(frame, "columns", ())) != list(columns):
            return None
        values: NDArray[np.float64] = np.ascontiguousarray(frame.to_numpy(dtype=np.float64))
        return values if self._stated(COUNTS).get("all") == f"{inputs}/{digest(values)}" else None

    def store_counts(self, inputs: str, frame: pd.DataFrame) -> None:
        """Store the counts of neighbors, (cells, types)."""
        self._adata.obsm[COUNTS] = frame
        self._state(COUNTS, {"all": f"{inputs}/{digest(np.ascontiguousarray(frame.to_numpy()))}"})

    def store_maps(self, inputs: str, maps: Any) -> None:
        """Store small maps, (cells, types, pixels, pixels[, pixels]); larger ones, and what was there, are removed."""
        if self._stated(MAPS).get("all") == inputs and MAPS in self._adata.obsm:
            return
        if maps.nbytes <= STORED_MAPS:
            self._adata.obsm[MAPS] = np.asarray(maps)
            self._state(MAPS, {"all": inputs})
        elif MAPS in self._adata.obsm:
            del self._adata.obsm[MAPS]

    def _stated(self, key: str) -> dict[str, str]:
        """Return the hashes of a stored piece by column; none for a piece of another program."""
        table = self._adata.uns.get(KEYS, {}).get(key)
        if table is None:
            return {}
        return dict(zip(map(str, table["column"]), map(str, table["hash"]), strict=True))

    def _state(self, key: str, hashes: Mapping[str, str]) -> None:
        # Arrays of names, not a dictionary by name: a gene may hold a "/", which the keys of a file cannot.
        table = {"column": np.array(list(hashes), dtype=object), "hash": np.array(list(hashes.values()), dtype=object)}
        self._adata.uns[KEYS] = {**self._adata.uns.get(KEYS, {}), key: table}
