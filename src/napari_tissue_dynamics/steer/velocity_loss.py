"""The velocity loss: in the phase plane of every gene, cells move towards later neighbors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_tissue_dynamics.steer.numba_loops import CHOSEN, choose_aims, over_rows

if TYPE_CHECKING:
    from napari_tissue_dynamics.steer.attention import SparseRows

BLOCK_VALUES = 1 << 25  # an accelerator wants few large blocks
TINY = 1e-8
WORST = -2.0


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
def find_aims(direction: Tensor, cells: Tensor, time: Tensor, x: Tensor, graph: SparseRows) -> Aims:
    """Choose for each cell and gene the up to three later neighbors that lie best in its direction.

    Memory does not grow with the number of edges.

    Shapes
    ------
    ``direction`` (2, batch, genes) unit velocity of ``cells`` (batch,); ``time`` (n,) and ``x`` (n, 2 genes), unspliced
    first, of all cells; row i of ``graph`` holds the neighbors of cell i.
    """
    if x.device.type != "cpu":
        return find_in_blocks(direction, cells, time, x, graph)
    neighbors, counts = _later(cells, time, graph)
    starts = functional.pad(torch.cumsum(counts, 0), (1, 0))
    aims = Aims(torch.zeros_like(direction), torch.zeros_like(direction[0]))
    tensors = (direction.contiguous(), cells, starts, neighbors, x.contiguous(), aims.direction, aims.number)
    over_rows(choose_aims, len(cells), *(tensor.numpy() for tensor in tensors))
    return aims


@torch.no_grad()
def find_in_blocks(direction: Tensor, cells: Tensor, time: Tensor, x: Tensor, graph: SparseRows) -> Aims:
    """Choose as :func:`find_aims`, with operations that every device has, for blocks of cells."""
    u, s = x.chunk(2, dim=1)
    q = torch.zeros_like(direction)
    number = torch.zeros_like(direction[0])
    neighbors, counts = _later(cells, time, graph)
    starts = torch.cumsum(counts, 0) - counts
    by_count = torch.argsort(counts, descending=True, stable=True)
    for block in _blocks(counts[by_count].tolist(), BLOCK_VALUES // u.shape[1]):
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


def _blocks(counts: list[int], edges: int) -> list[slice]:
    """Cut cells, sorted by falling number of neighbors, into blocks with that many edges; zeros are omitted."""
    blocks, start = [], 0
    while start < len(counts) and counts[start] > 0:
        size = max(1, edges // counts[start])
        end = min(start + size, len(counts))
        while counts[end - 1] == 0:
            end -= 1
        blocks.append(slice(start, end))
        start = end
    return blocks


def _choose(
    direction: Tensor, origin: Tensor, neighbors: Tensor, there: Tensor, u: Tensor, s: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the sum of the unit vectors of the chosen neighbors (2, block, genes), and their number."""
    du, ds = _differences(u, origin, neighbors), _differences(s, origin, neighbors)  # (width, block, genes)
    shorten = torch.addcmul(du * du, ds, ds).clamp_(min=TINY**2).rsqrt_()
    cosine = torch.addcmul(du * direction[0], ds, direction[1]).mul_(shorten)
    cosine.masked_fill_(~there.T[:, :, None], -torch.inf)
    number = there.sum(1).clamp(max=CHOSEN).to(cosine.dtype)[:, None].expand_as(cosine[0])
    least = _third_highest(cosine).clamp_(min=WORST)  # what is not there lies at minus infinity
    share = torch.ge(cosine, least, out=torch.empty_like(cosine))
    share = _without_surplus(share, cosine, least, number).mul_(shorten)
    return torch.stack([du.mul_(share).sum(0), ds.mul_(share).sum(0)]), number


def _differences(values: Tensor, origin: Tensor, neighbors: Tensor) -> Tensor:
    there = values.index_select(0, neighbors.T.reshape(-1)).view(*neighbors.T.shape, -1)
    return there.sub_(values[origin])


def _third_highest(values: Tensor) -> Tensor:
    """Return the third highest of (width, block, genes) along the width, minus infinity where there are fewer.

    Three running maxima are several times as fast as ``topk`` along a dimension that is not the last.
    """
    first = torch.full_like(values[0], -torch.inf)
    second, third, lower, lowest = first.clone(), first.clone(), first.clone(), first.clone()
    for row in values:
        torch.minimum(first, row, out=lower)
        torch.maximum(first, row, out=first)
        torch.minimum(second, lower, out=lowest)
        torch.maximum(second, lower, out=second)
        torch.maximum(third, lowest, out=third)
    return third


def _without_surplus(share: Tensor, cosine: Tensor, least: Tensor, number: Tensor) -> Tensor:
    """Divide the last place among the neighbors that lie equally well, where there are more than can be chosen."""
    cell, gene = torch.nonzero(share.sum(0) > number, as_tuple=True)
    if len(cell):
        tied = cosine[:, cell, gene] == least[cell, gene]
        better = share[:, cell, gene] * ~tied
        left = (number[cell, gene] - better.sum(0)) / tied.sum(0)
        share[:, cell, gene] = better + tied * left
    return share
