"""``tissue-dynamics velocity``: the same numbers as from Python, whatever the model."""

import dataclasses
from dataclasses import replace

import anndata
import numpy as np
import pytest

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.data.io import ReadOptions, read_h5ad, read_provenance
from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.descriptions import parameter_texts, setting_types
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.kinetics.root_cells import Origin
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.simulators.noise import Noise
from napari_tissue_dynamics.simulators.write import write_simulated
from napari_tissue_dynamics.steer import SteerConfig
from napari_tissue_dynamics.workflow import velocity


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("kinetics") / "in.h5ad"
    counted = Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=1500.0, dropout=0.1)
    simulated = simulate_branching(200, 60, seed=1, n_states=3, n_branch_points=1, noise=counted)
    write_simulated(path, simulated.tissue, simulated.truth)
    return path


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        ("steady_state", {"velocity_gamma", "velocity_r2"}),
        ("stochastic", {"velocity_gamma", "velocity_r2"}),
        ("dynamical", {"fit_alpha", "fit_beta", "fit_gamma", "fit_t_", "fit_scaling", "fit_likelihood"}),
    ],
)
def test_command_line_and_python_agree(file, tmp_path, capsys, model, columns):
    out = tmp_path / "out.h5ad"
    given = ["--n-neighbors", "20", "--smooth-components", "10", "--cell-type", "state"]
    given += ["--root-type", "progenitor"]
    assert main(["velocity", str(file), "--model", model, "--out", str(out), *given]) == 0
    direction, words = capsys.readouterr().out.splitlines()[:2]
    assert "velocity genes" in words
    tissue = read_h5ad(file, ReadOptions(cell_type="state"))
    config = KineticsConfig(model=model, n_neighbors=20, smooth_components=10)
    origin = Origin(roots=np.flatnonzero(tissue.cell_types.values() == "progenitor"))
    result = velocity(tissue, config, origin=origin)
    field, written = result.field, anndata.read_h5ad(out)
    assert direction == direction_in_words(result.evidence)
    of_genes = written[:, list(field.genes)]
    np.testing.assert_array_equal(of_genes.layers["velocity"], field.spliced)
    np.testing.assert_array_equal(of_genes.layers["Ms"], field.moments_spliced)
    np.testing.assert_array_equal(of_genes.var["velocity_genes"], field.velocity_genes)
    np.testing.assert_array_equal(written.obs["latent_time"], field.time)
    arrows = [values for key, values in written.obsm.items() if key.startswith("velocity_")]
    np.testing.assert_array_equal(arrows[0], result.arrows)
    for name in columns:
        np.testing.assert_array_equal(of_genes.var[name], field.gene_table[name])
    record = read_provenance(out)
    assert record["velocity"]["model"] == field.model
    assert record["provenance"]["settings"]["KineticsConfig"] == dataclasses.asdict(config)


def test_steer_is_that_of_its_own_command(file, monkeypatch, tmp_path):
    """Both commands ask the workflow for the same fit."""
    monkeypatch.chdir(tmp_path)
    asked = []

    def velocity(tissue, config, **options):
        asked.append((tissue.n_cells, config, options))
        message = "enough"
        raise DataError(message)

    monkeypatch.setattr(workflow, "velocity_steps", velocity)
    given = [
        str(file),
        "--n-experts",
        "2",
        "--device",
        "cpu",
        "--seed",
        "5",
        "--schedule",
        "full",
        "--within",
        "expert",
    ]
    assert main(["velocity", *given, "--model", "steer", "--save-network", "net", "--checkpoint", "state"]) == 2
    assert main(["steer", *given, "--save-network", "net", "--checkpoint", "state"]) == 2
    assert asked[0] == asked[1]
    assert asked[0][1] == replace(SteerConfig.schedule("full"), n_experts=2, device="cpu", seed=5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--n-experts", "3"], "--n-experts belongs to the model steer, but the model is dynamical"),
        (["--schedule", "full"], "--schedule belongs to the model steer"),
        (["--checkpoint", "state"], "--checkpoint belongs to the model steer"),
        (["--model", "steer", "--n-pcs", "5"], "--n-pcs belongs to the model dynamical, but the model is steer"),
        (["--device", "mps"], "--device is 'mps'. Choose one of"),
        (["--quantile", "2"], "--quantile is 2.0; it must be below 1"),
        (["--cell-type", "state", "--root-type", "Nope"], "no cell type 'Nope'"),
        (["--within", "expert"], "no experts"),
    ],
)
def test_what_does_not_belong_together_is_one_sentence(file, capsys, given, words):
    assert main(["velocity", str(file), *given]) == 2
    message = capsys.readouterr().err.strip()
    assert words in message
    assert len(message.splitlines()) == 1
    assert not file.with_name("in_result.h5ad").exists()


def test_every_setting_of_every_model_is_explained(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "2000")  # no text is wrapped
    with pytest.raises(SystemExit):
        main(["velocity", "--help"])
    page = " ".join(capsys.readouterr().out.split())
    kinetic = {field.name for field in dataclasses.fields(KineticsConfig)}
    for settings, known in ((KineticsConfig, {"model", "device"}), (SteerConfig, kinetic)):
        texts = parameter_texts(settings)
        for name in setting_types(settings):
            assert f"--{name.replace('_', '-')}" in page
            assert name in known or " ".join(texts[name].split()) in page
