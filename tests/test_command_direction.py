"""The command ``direction``: the same verdict as from Python, and one sentence with exit code 2 for bad input."""

import numpy as np
import pytest

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.cli import main
from napari_tissue_dynamics.data.io import ReadOptions, read_h5ad, read_velocity, write_h5ad
from napari_tissue_dynamics.data.velocity_evidence import NOT_TESTED
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.branching import simulate_branching


@pytest.fixture(scope="module")
def tree():
    return simulate_branching(300, 120, 1, n_states=3, n_branch_points=1)


@pytest.fixture(scope="module")
def file(tree, tmp_path_factory):
    """A lineage tree with its true velocity."""
    path = tmp_path_factory.mktemp("direction") / "tree.h5ad"
    x, v = np.asarray(tree.truth.spliced, np.float32), np.asarray(tree.truth.velocity, np.float32)
    time = np.asarray(tree.truth.time, np.float32)
    write_h5ad(path, tree.tissue, velocity=VelocityField(tree.tissue.genes, v, v, x, x, time=time / time.max()))
    return path


def test_verdict_is_that_of_python_and_turns_with_the_order(file, tree, capsys):
    types = tree.tissue.cell_types.categories
    first = int(np.argmin([tree.truth.time[tree.tissue.cell_types.codes == k].mean() for k in range(len(types))]))
    last = [name for name in types if name != types[first]]
    order = f"{types[first]} > {', '.join(last)}"
    assert main(["direction", str(file), "--order", order, "--cell-type", "state"]) == 0
    told = capsys.readouterr().out
    tissue = read_h5ad(file, ReadOptions(cell_type="state"))
    steps = workflow.direction_steps(tissue, read_velocity(file), workflow.named_order(tissue, types=order))
    assert run_to_end(steps).verdict in told
    assert "Velocities follow the named order" in told
    assert told.startswith(f"{NOT_TESTED}\n")
    assert f"{types[first]} > {last[0]}" in told
    back = "; ".join(f"{name} > {types[first]}" for name in last)
    assert main(["direction", str(file), "--order", back, "--cell-type", "state"]) == 0
    assert "Velocities follow" not in capsys.readouterr().out


def test_bad_input_is_one_sentence(file, tree, tmp_path, capsys):
    assert main(["direction", str(file), "--order", "nobody > noone", "--cell-type", "state"]) == 2
    assert "no cell type 'nobody'" in capsys.readouterr().err
    bare = tmp_path / "bare.h5ad"
    write_h5ad(bare, tree.tissue)
    types = tree.tissue.cell_types.categories
    assert main(["direction", str(bare), "--order", f"{types[0]} > {types[1]}", "--cell-type", "state"]) == 2
    assert "velocity" in capsys.readouterr().err
