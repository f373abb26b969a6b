"""The demo of the README: files and screenshots, and a window in which nothing contradicts the pictures."""

from types import SimpleNamespace

import pytest
from imageio.v3 import imread

from napari_tissue_dynamics.data.io import read_h5ad, read_regulation, read_velocity
from napari_tissue_dynamics.widgets.docks import demo

pytestmark = pytest.mark.gui


def test_the_demo_writes_results_and_screenshots(make_napari_viewer, tmp_path, tiny_steer, monkeypatch):
    said = {}

    class Seen(demo.Picture):
        def take_all(self):
            super().take_all()
            said["alignment"] = self.load.align.verdict.text()

    viewer = make_napari_viewer(show=True)
    monkeypatch.setattr("napari.Viewer", lambda: viewer)
    monkeypatch.setattr(demo, "SteerConfig", SimpleNamespace(schedule=lambda name: tiny_steer))
    monkeypatch.setattr(demo, "SIMULATED_CELLS", 250)
    monkeypatch.setattr(demo, "Picture", Seen)
    demo.run_demo(tmp_path / "demo", window=False)

    tissue = read_h5ad(tmp_path / "demo" / "tissue.h5ad")
    assert tissue.n_cells == 250
    assert read_velocity(tmp_path / "demo" / "result.h5ad").model == "STEER"
    genes = read_regulation(tmp_path / "demo" / "result.h5ad").genes
    assert "of 250 cells are on tissue" in said["alignment"]
    pictures = {path.stem: imread(path) for path in (tmp_path / "demo").glob("*.png")}
    groups = {"tissue", "velocity", "velocity_grid", "expert", "latent_time"}
    assert set(pictures) == groups | {f"beta_{gene.target}" for gene in genes}
    assert all(picture.shape[0] > 500 and picture.std() > 10 for picture in pictures.values())
    assert (tmp_path / "demo" / "steps.txt").read_text().count(" s\n") == 6
