"""The command line: the same numbers as from Python, and one sentence with exit code 2 for bad input."""

import dataclasses

import anndata
import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.data.anndata_io import read_provenance
from napari_tissue_dynamics.data.simulate import simulate_tissue
from napari_tissue_dynamics.descriptions import parameter_texts
from napari_tissue_dynamics.steer import SteerConfig, fit
from napari_tissue_dynamics.travlr import TravlrConfig

TINY_STEER = {
    "n_experts": 2,
    "hidden_size": 16,
    "latent_size": 4,
    "autoencoder_epochs": 2,
    "cluster_epochs": 2,
    "time_epochs": 2,
    "warm_up_epochs": 2,
    "velocity_epochs": 2,
    "min_shared_counts": 0,
}
TRAVLR = ["travlr", "--regulators", "Gene1", "--pairs", "none"]


def flags(settings):
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    cells, genes = 60, 20
    table = anndata.AnnData(
        rng.poisson(3.0, (cells, genes)).astype(np.float32),
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical(rng.choice(["A", "B"], cells))},
            index=[f"c{i}" for i in range(cells)],
        ),
        var=pd.DataFrame(index=[f"Gene{i}" for i in range(genes)]),
    )
    table.layers["spliced"] = rng.poisson(5.0, (cells, genes))
    table.layers["unspliced"] = rng.poisson(2.0, (cells, genes))
    table.obsm["spatial"] = rng.uniform(0, 100, (cells, 2))
    return table


def without_spliced(adata):
    del adata.layers["spliced"]
    return adata


def without_coordinates(adata):
    del adata.obsm["spatial"]
    return adata


def with_nan_coordinates(adata):
    adata.obsm["spatial"][3, 0] = np.nan
    return adata


def with_duplicates(adata):
    adata.var_names = ["Gene0", "Gene0", *adata.var_names[2:]]
    return adata


def empty(adata):
    return adata[:0].copy()


def with_lonely_cell(adata):
    adata.obs["cell_type"] = pd.Categorical(["Lonely"] + ["A"] * (adata.n_obs - 1))
    return adata


def run_and_read(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err.strip()


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize(
    ("spoil", "command", "words"),
    [
        (without_spliced, ["steer"], ["spliced"]),
        (without_coordinates, ["steer"], ["spatial"]),
        (with_nan_coordinates, ["steer"], ["1 of 60", "finite"]),
        (with_duplicates, ["steer"], ["Gene0", "unique"]),
        (empty, ["steer"], ["0 cells"]),
        (lambda adata: adata, [*TRAVLR, "--targets", "Nope"], ["Nope"]),
        (
            with_lonely_cell,
            [*TRAVLR, "--targets", "Gene0"],
            ["Lonely", "1 cell"],
        ),
    ],
)
def test_bad_tables_give_one_sentence(adata, tmp_path, capsys, spoil, command, words):
    path, out = tmp_path / "bad.h5ad", tmp_path / "out.h5ad"
    spoil(adata).write_h5ad(path)
    before = path.read_bytes()
    name, *rest = command
    code, message = run_and_read(capsys, name, path, "--out", out, *rest)
    assert code == 2
    assert "Traceback" not in message
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message
    assert not out.exists()
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["text", "truncated"])
def test_bad_files_give_one_sentence(adata, tmp_path, capsys, content):
    path = tmp_path / "bad.h5ad"
    adata.write_h5ad(path)
    whole = path.read_bytes()
    path.write_bytes(b"this is no HDF5 file" if content == "text" else whole[: len(whole) // 2])
    code, message = run_and_read(capsys, "steer", path)
    assert code == 2
    assert "bad.h5ad" in message
    assert len(message.splitlines()) == 1


def test_missing_file(tmp_path, capsys):
    code, message = run_and_read(capsys, "look", tmp_path / "nowhere.h5ad")
    assert code == 2
    assert "nowhere.h5ad" in message


def test_settings_out_of_range_are_refused(adata, tmp_path, capsys):
    path = tmp_path / "in.h5ad"
    adata.write_h5ad(path)
    code, message = run_and_read(capsys, "steer", path, "--learning-rate", "-1")
    assert code == 2
    assert "--learning-rate is -1.0; it must be above 0" in message


@pytest.mark.parametrize(("command", "settings"), [("steer", SteerConfig), ("travlr", TravlrConfig)])
def test_every_setting_is_explained(capsys, monkeypatch, command, settings):
    monkeypatch.setenv("COLUMNS", "2000")  # no text is wrapped
    with pytest.raises(SystemExit):
        main([command, "--help"])
    page = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(settings):
        assert f"--{field.name.replace('_', '-')}" in page
    assert all(" ".join(text.split()) in page for text in parameter_texts(settings).values())


def test_command_line_and_python_agree(tmp_path):
    path, out = tmp_path / "in.h5ad", tmp_path / "out.h5ad"
    assert main(["simulate", str(path), "--cells", "150", "--genes", "40"]) == 0
    assert main(["steer", str(path), "--out", str(out), *flags(TINY_STEER)]) == 0
    written = anndata.read_h5ad(out)
    field = fit(simulate_tissue(150, 40, seed=0).tissue, SteerConfig(**TINY_STEER))
    np.testing.assert_allclose(written[:, list(field.genes)].layers["velocity"], field.spliced, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(written.obs["latent_time"], field.time, rtol=1e-4, atol=1e-5)
    assert written.obsm["velocity_spatial"].shape == (150, 2)
    assert {"expert", "velocity_confidence"} <= set(written.obs)
    record = read_provenance(out)
    assert record["velocity"]["status"] == "complete"
    assert record["provenance"]["settings"]["SteerConfig"]["n_experts"] == 2


def test_travlr_writes_betas(tmp_path):
    path, out = tmp_path / "in.h5ad", tmp_path / "out.h5ad"
    simulated = simulate_tissue(200, 40, seed=0)
    target = simulated.truth.targets[0]
    regulators = ",".join(simulated.truth.regulators[target])
    main(["simulate", str(path), "--cells", "200", "--genes", "40"])
    arguments = ["--targets", target, "--regulators", regulators, "--pairs", "none", "--epochs", "1"]
    assert main(["travlr", str(path), "--out", str(out), *arguments]) == 0
    betas = anndata.read_h5ad(out).obsm[f"betas_{target}"]
    assert list(betas.columns) == ["beta0", *(f"beta_{name}" for name in simulated.truth.regulators[target])]
    assert len(betas) == 200
