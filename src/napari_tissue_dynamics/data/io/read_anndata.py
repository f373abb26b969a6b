"""A file as AnnData, with everything where readers of AnnData look for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.images import companion_image
from napari_tissue_dynamics.data.io.new_anndata import new_anndata
from napari_tissue_dynamics.data.io.positions import OFFSET
from napari_tissue_dynamics.data.io.read import ReadOptions, from_anndata
from napari_tissue_dynamics.data.io.table import open_table, reading

if TYPE_CHECKING:
    import os

    from anndata import AnnData

    from napari_tissue_dynamics.data.tissue import Tissue


NOTED = ("cell_type", "expression", "sections")
"""Choices that are kept in ``uns``, because they cannot be seen from where things lie; see :func:`.table.noted`."""


def read_anndata(path: str | os.PathLike[str], options: ReadOptions = ReadOptions()) -> AnnData:
    """Read a tissue with all that its file holds; :func:`.from_anndata` finds in it what the options name.

    Parameters
    ----------
    path
        An .h5ad file. An image file beside it with the same stem is taken when there is no other image.
    options
        Which parts are read, and in which role.

    Raises
    ------
    DataError
        If the file is missing, damaged or no AnnData, or a part that was asked for is missing or unusable.
    """
    import anndata

    path = Path(path)
    with open_table(path) as table:  # raises one sentence on what is wrong with a file
        name = table.source
    with reading(name, "The AnnData"):
        adata = anndata.read_h5ad(path)
    tissue = from_anndata(adata, options, source=name, companion=companion_image(path))
    if tissue.cells != tuple(map(str, adata.obs_names)):
        adata = adata[list(tissue.cells)].copy()
    _put_counts(adata, tissue, options)
    noted = {name: value for name in NOTED if (value := getattr(options, name)) is not None}
    if noted:
        adata.uns[keys.READ_AS] = noted
    _put_positions(adata, tissue)
    return adata


def _put_counts(adata: AnnData, tissue: Tissue, options: ReadOptions) -> None:
    for name, chosen in ((keys.SPLICED, options.spliced), (keys.UNSPLICED, options.unspliced)):
        counts: Any = getattr(tissue, name)
        if chosen == name:
            continue
        if counts is None:
            adata.layers.pop(name, None)
        else:
            adata.layers[name] = counts.copy()


def _put_positions(adata: AnnData, tissue: Tissue) -> None:
    """Put coordinates and images where squidpy has them, unless they are found there as they are."""
    found = from_anndata(adata, ReadOptions(spliced="", unspliced="", expression=""))
    if _same_place(found, tissue):
        return
    fresh = new_anndata(tissue)
    for key in (keys.SPATIAL_IMAGES, keys.IMAGE_PLACEMENT, keys.SPATIAL_UNIT, OFFSET):
        adata.uns.pop(key, None)
        if key in fresh.uns:
            adata.uns[key] = fresh.uns[key]
    for key in fresh.obsm:
        adata.obsm[key] = fresh.obsm[key]


def _same_place(one: Tissue, other: Tissue) -> bool:
    def images(tissue: Tissue) -> list[Any]:
        return [(each.name, each.pixel_size, each.origin, each.image.shape) for each in tissue.histology]

    return (
        (one.unit, one.embedding) == (other.unit, other.embedding)
        and np.array_equal(one.positions, other.positions)
        and images(one) == images(other)
        and all(np.array_equal(a.image, b.image) for a, b in zip(one.histology, other.histology, strict=True))
    )
