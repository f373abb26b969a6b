"""The nearest neighbors against a sort of all distances."""

from __future__ import annotations

import pytest
import torch

from napari_tissue_dynamics.steer import exact_knn as module
from napari_tissue_dynamics.steer.exact_knn import nearest


def cells(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distances(z: torch.Tensor) -> torch.Tensor:
    """Of all pairs, by their differences; infinite on the diagonal."""
    return (z[:, None] - z).norm(dim=2).fill_diagonal_(torch.inf)


@pytest.mark.parametrize(("n", "k"), [(2, 5), (30, 4), (30, 29), (200, 3), (331, 7)])
def test_nearest_are_the_first_of_all_others_in_order(n, k):
    z = cells(n)
    expected = distances(z).argsort(dim=1)[:, : min(k, n - 1)]
    assert torch.equal(nearest(z, k).sort(dim=1).values, expected.sort(dim=1).values)


@pytest.mark.parametrize("block", [7, 1024])
def test_rows_compared_in_blocks_have_the_same_neighbors(block, monkeypatch):
    z = cells(300)
    monkeypatch.setattr(module, "BLOCK", block)
    assert torch.equal(module.in_blocks(z, 4).sort(dim=1).values, nearest(z, 4).sort(dim=1).values)


@pytest.mark.parametrize("copies", [2, 60])
def test_cells_at_the_same_place_are_neighbors_of_each_other_and_none_of_itself(copies):
    z = cells(240 // copies).repeat(copies, 1)
    found = nearest(z, 5)
    assert (found != torch.arange(len(z))[:, None]).all()
    assert all(len(set(row)) == 5 for row in found.tolist())
    reached = distances(z).gather(1, found).sort(dim=1).values
    torch.testing.assert_close(reached, distances(z).sort(dim=1).values[:, :5], atol=1e-7, rtol=1e-7)


def test_neighbors_of_what_is_not_a_number_are_cells_all_the_same():
    z = cells(200)
    z[3] = torch.nan
    found = nearest(z, 5)
    assert found.shape == (200, 5)
    assert ((found >= 0) & (found < 200)).all()
