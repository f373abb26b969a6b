"""The command line: the same numbers as from Python, and one sentence with exit code 2 for bad input."""

import anndata
import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.data.io import read_h5ad, read_provenance
from napari_tissue_dynamics.descriptions import parameter_texts, setting_types, with_settings
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.simulators.velocity import Noise, simulate_bilinear, simulate_multiradial
from napari_tissue_dynamics.steer import SteerConfig, apply_model, fit
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


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("steer", SteerConfig),
        ("steer", ProjectionConfig),
        ("apply", ProjectionConfig),
        ("travlr", TravlrConfig),
    ],
)
def test_every_setting_is_explained(capsys, monkeypatch, command, settings):
    monkeypatch.setenv("COLUMNS", "2000")  # no text is wrapped
    with pytest.raises(SystemExit):
        main([command, "--help"])
    page = " ".join(capsys.readouterr().out.split())
    for name in setting_types(settings):
        assert f"--{name.replace('_', '-')}" in page
    assert all(" ".join(text.split()) in page for text in parameter_texts(settings).values())


def test_command_line_and_python_agree(tmp_path):
    path, out = tmp_path / "in.h5ad", tmp_path / "out.h5ad"
    assert main(["simulate", str(path), "--cells", "150", "--genes", "40"]) == 0
    assert main(["steer", str(path), "--out", str(out), *flags(TINY_STEER)]) == 0
    written = anndata.read_h5ad(out)
    field = fit(simulate_tissue(150, 40, seed=0).tissue, with_settings(SteerConfig(), TINY_STEER))
    np.testing.assert_allclose(written[:, list(field.genes)].layers["velocity"], field.spliced, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(written.obs["latent_time"], field.time, rtol=1e-4, atol=1e-5)
    assert written.obsm["velocity_spatial"].shape == (150, 2)
    assert {"expert", "velocity_confidence"} <= set(written.obs)
    record = read_provenance(out)
    assert record["velocity"]["status"] == "complete"
    assert record["provenance"]["settings"]["SteerConfig"]["n_experts"] == 2


@pytest.fixture(scope="module")
def simulated_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "in.h5ad"
    assert main(["simulate", str(path), "--cells", "150", "--genes", "40"]) == 0
    return path


def test_a_trained_network_is_applied_to_another_file(simulated_file, tmp_path, capsys):
    model, out, other = tmp_path / "model", tmp_path / "out.h5ad", tmp_path / "other.h5ad"
    files = ["--save-network", str(model), "--out", str(out)]
    arrows = ["--within", "cell type", "--neighbors", "expression"]
    assert main(["steer", str(simulated_file), *files, *arrows, *flags(TINY_STEER)]) == 0
    assert "2 kinetic regimes" in capsys.readouterr().out
    settings = read_provenance(out)["provenance"]["settings"]
    assert settings["ProjectionConfig"] == {"neighbors": "expression", "within": "cell type"}
    assert main(["apply", str(model), str(simulated_file), "--out", str(other), "--within", "expert"]) == 0
    trained, applied = anndata.read_h5ad(out), anndata.read_h5ad(other)
    np.testing.assert_allclose(applied.obs["latent_time"], apply_model(model, read_h5ad(simulated_file)).time)
    # The fit has the time of its clock; the network was hardly trained.
    assert not np.array_equal(trained.obs["latent_time"], applied.obs["latent_time"])
    assert read_provenance(other)["provenance"]["settings"]["ProjectionConfig"]["within"] == "expert"
    code, message = run_and_read(capsys, "apply", simulated_file, simulated_file)
    assert code == 2
    assert len(message.splitlines()) == 1


def test_state_of_a_run_is_read_and_removed(simulated_file, tmp_path, capsys):
    state, out = tmp_path / "state", tmp_path / "out.h5ad"
    arguments = ["steer", str(simulated_file), "--checkpoint", str(state), "--out", str(out), *flags(TINY_STEER)]
    state.write_bytes(b"something else")
    code, message = run_and_read(capsys, *arguments)
    assert code == 2
    assert f"{state} cannot be read" in message
    state.unlink()
    assert main(arguments) == 0
    assert not state.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--root-type", "neural"], "roots"),
        (["--root-cell", "cell_00003, cell_00010"], "roots"),
        (["--stage", "true_time"], "stage"),
    ],
)
def test_where_time_begins(simulated_file, monkeypatch, given, expected):
    from napari_tissue_dynamics import workflow

    seen = {}
    stop = DataError("enough")

    def velocity(tissue, config, **options):
        seen.update(options, tissue=tissue)
        raise stop

    monkeypatch.setattr(workflow, "velocity_steps", velocity)
    assert main(["steer", str(simulated_file), *given]) == 2
    origin, tissue = seen["origin"], seen["tissue"]
    if expected == "stage":
        np.testing.assert_allclose(origin.stage, anndata.read_h5ad(simulated_file).obs["true_time"])
    elif given[0] == "--root-cell":
        assert origin.roots.tolist() == [3, 10]
    else:
        types = tissue.cell_types
        np.testing.assert_array_equal(origin.roots, np.flatnonzero(types.values() == "neural"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--root-type", "Nope"], "no cell type 'Nope'"),
        (["--root-cell", "nobody"], "no cell nobody"),
        (["--stage", "nowhere"], "no obs column 'nowhere'"),
        (["--stage", "cell_type"], "does not define an order"),
        (["--stage", "true_time", "--profile", "faithful"], "faithful profile cannot use"),
    ],
)
def test_a_beginning_that_is_not_there(simulated_file, capsys, given, words):
    code, message = run_and_read(capsys, "steer", simulated_file, *given)
    assert code == 2
    assert words in message
    assert len(message.splitlines()) == 1


def test_only_one_beginning_can_be_given(simulated_file, capsys):
    with pytest.raises(SystemExit):
        main(["steer", str(simulated_file), "--root-type", "neural", "--stage", "true_time"])
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bilinear", "multiradial"])
def test_benchmarks_are_simulated(tmp_path, kind):
    simulate = {"bilinear": simulate_bilinear, "multiradial": simulate_multiradial}[kind]
    path = tmp_path / "in.h5ad"
    size = ["--cells", "120", "--genes", "15", "--seed", "5"]
    assert main(["simulate", str(path), "--kind", kind, "--kinetics", "mixed", "--noise", "real", *size]) == 0
    adata, expected = anndata.read_h5ad(path), simulate(120, 15, 5, kinetics="mixed", noise=Noise.real())
    np.testing.assert_array_equal(adata.layers["spliced"].toarray(), expected.tissue.spliced.toarray())
    np.testing.assert_array_equal(adata.obs["true_time"], expected.truth.time)
    assert set(adata.obs["true_regime"]) == set(expected.truth.regime.categories)


def test_a_tissue_with_bursts_is_simulated(tmp_path):
    path, size = tmp_path / "in.h5ad", ["--cells", "120", "--genes", "15", "--seed", "5"]
    options = ["--layout", "branches", "--regimes", "3", "--static", "0.25", "--compartments"]
    assert main(["simulate", str(path), "--kind", "telegraph", *options, *size]) == 0
    settings = TelegraphSettings(layout="branches", n_regimes=3, static=0.25, compartments=True)
    adata, expected = anndata.read_h5ad(path), simulate_telegraph(120, 15, 5, settings)
    np.testing.assert_array_equal(adata.layers["spliced"].toarray(), expected.tissue.spliced.toarray())
    np.testing.assert_array_equal(adata.obs["true_static"], expected.truth.static)
    assert "nuclear" in str(adata.uns["layer_meaning"])


def test_options_of_the_benchmarks_are_not_for_two_arms(tmp_path, capsys):
    code, message = run_and_read(capsys, "simulate", tmp_path / "in.h5ad", "--noise", "none")
    assert code == 2
    assert "Choose another kind" in message
    code, message = run_and_read(capsys, "simulate", tmp_path / "in.h5ad", "--kind", "bilinear", "--cells", "3")
    assert code == 2
    assert "at least 50" in message


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
    table = tmp_path / "betas.csv"
    modulator = simulated.truth.regulators[target][0]
    assert main(["betas", str(out), "--gene", target, "--modulator", modulator, "--out", str(table)]) == 0
    written = pd.read_csv(table, index_col=0)
    assert list(written.index) == list(betas.index)
    np.testing.assert_allclose(written[f"beta_{modulator}"], betas[f"beta_{modulator}"], rtol=1e-6)


def test_travlr_takes_the_genes_that_vary_most_in_space(tmp_path, capsys):
    from napari_tissue_dynamics.analysis.genes.spatial_genes import spatial_genes, suggested_targets

    path, out = tmp_path / "in.h5ad", tmp_path / "out.h5ad"
    main(["simulate", str(path), "--cells", "200", "--genes", "40"])
    best = suggested_targets(spatial_genes(read_h5ad(path)), 2)
    regulators = ",".join(gene for gene in simulate_tissue(200, 40, seed=0).tissue.genes if gene not in best)
    command = ["travlr", path, "--out", out, "--regulators", regulators, "--pairs", "none"]
    code, message = run_and_read(capsys, *command, "--targets", "auto:0")
    assert code == 2
    assert "auto:N" in message
    assert main([*map(str, command), "--targets", "auto:2"]) == 0
    assert f"targets {', '.join(best)}" in capsys.readouterr().out
    assert {f"betas_{gene}" for gene in best} <= set(anndata.read_h5ad(out).obsm)


def test_many_genes_of_the_command_line(tmp_path, capsys):
    path, store, genes = tmp_path / "in.h5ad", tmp_path / "run", tmp_path / "genes.txt"
    simulated = simulate_tissue(200, 40, seed=0)
    targets = simulated.truth.targets
    links = pd.DataFrame([(tf, target) for target in targets for tf in simulated.truth.regulators[target]])
    links.set_axis(["source", "target"], axis=1).to_csv(tmp_path / "links.csv", index=False)
    genes.write_text("# of interest\n" + "\n".join(targets[:2]) + "\n\n")
    main(["simulate", str(path), "--cells", "200", "--genes", "40"])
    command = ["travlr", path, "--links", tmp_path / "links.csv", "--pairs", "none", "--epochs", "0", "--store", store]
    assert run_and_read(capsys, *command, "--genes-file", genes) == (0, "")
    code, message = run_and_read(capsys, *command, "--all-genes")
    assert code == 2
    assert "already holds fitted genes" in message
    legacy = tmp_path / "legacy"
    assert main([str(part) for part in (*command, "--all-genes", "--resume", "--export-legacy", legacy)]) == 0
    said = capsys.readouterr().out
    assert f"{len(targets)} of 40 genes fitted" in said
    assert "No candidate regulator of" in said
    assert not (tmp_path / "in_result.h5ad").exists()
    gene, modulator = targets[0], simulated.truth.regulators[targets[0]][0]
    out = tmp_path / "betas.parquet"
    for folder in (store, legacy):
        chosen = ["betas", folder, "--gene", gene, "--modulator", modulator, "-o", out]
        assert run_and_read(capsys, *chosen) == (0, "")
        table = pd.read_parquet(out)
        assert list(table.columns) == [f"beta_{modulator}"]
        assert list(table.index) == list(simulated.tissue.cells)
    one = pd.read_parquet(out)
    assert run_and_read(capsys, "betas", store, "--gene", gene, "-o", tmp_path / "all.csv") == (0, "")
    every = pd.read_csv(tmp_path / "all.csv", index_col=0)
    np.testing.assert_allclose(every[f"beta_{modulator}"], one[f"beta_{modulator}"], rtol=1e-5)
    code, message = run_and_read(capsys, "betas", legacy, "--gene", gene, "--modulator", "Nope", "-o", out)
    assert code == 2
    assert "'Nope' is no modulator" in message
    code, message = run_and_read(capsys, *command[:-2], "--targets", gene, "--resume")
    assert code == 2
    assert "--store" in message


def test_an_interrupted_run_keeps_its_genes_and_gives_the_others_back(tmp_path, capsys, monkeypatch):
    from napari_tissue_dynamics.travlr.batch import batch_fit as many

    path, store = tmp_path / "in.h5ad", tmp_path / "run"
    simulated = simulate_tissue(100, 40, seed=0)
    main(["simulate", str(path), "--cells", "100", "--genes", "40"])
    targets = ",".join(simulated.truth.targets)
    regulators = ",".join(simulated.truth.regulators[simulated.truth.targets[0]])
    command = ["travlr", path, "--targets", targets, "--regulators", regulators, "--pairs", "none", "--store", store]
    settings = ["--estimator", "network", "--epochs", "0", "--score-threshold", "-100"]

    class Interrupted(many.InProcess):
        def submit(self, chosen):
            if chosen.target != simulated.truth.targets[0]:
                raise KeyboardInterrupt
            super().submit(chosen)

    monkeypatch.setattr(many, "InProcess", Interrupted)
    assert run_and_read(capsys, *command, *settings) == (130, "tissue-dynamics: stopped")
    assert len(list((store / "genes").iterdir())) == 1
    assert not list((store / "claims").iterdir())


def test_look_judges_the_image_and_the_counts(tmp_path, capsys):
    path = tmp_path / "t.h5ad"
    assert main(["simulate", str(path), "--cells", "150", "--genes", "40"]) == 0
    capsys.readouterr()
    assert main(["look", str(path)]) == 0
    said = capsys.readouterr().out
    assert "image simulated: 100% of 150 cells are on tissue. No flip" in said
    assert "Ready for STEER (about" in said
    assert "spliced: spliced, raw counts" in said
    assert main(["look", str(path), "--place-image", "flip-y, scale 1"]) == 0
    assert "With the image moved (flip-y) it would be 100%." in capsys.readouterr().out
