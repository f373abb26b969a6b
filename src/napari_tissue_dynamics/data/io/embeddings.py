"""Coordinates of the cells in which similar cells lie together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.io.table import open_table
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Source, Table

# What is looked for in a file, best first. Plots of RNA velocity are drawn in these.
PREFERRED = ("X_umap", "X_tsne")


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Coordinates of the cells.

    Parameters
    ----------
    name
        What they are, as in the keys of AnnData without ``X_``: ``"umap"``, ``"tsne"``, ``"pca"``.
    coordinates
        (cells, 2 or 3) float32, finite.
    note
        A sentence about where they come from, for people.

    Raises
    ------
    DataError
        If the shape is another or a coordinate is not finite.
    """

    name: str
    coordinates: NDArray[np.float32]
    note: str = ""

    def __post_init__(self) -> None:
        shape = self.coordinates.shape
        if len(shape) != 2 or shape[1] not in (2, 3):
            raise DataError(f"The embedding {self.name!r} is {shape}; (cells, 2) or (cells, 3) was expected.")
        bad = ~np.isfinite(self.coordinates).all(axis=1)
        if bad.any():
            raise DataError(
                f"{int(bad.sum())} of {shape[0]} cells have no finite coordinates in the embedding {self.name!r}. "
                "Choose another embedding, or let one be computed."
            )
        self.coordinates.flags.writeable = False

    @property
    def key(self) -> str:
        """The key in ``obsm`` that it is kept under."""
        return f"X_{self.name}"


def stored_embedding(source: Source, preferred: Sequence[str] = PREFERRED, n_dimensions: int = 2) -> Embedding | None:
    """Return the first of some embeddings that a file has.

    Parameters
    ----------
    source
        An .h5ad file or an AnnData.
    preferred
        Keys of ``obsm``, best first.
    n_dimensions
        Columns to take; an embedding with fewer, or without a place for every cell, is passed over.

    Returns
    -------
    The embedding, None if the file has none of them.

    Raises
    ------
    DataError
        If the file is missing, damaged or no AnnData.
    """
    with open_table(source) as table:
        return _first(table, preferred, n_dimensions)


def _first(table: Table, preferred: Sequence[str], n_dimensions: int) -> Embedding | None:
    available = table.keys("obsm")
    for key in preferred:
        if key not in available:
            continue
        values = _numbers(table.obsm(key))
        if values is None or values.ndim != 2 or values.shape[1] < n_dimensions:
            continue
        values = np.ascontiguousarray(values[:, :n_dimensions])
        if np.isfinite(values).all():
            return Embedding(key.removeprefix("X_"), values, f"{key} of {table.source}")
    return None


def _numbers(values: object) -> NDArray[np.float32] | None:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        return None
