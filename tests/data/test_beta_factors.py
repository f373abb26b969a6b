"""Coefficients kept as factors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_tissue_dynamics.data.beta_factors import BENDS, BetaFactors
from napari_tissue_dynamics.data.regulation_field import GeneFit
from napari_tissue_dynamics.errors import DataError


def factors(bend="identity"):
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    codes = np.array([0, 1, -1, 1, 0], dtype=np.int32)
    return BetaFactors(draw(5, 3), codes, draw(2, 3, 4), draw(2, 4), bend)


@pytest.mark.parametrize(
    ("bend", "function"),
    [
        ("identity", lambda x: x),
        ("sigmoid", torch.sigmoid),
        ("sigmoidx2", lambda x: 2 * torch.sigmoid(x)),
        ("sigmoidx1.5", lambda x: 1.5 * torch.sigmoid(x)),
        ("tanh", torch.tanh),
        ("gelu", torch.nn.functional.gelu),
        ("softplus", torch.nn.functional.softplus),
    ],
)
def test_values_are_the_formula_cell_by_cell(bend, function):
    assert bend in BENDS
    kept = factors(bend)
    for i, code in enumerate(kept.codes):
        if code < 0:
            expected = np.zeros(4)
        else:
            bent = function(torch.as_tensor(kept.basis[i] @ kept.weights[code]))
            expected = kept.anchors[code] * np.asarray(bent)
        np.testing.assert_allclose(kept.values()[i], expected, rtol=1e-5, atol=1e-6)


def test_chosen_cells_and_columns_are_those_of_the_whole():
    kept = factors("sigmoidx2")
    cells, columns = np.array([4, 0]), np.array([3, 1])
    np.testing.assert_allclose(kept.values(columns, cells), kept.values()[np.ix_(cells, columns)], rtol=1e-6)


def test_a_gene_fit_gives_betas_out_of_its_factors():
    kept = factors()
    fit = GeneFit("A", ("B", "C$D", "E#F"), kept)
    np.testing.assert_array_equal(fit.betas, kept.values())
    np.testing.assert_allclose(fit.beta("C$D"), kept.values()[:, 2], rtol=1e-6)
    np.testing.assert_allclose(fit.beta("beta0"), kept.values()[:, 0], rtol=1e-6)


def test_wrong_shapes_and_bends_are_refused():
    kept = factors()
    with pytest.raises(DataError, match="basis"):
        BetaFactors(kept.basis[:, :2], kept.codes, kept.weights, kept.anchors)
    with pytest.raises(DataError, match="expected one of identity"):
        factors("cubic")
    with pytest.raises(DataError, match="expected"):
        GeneFit("A", ("B",), kept)
