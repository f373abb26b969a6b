"""Runs of other programs: every cell gets its own row, however the table is written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.batch.external_runs import open_run, read_table_of

COLUMNS = ["beta0", "beta_Sox2", "beta_Wnt5a$Fzd2", "beta_Wnt5a#Pax6"]


@pytest.fixture
def betas(rng):
    return rng.normal(size=(6, 4)).astype(np.float32)


@pytest.fixture
def tissue():
    codes = np.array([1, 0, 2, 1, -1, 0], dtype=np.int32)
    return Tissue(
        tuple("uvwxyz"), ("A",), np.zeros((6, 2)), cell_types=Labels("type", codes, ("neuron", "glia", "Schwann"))
    )


def write_feather(path, key, values, betas, columns=COLUMNS):
    table = pa.table({key: values, **{name: betas[:, k] for k, name in enumerate(columns)}})
    feather.write_feather(table, path, compression="lz4")


def as_numbers(tissue, names):
    return tissue.with_(cells=tuple(names))


@pytest.mark.parametrize("folder", ["", "betadata"])
def test_a_python_run_in_another_order_with_missing_cells(tissue, betas, tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    table = pd.DataFrame(betas, index=list("zyxwvu"), columns=COLUMNS)
    table.drop(index="w").to_parquet(tmp_path / folder / "G_1_betadata.parquet")
    field = open_run(tmp_path, tissue)
    assert field.targets == ("G_1",)
    gene = field["G_1"]
    assert gene.modulators == ("Sox2", "Wnt5a$Fzd2", "Wnt5a#Pax6")
    expected = betas[::-1].copy()
    expected[2] = 0
    np.testing.assert_array_equal(gene.betas, expected)
    np.testing.assert_array_equal(gene.beta("Wnt5a#Pax6"), expected[:, 3])
    cells, columns = np.array([5, 0]), np.array([2, 0])
    np.testing.assert_array_equal(gene.coefficients.values(columns, cells), expected[np.ix_(cells, columns)])


def test_columns_of_zeros_were_left_out(tissue, betas, tmp_path):
    pd.DataFrame(betas[:, 1:2], index=list("uvwxyz"), columns=["beta_Sox2"]).to_parquet(tmp_path / "A_betadata.parquet")
    gene = open_run(tmp_path, tissue)["A"]
    assert gene.columns == ("beta0", "beta_Sox2")
    np.testing.assert_array_equal(gene.betas, np.column_stack([np.zeros(6), betas[:, 1]]))


@pytest.mark.parametrize("names", [[3, 1, 2, 0, 5, 4], ["3", "1", "2", "0", "5", "4"], [3.0, 1.0, 2.0, 0.0, 5.0, 4.0]])
def test_cells_with_numbers_for_names_are_no_cell_types(tissue, betas, tmp_path, names):
    numbered = as_numbers(tissue, "012345")
    write_feather(tmp_path / "A_betadata.feather", "CellID", names, betas)
    expected = betas[[3, 1, 2, 0, 5, 4]]
    np.testing.assert_array_equal(open_run(tmp_path, numbered)["A"].betas, expected)
    pd.DataFrame(betas, index=names, columns=COLUMNS).to_parquet(tmp_path / "B_betadata.parquet")
    np.testing.assert_array_equal(open_run(tmp_path, numbered)["B"].betas, expected)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["glia", "neuron", "Schwann"], [1, 0, 2]),  # row of neuron, glia, Schwann
        ([0, 1, 2], [2, 1, 0]),  # alphabetical: Schwann, glia, neuron
        ([1, 2], [1, 0, -1]),
    ],
)
def test_one_row_for_each_cell_type(tissue, betas, tmp_path, names, order):
    write_feather(tmp_path / "A_betadata.feather", "Cluster", names, betas[: len(names)])
    rows = np.array([*order, -1])[tissue.cell_types.codes]
    expected = np.where(rows[:, None] >= 0, betas[rows], 0)
    np.testing.assert_array_equal(open_run(tmp_path, tissue)["A"].betas, expected)
    table = pd.DataFrame(betas[: len(names)], index=pd.Index(names), columns=COLUMNS)
    table.to_parquet(tmp_path / "B_betadata.parquet")
    np.testing.assert_array_equal(open_run(tmp_path, tissue)["B"].betas, expected)


def test_orphans_and_both_kinds_of_files(tissue, betas, tmp_path):
    write_feather(tmp_path / "A_betadata.feather", "CellID", list("uvwxyz"), betas)
    pd.DataFrame(betas * 2, index=list("uvwxyz"), columns=COLUMNS).to_parquet(tmp_path / "A_betadata.parquet")
    (tmp_path / "B.orphan").touch()
    field = open_run(tmp_path, tissue)
    np.testing.assert_array_equal(field["A"].betas, betas * 2)
    assert list(field.failed) == ["B"]


def test_what_cannot_be_used_gives_a_sentence(tissue, betas, tmp_path):
    with pytest.raises(DataError, match="has no files <gene>_betadata"):
        open_run(tmp_path, tissue)
    file = tmp_path / "A_betadata.parquet"
    for index, columns, words in (
        (list("abcdef"), COLUMNS, "No cell .*a, b, c.* is in tissue"),
        (list("uuwxyz"), COLUMNS, "duplicate row names"),
        (list("uvwxyz"), ["a", "b", "c", "d"], "no column beta0"),
        (None, COLUMNS, "does not identify the cells"),
    ):
        pd.DataFrame(betas, index=index, columns=columns).to_parquet(file)
        with pytest.raises(DataError, match=words):
            open_run(tmp_path, tissue)
    pd.DataFrame({"beta_Sox2": list("abcdef")}, index=list("uvwxyz")).to_parquet(file)
    with pytest.raises(DataError, match=r"beta_Sox2 of A_betadata.* does not hold numbers"):
        open_run(tmp_path, tissue)["A"].beta("Sox2")
    file.write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="cannot be read as a table"):
        open_run(tmp_path, tissue)


def test_a_table_as_it_was_written(betas, tmp_path):
    write_feather(tmp_path / "A_betadata.feather", "Cluster", ["b", "a"], betas[:2])
    pd.DataFrame(betas, index=list("uvwxyz"), columns=COLUMNS).to_parquet(tmp_path / "B_betadata.parquet")
    by_type, by_cell = read_table_of(tmp_path, "A"), read_table_of(tmp_path, "B")
    assert by_type.index.tolist() == ["b", "a"]
    assert by_type.index.name == "Cluster"
    np.testing.assert_array_equal(by_type[COLUMNS], betas[:2])
    assert by_cell.index.tolist() == list("uvwxyz")
    np.testing.assert_array_equal(by_cell[COLUMNS], betas)
    with pytest.raises(DataError, match="'C' is not among the 2 genes"):
        read_table_of(tmp_path, "C")
