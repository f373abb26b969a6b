"""What init_data builds: columns, maps and counts of neighbors, under the names of SpaceTravLR's API page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.travlr.compat.anndata_cache import Mirror, digest
from napari_tissue_dynamics.travlr.compat.design_table import build_features, neighbor_counts
from napari_tissue_dynamics.travlr.compat.trained import Frame
from napari_tissue_dynamics.travlr.nets.spatial_maps import MapGrid, MinMax
from napari_tissue_dynamics.travlr.nets.type_maps import MaskedDistance, SpatialMaps, type_maps

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.anndata_input import Source
    from napari_tissue_dynamics.travlr.compat.trained import Trained
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.nets.spatial_maps import MapKind
    from napari_tissue_dynamics.travlr.nets.type_maps import Maps
    from napari_tissue_dynamics.travlr.versions import CompatibilityProfile

# What an estimator shows of its data; built when one of them is first asked for.
ATTRIBUTES = (
    "spatial_maps",
    "spatial_features",
    "train_df",
    "Xn",
    "yn",
    "xy",
    "xy_df",
    "cluster_labels",
    "cell_indices",
)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What one gene is fitted to.

    Parameters
    ----------
    modulators
        Those that have a column.
    train_df
        (cells, 1 + modulators) float32 target and columns.
    spatial_features
        (cells, types) counts of neighbors as the network sees them, columns ``<label>_within``.
    maps
        What the network sees of the cells of each type.
    spatial_maps
        (cells, types, pixels, pixels[, pixels]) maps, computed where indexed; ``np.asarray`` computes all.
    frame
        What other cells are seen with.
    """

    source: Source
    modulators: Modulators
    train_df: pd.DataFrame
    spatial_features: pd.DataFrame
    maps: tuple[Maps, ...]
    spatial_maps: SpatialMaps
    frame: Frame

    @property
    def Xn(self) -> NDArray[np.float32]:  # name of the original
        """(cells, modulators) columns."""
        values: NDArray[np.float32] = self.train_df.to_numpy()
        return values[:, 1:]

    @property
    def yn(self) -> NDArray[np.float32]:
        """(cells,) expression of the target."""
        values: NDArray[np.float32] = self.train_df.to_numpy()
        return values[:, 0]

    @property
    def xy(self) -> NDArray[np.float64]:
        """(cells, 2 or 3) positions."""
        return self.source.positions

    @property
    def xy_df(self) -> pd.DataFrame:
        """The positions as a table with columns ``x``, ``y`` (and ``z``)."""
        import pandas as pd

        return pd.DataFrame(self.xy, index=self.source.cells, columns=list("xyz"[: self.xy.shape[1]]))

    @property
    def cluster_labels(self) -> NDArray[Any]:
        """(cells,) cell type as it is in the table, -1 for none."""
        labels = self.source.labels
        whole = all(isinstance(label, int) for label in labels)
        return np.array([*labels, -1], dtype=np.int64 if whole else object)[self.source.codes]

    @property
    def cell_indices(self) -> NDArray[np.intp]:
        """(cells,) 0, 1, 2, ..."""
        return np.arange(len(self.xy))


def build_data(
    source: Source,
    modulators: Modulators,
    profile: CompatibilityProfile,
    config: TravlrConfig,
    trained: Trained | None = None,
) -> Data:
    """Build columns, maps and counts of neighbors and store them in the AnnData as on SpaceTravLR's API page.

    Parameters
    ----------
    config
        How ligands travel, and the side of the maps.
    trained
        A fit whose modulators, types, maps and ranges are to be kept.
    """
    import pandas as pd

    keep, frame, kind = profile.keep_constant_pairs, None, profile.maps
    if trained is not None:
        source, modulators, frame, keep = source.with_labels(trained.labels), trained.candidates, trained.frame, True
    modulators, columns = build_features(source, modulators, config, keep_constant_pairs=keep)
    counts = neighbor_counts(source, config.radius)
    raw = counts.to_numpy()
    if frame is None:
        frame = Frame(MapGrid.over(source.positions, config.spatial_dim), MinMax.of(raw))
    maps, frame = _maps(source, kind, config, frame)
    lazy = SpatialMaps(source.positions, source.codes, maps, own_only=kind == "inverse_distance")
    reach = config.radius if kind == "density" else 0.0
    corners = [float(end) for centers in frame.grid.centers for end in (centers[0], centers[-1])]
    inputs = digest(source.positions, source.codes, [kind, config.spatial_dim, reach, corners])
    Mirror(source.adata).store_maps(inputs, lazy)
    values = frame.neighbors.scaled(raw) if profile.scale_neighbors else raw.astype(np.float32)
    table = pd.DataFrame(values, index=source.cells, columns=counts.columns)
    return Data(source, modulators, columns, table, maps, lazy, frame)


def _maps(source: Source, kind: MapKind, config: TravlrConfig, frame: Frame) -> tuple[tuple[Maps, ...], Frame]:
    """Return what a network sees of each type, and the frame with where the tissue has cells of it."""
    if frame.occupied is not None:
        return tuple(MaskedDistance(frame.grid, seen) for seen in frame.occupied), frame
    place, n_types = source.positions, len(source.labels)
    maps = type_maps(kind, place, source.codes, n_types, config.spatial_dim, config.radius, frame.grid)
    if kind == "masked_distance":
        occupied = np.stack([seen.occupied for seen in maps if isinstance(seen, MaskedDistance)])
        frame = Frame(frame.grid, frame.neighbors, occupied)
    return maps, frame
