"""The confidence of a cell tells wrong velocities from right ones, within its own regime."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from napari_tissue_dynamics.analysis.arrows.confidence import AROUND, confidence
from napari_tissue_dynamics.data.velocity_field import VelocityField

N, G = 400, 12


@pytest.fixture
def space(rng):
    return rng.uniform(size=(N, 2)).astype(np.float32)


def field_of(velocity, **more):
    genes = tuple(f"g{i}" for i in range(velocity.shape[1]))
    velocity = velocity.astype(np.float32)
    return VelocityField(genes, velocity, velocity, np.abs(velocity), np.abs(velocity), **more)


def slow(velocity, space, labels):
    scaled = velocity / np.sqrt(np.mean(velocity**2, axis=0))
    found = np.empty(len(velocity))
    for cell in range(len(velocity)):
        same = np.flatnonzero((labels == labels[cell]) & (np.arange(len(labels)) != cell))
        near = same[np.argsort(np.linalg.norm(space[same] - space[cell], axis=1))][:AROUND]
        mean = scaled[near].mean(axis=0)
        found[cell] = scaled[cell] @ mean / np.linalg.norm(scaled[cell]) / np.linalg.norm(mean)
    return found


def test_it_is_the_cosine_with_the_mean_around_in_units_of_every_gene(space, rng):
    velocity = rng.normal(size=(N, G)) * np.logspace(-2, 2, G)
    found = confidence(field_of(velocity), space)
    np.testing.assert_allclose(found, slow(velocity, space, np.zeros(N)), atol=1e-5)
    loud = velocity * np.logspace(3, -1, G)
    np.testing.assert_allclose(confidence(field_of(loud), space), found, atol=1e-4)


def test_neighbors_of_another_regime_do_not_count(space, rng):
    """Two regimes with opposite velocities lie at the same places."""
    regime = rng.integers(0, 2, N)
    velocity = np.where(regime, 1, -1)[:, None] * (1 + 0.1 * rng.normal(size=(N, G)))
    apart = field_of(velocity, expert_probability=np.eye(2, dtype=np.float32)[regime])
    assert confidence(apart, space).min() > 0.95
    assert np.median(np.abs(confidence(field_of(velocity), space))) > 0.95
    assert (confidence(field_of(velocity), space) < 0).mean() > 0.2, "together the majority decides"


def test_it_tells_wrong_arrows_from_right_ones(space, rng):
    """A third of the cells has noise for a velocity in a smooth field: the area under the ROC curve is near 1."""
    smooth = np.cos(3 * space @ rng.normal(size=(2, G)) + rng.uniform(0, 6, G))
    wrong = rng.random(N) < 1 / 3
    noise = rng.normal(size=(N, G)) * np.sqrt(np.mean(smooth**2))
    found = confidence(field_of(np.where(wrong[:, None], noise, smooth)), space)
    ranks = rankdata(found)
    area = (ranks[~wrong].sum() - (~wrong).sum() * ((~wrong).sum() + 1) / 2) / (wrong.sum() * (~wrong).sum())
    assert area > 0.95


def test_genes_that_do_not_count_and_cells_without_velocity(space, rng):
    velocity = np.ones((N, G)) + 0.2 * rng.normal(size=(N, G))
    velocity[:, 0], velocity[:, 1] = np.nan, 100 * rng.normal(size=N)
    velocity[7, 2:] = 0
    counts = np.arange(G) > 1
    found = confidence(replace(field_of(velocity), velocity_genes=counts), space)
    assert np.isnan(found[7])
    assert np.nanmin(found) > 0.8
    assert np.isnan(found).sum() == 1
    lonely = np.eye(2, dtype=np.float32)[(np.arange(N) == 3).astype(int)]
    alone = confidence(replace(field_of(velocity), velocity_genes=counts, expert_probability=lonely), space)
    assert np.isnan(alone[3])
