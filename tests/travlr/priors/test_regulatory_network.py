from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.regulatory_network import (
    RegulatoryNetwork,
    build_network,
    read_links,
    read_tf_ligands,
)
from napari_tissue_dynamics.travlr.priors.tf_ligands import TfLigandScores, select_tf_ligands

GENES = ("Sox2", "Pax6", "Lef1", "Wnt5a", "Fzd2")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".feather"])
def test_links_are_the_significant_ones_of_all_clusters(tmp_path, suffix):
    table = pd.DataFrame(
        {
            "cluster": ["a", "b", "a", "b", "a"],
            "source": ["Sox2", "Lef1", "Lef1", "Pax6", "Pax6"],
            "target": ["T", "T", "T", "T", "U"],
            "p": [0.01, 0.049, 0.9, 0.05, 0.0],
        }
    )
    path = tmp_path / f"links{suffix}"
    writers = {".parquet": table.to_parquet, ".feather": table.to_feather}
    if suffix in writers:
        writers[suffix](path)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert read_links(path) == {"T": ("Lef1", "Sox2"), "U": ("Pax6",)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "no column source and target"),
        ("source,target,p\nSox2,T,0.2\n", "no link"),
        ("source,target,p\nSox2,T,small\n", "column p"),
    ],
)
def test_bad_links_give_a_sentence(tmp_path, text, words):
    path = tmp_path / "links.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_links(path)


def test_regulators_keep_their_order_once_and_never_the_target():
    network = RegulatoryNetwork({"Lef1": ("Sox2", "Pax6", "Lef1", "Sox2", "Unknown")})
    assert network.regulators_of("Lef1", GENES) == ("Sox2", "Pax6")
    assert network.regulators_of("Fzd2", GENES) == ()


def test_network_of_a_form(tmp_path):
    links = tmp_path / "links.csv"
    links.write_text("tf,target\nSox2,Lef1\n")
    chosen = build_network(GENES, ["Lef1"], regulators=["Pax6"], links=links, pairs="none")
    assert chosen.regulators == {"Lef1": ("Pax6",)}
    assert not chosen.exclude_loops
    assert build_network(GENES, ["Lef1"], links=links, pairs="none").regulators == {"Lef1": ("Sox2",)}
    with pytest.raises(DataError, match=r"1 of 2 regulators .* Soxx"):
        build_network(GENES, ["Lef1"], regulators=["Soxx", "Pax6"], pairs="none")


def _slow_tf_ligands(scores, target, tfs, ligands, cutoff, regulators):
    table = pd.DataFrame(scores.values, index=scores.genes, columns=scores.ligands)
    found = []
    for tf in sorted(set(tfs) & set(table.index)):
        row = table.loc[tf, sorted(set(ligands) & set(table.columns))].sort_values(ascending=False)
        for ligand, value in row.iloc[:5].items():
            by = regulators.get(ligand, ())
            if value > cutoff and target not in by and tf not in by:
                found.append((ligand, tf))
    return found


def test_tf_ligands_agree_with_a_table_loop():
    rng = np.random.default_rng(0)
    ligands = tuple(f"L{i}" for i in range(12))
    scores = TfLigandScores(("A", "B", "C", "T"), ligands, rng.random((4, 12)).astype(np.float32))
    regulators = {"L1": ("T",), "L2": ("A",), "L3": ("B",), "L4": ("T",)}
    arguments = {"tfs": ("C", "A", "B", "Z"), "ligands": ligands[:10], "cutoff": 0.6, "regulators": regulators}
    found = select_tf_ligands(scores, "T", **arguments)
    assert list(found) == _slow_tf_ligands(scores, "T", **arguments)
    free = select_tf_ligands(scores, "T", **{**arguments, "regulators": {}})
    assert 0 < len(found) < len(free) <= 15


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_tf_ligand_matrix_comes_back(tmp_path, suffix):
    table = pd.DataFrame([[0.1, 0.2], [0.3, 0.4]], index=["A", "B"], columns=["L1", "L2"])
    path = tmp_path / f"scores{suffix}"
    if suffix == ".feather":
        table.reset_index().to_feather(path)
    else:
        (table.to_csv if suffix == ".csv" else table.to_parquet)(path)
    scores = read_tf_ligands(path)
    assert (scores.genes, scores.ligands) == (("A", "B"), ("L1", "L2"))
    np.testing.assert_allclose(scores.values, table.to_numpy(), rtol=1e-6)


def test_tf_ligand_matrix_of_words_gives_a_sentence(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("gene,L1\nA,high\n")
    with pytest.raises(DataError, match="other than numbers"):
        read_tf_ligands(path)
