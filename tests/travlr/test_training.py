from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import ARDRegression, BayesianRidge
from sklearn.metrics import r2_score

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import drained, run_to_end
from napari_tissue_dynamics.travlr.config import PublishedOptions, TravlrConfig
from napari_tissue_dynamics.travlr.nets.cell_type_network import _rotated
from napari_tissue_dynamics.travlr.nets.initial_coefficients import mean_only, r_squared
from napari_tissue_dynamics.travlr.nets.lasso import Penalties, sparse_group_lasso_steps
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
from napari_tissue_dynamics.travlr.received_ligands import received
from napari_tissue_dynamics.travlr.training import fit, fit_steps

SHORT = TravlrConfig(estimator="network", spatial_dim=8, epochs=4, batch_size=32)
SEED_ONLY = TravlrConfig(estimator="network", epochs=0, score_threshold=-100)


def _design(tissue, radius=0.0):
    e = tissue.expression
    reach = np.array([radius])
    heard = received(tissue.positions, e[:, [2]], reach)[:, 0] * e[:, 3]
    return np.column_stack([e[:, 0], e[:, 1], heard]).astype(np.float64)


@pytest.mark.parametrize("kind", ["lasso", "bayesian", "ard"])
def test_no_epochs_give_exactly_the_seed(tissue, network, kind):
    config = TravlrConfig(
        estimator="network",
        epochs=0,
        score_threshold=-100,
        radius=20.0,
        published=PublishedOptions(seed_estimator=kind, solver="path", standardize=False),
    )
    found = fit(tissue, ["Axin2"], network, config)["Axin2"]
    assert found.columns == ("beta0", "beta_Sox2", "beta_Pax6", "beta_Wnt5a$Fzd2")
    x, y = _design(tissue, 20.0), tissue.expression[:, 4].astype(np.float64)
    for k in range(2):
        rows = tissue.cell_types.codes == k
        if kind == "lasso":
            anchors = drained(sparse_group_lasso_steps(x[rows], y[rows], np.array([0, 0, 1]), Penalties(1e-6, 1e-9)))
        else:
            model = (BayesianRidge if kind == "bayesian" else ARDRegression)().fit(x[rows], y[rows])
            anchors = np.array([model.intercept_, *model.coef_])
        np.testing.assert_allclose(found.betas[rows], np.tile(anchors, (rows.sum(), 1)), rtol=1e-5, atol=1e-7)
        expected = r2_score(y[rows], anchors[0] + x[rows] @ anchors[1:])
        assert found.seed_r2[k] == pytest.approx(expected, abs=1e-5)
        assert found.fit_r2[k] == found.seed_r2[k]


def test_a_gate_keeps_the_mean_only(tissue, network):
    found = fit(tissue, ["Axin2"], network, TravlrConfig(estimator="network", epochs=1, score_threshold=1.0))["Axin2"]
    for k in range(2):
        rows = tissue.cell_types.codes == k
        np.testing.assert_allclose(found.betas[rows, 0], tissue.expression[rows, 4].mean(), rtol=1e-6)
    assert not found.betas[:, 1:].any()
    np.testing.assert_allclose(found.fit_r2, 0, atol=1e-9)


def test_network_improves_on_its_seed_where_regulation_varies(tissue):
    network = RegulatoryNetwork({"Axin2": ("Sox2", "Pax6")})
    config = TravlrConfig(estimator="network", spatial_dim=8, epochs=80, batch_size=16)
    found = fit(tissue, ["Axin2"], network, config)["Axin2"]
    assert min(found.fit_r2) > max(found.seed_r2)
    predicted = found.betas[:, 0] + (found.betas[:, 1:] * tissue.expression[:, :2]).sum(axis=1)
    for k in range(2):
        rows = tissue.cell_types.codes == k
        assert found.fit_r2[k] == pytest.approx(r2_score(tissue.expression[rows, 4], predicted[rows]), abs=1e-5)


def test_same_seed_same_betas_and_neither_other_genes_nor_the_global_state_matters(tissue, network):
    both = fit(tissue, ["Lef1", "Axin2"], network, SHORT)
    torch.rand(3)
    alone = fit(tissue, ["Axin2"], network, SHORT)
    np.testing.assert_array_equal(both["Axin2"].betas, alone["Axin2"].betas)
    other = fit(
        tissue, ["Axin2"], network, TravlrConfig(estimator="network", spatial_dim=8, epochs=4, batch_size=32, seed=5)
    )
    assert not np.array_equal(alone["Axin2"].betas, other["Axin2"].betas)


def test_a_fit_leaves_the_random_state_alone(tissue, network):
    torch_state = torch.get_rng_state().clone()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    fit(tissue, ["Axin2"], network, SHORT)
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_state, torch.get_rng_state())


def test_betas_follow_the_order_of_the_cells(tissue, network):
    order = np.random.default_rng(0).permutation(tissue.n_cells)
    straight = fit(tissue, ["Axin2"], network, SEED_ONLY)["Axin2"].betas
    shuffled = fit(tissue.select_cells(order), ["Axin2"], network, SEED_ONLY)["Axin2"].betas
    np.testing.assert_allclose(shuffled, straight[order], rtol=1e-4, atol=1e-6)


def test_cells_without_a_type_have_zero_rows_and_labels_need_not_be_dense(tissue, network):
    codes = np.where(np.arange(120) < 10, -1, np.where(tissue.cell_types.codes == 0, 1, 3)).astype(np.int32)
    odd = tissue.with_(cell_types=Labels("kind", codes, ("3", "7", "empty", "x")))
    found = fit(odd, ["Axin2"], network, SHORT)["Axin2"]
    assert found.clusters == ("7", "x")
    assert not found.betas[:10].any()
    assert (found.betas[10:, 1] != 0).all()


def test_a_type_with_a_single_cell_is_refused(tissue, network):
    codes = np.zeros(120, dtype=np.int32)
    codes[7] = 1
    lonely = tissue.with_(cell_types=Labels("kind", codes, ("many", "one")))
    with pytest.raises(DataError, match="'one' of 'kind' has 1 cell; at least 2"):
        fit(lonely, ["Axin2"], network, SHORT)
    found = fit(lonely, ["Axin2"], network, replace(SHORT, small_types="mean"))["Axin2"]
    np.testing.assert_allclose(found.betas[7], [tissue.expression[7, 4], 0, 0, 0])


def test_a_cell_without_a_type_has_no_coefficients(tissue, network):
    codes = np.zeros(120, dtype=np.int32)
    codes[7] = -1
    found = fit(tissue.with_(cell_types=Labels("kind", codes, ("many", "unused"))), ["Axin2"], network, SHORT)["Axin2"]
    assert (found.betas[7] == 0).all()
    assert found.clusters == ("many",)


def test_effects_are_the_spread_of_what_a_modulator_adds(tissue, network):
    found = fit(tissue, ["Axin2"], network, SHORT)["Axin2"]
    for name, effect in zip(found.modulators, found.effects, strict=True):
        if "$" not in name:
            added = found.beta(name) * tissue.expression[:, tissue.gene_index(name)]
            assert effect == pytest.approx(added.std(), rel=1e-4)
    assert found.strongest == found.modulators[int(np.argmax(found.effects))]


def test_columns_of_very_different_scale_get_the_same_seed(tissue, network):
    small = tissue.expression.copy()
    small[:, tissue.gene_index("Pax6")] *= 1e-4
    usual = fit(tissue, ["Axin2"], network, SEED_ONLY)["Axin2"]
    scaled = fit(tissue.with_(expression=small), ["Axin2"], network, SEED_ONLY)["Axin2"]
    np.testing.assert_allclose(scaled.beta("Pax6") * 1e-4, usual.beta("Pax6"), rtol=1e-2, atol=1e-4)


def test_without_types_all_cells_are_one(tissue, network):
    found = fit(tissue.with_(cell_types=None), ["Axin2"], network, SHORT)["Axin2"]
    assert found.clusters == ("all",)


def test_volumes_can_be_fitted(tissue, network):
    depth = np.random.default_rng(0).uniform(0, 50, (120, 1))
    deep = tissue.with_(positions=np.hstack([tissue.positions, depth]))
    config = TravlrConfig(
        estimator="network", spatial_dim=8, epochs=2, batch_size=64, published=PublishedOptions(rotate_maps=True)
    )
    found = fit(deep, ["Axin2"], network, config)["Axin2"]
    assert np.isfinite(found.betas).all()
    assert found.betas[:, 1].std() > 0


def test_pairs_that_cannot_vary_leave_an_orphan_with_its_mean(tissue):
    silent = tissue.expression.copy()
    silent[:, 3] = 0
    found = fit(tissue.with_(expression=silent), ["Axin2"], RegulatoryNetwork(pairs=(("Wnt5a", "Fzd2"),)), SHORT)
    assert found["Axin2"].modulators == ()
    rows = tissue.cell_types.codes == 0
    np.testing.assert_allclose(found["Axin2"].betas[rows, 0], silent[rows, 4].mean(), rtol=1e-6)


def test_progress_rises_and_shows_every_finished_gene(tissue, network):
    reports = []
    field = run_to_end(fit_steps(tissue, ["Lef1", "Axin2", "Lef1"], network, SHORT), reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] == pytest.approx(1)
    assert tuple(r.snapshot for r in reports if r.snapshot is not None) == field.genes
    assert field.targets == ("Lef1", "Axin2")
    assert not field.stopped


class _StopAfter:
    """Is set once it has been asked a number of times."""

    def __init__(self, asked):
        self.left = asked

    def is_set(self):
        self.left -= 1
        return self.left < 0


def test_stop_returns_the_finished_genes_wherever_it_comes(tissue, network):
    whole = fit(tissue, ["Lef1", "Axin2"], network, SHORT)
    counts = set()
    for asked in range(0, 300, 7):
        field = run_to_end(fit_steps(tissue, ["Lef1", "Axin2"], network, SHORT, _StopAfter(asked)))
        counts.add(len(field.genes))
        for gene in field.genes:
            np.testing.assert_array_equal(gene.betas, whole[gene.target].betas)
        assert field.stopped == (len(field.genes) < 2)
        if not field.stopped:
            break
    assert counts == {0, 1, 2}


def test_stop_before_the_start(tissue, network):
    stop = threading.Event()
    stop.set()
    field = run_to_end(fit_steps(tissue, ["Axin2"], network, SHORT, stop))
    assert field.stopped
    assert field.genes == ()


@pytest.mark.parametrize("target", ["Nope", "Sox2"])
def test_bad_targets_fail_before_any_report(tissue, target):
    with pytest.raises(DataError, match=target):
        next(fit_steps(tissue, ["Axin2", target], RegulatoryNetwork({"Axin2": ("Sox2",)}), SHORT))


def test_no_cell_with_a_type_gives_a_sentence(tissue, network):
    none = Labels("kind", np.full(120, -1, dtype=np.int32), ("a",))
    with pytest.raises(DataError, match="has no cell types"):
        next(fit_steps(tissue.with_(cell_types=none), ["Axin2"], network, SHORT))


def test_maps_turn_by_quarters_in_the_plane():
    maps = torch.arange(2 * 3 * 3 * 4, dtype=torch.float32).reshape(2, 1, 3, 3, 4).repeat(20, 1, 1, 1, 1)
    turned = _rotated(maps, torch.Generator().manual_seed(0))
    found = set()
    for before, after in zip(maps, turned, strict=True):
        same = [q for q in range(4) if np.array_equal(np.rot90(before.numpy(), q, axes=(1, 2)), after.numpy())]
        assert len(same) == 1
        found.update(same)
    assert found == {0, 1, 2, 3}


def test_r_squared_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.random(9), rng.random(9)
    assert r_squared(y, p) == pytest.approx(r2_score(y, p))
    assert r_squared(np.ones(3), np.ones(3)) == r2_score(np.ones(3), np.ones(3)) == 1
    assert mean_only(y, 2).tolist() == [y.mean(), 0, 0]
