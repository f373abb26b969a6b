"""The public functions: AnnData in and out, with the numbers of the functions behind them."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
import typing

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import napari_tissue_dynamics as td
from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.data.io import contents, from_anndata, read_h5ad
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.regulatory_network import build_network

FEW = {"min_shared_counts": 5}
FUNCTIONS = ("fate", "read", "regulation", "save", "simulate", "velocity")
TINY_STEER = {"hidden_size": 16, "latent_size": 4, "n_experts": 2} | dict.fromkeys(
    ("autoencoder_epochs", "cluster_epochs", "time_epochs", "warm_up_epochs", "velocity_epochs"), 2
)


@pytest.fixture(scope="module")
def simulated():
    return td.simulate(n_cells=300, n_genes=40, seed=2)


@pytest.fixture
def adata(simulated):
    return simulated.copy()


@pytest.fixture(scope="module")
def fitted(simulated):
    """Everything is in it."""
    adata = simulated.copy()
    td.velocity(adata, "stochastic", **FEW)
    td.fate(adata, ["epithelium", "neural"])
    td.regulation(adata, "Axin2", permutations=0, **offered(adata))
    return adata


def offered(adata):
    return {"regulators": adata.uns["true_regulators"], "pairs": adata.uns["true_pairs"]}


def keys_of(adata):
    return {
        group: set(getattr(adata, group).keys()) for group in ("layers", "obs", "var", "obsm", "obsp", "varm", "uns")
    }


def test_all_names_are_there_and_are_listed():
    assert set(dir(td)) == set(td.__all__)
    for name in td.__all__:
        assert getattr(td, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        td.nothing  # noqa: B018
    assert td.errors.DataError is DataError


def test_functions_stay_functions_after_inner_modules_are_imported():
    code = (
        "import napari_tissue_dynamics as td\n"
        "import napari_tissue_dynamics.kinetic_models, napari_tissue_dynamics.simulators.kinds\n"
        "import napari_tissue_dynamics.analysis.fate.fate, napari_tissue_dynamics.analysis.regulation\n"
        "import napari_tissue_dynamics.api.view, napari_tissue_dynamics.cli, napari_tissue_dynamics.readers\n"
        f"assert all(callable(getattr(td, name)) for name in {(*FUNCTIONS, 'view')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_in_a_docstring_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_example(getattr(td, name), name)


@pytest.mark.gui
def test_the_example_of_the_window_runs(make_napari_viewer, monkeypatch):
    monkeypatch.setattr("napari.Viewer", make_napari_viewer)
    run_example(td.view, "view")


def run_example(function, name):
    examples = doctest.DocTestParser().get_doctest(inspect.getdoc(function), {}, name, None, None)
    assert len(examples.examples) > 1
    assert doctest.DocTestRunner().run(examples).failed == 0


@pytest.mark.parametrize("name", [*FUNCTIONS, "view"])
def test_docstrings_tell_all_parameters(name):
    function = getattr(td, name)
    documented = td_parameters(function)
    expected = {each.name for each in inspect.signature(function).parameters.values()}
    assert documented == expected


def td_parameters(function):
    from napari_tissue_dynamics.descriptions import parameter_texts

    return set(parameter_texts(function))


def arrays_in(value, where=""):
    """Yield every array below an AnnData, with its place."""
    if isinstance(value, anndata.AnnData):
        for group in ("layers", "obsm", "obsp", "varm", "uns"):
            yield from arrays_in(dict(getattr(value, group)), group)
        yield from arrays_in({name: value.obs[name].to_numpy() for name in value.obs}, "obs")
        yield from arrays_in({"X": value.X}, "")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from arrays_in(each, f"{where}/{key}")
    elif hasattr(value, "indptr"):
        yield f"{where}/data", value.data
    elif isinstance(value, np.ndarray):
        yield where, value


def test_what_is_in_an_anndata_can_still_be_changed_in_place(simulated, viewer_model):
    """Tissues and results are frozen; an AnnData shares no memory with them."""
    adata = simulated.copy()
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    td.velocity(adata, "steady_state", **FEW)
    td.fate(adata, "cell_type", drivers=False)
    td.regulation(adata, "Axin2", permutations=0, **offered(adata))
    td.view(adata, viewer_model)
    frozen = {place for place, array in arrays_in(adata) if not array.flags.writeable}
    frozen -= {place for place in frozen if place.startswith("obs/")}  # pandas hands out read-only copies
    assert not frozen
    assert {
        place for place, array in arrays_in(simulated) if not array.flags.writeable and "obs/" not in place
    } == set()


@pytest.fixture
def viewer_model(qapp):
    from napari.components import ViewerModel

    return ViewerModel()


def test_velocities_are_those_of_the_workflow_and_lie_where_a_file_has_them(adata, tmp_path):
    tissue = from_anndata(adata)
    expected = workflow.velocity(tissue, td.KineticsConfig(model="stochastic", **FEW))
    before = keys_of(adata)
    result = td.velocity(adata, "stochastic", **FEW)
    assert isinstance(result, td.VelocityResult)
    assert_array_equal(result.field.spliced, expected.field.spliced)
    assert_array_equal(adata.obsm["velocity_spatial"], expected.arrows)
    assert_array_equal(adata.obs["latent_time"], expected.field.time)
    columns = [adata.var_names.get_loc(gene) for gene in expected.field.genes]
    assert_array_equal(adata.layers["velocity"][:, columns], expected.field.spliced)
    assert np.isnan(np.delete(adata.layers["velocity"], columns, axis=1)).all()
    workflow.save(tmp_path / "file.h5ad", tissue, velocity=expected)
    file = keys_of(anndata.read_h5ad(tmp_path / "file.h5ad"))
    assert {group: names - before[group] for group, names in keys_of(adata).items()} == {
        group: names - before[group] for group, names in file.items()
    }


def test_a_copy_leaves_the_anndata_as_it_was(adata, simulated):
    copied = td.velocity(adata, "steady_state", copy=True, **FEW)
    assert keys_of(adata) == keys_of(simulated)
    assert "velocity" in copied.layers
    with_fate = td.fate(copied, ["neural", "epithelium"], copy=True)
    assert "lineages_fwd" in with_fate.obsm
    assert "lineages_fwd" not in copied.obsm
    with_betas = td.regulation(adata, "Axin2", copy=True, permutations=0, **offered(adata))
    assert "betas_Axin2" in with_betas.obsm
    assert keys_of(adata) == keys_of(simulated)


def test_a_tissue_gives_results_and_takes_no_copy(adata):
    tissue = from_anndata(adata)
    result = td.velocity(tissue, td.KineticsConfig(model="steady_state"), **FEW)
    fates = td.fate(tissue, ["neural", "epithelium"], velocity=result)
    assert fates.n_cells == tissue.n_cells
    with pytest.raises(DataError, match="nothing to copy"):
        td.velocity(tissue, copy=True)
    with pytest.raises(DataError, match="already been read"):
        td.velocity(tissue, cell_type="cell_type")
    with pytest.raises(DataError, match="holds no velocities"):
        td.fate(tissue)


def test_steer_keeps_its_network_for_other_cells(adata, tmp_path):
    network = tmp_path / "network.safetensors"
    result = td.velocity(adata, "steer", network=network, root_type="mesenchyme", **TINY_STEER)
    assert result.field.expert_probability.shape == (300, 2)
    assert list(adata.obs["expert"].cat.categories) == ["0", "1"]
    other = td.simulate(n_cells=200, n_genes=40, seed=5)
    applied = td.velocity(other, network)
    assert applied.field.genes == result.field.genes
    assert "velocity" in other.layers


def test_time_begins_where_a_column_says(adata):
    result = td.velocity(adata, "dynamical", stage="true_time", n_top_genes=20, **FEW)
    assert np.corrcoef(result.field.time, adata.obs["true_time"])[0, 1] > 0.5


def test_progress_is_told(adata, capsys):
    seen = []
    td.velocity(adata, "steady_state", progress=seen.append, **FEW)
    assert seen[0].fraction < seen[-1].fraction <= 1
    td.velocity(adata, "steady_state", progress=None, **FEW)
    assert not capsys.readouterr().err  # it is no terminal
    td.velocity(adata, "steady_state", progress=True, **FEW)
    assert "%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (("velvet",), {}, "dynamical, steer"),
        (("dynamical",), {"n_top_gene": 20}, "Did you mean 'n_top_genes'"),
        (("dynamical",), {"min_r2": 3}, "at most 1"),
        (("dynamical",), {"n_top_genes": "many"}, "int"),
        (("dynamical",), {"moments": "rough"}, "'smooth', 'neighbors'"),
        (("dynamical",), {"network": "a.safetensors"}, "dynamical model writes no network"),
        (("dynamical",), {"root_type": "brain"}, "brain"),
        (("dynamical",), {"spliced": "counts"}, "no layer 'counts'"),
    ],
)
def test_what_cannot_be_is_said_before_the_fit(adata, simulated, arguments, settings, words):
    with pytest.raises(DataError, match=words):
        td.velocity(adata, *arguments, **settings)
    assert keys_of(adata) == keys_of(simulated)


def test_what_is_no_anndata_is_refused():
    for function in (td.velocity, td.fate, lambda data: td.regulation(data, "Axin2")):
        with pytest.raises(DataError, match="AnnData was expected"):
            function(np.ones((3, 3)))


def test_fates_are_those_of_the_workflow(fitted):
    found = td.fate(fitted.copy(), ["epithelium", "neural"])
    direct = workflow.fate(
        from_anndata(fitted),
        workflow.velocity(from_anndata(fitted), td.KineticsConfig(model="stochastic", **FEW)),
        terminal=workflow.terminal_states(from_anndata(fitted), types=("epithelium", "neural")),
    )
    assert_allclose(found.probabilities, direct.probabilities, atol=1e-4)
    assert_array_equal(fitted.obsm["lineages_fwd"], found.probabilities)
    assert list(fitted.obs["term_states_fwd"].cat.categories) == ["epithelium", "neural"]


def test_terminal_states_can_be_given_in_many_ways(fitted):
    adata = fitted.copy()
    types = td.fate(adata, ["epithelium", "neural"], drivers=False)
    adata.obs["ends"] = adata.obs["cell_type"].where(adata.obs["cell_type"] != "mesenchyme")
    column = td.fate(adata, "ends", drivers=False)
    masks = {name: (adata.obs["cell_type"] == name).to_numpy() for name in ("epithelium", "neural")}
    cells = td.fate(adata, masks, drivers=False)
    for other in (column, cells):
        assert other.names == types.names
        assert_array_equal(other.probabilities, types.probabilities)
    with pytest.raises(DataError, match="has numbers"):
        td.fate(adata, "true_time")


def test_fates_need_velocities(adata):
    with pytest.raises(DataError, match="holds no velocity"):
        td.fate(adata)


def test_velocities_of_scvelo_have_fates(adata):
    """They have no record of ours, nor velocities of the unspliced RNA."""
    made = td.velocity(adata, "steady_state", copy=True, **FEW)
    for key in ("velocity", "Ms", "Mu"):
        adata.layers[key] = made.layers[key]
    adata.var["velocity_genes"] = made.var["velocity_genes"]
    assert td.fate(adata, ["epithelium", "neural"]).n_cells == 300


def test_regulators_and_pairs_can_be_given_in_many_ways(adata, tmp_path):
    regulators, pairs = adata.uns["true_regulators"]["Axin2"], adata.uns["true_pairs"]
    tissue = from_anndata(adata)
    network = build_network(tissue.genes, ["Axin2"], regulators=tuple(regulators), pairs="none")
    assert not network.exclude_loops
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    table = pd.DataFrame({"source": regulators, "target": "Axin2"})
    ways = [
        {"targets": ["Axin2"], "regulators": list(regulators), "pairs": pairs},
        {"targets": {"Axin2": regulators}, "pairs": tmp_path / "pairs.csv"},
        {"targets": "Axin2", "links": table, "pairs": [tuple(row) for row in pairs.to_numpy()]},
        {"targets": "Axin2", "regulators": {"Axin2": regulators, "Other": ["Nothing"]}, "pairs": pairs},
    ]
    found = [td.regulation(adata, **way, permutations=0)["Axin2"] for way in ways]
    for other in found[1:]:
        assert other.modulators == found[0].modulators
        assert_array_equal(other.betas, found[0].betas)
    assert_array_equal(adata.obsm["betas_Axin2"], found[0].betas)
    none = td.regulation(adata, "Axin2", regulators=regulators, pairs="none", permutations=0)
    assert none["Axin2"].modulators == tuple(sorted(regulators))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"targets": "Axin3"}, "Axin3"),
        ({"targets": "Axin2", "regulators": ["Lef9"]}, "Lef9"),
        ({"targets": "Axin2", "regulators": "Lef1"}, "Give a list"),
        ({"targets": {"Axin2": ["Lef1"]}, "regulators": ["Lef1"]}, "twice"),
        ({"targets": "Axin2", "pairs": ["Wnt5a"]}, "not a ligand-receptor pair"),
        ({"targets": "Axin2", "links": pd.DataFrame({"a": [1]})}, "no column source and target"),
        ({"targets": "Axin2", "estimator": "guess"}, "'smooth', 'network'"),
    ],
)
def test_regulation_that_cannot_be_fitted_is_said(adata, given, words):
    with pytest.raises(DataError, match=words):
        td.regulation(adata, **{"pairs": "none", **given})


def test_what_is_saved_is_read_again(fitted, tmp_path):
    fitted.uns["foreign"] = {"numbers": np.arange(3)}
    path = td.save(tmp_path / "a.h5ad", fitted)
    again = td.read(path)
    assert keys_of(again) == keys_of(fitted)
    for group in ("layers", "obsm"):
        for key, values in getattr(fitted, group).items():
            one, other = (v.toarray() if hasattr(v, "toarray") else v for v in (getattr(again, group)[key], values))
            assert_array_equal(np.asarray(one), np.asarray(other), err_msg=key)
    with pytest.raises(DataError, match="Omit velocity"):
        td.save(path, fitted, velocity=td.velocity(fitted, "steady_state", copy=False, **FEW))


def test_a_tissue_is_saved_with_its_results(adata, tmp_path):
    tissue = from_anndata(adata)
    result = td.velocity(tissue, "steady_state", **FEW)
    path = td.save(tmp_path / "t.h5ad", tissue, velocity=result)
    assert_array_equal(td.read(path).obsm["velocity_spatial"], result.arrows)


def test_reading_puts_what_was_chosen_where_it_is_looked_for(adata, tmp_path):
    adata.layers["mature"], adata.layers["nascent"] = adata.layers.pop("spliced"), adata.layers.pop("unspliced")
    adata.obsm["X_spatial"] = adata.obsm.pop("spatial")
    adata.obs["other_type"] = pd.Categorical(np.where(adata.obs["true_time"] < 10, "early", "late"))
    adata.layers["scaled"] = adata.X * 2
    adata.write_h5ad(tmp_path / "in.h5ad")
    options = {
        "spliced": "mature", "unspliced": "nascent", "cell_type": "other_type", "expression": "scaled",
        "only": ("true_regime", adata.obs["true_regime"].cat.categories[1]), "pixel_size_um": 0.5,
    }  # fmt: skip
    found = from_anndata(td.read(tmp_path / "in.h5ad", **options))
    expected = read_h5ad(tmp_path / "in.h5ad", td.ReadOptions(**options))
    assert found.cells == expected.cells
    assert 0 < found.n_cells < 300
    assert_allclose(found.positions, expected.positions)
    assert (found.unit, found.expression_key) == ("um", "scaled")
    assert found.cell_types.categories == ("early", "late")
    assert_array_equal(found.spliced.toarray(), expected.spliced.toarray())
    assert_array_equal(found.expression, expected.expression)
    for one, other in zip(found.histology, expected.histology, strict=True):
        assert_allclose([one.pixel_size, *one.origin], [other.pixel_size, *other.origin])
    again = from_anndata(td.read(td.save(tmp_path / "out.h5ad", td.read(tmp_path / "in.h5ad", **options))))
    assert again.cell_types.categories == ("early", "late")
    assert contents(tmp_path / "out.h5ad").cell_type == "other_type"
    without = td.read(tmp_path / "in.h5ad", cell_type="")
    assert from_anndata(without).cell_types is None


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        td.read(tmp_path / "no.h5ad")
    with pytest.raises(DataError, match="no setting 'splice'"):
        td.read(tmp_path / "no.h5ad", splice="a")
    (tmp_path / "text.h5ad").write_text("text")
    with pytest.raises(DataError, match="not an HDF5 file"):
        td.read(tmp_path / "text.h5ad")


@pytest.mark.parametrize("kind", ["two_arms", "bilinear", "multiradial", "branching", "telegraph"])
def test_every_kind_is_simulated_with_its_truth(kind):
    adata = td.simulate(200, 40, seed=3, kind=kind)
    assert adata.shape == (200, 40)
    assert {"spliced", "unspliced", "true_velocity", "true_gamma"} <= set(adata.layers)
    assert {"true_time", "true_regime"} <= set(adata.obs)
    assert ("true_spatial_velocity" in adata.obsm) == (kind != "branching")
    assert from_anndata(adata).n_cells == 200
    assert_array_equal(
        td.simulate(200, 40, seed=3, kind=kind).layers["spliced"].toarray(), adata.layers["spliced"].toarray()
    )


def test_simulations_refuse_what_is_not_theirs():
    with pytest.raises(DataError, match="two_arms, bilinear"):
        td.simulate(kind="cube")
    with pytest.raises(DataError, match="one kind of kinetics"):
        td.simulate(noise="real")
    with pytest.raises(DataError, match="friendly, mixed"):
        td.simulate(kind="bilinear", kinetics="odd")


def test_true_coefficients_make_the_targets(adata):
    """The simulated expression of a target follows from its coefficients and modulators, up to noise."""
    betas = adata.obsm["true_betas_Axin2"]
    factors = [name.removeprefix("beta_") for name in betas.columns[1:] if "$" not in name]
    assert set(factors) == {"Lef1", "Sox9"}
    made = betas["beta0"] + sum(betas[f"beta_{name}"] * adata[:, name].X.ravel() for name in factors)
    assert np.corrcoef(made, adata[:, "Axin2"].X.ravel())[0, 1] > 0.5


def test_type_checkers_see_the_functions():
    assert typing.get_overloads(td.velocity)
    assert "model" in inspect.signature(td.velocity).parameters
