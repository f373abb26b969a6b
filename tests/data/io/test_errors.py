from __future__ import annotations

import os

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_tissue_dynamics.data.io import contents, from_anndata, gene_column, obs_column, read_h5ad
from napari_tissue_dynamics.errors import DataError

READERS = {
    "read_h5ad": read_h5ad,
    "contents": contents,
    "obs_column": lambda path: obs_column(path, "kind"),
    "gene_column": lambda path: gene_column(path, "gene0"),
}


@pytest.fixture
def good(tmp_path):
    counts = sparse.random(40, 30, 0.5, format="csr", random_state=0)
    adata = anndata.AnnData(
        counts,
        obs=pd.DataFrame({"kind": ["a", "b"] * 20}, index=[f"c{i}" for i in range(40)]),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(30)]),
    )
    adata.layers["spliced"] = counts
    adata.obsm["spatial"] = np.random.default_rng(0).normal(size=(40, 2))
    adata.write_h5ad(tmp_path / "good.h5ad")
    return tmp_path / "good.h5ad"


def one_sentence(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


def test_the_good_file_is_good(good, reader):
    reader(good)


def test_no_file(tmp_path, reader):
    with pytest.raises(DataError, match="There is no file") as error:
        reader(tmp_path / "none.h5ad")
    one_sentence(error)


def test_a_folder(tmp_path, reader):
    with pytest.raises(DataError, match="is a folder"):
        reader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"cell,x,y\n1,2,3\n", os.urandom(4096)])
def test_not_hdf5(content, tmp_path, reader):
    path = tmp_path / "table.h5ad"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"table.h5ad is not an HDF5 file") as error:
        reader(path)
    one_sentence(error)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(good, share, reader):
    content = good.read_bytes()
    good.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match="truncated") as error:
        reader(good)
    one_sentence(error)


def test_hdf5_but_something_else(tmp_path, reader):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["measurements"] = [1, 2]
    with pytest.raises(DataError, match="not an AnnData: it holds measurements"):
        reader(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        for name in "fbgdeca":
            file[name] = [1, 2]
    with pytest.raises(DataError, match="it holds a, b, c, d, e, and 'obs' and 'var' were expected"):
        reader(tmp_path / "x.h5ad")


def test_a_loom_file(tmp_path, reader):
    with h5py.File(tmp_path / "x.loom", "w") as file:
        file["matrix"] = np.ones((2, 2))
        file.create_group("row_attrs")
        file.create_group("col_attrs")
    with pytest.raises(DataError, match="is a loom file"):
        reader(tmp_path / "x.loom")


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_anndata(shape, tmp_path):
    adata = anndata.AnnData(np.ones(shape, dtype=np.float32))
    adata.obsm["spatial"] = np.ones((shape[0], 2))
    adata.write_h5ad(tmp_path / "empty.h5ad")
    for read in (lambda: from_anndata(adata), lambda: read_h5ad(tmp_path / "empty.h5ad")):
        with pytest.raises(DataError, match=f"is empty: it has {shape[0]} cells and {shape[1]} genes"):
            read()


@pytest.mark.parametrize(("axis", "kind"), [("obs", "cell"), ("var", "gene")])
def test_names_that_occur_twice(good, axis, kind):
    with h5py.File(good, "r+") as file:
        names = file[f"{axis}/_index"]
        names = names["values"] if isinstance(names, h5py.Group) else names  # since pandas 3
        names[3] = names[7]
    with pytest.raises(DataError, match=f"The {kind} name '(c|gene)7' occurs more than once"):
        read_h5ad(good)


def test_coordinates_that_are_no_numbers(good):
    with h5py.File(good, "r+") as file:
        file["obsm/spatial"][4] = np.nan
    with pytest.raises(DataError, match="1 of 40 cells have coordinates that are not finite numbers"):
        read_h5ad(good)


def break_indices(file):
    file["layers/spliced/indices"][5] = 10_000


def break_indptr(file):
    file["layers/spliced/indptr"][5] = 10_000


def lose_data(file):
    del file["layers/spliced/data"]


def unknown_encoding(file):
    file["layers/spliced"].attrs["encoding-type"] = "from_the_future"


def wrong_shape(file):
    del file["layers/spliced"]
    file["layers/spliced"] = np.ones((3, 3))


def words_for_counts(file):
    del file["layers/spliced"]
    file["layers/spliced"] = np.full((40, 30), b"many")


def lose_codes(file):
    del file["obs/kind"]
    file["obs"].attrs["column-order"] = ["cluster"]


def lose_index(file):
    del file["obs/_index"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (break_indices, "spliced"),
        (break_indptr, "spliced"),
        (lose_data, "spliced"),
        (unknown_encoding, "spliced"),
        (wrong_shape, r"\(3, 3\); \(40, 30\)"),
        (words_for_counts, "spliced"),
        (lose_codes, "obs/cluster"),
        (lose_index, "obs"),
    ],
)
def test_damaged_elements_are_named(good, damage, words):
    with h5py.File(good, "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=words) as error:
        read_h5ad(good)
    assert "good.h5ad" in one_sentence(error)


def test_what_is_not_needed_may_be_damaged(good):
    with h5py.File(good, "r+") as file:
        file["obsm/other"] = np.ones(3)
        file["obsm/other"].attrs["encoding-type"] = "from_the_future"
        file["uns/strange"] = 1
        file["uns/strange"].attrs["encoding-type"] = "from_the_future"
    assert read_h5ad(good).n_cells == 40


def test_no_anndata_at_all():
    with pytest.raises(DataError, match="dict was given"):
        from_anndata({})
