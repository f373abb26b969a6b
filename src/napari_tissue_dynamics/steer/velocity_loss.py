"""The velocity loss: in the phase plane of every gene, cells move towards later neighbors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from napari_tissue_dynamics.steer.attention import SparseRows

CHOSEN = 3
BLOCK_VALUES = 1 << 20
TINY = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Aims:
    """Where the later neighbors of each cell lie, per gene.

    Parameters
    ----------
    direction
        (2, cells, genes) sum of the unit vectors (unspliced, spliced) to the chosen neighbors.
    number
        (cells, genes) how many neighbors were chosen.
    """

    direction: Tensor
    number: Tensor


def velocity_loss(direction: Tensor, aims: Aims) -> Tensor:
    r"""Return the mean of one minus the cosine between velocity and the way to the chosen neighbors.

    .. math:: L = \frac{\sum_{ig} n_{ig} - \langle \hat p_{ig}, q_{ig} \rangle}{\sum_{ig} n_{ig}}

    with the unit velocity :math:`\hat p`, the sum :math:`q` of unit vectors and their number :math:`n`. As the
    choice of neighbors has no gradient, this has the value and the gradient of the loss over all pairs of
    edge and gene (Liu et al. 2026), but only arrays of cells x genes carry gradients.

    Shapes
    ------
    ``direction`` (2, cells, genes), unit vectors.
    """
    total = aims.number.sum()
    return (total - (direction * aims.direction).sum()) / total.clamp(min=1)


def unit(vectors: Tensor) -> Tensor:
    """Return (2, cells, genes) phase-plane vectors with length one; zero vectors stay zero."""
    length = (vectors.square().sum(0) + TINY**2).sqrt()
    return vectors / length


@torch.no_grad()
def find_aims(direction: Tensor, cells: Tensor, time: Tensor, u: Tensor, s: Tensor, graph: SparseRows) -> Aims:
    """Choose for each cell and gene the up to three later neighbors that lie best in its direction.

    Works through blocks of cells, so that memory does not grow with the number of edges.

    Shapes
    ------
    ``direction`` (2, batch, genes) unit velocity of ``cells`` (batch,); ``time`` (n,), ``u`` and ``s``
    (n, genes) of all cells; row i of ``graph`` holds the neighbors of cell i.
    """
    q = torch.zeros_like(direction)
    number = torch.zeros_like(direction[0])
    neighbors, counts = _later(cells, time, graph)
    starts = torch.cumsum(counts, 0) - counts
    by_count = torch.argsort(counts, descending=True, stable=True)
    for block in _blocks(counts[by_count].tolist(), u.shape[1]):
        members = by_count[block]
        width = int(counts[members[0]])
        slots = torch.arange(width, device=cells.device)
        there = slots < counts[members, None]  # (block, width)
        padded = neighbors[(starts[members, None] + slots).clamp(max=len(neighbors) - 1)]
        origin = cells[members]
        q[:, members], number[members] = _choose(direction[:, members], origin, padded, there, u, s)
    return Aims(q, number)


def _later(cells: Tensor, time: Tensor, graph: SparseRows) -> tuple[Tensor, Tensor]:
    """Return the neighbor at the end of every edge towards a later cell, and the edges per cell."""
    degree = graph.starts[cells + 1] - graph.starts[cells]
    sender = torch.repeat_interleave(torch.arange(len(cells), device=cells.device), degree)
    first = torch.cumsum(degree, 0) - degree
    place = torch.arange(len(sender), device=cells.device) - first[sender] + graph.starts[cells][sender]
    neighbor = graph.columns[place]
    later = time[neighbor] > time[cells[sender]]
    return neighbor[later], torch.bincount(sender[later], minlength=len(cells))


def _blocks(counts: list[int], n_genes: int) -> list[slice]:
    """Cut cells, sorted by falling number of neighbors, into blocks of bounded size; zeros are left out."""
    blocks, start = [], 0
    while start < len(counts) and counts[start] > 0:
        size = max(1, BLOCK_VALUES // (counts[start] * n_genes))
        end = min(start + size, len(counts))
        while counts[end - 1] == 0:
            end -= 1
        blocks.append(slice(start, end))
        start = end
    return blocks


def _choose(
    direction: Tensor, origin: Tensor, neighbors: Tensor, there: Tensor, u: Tensor, s: Tensor
) -> tuple[Tensor, Tensor]:
    du = u[neighbors] - u[origin][:, None]  # (block, width, genes)
    ds = s[neighbors] - s[origin][:, None]
    length = torch.hypot(du, ds).clamp_(min=TINY)
    du /= length
    ds /= length
    cosine = torch.addcmul(direction[0][:, None] * du, direction[1][:, None], ds)
    cosine.masked_fill_(~there[:, :, None], -torch.inf)
    best, place = cosine.topk(min(CHOSEN, cosine.shape[1]), dim=1)
    chosen = torch.isfinite(best)
    q = torch.stack([(part.gather(1, place) * chosen).sum(1) for part in (du, ds)])
    return q, chosen.sum(1).to(q.dtype)
