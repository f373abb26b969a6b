"""A velocity model is one row of a table: forms, commands, logs and replay find it there."""

from dataclasses import dataclass
from typing import Annotated

import anndata
import numpy as np
import pytest
from annotated_types import Ge

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.data.io import ReadOptions, read_provenance
from napari_tissue_dynamics.data.io.action_log import ActionLog, read_log
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.progress import Progress, run_to_end
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.simulators.write import write_simulated
from napari_tissue_dynamics.steer import SteerConfig
from napari_tissue_dynamics.workflow.models import MODELS, VelocityModel, model_named, model_of
from napari_tissue_dynamics.workflow.replay import replay_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyConfig:
    """Settings of the toy.

    Parameters
    ----------
    weight
        Multiplies the difference.
    device
        Where it computes.
    seed
        Seed of bootstrap and null.
    """

    weight: Annotated[float, Ge(0)] = 1.0
    device: str = "cpu"
    seed: Annotated[int, Ge(0)] = 0


def toy_steps(tissue, config, stop, origin, files):
    """Unspliced minus spliced counts: a model so small that its numbers can be checked by hand."""
    yield Progress("subtracting", 0, 1, 0.0)
    u, s = (np.asarray(counts.todense() if hasattr(counts, "todense") else counts, dtype=np.float32)
            for counts in (tissue.unspliced, tissue.spliced))  # fmt: skip
    change = config.weight * (u - s)
    return VelocityField(tissue.genes, change, change, s, u, model="toy")


@pytest.fixture
def toy(monkeypatch):
    row = VelocityModel(
        name="toy", label="toy", doing="Subtracting", about="Unspliced minus spliced.", settings=ToyConfig,
        fit_steps=toy_steps, essential=("weight",),
    )  # fmt: skip
    monkeypatch.setitem(MODELS, "toy", row)
    return row


@pytest.fixture(scope="module")
def simulated():
    return simulate_tissue(120, 30, seed=2)


@pytest.fixture
def file(simulated, tmp_path):
    path = tmp_path / "in.h5ad"
    write_simulated(path, simulated.tissue, simulated.truth)
    return path


def expected(tissue, weight):
    return weight * (np.asarray(tissue.unspliced.toarray()) - np.asarray(tissue.spliced.toarray()))


def test_the_command_fits_it(toy, file, simulated, tmp_path, capsys):
    out = tmp_path / "out.h5ad"
    assert main(["velocity", str(file), "--model", "toy", "--weight", "3", "--out", str(out)]) == 0
    np.testing.assert_allclose(anndata.read_h5ad(out).layers["velocity"], expected(simulated.tissue, 3), rtol=1e-6)
    fates = ["--model", "stored", "--terminal-types", "neural", "--out", str(tmp_path / "fates.h5ad")]
    assert main(["fate", str(out), *fates]) == 0
    assert set(read_provenance(tmp_path / "fates.h5ad")["provenance"]["settings"]) >= {"ToyConfig", "FateConfig"}
    capsys.readouterr()
    assert main(["velocity", str(file), "--weight", "3"]) == 2
    assert "--weight belongs to the model toy" in capsys.readouterr().err
    assert main(["velocity", str(file), "--model", "toy", "--weight", "-1"]) == 2
    assert "--weight is -1.0; it must be at least 0" in capsys.readouterr().err


def test_fates_are_found_from_it(toy, file, simulated, tmp_path):
    out, types = tmp_path / "out.h5ad", "epithelium,mesenchyme"
    given = ["--model", "toy", "--terminal-types", types, "--n-cells", "10", "--no-drivers"]
    assert main(["fate", str(file), "--out", str(out), *given]) == 0
    np.testing.assert_allclose(anndata.read_h5ad(out).layers["velocity"], expected(simulated.tissue, 1), rtol=1e-6)


def test_a_log_replays_it(toy, file, simulated, tmp_path):
    log = ActionLog()
    log.add("load", path=file, options=ReadOptions())
    log.add("velocity", settings=ToyConfig(weight=2), projection=workflow.PROJECTION)
    log.save(tmp_path / "log.jsonl")
    again = run_to_end(replay_steps(read_log(tmp_path / "log.jsonl"), tmp_path / "again.h5ad"))
    np.testing.assert_allclose(anndata.read_h5ad(again).layers["velocity"], expected(simulated.tissue, 2), rtol=1e-6)


@pytest.mark.gui
def test_the_form_offers_it(toy, qtbot):
    from napari_tissue_dynamics.widgets.forms.model_form import ModelForm

    form = ModelForm()
    qtbot.addWidget(form)
    form.set_value(ToyConfig(weight=4))
    assert form.value() == ToyConfig(weight=4)
    assert form.model.currentText() == "toy"
    assert form.about.text() == toy.about
    form.forms[ToyConfig].editor("weight").setValue(2.5)
    assert form.value().weight == 2.5


@pytest.mark.parametrize("name", list(MODELS))
def test_settings_find_their_model_again(name):
    assert model_of(model_named(name).start()).name == name


def test_the_default_of_a_class_is_a_model():
    assert model_of(KineticsConfig()).name == "dynamical"
    assert model_of(SteerConfig()).name == "steer"


def test_what_is_no_model_is_refused():
    with pytest.raises(DataError, match=r"no velocity model 'toy'\. Choose one of dynamical, steer"):
        model_named("toy")
    with pytest.raises(DataError, match="are not settings of a velocity model"):
        model_of(ReadOptions())


def test_files_go_to_models_that_keep_them(simulated, tmp_path):
    with pytest.raises(DataError, match="dynamical model writes no network file"):
        workflow.velocity(simulated.tissue, KineticsConfig(), network=tmp_path / "network")
