"""Rates, factors over the tissue and programmes against published numbers, plain formulas and integration."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp
from scipy.stats import multivariate_normal

from napari_tissue_dynamics.simulators.velocity_genes import (
    INDUCTION,
    LATE_BOOST,
    MULTI_KINETIC,
    REACTIVATION,
    REPRESSION,
    bilinear_factor,
    draw_programmes,
    multiradial_factor,
    transcribe,
)
from napari_tissue_dynamics.simulators.velocity_growth import CENTERS, grow_bilinear, grow_multiradial

ALL = (INDUCTION, REPRESSION, LATE_BOOST, MULTI_KINETIC, REACTIVATION)


@pytest.fixture(scope="module")
def mixed():
    return draw_programmes(100, 2, "mixed", np.random.default_rng(1))


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(2)
    return rng.uniform(0, 20, 60), rng.integers(0, 2, 60).astype(np.int32), rng.uniform(0.1, 1, (60, 100))


def published(time, on, off, rates, repressive):
    """Return u and s by the formulas of the published simulation, as printed, for one cell and gene."""
    a, b, c = rates

    def u(t, u0, a):
        return u0 * np.exp(-b * t) + a / b * (1 - np.exp(-b * t))

    def s(t, u0, s0, a):
        transfer = (a - b * u0) / (c - b) * (np.exp(-c * t) - np.exp(-b * t))
        return s0 * np.exp(-c * t) + a / c * (1 - np.exp(-c * t)) + transfer

    if repressive:
        return u(time, a / b, 0.0), s(time, a / b, a / c, 0.0)
    if time < off:
        passed = max(time - on, 0.0)
        return u(passed, 0.0, a), s(passed, 0.0, 0.0, a)
    u0, s0 = u(off - on, 0.0, a), s(off - on, 0.0, 0.0, a)
    return u(time - off, u0, 0.0), s(time - off, u0, s0, 0.0)


def integrate(time, level, rates, initial):
    """Integrate one gene up to ``time``; ``level`` lists (start, transcription) of its phases."""
    alpha, beta, gamma = rates
    state = np.array([initial * alpha / beta, initial * alpha / gamma])
    ends = [start for start, _ in level[1:]] + [np.inf]
    now = level[0][1]
    for (start, height), end in zip(level, ends, strict=True):
        if start > time:
            break
        now = height
        span = (start, min(end, time))
        if span[1] > span[0]:
            change = lambda t, x, a=alpha * height: [a - beta * x[0], beta * x[0] - gamma * x[1]]  # noqa: E731
            state = solve_ivp(change, span, state, method="LSODA", rtol=1e-9, atol=1e-11).y[:, -1]
    return *state, alpha * now


def phases(programmes, gene):
    """Say what the programme of a gene means: its phases of transcription and its level before time 0."""
    first, second = programmes.starts[1:, gene]
    factor = programmes.levels[2, gene]
    return {
        INDUCTION: ([(0, 0), (first, 1), (second, 0)], 0),
        MULTI_KINETIC: ([(0, 0), (first, 1), (second, 0)], 0),
        REPRESSION: ([(0, 0)], 1),
        LATE_BOOST: ([(0, 0), (first, 1), (second, factor)], 0),
        REACTIVATION: ([(0, 0), (second, 1)], 1),
    }[programmes.names[gene]]


def test_rates_are_log_normal_as_published():
    logs = np.log(draw_programmes(20000, 1, "friendly", np.random.default_rng(3)).rates[0])
    assert_allclose(logs.mean(axis=1), [1, 0, 0], atol=0.03)
    assert_allclose(np.cov(logs), np.where(np.eye(3), 1, 0.05), atol=0.04)


def test_a_fifth_of_the_friendly_genes_is_repressive_and_times_are_in_the_published_ranges():
    drawn = draw_programmes(500, 2, "friendly", np.random.default_rng(4))
    names = np.array(drawn.names)
    assert dict(zip(*np.unique(names, return_counts=True), strict=True)) == {REPRESSION: 100, INDUCTION: 400}
    on, off = drawn.starts[1:, names == INDUCTION]
    assert (on.min() >= 0, on.max() <= 2, off.min() >= 6, off.max() <= 20) == (True,) * 4
    assert_allclose([on.mean(), off.mean()], [1, 13], rtol=0.06)
    assert_array_equal(drawn.rates[0], drawn.rates[1])


def test_mixed_genes_have_the_promised_shares_times_and_factors():
    drawn = draw_programmes(500, 4, "mixed", np.random.default_rng(4))
    names = np.array(drawn.names)
    assert {name: int((names == name).sum()) for name in ALL} == dict(zip(ALL, (150, 100, 100, 100, 50), strict=True))
    late, again = names == LATE_BOOST, names == REACTIVATION
    assert drawn.starts[1, late].max() <= 2
    assert (drawn.starts[2, late].min() >= 10, drawn.starts[2, late].max() <= 16) == (True, True)
    assert (drawn.levels[2, late].min() >= 3, drawn.levels[2, late].max() <= 8) == (True, True)
    assert (drawn.starts[2, again].min() >= 8, drawn.starts[2, again].max() <= 14) == (True, True)
    differ = (drawn.rates != drawn.rates[0]).any(axis=(0, 1))
    assert_array_equal(differ, names == MULTI_KINETIC)
    assert len(np.unique(drawn.rates[:, 1, np.flatnonzero(differ)[0]])) == 4


def test_mixed_genes_keep_the_rates_and_times_of_the_friendly_ones():
    friendly, drawn = (draw_programmes(200, 2, kind, np.random.default_rng(5)) for kind in ("friendly", "mixed"))
    same = np.isin(drawn.names, [INDUCTION, REPRESSION])
    assert_array_equal(drawn.rates[:, :, same], friendly.rates[:, :, same])
    assert_array_equal(drawn.starts[:, same], friendly.starts[:, same])
    assert_array_equal(np.array(drawn.names) == REPRESSION, np.array(friendly.names) == REPRESSION)


def test_friendly_rna_is_the_printed_formula(cells):
    time, region, factor = cells
    drawn = draw_programmes(100, 2, "friendly", np.random.default_rng(6))
    found = transcribe(time, region, factor, drawn)
    for cell in range(0, 60, 3):
        for gene in range(100):
            alpha, beta, gamma = drawn.rates[0, :, gene]
            on, off = drawn.starts[1:, gene]
            repressive = drawn.names[gene] == REPRESSION
            expected = published(time[cell], on, off, (alpha * factor[cell, gene], beta, gamma), repressive)
            assert_allclose([found.unspliced[cell, gene], found.spliced[cell, gene]], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_programme_is_its_integral(name, mixed, cells):
    time, region, factor = cells
    found = transcribe(time, region, factor, mixed)
    for gene in np.flatnonzero(np.array(mixed.names) == name)[:4]:
        level, initial = phases(mixed, gene)
        for cell in range(0, 60, 4):
            rates = mixed.rates[region[cell], :, gene] * [factor[cell, gene], 1, 1]
            expected = integrate(time[cell], level, rates, initial)
            values = [getattr(found, kind)[cell, gene] for kind in ("unspliced", "spliced", "alpha")]
            assert_allclose(values, expected, rtol=1e-6, atol=1e-8)
            assert_array_equal([found.beta[cell, gene], found.gamma[cell, gene]], rates[1:])


def test_blocks_of_cells_do_not_show(mixed, cells, monkeypatch):
    whole = transcribe(*cells, mixed)
    monkeypatch.setattr("napari_tissue_dynamics.simulators.velocity_genes.BLOCK", 700)
    assert_array_equal(transcribe(*cells, mixed).spliced, whole.spliced)


def test_bilinear_factor_is_a_mixture_of_turned_normals():
    grown = grow_bilinear(200, np.random.default_rng(7))
    found = bilinear_factor(grown.local, 20, np.random.default_rng(8))
    rng = np.random.default_rng(8)
    peaks = rng.uniform(grown.local.min(axis=0), grown.local.max(axis=0), (20, 2))
    widths = grown.local.std(axis=0) * np.exp(rng.normal(1.0, 0.5, (20, 2)))
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    for gene, (peak, width) in enumerate(zip(peaks @ turn.T, widths, strict=True)):
        spread = turn @ np.diag(width**2) @ turn.T
        parts = [multivariate_normal(mean, spread) for mean in (peak, -peak)]
        density = sum(part.pdf(grown.positions) for part in parts)
        top = max(sum(part.pdf(place) for part in parts) for place in (peak, -peak))
        assert_allclose(found[:, gene], density / top, rtol=1e-9)
    assert found.min() > 0
    assert found.max() <= 1.14


def test_multiradial_factor_turns_its_peak_from_disk_to_disk():
    grown = grow_multiradial(400, np.random.default_rng(9))
    found = multiradial_factor(grown, 15, np.random.default_rng(10))
    rng = np.random.default_rng(10)
    radius, angle = grown.local[grown.region == 0].T
    peaks = zip(
        rng.uniform(0, radius.max(), 15),
        rng.uniform(angle.min(), angle.max(), 15),
        radius.std() * np.exp(rng.normal(1.0, 0.5, 15)),
        np.exp(rng.normal(1.0, 1.0, 15)),
        strict=True,
    )
    for gene, (peak_radius, peak_angle, radial, angular) in enumerate(peaks):
        place = CENTERS[0] + peak_radius * np.array([np.cos(peak_angle), np.sin(peak_angle)])
        bell = multivariate_normal([peak_radius, 0.0], np.diag([radial**2, angular**2]))
        for disk in range(4):
            turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), disk)
            x, y = turn @ place - CENTERS[disk]
            here = grown.region == disk
            bend = 1 - np.cos(grown.local[here, 1] - np.arctan2(y, x))
            density = bell.pdf(np.column_stack([grown.local[here, 0], bend]))
            assert_allclose(found[here, gene], density / bell.pdf([peak_radius, 0.0]), rtol=1e-9)
    assert (found.min() > 0, found.max() <= 1) == (True, True)
