"""The simulator against slow loops, numerical derivatives and its own truth seen through noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.spatial import cKDTree

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators import genes as simulate_genes
from napari_tissue_dynamics.simulators import growth as simulate_growth
from napari_tissue_dynamics.simulators.tissue import simulate_tissue

N_STEADY = 18
NEIGHBORS = 30


@pytest.fixture(scope="module")
def simulated():
    return simulate_tissue()


@pytest.fixture(scope="module")
def small():
    return simulate_tissue(200, 40, seed=5)


def mean_cosine(a, b):
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1) / np.maximum(lengths, 1e-12)))


def project(velocity, expression, positions):
    """Project by softmax of the cosine to tissue neighbors, minus the uniform expectation; a plain loop."""
    neighbors = cKDTree(positions).query(positions, k=NEIGHBORS + 1)[1][:, 1:]
    arrows = np.empty_like(positions)
    for i, near in enumerate(neighbors):
        change = expression[near] - expression[i]
        norms = np.linalg.norm(change, axis=1) * np.linalg.norm(velocity[i])
        weight = np.exp(10 * (change @ velocity[i]) / np.maximum(norms, 1e-12))
        step = positions[near] - positions[i]
        step /= np.linalg.norm(step, axis=1, keepdims=True)
        arrows[i] = (weight / weight.sum() - 1 / len(near)) @ step
    return arrows


def smoothed_estimate(tissue):
    """Return moments over similar cells and v = u - gamma s, gamma by least squares over extreme cells."""
    moving = slice(0, tissue.n_genes - N_STEADY)
    s, u = (counts.toarray()[:, moving].astype(float) for counts in (tissue.spliced, tissue.unspliced))
    s, u = (x / x.sum(axis=1, keepdims=True) * np.median(x.sum(axis=1)) for x in (s, u))
    logs = np.log1p(s) - np.log1p(s).mean(axis=0)
    left, values, _ = np.linalg.svd(logs, full_matrices=False)
    components = left[:, :20] * values[:20]
    near = cKDTree(components).query(components, k=NEIGHBORS)[1]
    s, u = s[near].mean(axis=1), u[near].mean(axis=1)
    level = s / s.max(axis=0) + u / u.max(axis=0)
    extreme = level >= np.quantile(level, 0.95, axis=0)
    gamma = (s * u * extreme).sum(axis=0) / (s * s * extreme).sum(axis=0)
    return s, u - gamma * s


def test_shapes_types_and_names(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    assert (tissue.n_cells, tissue.n_genes, tissue.unit) == (1500, 150, "um")
    for counts in (tissue.spliced, tissue.unspliced):
        assert sparse.issparse(counts)
        assert counts.format == "csr"
        assert counts.dtype == np.float32
        assert_array_equal(counts.data, np.rint(counts.data))
        assert counts.data.min() > 0
    assert tissue.expression.dtype == np.float32
    assert tissue.expression.min() >= 0
    names = ("velocity", "alpha", "beta", "gamma", "unspliced", "spliced")
    assert {getattr(truth, name).shape for name in names} == {(1500, 150)}
    assert truth.spatial_velocity.shape == (1500, 2)
    assert len(tissue.cell_types.categories) == len(np.unique(tissue.cell_types.codes)) == 3
    assert len(truth.regime.categories) == len(np.unique(truth.regime.codes)) == 3
    assert np.bincount(truth.regime.codes).min() > 150
    assert 2000 < np.median(tissue.spliced.sum(axis=1)) < 6000
    assert truth.time.min() >= 0
    assert 19 < truth.time.max() <= 20


def test_more_genes_than_symbols_and_other_sizes():
    large = simulate_tissue(80, 400)
    assert large.tissue.n_genes == len(set(large.tissue.genes)) == 400
    assert simulate_tissue(50, 28).tissue.n_genes == 28


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"n_cells": 3}, "3 cells"),
        ({"n_genes": 20}, "20 genes"),
        ({"dropout": 1.0}, "dropout of 1.0"),
        ({"depth": 0.0}, "depth of 0.0"),
        ({"depth": float("nan")}, "depth of nan"),
    ],
)
def test_impossible_requests_are_refused_in_a_sentence(arguments, word):
    with pytest.raises(DataError, match=word):
        simulate_tissue(**arguments)


def test_same_seed_same_tissue_and_other_seed_other_tissue(small):
    again, other = simulate_tissue(200, 40, seed=5), simulate_tissue(200, 40, seed=6)
    assert_array_equal(again.tissue.spliced.toarray(), small.tissue.spliced.toarray())
    assert_array_equal(again.tissue.expression, small.tissue.expression)
    assert_array_equal(again.tissue.histology[0].image, small.tissue.histology[0].image)
    assert_array_equal(again.truth.velocity, small.truth.velocity)
    assert not np.array_equal(other.tissue.positions, small.tissue.positions)
    assert not np.array_equal(other.truth.velocity, small.truth.velocity)


def test_global_random_state_is_neither_read_nor_changed(small):
    saved = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(123)  # noqa: NPY002
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        again = simulate_tissue(200, 40, seed=5)
        assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    finally:
        np.random.set_state(saved)  # noqa: NPY002
    assert_array_equal(again.tissue.expression, small.tissue.expression)


def test_truth_is_read_only(small):
    with pytest.raises(ValueError, match="read-only"):
        small.truth.betas["Axin2"]["Lef1"][0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        small.truth.velocity[0, 0] = 1.0


def test_velocity_is_the_derivative_of_the_rna():
    """Move every cell a little in time along its own history and compare the change with the velocity."""
    growth = simulate_growth.grow(120, np.random.default_rng(3))

    def rna(shift):
        moved = simulate_growth.Growth(growth.positions, growth.velocity, growth.time + shift, growth.arm)
        kinetics = simulate_genes.transcribe(moved, 60, 5000.0, np.random.default_rng(4))
        return kinetics, kinetics.spliced / kinetics.alpha[0, 0], kinetics.alpha[0, 0]

    step = 1e-4
    now, _, unit = rna(0.0)
    numerical = unit * (rna(step)[1] - rna(-step)[1]) / (2 * step)
    scale = np.abs(now.velocity).max()
    close = np.abs(numerical - now.velocity) < 1e-5 * scale
    assert close.mean() > 0.999


def test_rna_solves_the_equations_of_the_history():
    """Integrate one arm's genes numerically from time zero and compare with every cell."""
    rng = np.random.default_rng(0)
    n = 6
    alpha, beta, gamma = np.exp(rng.normal(0, 0.5, (3, n)))
    on, off = np.array([1.0, 4, 5, 9, 2, 200]), np.array([6.0, 200, 12, 200, 11, 200])
    repressive = np.array([False, False, True, True, False, False])
    change = np.exp(rng.normal(0, 0.5, n))
    starts, alphas = simulate_genes.phases(alpha, on, off, change, repressive)

    def rate(t):
        active = ((t >= on) & (t < off)) ^ repressive
        return alpha * np.where(active, 1.0, 0.05) * (change if t >= simulate_genes.BRANCH_TIME else 1.0)

    def right_side(t, x):
        u, s = x.reshape(2, n)
        return np.concatenate([rate(t) - beta * u, beta * u - gamma * s])

    first = np.concatenate([rate(0.0) / beta, rate(0.0) / gamma])
    times = np.array([0.5, 3.5, 7.0, 13.0, 20.0])
    exact = solve_ivp(right_side, (0, 20), first, t_eval=times, max_step=0.01, rtol=1e-9, atol=1e-10).y
    state = alphas[0] / beta, alphas[0] / gamma
    u, s, now = simulate_genes.evolve(times[:, None], starts, alphas, (beta, gamma), state)
    assert_allclose(np.hstack([u, s]), exact.T, rtol=5e-3)
    assert_allclose(now, [rate(t) for t in times])


def test_velocity_is_made_of_the_true_rates(simulated):
    truth = simulated.truth
    assert_allclose(truth.velocity, truth.beta * truth.unspliced - truth.gamma * truth.spliced, rtol=1e-12)
    assert np.abs(truth.velocity[:, -N_STEADY:]).max() < 1e-9
    balance = truth.alpha[:, -N_STEADY:] - truth.beta[:, -N_STEADY:] * truth.unspliced[:, -N_STEADY:]
    assert np.abs(balance).max() < 1e-9


def test_most_genes_are_away_from_the_steady_state(simulated):
    truth = simulated.truth
    velocity = truth.velocity[:, :-N_STEADY]
    turnover = (truth.beta * truth.unspliced + truth.gamma * truth.spliced)[:, :-N_STEADY]
    moving = np.abs(velocity) > 0.1 * turnover
    assert moving.mean() > 0.45
    assert 0.3 < (velocity > 0).mean() < 0.7
    assert (moving.mean(axis=0) > 0.2).mean() > 0.9


def test_regimes_differ_in_transcription(simulated):
    truth = simulated.truth
    codes = truth.regime.codes
    means = np.array([np.log(truth.alpha[codes == k, :-N_STEADY]).mean(axis=0) for k in range(3)])
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        assert np.median(np.abs(means[a] - means[b])) > 0.3


def test_counts_have_the_mean_and_spread_of_the_truth(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    for counts, rna in ((tissue.spliced, truth.spliced), (tissue.unspliced, truth.unspliced)):
        assert counts.sum() / rna.sum() == pytest.approx(1.0, abs=0.05)
    dense = tissue.spliced.toarray()
    library = dense.sum(axis=1, keepdims=True) / truth.spliced.sum(axis=1, keepdims=True)
    expected = truth.spliced * library
    assert ((dense - expected) ** 2).sum() / expected.sum() == pytest.approx(1.0, abs=0.1)


def test_dropout_loses_the_asked_share():
    full, thin = simulate_tissue(300, 60, seed=1), simulate_tissue(300, 60, seed=1, dropout=0.3)
    ratio = thin.truth.spliced.sum() * full.tissue.spliced.sum() / full.truth.spliced.sum()
    assert thin.tissue.spliced.sum() / ratio == pytest.approx(0.7, abs=0.03)


def test_spatial_velocity_is_the_derivative_of_the_position():
    rng = np.random.default_rng(0)
    travelled, across, step = rng.uniform(0.05, 0.95, 40), rng.uniform(-1, 1, 40), 1e-5
    for arm in simulate_growth.ARMS:
        places = [simulate_growth.flow(travelled + d / 20.0, across, arm, 80.0)[0] for d in (-step, step)]
        velocity = simulate_growth.flow(travelled, across, arm, 80.0)[1]
        assert_allclose(velocity, (places[1] - places[0]) / (2 * step), rtol=1e-6, atol=1e-6)


def test_cells_move_away_from_the_root_and_time_grows_with_distance(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    root = tissue.positions[truth.time < 0.5].mean(axis=0)
    outwards = tissue.positions - root
    late = truth.time > 3
    assert mean_cosine(outwards[late], truth.spatial_velocity[late]) > 0.8
    for arm in (1, 2):
        cells = truth.regime.codes == arm
        distance = np.linalg.norm(outwards[cells], axis=1)
        assert np.corrcoef(distance, truth.time[cells])[0, 1] > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_true_velocities_point_along_the_tissue_movement(seed):
    simulated = simulate_tissue(seed=seed)
    arrows = project(simulated.truth.velocity, simulated.truth.spliced, simulated.tissue.positions)
    assert mean_cosine(arrows, simulated.truth.spatial_velocity) > 0.8


def test_noise_leaves_the_velocity_recoverable(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    moments, velocity = smoothed_estimate(tissue)
    assert mean_cosine(velocity, truth.velocity[:, :-N_STEADY]) > 0.4
    arrows = project(velocity, moments, tissue.positions)
    assert mean_cosine(arrows, truth.spatial_velocity) > 0.8


def test_estimated_arrows_beat_velocities_of_shuffled_genes(simulated):
    """One shuffle for all cells can give a coherent direction by chance, so many of them are the rival."""
    tissue, truth = simulated.tissue, simulated.truth
    moments, velocity = smoothed_estimate(tissue)

    def agreement(v):
        return mean_cosine(project(v, moments, tissue.positions), truth.spatial_velocity)

    by_cell = agreement(np.random.default_rng(0).permuted(velocity, axis=1))
    for_all = [agreement(np.random.default_rng(k).permutation(velocity, axis=1)) for k in range(20)]
    assert abs(by_cell) < 0.15
    assert abs(np.mean(for_all)) < 0.3
    assert agreement(velocity) > max(for_all)


def test_nuclei_are_dark_at_the_pixels_of_their_cells(simulated):
    histology = simulated.tissue.histology[0]
    gray = histology.image.astype(float).mean(axis=2)

    def darkest_around(xy):
        column, row = np.rint((xy - np.array(histology.origin)) / histology.pixel_size).astype(int).T
        window = [gray[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)]
        return np.min(window, axis=0), window[4]

    darkest, exact = darkest_around(simulated.tissue.positions)
    stroma_level = np.quantile(gray[gray < 235], 0.7)
    assert (darkest < stroma_level - 30).all()
    assert (exact < stroma_level - 30).mean() > 0.99
    shifts = 5 * histology.pixel_size * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    for shift in shifts:
        assert darkest_around(simulated.tissue.positions + shift)[1].mean() > exact.mean() + 15


def test_image_has_a_scale_an_origin_and_a_mark_that_no_flip_hides(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    histology = tissue.histology[0]
    image = histology.image
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert 400 < max(image.shape) < 800
    assert histology.pixel_size != 1
    assert histology.origin != (0.0, 0.0)
    x, y = (np.array(truth.landmark) - np.array(histology.origin)) / histology.pixel_size
    row, column = round(y), round(x)
    assert image[row, column].mean() < 100
    for flipped in (image[::-1], image[:, ::-1], image[::-1, ::-1]):
        assert flipped[row, column].mean() > 200
    assert cKDTree(tissue.positions).query(truth.landmark)[0] > 20


def test_large_tissue_keeps_a_small_image_and_its_density():
    large, normal = simulate_tissue(12000, 28), simulate_tissue(1500, 28)
    assert max(large.tissue.histology[0].image.shape) <= 1600
    assert large.truth.radius == pytest.approx(normal.truth.radius, rel=0.1)
