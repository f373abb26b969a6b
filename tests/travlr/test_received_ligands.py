from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr import received_ligands as signals
from napari_tissue_dynamics.travlr.received_ligands import received, received_steps, resolve_radius


def _slow(positions, ligands, radii, kernel, scale):
    n = len(positions)
    result = np.zeros(ligands.shape)
    for k, radius in enumerate(radii):
        for i in range(n):
            for j in range(n):
                d = np.linalg.norm(positions[i] - positions[j])
                if kernel == "gaussian":
                    weight = np.exp(-(d**2) / (2 * radius**2))
                else:
                    s = radius / np.sqrt(-2 * np.log(0.001))
                    weight = np.exp(-(d**2) / (2 * s**2)) if d <= radius else 0.0
                result[i, k] += scale / n * weight * ligands[j, k]
    return result


def test_two_cells():
    positions, ligand = np.array([[0.0, 0], [3, 4]]), np.array([[0.0], [1]], dtype=np.float32)
    near = received(positions, ligand, np.array([7.0]), "gaussian", 2.0)
    assert near[0, 0] == pytest.approx(2 * np.exp(-25 / (2 * 49)) / 2)
    assert near[1, 0] == pytest.approx(2 / 2)
    assert received(positions, ligand, np.array([4.9]), "truncated")[0, 0] == 0
    assert received(positions, ligand, np.array([5.0]), "truncated")[0, 0] == pytest.approx(0.001 / 2)


@pytest.mark.parametrize("kernel", ["gaussian", "truncated"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_agrees_with_a_slow_loop(kernel, dimensions, monkeypatch):
    monkeypatch.setattr(signals, "CHUNK", 200)  # several blocks of receivers
    monkeypatch.setattr(signals, "SPARSE_BELOW", 0.3)  # the shortest reach looks up neighbors
    rng = np.random.default_rng(1)
    positions = rng.uniform(0, 60, (40, dimensions))
    ligands = rng.random((40, 4)).astype(np.float32)
    radii = np.array([30.0, 1.5, 30.0, 8.0])
    found = received(positions, ligands, radii, kernel, 3.0)
    np.testing.assert_allclose(found, _slow(positions, ligands, radii, kernel, 3.0), rtol=2e-6, atol=1e-12)


def test_single_precision_is_close(monkeypatch):
    rng = np.random.default_rng(2)
    positions, ligands = rng.uniform(5000, 6000, (300, 2)), rng.random((300, 2)).astype(np.float32)
    radii = np.array([150.0, 20.0])
    exact = np.exp(-(cdist(positions, positions) ** 2)[None] / (2 * radii[:, None, None] ** 2))
    exact = np.stack([w @ ligands[:, k].astype(float) / 300 for k, w in enumerate(exact)], axis=1)
    monkeypatch.setattr(signals, "SINGLE_PRECISION_ABOVE", 100)
    np.testing.assert_allclose(received(positions, ligands, radii), exact, rtol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kind", ["dense", "sparse", "lone", "clumped", "signed"])
def test_a_grid_agrees_with_the_exact_sum(kind, dimensions):
    worst = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        positions = rng.uniform(3000, 4500, (1200, dimensions)) * (1, 0.4, 0.3)[:dimensions]
        if kind == "clumped":
            positions[:600] = positions[0] + rng.normal(0, 15, (600, dimensions))
        ligands = rng.gamma(1, 1, (1200, 2)).astype(np.float32)
        ligands *= {"sparse": rng.random((1200, 2)) < 0.01, "lone": np.arange(1200)[:, None] == [3, 7]}.get(kind, 1)
        if kind == "signed":
            ligands -= 1
        found = received(positions, ligands, np.array([150.0, 60.0]), scale_factor=1200, diffusion="grid")
        for k, radius in enumerate((150.0, 60.0)):
            exact = np.exp(-cdist(positions, positions, "sqeuclidean") / (2 * radius**2)) @ ligands[:, k].astype(float)
            worst = max(worst, np.abs(found[:, k] - exact).max() / np.abs(exact).max())
    assert worst < 2e-3
    assert kind == "signed" or found.min() >= 0


def test_many_cells_take_the_grid_and_few_the_exact_sum(monkeypatch):
    rng = np.random.default_rng(0)
    positions, ligands = rng.uniform(0, 1000, (400, 2)), rng.random((400, 2)).astype(np.float32)
    radii = np.array([100.0, 100.0])
    exact, grid = (received(positions, ligands, radii, diffusion=how) for how in ("exact", "grid"))
    assert not np.array_equal(exact, grid)
    np.testing.assert_array_equal(received(positions, ligands, radii), exact)
    monkeypatch.setattr(signals, "EXACT_BELOW", 300)
    monkeypatch.setattr(signals, "GAIN", 0.01)
    np.testing.assert_array_equal(received(positions, ligands, radii), grid)
    monkeypatch.setattr(signals, "GAIN", 1e9)
    np.testing.assert_array_equal(received(positions, ligands, radii), exact)


def test_a_grid_for_a_lost_cell_is_refused_when_asked_for_and_avoided_otherwise(monkeypatch):
    monkeypatch.setattr(signals, "EXACT_BELOW", 1)
    positions, ligands = np.array([[0.0, 0], [1, 0], [1e7, 1e7]]), np.ones((3, 1), np.float32)
    assert received(positions, ligands, np.array([1.0]))[2, 0] == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="Choose diffusion 'auto'"):
        received(positions, ligands, np.array([1.0]), diffusion="grid")


def test_a_huge_radius_is_the_mean():
    rng = np.random.default_rng(0)
    ligands = rng.random((25, 2)).astype(np.float32)
    found = received(rng.random((25, 2)), ligands, np.full(2, 1e7), scale_factor=5.0)
    np.testing.assert_allclose(found, np.tile(5 * ligands.mean(axis=0), (25, 1)), rtol=1e-5)


def test_shares_rise_to_one():
    rng = np.random.default_rng(0)
    shares = list(received_steps(rng.random((30, 2)), np.ones((30, 2), np.float32), np.array([0.1, 2.0])))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_radius_from_neighbor_distances():
    grid = np.stack(np.meshgrid(np.arange(5) * 3.0, np.arange(4) * 3.0), axis=-1).reshape(-1, 2)
    assert resolve_radius(grid, 0, 0) == (24, 6)
    assert resolve_radius(grid, 10, 0) == (10, 6)
    assert resolve_radius(np.repeat(grid, 3, axis=0), 0, 1.0) == (24, 1)
    assert resolve_radius(grid[:1], 0, 0) == (8, 2)
