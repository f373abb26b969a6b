"""What squidpy and napari-spatialdata make of a file of ours: ``python run_viewers.py FILE OUT.npz``.

Runs in an environment of its own, without this package; see ``environment.py``. It opens a window.
"""

import sys
import time

import anndata
import matplotlib

matplotlib.use("Agg")

import napari
import numpy as np
import squidpy
from napari_spatialdata import Interactive, QtAdataViewWidget
from qtpy.QtWidgets import QApplication
from spatialdata import SpatialData, read_zarr
from spatialdata.models import PointsModel, ShapesModel, TableModel

CELLS = "cells"
PATIENCE = 300.0
"""Seconds that a layer may take."""


def main() -> None:
    file, out = sys.argv[1:]
    adata = anndata.read_h5ad(file)
    found = {}

    squidpy.gr.spatial_neighbors(adata, coord_type="generic", n_neighs=6)
    squidpy.gr.nhood_enrichment(adata, cluster_key="cell_type", show_progress_bar=False, seed=0)
    found["enrichment"] = adata.uns["cell_type_nhood_enrichment"]["zscore"]
    squidpy.gr.spatial_autocorr(adata, mode="moran", attr="obs", genes=["latent_time"])
    found["moran"] = adata.uns["moranI"]["I"].to_numpy()
    squidpy.pl.spatial_scatter(adata, color=["latent_time", "cell_type"], shape=None, library_id=CELLS)

    elements = as_elements(anndata.read_h5ad(file))
    elements.write(f"{file}.zarr")
    elements = read_zarr(f"{file}.zarr")
    window = Interactive(elements, headless=True)
    viewer = napari.current_viewer()
    for name in ("points", "circles"):
        window.add_element(name, element_coordinate_system="global")
        wait_for(viewer, name)
    layer = viewer.layers["circles"]
    viewer.layers.selection.active = layer
    found["places"] = np.asarray(adata.obsm["spatial"])
    found["circles"] = np.asarray(layer.data)
    found["points"] = np.asarray(viewer.layers["points"].data)
    found |= chosen(viewer)
    viewer.close()
    np.savez(out, **found)


def as_elements(adata: anndata.AnnData) -> SpatialData:
    """Return the table of a file as that of circles and points at its coordinates."""
    places, numbers = np.asarray(adata.obsm["spatial"], dtype=float), np.arange(adata.n_obs)
    adata.obs["region"], adata.obs["instance"] = "circles", numbers
    adata.obs["region"] = adata.obs["region"].astype("category")
    table = TableModel.parse(adata, region="circles", region_key="region", instance_key="instance")
    circles = ShapesModel.parse(places, geometry=0, radius=1.0, index=numbers)
    return SpatialData(shapes={"circles": circles}, points={"points": PointsModel.parse(places)}, tables={CELLS: table})


def wait_for(viewer: napari.Viewer, name: str) -> None:
    """Wait for a layer that is read in a thread."""
    ends = time.monotonic() + PATIENCE
    while name not in viewer.layers:
        if time.monotonic() > ends:
            raise TimeoutError(f"there are layers {[layer.name for layer in viewer.layers]} only")
        QApplication.processEvents()
        time.sleep(0.05)


def chosen(viewer: napari.Viewer) -> dict[str, np.ndarray]:
    """Choose a column, a gene and arrows as a person does, and return how the circles are colored or what is shown."""
    widget = viewer.window._dock_widgets["View"].widget() if "View" in viewer.window._dock_widgets else None
    widget = widget or QtAdataViewWidget(viewer)
    gene = widget.model.adata.var_names[widget.model.adata.var["velocity_genes"].to_numpy()][0]
    found = {"gene": np.array(gene)}
    widget.obs_widget._onAction(["latent_time"])
    found["latent_time"] = np.asarray(widget.model.get_obs("latent_time")[0], dtype=float)
    found["colors_of_time"] = np.asarray(viewer.layers["circles"].face_color).copy()
    widget.adata_layer_widget.setCurrentText("velocity")
    widget.var_widget.setAdataLayer("velocity")
    widget.var_widget._onAction([gene])
    found["velocity"] = np.asarray(widget.model.get_var(gene)[0], dtype=float)
    found["colors_of_velocity"] = np.asarray(viewer.layers["circles"].face_color).copy()
    found["arrows"] = np.stack(
        [np.asarray(widget.model.get_obsm("velocity_spatial", k)[0], dtype=float) for k in (0, 1)], axis=1
    )
    keys = [key for key in widget.model.get_items("obsm") if key.startswith("betas_")]
    found["betas"] = np.asarray(widget.model.get_obsm(keys[0], 1)[0], dtype=float)
    return found


if __name__ == "__main__":
    main()
