"""Looking around must stay cheap: heavy libraries load when a fit or a window is asked for."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "napari", "qtpy", "PyQt6", "magicgui", "squidpy", "scanpy", "matplotlib", "sklearn", "umap", "numba"}


def modules_loaded_by(code):
    listing = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {name.split(".")[0] for name in listing.stdout.split()}


def test_the_front_door_loads_almost_nothing():
    heavier = HEAVY | {"numpy", "scipy", "pandas", "anndata", "h5py", "numba"}
    assert not heavier & modules_loaded_by("import napari_tissue_dynamics as td; dir(td), td.__version__, td.errors")


def test_settings_and_functions_of_the_front_door_load_no_library_for_fits():
    code = "import napari_tissue_dynamics as td; [getattr(td, name) for name in td.__all__]"
    assert not HEAVY & modules_loaded_by(code)


@pytest.mark.parametrize(
    "code",
    [
        "import napari_tissue_dynamics",
        "import napari_tissue_dynamics.steer, napari_tissue_dynamics.travlr",
        "import napari_tissue_dynamics.layers.points, napari_tissue_dynamics.layers.vectors",
        "import napari_tissue_dynamics.readers, napari_tissue_dynamics.samples",
        "import napari_tissue_dynamics.data.io, napari_tissue_dynamics.workflow",
        "import napari_tissue_dynamics.cli",
        "import napari_tissue_dynamics.analysis.genes.experts, napari_tissue_dynamics.analysis.genes.spatial_genes",
        "import napari_tissue_dynamics.analysis.cells.embedding",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert not HEAVY & modules_loaded_by(code)


def test_a_fit_loads_torch():
    assert "torch" in modules_loaded_by("from napari_tissue_dynamics.steer import fit")


def test_importing_changes_no_global_random_state():
    code = (
        "import numpy as np, torch; np.random.seed(3); torch.manual_seed(3)\n"
        "a = np.random.get_state()[1].copy(); b = torch.get_rng_state().clone()\n"
        "import warnings; before = list(warnings.filters)\n"
        "import napari_tissue_dynamics.steer.training, napari_tissue_dynamics.travlr.training\n"
        "assert (a == np.random.get_state()[1]).all() and (b == torch.get_rng_state()).all()\n"
        "ours = [f for f in warnings.filters if f not in before and 'tissue_dynamics' in str(f)]\n"
        "assert not ours"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
