from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.data.io import contents, file_contents, gene_column, gene_names, obs_column
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

N = 60
VALUES = sparse.random(N, 7, 0.4, format="csr", random_state=3, dtype=np.float32)


@pytest.fixture
def adata():
    adata = anndata.AnnData(
        VALUES.copy(),
        obs=pd.DataFrame(
            {
                "celltype": pd.Categorical(["a", "b", "c"] * 20),
                "text": ["x", "y"] * 30,
                "flag": [True, False] * 30,
                "few": [1, 2, 3] * 20,
                "many": np.arange(N),
                "size": np.linspace(0, 1, N),
            },
            index=[f"c{i}" for i in range(N)],
        ),
        var=pd.DataFrame(index=["Actb", "Sox2", "Gapdh", "Pax6", "Dcx", "Eomes", "Tbr1"]),
    )
    adata.layers["csc"] = VALUES.tocsc() * 2
    adata.layers["dense"] = VALUES.toarray() * 3
    adata.obsm["spatial"] = np.zeros((N, 2))
    adata.uns["celltype_colors"] = np.array(["#ff0000", "#00ff00", "#0000ff"], dtype=object)
    return adata


@pytest.fixture
def path(adata, tmp_path):
    adata.write_h5ad(tmp_path / "t.h5ad")
    return tmp_path / "t.h5ad"


@pytest.fixture(params=["file", "memory"])
def given(request, adata, path):
    return path if request.param == "file" else adata


def test_contents(given):
    found = contents(given)
    assert (found.n_cells, found.n_genes) == (N, 7)
    assert found.layers[0] == "X"
    assert set(found.layers) == {"X", "csc", "dense"}
    assert dict(found.obs) == {
        "celltype": "categorical",
        "text": "categorical",
        "flag": "categorical",
        "few": "categorical",
        "many": "numeric",
        "size": "numeric",
    }
    assert found.obsm == ("spatial",)
    assert found.libraries == ()
    assert found.cell_type == "celltype"
    assert "60 cells x 7 genes" in str(found)
    assert gene_names(given)[1] == "Sox2"


def test_obs_columns(given, adata):
    for name in ("celltype", "text", "flag", "few"):
        column = obs_column(given, name)
        assert isinstance(column, Labels)
        assert column.values().tolist() == adata.obs[name].astype(str).tolist()
    assert obs_column(given, "celltype").colors == ("#ff0000", "#00ff00", "#0000ff")
    for name in ("many", "size"):
        assert_array_equal(obs_column(given, name), adata.obs[name])
    with pytest.raises(DataError, match="no obs column 'nothing'"):
        obs_column(given, "nothing")


@pytest.mark.parametrize("block", [1, 5, 1 << 22])
@pytest.mark.parametrize(("layer", "factor"), [("X", 1), ("csc", 2), ("dense", 3)])
def test_single_genes(given, layer, factor, block, monkeypatch):
    monkeypatch.setattr(file_contents, "BLOCK", block)
    dense = VALUES.toarray()
    for i, gene in enumerate(gene_names(given)):
        column = gene_column(given, gene, layer)
        assert column.dtype == np.float32
        assert_array_equal(column, dense[:, i] * factor)


def test_unknown_genes_and_layers(given):
    with pytest.raises(DataError, match=r"no gene 'sox2' among the 7 genes .* Did you mean Sox2"):
        gene_column(given, "sox2")
    with pytest.raises(DataError, match="no layer 'raw'; it has csc, dense, X"):
        gene_column(given, "Sox2", "raw")
