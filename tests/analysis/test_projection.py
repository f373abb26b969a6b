import numpy as np
import pytest

from napari_tissue_dynamics.analysis.projection import ARROW_REACH, cell_spacing, on_grid, project
from napari_tissue_dynamics.data.velocity_field import VelocityField


def cosines(a, b):
    return (a * b).sum(axis=1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)


def field_of(velocity, expression, **more):
    velocity, expression = velocity.astype(np.float32), expression.astype(np.float32)
    genes = tuple(f"g{i}" for i in range(velocity.shape[1]))
    return VelocityField(genes, velocity, velocity.copy(), expression, expression.copy(), **more)


@pytest.fixture
def flow():
    """Cells in a wide, low rectangle whose expression is a smooth map of the place and that move around a point."""
    rng = np.random.default_rng(0)
    positions = rng.uniform([0, 0], [30, 12], (900, 2))
    motion = np.stack([-(positions[:, 1] - 4), positions[:, 0] - 11], axis=1)
    directions, phases = rng.normal(size=(2, 40)) * 0.12, rng.uniform(0, 2 * np.pi, 40)
    angles = positions @ directions + phases
    expression = 2 + np.sin(angles)
    velocity = np.cos(angles) * (motion @ directions)
    return positions, motion, expression, velocity


def test_known_flow_is_found(flow):
    positions, motion, expression, velocity = flow
    arrows = project(field_of(velocity, expression), positions).arrows
    assert cosines(arrows, motion).mean() > 0.95


def test_expression_neighbors_find_it_too(flow):
    positions, motion, expression, velocity = flow
    arrows = project(field_of(velocity, expression), positions, neighbors="expression").arrows
    assert cosines(arrows, motion).mean() > 0.9


def test_reversed_velocity_reverses_the_arrows(flow):
    positions, motion, expression, velocity = flow
    arrows = project(field_of(-velocity, expression), positions).arrows
    assert cosines(arrows, motion).mean() < -0.95


def test_shuffled_velocity_says_nothing(flow):
    positions, motion, expression, velocity = flow
    shuffled = np.random.default_rng(1).permutation(velocity, axis=0)
    arrows = project(field_of(shuffled, expression), positions).arrows
    assert abs(cosines(arrows, motion).mean()) < 0.15


def test_arrows_equal_the_slow_sum(flow):
    positions, _, expression, velocity = flow
    positions, expression, velocity = positions[:40], expression[:40], velocity[:40]
    projection = project(field_of(velocity, expression), positions, k=5)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    scale = expression.max(axis=0)
    pi = np.zeros((40, 5))
    near = np.argsort(distances, axis=1)[:, :5]
    for i in range(40):
        for place, j in enumerate(near[i]):
            pi[i, place] = np.corrcoef((expression[j] - expression[i]) / scale, velocity[i] / scale)[0, 1]
    stay = np.clip(np.quantile(pi.max(axis=1), 0.98) - pi.max(axis=1), 0, 1)
    expected = np.zeros((40, 2))
    for i in range(40):
        weights = np.sign(pi[i]) * np.expm1(10 * abs(pi[i]))
        weights /= abs(weights).sum() + np.expm1(10 * stay[i])
        for place, j in enumerate(near[i]):
            expected[i] += (weights[place] - weights.mean()) * (positions[j] - positions[i]) / distances[i, j]
    expected *= ARROW_REACH * cell_spacing(positions) / np.quantile(np.linalg.norm(expected, axis=1), 0.95)
    np.testing.assert_allclose(projection.arrows, expected, rtol=2e-3, atol=1e-4)


def test_three_dimensions(flow):
    positions, motion, expression, velocity = flow
    flat = np.column_stack([positions, np.random.default_rng(2).normal(size=len(positions)) * 0.01])
    arrows = project(field_of(velocity, expression), flat).arrows
    assert arrows.shape == flat.shape
    assert cosines(arrows[:, :2], motion).mean() > 0.9


def test_grid_keeps_a_constant_field_and_lies_among_cells():
    rng = np.random.default_rng(0)
    positions = rng.uniform([0, 0], [30, 12], (800, 2))
    positions = positions[~((positions[:, 0] > 10) & (positions[:, 0] < 20) & (positions[:, 1] > 6))]
    grid = on_grid(positions, np.tile(np.float32([3, 1]), (len(positions), 1)), nodes=31)
    np.testing.assert_allclose(grid.arrows[:, 0], 3 * grid.arrows[:, 1], rtol=1e-4)
    assert np.linalg.norm(grid.arrows, axis=1).max() == pytest.approx(grid.spacing, rel=1e-5)
    in_hole = (abs(grid.positions[:, 0] - 15) < 3) & (grid.positions[:, 1] > 9)
    assert not in_hole.any()
    assert len(grid.positions) > 150


def test_grid_equals_the_slow_weighted_mean():
    rng = np.random.default_rng(1)
    positions, arrows = rng.uniform(0, 5, (200, 2)), rng.normal(size=(200, 2)).astype(np.float32)
    grid = on_grid(positions, arrows, nodes=6, min_mass=0.0)
    expected = []
    for node in grid.positions:
        d = np.linalg.norm(positions - node, axis=1)
        weights = np.where(d <= 1.5 * grid.spacing, np.exp(-0.5 * (d / (0.5 * grid.spacing)) ** 2), 0)
        expected.append(weights @ arrows / weights.sum())
    expected = np.array(expected)
    expected *= grid.spacing / np.linalg.norm(expected, axis=1).max()
    np.testing.assert_allclose(grid.arrows, expected, atol=2e-3)


def test_spacing_of_cells():
    line = np.array([[0.0, 0], [3, 0], [4, 0], [5, 0]])  # no box: the median distance to the nearest
    assert cell_spacing(line) == 1.0
    lattice = np.stack(np.meshgrid(np.arange(20.0), np.arange(11.0)), axis=-1).reshape(-1, 2)
    assert cell_spacing(2 * lattice) == 2.0
    clumps = np.concatenate([lattice * 1e-3, lattice * 1e-3 + [100, 50]])  # 440 cells in a box of 100 x 50
    assert cell_spacing(clumps) == pytest.approx(0.35 * np.sqrt(100 * 50 / 440), rel=0.01)
    assert cell_spacing(np.array([[7.0, 7]])) == 1.0
    assert cell_spacing(np.zeros((3, 2))) == 1.0
