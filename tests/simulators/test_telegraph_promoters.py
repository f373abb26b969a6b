"""Random histories of promoters against closed forms and an independent integration of the means."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad, solve_ivp

from napari_tissue_dynamics.simulators.telegraph_layouts import FORK, T_MAX, place
from napari_tissue_dynamics.simulators.telegraph_promoters import STEPS, Genes, draw_genes, mean_along_paths
from napari_tissue_dynamics.simulators.telegraph_sampling import Cells, means_now, random_means

ON, OFF, SYNTHESIS = np.array([0.4, 1.5, 2.0]), np.array([4.0, 1.0, 0.5]), np.array([30.0, 20.0, 15.0])
BETA, GAMMA = np.array([1.2, 0.8, 2.0]), np.array([0.5, 1.1, 0.6])


def constant_genes(chain):
    """Return three genes whose promoters are the same everywhere."""
    wide = (1, STEPS, 3)
    rates = np.broadcast_to(ON, wide), np.broadcast_to(OFF, wide)
    regimes = np.zeros((1, 2), dtype=np.int32)
    return Genes(np.array([chain]), SYNTHESIS[None], *rates, regimes, False, ("constant",) * 3)


def cells(time, path=None, static=False, regime=None):
    zero = np.zeros(len(time), dtype=np.int32)
    path, regime = (zero if given is None else given for given in (path, regime))
    return Cells(path, time, np.full(len(time), static), regime)


@pytest.mark.parametrize("static", [False, True])
def test_steady_state_has_the_closed_form_mean_and_variance(static):
    """Peccoud and Ycart 1995 for u; for s the spectrum of the promoter through two steps, integrated."""
    genes, n_cells = constant_genes([BETA, GAMMA]), 30_000
    many = cells(np.full(n_cells, 5.0), static=static)
    rna = random_means(genes, mean_along_paths(genes), many, np.random.default_rng(1))
    u, s = np.moveaxis(np.random.default_rng(2).poisson(rna), 1, 0)
    switching = ON + OFF
    share, variance = ON / switching, SYNTHESIS**2 * ON * OFF / switching**2
    assert_allclose(u.mean(axis=0), SYNTHESIS * share / BETA, rtol=0.02)
    assert_allclose(s.mean(axis=0), SYNTHESIS * share / GAMMA, rtol=0.02)
    fano_u = 1 + SYNTHESIS * OFF / (switching * (switching + BETA))
    assert_allclose(u.var(axis=0) / u.mean(axis=0), fano_u, rtol=0.03)
    from_promoter = variance * BETA * (switching + BETA + GAMMA)
    from_promoter /= GAMMA * (switching + BETA) * (BETA + GAMMA) * (switching + GAMMA)
    assert_allclose(s.var(axis=0), SYNTHESIS * share / GAMMA + from_promoter, rtol=0.03)


def test_the_closed_form_of_the_variance_is_the_integral_of_the_spectrum():
    k, b, g = 3.0, 1.2, 0.5

    def spectrum(w):
        return 2 * k * b**2 / ((k**2 + w**2) * (b**2 + w**2) * (g**2 + w**2)) / np.pi

    expected = b * (k + b + g) / (g * (k + b) * (b + g) * (g + k))
    assert quad(spectrum, 0, np.inf)[0] == pytest.approx(expected, rel=1e-6)


def test_three_forms_have_the_mean_of_their_lives():
    export = np.array([0.9, 0.4, 1.0])
    genes = constant_genes([BETA, export, GAMMA])
    rna = random_means(genes, mean_along_paths(genes), cells(np.full(20_000, 3.0)), np.random.default_rng(1))
    flow = SYNTHESIS * ON / (ON + OFF)
    assert_allclose(rna.mean(axis=0), flow / np.array([BETA, export, GAMMA]), rtol=0.02)


def drawn(layout, n_regimes, export, n_cells=4000):
    rng = np.random.default_rng(5)
    placed = place(layout, n_cells, n_regimes, rng)
    return placed, draw_genes(12, placed.regimes, (0.4, 0.2), export, layout, rng)


@pytest.mark.parametrize(
    ("layout", "n_regimes", "export"), [("opposite", 2, None), ("branches", 3, None), ("cycle", 2, 1.0)]
)
def test_means_follow_the_equations_by_another_integrator(layout, n_regimes, export):
    _, genes = drawn(layout, n_regimes, export)
    p, rna = mean_along_paths(genes)
    n_forms, n_genes = genes.chain.shape[1:]
    for path, regimes in enumerate(genes.regimes):

        def change(t, state, path=path, regimes=regimes):
            step = min(int(t * STEPS / T_MAX), STEPS - 1)
            regime = regimes[int(t >= FORK)]
            on, *forms = state.reshape(1 + n_forms, n_genes)
            rates = genes.chain[regime]
            slopes = [genes.k_on[path, step] * (1 - on) - genes.k_off[path, step] * on]
            coming = genes.synthesis[regime] * on
            for form, rate in zip(forms, rates, strict=True):
                slopes.append(coming - rate * form)
                coming = rate * form
            return np.concatenate(slopes)

        start = np.concatenate([p[path, 0], rna[path, 0].ravel()])
        at = np.array([1.0, 4.0, 4.5, 8.0, 10.0])
        solution = solve_ivp(change, (0, T_MAX), start, "LSODA", at, rtol=1e-6, atol=1e-8, max_step=T_MAX / STEPS)
        found = np.concatenate([p[path, :, None], rna[path]], axis=1)[np.rint(at * STEPS / T_MAX).astype(int)]
        assert_allclose(found.reshape(len(at), -1), solution.y.T, rtol=2e-3, atol=1e-4)
        if genes.periodic:
            assert_allclose(rna[path, -1], rna[path, 0], rtol=1e-6)
        else:
            coming = genes.synthesis[regimes[0]] * p[path, 0]
            assert_allclose(genes.chain[regimes[0]] * rna[path, 0], np.tile(coming, (n_forms, 1)))


@pytest.mark.parametrize(
    ("layout", "n_regimes", "export"),
    [("opposite", 2, None), ("branches", 3, None), ("branches", 3, 0.7), ("cycle", 1, None), ("sources", 5, 1.5)],
)
@pytest.mark.parametrize("static", [False, True])
def test_random_histories_have_the_mean(layout, n_regimes, export, static):
    """In each quarter of the path and each form of RNA, within five standard errors."""
    placed, genes = drawn(layout, n_regimes, export)
    where = cells(placed.time, placed.path, static, placed.regime)
    along = mean_along_paths(genes)
    rna = random_means(genes, along, where, np.random.default_rng(7))
    off = rna - means_now(genes, along, where)[1]
    assert (rna.std(axis=0) > 0.1 * rna.mean(axis=0)).all()
    for quarter in range(4):
        part = off[(placed.time * 4 / T_MAX).astype(int) == quarter]
        error = part.sum(axis=0) / np.sqrt((part**2).sum(axis=0))
        assert np.abs(error).max() < 5


def test_promoters_lag_behind_their_rates():
    """RNA of an induced gene is below its steady state while the gene is being induced, that of a repressed above."""
    placed, genes = drawn("mosaic", 1, None)
    moving, still = (means_now(genes, mean_along_paths(genes), cells(placed.time, static=k))[1] for k in (False, True))
    for name, sign in (("induced", 1), ("repressed", -1)):
        gene = np.array(genes.names) == name
        assert gene.any()
        assert (sign * (still - moving)[:, -1, gene]).min() > -1e-6
        assert (sign * (still - moving)[:, -1, gene]).max(axis=0).min() > 0.3


def test_a_late_boost_makes_bursts_longer():
    _, genes = drawn("mosaic", 1, None)
    boosted = np.array(genes.names) == "late boost"
    ratio = genes.k_off[0, 0] / genes.k_off[0, -1]
    assert ((ratio[boosted] >= 3) & (ratio[boosted] <= 8)).all()
    assert_allclose(ratio[~boosted], 1)


def test_arms_share_the_trunk_and_differ_after_it():
    _, genes = drawn("branches", 3, None)
    trunk = round(STEPS * FORK / T_MAX)
    assert_allclose(genes.k_on[0, :trunk], genes.k_on[1, :trunk])
    assert np.abs(genes.k_on[0, -1] - genes.k_on[1, -1]).max() > 0.5
