import threading

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows import transitions
from napari_tissue_dynamics.analysis.arrows.direction_uncertainty import direction_spread_steps
from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.projection import candidates, project
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import run_to_end


def direction_spread(field, *rest, **more):
    return run_to_end(direction_spread_steps(ArrowInputs.of(field), *rest, **more))


def slow_spread(field, positions, neighbors, draws):
    """Repeat every gene as often as it was drawn and project again, sample by sample."""
    scale = field.moments_spliced.max(axis=0)
    x, v = (each.astype(float) / scale for each in (field.moments_spliced, field.spliced))
    units = np.zeros((len(x), draws.shape[1], positions.shape[1]))
    for b, counts in enumerate(draws.T):
        drawn = np.repeat(np.arange(len(counts)), counts)
        for i, row in enumerate(neighbors):
            pi = np.array([np.corrcoef((x[j] - x[i])[drawn], v[i][drawn])[0, 1] for j in row])
            odds = np.sign(pi) * np.expm1(10 * abs(pi))
            steps = (positions[row] - positions[i]) / np.linalg.norm(positions[row] - positions[i], axis=1)[:, None]
            arrow = ((odds - odds.mean())[:, None] * steps).sum(axis=0)
            units[i, b] = arrow / np.linalg.norm(arrow)
    mean = units.mean(axis=1)
    agreement = np.linalg.norm(mean, axis=1)
    cosines = (units * (mean / agreement[:, None])[:, None]).sum(axis=2)
    return agreement, np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean(axis=1)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("block", [1, 10**7])
def test_spread_equals_the_slow_loop_whatever_the_block(turning, block, dimensions, monkeypatch):
    monkeypatch.setattr(transitions, "BLOCK", block)
    positions, _, field = turning(30, 25, noise=3.0)
    positions = np.column_stack([positions, np.random.default_rng(0).normal(size=30)])[:, :dimensions]
    neighbors = candidates(positions, 6)
    draws = np.random.default_rng(5).poisson(1.0, (25, 4))
    agreement, degrees = slow_spread(field, positions, neighbors, draws)
    spread = direction_spread(field, positions, neighbors, samples=4, seed=5)
    np.testing.assert_allclose(spread.agreement, agreement, atol=2e-3)
    np.testing.assert_allclose(spread.degrees, degrees, atol=0.5)
    assert np.ptp(agreement) > 0.2


def test_clean_velocities_agree_and_noise_does_not(turning):
    found = {}
    for name, settings in {"clean": {}, "noise": {"signal": 0.0, "noise": 1.0}}.items():
        positions, _, field = turning(**settings)
        found[name] = direction_spread(field, positions, candidates(positions, 20))
    assert np.quantile(found["clean"].agreement, 0.05) > 0.98
    assert np.median(found["clean"].degrees) < 5
    assert np.median(found["noise"].agreement) < 0.75
    assert np.median(found["noise"].degrees) > 30


def test_agreement_says_which_arrows_are_right(turning):
    positions, motion, field = turning(noise=8.0)
    projection = project(field, positions)
    spread = direction_spread(field, positions, projection.graph.neighbors)
    lengths = np.linalg.norm(projection.arrows, axis=1) * np.linalg.norm(motion, axis=1)
    right = (projection.arrows * motion).sum(axis=1) / lengths
    sure = spread.agreement > np.median(spread.agreement)
    assert right[sure].mean() > right[~sure].mean() + 0.2


def test_weight_zero_is_a_gene_left_out(turning, field_of):
    positions, _, field = turning(60, 30, noise=2.0)
    weight = np.repeat(np.float32([1, 0]), [20, 10])
    neighbors = candidates(positions, 6)
    weighted = field_of(field.spliced, field.moments_spliced, gene_weight=weight)
    fewer = field_of(field.spliced[:, :20], field.moments_spliced[:, :20])
    a, b = (direction_spread(each, positions, neighbors, samples=8) for each in (weighted, fewer))
    np.testing.assert_allclose(a.agreement, b.agreement, atol=1e-5)


def test_a_cell_without_candidates_or_velocity_has_no_agreement(turning, field_of):
    positions, _, field = turning(40, 30)
    neighbors = candidates(positions, 6).copy()
    neighbors[3] = 3
    velocity = field.spliced.copy()
    velocity[5] = 0
    spread = direction_spread(field_of(velocity, field.moments_spliced), positions, neighbors)
    assert (spread.agreement[[3, 5]] == 0).all()
    assert (spread.degrees[[3, 5]] == 90).all()
    assert spread.agreement[6] > 0.9


def test_stop_ends_the_work(turning):
    positions, _, field = turning(40, 30)
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(direction_spread_steps(ArrowInputs.of(field), positions, candidates(positions, 6), stop=stop))
