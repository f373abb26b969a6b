"""Neighbors of the cells in an AnnData, where scanpy, scVelo and CellRank look for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data.io.elements import add_element, drop_element, keys_of, text_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.elements import Store
    from napari_tissue_dynamics.data.velocity_field import VelocityField

NEIGHBORS, DISTANCES, CONNECTIVITIES = "neighbors", "distances", "connectivities"
METHOD = "tissue_dynamics"
"""Marks the neighbors as ours."""
# Cells × neighbors × genes held at once.
BLOCK = 4_000_000


def add_neighbors(store: Store, field: VelocityField, neighbors: NDArray[np.integer]) -> None:
    """Add the neighbors that a velocity graph is over, unless the AnnData has neighbors of its own.

    ``distances`` are those between the moments of the spliced RNA, every gene in units of its largest moment;
    ``connectivities`` are 1 where two cells are neighbors of each other and 1/2 where one is.
    """
    if NEIGHBORS in keys_of(store, "uns") or {DISTANCES, CONNECTIVITIES} & set(keys_of(store, "obsp")):
        return
    n, k = neighbors.shape
    present = neighbors != np.arange(n)[:, None]
    ends = np.concatenate([[0], present.sum(axis=1).cumsum()])
    columns = neighbors[present].astype(np.int32)
    distances = sparse.csr_matrix((_distances(field, neighbors)[present], columns, ends), shape=(n, n))
    distances.sort_indices()
    joined = sparse.csr_matrix((np.ones(columns.size, np.float32), columns, ends), shape=(n, n))
    add_element(store, "obsp", DISTANCES, distances)
    add_element(store, "obsp", CONNECTIVITIES, sparse.csr_matrix((joined + joined.T) / np.float32(2)))
    parameters = {"n_neighbors": k + 1, "method": METHOD, "metric": "euclidean"}
    noted = {"connectivities_key": CONNECTIVITIES, "distances_key": DISTANCES, "params": parameters}
    add_element(store, "uns", NEIGHBORS, noted)


def drop_neighbors(store: Store) -> None:
    """Remove neighbors that an earlier run has added, not those of others."""
    if text_of(store, NEIGHBORS, "params", "method") != METHOD:
        return
    drop_element(store, "uns", NEIGHBORS)
    for key in (DISTANCES, CONNECTIVITIES):
        drop_element(store, "obsp", key)


def _distances(field: VelocityField, neighbors: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return (n, k) distances between the moments of cells and their neighbors; never zero, which is none."""
    moments = field.moments_spliced
    n, k = neighbors.shape
    largest = moments.max(axis=0)
    scaled = moments / np.where(largest > 0, largest, np.float32(1))
    result = np.empty((n, k), dtype=np.float32)
    rows = max(1, BLOCK // max(1, k * scaled.shape[1]))
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        result[part] = np.linalg.norm(scaled[neighbors[part]] - scaled[part, None, :], axis=2)
    return np.maximum(result, np.finfo(np.float32).tiny)
