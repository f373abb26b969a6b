from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.design import PairColumns, build_design, select_modulators
from napari_tissue_dynamics.travlr.expression import columns_of, expression_of
from napari_tissue_dynamics.travlr.fit_inputs import make_plan
from napari_tissue_dynamics.travlr.priors.regulatory_network import LigandReceptor, RegulatoryNetwork
from napari_tissue_dynamics.travlr.priors.tf_ligands import TfLigandScores

GENES = ("T", "A", "B", "L1", "L2", "R1", "R2")
PAIRS = (
    LigandReceptor("L1", "R1", "Cell-Cell Contact"),
    LigandReceptor("L2", "R2"),
    LigandReceptor("L1", "R2"),
)
SCORES = TfLigandScores(("A", "B"), ("L1", "L2"), np.array([[0.9, 0.001], [0.2, 0.3]], dtype=np.float32))


def _modulators(**settings):
    network = RegulatoryNetwork({"T": ("B", "A")}, PAIRS, SCORES)
    means = dict(zip(GENES, (9, 9, 9, 1.0, 2.0, 3.0, 0.5), strict=True))
    return select_modulators("T", network, GENES, means, TravlrConfig(**settings))


def test_columns_come_in_the_order_regulators_pairs_ligand_tf():
    assert _modulators().names == ("B", "A", "L1$R1", "L2$R2", "L1$R2", "L1#A", "L2#B", "L1#B")


def test_a_ligand_has_the_reach_of_its_first_pair():
    assert _modulators().secreted == {"L1": False, "L2": True}


def test_the_limit_keeps_the_pairs_with_most_expression_in_their_order():
    assert _modulators(max_pairs=2).names[2:4] == ("L1$R1", "L2$R2")
    assert _modulators(max_pairs=1).names[2:3] == ("L1$R1",)


def test_matrix_agrees_with_products_written_out():
    rng = np.random.default_rng(0)
    columns = {gene: rng.normal(size=20).astype(np.float32) for gene in GENES}
    columns["R2"] = np.full(20, -1, dtype=np.float32)  # not expressed: its pairs never vary
    received = {("L1", False): rng.random(20).astype(np.float32), ("L2", True): rng.random(20).astype(np.float32)}
    design = build_design(_modulators(), columns, received, np.repeat([0, 1, -1], [10, 8, 2]))
    assert design.names == ("B", "A", "L1$R1", "L1#A", "L2#B", "L1#B")
    assert design.groups.tolist() == [0, 0, 1, 2, 2, 2]
    near, far = received["L1", False], received["L2", True]
    heard = [max(float(v), 0) for v in columns["R1"]]
    expected = [columns["B"], columns["A"], near * heard, near * columns["A"], far * columns["B"]]
    np.testing.assert_allclose(design.x[:, :5], np.stack(expected, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(design.y, columns["T"])


@pytest.mark.parametrize("floats", [0, 40, 1000])
def test_columns_that_targets_share_are_the_same(floats):
    rng = np.random.default_rng(0)
    columns = {gene: rng.normal(size=20).astype(np.float32) for gene in GENES}
    columns["R2"][:] = -1
    received = {("L1", False): rng.random(20).astype(np.float32), ("L2", True): rng.random(20).astype(np.float32)}
    codes = np.repeat([0, 1], 10)
    shared = PairColumns(columns, received, codes, floats)
    alone = build_design(_modulators(), columns, received, codes)
    for _ in range(2):
        found = build_design(_modulators(), columns, received, codes, shared)
        assert found.names == alone.names
        np.testing.assert_array_equal(found.x, alone.x)
        np.testing.assert_array_equal(found.groups, alone.groups)


def test_a_constant_regulator_stays_and_a_pair_that_varies_only_between_types_goes():
    codes = np.repeat([0, 1], 5)
    columns = {gene: np.ones(10, dtype=np.float32) for gene in GENES}
    received = {("L1", False): codes.astype(np.float32), ("L2", True): np.arange(10, dtype=np.float32)}
    design = build_design(_modulators(), columns, received, codes)
    assert design.names == ("B", "A", "L2$R2", "L2#B")


@pytest.mark.parametrize("as_sparse", [False, True])
def test_spliced_counts_stand_in_for_expression(as_sparse):
    counts = np.array([[1, 3], [10, 10], [0, 0], [2, 2]], dtype=np.float32)
    spliced = sparse.csr_array(counts) if as_sparse else counts.copy()
    tissue = Tissue(("a", "b", "c", "d"), ("g", "h"), np.zeros((4, 2)), spliced=spliced)
    found = expression_of(tissue)
    assert sparse.issparse(found) == as_sparse
    dense = found.toarray() if as_sparse else found
    np.testing.assert_allclose(dense, np.log1p([[1, 3], [2, 2], [0, 0], [2, 2]]), rtol=1e-6)


def test_a_tissue_without_expression_gives_a_sentence():
    with pytest.raises(DataError, match="neither expression nor spliced counts"):
        expression_of(Tissue(("a",), ("g",), np.zeros((1, 2))))


def test_missing_values_of_a_gene_give_a_sentence_only_when_it_is_used():
    values = np.array([[1, np.nan], [2, 3]], dtype=np.float32)
    np.testing.assert_array_equal(columns_of(values, ("g", "h"), ("g",))["g"], [1, 2])
    with pytest.raises(DataError, match="expression of h"):
        columns_of(values, ("g", "h"), ("g", "h"))


@pytest.mark.parametrize(
    ("targets", "words"),
    [([], "No target gene"), (["Sox22"], "Did you mean Sox2"), (["Sox2"], "regulator of Sox2.*Give regulators")],
)
def test_a_plan_says_what_is_missing(tissue, targets, words):
    with pytest.raises(DataError, match=words):
        make_plan(tissue, targets, RegulatoryNetwork({"Axin2": ("Sox2",)}), TravlrConfig())
