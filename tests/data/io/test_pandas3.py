"""Files of anndata 0.13 and pandas 3: strings are stored as groups with a mask of what is missing."""

import h5py
import numpy as np
import pytest

from napari_tissue_dynamics.data.io import ReadOptions, contents, gene_column, obs_column, read_h5ad, write_h5ad
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.workflow import save

TEXT = h5py.string_dtype()


def as_group(frame, name, values, mask=None):
    """Store strings as the on-disk specification of nullable string arrays has them."""
    del frame[name]
    group = frame.create_group(name)
    group.attrs["encoding-type"], group.attrs["encoding-version"] = "nullable-string-array", "0.1.0"
    group.attrs["na-value"] = "NaN"
    for key, stored in (("values", values), ("mask", np.zeros(len(values), bool) if mask is None else mask)):
        data = group.create_dataset(key, data=stored, dtype=TEXT if key == "values" else None)
        data.attrs["encoding-type"] = "string-array" if key == "values" else "array"
        data.attrs["encoding-version"] = "0.2.0"


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
        file["obs"].create_dataset("batch", data=np.zeros(len(types)))
        missing = np.arange(len(types)) % 5 == 0
        as_group(file["obs"], "batch", ["" if gone else "a" for gone in missing], missing)
        file["obs"].attrs["column-order"] = [*file["obs"].attrs["column-order"], "batch"]
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
