"""What was done in a window, done again without one."""

import json

import anndata
import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io import ReadOptions, write_h5ad
from napari_tissue_dynamics.data.io.action_log import ActionLog, read_log
from napari_tissue_dynamics.descriptions import setting_values
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.travlr.config import PublishedOptions, TravlrConfig
from napari_tissue_dynamics.travlr.priors.regulatory_network import build_network
from napari_tissue_dynamics.workflow import origin_of, regulation_steps, save
from napari_tissue_dynamics.workflow.replay import settings_from


@pytest.fixture(scope="module")
def simulated():
    return simulate_tissue(n_cells=200, n_genes=40, seed=4)


@pytest.fixture
def file(simulated, tmp_path):
    write_h5ad(tmp_path / "tissue.h5ad", simulated.tissue)
    return tmp_path / "tissue.h5ad"


def dense(values):
    return values.toarray() if sparse.issparse(values) else values


def logged(file, simulated):
    """Do something as a dock does, and return the log and the results."""
    from napari_tissue_dynamics.progress import run_to_end

    tissue, log = simulated.tissue, ActionLog()
    log.add("load", path=file, options=ReadOptions(cell_type=tissue.cell_types.name), cells=200, genes=40)
    settings = KineticsConfig(model="stochastic", min_shared_counts=1, n_neighbors=15)
    begin = tissue.cell_types.categories[0]
    velocity = workflow.velocity(tissue, settings, origin=origin_of(tissue, root_type=begin))
    log.add("velocity", settings=settings, projection=velocity.projection, origin={"root_type": begin})
    log.add("color", name="latent time")
    config = TravlrConfig(waves=2, permutations=10)
    targets = simulated.truth.targets[:1]
    choice = {"regulators": simulated.truth.regulators, "links": None, "pairs": "none", "tf_ligands": None}
    regulation = run_to_end(regulation_steps(tissue, targets, build_network(tissue.genes, targets, **choice), config))
    log.add("regulation", settings=config, targets=targets, network=choice, many=False)
    return log, velocity, regulation


def test_the_same_numbers_come_out(simulated, file, tmp_path, capsys):
    log, velocity, regulation = logged(file, simulated)
    log.save(tmp_path / "actions.jsonl")
    save(
        tmp_path / "window.h5ad",
        simulated.tissue,
        source=file,
        velocity=velocity,
        regulation=regulation,
        actions=log.actions,
    )
    for made_by in ("actions.jsonl", "window.h5ad"):
        again = tmp_path / "again.h5ad"
        assert main(["replay", str(tmp_path / made_by), "--out", str(again)]) == 0
        assert "4 actions" in capsys.readouterr().out
        one, other = anndata.read_h5ad(tmp_path / "window.h5ad"), anndata.read_h5ad(again)
        assert {"latent_time", "velocity_confidence"} <= set(one.obs)
        for name in one.obs.select_dtypes("number"):
            np.testing.assert_array_equal(one.obs[name], other.obs[name])
        for name in one.layers:
            np.testing.assert_array_equal(dense(one.layers[name]), dense(other.layers[name]))
        assert any(name.startswith("betas_") for name in one.obsm)
        for name in one.obsm:
            np.testing.assert_array_equal(np.asarray(one.obsm[name]), np.asarray(other.obsm[name]))
        again.unlink()


def test_a_result_says_how_it_was_made(simulated, file, tmp_path):
    import h5py

    from napari_tissue_dynamics.data.io.results import read_record

    settings = KineticsConfig(model="steady_state", min_shared_counts=1, n_neighbors=15, seed=3)
    velocity = workflow.velocity(simulated.tissue, settings)
    prints = []
    for name, tissue in (("a", simulated.tissue), ("b", simulated.tissue.with_(source="elsewhere"))):
        save(tmp_path / f"{name}.h5ad", tissue, source=file, velocity=velocity, settings=[settings])
        with h5py.File(tmp_path / f"{name}.h5ad") as found:
            made = read_record(found)["provenance"]
        prints.append(made["data"]["fingerprint"])
        assert made["settings"]["KineticsConfig"]["seed"] == 3
        assert made["installed"]["numpy"] == np.__version__
        assert made["data"]["source"] == "tissue.h5ad"
        assert made["saved"].startswith("20")
    assert prints[0] == prints[1]


def test_a_file_that_was_moved_can_be_named_and_another_is_refused(simulated, file, tmp_path, capsys):
    log = ActionLog()
    log.add("load", path=file, options=None, cells=200, genes=40)
    log.save(tmp_path / "log.jsonl")
    file.rename(tmp_path / "moved.h5ad")
    arguments = ["replay", str(tmp_path / "log.jsonl"), "--out", str(tmp_path / "out.h5ad"), "--file"]
    assert main([*arguments, str(tmp_path / "moved.h5ad")]) == 0
    assert (tmp_path / "out.h5ad").is_file()
    write_h5ad(tmp_path / "other.h5ad", simulated.tissue.select_cells(np.arange(50)))
    assert main([*arguments, str(tmp_path / "other.h5ad")]) == 2
    assert "50 cells and 40 genes" in capsys.readouterr().err


def test_settings_survive(tmp_path):
    log = ActionLog()
    options = ReadOptions(placement=Placement(flip_x=True, scale=2.0), image=tmp_path / "a.png")
    config = TravlrConfig(waves=3, published=PublishedOptions(solver="path"))
    log.add("load", path=tmp_path, options=options)
    log.add("regulation", settings=config, many=np.bool_(True), targets=("a",))
    log.save(tmp_path / "log.jsonl")
    load, regulation = read_log(tmp_path / "log.jsonl")
    from napari_tissue_dynamics.workflow.replay import read_options_from

    assert read_options_from(load.details["options"]) == options
    assert settings_from(regulation.details["settings"]) == config
    flat = {"type": "TravlrConfig", "values": setting_values(config)}  # as logs were before there were groups
    assert settings_from(flat) == config
    assert regulation.details["many"] is True
    assert regulation.at[:2] == "20"
    for each in (tmp_path / "log.jsonl").read_text().splitlines():
        json.loads(each)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no action log"),
        ("{not json\n", "is not an action log"),
        ('{"at": "x"}\n', "is not an action log"),
        ('{"action": "velocity"}\n', "contains no loaded tissue"),
        ('{"action": "load", "path": null}\n{"action": "velocity", "settings": {"type": "os"}}', "does not support"),
        (
            '{"action": "load", "path": null}\n'
            '{"action": "velocity", "settings": {"type": "KineticsConfig", "values": {"speed": 1}}}',
            "no setting 'speed'",
        ),
    ],
)
def test_a_bad_log_gets_a_sentence(tmp_path, capsys, text, words):
    (tmp_path / "log.jsonl").write_text(text)
    assert main(["replay", str(tmp_path / "log.jsonl"), "--out", str(tmp_path / "out.h5ad")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.h5ad").exists()


def test_a_log_that_cannot_be_written_says_so(tmp_path):
    log = ActionLog()
    log.add("load")
    with pytest.raises(DataError, match="cannot be written"):
        log.save(tmp_path / "nowhere" / "log.jsonl")
