"""SpaceTravLR's API page of the estimator, line by line."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import ARDRegression, BayesianRidge
from sklearn.preprocessing import MinMaxScaler

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr import RegulatoryFactory
from napari_tissue_dynamics.travlr import SpatialCellularProgramsEstimator as Estimator
from napari_tissue_dynamics.travlr.nets.cnn import CellularNicheNetwork
from napari_tissue_dynamics.travlr.nets.transformer import CellularViT

GENES = ["Sox2", "Pax6", "Wnt5a", "Fzd2", "Dll1", "Notch1", "Lef1", "Axin2", "Gata3", "Vegfa"]
PAIRS = pd.DataFrame(
    [
        ("Wnt5a", "Fzd2_Lef1", "WNT", "Secreted Signaling"),
        ("Dll1", "Notch1", "NOTCH", "Cell-Cell Contact"),
        ("Axin2", "Notch1", "none", "Secreted Signaling"),
        ("Vegfa", "Kdr", "VEGF", "Secreted Signaling"),
        ("Wnt5a", "Fzd2", "twice", "Cell-Cell Contact"),
        ("Wnt5a", "Notch1", "later", "Cell-Cell Contact"),
    ],
    columns=["ligand", "receptor", "pathway", "signaling"],
)
SCORES = pd.DataFrame([[0.5, 0.005], [0.3, 0.2], [0.9, 0.9]], index=["Sox2", "Pax6", "Zic1"], columns=["Wnt5a", "Dll1"])
LINKS = {
    0: pd.DataFrame({"source": ["Sox2", "Gata3"], "target": ["Axin2", "Wnt5a"], "coef_mean": 1.0, "p": 0.0}),
    1: pd.DataFrame({"source": ["Pax6", "Axin2"], "target": ["Axin2", "Dll1"], "coef_mean": 1.0, "p": [0.01, 0.0]}),
}
MODULATORS = [
    "Sox2", "Pax6", "Wnt5a$Fzd2", "Wnt5a$Lef1", "Dll1$Notch1", "Wnt5a$Notch1", "Wnt5a#Pax6", "Dll1#Pax6", "Wnt5a#Sox2",
]  # fmt: skip


@pytest.fixture(scope="session")
def make(make_cells):
    """A function that makes an estimator of Axin2."""

    def make_one(adata=None, **options):
        chosen = {"regulators": ["Sox2", "Pax6"], "lr_pairs_table": PAIRS, "tflinks": SCORES, **options}
        return Estimator(make_cells() if adata is None else adata, "Axin2", **{"spatial_dim": 8, **chosen})

    return make_one


@pytest.fixture(scope="module")
def fitted(make):
    estimator = make()
    estimator.fit(num_epochs=2, batch_size=16, score_threshold=-100)
    return estimator


PAGE = {
    "__init__": (
        "adata, target_gene, spatial_dim=64, cluster_annot='cell_type_int', layer='imputed_count', radius=100, "
        "contact_distance=30, use_ligands=True, tf_ligand_cutoff=0.01, receptor_thresh=0.1, regulators=None, grn=None, "
        "colinks_path=None, scale_factor=1, extra_regulators=None"
    ),
    "plot_modulators": "use_expression=True",
    "ligands_receptors_interactions": "received_ligands_df, receptor_gex_df",
    "ligand_regulators_interactions": "received_ligands_df, regulator_gex_df",
    "check_LR_properties": "adata, layer",
    "init_data": "",
    "get_betas": "",
    "fit": (
        "num_epochs=100, threshold_lambda=1e-06, learning_rate=0.005, batch_size=512, pbar=None, estimator='lasso', "
        "vision_model='cnn', score_threshold=0.2, l1_reg=1e-09, skip_clusters=None"
    ),
    "export": "save_dir='./models'",
    "load": "path",
}


@pytest.mark.parametrize("name", PAGE)
def test_arguments_and_defaults_are_those_of_the_page(name):
    parameters = inspect.signature(getattr(Estimator, name)).parameters.values()
    positional = [p for p in parameters if p.name != "self" and p.kind == p.POSITIONAL_OR_KEYWORD]
    written = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in positional]
    assert ", ".join(written) == PAGE[name]
    assert all(p.kind == p.KEYWORD_ONLY and p.default is not p.empty for p in set(parameters) - set(positional)
               if p.name != "self")  # fmt: skip


def test_static_helpers_are_static_and_betadata_is_a_property():
    for name in ("ligands_receptors_interactions", "ligand_regulators_interactions", "check_LR_properties"):
        assert isinstance(inspect.getattr_static(Estimator, name), staticmethod)
    assert isinstance(inspect.getattr_static(Estimator, "betadata"), property)


def test_attributes_after_construction(make, make_cells):
    adata = make_cells()
    estimator = make(adata)
    assert estimator.adata is adata
    assert estimator.target_gene == "Axin2"
    assert estimator.regulators == ["Sox2", "Pax6"]
    assert isinstance(estimator.lr_pairs, pd.Series)
    assert estimator.lr_pairs.tolist() == ["Wnt5a$Fzd2", "Wnt5a$Lef1", "Dll1$Notch1", "Wnt5a$Notch1"]
    assert estimator.ligands == ["Wnt5a", "Wnt5a", "Dll1", "Wnt5a"]
    assert estimator.receptors == ["Fzd2", "Lef1", "Notch1", "Notch1"]
    assert estimator.tfl_pairs == ["Wnt5a#Pax6", "Dll1#Pax6", "Wnt5a#Sox2"]
    assert estimator.tfl_ligands == ["Wnt5a", "Dll1", "Wnt5a"]
    assert estimator.tfl_regulators == ["Pax6", "Pax6", "Sox2"]
    assert estimator.modulators == MODULATORS
    assert estimator.modulators_genes == ["Sox2", "Pax6", "Wnt5a", "Dll1", "Fzd2", "Lef1", "Notch1"]
    assert list(estimator.lr) == ["ligand", "receptor", "pathway", "signaling", "radius", "pairs"]
    # a ligand has one reach, that of its first pair
    assert dict(zip(estimator.lr_pairs, estimator.lr["radius"], strict=True)) == {
        "Wnt5a$Fzd2": 100, "Wnt5a$Lef1": 100, "Dll1$Notch1": 30, "Wnt5a$Notch1": 100
    }  # fmt: skip
    assert isinstance(estimator.device, torch.device)
    assert estimator.species == "mouse"
    assert estimator.n_clusters == 3
    assert not estimator.models
    assert list(adata.uns) == []  # the constructor looks only


def test_init_data_returns_and_stores_what_the_page_says(make, make_cells):
    adata = make_cells()
    estimator = make(adata)
    maps, x, y, labels = estimator.init_data()
    assert maps.shape == (120, 3, 8, 8)
    assert x.shape == (120, 9)
    np.testing.assert_array_equal(y, adata.layers["imputed_count"][:, GENES.index("Axin2")])
    np.testing.assert_array_equal(labels, adata.obs["cell_type_int"])
    assert labels.dtype.kind == "i"

    received, received_tf = adata.uns["received_ligands"], adata.uns["received_ligands_tfl"]
    assert list(received) == ["Wnt5a", "Dll1"]
    assert list(received_tf) == ["Wnt5a", "Dll1"]
    assert list(adata.uns["ligand_receptor"]) == MODULATORS[2:6]
    assert list(adata.uns["ligand_regulator"]) == MODULATORS[6:]
    for frame in (received, received_tf, adata.uns["ligand_receptor"], adata.uns["ligand_regulator"]):
        assert frame.index.equals(adata.obs.index)
    products = Estimator.ligands_receptors_interactions(
        received[estimator.ligands], adata.to_df("imputed_count")[estimator.receptors]
    )
    pd.testing.assert_frame_equal(adata.uns["ligand_receptor"], products, rtol=1e-6)
    products = Estimator.ligand_regulators_interactions(
        received_tf[estimator.tfl_ligands], adata.to_df("imputed_count")[estimator.tfl_regulators]
    )
    pd.testing.assert_frame_equal(adata.uns["ligand_regulator"], products, rtol=1e-6)

    np.testing.assert_array_equal(adata.obsm["spatial_maps"], np.asarray(maps))
    counts = adata.obsm["spatial_features"]
    assert list(counts) == ["0_within", "1_within", "2_within"]
    expected = MinMaxScaler().fit_transform(counts)
    np.testing.assert_allclose(estimator.spatial_features, expected, atol=1e-6)

    assert list(estimator.train_df) == ["Axin2", *MODULATORS]
    np.testing.assert_array_equal(estimator.train_df.iloc[:, 1:], x)
    np.testing.assert_array_equal(estimator.Xn, x)
    np.testing.assert_array_equal(estimator.yn, y)
    np.testing.assert_array_equal(estimator.xy, adata.obsm["spatial"])
    assert list(estimator.xy_df) == ["x", "y"]
    assert estimator.spatial_maps.shape == maps.shape
    assert estimator.cell_indices.tolist() == list(range(120))
    np.testing.assert_array_equal(estimator.cluster_labels, labels)


def test_data_are_built_when_first_asked_for(make):
    estimator = make()
    assert estimator.train_df.shape == (120, 10)
    assert estimator.Xn is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = estimator.nothing


def test_pairs_without_variance_are_dropped_and_regulators_never(make, make_cells):
    adata = make_cells()
    adata.layers["imputed_count"][:, [GENES.index("Lef1"), GENES.index("Pax6")]] = 0
    estimator = make(adata)
    assert "Wnt5a$Lef1" in estimator.modulators
    estimator.init_data()
    assert estimator.modulators == ["Sox2", "Pax6", "Wnt5a$Fzd2", "Dll1$Notch1", "Wnt5a$Notch1", "Wnt5a#Sox2"]
    assert estimator.lr_pairs.tolist() == ["Wnt5a$Fzd2", "Dll1$Notch1", "Wnt5a$Notch1"]
    assert estimator.receptors == ["Fzd2", "Notch1", "Notch1"]
    assert estimator.tfl_pairs == ["Wnt5a#Sox2"]
    assert "Lef1" not in estimator.modulators_genes
    assert list(adata.uns["ligand_receptor"]) == estimator.lr_pairs.tolist()
    kept = make(adata, keep_constant_pairs=True)
    kept.init_data()
    assert kept.modulators == MODULATORS


def test_fit_fills_models_scores_and_losses(fitted):
    sizes = Counter(fitted.adata.obs["cell_type_int"])
    assert list(fitted.models) == list(fitted.scores) == list(fitted.loss_dict) == [0, 1, 2]
    for label, model in fitted.models.items():
        assert isinstance(model, CellularNicheNetwork)
        assert len(fitted.loss_dict[label]) == 2 * -(-sizes[label] // 16)
    betas = fitted.get_betas().to_numpy()
    predicted = betas[:, 0] + (betas[:, 1:] * fitted.Xn).sum(axis=1)
    np.testing.assert_allclose(fitted.predict(), predicted, rtol=1e-6)
    for label in range(3):
        rows = fitted.cluster_labels == label
        y = fitted.yn[rows].astype(np.float64)
        expected = 1 - ((y - predicted[rows]) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert fitted.scores[label] == pytest.approx(expected, abs=1e-5)
    assert fitted.predict(1).index.equals(fitted.adata.obs.index[fitted.cluster_labels == 1])


def test_scores_of_pieces_of_tissue_that_were_not_seen_tell_noise_from_regulation(make, make_cells):
    adata = make_cells(90)
    noise = np.random.default_rng(5).normal(size=90).astype(np.float32)
    adata.layers["imputed_count"][:, GENES.index("Axin2")] = noise
    fooled = make(adata, extra_modulators=["Gata3"])
    fooled.fit(num_epochs=0, score_threshold=-100)
    assert np.mean(list(fooled.seed_scores.values())) > 0.2
    assert np.mean(list(fooled.held_out_scores.values())) < 0
    right = make(make_cells(300))
    right.fit(num_epochs=0)
    assert min(right.held_out_scores.values()) > 0.2
    assert np.mean(list(right.held_out_scores.values())) > 0.5
    few = make(make_cells(12))
    few.fit(num_epochs=0, score_threshold=-100)
    assert np.isnan(list(few.held_out_scores.values())).any()


def test_betas_have_one_row_per_cell_in_order_and_one_column_per_modulator(fitted):
    betas = fitted.get_betas()
    assert list(betas) == ["beta0", *(f"beta_{name}" for name in MODULATORS)]
    assert betas.index.equals(fitted.adata.obs.index)
    pd.testing.assert_frame_equal(fitted.betadata, betas)
    pd.testing.assert_frame_equal(fitted.get_betas(), betas)
    assert not any(model.training for model in fitted.models.values())
    assert (betas.groupby(fitted.cluster_labels).std()["beta_Sox2"] > 0).all()


def test_the_same_seed_gives_the_same_betas_whatever_was_drawn_before(fitted, make):
    state = torch.get_rng_state()
    torch.rand(5)
    again = make()
    again.fit(num_epochs=2, batch_size=16, score_threshold=-100)
    pd.testing.assert_frame_equal(again.get_betas(), fitted.get_betas())
    other = make(seed=1)
    before = torch.get_rng_state()
    other.fit(num_epochs=2, batch_size=16, score_threshold=-100)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.allclose(other.get_betas(), fitted.get_betas())
    torch.set_rng_state(state)


class _Bar:
    def __init__(self):
        self.steps = []

    def update(self, n):
        self.steps.append(n)


def test_a_bar_advances_by_all_cells_and_epochs_and_skipped_types_are_zero(make):
    estimator, bar = make(), _Bar()
    assert estimator.fit(num_epochs=2, pbar=bar, skip_clusters=[1]) is None
    assert sum(bar.steps) == 2 * 120
    assert list(estimator.models) == list(estimator.scores) == [0, 2]
    betas = estimator.get_betas()
    skipped = estimator.cluster_labels == 1
    assert not betas[skipped].to_numpy().any()
    assert betas[~skipped]["beta0"].all()
    gated = _Bar()
    estimator.fit(num_epochs=3, pbar=gated, score_threshold=1.0)
    assert sum(gated.steps) == 3 * 120


def test_without_a_bar_one_of_enlighten_is_made_where_it_is_installed(monkeypatch, make):
    events = []

    class Counter_:
        desc = ""

        def update(self, n=1):
            events.append(("update", n, self.desc))

    class Manager:
        def counter(self, **options):
            events.append(("counter", options))
            return Counter_()

        def stop(self):
            events.append(("stop",))

    monkeypatch.setitem(sys.modules, "enlighten", SimpleNamespace(get_manager=Manager))
    make().fit(num_epochs=1)
    assert events[0] == ("counter", {"total": 120, "desc": "Axin2", "unit": "cells"})
    assert events[-1] == ("stop",)
    assert sum(event[1] for event in events[1:-1]) == 120
    assert events[2][2].startswith("Axin2 | 1/3 | ")


def test_below_the_threshold_only_the_mean_stays(make):
    estimator = make()
    estimator.fit(num_epochs=1, score_threshold=1.0)
    betas = estimator.get_betas()
    for label in range(3):
        rows = estimator.cluster_labels == label
        np.testing.assert_allclose(betas.loc[rows, "beta0"], estimator.yn[rows].mean(), rtol=1e-6)
    assert not betas.iloc[:, 1:].to_numpy().any()
    assert estimator.scores == pytest.approx(dict.fromkeys(range(3), 0.0), abs=1e-9)
    assert min(estimator.seed_scores.values()) > 0.5


@pytest.mark.parametrize("kind", ["lasso", "bayesian", "ard"])
def test_no_epochs_are_exactly_the_seed_and_every_seed_works(kind, make):
    estimator = make()
    estimator.fit(num_epochs=0, estimator=kind)
    betas = estimator.get_betas()
    assert all(score > 0.5 for score in estimator.scores.values())
    assert not any(estimator.loss_dict.values())
    for label in range(3):
        rows = np.flatnonzero(estimator.cluster_labels == label)
        assert (betas.iloc[rows].nunique() == 1).all()
        if kind == "lasso":
            continue
        x, y = estimator.Xn[rows].astype(np.float64), estimator.yn[rows].astype(np.float64)
        model = (BayesianRidge if kind == "bayesian" else ARDRegression)().fit(x / x.std(axis=0), y)
        expected = [model.intercept_, *(model.coef_ / x.std(axis=0))]
        np.testing.assert_allclose(betas.iloc[rows[0]], expected, rtol=1e-4, atol=1e-5)
        assert betas["beta_Sox2"].iloc[rows[0]] > 0.5


def test_a_transformer_can_bend_the_seed(make):
    estimator = make()
    estimator.fit(num_epochs=1, vision_model="transformer")
    assert all(isinstance(model, CellularViT) for model in estimator.models.values())
    pd.testing.assert_frame_equal(estimator.get_betas(), estimator.get_betas())


def test_volumes_work_and_the_transformer_says_why_it_does_not(make, make_cells):
    estimator = make(make_cells(60, dimensions=3))
    estimator.fit(num_epochs=1, score_threshold=-100)
    assert estimator.spatial_maps.shape == (60, 3, 8, 8, 8)
    assert list(estimator.xy_df) == ["x", "y", "z"]
    assert estimator.get_betas()["beta_Sox2"].std() > 0
    with pytest.raises(DataError, match="two-dimensional maps only"):
        estimator.fit(num_epochs=1, vision_model="transformer")


@pytest.mark.parametrize("maps", ["position", "masked_distance", "density"])
def test_every_kind_of_map(maps, make):
    estimator = make(maps=maps)
    estimator.fit(num_epochs=1, score_threshold=-100)
    assert estimator.spatial_maps.shape == (120, 3, 8, 8)
    assert estimator.get_betas()["beta_Sox2"].groupby(estimator.cluster_labels).std().min() > 0


def test_an_explicit_list_of_regulators_wins(make):
    class Never:
        def get_regulators(self, adata, gene):
            raise AssertionError("looked up")

    assert make(grn=Never(), colinks_path="nothing.csv").regulators == ["Sox2", "Pax6"]


def test_regulators_from_links_leave_out_loops(tmp_path, make, make_cells):
    path = tmp_path / "colinks.csv"
    pd.concat([table.assign(cluster=label) for label, table in LINKS.items()]).to_csv(path, index=False)
    adata = make_cells()
    for source in ({"grn": RegulatoryFactory(links=LINKS)}, {"colinks_path": path}):
        estimator = make(adata, regulators=None, **source)
        assert estimator.regulators == ["Pax6", "Sox2"]
        assert estimator.tfl_pairs == ["Wnt5a#Pax6", "Wnt5a#Sox2"]  # Axin2 regulates Dll1
    assert make(adata, regulators=None, grn=RegulatoryFactory(links=LINKS), tf_ligand_cutoff=0.4).tfl_pairs == [
        "Wnt5a#Sox2"
    ]


def test_extra_regulators_are_appended_in_their_order(make):
    with pytest.warns(UserWarning, match="extra_regulators Nope"):
        estimator = make(extra_regulators=["Gata3", "Axin2", "Nope", "Pax6", "Lef1"])
    assert estimator.regulators == ["Sox2", "Pax6", "Gata3", "Lef1"]
    assert estimator.modulators[:4] == estimator.regulators


def test_extra_modulators_and_pairs_come_last(make):
    with pytest.warns(UserWarning, match="extra_modulators Gata3, Notch1 are"):
        estimator = make(extra_modulators=["Gata3", "Notch1"], extra_lr=[("Vegfa", "Gata3")])
    assert estimator.modulators[5:7] == ["Wnt5a$Notch1", "Vegfa$Gata3"]
    assert estimator.lr.iloc[-1].tolist() == ["Vegfa", "Gata3", "Unknown", "Secreted Signaling", 100, "Vegfa$Gata3"]
    estimator = make(extra_modulators=["Gata3"])
    assert estimator.modulators == [*MODULATORS, "Gata3"]
    estimator.init_data()
    np.testing.assert_array_equal(estimator.Xn[:, -1], estimator.adata.layers["imputed_count"][:, GENES.index("Gata3")])
    estimator.fit(num_epochs=0)
    assert list(estimator.get_betas())[-1] == "beta_Gata3"


def test_without_ligands_only_regulators_are_left(make, make_cells):
    adata = make_cells()
    estimator = make(adata, use_ligands=False, lr_pairs_table=None)
    estimator.init_data()
    assert estimator.modulators == ["Sox2", "Pax6"]
    assert list(estimator.lr_pairs) == []
    assert "received_ligands" not in adata.uns  # nothing that could mislead the next gene


def test_receptors_are_filtered_only_when_asked_for(make, make_cells):
    adata = make_cells()
    adata.layers["imputed_count"][:, GENES.index("Fzd2")] *= 0.01
    assert make(adata).receptors[0] == "Fzd2"
    assert "Fzd2" not in make(adata, filter_receptors=True).receptors
    adata.layers["normalized_count"] = adata.layers["imputed_count"] * 0
    assert make(adata, filter_receptors=True).receptors == []


def test_scale_factor_multiplies_received_ligands(make):
    one, ten = make(), make(scale_factor=10)
    np.testing.assert_allclose(ten.Xn[:, 2:], 10 * one.Xn[:, 2:], rtol=1e-5)
    np.testing.assert_array_equal(ten.Xn[:, :2], one.Xn[:, :2])


def test_thresholds_of_cell_types_mask_ligands_and_receptors(make, make_cells):
    adata = make_cells()
    plain = make(adata).train_df
    mask = pd.DataFrame({"Wnt5a": 1.0, "Fzd2": np.arange(120) % 2, "Dll1": 1.0}, index=adata.obs.index)
    adata.uns["cell_thresholds"] = mask.iloc[::-1]
    estimator = make(adata, keep_constant_pairs=True)
    masked = estimator.train_df
    np.testing.assert_allclose(masked["Wnt5a$Fzd2"], plain["Wnt5a$Fzd2"] * mask["Fzd2"], rtol=1e-6)
    assert not masked[["Wnt5a$Lef1", "Dll1$Notch1"]].to_numpy().any()  # receptors that the table does not have
    np.testing.assert_allclose(masked["Dll1#Pax6"], plain["Dll1#Pax6"], rtol=1e-6)
    adata.uns["cell_thresholds"] = mask.iloc[:50]
    with pytest.raises(DataError, match="each cell once"):
        make(adata).init_data()


def test_regulators_of_other_types_can_be_kept_off(make):
    grn = RegulatoryFactory(links=LINKS)
    free = make(regulators=None, grn=grn)
    free.fit(num_epochs=1, score_threshold=-100)
    assert free.get_betas()["beta_Pax6"].all()
    estimator = make(regulators=None, grn=grn, cluster_masks=True, extra_regulators=["Lef1"])
    estimator.fit(num_epochs=1, score_threshold=-100)
    betas, labels = estimator.get_betas(), estimator.cluster_labels
    assert not betas.loc[labels == 0, "beta_Pax6"].any()
    assert not betas.loc[labels != 0, "beta_Sox2"].any()
    assert betas.loc[labels == 0, "beta_Sox2"].all()
    assert betas.loc[labels == 2, "beta_Lef1"].all()
    with pytest.raises(DataError, match="cluster_masks needs"):
        make(cluster_masks=True)


def test_a_pair_can_travel_as_its_own_signalling_says(make, make_cells):
    adata = make_cells()
    estimator = make(adata, reach_by_pair=True)
    radius = dict(zip(estimator.lr_pairs, estimator.lr["radius"], strict=True))
    assert radius["Wnt5a$Fzd2"] == 100
    assert radius["Wnt5a$Notch1"] == 30
    estimator.init_data()
    near = make(adata, contact_distance=100, reach_by_pair=True).train_df["Wnt5a$Notch1"]
    assert (estimator.train_df["Wnt5a$Notch1"] < near).all()
    assert list(adata.uns["received_ligands"]) == ["Wnt5a", "Dll1", "Wnt5a (contact)"]


def test_interactions_are_products_of_columns_by_their_place():
    received = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], index=["a", "b"], columns=["L", "L"])
    heard = pd.DataFrame([[0.5, 0.0], [2.0, 1.0]], index=["a", "b"], columns=["R1", "R2"])
    found = Estimator.ligands_receptors_interactions(received, heard)
    expected = pd.DataFrame([[0.5, 0.0], [6.0, 4.0]], index=["a", "b"], columns=["L$R1", "L$R2"])
    pd.testing.assert_frame_equal(found, expected)
    assert list(Estimator.ligand_regulators_interactions(received, heard)) == ["L#R1", "L#R2"]
    with pytest.raises(DataError, match="same cells"):
        Estimator.ligands_receptors_interactions(received, heard.iloc[::-1])
    with pytest.raises(DataError, match="2 received ligands but 1"):
        Estimator.ligands_receptors_interactions(received, heard[["R1"]])
    with pytest.raises(DataError, match="ndarray"):
        Estimator.ligands_receptors_interactions(received, heard.to_numpy())


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_expression_and_thresholds_of_a_layer(kind, make_cells):
    adata = make_cells(20)
    values = adata.layers["imputed_count"].copy()
    values[values < 1] = 0
    adata.layers["counts"] = kind(values)
    table, thresholds = Estimator.check_LR_properties(adata, "counts")
    assert thresholds is None
    np.testing.assert_array_equal(np.asarray(table), values)
    assert table.index.equals(adata.obs_names)
    assert list(table) == GENES
    adata.uns["cell_thresholds"] = pd.DataFrame({"Sox2": 1.0}, index=adata.obs_names)
    assert Estimator.check_LR_properties(adata, "counts")[1] is adata.uns["cell_thresholds"]
    with pytest.raises(DataError, match="No layer 'nothing'"):
        Estimator.check_LR_properties(adata, "nothing")


def test_a_sparse_layer_gives_the_same(fitted, make, make_cells):
    adata = make_cells()
    adata.layers["imputed_count"] = sparse.csr_matrix(adata.layers["imputed_count"])
    np.testing.assert_array_equal(make(adata).Xn, fitted.Xn)


def test_modulators_are_drawn_by_kind_and_size(fitted, monkeypatch):
    from matplotlib import colormaps, pyplot

    figure = fitted.plot_modulators(show=False)
    (axes,) = figure.axes
    assert axes.get_title() == "Axin2 modulators"
    words = {patch.get_gid(): patch for patch in axes.patches}
    assert set(words) == {"Sox2", "Pax6", "Wnt5a", "Fzd2", "Lef1", "Dll1", "Notch1"}
    kinds = {"Wnt5a": "viridis", "Dll1": "viridis", "Notch1": "magma", "Fzd2": "magma", "Sox2": "rainbow"}
    for gene, name in kinds.items():
        shades = colormaps[name](np.linspace(0, 1, 256))
        assert np.abs(shades - words[gene].get_facecolor()).sum(axis=1).min() < 0.02
    boxes = [patch.get_window_extent() for patch in axes.patches]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    pyplot.switch_backend("agg")
    shown = []
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.gcf()))
    assert fitted.plot_modulators(use_expression=False) is None
    assert len(shown) == 1


def test_what_is_stored_in_the_table_can_be_written_and_is_used_again(tmp_path, make, make_cells):
    adata = make_cells()
    make(adata).init_data()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    stored = again.uns["received_ligands"]["Wnt5a"].to_numpy(copy=True)
    estimator = make(again)
    estimator.init_data()
    np.testing.assert_array_equal(again.uns["received_ligands"]["Wnt5a"], stored)
    pd.testing.assert_frame_equal(estimator.train_df, make(make_cells()).train_df)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regulators": None}, "No regulators of Axin2 are defined"),
        ({"regulators": None, "grn": RegulatoryFactory(links=LINKS), "colinks_path": "a.csv"}, "Both grn and colinks"),
        ({"regulators": ["Nope"]}, "1 of 1 regulators"),
        ({"regulators": ["Axin2"]}, "cannot regulate itself"),
        ({"layer": "counts"}, "No layer 'counts'.*imputed_count"),
        ({"cluster_annot": "kind"}, "No column 'kind'"),
        ({"radius": 0}, "radius is 0"),
        ({"spatial_dim": 4}, "spatial_dim is 4"),
        ({"kernel": "square"}, "no kernel 'square'"),
        ({"maps": "painted"}, "no maps 'painted'"),
        ({"activation": "step"}, "no activation 'step'"),
        ({"species": "fly"}, "no species 'fly'"),
        ({"profile": "0.2"}, "no profile '0.2'"),
        ({"lr_pairs_table": PAIRS.drop(columns="receptor")}, "no column receptor"),
        ({"tflinks": SCORES.astype(str) + "x"}, "other than numbers"),
    ],
)
def test_what_cannot_be_used_gives_a_sentence(options, words, make):
    with pytest.raises(DataError, match=words):
        make(**options)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.obsm.pop("spatial"), "No positions"),
        (lambda a: a.obsm.update(spatial=np.full((120, 2), np.nan)), "not finite"),
        (lambda a: setattr(a, "obs_names", ["same"] * 120), "cell 'same' occurs twice"),
        (lambda a: a.obs.update({"cell_type_int": [None] * 120}), "No cell has a type"),
    ],
)
def test_cells_that_cannot_be_used_give_a_sentence(change, words, make, make_cells):
    adata = make_cells()
    adata.obs["cell_type_int"] = adata.obs["cell_type_int"].astype(object)
    if "type" in words:
        adata.obs["cell_type_int"] = [None] * 120
    else:
        change(adata)
    with pytest.raises(DataError, match=words):
        make(adata)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": "ridge"}, "no estimator 'ridge'"),
        ({"vision_model": "mlp"}, "no vision_model 'mlp'"),
        ({"num_epochs": -1}, "num_epochs -1"),
        ({"batch_size": 0}, "batch_size 0"),
    ],
)
def test_a_fit_that_cannot_run_gives_a_sentence(options, words, make):
    with pytest.raises(DataError, match=words):
        make().fit(**options)


def test_betas_before_a_fit_are_refused(tmp_path, make, make_cells):
    for call in (lambda e: e.get_betas(), lambda e: e.export(tmp_path), lambda e: e.predict()):
        with pytest.raises(DataError, match="fit\\(\\) or load\\(\\) first"):
            call(make())
    with pytest.raises(DataError, match="'Nope' is not among the 10 genes"):
        Estimator(make_cells(), "Nope", regulators=["Sox2"])
    with pytest.raises(DataError, match="An AnnData was expected"):
        Estimator(pd.DataFrame(), "Axin2", regulators=["Sox2"])


def test_importing_the_estimator_loads_no_anndata_and_no_plots():
    code = (
        "import sys, napari_tissue_dynamics.travlr as t; assert 'torch' not in sys.modules\n"
        "t.SpatialCellularProgramsEstimator, t.RegulatoryFactory\n"
        "assert not {'anndata', 'sklearn', 'matplotlib', 'pooch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
