"""Graph attention as products with a sparse matrix, so that nothing of size edges x features is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag
from torch_geometric.utils import softmax

if TYPE_CHECKING:
    from scipy import sparse


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

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.starts) - 1


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
            weights = self.attention(x @ (self.weight @ self.source), x @ (self.weight @ self.target), incoming)
            return weighted_sum(incoming, weights, x) @ self.weight, weights
        h = x @ self.weight
        weights = self.attention(h @ self.source, h @ self.target, incoming)
        return weighted_sum(incoming, weights, h), weights

    @staticmethod
    def attention(source: Tensor, target: Tensor, incoming: SparseRows) -> Tensor:
        """Return the attention weight of every edge from the scores of its two ends, (cells,) each."""
        logits = torch.sigmoid(source[incoming.columns] + target[incoming.rows])
        return softmax(logits, incoming.rows, num_nodes=incoming.n_rows)


def _sum(indices: Tensor, starts: Tensor, weights: Tensor, dense: Tensor) -> Tensor:
    return embedding_bag(indices, dense, starts, mode="sum", per_sample_weights=weights, include_last_offset=True)


def _products(places: SparseRows, left: Tensor, right: Tensor) -> Tensor:
    """Return the products at the entries: the gradient of a weighted sum in its weights."""
    with torch.enable_grad():
        weights = torch.zeros(len(places.columns), dtype=left.dtype, device=left.device, requires_grad=True)
        total = _sum(places.columns, places.starts, weights, right.detach().contiguous())
    return torch.autograd.grad(total, weights, left.detach().contiguous())[0]


def _turned_sum(places: SparseRows, weights: Tensor, dense: Tensor) -> Tensor:
    return _sum(places.turned_columns, places.turned_starts, weights[places.order], dense.contiguous())


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: SparseRows, weights: Tensor, dense: Tensor) -> Tensor:
        ctx.places = places
        ctx.save_for_backward(weights, dense)
        return _sum(places.columns, places.starts, weights, dense.contiguous())

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
            to_left = _sum(places.columns, places.starts, gradient, right.contiguous())
        if ctx.needs_input_grad[2]:
            to_right = _turned_sum(places, gradient, left)
        return None, to_left, to_right
