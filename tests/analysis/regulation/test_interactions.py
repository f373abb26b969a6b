"""Tables of betas against loops over cells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.regulation.interactions import interactions, kind_of, modulator_table
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError

MODULATORS = ("Sox2", "Wnt5a$Fzd2", "Wnt5a#Pax6")


@pytest.fixture
def tissue():
    codes = np.array([0, 2, 0, -1, 2, 0, 0, 2], dtype=np.int32)
    return Tissue(
        tuple("abcdefgh"), ("A",), np.zeros((8, 2)), cell_types=Labels("t", codes, ("glia", "none", "neuron"))
    )


@pytest.fixture
def fit(rng):
    betas = rng.normal(size=(8, 4)).astype(np.float32)
    betas[[0, 2, 5, 6], 1] = 0  # no effect of Sox2 in glia
    betas[[1, 4, 7], 2] = np.abs(betas[[1, 4, 7], 2])
    return GeneFit(
        "A",
        MODULATORS,
        betas,
        clusters=("glia", "neuron"),
        effects=(0.1, 0.5, 0.3),
        deviations=np.arange(8, dtype=np.float32).reshape(2, 4),
        false_discovery=np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=np.float32),
    )


def test_kinds():
    assert [kind_of(name) for name in MODULATORS] == ["tf", "ligand-receptor", "ligand-tf"]


def test_table_of_a_gene(fit, tissue):
    table = modulator_table(fit, tissue)
    assert table["modulator"].tolist() == ["Wnt5a$Fzd2"] * 2 + ["Wnt5a#Pax6"] * 2 + ["Sox2"] * 2
    assert set(table["cell_type"]) == {"glia", "neuron"}
    cells = {"glia": [0, 2, 5, 6], "neuron": [1, 4, 7]}
    for row in table.itertuples():
        column, cluster = MODULATORS.index(row.modulator), ("glia", "neuron").index(row.cell_type)
        values = [float(fit.betas[i, 1 + column]) for i in cells[row.cell_type]]
        mean = sum(values) / len(values)
        assert row.mean == pytest.approx(mean)
        assert row.sd == pytest.approx((sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5)
        assert row.effect == fit.effects[column]
        assert row.deviation == fit.deviations[cluster, 1 + column]
        assert row.fdr == fit.false_discovery[cluster, column]


def test_what_a_fit_does_not_know_is_nan(fit, tissue):
    plain = GeneFit("A", MODULATORS, fit.betas.copy())
    table = modulator_table(plain, tissue)
    assert table[["effect", "deviation", "fdr"]].isna().all(axis=None)
    assert table["modulator"].tolist()[:2] == ["Sox2", "Sox2"]


def _slow(values, aggregate):
    if aggregate in ("positive", "negative"):
        values = [v for v in values if (v > 0 if aggregate == "positive" else v < 0)]
        return sum(values) / len(values) if values else 0
    return {"mean": sum(values) / len(values), "min": min(values), "max": max(values), "sum": sum(values)}[aggregate]


@pytest.mark.parametrize("aggregate", ["mean", "min", "max", "sum", "positive", "negative"])
def test_interactions_against_a_loop(fit, tissue, aggregate):
    other = GeneFit("B", ("Sox2",), np.ones((8, 2), np.float32))
    table = interactions(RegulationField((fit, other)), tissue, aggregate)
    expected = {}
    for gene in (fit, other):
        for k, name in enumerate(gene.modulators):
            for cell_type, cells in {"glia": [0, 2, 5, 6], "neuron": [1, 4, 7]}.items():
                value = _slow([float(gene.betas[i, 1 + k]) for i in cells], aggregate)
                if value:
                    expected[name, gene.target, cell_type] = value
    found = {(row.interaction, row.gene, row.cell_type): row.beta for row in table.itertuples()}
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-5)
    assert set(table["interaction_type"]) <= {"tf", "ligand-receptor", "ligand-tf"}


def test_without_types_all_cells_are_one_and_nothing_gives_an_empty_table(fit, tissue):
    untyped = tissue.with_(cell_types=None)
    assert set(interactions(RegulationField((fit,)), untyped)["cell_type"]) == {"all"}
    empty = interactions(RegulationField(()), tissue)
    assert list(empty.columns) == ["interaction", "gene", "cell_type", "beta", "interaction_type"]
    with pytest.raises(DataError, match="by 'median'"):
        interactions(RegulationField((fit,)), tissue, "median")
    with pytest.raises(DataError, match="8 cells but the tissue has 2"):
        modulator_table(fit, tissue.select_cells(np.array([0, 1])))
