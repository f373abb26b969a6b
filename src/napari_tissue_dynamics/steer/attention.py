"""Graph attention as products with a sparse matrix, so that nothing of size edges x features is kept."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from napari_tissue_dynamics.steer.numba_loops import entry_products, over_rows, stable_order

if TYPE_CHECKING:
    from scipy import sparse


BLOCK = 8192
# Columns of a matrix that are summed at a time: all up to WIDE, else so many that they fit the cache of a core.
WIDE = 128
WIDEST = 64
NARROWEST = 32
CACHED_VALUES = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """The places of the entries of a sparse matrix, by rows and by columns; the values live elsewhere.

    Parameters
    ----------
    starts
        (rows + 1,) where the entries of each row begin.
    columns
        (entries,) column of every entry.
    rows
        (entries,) row of every entry.
    turned_starts, turned_columns
        The same for the transposed matrix.
    order
        (entries,) ``values[order]`` are the values in the order of the transposed matrix.
    """

    starts: Tensor
    columns: Tensor
    rows: Tensor
    turned_starts: Tensor
    turned_columns: Tensor
    order: Tensor

    @classmethod
    def of(cls, matrix: sparse.csr_array, device: torch.device | str = "cpu") -> SparseRows:
        """Take the places of the stored entries of a CSR matrix."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        columns = matrix.indices.astype(np.int64)
        order = np.lexsort((rows, columns))
        turned_starts = np.zeros(matrix.shape[1] + 1, dtype=np.int64)
        np.cumsum(np.bincount(columns, minlength=matrix.shape[1]), out=turned_starts[1:])
        arrays = (matrix.indptr.astype(np.int64), columns, rows, turned_starts, rows[order], order)
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))

    @classmethod
    def of_entries(cls, rows: Tensor, columns: Tensor, number: int) -> SparseRows:
        """Take the places of the entries of a square matrix with ``number`` rows; ``rows`` (entries,) is ascending."""
        turned_starts = _starts(columns, number)
        if columns.device.type == "cpu":
            order = torch.from_numpy(stable_order(columns.numpy(), turned_starts.numpy()))
        else:
            order = torch.argsort(columns, stable=True)
        return cls(_starts(rows, number), columns, rows, turned_starts, rows[order], order)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.starts) - 1

    def turned(self) -> SparseRows:
        """Return the transposed matrix."""
        back = torch.empty_like(self.order)
        back[self.order] = torch.arange(len(back), device=back.device)
        rows = self.columns[self.order]
        return SparseRows(self.turned_starts, self.turned_columns, rows, self.starts, self.columns, back)

    def within(self, cells: Tensor) -> tuple[SparseRows, Tensor]:
        """Return rows and columns ``cells`` (ascending) of a square matrix, and which of the entries these are."""
        place = torch.full((self.n_rows,), -1, device=cells.device)
        place[cells] = torch.arange(len(cells), device=cells.device)
        degree = self.starts[cells + 1] - self.starts[cells]
        shift = self.starts[cells] - torch.cumsum(degree, 0) + degree
        entries = torch.arange(int(degree.sum()), device=cells.device) + torch.repeat_interleave(shift, degree)
        columns = place[self.columns[entries]]
        inside = columns >= 0
        entries = entries[inside]
        return SparseRows.of_entries(place[self.rows[entries]], columns[inside], len(cells)), entries

    def to(self, device: torch.device) -> SparseRows:
        """Return the same on ``device``."""
        return SparseRows(*(getattr(self, field.name).to(device) for field in fields(self)))


def weighted_sum(places: SparseRows, weights: Tensor, dense: Tensor) -> Tensor:
    r"""Return the product of a sparse with a dense matrix, differentiable in both.

    .. math:: out_r = \sum_{e:\, row(e) = r} w_e \, D_{col(e)}

    Shapes
    ------
    ``weights`` (entries,), ``dense`` (columns, d); returns (rows, d). No array of entries x d is made, neither
    here nor in the backward pass.
    """
    return _WeightedSum.apply(places, weights, dense)


def edge_products(places: SparseRows, left: Tensor, right: Tensor) -> Tensor:
    r"""Return :math:`\langle L_{row(e)}, R_{col(e)} \rangle` of every entry, differentiable in both.

    Shapes
    ------
    ``left`` (rows, d), ``right`` (columns, d); returns (entries,).
    """
    return _EdgeProducts.apply(places, left, right)


class GraphAttention(nn.Module):
    r"""Attention over the incoming edges of each cell, one head, no bias (Liu et al. 2026).

    .. math::
        H = X W, \quad
        w_{ij} = \mathrm{softmax}_{i \to j}\; \sigma(\langle H_i, a \rangle + \langle H_j, b \rangle), \quad
        out_j = \sum_{i \to j} w_{ij} H_i

    The sigmoid keeps any two weights of one cell within a factor e.

    Shapes
    ------
    ``x`` (cells, inputs); ``incoming`` has one row per receiving cell j whose columns are the senders i;
    returns (cells, outputs) and the weights (edges,) in the order of ``incoming``.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.source = nn.Parameter(torch.empty(outputs))
        self.target = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew (Xavier, normal)."""
        nn.init.xavier_normal_(self.weight)
        for vector in (self.source, self.target):
            nn.init.normal_(vector, std=len(vector) ** -0.5)

    def forward(self, x: Tensor, incoming: SparseRows) -> tuple[Tensor, Tensor]:
        """Return the messages and the attention weights."""
        if x.shape[1] <= self.weight.shape[1]:  # the narrower side travels along the edges
            x = x.to(self.weight.device)
            weights = self.attention(x @ (self.weight @ self.source), x @ (self.weight @ self.target), incoming)
            return weighted_sum(incoming, weights, x) @ self.weight, weights
        h = self._narrow(x)
        weights = self.attention(h @ self.source, h @ self.target, incoming)
        return weighted_sum(incoming, weights, h), weights

    def _narrow(self, x: Tensor) -> Tensor:
        """Return x times the weight; an input that is too large for the device of the weight goes there in blocks."""
        if x.device == self.weight.device:
            return x @ self.weight
        return torch.cat([block.to(self.weight.device) @ self.weight for block in x.split(BLOCK)])

    @staticmethod
    def attention(source: Tensor, target: Tensor, incoming: SparseRows) -> Tensor:
        """Return the attention weight of every edge from the scores of its two ends, (cells,) each."""
        logits = torch.sigmoid(source[incoming.columns] + target[incoming.rows])
        zeros = logits.new_zeros(incoming.n_rows)
        highest = zeros.scatter_reduce(0, incoming.rows, logits.detach(), "amax")
        weights = (logits - highest[incoming.rows]).exp()
        return weights / zeros.scatter_add(0, incoming.rows, weights)[incoming.rows]


def _starts(codes: Tensor, number: int) -> Tensor:
    """Return where the entries of each row begin, (number + 1,), when they are sorted by row."""
    starts = torch.zeros(number + 1, dtype=torch.long, device=codes.device)
    starts[1:] = torch.cumsum(torch.bincount(codes, minlength=number), 0)
    return starts


def _sum(indices: Tensor, starts: Tensor, weights: Tensor, dense: Tensor) -> Tensor:
    """Return the weighted sums of rows of a matrix, some columns at a time where that keeps them in the cache."""
    if dense.device.type != "cpu" or dense.shape[1] <= WIDE:
        return _sum_at_once(indices, starts, weights, dense)
    width = min(max(CACHED_VALUES // max(len(dense), 1), NARROWEST), WIDEST)
    return torch.cat([_sum_at_once(indices, starts, weights, part) for part in dense.split(width, dim=1)], dim=1)


def _sum_at_once(indices: Tensor, starts: Tensor, weights: Tensor, dense: Tensor) -> Tensor:
    dense = dense.contiguous()
    return embedding_bag(indices, dense, starts, mode="sum", per_sample_weights=weights, include_last_offset=True)


def _products(places: SparseRows, left: Tensor, right: Tensor) -> Tensor:
    """Return the products at the entries: the gradient of a weighted sum in its weights."""
    left, right = left.detach().contiguous(), right.detach().contiguous()
    if left.device.type == "cpu":
        products = left.new_empty(len(places.columns))
        tensors = (places.starts, places.columns, left, right, products)
        over_rows(entry_products, places.n_rows, *(tensor.numpy() for tensor in tensors))
        return products
    with torch.enable_grad():
        weights = torch.zeros(len(places.columns), dtype=left.dtype, device=left.device, requires_grad=True)
        total = _sum(places.columns, places.starts, weights, right)
    return torch.autograd.grad(total, weights, left)[0]


def _turned_sum(places: SparseRows, weights: Tensor, dense: Tensor) -> Tensor:
    return _sum(places.turned_columns, places.turned_starts, weights[places.order], dense)


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: SparseRows, weights: Tensor, dense: Tensor) -> Tensor:
        ctx.places = places
        ctx.save_for_backward(weights, dense)
        return _sum(places.columns, places.starts, weights, dense)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        weights, dense = ctx.saved_tensors
        to_weights = _products(ctx.places, gradient, dense) if ctx.needs_input_grad[1] else None
        to_dense = _turned_sum(ctx.places, weights, gradient) if ctx.needs_input_grad[2] else None
        return None, to_weights, to_dense


class _EdgeProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: SparseRows, left: Tensor, right: Tensor) -> Tensor:
        ctx.places = places
        ctx.save_for_backward(left, right)
        return _products(places, left, right)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        left, right = ctx.saved_tensors
        places = ctx.places
        to_left = to_right = None
        if ctx.needs_input_grad[1]:
            to_left = _sum(places.columns, places.starts, gradient, right)
        if ctx.needs_input_grad[2]:
            to_right = _turned_sum(places, gradient, left)
        return None, to_left, to_right
