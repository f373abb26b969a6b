"""The notebooks of the documentation run, cell by cell, and what they print of the truth holds."""

import json
import os
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"


def cells_of(name):
    notebook = json.loads((TUTORIALS / name).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(name):
    names = {}
    for number, cell in enumerate(cells_of(name)):
        exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), names)
    return names


@pytest.mark.gui
def test_the_main_job(make_napari_viewer, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari.Viewer", make_napari_viewer)
    found = run("main_job.ipynb")
    assert found["cosine"] > 0.9
    assert found["time_correlation"] > 0.9
    assert len(found["fates"].names) == 2
    assert min(found["beta_correlation"].values()) > 0.8
    assert (tmp_path / "tissue_with_results.h5ad").is_file()
    assert ("viewer" in found) == bool(os.environ.get("DISPLAY"))


def test_notebooks_are_kept_without_outputs():
    for path in TUTORIALS.glob("*.ipynb"):
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells_of(path.name))
