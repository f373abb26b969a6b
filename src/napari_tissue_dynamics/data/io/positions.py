"""Where the cells of an AnnData are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Table

EMBEDDING_WORDS = (
    "pca", "umap", "tsne", "diffmap", "draw_graph", "phate", "embedding", "latent", "scvi", "harmony",
    "steer",
)  # fmt: skip
OFFSET = "spatial_offset"
"""Key in uns of what has to be added to ``obsm["spatial"]``; only files that we made have it."""

MICROMETRE = ("um", "µm", "μm", "micromet", "micron")


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Positions as in the file.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    unit
        ``"um"`` if the file states it, ``"embedding"`` for an embedding, else ``"pixel"``.
    embedding
        Name of the embedding, empty for places in a tissue.
    """

    positions: NDArray[np.float64]
    unit: str
    embedding: str = ""


def find_positions(table: Table, key: str | None) -> Places:
    """Return the positions of the cells.

    Without a key: ``obsm["spatial"]``, ``obsm["X_spatial"]``, the obs columns ``x, y (, z)``, or else the first
    two columns of an embedding. A third coordinate that is the same for all cells is dropped.

    Raises
    ------
    DataError
        If there is no such key, there are no coordinates at all, or they are not numbers.
    """
    if key is not None:
        return _named(table, key)
    available = table.keys("obsm")
    for name in keys.SPATIAL:
        if name in available:
            return _in_tissue(table, _values(table, name), f"obsm[{name!r}]")
    columns = table.keys("obs")
    if all(name in columns for name in keys.OBS_XY):
        return _in_tissue(table, _from_obs(table), "obs")
    others = [name for name in available if is_embedding(name)]
    for name in dict.fromkeys((*(n for n in keys.EMBEDDINGS if n in available), *others)):
        values = _values(table, name)
        if values.ndim == 2 and values.shape[1] >= 2:
            return _embedding(name, values)
    raise DataError(
        f"{table.source} has no coordinates, neither obsm['spatial'] nor obs columns x and y nor an "
        f"embedding, and obsm has {', '.join(available) or 'nothing'}. Add obsm['spatial'] with (x, y) of every cell."
    )


def offset_of(table: Table, key: str | None) -> NDArray[np.float64]:
    """Return the (x, y) to be added to positions and images of a file that we made, zero for others."""
    found = table.uns(OFFSET) if key in (None, keys.SPATIAL[0]) else None
    return np.zeros(2) if found is None else np.asarray(found, dtype=np.float64)


def is_embedding(key: str) -> bool:
    """Return True if an obsm key is called like an embedding of the expression."""
    if key in keys.SPATIAL or key.startswith("velocity_"):
        return False
    return any(word in key.lower() for word in EMBEDDING_WORDS)


def _named(table: Table, key: str) -> Places:
    available = table.keys("obsm")
    if key not in available:
        raise DataError(
            f"{table.source} has no coordinates {key!r} in obsm; it has {', '.join(available) or 'none'}. "
            "Choose one of these."
        )
    values = _values(table, key)
    if not is_embedding(key):
        return _in_tissue(table, values, f"obsm[{key!r}]")
    if values.ndim != 2 or values.shape[1] < 2:
        raise DataError(f"obsm[{key!r}] of {table.source} is {values.shape}; two columns were expected.")
    return _embedding(key, values)


def _embedding(key: str, values: NDArray[np.float64]) -> Places:
    return Places(values[:, :2].copy(), "embedding", key.removeprefix("X_"))


def _in_tissue(table: Table, values: NDArray[np.float64], where: str) -> Places:
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise DataError(
            f"{where} of {table.source} is {values.shape}; (cells, 2) or (cells, 3) was expected. "
            "Choose another key for the positions."
        )
    if values.shape[1] == 3 and (values[:, 2] == values[0, 2]).all():
        values = values[:, :2].copy()
    return Places(values, _unit(table))


def _from_obs(table: Table) -> NDArray[np.float64]:
    names = [name for name in (*keys.OBS_XY, "z") if name in table.keys("obs")]
    return np.column_stack([_numbers(table, table.column(name), f"obs[{name!r}]") for name in names])


def _values(table: Table, key: str) -> NDArray[np.float64]:
    found = table.obsm(key)
    if hasattr(found, "toarray"):
        found = found.toarray()
    return _numbers(table, found, f"obsm[{key!r}]")


def _numbers(table: Table, values: Any, where: str) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64, order="C", subok=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{where} of {table.source} does not hold numbers ({error}); coordinates were expected. "
            "Choose another key for the positions."
        ) from error


def _unit(table: Table) -> str:
    for path in ((keys.SPATIAL_UNIT,), (keys.LAYER_MEANING, keys.SPATIAL_UNIT)):
        found = table.uns(*path)
        if isinstance(found, str) and found.strip().lower().startswith(MICROMETRE):
            return "um"
    return "pixel"
