from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from napari_tissue_dynamics.compute import seeded_initialisation
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.nets.transformer import CellularViT, patches


def _network(anchors=(1.0, -2.0, 0.5), n_types=3, **options):
    with seeded_initialisation(0):
        return CellularViT(np.array(anchors), n_types, **options)


@pytest.mark.parametrize(("modulators", "types"), [(1011, 5), (3, 1)])
def test_parameter_count_is_that_of_the_publication(modulators, types):
    network = _network(np.ones(modulators + 1), types, pixels=64)
    assert sum(part.numel() for part in network.parameters()) == 15634 + 16 * types + 17 * (modulators + 1)


def test_zero_head_returns_three_quarters_of_the_anchors():
    network = _network(pixels=8).eval()
    nn.init.zeros_(network.head[-1].weight)
    nn.init.zeros_(network.head[-1].bias)
    betas = network(torch.rand(4, 1, 8, 8), torch.rand(4, 3))
    torch.testing.assert_close(betas, 0.75 * network.anchors.expand(4, 3), rtol=0, atol=0)


def test_patches_are_cut_row_by_row():
    image = torch.arange(2 * 8 * 8).reshape(1, 2, 8, 8)
    cut = patches(image)
    for row in range(4):
        for column in range(4):
            part = image[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            assert torch.equal(cut[0, 4 * row + column], part.flatten())


def test_agrees_with_the_layers_written_out():
    network = _network(pixels=12, channels=2).eval()
    image, near = torch.rand(1, 2, 12, 12), torch.rand(1, 3)

    def norm(v, layer):
        return (v - v.mean()) / math.sqrt(v.var(unbiased=False) + 1e-5) * layer.weight + layer.bias

    def gelu(v):
        return v * 0.5 * (1 + torch.erf(v / math.sqrt(2)))

    def dense(v, layer):
        return layer.weight @ v + layer.bias

    tokens = [network.class_token[0, 0]]
    tokens += [
        dense(image[0, :, 3 * r : 3 * r + 3, 3 * c : 3 * c + 3].flatten(), network.embedding)
        for r in range(4)
        for c in range(4)
    ]
    for i, token in enumerate(tokens):
        angles = [i / 10_000 ** ((j // 2 * 2) / 16) for j in range(16)]
        tokens[i] = token + torch.tensor([math.cos(a) if j % 2 else math.sin(a) for j, a in enumerate(angles)])
    for block in network.blocks:
        normed = [norm(token, block.first) for token in tokens]
        attended = [torch.zeros(16) for _ in tokens]
        for h in range(8):
            part = slice(2 * h, 2 * h + 2)
            q, k, v = (
                [block.attention.weight[kind, h] @ t[part] + block.attention.bias[kind, h, 0] for t in normed]
                for kind in range(3)
            )
            for i in range(17):
                weight = torch.softmax(torch.stack([q[i] @ other / math.sqrt(2) for other in k]), 0)
                attended[i][part] = sum(w * value for w, value in zip(weight, v, strict=True))
        tokens = [a + b for a, b in zip(tokens, attended, strict=True)]
        inner, outer = block.perceptron[0], block.perceptron[2]
        tokens = [t + dense(gelu(dense(norm(t, block.second), inner)), outer) for t in tokens]
    f = near[0]
    for layer in network.mlp:
        f = dense(f, layer) if isinstance(layer, nn.Linear) else torch.where(f > 0, f, 0.1 * f)
    z = tokens[0] + f
    for layer in network.head:
        z = dense(z, layer) if isinstance(layer, nn.Linear) else gelu(z) if isinstance(layer, nn.GELU) else z
    expected = network.anchors * 1.5 / (1 + torch.exp(-z))
    torch.testing.assert_close(network(image, near)[0], expected, rtol=1e-4, atol=1e-5)


def test_maps_that_cannot_be_cut_are_refused():
    with pytest.raises(DataError, match="10 pixels a side"):
        _network(pixels=10)
