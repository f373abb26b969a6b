"""A new AnnData of a tissue that has no file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.images import ORIGIN
from napari_tissue_dynamics.data.io.positions import OFFSET

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Histology, Tissue


def new_anndata(tissue: Tissue) -> AnnData:
    """Return a tissue as AnnData in the conventions of scanpy and squidpy.

    squidpy puts the first image pixel at the position (0, 0). When the first image starts elsewhere, by more
    than half a pixel, the positions are written relative to it and the shift is noted in
    ``uns["spatial_offset"]``; reading adds it again.
    """
    import anndata
    import pandas as pd

    adata = anndata.AnnData(
        X=tissue.expression,
        obs=pd.DataFrame(index=pd.Index(tissue.cells, dtype=object)),
        var=pd.DataFrame(index=pd.Index(tissue.genes, dtype=object)),
    )
    for key, counts in ((keys.SPLICED, tissue.spliced), (keys.UNSPLICED, tissue.unspliced)):
        if counts is not None:
            adata.layers[key] = counts
    _add_positions(adata, tissue)
    _add_cell_types(adata, tissue)
    if tissue.unit == "um":
        adata.uns[keys.SPATIAL_UNIT] = "um"
    if tissue.counts_meaning:
        adata.uns[keys.LAYER_MEANING] = tissue.counts_meaning
    return adata


def _add_positions(adata: AnnData, tissue: Tissue) -> None:
    if not tissue.has_tissue:
        adata.obsm[f"X_{tissue.embedding}"] = np.array(tissue.positions)
        return
    offset = _offset(tissue)
    positions = np.array(tissue.positions)
    if offset.any():
        positions[:, :2] -= offset
        adata.uns[OFFSET] = offset
    adata.obsm[keys.SPATIAL[0]] = positions
    if tissue.histology:
        diameter = 0.8 * _nearest_distance(positions)
        adata.uns[keys.SPATIAL_IMAGES] = {image.name: _library(image, offset, diameter) for image in tissue.histology}


def _offset(tissue: Tissue) -> NDArray[np.float64]:
    if not tissue.histology:
        return np.zeros(2)
    image = tissue.histology[0]
    origin = np.array(image.origin)
    return origin if np.abs(origin).max() > image.pixel_size / 2 else np.zeros(2)


def _library(image: Histology, offset: NDArray[np.float64], diameter: float) -> dict[str, Any]:
    return {
        "images": {"hires": np.array(image.image)},
        "scalefactors": {
            "tissue_hires_scalef": 1 / image.pixel_size,
            "spot_diameter_fullres": diameter,
        },
        ORIGIN: np.array(image.origin) - offset,
    }


def _nearest_distance(positions: NDArray[np.float64]) -> float:
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return 1.0
    distances: Any = cKDTree(positions).query(positions, k=2)[0]
    return float(np.median(distances[:, 1])) or 1.0


def _add_cell_types(adata: AnnData, tissue: Tissue) -> None:
    import pandas as pd

    labels = tissue.cell_types
    if labels is None:
        return
    names: Any = list(labels.categories)
    adata.obs[labels.name] = pd.Categorical.from_codes(labels.codes, names)
    if labels.colors is not None:
        adata.uns[keys.CATEGORY_COLORS.format(name=labels.name)] = np.array(labels.colors, dtype=object)
