"""Viewers, docks and files for the tests of the docks."""

import pytest
from napari.components import ViewerModel

from napari_tissue_dynamics.data.io import write_h5ad
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.steer.config import PublishedOptions, SteerConfig
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

TINY_STEER = SteerConfig(
    n_experts=2,
    n_genes=40,
    keep_genes=20,
    min_shared_counts=0,
    smooth_neighbors=8,
    expression_neighbors=8,
    hidden_size=16,
    latent_size=8,
    autoencoder_epochs=3,
    cluster_epochs=3,
    time_epochs=3,
    warm_up_epochs=3,
    velocity_epochs=3,
    device="cpu",
    published=PublishedOptions(loss_neighbors=8),
)
TINY_TRAVLR = TravlrConfig(estimator="network", epochs=2, spatial_dim=8, device="cpu")


@pytest.fixture(scope="session")
def tiny_steer():
    return TINY_STEER


@pytest.fixture(scope="session")
def tiny_travlr():
    return TINY_TRAVLR


@pytest.fixture(scope="session")
def simulated():
    return simulate_tissue(n_cells=250, n_genes=60, seed=3)


@pytest.fixture(scope="session")
def tissue(simulated):
    return simulated.tissue


@pytest.fixture(scope="session")
def tissue_file(tissue, tmp_path_factory):
    path = tmp_path_factory.mktemp("tissue") / "small tissue.h5ad"
    write_h5ad(path, tissue)
    return path


@pytest.fixture
def viewer(qapp):
    return ViewerModel()


@pytest.fixture
def workspace(viewer):
    return workspace_of(viewer)


@pytest.fixture
def open_dock(viewer, qtbot):
    """Return a function that opens a dock and at the end waits for what still runs."""
    docks = []

    def opened(dock_class):
        dock = dock_class(viewer)
        qtbot.addWidget(dock)
        docks.append(dock)
        return dock

    yield opened
    workspace = workspace_of(viewer)
    for dock in docks:
        dock.stop()
    qtbot.waitUntil(lambda: workspace.running == "")


@pytest.fixture
def finish(qtbot):
    """Return a function that waits until the job of a dock has ended."""

    def wait(dock):
        qtbot.waitUntil(lambda: not dock.is_running)

    return wait
