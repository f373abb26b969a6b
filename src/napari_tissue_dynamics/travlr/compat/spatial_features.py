"""Where the cells of an AnnData sit, as a network sees it: maps, and scaled counts of neighbors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.travlr.compat.anndata_cache import Mirror, digest
from napari_tissue_dynamics.travlr.compat.design_table import count_neighbors, neighbor_counts
from napari_tissue_dynamics.travlr.nets.spatial_maps import MapGrid, MinMax
from napari_tissue_dynamics.travlr.nets.type_maps import MaskedDistance, SpatialMaps, type_maps

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.anndata_input import Source
    from napari_tissue_dynamics.travlr.nets.spatial_maps import MapKind, Maps


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a trained network takes for granted, also when it sees other cells.

    Parameters
    ----------
    grid
        Pixels of the maps.
    neighbors
        Range of the counts of neighbors.
    occupied
        (types, pixels, pixels[, pixels]) where the tissue has cells of each type; None where maps do not depend on it.
    """

    grid: MapGrid
    neighbors: MinMax
    occupied: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where all cells sit.

    Parameters
    ----------
    source
        The cells.
    neighbors
        (cells, types) counts of neighbors as the network sees them, columns ``<label>_within``.
    maps
        What the network sees of the cells of each type.
    lazy
        The maps of all cells as an array.
    frame
        What other cells are seen with.
    """

    source: Source
    neighbors: pd.DataFrame
    maps: tuple[Maps, ...]
    lazy: SpatialMaps
    frame: Frame


def build_places(
    source: Source,
    kind: MapKind,
    pixels: int,
    radius: float,
    *,
    scale_neighbors: bool,
    frame: Frame | None = None,
    store: bool = True,
) -> Places:
    """Return where the cells sit and store it in the AnnData as SpaceTravLR's API page says.

    Parameters
    ----------
    source
        The cells.
    kind, pixels
        What the maps show, and their side.
    radius
        Reach of the counts of neighbors.
    scale_neighbors
        Scale the counts to 0 ... 1.
    frame
        What a trained network takes for granted; None finds it from the cells.
    store
        Store maps and counts in the AnnData.
    """
    import pandas as pd

    if store:
        counts = neighbor_counts(source, radius)
    else:
        names = [f"{label}_within" for label in source.labels]
        counts = pd.DataFrame(count_neighbors(source, radius), index=source.cells, columns=names)
    raw = counts.to_numpy()
    grid = MapGrid.over(source.positions, pixels) if frame is None else frame.grid
    maps = type_maps(kind, source.positions, source.codes, len(source.labels), pixels, radius, grid)
    occupied = None
    if frame is not None and frame.occupied is not None:
        occupied = frame.occupied
        maps = tuple(MaskedDistance(grid, seen) for seen in occupied)
    elif kind == "masked_distance":
        occupied = np.stack([seen.occupied for seen in maps if isinstance(seen, MaskedDistance)])
    neighbors = MinMax.of(raw) if frame is None else frame.neighbors
    values = neighbors.scaled(raw) if scale_neighbors else raw.astype(np.float32)
    lazy = SpatialMaps(source.positions, source.codes, maps, own_only=kind == "inverse_distance")
    if store:
        reach = radius if kind == "density" else 0.0
        corners = [float(end) for centers in grid.centers for end in (centers[0], centers[-1])]
        Mirror(source.adata).store_maps(digest(source.positions, source.codes, [kind, pixels, reach, corners]), lazy)
    table = pd.DataFrame(values, index=source.cells, columns=counts.columns)
    return Places(source, table, maps, lazy, Frame(grid, neighbors, occupied))
