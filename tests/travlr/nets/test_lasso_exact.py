from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from napari_tissue_dynamics.progress import drained
from napari_tissue_dynamics.travlr.nets.lasso import Penalties, sparse_group_lasso_steps
from napari_tissue_dynamics.travlr.nets.lasso_exact import exact_steps


def _solve(*problem, **options):
    steps = exact_steps(*problem, **options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _problem(seed, n=80, p=24):
    rng = np.random.default_rng(seed)
    x = rng.gamma(2, 1, (n, p))
    y = 3 + x[:, :4] @ rng.normal(size=4) + rng.normal(size=n)
    return x, y, np.repeat([0, 1, 3], [8, 12, p - 20])


@pytest.mark.parametrize("shape", [(80, 24), (20, 40)])
def test_without_groups_it_is_the_lasso(shape):
    x, y, groups = _problem(0, *shape)
    found, converged = _solve(x, y, groups, Penalties(0.0, 0.1))
    model = Lasso(alpha=0.1, tol=1e-12, max_iter=100_000).fit(x, y)
    assert converged
    np.testing.assert_allclose(found, [model.intercept_, *model.coef_], atol=1e-6)
    assert 0 < (found[1:] != 0).sum() < shape[1]


def test_without_penalties_it_is_least_squares():
    x, y, groups = _problem(1)
    expected = np.linalg.lstsq(np.column_stack([np.ones(80), x]), y, rcond=None)[0]
    np.testing.assert_allclose(_solve(x, y, groups, Penalties(0, 0))[0], expected, atol=1e-6)


@pytest.mark.parametrize("scaling", ["inverse", "direct"])
def test_the_minimum_satisfies_the_optimality_conditions(scaling):
    x, y, groups = _problem(2)
    lam, l1 = (0.8 if scaling == "inverse" else 0.2), 0.02
    found, converged = _solve(x, y, groups, Penalties(lam, l1, scaling))
    assert converged
    pull = (x - x.mean(0)).T @ (y - found[0] - x @ found[1:]) / len(y)
    zero_groups = 0
    for group in (0, 1, 3):
        rows = groups == group
        w, u = found[1:][rows], pull[rows]
        strength = lam * np.sqrt(rows.sum()) ** (1 if scaling == "direct" else -1)
        soft = np.sign(u) * np.maximum(np.abs(u) - l1, 0)
        if not w.any():
            assert np.linalg.norm(soft) <= strength + 1e-6
            zero_groups += 1
            continue
        active = w != 0
        direction = strength * w[active] / np.linalg.norm(w) + l1 * np.sign(w[active])
        np.testing.assert_allclose(u[active], direction, atol=1e-6)
        assert (np.abs(u[~active]) <= l1 + 1e-6).all()
    assert 0 < zero_groups < 3


def test_the_published_path_ends_where_both_penalties_are_doubled():
    x, y, groups = _problem(4)
    path = drained(sparse_group_lasso_steps(x, y, groups, Penalties(0.3, 0.02), iterations=20000, tolerance=1e-14))
    np.testing.assert_allclose(_solve(x, y, groups, Penalties(0.6, 0.04))[0], path, atol=1e-4)


def test_says_when_it_has_not_converged():
    x, y, groups = _problem(5)
    assert not _solve(x, y, groups, Penalties(), iterations=3)[1]


def test_a_constant_target_keeps_its_constant():
    x, _, groups = _problem(6)
    found, converged = _solve(x, np.full(80, 2.5), groups)
    assert converged
    np.testing.assert_array_equal(found, [2.5, *np.zeros(24)])
