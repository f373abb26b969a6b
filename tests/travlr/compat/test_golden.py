"""The golden tests of a re-implementation, against closed forms and slow loops that share nothing with the code."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tracemalloc
import zipfile

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import drained
from napari_tissue_dynamics.travlr import SpatialCellularProgramsEstimator as Estimator
from napari_tissue_dynamics.travlr.nets.cnn import CellularNicheNetwork
from napari_tissue_dynamics.travlr.nets.lasso import Penalties, sparse_group_lasso_steps
from napari_tissue_dynamics.travlr.nets.transformer import CellularViT
from napari_tissue_dynamics.travlr.versions import PROFILES

GENES = ["T", "Tf", "Lig", "Rec", "Aa", "Bb", "Cc", "Dd"]
PAIR = pd.DataFrame({"ligand": ["Lig"], "receptor": ["Rec"], "signaling": ["Secreted Signaling"]})


def _adata(xy, expression, labels=None):
    n = len(xy)
    adata = anndata.AnnData(
        np.zeros((n, len(GENES)), dtype=np.float32),
        obs=pd.DataFrame({"cell_type_int": [0] * n if labels is None else labels}, index=[f"c{k}" for k in range(n)]),
        var=pd.DataFrame(index=GENES),
    )
    adata.layers["imputed_count"] = np.asarray(expression, dtype=np.float32)
    adata.obsm["spatial"] = np.asarray(xy, dtype=np.float64)
    return adata


def _random(n=40, seed=0, labels=(0, 1, 2), dimensions=2):
    rng = np.random.default_rng(seed)
    expression = rng.gamma(2.0, 0.5, (n, len(GENES)))
    xy = rng.uniform(0, 100, (n, dimensions))
    expression[:, 0] = 0.2 + (0.4 + xy[:, 0] / 100) * expression[:, 1] + 0.05 * rng.normal(size=n)
    return _adata(xy, expression, np.array(labels, dtype=object)[rng.integers(0, len(labels), n)])


def _make(adata, target="T", **options):
    chosen = {"spatial_dim": 8, "regulators": ["Tf"], "lr_pairs_table": PAIR, "keep_constant_pairs": True, **options}
    return Estimator(adata, target, **chosen)


# 1, 2: received ligands


@pytest.mark.parametrize(("kernel", "distance"), [("gaussian", 60.0), ("truncated", 60.0), ("truncated", 100.1)])
def test_1_two_cells_at_a_distance(kernel, distance):
    expression = np.zeros((2, 8))
    expression[1, 2], expression[:, 3] = 1.0, 1.0
    adata = _adata([[0, 0], [distance, 0]], expression)
    received = _make(adata, radius=100, scale_factor=3, kernel=kernel).train_df["Lig$Rec"].iloc[0]
    sigma = 100 if kernel == "gaussian" else 100 / np.sqrt(-2 * np.log(0.001))
    expected = 3 * np.exp(-(distance**2) / (2 * sigma**2)) / 2 if distance <= 100 or kernel == "gaussian" else 0.0
    assert received == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_2_a_huge_radius_averages_and_a_ligand_has_the_reach_of_its_first_pair():
    adata = _random()
    e = adata.to_df("imputed_count")
    wide = _make(adata, radius=1e9, scale_factor=2).train_df["Lig$Rec"]
    np.testing.assert_allclose(wide, 2 * e["Lig"].mean() * e["Rec"], rtol=1e-6)
    two = pd.DataFrame(
        {"ligand": "Lig", "receptor": ["Rec", "Aa"], "signaling": ["Cell-Cell Contact", "Secreted Signaling"]}
    )
    found = _make(adata, lr_pairs_table=two, radius=1e9, contact_distance=1e-9).train_df
    own = e["Lig"] / len(e)  # contact: a cell hears itself alone
    np.testing.assert_allclose(found["Lig$Aa"], own * e["Aa"], rtol=1e-6)


# 3: pairs


def test_3_complexes_are_split_and_the_target_is_left_out_on_both_sides():
    table = pd.DataFrame(
        {
            "ligand": ["Aa_Bb", "Aa", "T", "Lig", "Lig"],
            "receptor": ["Cc_Dd", "Cc", "Rec", "T", "Unknown"],
            "signaling": ["ECM-Receptor", "Secreted Signaling", *["Secreted Signaling"] * 3],
        }
    )
    estimator = _make(_random(), lr_pairs_table=table)
    assert estimator.lr_pairs.tolist() == ["Aa$Cc", "Aa$Dd", "Bb$Cc", "Bb$Dd"]
    assert estimator.lr["radius"].tolist() == [30] * 4  # the first row of a pair stays


# 4, 5: maps and neighbors


def test_4_a_cell_in_the_middle_of_a_pixel():
    xy = [[0, 0], [80, 160], [55, 110]]  # pixels of 10 x 20; the last in the middle of row 2, column 5
    maps = _make(_adata(xy, np.ones((3, 8)))).spatial_maps[2, 0]
    assert maps[2, 5] == 0
    assert np.unravel_index(maps.argmax(), maps.shape) == (7, 0)
    assert maps[7, 0] == 1
    top = _make(_adata(xy, np.ones((3, 8)))).spatial_maps[1, 0]
    assert np.unravel_index(top.argmin(), top.shape) == (0, 7)  # the largest y is the top row


@pytest.mark.parametrize("dimensions", [2, 3])
def test_4_maps_are_those_of_a_slow_loop(dimensions):
    adata = _random(6, dimensions=dimensions)
    xy = adata.obsm["spatial"]
    maps = np.asarray(_make(adata).spatial_maps)
    low, step = xy.min(0), (xy.max(0) - xy.min(0)) / 8
    for s in range(6):
        image = np.zeros((8,) * dimensions)
        for pixel in np.ndindex(*image.shape):
            i, j = pixel[:2]
            center = [low[0] + (j + 0.5) * step[0], low[1] + (7 - i + 0.5) * step[1]]
            center += [low[2] + (7 - pixel[2] + 0.5) * step[2]] if dimensions == 3 else []
            image[pixel] = np.sqrt(sum((a - b) ** 2 for a, b in zip(xy[s], center, strict=True)))
        image = (image - image.min()) / (image.max() - image.min())
        for channel in maps[s]:
            np.testing.assert_allclose(channel, image, atol=1e-6)


def test_5_neighbors_include_the_cell_and_the_rim_and_a_constant_column_is_zero():
    xy = [[0, 0], [10, 0], [20, 0], [0, 0], [500, 500]]
    adata = _adata(xy, np.ones((5, 8)), [0, 0, 1, 1, 2])
    estimator = _make(adata, radius=10)
    assert estimator.spatial_features["2_within"].tolist() == [0, 0, 0, 0, 1]
    raw = adata.obsm["spatial_features"]
    assert raw["0_within"].tolist() == [2, 2, 1, 2, 0]
    assert raw["1_within"].tolist() == [1, 2, 1, 1, 0]
    assert estimator.spatial_features["0_within"].tolist() == [1, 1, 0.5, 1, 0]
    together = _make(_adata(np.zeros((4, 2)), np.ones((4, 8)), [0, 0, 1, 1]))
    assert not together.spatial_features.to_numpy().any()


def test_features_are_those_of_a_slow_loop():
    adata = _random(30)
    xy, e = adata.obsm["spatial"], adata.to_df("imputed_count").astype(np.float64)
    scores = pd.DataFrame([[0.5]], index=["Tf"], columns=["Lig"])
    estimator = _make(adata, radius=40, scale_factor=7, tflinks=scores)
    assert estimator.modulators == ["Tf", "Lig$Rec", "Lig#Tf"]
    for i in range(30):
        heard = sum(
            np.exp(-((xy[i, 0] - xy[j, 0]) ** 2 + (xy[i, 1] - xy[j, 1]) ** 2) / (2 * 40**2)) * e["Lig"].iloc[j]
            for j in range(30)
        )
        heard *= 7 / 30
        row = [e["T"].iloc[i], e["Tf"].iloc[i], heard * e["Rec"].iloc[i], heard * e["Tf"].iloc[i]]
        np.testing.assert_allclose(estimator.train_df.iloc[i], row, rtol=1e-6)


# 6, 7: networks


@pytest.mark.parametrize(("p", "types"), [(1011, 5), (2, 1)])
def test_6_parameter_counts(p, types):
    def size(network):
        return sum(part.numel() for part in network.parameters() if part.requires_grad)

    assert size(CellularNicheNetwork(np.ones(p + 1), types)) == 30470 + 16 * types + 65 * (p + 1)
    assert size(CellularViT(np.ones(p + 1), types, 64)) == 15634 + 16 * types + 17 * (p + 1)


def test_7_twice_the_sigmoid_of_zero_returns_the_anchors():
    network = CellularNicheNetwork(np.array([1.5, -2.0, 0.0]), 2, "sigmoidx2")
    nn.init.zeros_(network.head[-1].weight)
    nn.init.zeros_(network.head[-1].bias)
    betas = network(torch.rand(4, 1, 8, 8), torch.rand(4, 2))
    assert torch.equal(betas, network.anchors.expand(4, -1))


# 8: the path of the lasso


def _path(x, y, groups, lam, l1, n_iter):
    """The published iteration, written down line by line."""
    n = len(y)
    a = np.c_[np.ones(n), x - x.mean(axis=0)]
    bound = [np.linalg.norm(a) ** 2 / n]

    def f(w):
        return np.sum((a @ w - y) ** 2) / (2 * n)

    def step(x0, m, t):
        u = m - 0.5 * (a.T @ (a @ m - y) / n) / bound[0]
        new = np.r_[u[0], np.sign(u[1:]) * np.maximum(np.abs(u[1:]) - l1 / bound[0], 0)]
        for g in np.unique(groups):
            rows = 1 + np.flatnonzero(groups == g)
            size = np.linalg.norm(new[rows])
            new[rows] *= max(0, 1 - lam / np.sqrt(len(rows)) / bound[0] / size) if size > 0 else 0
        t1 = 0.5 + 0.5 * np.sqrt(1 + 4 * t**2)
        return new, new + (new - x0) * (t - 1) / t1, t1

    w = m = np.zeros(a.shape[1])
    t = 1.0
    for _ in range(n_iter):
        w1, m1, t1 = step(w, m, t)
        if (m - w1) @ (w1 - w) > f(w):
            m, t = w, 1.0
            w1, m1, t1 = step(w, m, t)
        while f(w1) > f(m) + bound[0] / 2.5 * np.sum((w1 - m) ** 2) + (a.T @ (a @ m - y) / n) @ (w1 - m):
            bound[0] *= 2
            w1, m1, t1 = step(w, m, t)
        change = np.linalg.norm(w1 - w) / np.linalg.norm(w1 + 1e-16)
        w, m, t = w1, m1, t1
        if change < 1e-5:
            break
    return np.r_[w[0] - x.mean(axis=0) @ w[1:], w[1:]]


@pytest.mark.parametrize("constant", [False, True])
def test_8_the_lasso_follows_the_published_path(constant):
    rng = np.random.default_rng(1)
    x = rng.gamma(2, 1, (40, 30)) * np.repeat([1.0, 0.01], 15)
    y = np.full(40, 2.0) if constant else x[:, :3].sum(axis=1) + rng.normal(size=40)
    groups = np.repeat([0, 1, 2], 10)
    found = drained(sparse_group_lasso_steps(x, y, groups, Penalties(1e-6, 1e-9), iterations=300))
    np.testing.assert_allclose(found, _path(x, y, groups, 1e-6, 1e-9, 300), atol=1e-10, rtol=1e-10)


def test_8_a_faithful_profile_has_the_anchors_of_the_path():
    adata = _random(60, labels=(0,))
    estimator = _make(adata, profile="0.1.21", activation="sigmoidx2", extra_lr=[("Aa", "Bb")])
    estimator.fit(num_epochs=1, threshold_lambda=1e-7, score_threshold=-100)
    x, y = estimator.Xn.astype(np.float64), estimator.yn.astype(np.float64)
    path = _path(x, y, np.array([0, 1, 1]), 1e-7, 1e-9, 1500)
    np.testing.assert_allclose(estimator.models[0].anchors, path.astype(np.float32), rtol=1e-5, atol=1e-7)


# 9, 10: betas


def test_9_rows_follow_the_order_of_the_cells():
    adata = _random()
    order = np.random.default_rng(2).permutation(40)
    shuffled = adata[order].copy()
    betas = []
    for cells in (adata, shuffled):
        estimator = _make(cells)
        estimator.fit(num_epochs=0, skip_clusters=[1], score_threshold=-100)
        found = estimator.get_betas()
        assert found.index.equals(cells.obs.index)
        assert not found[cells.obs["cell_type_int"] == 1].to_numpy().any()
        betas.append(found)
    np.testing.assert_allclose(betas[1], betas[0].loc[shuffled.obs.index], rtol=1e-4, atol=1e-5)


def test_10_without_epochs_the_betas_predict_what_the_seed_predicts():
    estimator = _make(_random(60))
    estimator.fit(num_epochs=0)
    for label in (0, 1, 2):
        rows = (estimator.cluster_labels == label).nonzero()[0]
        x = np.c_[np.ones(len(rows)), estimator.Xn[rows].astype(np.float64)]
        # more cells than modulators and next to no penalty: the seed is least squares
        seed = x @ np.linalg.lstsq(x, estimator.yn[rows].astype(np.float64), rcond=None)[0]
        np.testing.assert_allclose(estimator.predict(label), seed, atol=1e-3)


# 11: files


def test_11_a_fresh_process_reads_the_same_betas(tmp_path):
    adata = _random(60, labels=(3, 7, "x"))
    adata.obs["kind"] = pd.Categorical(adata.obs["cell_type_int"].astype(str))
    del adata.obs["cell_type_int"]
    for vision in ("cnn", "transformer"):
        estimator = _make(adata, cluster_annot="kind", extra_modulators=["Dd"], maps="masked_distance")
        estimator.fit(num_epochs=2, vision_model=vision, score_threshold=-100)
        assert estimator.export(tmp_path / "models" / vision) is None
        path = tmp_path / "models" / vision / "T_estimator.pkl"
        assert [file.name for file in path.parent.iterdir()] == ["T_estimator.pkl"]
        assert path.stat().st_size < 1_000_000
        estimator.get_betas().to_parquet(tmp_path / f"{vision}.parquet")
    adata.write_h5ad(tmp_path / "cells.h5ad")
    code = f"""
import anndata, pandas as pd
from napari_tissue_dynamics.travlr import SpatialCellularProgramsEstimator as Estimator
adata = anndata.read_h5ad({str(tmp_path / "cells.h5ad")!r})
for vision in ("cnn", "transformer"):
    path = {str(tmp_path)!r} + f"/models/{{vision}}/T_estimator.pkl"
    expected = pd.read_parquet({str(tmp_path)!r} + f"/{{vision}}.parquet")
    found = Estimator.from_file(path, adata)
    assert (found.get_betas().to_numpy() == expected.to_numpy()).all()
    assert list(found.get_betas()) == list(expected)
    other = Estimator(adata, "Tf", cluster_annot="kind", regulators=["Rec"], use_ligands=False)
    assert other.load(path) is None
    assert (other.get_betas().to_numpy() == expected.to_numpy()).all()
    assert other.target_gene == "T" and other.scores == found.scores and set(found.scores) == {{"3", "7", "x"}}
    assert found.predict().corr(pd.Series(adata.layers["imputed_count"][:, 0], adata.obs_names)) > 0.5
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_11_a_pickle_or_a_changed_file_is_refused(tmp_path):
    adata = _random(60)
    estimator = _make(adata, radius=np.int64(50))
    estimator.fit(num_epochs=0)
    estimator.export(tmp_path)
    path = tmp_path / "T_estimator.pkl"
    whole = path.read_bytes()
    estimator.export(tmp_path)
    assert path.read_bytes() == whole

    def refused(content, words):
        path.write_bytes(content)
        with pytest.raises(DataError, match=words):
            Estimator.from_file(path, adata)

    refused(pickle.dumps({"models": {}}), "is a pickle")
    refused(b"hello", "not the file of an estimator")
    refused(whole[: len(whole) // 2], "changed or is incomplete")
    middle = whole.index(b"network/") + 3000
    refused(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], "changed or is incomplete")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("header.json", json.dumps({"format": "other"}))
        file.writestr("tensors.safetensors", b"")
        file.writestr("checksum", b"0")
    refused(path.read_bytes(), "changed or is incomplete")
    with pytest.raises(DataError, match="no file"):
        Estimator.from_file(tmp_path / "nothing.pkl", adata)


def test_11_other_cells_are_predicted_with_the_ranges_of_the_training(tmp_path):
    adata = _random(80)
    estimator = _make(adata, radius=30)
    estimator.fit(num_epochs=1, score_threshold=-100)
    estimator.export(tmp_path)
    counts = adata.obsm["spatial_features"]
    part = adata[:30].copy()
    with pytest.warns(UserWarning, match="not those that T was fitted to"):
        other = Estimator.from_file(tmp_path / "T_estimator.pkl", part)
    np.testing.assert_array_equal(other.spatial_maps[:30], estimator.spatial_maps[:30])
    scaled = (part.obsm["spatial_features"] - counts.min()) / (counts.max() - counts.min())
    np.testing.assert_allclose(other.spatial_features, scaled, atol=1e-6)
    np.testing.assert_allclose(estimator.predict(adata=part), other.predict())
    assert other.predict(adata=adata).to_numpy() == pytest.approx(estimator.predict().to_numpy(), rel=1e-6)


# 15, 16, 17


def test_15_labels_of_any_kind_and_types_of_any_size():
    adata = _random(60, labels=(3, 7, "x"))
    adata.obs.loc["c0", "cell_type_int"] = "alone"
    adata.obs.loc["c1", "cell_type_int"] = None
    estimator = _make(adata)
    estimator.fit(num_epochs=1, score_threshold=-100)
    assert list(estimator.models) == [3, 7, "alone", "x"]
    assert list(estimator.spatial_features) == ["3_within", "7_within", "alone_within", "x_within"]
    betas = estimator.get_betas()
    assert betas.loc["c0"].tolist() == [estimator.yn[0], 0, 0]
    assert not betas.loc["c1"].any()
    assert estimator.cluster_labels[:2].tolist() == ["alone", -1]


def test_15_one_type_and_an_orphan():
    one = _make(_random(labels=("only",)))
    one.fit(num_epochs=1, score_threshold=-100)
    assert one.spatial_maps.shape[1] == 1
    assert list(one.scores) == ["only"]
    orphan = _make(_random(), regulators=[], use_ligands=False)
    assert orphan.orphan
    assert not one.orphan
    orphan.fit(num_epochs=3)
    betas = orphan.get_betas()
    assert list(betas) == ["beta0"]
    for label in (0, 1, 2):
        rows = orphan.cluster_labels == label
        np.testing.assert_allclose(betas.loc[rows, "beta0"], orphan.yn[rows].mean(), rtol=1e-6)


def test_16_what_is_stored_is_used_for_the_same_inputs_only():
    adata = _random()
    first = _make(adata, radius=20)
    first.init_data()
    before, near = first.Xn[:, 1].copy(), adata.obsm["spatial_features"].copy()
    changed = {
        "radius": _make(adata, radius=60).Xn[:, 1],
        "scale": _make(adata, radius=20, scale_factor=5).Xn[:, 1],
        "kernel": _make(adata, radius=20, kernel="truncated").Xn[:, 1],
    }
    for name, column in changed.items():
        assert not np.allclose(column, before), name
    assert _make(adata, radius=60).init_data()
    assert not np.allclose(adata.obsm["spatial_features"], near)
    assert _make(adata, spatial_dim=16).init_data()[0].shape == adata.obsm["spatial_maps"].shape == (40, 3, 16, 16)
    np.testing.assert_array_equal(_make(adata, radius=20).Xn[:, 1], before)
    first.radius = 60  # on the estimator itself
    first.init_data()
    np.testing.assert_allclose(first.Xn[:, 1], changed["radius"], rtol=1e-6)
    adata.layers["imputed_count"] = adata.layers["imputed_count"] * 2
    np.testing.assert_allclose(_make(adata, radius=20).Xn[:, 1], 4 * before, rtol=1e-5)
    adata.uns["received_ligands"]["Lig"] = 0.0  # someone changed it
    np.testing.assert_allclose(_make(adata, radius=20).Xn[:, 1], 4 * before, rtol=1e-5)


def test_16_what_is_stored_is_not_computed_again(monkeypatch):
    import napari_tissue_dynamics.travlr.compat.design_table as features

    adata = _random()
    _make(adata).init_data()

    def never(*_args):
        raise AssertionError("computed again")

    monkeypatch.setattr(features, "received", never)
    monkeypatch.setattr(features, "neighbor_count_steps", never)
    _make(adata, target="Aa").init_data()  # another gene, the same ligands


def test_17_a_large_tissue_takes_no_memory_for_its_maps():
    n, types = 100_000, 15
    rng = np.random.default_rng(0)
    expression = np.zeros((n, len(GENES)), dtype=np.float32)
    expression[:, 1] = rng.random(n)
    adata = _adata(rng.uniform(0, 10_000, (n, 2)), expression, rng.integers(0, types, n))
    tracemalloc.start()
    try:
        estimator = _make(adata, spatial_dim=64, use_ligands=False)
        estimator.init_data()
        assert estimator.spatial_maps.shape == (n, types, 64, 64)
        image = estimator.spatial_maps[99_999, 14]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert image.min() == 0
    assert peak < 300e6
    assert "spatial_maps" not in adata.obsm


# profiles


def test_profiles_differ_in_the_documented_switches_only():
    table = {
        "doc": ("gaussian", 1.0, False, None, "mean", "sigmoidx2", "inverse", "position", True, False),
        "0.1.21": ("gaussian", 100.0, True, 0.15, "zero", "identity", "inverse", "position", False, True),
        "0.1.16": ("truncated", 1.0, False, 0.15, "zero", "sigmoid", "inverse", "position", False, True),
        "rust": ("gaussian", 1.0, False, None, "zero", "sigmoidx2", "direct", "inverse_distance", False, False),
    }
    for name, expected in table.items():
        p = PROFILES[name]
        assert (
            p.kernel, p.default_scale, p.filter_receptors, p.seed_gate, p.below_gate, p.activation, p.group_scaling,
            p.maps, p.standardize, p.rotate_maps,
        ) == expected  # fmt: skip
        assert p.keep_constant_pairs == (name != "doc")
        assert p.solver == ("exact" if name == "doc" else "path")


def test_profiles_show_in_features_and_betas():
    adata = _random(60)
    adata.layers["normalized_count"] = adata.layers["imputed_count"]
    x = {name: _make(adata, profile=name, keep_constant_pairs=None).Xn[:, 1] for name in PROFILES}
    np.testing.assert_allclose(x["0.1.21"], 100 * x["doc"], rtol=1e-5)
    np.testing.assert_allclose(x["rust"], x["doc"], rtol=1e-6)
    np.testing.assert_allclose(x["0.1.16"], _make(adata, kernel="truncated").Xn[:, 1], rtol=1e-6)
    ignored = _make(adata, profile="0.1.16", scale_factor=50).Xn[:, 1]
    np.testing.assert_array_equal(ignored, x["0.1.16"])
    given = _make(adata, profile="0.1.21", scale_factor=10).Xn[:, 1]
    np.testing.assert_allclose(given, 10 * x["doc"], rtol=1e-5)
    rust = _make(adata, profile="rust")
    assert rust.spatial_features.to_numpy().max() > 1  # raw counts
    own = np.asarray(rust.spatial_maps[0])
    assert [bool(channel.any()) for channel in own] == [k == rust.cluster_labels[0] for k in range(3)]
    zero = _make(adata, profile="0.1.16")
    zero.fit(num_epochs=1, score_threshold=1.0)
    assert not zero.get_betas().to_numpy().any()  # the intercept too


def test_only_compatible_profiles_turn_their_maps_and_use_the_statistics_of_a_batch():
    adata = _random(60, labels=(0,))
    betas = {}
    for name in ("doc", "0.1.21"):
        estimator = _make(adata, profile=name, solver="exact", activation="sigmoidx2")
        estimator.fit(num_epochs=2, score_threshold=-100)
        betas[name] = estimator.get_betas()
        pd.testing.assert_frame_equal(betas[name], estimator.get_betas())
    assert not np.allclose(betas["doc"]["beta_Tf"], betas["0.1.21"]["beta_Tf"])
