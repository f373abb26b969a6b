"""The kinetic models as one press of a Run button."""

import threading

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.analysis.validation.benchmark_metrics import time_agreement
from napari_tissue_dynamics.data.io import read_provenance
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.kinetic_models import KineticsConfig, fit
from napari_tissue_dynamics.kinetics.root_cells import Origin
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.simulators.noise import Noise
from napari_tissue_dynamics.workflow import VelocityPreview, in_words, save, velocity, velocity_steps

MODELS = ("steady_state", "stochastic", "dynamical")


@pytest.fixture(scope="module")
def simulated():
    counted = Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=1500.0, dropout=0.1)
    return simulate_branching(400, 120, seed=3, noise=counted)


@pytest.mark.parametrize("model", MODELS)
def test_the_picture_is_that_of_the_fit(simulated, model):
    reports = []
    config = KineticsConfig(model=model)
    result = velocity(simulated.tissue, config, reports.append)
    np.testing.assert_array_equal(result.field.spliced, fit(simulated.tissue, config).spliced)
    assert [report.fraction for report in reports] == sorted(report.fraction for report in reports)
    previews = [report.snapshot for report in reports if report.snapshot is not None]
    assert isinstance(previews[-1], VelocityPreview)
    # Arrows lead to later cells: the time rises along them.
    ahead = simulated.tissue.positions[None] - simulated.tissue.positions[:, None]
    near = np.linalg.norm(ahead, axis=2).argsort(axis=1)[:, 1:11]
    along = np.einsum("nkd,nd->nk", np.take_along_axis(ahead, near[..., None], axis=1), result.arrows)
    later = simulated.truth.time[near] - simulated.truth.time[:, None]
    assert (np.sign((along * later).sum(axis=1)) > 0).mean() > 0.7  # branches overlap in the plane
    assert result.neighbor_correlation.mean() > 0.5
    assert result.graph.neighbors.shape[0] == simulated.tissue.n_cells
    assert f"{result.field.velocity_genes.sum()} of them velocity genes" in in_words(result, config)


def test_settings_and_columns_of_the_fit_are_saved(simulated, tmp_path):
    import anndata

    config = KineticsConfig(n_neighbors=20)
    result = velocity(simulated.tissue, config, projection=ProjectionConfig(neighbors="expression"))
    path = save(tmp_path / "out.h5ad", simulated.tissue, velocity=result, settings=[config])
    written = anndata.read_h5ad(path)
    assert {"fit_alpha", "fit_beta", "fit_gamma", "fit_t_", "fit_likelihood", "velocity_genes"} <= set(written.var)
    assert {"latent_time", "velocity_confidence"} <= set(written.obs)
    assert written.uns["velocity_graph"].shape == (400, 400)
    settings = read_provenance(path)["provenance"]["settings"]
    assert settings["KineticsConfig"]["n_neighbors"] == 20
    assert settings["ProjectionConfig"]["neighbors"] == "expression"


def test_a_beginning_is_handed_on(simulated):
    config = KineticsConfig(model="steady_state")
    last = np.flatnonzero(simulated.truth.time > simulated.truth.time.max() - 0.3)
    free, told = (velocity(simulated.tissue, config, origin=each) for each in (None, Origin(roots=last)))
    assert time_agreement(free.field.time, simulated.truth.time).overall > 0.9
    assert np.abs(told.field.time - free.field.time).max() > 1e-3


def test_what_cannot_be_drawn_is_said_before_the_fit(simulated):
    for within, words in (("expert", "no experts"), ("cell type", "no cell types")):
        steps = velocity_steps(
            simulated.tissue.with_(cell_types=None), KineticsConfig(), projection=ProjectionConfig(within=within)
        )
        with pytest.raises(DataError, match=words):
            next(steps)


@pytest.mark.parametrize("phase", ["moments", "arrows"])
def test_stop_leaves_no_result(simulated, phase):
    stop = threading.Event()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(
            velocity_steps(simulated.tissue, KineticsConfig(), stop),
            lambda report: stop.set() if report.phase == phase else None,
        )
    assert stop.is_set()
