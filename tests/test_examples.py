"""The scripts of ``examples/`` run."""

import runpy
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_velocity_without_a_window(capsys):
    script = runpy.run_path(str(EXAMPLES / "velocity_without_a_window.py"))
    cosine = script["main"](
        150, 40, hidden_size=16, latent_size=4, autoencoder_epochs=2, cluster_epochs=2, time_epochs=2,
        warm_up_epochs=2, velocity_epochs=2,
    )  # fmt: skip
    assert cosine.shape == (150,)
    assert (np.abs(cosine) <= 1 + 1e-6).all()
    assert "mean cosine" in capsys.readouterr().out
