from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors import pairs as pairs_module
from napari_tissue_dynamics.travlr.priors.pairs import (
    LigandReceptor,
    bundled_pairs,
    expand,
    read_pairs,
    select_pairs,
    species_of,
)

CONTACT = "Cell-Cell Contact"


def test_a_complex_is_every_pair_of_its_parts():
    found = expand([LigandReceptor("A_B", "C_D", CONTACT)])
    assert [pair[:3] for pair in found] == [
        ("A", "C", CONTACT),
        ("A", "D", CONTACT),
        ("B", "C", CONTACT),
        ("B", "D", CONTACT),
    ]


def test_selection_keeps_first_pair_and_order_and_leaves_the_target_out():
    pairs = [
        LigandReceptor("B", "R"),
        LigandReceptor("A_B", "R_S", CONTACT),
        LigandReceptor("T", "R"),
        LigandReceptor("A", "T"),
        LigandReceptor("A", "unmeasured"),
    ]
    found = select_pairs(pairs, ["A", "B", "R", "S", "T"], "T")
    assert [pair[:2] for pair in found] == [("B", "R"), ("A", "R"), ("A", "S"), ("B", "S")]
    assert found[0].signaling == "Secreted Signaling"
    assert found[3].signaling == CONTACT


@pytest.mark.parametrize(
    "columns",
    [("ligand", "receptor", "signaling"), ("source_genesymbol", "target_genesymbol", "category")],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".csv.gz"])
def test_table_agrees_with_row_by_row_expansion(tmp_path, columns, suffix):
    rows = [("L1", "R1_R2", "Secreted Signaling"), ("L2_L3", "R1_R3", CONTACT), ("L1", "R1", CONTACT)]
    table = pd.DataFrame(rows, columns=columns)
    path = tmp_path / f"pairs{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert read_pairs(path) == expand(LigandReceptor(*row) for row in rows)


def test_pairs_without_signaling_are_secreted(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("ligand,receptor,pathway\nWnt5a,Fzd2,WNT\n")
    assert read_pairs(path) == (LigandReceptor("Wnt5a", "Fzd2", "Secreted Signaling", "WNT"),)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "from,to\nA,B\n", "no column ligand and receptor"),
        ("a.csv", "ligand,receptor\n", "no ligand-receptor pair"),
        ("a.csv", "", "could not be read"),
        ("a.parquet", "not parquet", "could not be read"),
        ("a.pkl", "", "CSV, TSV, parquet or feather"),
    ],
)
def test_bad_tables_give_a_sentence(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_pairs(path)


def test_missing_file_gives_a_sentence(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        read_pairs(tmp_path / "none.csv")


def test_species_uses_all_genes_and_no_random_numbers():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert species_of(["Sox2", "Pax6", "GFP"]) == "mouse"
    assert species_of(["SOX2", "PAX6", "Gfp", "C1orf112"]) == "human"
    assert species_of(["1", "2"]) == "human"
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_bundled_pairs_know_biology_without_importing_liana():
    if find_spec("liana") is None:
        pytest.skip("liana is an optional dependency and is not installed")
    loaded = "liana" in sys.modules
    mouse, human = bundled_pairs("mouse"), bundled_pairs("human")
    assert ("liana" in sys.modules) == loaded
    assert ("Pdgfa", "Pdgfra") in {pair[:2] for pair in mouse}
    assert ("PDGFA", "PDGFRA") in {pair[:2] for pair in human}
    assert not any("_" in pair.ligand or "_" in pair.receptor for pair in (*mouse, *human))
    assert min(len(mouse), len(human)) > 3000


def test_without_liana_the_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(pairs_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install liana.*CSV"):
        bundled_pairs("mouse")
