"""Closed forms against numerical integration."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from napari_tissue_dynamics.kinetics.closed_form import evolve, spliced, unspliced

TIMES = np.array([0.0, 1e-6, 0.3, 2.0, 7.5, 20.0])


def integrate(times, state, alpha, beta, gamma):
    """Integrate the two equations numerically from ``state`` at time zero."""
    solution = solve_ivp(
        lambda _, x: [alpha - beta * x[0], beta * x[0] - gamma * x[1]],
        (0.0, times[-1]),
        state,
        t_eval=times,
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    )
    return solution.y


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma"),
    [
        (2.0, 0.7, 0.2),
        (2.0, 0.2, 0.7),
        (0.0, 0.5, 0.3),
        (1.5, 0.4, 0.4),
        (1.5, 0.4, 0.4 + 1e-13),
        (1.5, 0.4, 0.4 - 1e-9),
        (1.5, 0.4 + 1e-6, 0.4),
        (1.5, 0.4, 0.4001),
        (1.0, 3.0, 0.05),
        (0.5, 0.0, 0.3),
        (0.5, 0.3, 0.0),
    ],
)
@pytest.mark.parametrize("state", [(0.0, 0.0), (1.3, 4.0)])
def test_closed_forms_equal_numerical_integration(alpha, beta, gamma, state):
    u, s = integrate(TIMES, state, alpha, beta, gamma)
    assert_allclose(unspliced(TIMES, state[0], alpha, beta), u, rtol=1e-8, atol=1e-8)
    assert_allclose(spliced(TIMES, state[1], state[0], alpha, beta, gamma), s, rtol=1e-8, atol=1e-8)


def test_spliced_is_continuous_across_equal_rates():
    gaps = np.array([-1e-8, -1e-12, 0.0, 1e-12, 1e-8])
    values = spliced(5.0, 1.0, 2.0, 1.5, 0.4, 0.4 + gaps)
    assert np.ptp(values) < 1e-6
    assert_allclose(values[[1, 3]], values[2], rtol=1e-10)


def test_very_different_rates_and_long_times_stay_finite():
    s = spliced(1e4, 1.0, 1.0, 2.0, np.array([1e3, 1e-3]), np.array([1e-3, 1e3]))
    assert np.isfinite(s).all()
    assert_allclose(s, [2000.0, 0.002], rtol=1e-2)


def test_long_times_reach_the_steady_state():
    assert_allclose(unspliced(1e3, 9.0, 2.0, 0.5), 4.0, rtol=1e-12)
    assert_allclose(spliced(1e3, 9.0, 0.0, 2.0, 0.5, 0.25), 8.0, rtol=1e-12)


def test_arguments_broadcast_over_cells_and_genes():
    t, beta = np.array([[1.0], [4.0]]), np.array([0.2, 0.5, 0.9])
    table = spliced(t, 0.0, 0.0, 1.0, beta, 0.3)
    loop = [[spliced(float(a), 0.0, 0.0, 1.0, float(b), 0.3) for b in beta] for a in t[:, 0]]
    assert table.shape == (2, 3)
    assert_allclose(table, loop, rtol=1e-14)


def test_phases_equal_numerical_integration_phase_by_phase():
    starts, alphas = np.array([0.0, 3.0, 3.0, 8.0]), np.array([0.2, 9.0, 2.0, 0.1])
    beta, gamma, state = 0.4, 0.25, (0.5, 0.8)
    expected = {}
    for start, end, alpha in [(0.0, 3.0, 0.2), (3.0, 8.0, 2.0), (8.0, 20.0, 0.1)]:
        times = np.linspace(start, end, 5)
        u, s = integrate(times - start, state, alpha, beta, gamma)
        expected |= dict(zip(times, zip(u, s, strict=True), strict=True))
        state = u[-1], s[-1]
    t = np.array(list(expected))
    u, s, alpha = evolve(t[:, None], starts[:, None], alphas[:, None], (beta, gamma), (0.5, 0.8))
    assert_allclose(np.column_stack([u, s]), list(expected.values()), rtol=1e-8, atol=1e-8)
    assert_allclose(alpha[:, 0], np.select([t < 3, t < 8], [0.2, 2.0], 0.1))
