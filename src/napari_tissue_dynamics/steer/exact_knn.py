"""The nearest neighbors of every row of a table, exactly."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 1024


@torch.no_grad()
def nearest(z: Tensor, k: int) -> Tensor:
    r"""Return the k nearest other rows of every row, in no particular order.

    scikit-learn finds them on the CPU. On other devices the rows are compared by :math:`|z_j|^2 - 2 z_i \cdot z_j`,
    which orders them like the distance, in blocks: nothing of size rows x rows is kept.

    Shapes
    ------
    ``z`` (n, d); returns (n, min(k, n - 1)).
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(z) - 1)
    if z.device.type != "cpu" or not bool(z.isfinite().all()):
        return in_blocks(z, k)
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(z.numpy()).kneighbors(return_distance=False)
    return torch.from_numpy(found)


@torch.no_grad()
def in_blocks(z: Tensor, k: int) -> Tensor:
    """Return the same, for ``k`` below the number of rows, by torch alone, whose order takes any values."""
    square = z.square().sum(1)
    blocks = []
    for start in range(0, len(z), BLOCK):
        distance = torch.addmm(square, z[start : start + BLOCK], z.T, alpha=-2)
        rows = torch.arange(len(distance), device=z.device)
        distance[rows, rows + start] = torch.inf
        blocks.append(distance.topk(k, dim=1, largest=False).indices)
    return torch.cat(blocks)
