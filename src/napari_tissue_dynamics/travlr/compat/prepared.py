"""What init_data builds: columns, maps and counts of neighbors, under the names of SpaceTravLR's API page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.travlr.compat.design_table import Reach, build_features
from napari_tissue_dynamics.travlr.compat.spatial_features import build_places

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.anndata_input import Source
    from napari_tissue_dynamics.travlr.compat.candidates import Candidates
    from napari_tissue_dynamics.travlr.compat.design_table import Features
    from napari_tissue_dynamics.travlr.compat.spatial_features import Places
    from napari_tissue_dynamics.travlr.compat.trained import Trained
    from napari_tissue_dynamics.travlr.nets.type_maps import SpatialMaps
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
    features
        Its columns.
    places
        Where the cells sit.
    """

    features: Features
    places: Places

    @property
    def spatial_maps(self) -> SpatialMaps:
        """(cells, types, pixels, pixels[, pixels]) maps, drawn where they are looked at; ``np.asarray`` draws all."""
        return self.places.lazy

    @property
    def spatial_features(self) -> pd.DataFrame:
        """(cells, types) counts of neighbors, each column scaled to 0 ... 1."""
        return self.places.neighbors

    @property
    def train_df(self) -> pd.DataFrame:
        """(cells, 1 + modulators) target and columns."""
        return self.features.table

    @property
    def Xn(self) -> NDArray[np.float32]:  # name of the original
        """(cells, modulators) columns."""
        return self.features.x

    @property
    def yn(self) -> NDArray[np.float32]:
        """(cells,) expression of the target."""
        return self.features.y

    @property
    def xy(self) -> NDArray[np.float64]:
        """(cells, 2 or 3) positions."""
        return self.places.source.positions

    @property
    def xy_df(self) -> pd.DataFrame:
        """The positions as a table with columns ``x``, ``y`` (and ``z``)."""
        import pandas as pd

        return pd.DataFrame(self.xy, index=self.places.source.cells, columns=list("xyz"[: self.xy.shape[1]]))

    @property
    def cluster_labels(self) -> NDArray[Any]:
        """(cells,) cell type as it is in the table, -1 for none."""
        source = self.places.source
        whole = all(isinstance(label, int) for label in source.labels)
        return np.array([*source.labels, -1], dtype=np.int64 if whole else object)[source.codes]

    @property
    def cell_indices(self) -> NDArray[np.intp]:
        """(cells,) 0, 1, 2, ..."""
        return np.arange(len(self.xy))


def build_data(
    source: Source,
    candidates: Candidates,
    profile: CompatibilityProfile,
    radii: tuple[float, float],
    scale_factor: float,
    pixels: int,
    trained: Trained | None = None,
) -> Data:
    """Build columns and places and store them in the AnnData.

    Parameters
    ----------
    source
        The cells.
    candidates
        What may regulate the target.
    profile
        Switches of a version of SpaceTravLR.
    radii
        Radius and contact distance.
    scale_factor
        As the person set it; where it is the 1 of the API page, the profile's own counts.
    pixels
        Side of the maps.
    trained
        A fit whose modulators, types, maps and ranges are to be kept.
    """
    scale = scale_factor if profile.scale_used else 1.0
    reach = Reach(
        radius=radii[0],
        contact_distance=radii[1],
        kernel=profile.kernel,
        scale_factor=profile.default_scale if scale == 1 else scale,
        diffusion=profile.diffusion,
    )
    keep, frame = profile.keep_constant_pairs, None
    if trained is not None:
        source, candidates, frame, keep = source.with_labels(trained.labels), trained.candidates, trained.frame, True
    features = build_features(source, candidates, reach, keep_constant_pairs=keep)
    scaled = profile.scale_neighbors
    places = build_places(source, profile.maps, pixels, radii[0], scale_neighbors=scaled, frame=frame)
    return Data(features, places)
