import anndata
import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.data.io.file_contents import obs_column
from napari_tissue_dynamics.data.io.write import write_h5ad
from napari_tissue_dynamics.simulators.tissue import simulate_tissue


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(n_cells=60, n_genes=30, seed=2).tissue


@pytest.fixture
def source(tissue, tmp_path):
    path = tmp_path / "source.h5ad"
    write_h5ad(path, tissue)
    adata = anndata.read_h5ad(path)
    kinds = pd.Categorical(["b", "a"] * 30, categories=["b", "none", "a"], ordered=True)
    adata.obs["kind"] = kinds
    adata.uns["kind_colors"] = ["#000001", "#000002", "red"]
    adata.obs["batch"] = ["y", "x", "y"] * 20
    adata.obs["step"] = [1, 2, 10] * 20
    adata.obs["score"] = np.linspace(0, 1, 60)
    adata.write_h5ad(path)
    return path


def test_colors_are_where_scanpy_looks_and_come_back(tissue, source, tmp_path):
    palettes = {
        "kind": {"a": "#0a0a0a"},
        "batch": {"x": "#111111", "y": "#222222"},
        "step": {"10": "#101010", "1": "#010101", "2": "#020202"},
        "score": {"0": "#333333"},
        "gone": {"0": "#444444"},
    }
    path = tmp_path / "out.h5ad"
    write_h5ad(path, tissue, source=source, palettes=palettes)
    adata = anndata.read_h5ad(path)
    assert list(adata.uns["kind_colors"]) == ["#000001", "#000002", "#0a0a0a"]
    assert list(adata.uns["batch_colors"]) == ["#111111", "#222222"]
    assert {"score_colors", "gone_colors"}.isdisjoint(adata.uns)
    for column in ("batch", "step"):
        labels = obs_column(path, column)
        assert dict(zip(labels.categories, labels.colors, strict=True)) == palettes[column]
    assert dict(zip(obs_column(path, "kind").categories, obs_column(path, "kind").colors, strict=True)) == {
        "b": "#000001",
        "a": "#0a0a0a",
    }
    assert list(anndata.read_h5ad(source).uns["kind_colors"]) == ["#000001", "#000002", "red"]


def test_a_tissue_without_a_file_keeps_its_other_colors(tissue, tmp_path):
    types = tissue.cell_types
    path = tmp_path / "new.h5ad"
    write_h5ad(path, tissue, palettes={types.name: {types.categories[0]: "#abcdef"}})
    assert list(anndata.read_h5ad(path).uns[f"{types.name}_colors"]) == ["#abcdef", *types.colors[1:]]
