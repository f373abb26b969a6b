"""Columns with gaps, and files of anndata 0.13 and pandas 3: groups of the values and a mask of what is missing."""

import anndata
import h5py
import numpy as np
import pytest

from napari_tissue_dynamics.data.io import ReadOptions, contents, gene_column, obs_column, read_h5ad, write_h5ad
from napari_tissue_dynamics.data.io.sections import only
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.workflow import save

TEXT = h5py.string_dtype()


def as_group(frame, name, values, mask=None, kind="string-array"):
    """Store values as the on-disk specification of nullable arrays has them."""
    if name in frame:
        del frame[name]
    group = frame.create_group(name)
    group.attrs["encoding-type"], group.attrs["encoding-version"] = f"nullable-{kind}", "0.1.0"
    text = kind == "string-array"
    if text:
        group.attrs["na-value"] = "NaN"
    for key, stored in (("values", values), ("mask", np.zeros(len(values), bool) if mask is None else mask)):
        data = group.create_dataset(key, data=stored, dtype=TEXT if text and key == "values" else None)
        data.attrs["encoding-type"] = "string-array" if text and key == "values" else "array"
        data.attrs["encoding-version"] = "0.2.0"


def add_columns(path, **columns):
    """Add columns to obs: numbers, or values and mask of a kind of nullable array."""
    with h5py.File(path, "r+") as file:
        for name, stored in columns.items():
            if isinstance(stored, tuple):
                as_group(file["obs"], name, *stored)
            else:
                data = file["obs"].create_dataset(name, data=stored)
                data.attrs["encoding-type"], data.attrs["encoding-version"] = "array", "0.2.0"
        file["obs"].attrs["column-order"] = [*file["obs"].attrs["column-order"], *columns]


@pytest.fixture
def tissue():
    return simulate_tissue(120, 30, seed=4).tissue


@pytest.fixture
def plain(tissue, tmp_path):
    path = tmp_path / "plain.h5ad"
    write_h5ad(path, tissue)
    return path


@pytest.fixture
def new(plain, tissue, tmp_path):
    path = tmp_path / "new.h5ad"
    path.write_bytes(plain.read_bytes())
    types = tissue.cell_types.values()
    with h5py.File(path, "r+") as file:
        for axis, names in (("obs", tissue.cells), ("var", tissue.genes)):
            as_group(file[axis], file[axis].attrs["_index"], list(names))
        categories = file[f"obs/{tissue.cell_types.name}"]
        as_group(categories, "categories", list(tissue.cell_types.categories))
    missing = np.arange(len(types)) % 5 == 0
    add_columns(path, batch=(["" if gone else "a" for gone in missing], missing))
    return path


def test_such_a_file_reads_as_one_with_plain_strings(new, plain, tissue):
    ours, theirs = read_h5ad(new), read_h5ad(plain)
    assert ours.cells == theirs.cells
    assert ours.genes == theirs.genes
    assert ours.cell_types.categories == theirs.cell_types.categories
    np.testing.assert_array_equal(ours.cell_types.codes, theirs.cell_types.codes)
    np.testing.assert_array_equal(ours.spliced.toarray(), theirs.spliced.toarray())
    assert (contents(new).n_cells, contents(new).n_genes) == (120, 30)
    gene = tissue.genes[3]
    np.testing.assert_array_equal(gene_column(new, gene, "spliced"), gene_column(plain, gene, "spliced"))


def test_missing_strings_have_no_category(new):
    labels = obs_column(new, "batch")
    assert labels.categories == ("a",)
    np.testing.assert_array_equal(labels.codes, np.where(np.arange(120) % 5 == 0, -1, 0))


def test_results_are_written_beside_what_such_a_file_has(new, tmp_path):
    tissue = read_h5ad(new, ReadOptions(cell_type="batch"))
    out = save(tmp_path / "out.h5ad", tissue, source=new)
    again = read_h5ad(out, ReadOptions(cell_type="batch"))
    assert again.cells == tissue.cells
    np.testing.assert_array_equal(again.cell_types.codes, tissue.cell_types.codes)


N = np.arange(120)


@pytest.fixture
def gaps(plain):
    """A file whose columns of whole numbers and truth values have gaps, and whose cell types are such numbers."""
    add_columns(
        plain,
        in_tissue=(N % 5 > 0, N < 7, "boolean"),
        leiden=(N % 4, N < 9, "integer"),
        score=(N, N < 9, "integer"),
        seen=N % 3 > 0,
    )
    return plain


def test_whole_numbers_and_truth_values_with_gaps(gaps):
    tissue = read_h5ad(gaps, ReadOptions(cell_type="leiden"))
    assert tissue.cell_types.categories == ("0", "1", "2", "3")
    np.testing.assert_array_equal(tissue.cell_types.codes, np.where(N < 9, -1, N % 4))
    truth = obs_column(gaps, "in_tissue")
    assert truth.categories == ("False", "True")
    np.testing.assert_array_equal(truth.codes, np.where(N < 7, -1, N % 5 > 0))
    np.testing.assert_array_equal(obs_column(gaps, "score"), np.where(N < 9, np.nan, N))


@pytest.mark.parametrize("value", ["1", "True"])
def test_cells_in_the_tissue_are_chosen_by_truth_values(gaps, value):
    tissue = read_h5ad(gaps)
    chosen = only(tissue, obs_column(gaps, "in_tissue"), value)
    assert chosen.cells == tuple(cell for i, cell in enumerate(tissue.cells) if i >= 7 and i % 5)
    chosen = only(tissue, obs_column(gaps, "seen"), value)
    assert chosen.cells == tuple(cell for i, cell in enumerate(tissue.cells) if i % 3)
    with pytest.raises(DataError, match="has the value '2'; it has False, True"):
        only(tissue, obs_column(gaps, "seen"), "2")


@pytest.mark.parametrize(
    ("values", "taken"), [(np.where(N < 9, np.nan, N % 3.0), True), (N / 7, False), (N * 1.0, False)]
)
def test_clusters_that_became_numbers_with_gaps_are_cell_types(plain, tissue, values, taken):
    with h5py.File(plain, "r+") as file:
        name = tissue.cell_types.name
        del file["obs"][name], file["uns"]
        file["obs"].attrs["column-order"] = [each for each in file["obs"].attrs["column-order"] if each != name]
    add_columns(plain, leiden=values)
    types = read_h5ad(plain).cell_types
    assert (types is not None) == taken
    if taken:
        assert types.categories == ("0", "1", "2")
        np.testing.assert_array_equal(types.codes, np.where(N < 9, -1, N % 3))


def test_some_cells_of_a_file_with_a_reserved_column_are_saved(tmp_path, tissue, plain):
    """As in files that went through Seurat: raw/var has a column _index beside its index."""
    adata = anndata.read_h5ad(plain)
    adata.raw = adata
    source, out = tmp_path / "seurat.h5ad", tmp_path / "out.h5ad"
    adata.write_h5ad(source)
    with h5py.File(source, "r+") as file:
        var = file["raw/var"]
        names = var[var.attrs["_index"]]
        var.copy(names, var, name="features")
        if var.attrs["_index"] != "_index":
            var.copy(names, var, name="_index")
        var.attrs["_index"] = "features"
        var.attrs.create("column-order", np.array(["_index"], object), dtype=TEXT)
    some = read_h5ad(source).select_cells(N % 2 == 0)
    save(out, some, source=source)
    saved = anndata.read_h5ad(out)
    assert tuple(saved.obs_names) == some.cells
    assert tuple(saved.raw.var_names) == tissue.genes
    assert saved.raw.shape == (60, len(tissue.genes))
