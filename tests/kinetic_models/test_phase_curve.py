"""The curve of a gene against numerical integration and the closed forms shared by all models."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from napari_tissue_dynamics.kinetic_models.phase_curve import Shape, curve, exponentials, switch_point
from napari_tissue_dynamics.kinetics.closed_form import evolve, spliced, unspliced

RATIOS = (0.05, 0.6, 0.999, 1.0, 1.001, 4.0)


def integrated(ratio, on, start, times):
    def change(_, state):
        return [on - state[0], ratio * (state[0] - state[1])]

    return solve_ivp(change, (0, times[-1]), start, t_eval=times, rtol=1e-12, atol=1e-13).y


def shape_of(ratio, switch):
    values = np.log(np.array([[1.0, 1.0, ratio, switch]]))
    return Shape.of(values)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("switch", [0.4, 3.0])
def test_both_phases_equal_a_numerical_integration(ratio, switch):
    shape, times = shape_of(ratio, switch), np.linspace(0, 6, 20)
    rising = integrated(ratio, 1.0, [0, 0], np.append(times[times < switch], switch))
    assert_allclose(curve(shape, times[times < switch], 1, np), rising[:, None, :-1], atol=1e-8)
    assert_allclose(np.ravel(switch_point(shape, np)), rising[:, -1], atol=1e-8)
    falling = integrated(ratio, 0.0, rising[:, -1], times)
    assert_allclose(curve(shape, times, 0, np), falling[:, None], atol=1e-8)


@pytest.mark.parametrize("beta", [0.3, 1.0])
@pytest.mark.parametrize("ratio", RATIOS)
def test_closed_forms_equal_a_numerical_integration(beta, ratio):
    alpha, gamma, times = 2.5, ratio * beta, np.linspace(0, 8, 15)

    def change(_, state):
        return [alpha - beta * state[0], beta * state[0] - gamma * state[1]]

    expected = solve_ivp(change, (0, 8), [0.7, 3.0], t_eval=times, rtol=1e-12, atol=1e-13).y
    assert_allclose(unspliced(times, 0.7, alpha, beta), expected[0], atol=1e-8)
    assert_allclose(spliced(times, 3.0, 0.7, alpha, beta, gamma), expected[1], atol=1e-8)


def test_curve_is_the_kinetics_of_all_models_in_other_units():
    alpha, beta, gamma, end, factor = 3.0, 0.8, 0.5, 4.0, 1.7
    time = np.linspace(0, 12, 40)[:, None]
    u, s, _ = evolve(time, np.array([[0.0], [end]]), np.array([[alpha], [0.0]]), (beta, gamma), (0.0, 0.0))
    top_s, slope = alpha / gamma, factor * gamma / beta
    shape = Shape.of(np.log(np.array([[slope, top_s, gamma / beta, beta * end]])))
    on = (time[:, 0] <= end).astype(float)
    tau = beta * np.where(on > 0, time[:, 0], time[:, 0] - end)
    found_u, found_s = curve(shape, tau, on, np)
    tops = shape.tops(np)
    assert_allclose(tops[0] * found_u, factor * u.T, rtol=1e-10, atol=1e-12)
    assert_allclose(tops[1] * found_s, s.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ratio", [1e-2, 1.0, 50.0])
def test_exponentials_do_not_overflow_in_single_precision(ratio):
    tau = np.array([[0.0, 1.0, 1e4]], dtype=np.float32)
    slow, other, between = exponentials(tau, np.array([[ratio]], dtype=np.float32), np)
    exact = tau.astype(float)
    assert_allclose(slow, np.exp(-exact), atol=1e-6)
    assert_allclose(other, np.exp(-ratio * exact), atol=1e-4)
    assert np.isfinite(between).all()
