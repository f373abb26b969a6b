"""The command ``fate``: the same numbers as from Python, and one sentence with exit code 2 for bad input."""

from dataclasses import replace

import numpy as np
import pytest

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.fate.fate import FateConfig
from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.data.fate_result import FateResult
from napari_tissue_dynamics.data.io import read_fate, read_h5ad, read_provenance, read_velocity, write_h5ad
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models import KineticsConfig, fit
from napari_tissue_dynamics.simulators.branching import simulate_branching


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A lineage tree with a fitted velocity but no graph."""
    path = tmp_path_factory.mktemp("fate") / "tree.h5ad"
    tissue = simulate_branching(400, 150, 1, n_states=3, n_branch_points=1).tissue
    velocity = replace(fit(tissue, KineticsConfig(model="steady_state")), evidence=VelocityEvidence("weak", 2.75, 2.25))
    write_h5ad(path, tissue, velocity=velocity)
    return path


def test_velocity_of_the_file_is_used_as_from_python(file, tmp_path, capsys):
    out = tmp_path / "out.h5ad"
    assert main(["fate", str(file), "--out", str(out), "--cell-type", "state", "--n-cells", "20"]) == 0
    direction, fates = capsys.readouterr().out.splitlines()[:2]
    assert direction == read_velocity(file).evidence.sentence
    assert "terminal states" in fates
    tissue = read_h5ad(file)
    expected = workflow.fate(tissue, read_velocity(file), FateConfig(n_cells=20))
    found = read_fate(out)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    assert sorted(found.names) == ["end 1", "end 2"]
    assert found.drivers is not None
    assert read_provenance(out)["provenance"]["settings"]["FateConfig"]["n_cells"] == 20
    np.testing.assert_array_equal(read_velocity(out).spliced, read_velocity(file).spliced)


def test_cells_of_a_fate_that_lie_together_are_enriched_near_each_other(file, rng):
    tissue = read_h5ad(file)
    labels = workflow.terminal_states(tissue, cells={"left": [0], "right": [1]})
    left = rng.random(tissue.n_cells) < 0.5
    probabilities = np.stack([left, ~left], axis=1).astype(np.float32)
    probabilities[5] = np.nan  # reaches no terminal state
    result = FateResult(labels, probabilities)
    places = rng.uniform(0, 1, (tissue.n_cells, 2)) + np.where(left, 0, 2)[:, None]
    table = workflow.fate_neighborhoods(replace(tissue, positions=places, unit="um"), result)
    assert list(table) == list(table.index) == ["left", "right"]
    assert min(table.loc["left", "left"], table.loc["right", "right"]) > 10
    assert max(table.loc["left", "right"], table.loc["right", "left"]) < -10
    with pytest.raises(DataError, match="not in a tissue"):
        workflow.fate_neighborhoods(replace(tissue, unit="embedding"), result)


def test_a_velocity_is_fitted_when_asked(file, tmp_path):
    out = tmp_path / "out.h5ad"
    given = ["--model", "stochastic", "--terminal-types", "end 1,end 2", "--no-drivers", "--cell-type", "state"]
    assert main(["fate", str(file), "--out", str(out), *given]) == 0
    assert read_velocity(out).model == "stochastic"
    found = read_fate(out)
    assert found.names == ("end 1", "end 2")
    assert not found.found
    assert found.drivers is None


def test_cells_may_be_named(file, tmp_path):
    out = tmp_path / "out.h5ad"
    cells = ["--terminal-cells", "a=cell_00001,cell_00002", "--terminal-cells", "b=cell_00007"]
    assert main(["fate", str(file), "--out", str(out), *cells]) == 0
    np.testing.assert_array_equal(np.flatnonzero(read_fate(out).terminal.codes >= 0), [1, 2, 7])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--terminal-types", "nothing", "--cell-type", "state"], "There is no cell type 'nothing'"),
        (["--terminal-cells", "cell_00001"], "a name and its cells"),
        (["--connectivity-weight", "2"], "must be at most 1"),
        (["--n-states", "12", "--n-cells", "5"], "Ask for fewer"),
    ],
)
def test_bad_input_is_one_sentence(file, tmp_path, capsys, given, words):
    assert main(["fate", str(file), "--out", str(tmp_path / "out.h5ad"), *given]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.h5ad").exists()
