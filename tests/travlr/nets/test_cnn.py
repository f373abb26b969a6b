from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_tissue_dynamics.compute import seeded_initialisation
from napari_tissue_dynamics.travlr.nets.cnn import ACTIVATIONS, CellularNicheNetwork, predict


def _network(anchors=(1.0, -2.0, 0.5), n_types=3, **options):
    with seeded_initialisation(0):
        return CellularNicheNetwork(np.array(anchors), n_types, **options)


@pytest.mark.parametrize(("modulators", "types"), [(1011, 5), (3, 1)])
def test_parameter_count_is_that_of_the_publication(modulators, types):
    network = _network(np.ones(modulators + 1), types)
    count = sum(part.numel() for part in network.parameters() if part.requires_grad)
    assert count == 30470 + 16 * types + 65 * (modulators + 1)


def test_zero_head_returns_the_anchors():
    network = _network()
    nn.init.zeros_(network.head[-1].weight)
    nn.init.zeros_(network.head[-1].bias)
    betas = network(torch.rand(4, 1, 8, 8), torch.rand(4, 3))
    torch.testing.assert_close(betas, network.anchors.expand(4, 3), rtol=0, atol=0)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("slope", [0.1, -0.2])
def test_agrees_with_the_layers_written_out(dimensions, slope):
    network = _network(dimensions=dimensions)
    for part in network.modules():
        if isinstance(part, nn.PReLU):
            nn.init.constant_(part.weight, slope)
    image = torch.rand(5, 1, *[16] * dimensions)
    near = torch.rand(5, 3)
    convolve = torch.conv2d if dimensions == 2 else torch.conv3d
    pool = nn.functional.max_pool2d if dimensions == 2 else nn.functional.max_pool3d
    h = image
    for block in network.cnn:
        g = block.convolution.parametrizations.weight.original0
        v = block.convolution.parametrizations.weight.original1
        lengths = v.flatten(1).norm(dim=1).reshape(g.shape)
        h = convolve(h, g * v / lengths, block.convolution.bias, padding=1)
        axes = [0, *range(2, h.ndim)]
        shape = (1, -1, *[1] * dimensions)
        mean, var = h.mean(axes).reshape(shape), h.var(axes, unbiased=False).reshape(shape)
        h = (h - mean) / torch.sqrt(var + 1e-5)
        h = pool(torch.where(h > 0, h, slope * h), 2)
    h = h.flatten(2).mean(2)
    f = near
    for layer in network.mlp:
        f = f @ layer.weight.T + layer.bias if isinstance(layer, nn.Linear) else torch.where(f > 0, f, slope * f)
    z = network.head[0](h + f)
    expected = network.anchors * 2 / (1 + torch.exp(-network.head[2](torch.where(z > 0, z, slope * z))))
    torch.testing.assert_close(network(image, near), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("sigmoidx2", 0, 2), ("sigmoid", 0, 1), ("tanh", -1, 1), ("softplus", 0, np.inf), ("gelu", -0.17, np.inf)],
)
def test_activations_bound_the_coefficients(name, low, high):
    values = ACTIVATIONS[name](torch.linspace(-8, 8, 101))
    assert low - 1e-2 <= values.min() < values.max() <= high


def test_prediction_is_the_linear_model_of_each_cell():
    betas, x = torch.rand(6, 4), torch.rand(6, 3)
    expected = [float(b[0] + sum(b[1 + k] * row[k] for k in range(3))) for b, row in zip(betas, x, strict=True)]
    np.testing.assert_allclose(predict(betas, x), expected, rtol=1e-6)
