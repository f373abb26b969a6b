"""One call from a simulation to files and scores."""

import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.export import ExportConfig, run_velocity_engine
from napari_tissue_dynamics.simulators.branching import simulate_branching

FILES = ("velocity_vectors.csv", "kinetic_params.csv", "latent_time.csv", "fate_probabilities.csv", "fate_drivers.csv")


def test_scores_follow_from_the_files(tmp_path):
    config = ExportConfig(dashboard=False)
    summary = run_velocity_engine(tmp_path, 400, 150, 3, "steady_state", seed=1, config=config)
    assert tuple(summary["files"]) == FILES
    true = simulate_branching(400, 150, 1, n_states=3, n_branch_points=1)
    time = pd.read_csv(tmp_path / "latent_time.csv")["latent_time"]
    assert summary["latent_time_r"] == pytest.approx(np.corrcoef(time, true.truth.time)[0, 1], abs=1e-4)
    assert summary["latent_time_r"] > 0.85
    assert summary["velocity_cosine"] > 0.5

    fates = pd.read_csv(tmp_path / "fate_probabilities.csv")
    probabilities = fates[summary["terminal_states"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    # The same accuracy by another way: every end takes the state that its cells are most often given.
    said, end = probabilities.argmax(axis=1), true.state.codes
    right = sum(np.bincount(said[end == each]).max() for each in (1, 2))
    assert summary["fate_accuracy"] == pytest.approx(right / (end > 0).sum(), abs=1e-9)
    assert summary["fate_accuracy"] > 0.9


def test_a_model_or_tree_that_does_not_exist_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="choose one of steady_state"):
        run_velocity_engine(tmp_path / "no", 100, 20, model="magic")
    with pytest.raises(DataError, match="at least 2 states"):
        run_velocity_engine(tmp_path / "no", 100, 20, n_states=1)
    assert not (tmp_path / "no").exists()
