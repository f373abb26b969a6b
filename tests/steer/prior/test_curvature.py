import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import LSQUnivariateSpline
from scipy.stats import mannwhitneyu, rankdata

from napari_tissue_dynamics.steer.prior.curvature import (
    _quantile,
    bend,
    cluster_curvature,
    curvature_prior,
    decide,
    spline_curvature,
)


def spline_of_scipy(x, y):
    """Second derivative at every cell, by another implementation of the same spline."""
    at = np.unique(x)
    mean = [y[x == value].mean() for value in at]
    return LSQUnivariateSpline(at, mean, np.linspace(at[1], at[-2], 3), k=2).derivative(2)(x)


def bend_of_scipy(x, y):
    curve = spline_of_scipy(x, y)
    low, high = np.quantile(curve, [0.05, 0.95])
    curve = curve[(curve >= low) & (curve <= high)]
    rank = rankdata(np.abs(curve))
    positive, negative = rank[curve > 0], rank[curve < 0]
    if not len(negative) and len(positive):
        return 1, 0
    if not len(positive):
        return -1, 0
    greater, less = (mannwhitneyu(positive, negative, alternative=side).pvalue for side in ("greater", "less"))
    return less - greater, min(less, greater)


def label_by_table(f_s, p_s, f_u, p_u):
    if f_s > 0 and f_u < 0:
        return -1
    if f_s < 0 and f_u > 0:
        return 1
    if p_u <= p_s:
        return 1 if f_u > 0 else -1
    return -1 if f_s > 0 else 1


@pytest.fixture
def cells():
    """Noisy arcs of 40 genes, some on a coarse grid so that values repeat."""
    rng = np.random.default_rng(0)
    t = rng.random((130, 1))
    u = np.abs(rng.random(40) * t**2 + rng.random(40) * (1 - t) + 0.05 * rng.standard_normal((130, 40)))
    s = np.abs(rng.random(40) * np.sqrt(t) + 0.05 * rng.standard_normal((130, 40)))
    u[:, :10], s[:, :10] = np.round(u[:, :10] * 40) / 40, np.round(s[:, :10] * 40) / 40
    return u, s


def arc(n=200, *, up):
    """(n, 1) unspliced and spliced along induction or repression, without noise, scaled to one."""
    tau = np.linspace(0, 6, n)[:, None]
    beta, gamma = 1.0, 0.5
    u = 1 - np.exp(-beta * tau)
    s = beta * ((1 - np.exp(-gamma * tau)) / gamma - (np.exp(-gamma * tau) - np.exp(-beta * tau)) / (beta - gamma))
    if not up:
        u, s = 1 / beta - u, 1 / gamma - s
    return u / u.max(), s / s.max()


def test_spline_has_the_second_derivative_of_scipy(cells):
    u, s = cells
    curve, number = spline_curvature(s, u)
    for gene in range(40):
        expected = spline_of_scipy(s[:, gene], u[:, gene])
        assert_allclose(np.sort(np.repeat(curve[gene], number[gene])), np.sort(expected), rtol=1e-5, atol=1e-5)


def test_a_parabola_has_its_own_second_derivative():
    x = np.random.default_rng(1).random((60, 3))
    curve, number = spline_curvature(x, 3 * x**2 - x + [0, 1, 2])
    assert_allclose(curve, 6, rtol=1e-6)
    assert_array_equal(number.sum(axis=1), 60)


def test_bend_and_label_against_a_slow_loop(cells):
    u, s = cells
    f_s, p_s = bend(s, u)
    f_u, p_u = bend(u, s)
    label, confidence = cluster_curvature(u, s)
    for gene in range(40):
        bend_s, bend_u = bend_of_scipy(s[:, gene], u[:, gene]), bend_of_scipy(u[:, gene], s[:, gene])
        assert_allclose([f_s[gene], p_s[gene]], bend_s, atol=1e-9)
        assert_allclose([f_u[gene], p_u[gene]], bend_u, atol=1e-9)
        if min(len(np.unique(x[:, gene])) for x in (u, s)) < 10:
            assert (label[gene], confidence[gene]) == (0, 1)
        else:
            assert label[gene] == label_by_table(*bend_s, *bend_u)
            assert_allclose(confidence[gene], min(bend_s[1], bend_u[1]), atol=1e-7)
    assert set(label) == {-1, 0, 1}


def test_every_row_of_the_decision_table():
    grid = np.array(np.meshgrid([-1, -0.5, 0, 0.5, 1], [0, 0.2], [-1, -0.5, 0, 0.5, 1], [0, 0.2])).reshape(4, -1)
    label, confidence = decide(*grid)
    assert_array_equal(label, [label_by_table(*column) for column in grid.T])
    assert_array_equal(confidence, np.minimum(grid[1], grid[3]))


@pytest.mark.parametrize(("up", "expected"), [(True, 1), (False, -1)])
def test_a_clean_arc_goes_up_or_down_and_flips_with_the_axes(up, expected):
    u, s = arc(up=up)
    assert bend(s, u)[0] == -expected
    assert bend(u, s)[0] == expected
    assert cluster_curvature(u, s)[0] == expected
    assert cluster_curvature(s, u)[0] == -expected
    assert cluster_curvature(u, s)[1] < 1e-12


def test_noise_of_five_percent_leaves_most_labels_right():
    rng = np.random.default_rng(2)
    right = []
    for up, expected in ((True, 1), (False, -1)):
        u, s = (np.abs(x + 0.05 * rng.standard_normal((200, 100))) for x in arc(up=up))
        right.append(np.mean(cluster_curvature(u, s)[0] == expected))
    assert min(right) > 0.8


def test_few_distinct_values_say_nothing():
    u, s = (np.repeat(x, 2, axis=1) for x in arc(up=True))
    u[:, 0] = np.round(u[:, 0] * 8) / 8
    assert_array_equal(cluster_curvature(u, s)[0], [0, 1])
    assert_array_equal(cluster_curvature(s, u)[0], [0, -1])
    assert_allclose(cluster_curvature(u, s)[1], [1, 0], atol=1e-12)
    assert_array_equal(cluster_curvature(u[:9], s[:9])[0], [0, 0])
    assert_array_equal(cluster_curvature(u[:0], s[:0])[0], [0, 0])


def test_one_row_per_cluster_in_any_order_of_cells(cells):
    u, s = (x.astype(np.float32) for x in cells)
    codes = np.repeat([0, 1, 3], [60, 50, 20])
    result = curvature_prior(u, s, codes)
    assert result.label.shape == result.confidence.shape == (4, 40)
    assert result.label.dtype == np.int8
    assert result.confidence.dtype == np.float32
    for code in (0, 1, 3):
        label, confidence = cluster_curvature(u[codes == code], s[codes == code])
        assert_array_equal(result.label[code], label)
        assert_array_equal(result.confidence[code], confidence)
    assert not result.label[2].any()
    order = np.random.default_rng(3).permutation(130)
    assert_array_equal(curvature_prior(u[order], s[order], codes[order]).label, result.label)


def test_blocks_of_genes_change_nothing(cells, monkeypatch):
    u, s = cells
    whole = cluster_curvature(u, s)
    monkeypatch.setattr("napari_tissue_dynamics.steer.prior.curvature.BLOCK_VALUES", 7 * 130)
    for part, expected in zip(cluster_curvature(u, s), whole, strict=True):
        assert_array_equal(part, expected)


def test_quantiles_of_values_that_occur_often_are_those_of_numpy():
    rng = np.random.default_rng(6)
    values, cells = np.sort(rng.normal(size=(30, 4)), axis=1), rng.integers(1, 40, (30, 4))
    for q in (0.05, 0.5, 0.95):
        expected = [np.quantile(np.repeat(*each), q) for each in zip(values, cells, strict=True)]
        assert_allclose(_quantile(values, np.cumsum(cells, axis=1), q), expected, atol=1e-12)
