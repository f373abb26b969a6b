"""squidpy draws a file of ours with the spots on their image pixels."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_tissue_dynamics.data.io import write_h5ad
from napari_tissue_dynamics.data.io.new_anndata import new_anndata
from napari_tissue_dynamics.data.tissue import Histology, Tissue

N = 30
PIXEL, ORIGIN = 4.0, np.array([-70.0, -75.0])


@pytest.fixture
def tissue() -> Tissue:
    """Every cell has a red pixel under it; the image starts far from (0, 0) and is not square."""
    positions = np.random.default_rng(0).uniform(-60, 80, (N, 2))
    image = np.full((60, 50, 3), 255, dtype=np.uint8)
    column, row = np.rint((positions - ORIGIN) / PIXEL).astype(int).T
    image[row, column] = (255, 0, 0)
    return Tissue(
        tuple(f"cell{i}" for i in range(N)),
        ("a", "b"),
        positions,
        expression=np.ones((N, 2), dtype=np.float32),
        histology=(Histology("slide", image, PIXEL, (float(ORIGIN[0]), float(ORIGIN[1]))),),
        unit="um",
    )


@pytest.mark.parametrize("start", [-0.5, 0.5, 0.75, -0.75, 3.0])
def test_places_in_a_file_are_pixels_of_its_image(tissue, start):
    """Readers multiply places by the scale factor; half a pixel, that of the first center, is not moved."""
    image = replace(tissue.histology[0], origin=(start * PIXEL, 0.0))
    adata = new_anndata(tissue.with_(histology=(image,)))
    scale = adata.uns["spatial"]["slide"]["scalefactors"]["tissue_hires_scalef"]
    moved = start * PIXEL if abs(start) > 0.5 else 0.0
    assert_allclose(adata.obsm["spatial"] * scale, (tissue.positions - [moved, 0]) / PIXEL)


def test_squidpy_draws_cells_on_their_pixels(tissue, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import squidpy

    write_h5ad(tmp_path / "t.h5ad", tissue)
    adata = anndata.read_h5ad(tmp_path / "t.h5ad")
    adata.obs["number"] = np.arange(N, dtype=float)
    _, axes = plt.subplots()
    try:
        squidpy.pl.spatial_scatter(adata, color="number", ax=axes)
        shown = np.asarray(axes.images[0].get_array())
        centers = np.array([path.get_extents().get_points().mean(axis=0) for path in axes.collections[0].get_paths()])
        left, right, bottom, top = axes.images[0].get_extent()
    finally:
        plt.close("all")
    assert len(centers) == N
    assert (left, top) == (-0.5, -0.5)
    assert (right, bottom) == (shown.shape[1] - 0.5, shown.shape[0] - 0.5)
    place = (tissue.positions - ORIGIN) / PIXEL
    assert_allclose(centers, place, atol=1e-6)
