import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows import projection, transitions
from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs, comparable, expression_space
from napari_tissue_dynamics.analysis.arrows.projection import (
    REACH_WITHIN,
    candidates,
    cell_spacing,
    on_grid,
    project,
    similar_cells,
)
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError


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
    arrows = project(field_of(velocity, expression), positions, k=5).arrows
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    scale = expression.max(axis=0)
    pi = np.zeros((40, 5))
    near = np.argsort(distances, axis=1)[:, :5]
    for i in range(40):
        for place, j in enumerate(near[i]):
            pi[i, place] = np.corrcoef((expression[j] - expression[i]) / scale, velocity[i] / scale)[0, 1]
    best = np.maximum(pi.max(axis=1), 0)
    stay = np.clip(np.quantile(best, 0.98) - best, 0, 1)
    expected = np.zeros((40, 2))
    for i in range(40):
        weights = np.sign(pi[i]) * np.expm1(10 * abs(pi[i]))
        weights /= abs(weights).sum() + np.expm1(10 * stay[i])
        for place, j in enumerate(near[i]):
            expected[i] += (weights[place] - weights.mean()) * (positions[j] - positions[i]) / distances[i, j]
    expected *= 3 * cell_spacing(positions) / np.quantile(np.linalg.norm(expected, axis=1), 0.95)
    np.testing.assert_allclose(arrows, expected, rtol=2e-3, atol=1e-4)


def test_three_dimensions(flow):
    positions, motion, expression, velocity = flow
    flat = np.column_stack([positions, np.random.default_rng(2).normal(size=len(positions)) * 0.01])
    arrows = project(field_of(velocity, expression), flat).arrows
    assert arrows.shape == flat.shape
    assert cosines(arrows[:, :2], motion).mean() > 0.9


def test_a_gene_of_weight_two_counts_as_if_it_were_there_twice(flow):
    positions, _, expression, velocity = flow
    weight = np.float32([2, 0, *[1] * 38])
    repeated = np.repeat(np.arange(40), weight.astype(int))
    weighted = project(field_of(velocity, expression, gene_weight=weight), positions)
    plain = project(field_of(velocity[:, repeated], expression[:, repeated]), positions)
    np.testing.assert_allclose(weighted.graph.cosines, plain.graph.cosines, atol=1e-5)
    np.testing.assert_allclose(weighted.arrows, plain.arrows, atol=1e-3)


def test_weights_silence_genes_without_meaning(flow):
    positions, motion, expression, velocity = flow
    noise = np.random.default_rng(1).normal(size=(2, 900, 200))
    field = field_of(np.hstack([velocity, 6 * noise[0]]), np.hstack([expression, 2 + noise[1]]))
    weight = np.repeat(np.float32([1, 0.01]), [40, 200])
    weighted = field_of(field.spliced, field.moments_spliced, gene_weight=weight)
    plain, better = (cosines(project(each, positions).arrows, motion).mean() for each in (field, weighted))
    assert better > plain + 0.2
    assert better > 0.9


def test_a_gene_that_is_silent_everywhere_changes_nothing(flow):
    positions, _, expression, velocity = flow
    silent = field_of(np.hstack([velocity, np.ones((900, 1))]), np.hstack([expression, np.zeros((900, 1))]))
    found, expected = (project(each, positions).arrows for each in (silent, field_of(velocity, expression)))
    assert np.isfinite(found).all()
    assert cosines(found, expected).min() > 0.98


def test_candidates_within_a_label_equal_the_slow_search():
    rng = np.random.default_rng(0)
    positions, labels, k = rng.uniform(0, 10, (120, 2)), rng.choice([-1, 0, 1, 5], 120, p=[0.1, 0.5, 0.38, 0.02]), 6
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    found = candidates(positions, k, labels)
    sizes = []
    for i in range(120):
        order = np.argsort(distances[i])[1:]
        reach = REACH_WITHIN * distances[i, order[k - 1]]
        expected = [j for j in order if labels[j] == labels[i] and distances[i, j] <= reach][:k]
        assert [j for j in found[i] if j != i] == expected
        sizes.append(len(expected))
    assert min(sizes) < 2
    assert max(sizes) == k


def test_arrows_stop_at_a_border(flow):
    positions, motion, expression, velocity = flow
    labels = (positions[:, 0] > 15).astype(np.int32)
    field = field_of(velocity, expression)
    free, inside = project(field, positions), project(field, positions, within=labels)
    assert (labels[free.graph.neighbors] != labels[:, None]).any()
    assert (labels[inside.graph.neighbors] == labels[:, None]).all()
    assert cosines(inside.arrows, motion).mean() > 0.9


def test_one_label_is_no_border(flow):
    positions, _, expression, velocity = flow
    field = field_of(velocity, expression)
    everywhere, one = project(field, positions), project(field, positions, within=np.zeros(900, np.int32))
    np.testing.assert_array_equal(everywhere.arrows, one.arrows)


def test_a_cell_alone_with_its_label_gets_no_arrow_and_disturbs_none(flow):
    positions, motion, expression, velocity = flow
    labels = np.zeros(900, np.int32)
    labels[17] = 3
    arrows = project(field_of(velocity, expression), positions, within=labels).arrows
    assert (arrows[17] == 0).all()
    assert cosines(np.delete(arrows, 17, axis=0), np.delete(motion, 17, axis=0)).mean() > 0.95


def test_missing_candidates_do_not_bend_arrows(flow):
    """The mean that is taken off is over candidates that are there: arrows of k = 4 padded to 9 stay the same."""
    positions, _, expression, velocity = flow
    field = field_of(velocity, expression)
    few = project(field, positions, k=4).graph
    padded = np.hstack([few.neighbors, np.tile(np.arange(900, dtype=np.int32)[:, None], 5)])
    graph = transitions.velocity_graph(*comparable(field), padded)
    found, expected = (projection._expected_steps(each, positions) for each in (graph, few))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_labels_of_other_cells_are_one_sentence(flow):
    positions, _, expression, velocity = flow
    with pytest.raises(DataError, match=r"labels are \(3,\)"):
        project(field_of(velocity, expression), positions, within=np.zeros(3, np.int32))


def test_grid_keeps_a_constant_field_and_lies_among_cells():
    rng = np.random.default_rng(0)
    positions = rng.uniform([0, 0], [30, 12], (800, 2))
    positions = positions[~((positions[:, 0] > 10) & (positions[:, 0] < 20) & (positions[:, 1] > 6))]
    grid = on_grid(positions, np.tile(np.float32([3, 1]), (len(positions), 1)))
    assert grid.spacing == pytest.approx(np.ptp(positions[:, 0]) / 29)  # 30 nodes along the longest side
    np.testing.assert_allclose(grid.arrows[:, 0], 3 * grid.arrows[:, 1], rtol=1e-4)
    assert np.linalg.norm(grid.arrows, axis=1).max() == pytest.approx(grid.spacing, rel=1e-5)
    in_hole = (abs(grid.positions[:, 0] - 15) < 3) & (grid.positions[:, 1] > 9)
    assert not in_hole.any()
    assert len(grid.positions) > 150


def test_grid_equals_the_slow_weighted_mean():
    rng = np.random.default_rng(1)
    positions, arrows = rng.uniform(0, 5, (200, 2)), rng.normal(size=(200, 2)).astype(np.float32)
    grid = on_grid(positions, arrows, nodes=6, min_mass=0.0)
    low, high = positions.min(axis=0), positions.max(axis=0)
    assert grid.spacing == pytest.approx((high - low).max() / 5)
    axes = [
        start + grid.spacing * np.arange(round(extent / grid.spacing) + 1)
        for start, extent in zip(low, high - low, strict=True)
    ]
    every = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    near = np.linalg.norm(every[:, None] - positions, axis=2).min(axis=1) <= 1.5 * grid.spacing
    np.testing.assert_allclose(grid.positions, every[near], atol=1e-5)
    expected = []
    for node in grid.positions:
        d = np.linalg.norm(positions - node, axis=1)
        weights = np.where(d <= 1.5 * grid.spacing, np.exp(-0.5 * (d / (0.5 * grid.spacing)) ** 2), 0)
        expected.append(weights @ arrows / weights.sum())
    expected = np.array(expected)
    expected *= grid.spacing / np.linalg.norm(expected, axis=1).max()
    np.testing.assert_allclose(grid.arrows, expected, atol=2e-3)


def test_nodes_with_few_cells_are_left_out_by_their_mass():
    rng = np.random.default_rng(1)
    positions = np.concatenate([rng.normal(0, 0.3, (300, 2)), rng.uniform(-4, 4, (12, 2))])
    arrows = np.ones((312, 2), np.float32)
    every, some = (on_grid(positions, arrows, nodes=12, min_mass=mass) for mass in (0.0, 0.05))
    away = np.linalg.norm(every.positions[:, None] - positions, axis=2)
    weight = np.where(away <= 1.5 * every.spacing, np.exp(-0.5 * (away / (0.5 * every.spacing)) ** 2), 0).sum(axis=1)
    kept = weight >= 0.05 * np.quantile(weight, 0.95)
    assert 5 < kept.sum() < len(kept) - 5
    assert weight.min() < 1
    np.testing.assert_array_equal(some.positions, every.positions[kept])


def test_one_node_spans_all_cells():
    rng = np.random.default_rng(1)
    positions = rng.uniform([0, 0], [8, 2], (50, 2))
    grid = on_grid(positions, np.ones((50, 2), np.float32), nodes=1)
    assert grid.spacing == pytest.approx(np.ptp(positions[:, 0]))
    assert np.isfinite(grid.arrows).all()


def test_spacing_of_cells():
    line = np.array([[0.0, 0], [3, 0], [4, 0], [5, 0]])  # no box: the median distance to the nearest
    assert cell_spacing(line) == 1.0
    lattice = np.stack(np.meshgrid(np.arange(20.0), np.arange(11.0)), axis=-1).reshape(-1, 2)
    assert cell_spacing(2 * lattice) == 2.0
    clumps = np.concatenate([lattice * 1e-3, lattice * 1e-3 + [100, 50]])  # 440 cells in a box of 100 x 50
    assert cell_spacing(clumps) == pytest.approx(0.35 * np.sqrt(100 * 50 / 440), rel=0.01)
    assert cell_spacing(np.array([[7.0, 7]])) == 1.0
    assert cell_spacing(np.zeros((3, 2))) == 1.0


def test_similar_cells_are_spread_over_the_most_similar_ones():
    """Every fourth of the 120 nearest cells of a large tissue, the nearest ones of a small one."""
    rng = np.random.default_rng(0)
    for n_cells, every in ((1000, 4), (600, 2), (50, 1)):
        moments = rng.uniform(size=(n_cells, 3)).astype(np.float32)
        field = VelocityField(("a", "b", "c"), moments, moments, moments, moments)
        found = similar_cells(ArrowInputs.of(field), 30)
        scaled = (moments / moments.max(axis=0)).astype(np.float64)
        away = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
        np.fill_diagonal(away, np.inf)
        expected = np.sort(away, axis=1)[:, every - 1 : 30 * every : every]
        np.testing.assert_allclose(np.take_along_axis(away, found, axis=1), expected, rtol=1e-3)


@pytest.mark.parametrize(("n_cells", "components"), [(80, 14), (9, 8)])
def test_expression_space_keeps_the_distances_of_scaled_moments(n_cells, components):
    """With few genes or cells all principal components are kept but one, which is the smallest or empty."""
    rng = np.random.default_rng(0)
    spliced = rng.gamma(2.0, size=(n_cells, 8)).astype(np.float32)
    unspliced = rng.gamma(2.0, size=(n_cells, 7)).astype(np.float32)
    both = np.hstack([spliced, unspliced, np.zeros((n_cells, 1), np.float32)]).astype(np.float64)
    genes = tuple("abcdefgh")
    unspliced = np.hstack([unspliced, np.zeros((n_cells, 1), np.float32)])
    space = expression_space(VelocityField(genes, spliced, unspliced, spliced, unspliced))
    scaled = both / np.maximum(both.max(axis=0), 1e-30)
    values = np.linalg.svd(scaled - scaled.mean(axis=0), compute_uv=False)
    assert space.shape == (n_cells, min(n_cells, 16) - 1)
    np.testing.assert_allclose(np.linalg.norm(space, axis=0)[:components], values[:components], rtol=1e-4)
