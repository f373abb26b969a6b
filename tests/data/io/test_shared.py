"""Reading and writing of real files, where they are at hand."""

from __future__ import annotations

import anndata
import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.data.io import (
    contents,
    gene_column,
    obs_column,
    read_h5ad,
    read_velocity,
    write_h5ad,
)
from napari_tissue_dynamics.data.requirements import require_cell_types, require_velocity_counts
from napari_tissue_dynamics.errors import DataError

pytestmark = pytest.mark.shared_data


def test_every_file_is_read_as_anndata_reads_it(shared_data):
    paths = sorted(shared_data.glob("*.h5ad"))
    assert len(paths) > 5
    for path in paths:
        tissue, adata = read_h5ad(path), anndata.read_h5ad(path)
        assert tissue.cells == tuple(adata.obs_names), path.name
        assert tissue.genes == tuple(adata.var_names)
        assert_array_equal(tissue.expression.indices, adata.X.sorted_indices().indices)
        assert_array_equal(tissue.expression.data, adata.X.sorted_indices().data)
        if "spliced" in adata.layers:
            for counts, name in zip(require_velocity_counts(tissue), ("spliced", "unspliced"), strict=True):
                assert abs(counts - adata.layers[name]).max() == 0
        else:
            with pytest.raises(DataError, match="has no spliced and unspliced counts"):
                require_velocity_counts(tissue)
        found = contents(path)
        assert set(found.obs) == set(adata.obs)
        assert found.obsm == tuple(adata.obsm)


def test_the_loom_file_gets_one_sentence(shared_data):
    with pytest.raises(DataError, match="is a loom file"):
        read_h5ad(shared_data / "osmfish_somatosensory_cortex.loom")


@pytest.mark.parametrize(
    ("name", "unit", "basis"),
    [
        ("st_mob1_with_he", "pixel", "spatial"),
        ("merfish_u2os_nuclear_cytoplasmic", "um", "spatial"),
        ("cosmx_lung9_nuclear_cytoplasmic", "um", "spatial"),
        ("scrna_pancreas_739_spliced_unspliced", "embedding", "pca"),
        ("scrna_dentate_gyrus_100_fitted", "embedding", "umap"),
    ],
)
def test_units(name, unit, basis, shared_data):
    tissue = read_h5ad(shared_data / f"{name}.h5ad")
    assert (tissue.unit, tissue.basis) == (unit, basis)


def test_the_window_can_say_what_the_counts_are(shared_data):
    tissue = read_h5ad(shared_data / "merfish_u2os_nuclear_cytoplasmic.h5ad")
    assert "unspliced = nuclear RNA" in tissue.counts_meaning
    assert ", spliced = cytoplasmic RNA" in tissue.counts_meaning


@pytest.mark.parametrize(
    ("name", "column", "n"),
    [
        ("seqfish_mouse_embryo2_14891", "celltype_mapped_refined", 24),
        ("merfish_mouse_preoptic_6509", "celltype", 16),
        ("st_mouse_olfactory_bulb_layers", "layer", 5),
        ("scrna_pancreas_739_spliced_unspliced", "clusters", 8),
    ],
)
def test_cell_types_are_found(name, column, n, shared_data):
    labels = require_cell_types(read_h5ad(shared_data / f"{name}.h5ad"))
    assert (labels.name, len(labels.categories)) == (column, n)


@pytest.mark.parametrize(
    ("name", "resolution"), [("st_mob1_with_he", "hires"), ("visium_adult_mouse_brain_100genes", "lowres")]
)
def test_spots_in_the_tissue_lie_on_dark_pixels(name, resolution, shared_data):
    """Tissue is darker than the slide around it; only if the image lies right does it tell spots apart."""
    path = shared_data / f"{name}.h5ad"
    tissue, adata = read_h5ad(path), anndata.read_h5ad(path)
    (histology,) = tissue.histology
    (library,) = adata.uns["spatial"]
    assert_array_equal(histology.image, adata.uns["spatial"][library]["images"][resolution])
    scale = adata.uns["spatial"][library]["scalefactors"][f"tissue_{resolution}_scalef"]
    pixel = (tissue.positions - histology.origin) / histology.pixel_size
    assert np.abs(pixel - tissue.positions * scale).max() < 1
    columns, rows = np.rint(pixel).astype(int).T
    brightness = histology.image.mean(axis=2)[rows, columns]
    in_tissue = adata.obs["in_tissue"].to_numpy() == 1
    above = brightness[in_tissue][:, None] < brightness[~in_tissue][None, :]
    assert above.mean() > 0.9


def test_single_columns(shared_data):
    path = shared_data / "seqfish_mouse_embryo2_14891.h5ad"
    adata = anndata.read_h5ad(path)
    gene = adata.var_names[17]
    assert_array_equal(gene_column(path, gene), adata[:, gene].X.toarray().ravel())
    assert obs_column(path, "pos").values().tolist() == adata.obs["pos"].tolist()


def test_velocity_of_another_package(shared_data):
    """The file is of an anndata before 0.8 and its results are those of scVelo."""
    path = shared_data / "scrna_dentate_gyrus_100_fitted.h5ad"
    adata = anndata.read_h5ad(path)
    genes = adata.var["velocity_genes"].to_numpy()
    field = read_velocity(path)
    assert field.model == "dynamical"
    assert field.genes == tuple(adata.var_names[genes])
    assert_allclose(field.spliced, adata.layers["velocity"][:, genes], rtol=1e-6)
    assert_allclose(field.time, adata.obs["latent_time"], rtol=1e-6)


def test_results_go_into_a_file_of_an_old_anndata(shared_data, tmp_path):
    path = shared_data / "scrna_dentate_gyrus_100_fitted.h5ad"
    tissue, field = read_h5ad(path), read_velocity(path)
    write_h5ad(tmp_path / "out.h5ad", tissue, source=path, velocity=field, projections={"umap": tissue.positions})
    before, after = anndata.read_h5ad(path), anndata.read_h5ad(tmp_path / "out.h5ad")
    assert list(after.obs["clusters"]) == list(before.obs["clusters"])
    assert_array_equal(after.layers["fit_t"], before.layers["fit_t"])
    assert_array_equal(read_velocity(tmp_path / "out.h5ad").spliced, field.spliced)
    assert "velocity_graph" not in after.obsp
    with h5py.File(path) as old, h5py.File(tmp_path / "out.h5ad") as new:
        assert_array_equal(old["X/data"][()], new["X/data"][()])
