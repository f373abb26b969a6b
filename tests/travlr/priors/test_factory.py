from __future__ import annotations

import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.cluster_labels import encode
from napari_tissue_dynamics.travlr.priors.factory import BaseGrnFactory, RegulatoryFactory

GENES = ["A", "B", "C", "D", "T"]


def _adata(genes=GENES, labels=(0, 1)):
    return SimpleNamespace(var_names=pd.Index(genes), obs=pd.DataFrame({"cell_type_int": list(labels)}))


def _table(rows):
    return pd.DataFrame(rows, columns=["source", "target", "coef_mean", "p"])


LINKS = {
    "one": _table([("B", "T", 0.5, 0.01), ("A", "T", -1.0, 0.04), ("C", "T", 2.0, 0.05), ("T", "T", 1.0, 0.0)]),
    "two": _table([("B", "T", 0.7, 0.2), ("D", "T", 0.1, 0.001), ("X", "T", 1.0, 0.0), ("B", "D", 3.0, 0.0)]),
}


def _long(links):
    return pd.concat([table.assign(cluster=label) for label, table in links.items()], ignore_index=True)


def test_regulators_are_those_of_any_type_measured_below_alpha_without_the_target():
    grn = RegulatoryFactory(links=LINKS)
    assert grn.get_regulators(_adata(), "T") == ["A", "B", "D"]
    assert grn.get_regulators(_adata(), "T", alpha=0.06) == ["A", "B", "C", "D"]
    assert grn.get_regulators(_adata(["A", "X", "T"]), "T") == ["A", "X"]
    assert grn.get_regulators(_adata(), "A") == []
    assert grn.cluster_labels == {0: "one", 1: "two"}


def test_rows_with_coefficients_are_those_of_a_query():
    grn = RegulatoryFactory(links=LINKS)
    found = grn.get_regulators_with_pvalues(_adata(), "T")
    query = [link.query("target == 'T' and p < 0.05")[["source", "coef_mean"]] for link in LINKS.values()]
    expected = pd.concat(query).query("source in @GENES").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)
    targets = grn.get_targets(_adata(), "B")
    assert targets.to_dict("list") == {"target": ["T", "D"], "coef_mean": [0.5, 3.0]}


def test_masks_of_the_types_have_a_leading_one_and_alpha_is_included():
    grn = RegulatoryFactory(links=LINKS)
    assert grn.get_cluster_regulators(_adata(labels=[0, 1, 5]), "T") == ["A", "B", "C", "D"]
    masks = {label: mask.tolist() for label, mask in grn.regulator_dict.items()}
    assert masks == {0: [1, 1, 1, 1, 0], 1: [1, 0, 0, 0, 1], 5: [1, 0, 0, 0, 0]}
    named = RegulatoryFactory(links=LINKS)
    named.get_cluster_regulators(_adata(labels=["two", "one"]), "T")
    assert list(named.regulator_dict) == ["one", "two"]


def test_training_genes_are_those_within_reach():
    chain = _table([("A", "B", 1, 0), ("B", "C", 1, 0), ("C", "D", 1, 0), ("D", "E", 1, 0), ("Z", "A", 1, 0)])
    grn = RegulatoryFactory(links={"x": chain})
    assert grn.get_training_genes(grn.links, ["A"]).tolist() == ["A", "B", "C", "D"]
    assert grn.get_training_genes(None, ["A", "Z"], n_propagation=1).tolist() == ["A", "B", "Z"]
    assert grn.get_training_genes({"y": chain.head(1)}, ["A"]).tolist() == ["A", "B"]


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "feather"])
def test_files_hold_one_table_per_type_or_one_for_all(tmp_path, kind):
    path = tmp_path / f"colinks.{kind}"
    for table in (_long(LINKS), _long(LINKS).rename(columns={"cluster": "cell_type"})):
        if kind in ("csv", "tsv"):
            table.to_csv(path, sep="," if kind == "csv" else "\t", index=False)
        else:
            getattr(table, f"to_{kind}")(path)
        grn = RegulatoryFactory(colinks_path=path)
        assert list(grn.links) == ["one", "two"]
        assert grn.get_regulators(_adata(), "T") == ["A", "B", "D"]
    shared = RegulatoryFactory(links=LINKS["one"])
    shared.get_cluster_regulators(_adata(), "T")
    assert shared.regulator_dict[1].tolist() == [1, 1, 1, 1]


def test_links_without_p_values_all_count(tmp_path):
    path = tmp_path / "links.csv"
    path.write_text("source,target\nA,T\nB,T\n")
    assert RegulatoryFactory(path).get_regulators(_adata(), "T") == ["A", "B"]


def test_a_pickle_is_refused_unless_allowed_and_holds_tables_only(tmp_path):
    path = tmp_path / "celloracle_links.pkl"
    path.write_bytes(pickle.dumps({k: t.astype({"source": "category"}) for k, t in LINKS.items()}))
    with pytest.raises(DataError, match="allow_pickle=True"):
        RegulatoryFactory(path)
    grn = RegulatoryFactory(path, allow_pickle=True)
    assert grn.get_regulators(_adata(), "T") == ["A", "B", "D"]


class _Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_that_would_run_something_is_not_run(tmp_path):
    path, trace = tmp_path / "links.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"one": _Harm(trace)}))
    with pytest.raises(DataError, match=r"it asks for \S*open"):
        RegulatoryFactory(path, allow_pickle=True)
    assert not trace.exists()
    path.rename(tmp_path / "links.csv")
    with pytest.raises(DataError, match="is a pickle"):
        RegulatoryFactory(tmp_path / "links.csv")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either"),
        ({"colinks_path": "a.csv", "links": LINKS}, "either"),
        ({"colinks_path": "nothing.csv"}, "no file"),
        ({"links": {"one": pd.DataFrame({"source": ["A"]})}}, "no column target"),
        ({"links": {"one": 3}}, "no links"),
        ({"links": LINKS["one"].assign(p="small")}, "other than numbers"),
    ],
)
def test_links_that_cannot_be_used_give_a_sentence(options, words):
    with pytest.raises(DataError, match=words):
        RegulatoryFactory(**options)


def test_base_network_regulators_have_a_motif_at_some_peak_of_the_gene(tmp_path):
    table = pd.DataFrame(
        {
            "peak_id": ["chr1_1_2", "chr1_5_9", "chr2_1_2"],
            "gene_short_name": ["T", "T", "B"],
            "A": [1.0, 0, 0],
            "B": [0.0, 1, 0],
            "C": [0.0, 0, 1],
            "T": [1.0, 1, 1],
            "X": [1.0, 0, 0],
        }
    )
    path = tmp_path / "mouse_base_grn.parquet"
    table.to_parquet(path)
    for source in (path, table):
        grn = BaseGrnFactory(source)
        assert grn.get_regulators(_adata(), "T") == ["A", "B"]
        assert grn.get_regulators(_adata(), "B") == ["C", "T"]
        assert grn.get_targets(_adata(), "T")["target"].tolist() == ["T", "B"]
    with pytest.raises(DataError, match="gene_short_name"):
        BaseGrnFactory(table.drop(columns="gene_short_name"))


def test_looking_up_does_not_search_the_table():
    rng = np.random.default_rng(0)
    names = np.array([f"g{k}" for k in range(2000)])
    links = pd.DataFrame({"source": rng.choice(names, 200_000), "target": rng.choice(names, 200_000), "p": 0.0})
    grn, adata = RegulatoryFactory(links=links), _adata(names)
    looked = []

    class Column(np.ndarray):
        def __getitem__(self, places):
            looked.append(np.size(places))
            return np.asarray(self)[places]

        def __array_ufunc__(self, *_, **__):
            pytest.fail("the whole column was searched")

    seen = {name: getattr(grn._rows, name).view(Column) for name in ("source", "target", "p")}
    grn._rows = replace(grn._rows, **seen)
    found = grn.get_regulators(adata, names[299])
    assert sum(looked) <= 2 * (links.target == names[299]).sum()
    assert found == sorted(set(links.loc[links.target == names[299], "source"]) - {names[299]})


def test_labels_of_any_kind_are_counted_from_zero():
    codes, labels = encode(np.array([7, "x", 3, None, np.int64(7), 2.5], dtype=object))
    assert labels == (2.5, 3, 7, "x")
    assert codes.tolist() == [2, 3, 1, -1, 2, 0]
    assert encode(pd.Series([2, 0, np.nan]))[1] == (0, 2)
    assert encode(pd.Categorical(["b", "a", "b"], categories=["b", "c", "a"]))[1] == ("a", "b")
