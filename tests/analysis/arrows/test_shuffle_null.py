import threading

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows import transitions
from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.projection import project
from napari_tissue_dynamics.analysis.arrows.shuffle_null import arrow_null_steps
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import run_to_end


def arrow_null(field, *rest, **more):
    return run_to_end(arrow_null_steps(ArrowInputs.of(field), *rest, **more))


def slow_lengths(field, positions, graph, velocity):
    """Return the unscaled lengths of the arrows of another velocity over the steps of a graph."""
    scale = field.moments_spliced.max(axis=0)
    x, v = field.moments_spliced.astype(float) / scale, velocity / scale
    bound = np.quantile(graph.cosines.max(axis=1), 0.98)
    lengths = []
    for i, row in enumerate(graph.neighbors):
        pi = np.array([np.corrcoef(x[j] - x[i], v[i])[0, 1] for j in row])
        odds = np.sign(pi) * np.expm1(10 * abs(pi))
        weights = odds / (abs(odds).sum() + np.expm1(10 * np.clip(bound - pi.max(), 0, 1)))
        steps = (positions[row] - positions[i]) / np.linalg.norm(positions[row] - positions[i], axis=1)[:, None]
        lengths.append(np.linalg.norm(((weights - weights.mean())[:, None] * steps).sum(axis=0)))
    return np.array(lengths)


@pytest.mark.parametrize("block", [1, 10**7])
def test_null_equals_the_slow_loop_whatever_the_block(turning, block, monkeypatch):
    monkeypatch.setattr(transitions, "BLOCK", block)
    positions, _, field = turning(30, 25, noise=3.0)
    graph = project(field, positions, k=6).graph
    null = arrow_null(field, positions, graph, shuffles=9, seed=4)
    scale = field.moments_spliced.max(axis=0)
    centered = field.spliced - scale * (field.spliced / scale).mean(axis=1, keepdims=True)
    signs = np.random.default_rng(4).choice([-1.0, 1.0], (25, 10))
    signs[:, 0] = 1
    lengths = np.array([slow_lengths(field, positions, graph, centered * sign) for sign in signs.T])
    np.testing.assert_allclose(null.length, lengths[0], atol=1e-4)
    np.testing.assert_allclose(null.limit, np.quantile(lengths[1:], 0.95, axis=0), atol=1e-3)
    np.testing.assert_allclose(null.p_value, (1 + (lengths[1:] >= lengths[0]).sum(axis=0)) / 10, atol=1e-6)


def test_other_cells_give_the_arrows_of_their_velocities(turning):
    positions, _, field = turning(12, 25, noise=3.0)
    graph = project(field, positions, k=5).graph
    null = arrow_null(field, positions, graph, shuffle="cells", shuffles=600)
    others = [slow_lengths(field, positions, graph, np.roll(field.spliced, shift, axis=0)) for shift in range(1, 12)]
    np.testing.assert_allclose(null.length, slow_lengths(field, positions, graph, field.spliced), atol=1e-4)
    longer = np.mean(np.array(others) >= null.length, axis=0)  # every other cell is as likely as any
    np.testing.assert_allclose(null.p_value, longer, atol=0.08)
    assert np.ptp(longer) > 0.5


@pytest.mark.parametrize("shuffle", ["signs", "cells"])
def test_noise_is_above_its_null_in_five_percent_of_the_cells(turning, shuffle):
    positions, _, field = turning(signal=0.0, noise=1.0)
    null = arrow_null(field, positions, project(field, positions, k=15).graph, shuffle=shuffle)
    assert 0.025 < null.fraction_above < 0.085
    np.testing.assert_array_equal(null.above, null.p_value <= 0.05)


def test_genes_of_unlike_spread_do_not_fool_the_null(turning, field_of):
    positions, _, field = turning(signal=0.0, noise=1.0)
    size = np.random.default_rng(0).lognormal(0, 1.5, 200)
    moments = 3 + (field.moments_spliced - 2) * np.minimum(size / 5, 1)
    loud = field_of(field.spliced * size, moments, gene_weight=np.float32(size))
    assert arrow_null(loud, positions, project(loud, positions, k=15).graph).fraction_above < 0.085


# Many cells of a smooth flow move alike, so that their velocities can stand in for each other.
@pytest.mark.parametrize(("shuffle", "least"), [("signs", 0.97), ("cells", 0.25)])
def test_clean_velocities_are_above_it(turning, shuffle, least):
    positions, _, field = turning(noise=0.5)
    null = arrow_null(field, positions, project(field, positions, k=15).graph, shuffle=shuffle)
    assert null.fraction_above > least
    assert (null.length[null.above] > null.limit[null.above]).all()


def test_same_seed_same_null(turning):
    positions, _, field = turning(40, 30, noise=3.0)
    graph = project(field, positions, k=6).graph
    first, again, other = (arrow_null(field, positions, graph, shuffles=19, seed=seed).limit for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_stop_ends_the_work(turning):
    positions, _, field = turning(40, 30)
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(arrow_null_steps(ArrowInputs.of(field), positions, project(field, positions, k=6).graph, stop=stop))
