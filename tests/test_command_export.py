"""The commands that simulate lineage trees and write velocities as tables and a page."""

import anndata
import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.simulators.branching import simulate_branching

SIZE = ("--cells", "150", "--genes", "40")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    path = tmp_path_factory.mktemp("tree") / "tree.h5ad"
    arguments = ["simulate", str(path), "--kind", "branching", *SIZE, "--seed", "3", "--states", "4"]
    assert main([*arguments, "--branch-points", "2"]) == 0
    return path


@pytest.fixture(scope="module")
def fitted(tree):
    path = tree.with_name("fitted.h5ad")
    assert main(["velocity", str(tree), "--out", str(path), "--model", "steady_state", "--min-shared-counts", "0"]) == 0
    return path


def test_a_lineage_tree_is_simulated_with_its_truth(tree):
    adata = anndata.read_h5ad(tree)
    expected = simulate_branching(150, 40, 3, n_states=4, n_branch_points=2)
    np.testing.assert_array_equal(adata.layers["unspliced"].toarray(), expected.tissue.unspliced.toarray())
    np.testing.assert_allclose(adata.obs["true_time"], expected.truth.time)
    np.testing.assert_allclose(adata.layers["true_velocity"], expected.truth.velocity, rtol=1e-5)
    fates = adata.obs[[f"true_fate_end {k}" for k in (1, 2, 3)]].to_numpy()
    np.testing.assert_allclose(fates, expected.fate)
    np.testing.assert_allclose(fates.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--kind", "branching", "--kinetics", "mixed"], "Rates in a lineage tree differ from gene to gene"),
        (["--kind", "branching", "--noise", "real"], "has no real noise"),
        (["--kind", "bilinear", "--states", "4"], "'states' belongs to a lineage tree"),
        (["--branch-points", "1"], "'branch_points' belongs to a lineage tree"),
        (["--kind", "branching", "--states", "2"], "at least 5 states"),
    ],
)
def test_options_of_other_kinds_are_refused(tmp_path, capsys, given, words):
    assert main(["simulate", str(tmp_path / "no.h5ad"), *given]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_with_velocities_is_exported_without_a_fit(fitted, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["export", str(fitted), "--out", str(out), "--no-dashboard", "--n-components", "3"]) == 0
    said = capsys.readouterr().out
    for name in ("velocity_vectors.csv", "kinetic_params.csv", "latent_time.csv"):
        assert f"wrote {out / name}" in said
    stored = anndata.read_h5ad(fitted)
    time = pd.read_csv(out / "latent_time.csv").set_index("cell")["latent_time"]
    np.testing.assert_allclose(time[stored.obs_names], stored.obs["latent_time"], atol=1e-5)
    kinetics = pd.read_csv(out / "kinetic_params.csv").set_index("gene")
    np.testing.assert_allclose(kinetics["velocity_gamma"], stored.var["velocity_gamma"][kinetics.index], rtol=1e-4)


def test_fates_of_the_file_are_exported_as_they_are(fitted, tmp_path):
    fated, out = tmp_path / "fated.h5ad", tmp_path / "out"
    adata = anndata.read_h5ad(fitted)
    states = pd.Categorical(adata.obs["state"].where(adata.obs["state"] != "progenitor"))
    adata.obs["term_states_fwd"] = states
    chance = np.random.default_rng(0).dirichlet(np.ones(len(states.categories)), adata.n_obs)
    adata.obsm["lineages_fwd"] = chance
    adata.write_h5ad(fated)
    assert main(["export", str(fated), "--out", str(out), "--no-dashboard"]) == 0
    table = pd.read_csv(out / "fate_probabilities.csv")
    np.testing.assert_allclose(table[list(states.categories)], chance, atol=1e-5)


def test_a_file_without_velocities_cannot_be_exported(tree, tmp_path, capsys):
    assert main(["export", str(tree), "--out", str(tmp_path / "out")]) == 2
    assert "holds no velocity" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
