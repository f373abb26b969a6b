import runpy
from pathlib import Path

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.projection import candidates, project
from napari_tissue_dynamics.analysis.validation import direction_check as module
from napari_tissue_dynamics.analysis.validation.direction_check import direction_check_steps
from napari_tissue_dynamics.analysis.validation.expected_order import NamedOrder
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import run_to_end


def direction_check(field, *rest, **more):
    return run_to_end(direction_check_steps(ArrowInputs.of(field), *rest, **more))


def walking(rng, signal=1.0, noise=0.5, n_cells=300, n_genes=80):
    """Cells on a line in tissue and expression, moving along it; three groups that follow each other."""
    place = np.sort(rng.uniform(0, 3, n_cells))
    slopes, phases = rng.uniform(0.5, 2, n_genes), rng.uniform(0, 6, n_genes)
    angles = place[:, None] * slopes + phases
    velocity = signal * slopes * np.cos(angles) + noise * rng.normal(size=angles.shape)
    x, v = (2 + np.sin(angles)).astype(np.float32), velocity.astype(np.float32)
    field = VelocityField(tuple(f"g{i}" for i in range(n_genes)), v, v, x, x, time=(place / 3).astype(np.float32))
    positions = np.stack([10 * place, rng.uniform(0, 1, n_cells)], axis=1)
    labels = np.minimum(place.astype(np.int32), 2)
    return field, positions, NamedOrder(labels, ("a", "b", "c"), ((0, 1), (1, 2)), labels.astype(float))


def slow_score(velocity, expression, order, neighbors):
    """Mean over edges, cells and neighbors of the correlation of the velocity with the step."""
    scale = expression.max(axis=0)
    v, x = velocity.astype(float) / scale, expression.astype(float) / scale
    edges = []
    for before, after in order.edges:
        cells = []
        for i in np.flatnonzero(order.labels == before):
            found = [np.corrcoef(x[j] - x[i], v[i])[0, 1] for j in neighbors[i] if order.labels[j] == after]
            cells += [np.mean(found)] if found else []
        edges.append(np.mean(cells))
    return np.array(edges)


def checked(field, positions, order, **more):
    similar = candidates(field.moments_spliced, 15)
    return direction_check(field, order, similar, positions=positions, near=candidates(positions, 15), **more)


def test_scores_equal_the_slow_loop(rng):
    field, _positions, order = walking(rng, noise=3.0, n_cells=80)
    similar = candidates(field.moments_spliced, 12)
    check = direction_check(field, order, similar, shuffles=5)
    expected = slow_score(field.spliced, field.moments_spliced, order, similar)
    np.testing.assert_allclose(check.velocity_edges, expected, atol=1e-5)
    assert check.velocity.value == pytest.approx(expected.mean(), abs=1e-5)


def test_arrow_score_is_that_of_the_drawn_arrows(rng):
    benchmarks = Path(__file__).parents[3] / "benchmarks/velocity"
    cross_boundary_direction = runpy.run_path(str(benchmarks / "direction_metrics.py"))["cross_boundary_direction"]
    field, positions, order = walking(rng, noise=2.0)
    drawn = project(field, positions, k=15)
    check = checked(field, positions, order, shuffles=5)
    expected = cross_boundary_direction(drawn.arrows, positions, order.labels, order.edges, drawn.graph.neighbors)
    np.testing.assert_allclose(check.arrow_edges, expected.values, atol=1e-4)


def test_true_direction_follows_and_its_reverse_does_not(rng):
    field, positions, order = walking(rng)
    back = VelocityField(
        field.genes,
        -field.spliced,
        field.unspliced,
        field.moments_spliced,
        field.moments_unspliced,
        time=1 - field.time,
    )
    along, against = checked(field, positions, order), checked(back, positions, order)
    assert along.velocity.value > 0.3
    assert along.arrows.value > 0.5
    assert along.time.value > 0.8
    assert along.velocity.is_sure
    np.testing.assert_allclose(against.velocity_edges, -along.velocity_edges, atol=1e-6)
    assert against.time.value == pytest.approx(-along.time.value)
    assert "follow the named order" in along.verdict
    assert "rises along" in along.verdict
    assert "Velocities run against the named order, they look reversed" in against.verdict
    assert "Latent time falls along the named order, it looks reversed" in against.verdict
    assert against.arrows.value == pytest.approx(-along.arrows.value, abs=1e-4)


def test_noise_is_told_from_no_direction(rng):
    sure = 0
    for _ in range(20):
        field, positions, order = walking(rng, signal=0.0, noise=1.0, n_cells=120)
        check = checked(field, positions, order, shuffles=39)
        sure += check.velocity.is_sure
        assert abs(check.velocity.null_mean) < 0.1
    assert sure <= 4  # 5 % of 20 expected; more than 4 has a chance of 0.3 %
    assert "rises along" in check.verdict


def test_many_cells_are_sampled(rng, monkeypatch):
    field, positions, order = walking(rng, n_cells=600)
    whole = checked(field, positions, order, shuffles=9)
    monkeypatch.setattr(module, "MOST_CELLS", 20)
    sample = checked(field, positions, order, shuffles=9)
    np.testing.assert_array_equal(sample.velocity_cells, whole.velocity_cells)
    assert sample.velocity.value == pytest.approx(whole.velocity.value, abs=0.1)


def test_groups_that_do_not_touch_are_an_error(rng):
    field, positions, order = walking(rng)
    apart = NamedOrder(order.labels, order.names, ((0, 2),))
    with pytest.raises(DataError, match="a → c"):
        checked(field, positions, apart)
