"""What cells can be colored by says nothing of trust unless the counts support the direction."""

from dataclasses import replace

import anndata
import numpy as np
import pytest

from napari_tissue_dynamics.data.io import contents, read_h5ad
from napari_tissue_dynamics.data.velocity_evidence import VERDICTS, VelocityEvidence
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
from napari_tissue_dynamics.widgets.panels.colorable_sources import sources_of
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue
from napari_tissue_dynamics.workflow import save, velocity


@pytest.fixture(scope="module")
def fitted(tissue):
    return velocity(tissue, KineticsConfig(model="steady_state", min_shared_counts=0))


@pytest.fixture(scope="module")
def file(tissue, fitted, tmp_path_factory):
    path = save(tmp_path_factory.mktemp("fitted") / "fitted.h5ad", tissue, velocity=fitted)
    adata = anndata.read_h5ad(path)
    adata.obs["velocity_direction_confidence"] = adata.obs["latent_time_spread"] = 0.9  # of an earlier version
    adata.write_h5ad(path)
    return path


def test_old_figures_and_the_figure_of_scvelo_are_not_offered(viewer, workspace, file):
    held = contents(file)
    assert {"velocity_confidence", "velocity_direction_confidence", "latent_time_spread"} <= set(held.obs)
    show_tissue(viewer, workspace, OpenedTissue(read_h5ad(file), file, held))
    columns = sources_of(workspace).names()["column"]
    assert "latent_time" in columns
    assert not [name for name in columns if "confidence" in name or "spread" in name]


@pytest.mark.parametrize("verdict", [*VERDICTS, None])
def test_confidence_is_offered_for_supported_directions_only(viewer, workspace, tissue, fitted, verdict):
    field = replace(fitted.field, evidence=verdict and VelocityEvidence(verdict, 1.0, 1.0))
    sure = np.linspace(-1, 1, tissue.n_cells).astype(np.float32) if verdict == "supported" else None
    show_tissue(viewer, workspace, OpenedTissue(tissue, None, None))
    workspace.set_velocity(replace(fitted, field=field, confidence=sure))
    names = sources_of(workspace).names()["result"]
    assert ("velocity confidence" in names) == (verdict == "supported")
    assert not [name for name in names if "agreement" in name or "spread" in name]
