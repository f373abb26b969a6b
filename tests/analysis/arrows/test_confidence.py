"""The confidence of a cell tells wrong arrows from right ones, within its own regime."""

import numpy as np
import pytest
from scipy.stats import rankdata

from napari_tissue_dynamics.analysis.arrows.confidence import AROUND, confidence

N = 400


@pytest.fixture
def space(rng):
    return rng.uniform(size=(N, 2)).astype(np.float32)


def slow(arrows, space, labels):
    found = np.empty(len(arrows))
    for cell in range(len(arrows)):
        same = np.flatnonzero((labels == labels[cell]) & (np.arange(len(labels)) != cell))
        near = same[np.argsort(np.linalg.norm(space[same] - space[cell], axis=1))][:AROUND]
        mean = arrows[near].mean(axis=0)
        found[cell] = arrows[cell] @ mean / np.linalg.norm(arrows[cell]) / np.linalg.norm(mean)
    return found


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_it_is_the_cosine_with_the_mean_arrow_around(space, rng, n_dimensions):
    arrows = rng.normal(size=(N, n_dimensions))
    found = confidence(arrows.astype(np.float32), space)
    np.testing.assert_allclose(found, slow(arrows, space, np.zeros(N)), atol=1e-5)
    np.testing.assert_allclose(confidence(1e3 * arrows, space), found, atol=1e-5)


def test_neighbors_of_another_regime_do_not_count(space, rng):
    """Two regimes with opposite arrows lie at the same places."""
    regime = (rng.random(N) < 0.3).astype(np.int32)
    arrows = np.where(regime, 1, -1)[:, None] * (1 + 0.1 * rng.normal(size=(N, 2)))
    assert confidence(arrows, space, regime).min() > 0.95
    assert confidence(arrows, space)[regime == 1].max() < 0, "together the majority decides"


def test_it_tells_wrong_arrows_from_right_ones(space, rng):
    """A third of the cells points anywhere in a smooth field: the area under the ROC curve is near 1."""
    angle = 2 * space[:, 0] + space[:, 1]
    smooth = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    other = rng.uniform(0.6 * np.pi, 1.4 * np.pi, N)
    turned = np.stack([np.cos(angle + other), np.sin(angle + other)], axis=1)
    wrong = rng.random(N) < 1 / 3
    found = confidence(np.where(wrong[:, None], turned, smooth), space)
    ranks = rankdata(found)
    area = (ranks[~wrong].sum() - (~wrong).sum() * ((~wrong).sum() + 1) / 2) / (wrong.sum() * (~wrong).sum())
    assert area > 0.98
    assert np.median(found[~wrong]) > 0.9
    assert np.median(found[wrong]) < 0


def test_cells_without_an_arrow_or_without_others_of_their_regime_have_none(space, rng):
    arrows = np.ones((N, 2)) + 0.2 * rng.normal(size=(N, 2))
    arrows[7], arrows[8, 0] = 0, np.nan
    arrows[8, 1] = 0
    found = confidence(arrows, space)
    assert np.flatnonzero(np.isnan(found)).tolist() == [7, 8]
    assert np.nanmin(found) > 0.8
    alone = confidence(arrows, space, (np.arange(N) == 3).astype(np.int32))
    assert np.isnan(alone[3])
