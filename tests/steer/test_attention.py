"""The sparse products and the attention against dense arithmetic and PyG's message passing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from napari_tissue_dynamics.steer.attention import GraphAttention, SparseRows, edge_products, weighted_sum


def random_graph(rows: int, columns: int, seed: int = 0) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    table = rng.random((rows, columns)) < 0.3
    table[1] = False  # a row without entries
    if rows == columns:
        table |= np.eye(rows, dtype=bool)
    return sparse.csr_array(table.astype(np.float32))


def dense_of(graph: sparse.csr_array, weights: torch.Tensor) -> torch.Tensor:
    rows, columns = (torch.from_numpy(np.asarray(part, dtype=np.int64)) for part in graph.nonzero())
    return torch.zeros(graph.shape, dtype=weights.dtype).index_put((rows, columns), weights)


def test_weighted_sum_is_a_matrix_product_with_its_gradients():
    graph = random_graph(7, 9)
    places = SparseRows.of(graph)
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(graph.nnz, generator=generator, dtype=torch.float64, requires_grad=True)
    dense = torch.randn(9, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    up = torch.randn(7, 4, generator=generator, dtype=torch.float64)

    sparse_result = weighted_sum(places, weights, dense)
    dense_result = dense_of(graph, weights) @ dense

    torch.testing.assert_close(sparse_result, dense_result)
    assert not sparse_result[1].any()
    for got, expected in zip(
        torch.autograd.grad(sparse_result, (weights, dense), up),
        torch.autograd.grad(dense_result, (weights, dense), up),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


def test_a_wide_matrix_is_summed_in_parts(monkeypatch):
    monkeypatch.setattr("napari_tissue_dynamics.steer.attention.CACHED_VALUES", 9 * 40)
    graph = random_graph(7, 9)
    weights = torch.rand(graph.nnz, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    dense = torch.rand(9, 301, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    torch.testing.assert_close(weighted_sum(SparseRows.of(graph), weights, dense), dense_of(graph, weights) @ dense)


def test_edge_products_are_entries_of_a_matrix_product_with_their_gradients():
    graph = random_graph(7, 9)
    places = SparseRows.of(graph)
    generator = torch.Generator().manual_seed(2)
    left = torch.randn(7, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    right = torch.randn(9, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    up = torch.randn(graph.nnz, generator=generator, dtype=torch.float64)

    got = edge_products(places, left, right)
    rows, columns = (torch.from_numpy(np.asarray(part, dtype=np.int64)) for part in graph.nonzero())
    expected = (left @ right.T)[rows, columns]

    torch.testing.assert_close(got, expected)
    for one, other in zip(
        torch.autograd.grad(got, (left, right), up), torch.autograd.grad(expected, (left, right), up), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_edge_products_of_an_array_with_itself_add_both_gradients():
    graph = random_graph(6, 6)
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: edge_products(SparseRows.of(graph), x, x), (z,))


class SlowAttention(MessagePassing):
    """The layer as PyG would have it: one message per edge."""

    def __init__(self, layer: GraphAttention) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.layer = layer

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        h = x @ self.layer.weight
        return self.propagate(edges, h=h, source=h @ self.layer.source, target=h @ self.layer.target)

    def message(self, h_j, source_j, target_i, index):
        return h_j * softmax(torch.sigmoid(source_j + target_i), index)[:, None]


@pytest.mark.parametrize("widths", [(5, 8), (8, 5)], ids=["sum, then widen", "narrow, then sum"])
def test_attention_equals_message_passing(widths):
    graph = random_graph(20, 20, seed=4)  # rows send to columns
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(20, widths[0], generator=generator)
    up = torch.randn(20, widths[1], generator=generator)
    layer = GraphAttention(*widths)
    edges = torch.from_numpy(np.stack(graph.nonzero()).astype(np.int64))

    got, weights = layer(x, SparseRows.of(sparse.csr_array(graph.T.tocsr())))
    expected = SlowAttention(layer)(x, edges)

    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    parameters = list(layer.parameters())
    for one, other in zip(
        torch.autograd.grad(got, parameters, up), torch.autograd.grad(expected, parameters, up), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert len(weights) == graph.nnz


def test_attention_weights_of_a_cell_sum_to_one_and_differ_by_at_most_e():
    graph = random_graph(30, 30, seed=6)
    incoming = SparseRows.of(graph)
    layer = GraphAttention(6, 4)
    _, weights = layer(50 * torch.randn(30, 6, generator=torch.Generator().manual_seed(7)), incoming)
    for row in range(30):
        own = weights[incoming.rows == row]
        assert own.sum().item() == pytest.approx(1, abs=1e-5)
        assert own.max() <= math.e * own.min() * (1 + 1e-5)
