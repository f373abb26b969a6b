from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from napari_tissue_dynamics.progress import drained
from napari_tissue_dynamics.travlr.nets.lasso import Penalties, sparse_group_lasso_steps


def _slow(x, y, groups, lam, l1, n_iter, tol=1e-5):  # noqa: C901
    """The published iteration written out, without sharing any product between its lines."""
    n = len(y)
    a = np.hstack([np.ones((n, 1)), x - x.mean(0)])
    lip = np.linalg.norm(a, "fro") ** 2 / n

    def f(w):
        return np.linalg.norm(a @ w - y) ** 2 / (2 * n)

    def g(w):
        return a.T @ (a @ w - y) / n

    def prox(w, lip):
        w = w.copy()
        for k in range(1, len(w)):
            w[k] = np.sign(w[k]) * max(abs(w[k]) - l1 / lip, 0)
        for group in set(groups.tolist()):
            rows = [1 + k for k in range(len(groups)) if groups[k] == group]
            length = np.sqrt(sum(w[k] ** 2 for k in rows))
            for k in rows:
                w[k] *= max(0, 1 - lam / np.sqrt(len(rows)) / lip / length) if length else 0
        return w

    def step(x0, m, t, lip):
        x1 = prox(m - 0.5 * g(m) / lip, lip)
        t1 = 0.5 + 0.5 * np.sqrt(1 + 4 * t * t)
        return x1, x1 + (x1 - x0) * (t - 1) / t1, t1

    w = m = np.zeros(x.shape[1] + 1)
    t = 1.0
    for _ in range(n_iter):
        w1, m1, t1 = step(w, m, t, lip)
        if (m - w1) @ (w1 - w) > f(w):
            m, t = w, 1.0
            w1, m1, t1 = step(w, m, t, lip)
        while f(w1) > f(m) + lip / 2.5 * np.sum((w1 - m) ** 2) + g(m) @ (w1 - m):
            lip = 2 * lip
            w1, m1, t1 = step(w, m, t, lip)
        change = np.linalg.norm(w1 - w) / np.linalg.norm(w1 + 1e-16)
        w, m, t = w1, m1, t1
        if change < tol:
            break
    return np.concatenate([[w[0] - x.mean(0) @ w[1:]], w[1:]])


def _problem(seed, n=60, p=25, scale=1.0):
    rng = np.random.default_rng(seed)
    x = rng.gamma(2, 1, (n, p)) * np.where(np.arange(p) < 8, 1, scale)
    y = x[:, :4] @ rng.normal(size=4) + rng.normal(size=n)
    return x, y, np.repeat([0, 1, 2], [8, 12, p - 20])


@pytest.mark.parametrize(
    ("seed", "n", "p", "lam", "l1"),
    [(0, 60, 25, 1e-6, 1e-9), (1, 30, 40, 1e-6, 1e-9), (2, 60, 25, 0.2, 0.05), (3, 60, 25, 0.0, 0.0)],
)
def test_path_agrees_with_the_published_iteration(seed, n, p, lam, l1):
    x, y, groups = _problem(seed, n, p, scale=0.05)
    found = drained(sparse_group_lasso_steps(x, y, groups, Penalties(lam, l1), iterations=400))
    np.testing.assert_allclose(found, _slow(x, y, groups, lam, l1, 400), atol=1e-10, rtol=1e-10)


def test_constant_target_keeps_its_constant():
    x, _, groups = _problem(0)
    y = np.zeros(60)
    np.testing.assert_array_equal(drained(sparse_group_lasso_steps(x, y, groups)), 0)
    steps = list(sparse_group_lasso_steps(x, y, groups))
    assert not steps  # ended in its first iteration
    np.testing.assert_allclose(
        drained(sparse_group_lasso_steps(x, y + 3, groups)), _slow(x, y + 3, groups, 1e-6, 1e-9, 1500), atol=1e-10
    )


def test_fixed_point_minimises_with_doubled_penalties():
    x, y, groups = _problem(4, n=80, p=24)
    lam, l1 = 0.3, 0.02
    found = drained(sparse_group_lasso_steps(x, y, groups, Penalties(lam, l1), iterations=20000, tolerance=1e-13))

    def objective(w):
        value = np.sum((x @ w[1:] + w[0] - y) ** 2) / (2 * len(y)) + 2 * l1 * np.abs(w[1:]).sum()
        for group in range(3):
            part = w[1:][groups == group]
            value += 2 * lam / np.sqrt(len(part)) * np.linalg.norm(part)
        return value

    best = min(minimize(objective, found + d, method="Powell").fun for d in (0, 0.01))
    assert objective(found) <= best + 1e-8
    assert (found[1:] == 0).any()


def test_without_penalty_a_small_problem_reaches_least_squares():
    rng = np.random.default_rng(0)
    x = rng.normal(2, 1, (200, 3))
    y = 1 + x @ [1.0, -2, 0.5] + 0.1 * rng.normal(size=200)
    exact = np.linalg.lstsq(np.column_stack([np.ones(200), x]), y, rcond=None)[0]
    found = drained(
        sparse_group_lasso_steps(x, y, np.zeros(3, int), Penalties(0, 0), iterations=20000, tolerance=1e-14)
    )
    np.testing.assert_allclose(found, exact, atol=5e-6)


def test_shares_rise():
    x, y, groups = _problem(1, 30, 40)
    shares = list(sparse_group_lasso_steps(x, y, groups))
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] <= 1
