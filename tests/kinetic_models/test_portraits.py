"""Expectation and maximisation of phase portraits against brute force and known curves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.kinetic_models.phase_curve import Shape, curve
from napari_tissue_dynamics.kinetic_models.portraits import RATIO_STEP, Places, Portraits

G, N = 40, 300


@pytest.fixture(scope="module")
def true():
    rng = np.random.default_rng(3)
    columns = [rng.normal(-0.4, 0.4, G), rng.normal(0, 0.4, G), rng.normal(-0.5, 0.5, G), np.log(rng.uniform(1, 4, G))]
    return np.stack(columns, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def cells(true):
    """Return u, s and the phase of cells on the curves, in units of the standard deviations, and these units."""
    rng = np.random.default_rng(4)
    shape, on = Shape.of(true), (rng.random((G, N)) < 0.6).astype(np.float32)
    tau = np.where(on > 0, rng.random((G, N)) * np.exp(true[:, 3:]), 4 * rng.random((G, N))).astype(np.float32)
    u, s = (top * part for top, part in zip(shape.tops(np), curve(shape, tau, on, np), strict=True))
    unit_u, unit_s = u.std(axis=1, keepdims=True), s.std(axis=1, keepdims=True)
    in_units = true.copy()
    in_units[:, 0] += np.log(unit_s / unit_u)[:, 0]
    in_units[:, 1] -= np.log(unit_s)[:, 0]
    return u / unit_u, s / unit_s, on, in_units


def portraits(u, s, weight=1e-3, xp=np):
    known = np.tile(np.array([[0, 0, -0.5, 0.7]], np.float32), (len(u), 1))
    weights = np.tile(np.array([[0, 0, weight, weight]], np.float32), (len(u), 1))
    arrays = [known, weights, np.eye(4, dtype=np.float32)]
    given = [u.astype(np.float32), s.astype(np.float32), *arrays]
    if xp is not np:
        given = [xp.from_numpy(each) for each in given]
    return Portraits(*given, xp)


def test_curves_without_noise_are_found_exactly(cells):
    u, s, on, true = cells
    found = portraits(u, s).fit(20)
    assert_allclose(found, true, atol=2e-3)
    assert (portraits(u, s).place(found).on == on).mean() > 0.995


def test_curves_with_noise_are_found_about(cells):
    u, s, on, true = cells
    rng = np.random.default_rng(5)
    noisy = [np.maximum(each + 0.1 * rng.normal(size=each.shape), 0) for each in (u, s)]
    block = portraits(*noisy)
    found = block.fit(10)
    assert np.median(np.abs(found - true)) < 0.05
    # No curve is farther from the cells than the true one.
    assert (block.place(found).distance.sum(1) < 1.02 * block.place(true).distance.sum(1)).all()
    assert (block.place(found).on == on).mean() > 0.95


def test_places_are_the_nearest_points_of_the_curve(cells):
    u, s, _, true = cells
    rng = np.random.default_rng(6)
    u, s = (np.maximum(each[:6, :50] + 0.2 * rng.normal(size=(6, 50)), 0) for each in (u, s))
    places = portraits(u, s).place(true[:6])
    shape = Shape.of(true[:6].astype(np.float64))
    tops = shape.tops(np)
    nearest = []
    for on, end in ((1, np.exp(shape.switch)), (0, shape.longest(np))):
        line = curve(shape, np.linspace(0, 1, 4000) * end, on, np)
        x, y = (top * part for top, part in zip(tops, line, strict=True))
        nearest.append(((u[:, :, None] - x[:, None]) ** 2 + (s[:, :, None] - y[:, None]) ** 2).min(axis=2))
    assert_allclose(places.distance, np.minimum(*nearest), atol=2e-3)
    assert_allclose(places.other, np.maximum(*nearest), rtol=5e-3, atol=2e-3)


def test_genes_of_a_block_do_not_know_each_other(cells):
    u, s, _, _ = cells
    together, alone = portraits(u, s).fit(6), portraits(u[7:8], s[7:8]).fit(6)
    assert_allclose(together[7:8], alone, atol=1e-3)


def test_what_is_known_before_decides_where_the_cells_say_nothing():
    silent = np.zeros((2, 50), dtype=np.float32)
    block = portraits(silent, silent, weight=10.0)
    found = block.fit(3)
    assert np.isfinite(found).all()
    line = np.linspace(0.1, 1, 50)[None]
    known = np.array([[np.log(0.5), 0, -0.5, 0.7]], np.float32)
    held = np.array([[1e4, 0, 1e4, 1.0]], np.float32)
    found = Portraits(line.astype(np.float32), line.astype(np.float32), known, held, np.eye(4, dtype=np.float32), np)
    assert_allclose(found.fit(10)[0, [0, 2]], known[0, [0, 2]], atol=0.02)


def test_torch_finds_the_same_curves(cells):
    torch = pytest.importorskip("torch")
    u, s, _, _ = cells
    one, other = portraits(u, s).fit(8), portraits(u, s, xp=torch).fit(8).numpy()
    assert_allclose(one, other, atol=5e-3)
    places, tensors = portraits(u, s).place(one), portraits(u, s, xp=torch).place(torch.from_numpy(one))
    assert_array_equal(places.on, tensors.on.numpy())
    assert_allclose(places.tau, tensors.tau.numpy(), atol=1e-3)


def test_a_step_solves_for_what_lies_across_the_curve(cells):
    """Derivatives by differences, the part of them along the curve taken out cell by cell."""
    u, s, _, true = cells
    rng = np.random.default_rng(8)
    u, s = (np.maximum(each[:4, :60] + 0.2 * rng.normal(size=(4, 60)), 0) for each in (u, s))
    stacked = true[:4].astype(np.float64)
    block = Portraits(u, s, stacked, 0 * stacked, np.eye(4), np)
    places = block.place(stacked)
    matrix, right = block._normal_equations(Shape.of(stacked), places)

    last = (places.on > 0) & (places.tau >= np.exp(stacked[:, 3:]))

    def at(stacked, later=0.0):
        """Cells at the end of transcription stay at its end."""
        shape, tau = Shape.of(stacked), np.where(last, np.exp(stacked[:, 3:]), places.tau) + later
        return np.stack(
            [top * part for top, part in zip(shape.tops(np), curve(shape, tau, places.on, np), strict=True)]
        )

    left, by = np.stack([u, s]) - at(stacked), []
    for k in range(4):
        small = (np.log1p(RATIO_STEP) if k == 2 else 1e-6) * np.eye(4)[k]
        by.append((at(stacked + small) - at(stacked)) / small[k])
    end = np.where(places.on > 0, np.exp(stacked[:, 3:]), Shape.of(stacked).longest(np))
    turn = (at(stacked, 1e-6) - at(stacked, -1e-6)) / 2e-6
    turn *= ((places.tau > 0) & (places.tau < end)) / np.linalg.norm(turn, axis=0)
    across = [each - (each * turn).sum(axis=0) * turn for each in (*by, left)]
    assert 0 < last.sum() < N
    for gene in range(4):
        *x, y = (each[:, gene].ravel() for each in across)
        x = np.stack(x, axis=1)
        assert_allclose(matrix[gene], x.T @ x, rtol=1e-3, atol=1e-3)
        assert_allclose(right[gene], x.T @ y, rtol=1e-3, atol=1e-3)


def test_a_silent_gene_has_finite_equations():
    silent = np.zeros((1, 20), dtype=np.float32)
    block = portraits(silent, silent)
    places = Places(silent + 0.5, silent + 1, silent, silent)  # inside their phase, where a curve could be followed
    for part in block._normal_equations(Shape.of(block._start(2.0)), places):
        assert np.isfinite(part).all()
