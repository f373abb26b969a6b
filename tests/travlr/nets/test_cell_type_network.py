"""Every kind of network and of maps goes through the same training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_tissue_dynamics.compute import one_thread
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.config import PublishedOptions, TravlrConfig
from napari_tissue_dynamics.travlr.nets.cell_type import type_steps
from napari_tissue_dynamics.travlr.nets.cell_type_network import Niche, betas_of, new_network
from napari_tissue_dynamics.travlr.nets.initial_coefficients import r_squared
from napari_tissue_dynamics.travlr.nets.spatial_maps import min_max_scaled, neighbor_count_steps
from napari_tissue_dynamics.travlr.nets.type_maps import type_maps
from napari_tissue_dynamics.travlr.training import fit
from napari_tissue_dynamics.travlr.versions import PROFILES, CompatibilityProfile

GROUPS = np.zeros(2, dtype=np.int8)


@pytest.fixture(autouse=True)
def one_thread_as_in_a_fit():
    """On a busy machine two threads of such small products wait for each other twenty times as long as they work."""
    with one_thread():
        yield


def _drain(steps):
    reports = []
    while True:
        try:
            reports.append(next(steps))
        except StopIteration as end:
            return end.value, reports


def _niche(maps="position", dimensions=2, n=90, pixels=8):
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 100, (n, dimensions))
    codes = rng.integers(0, 2, n)
    counts, _ = _drain(neighbor_count_steps(positions, codes, 2, 20.0))
    seen = type_maps(maps, positions, codes, 2, pixels, 10.0)[0]
    return Niche.of(positions, min_max_scaled(counts), seen, torch.device("cpu"))


def _data(niche):
    rng = np.random.default_rng(1)
    x = rng.gamma(2, 0.5, (len(niche), 2)).astype(np.float32)
    y = (0.3 + (0.5 + niche.positions[:, 0] / 50) * x[:, 0] + 0.02 * rng.normal(size=len(niche))).astype(np.float32)
    return x, y


@pytest.mark.parametrize("vision", ["cnn", "transformer"])
@pytest.mark.parametrize("maps", ["position", "masked_distance", "density", "inverse_distance"])
def test_every_network_sees_every_kind_of_map(vision, maps):
    niche = _niche(maps)
    x, y = _data(niche)
    config = TravlrConfig(spatial_dim=8, epochs=2, batch_size=40, published=PublishedOptions(vision_model=vision))
    before = torch.get_rng_state()
    fitted, reports = _drain(type_steps(x, y, GROUPS, niche, config, 7))
    assert torch.equal(before, torch.get_rng_state())
    assert fitted.betas[:, 1].std() > 0
    assert len(fitted.losses) == 2 * 3
    assert sum(step.cells for step in reports) == 2 * 90
    again, _ = _drain(type_steps(x, y, GROUPS, niche, config, 7))
    np.testing.assert_array_equal(fitted.betas, again.betas)
    np.testing.assert_array_equal(betas_of(fitted.network, niche), fitted.betas)


def test_a_transformer_learns_where_regulation_varies():
    niche = _niche(pixels=8)
    x, y = _data(niche)
    config = TravlrConfig(
        spatial_dim=8, epochs=50, batch_size=30, published=PublishedOptions(vision_model="transformer", solver="path")
    )
    fitted, _ = _drain(type_steps(x, y, GROUPS, niche, config, 3))
    assert fitted.fit_r2 > fitted.seed_r2
    assert np.corrcoef(fitted.betas[:, 1], niche.positions[:, 0])[0, 1] > 0.8


def test_a_transformer_of_volumes_is_refused():
    with pytest.raises(DataError, match="two-dimensional maps only"):
        new_network(
            (1, 8, 8, 8),
            2,
            np.ones(3),
            TravlrConfig(published=PublishedOptions(vision_model="transformer")),
            0,
            torch.device("cpu"),
        )


def test_own_statistics_of_a_batch_are_those_of_all_cells_asked_for():
    niche = _niche()
    network = new_network(niche.seen, 2, np.ones(3), TravlrConfig(spatial_dim=8), 0, niche.device)
    nn.init.uniform_(network.cnn[0].norm.running_mean)  # must not matter
    kept = network.cnn[0].norm.running_mean.clone()
    found = betas_of(network, niche, "batch")
    torch.testing.assert_close(network.cnn[0].norm.running_mean, kept)
    network.train()
    with torch.no_grad():
        expected = network(niche.images(torch.arange(90)), niche.neighbors)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert not np.allclose(found, betas_of(network, niche), atol=1e-3)


def _seeded(y_scale=1.0, **options):
    niche = _niche()
    x, y = _data(niche)
    y = y if y_scale else np.random.default_rng(2).normal(3, 1, len(niche)).astype(np.float32)
    config = TravlrConfig(spatial_dim=8, epochs=options.pop("epochs", 1), **options)
    return niche, x, y, config


def test_gates_keep_the_mean_or_nothing():
    niche, x, y, config = _seeded(y_scale=0)  # noise: the seed explains next to nothing
    fitted, _ = _drain(type_steps(x, y, GROUPS, niche, config, 0))
    assert fitted.network is None
    assert 0 <= fitted.seed_r2 < 0.15
    np.testing.assert_allclose(fitted.betas, np.tile([y.mean(), 0, 0], (90, 1)), rtol=1e-6)
    nothing, _ = _drain(type_steps(x, y, GROUPS, niche, config, 0, CompatibilityProfile(below_gate="zero")))
    assert not nothing.betas.any()
    open_gate, _ = _drain(type_steps(x, y, GROUPS, niche, config, 0, CompatibilityProfile(seed_gate=-1.0)))
    assert open_gate.losses  # trained, and judged by score_threshold afterwards


def test_no_epochs_are_the_seed_or_a_network_that_was_not_trained():
    niche, x, y, config = _seeded(epochs=0)
    seed, _ = _drain(type_steps(x, y, GROUPS, niche, config, 0))
    assert seed.network is None
    assert seed.fit_r2 == seed.seed_r2 == pytest.approx(r_squared(y, seed.betas[:, 0] + (seed.betas[:, 1:] * x).sum(1)))
    bent, _ = _drain(type_steps(x, y, GROUPS, niche, config, 0, PROFILES["0.1.21"]))
    assert bent.network is not None
    assert bent.betas[:, 1].std() > 0


def test_modulators_that_may_not_act_have_no_coefficient():
    niche, x, y, config = _seeded(epochs=2, score_threshold=-1.0)
    fitted, _ = _drain(type_steps(x, y, GROUPS, niche, config, 0, allowed=np.array([False, True])))
    assert not fitted.betas[:, 1].any()
    assert fitted.betas[:, 2].any()


def test_settings_reach_the_fit_of_many_genes(tissue, network):
    betas = {
        (vision, maps): fit(
            tissue,
            ["Axin2"],
            network,
            TravlrConfig(
                estimator="network", spatial_dim=8, epochs=2, published=PublishedOptions(vision_model=vision, maps=maps)
            ),
        )["Axin2"].betas
        for vision, maps in [("cnn", "position"), ("transformer", "position"), ("cnn", "density")]
    }
    assert len({found.tobytes() for found in betas.values()}) == 3
    np.testing.assert_array_equal(betas["cnn", "position"].shape, (120, 4))
