"""The fused layers against torch's own, one after the other, in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import napari_tissue_dynamics.travlr.nets.fused_block as block
from napari_tissue_dynamics.compute import seeded_initialisation


def _layers(channels, momentum=0.1):
    with seeded_initialisation(0):
        convolution = weight_norm(nn.Conv2d(channels, 6, 3, padding="same")).double()
        norm = nn.BatchNorm2d(6, momentum=momentum).double()
        nn.init.normal_(norm.weight)  # some channels are turned around
        nn.init.normal_(norm.bias)
    assert 0 < (norm.weight < 0).sum() < 6
    return convolution, norm


def _image(channels, pixels, seed=0):
    image = torch.rand(7, channels, *pixels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return image.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("piece", [1, 2**14, 2**30])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pixels", [(8, 8), (10, 11)])
@pytest.mark.parametrize(("momentum", "known"), [(0.1, False), (None, True), (0.0, False)])
def test_values_gradients_and_running_statistics_are_those_of_the_layers(
    monkeypatch, piece, channels, pixels, momentum, known
):
    monkeypatch.setattr(block, "PIECE", piece)
    found, expected = _layers(channels, momentum), _layers(channels, momentum)
    weights = torch.randn(7, 6, pixels[0] // 2, pixels[1] // 2, dtype=torch.float64)
    for seed in range(2):
        image, same = _image(channels, pixels, seed), _image(channels, pixels, seed)
        inner = channels > 1  # not the first block: the image has a gradient
        moments = block.cell_moments(image) if known and not inner else None
        result = block.fused(image.requires_grad_(inner), *found, moments)
        reference = nn.functional.max_pool2d(expected[1](expected[0](same.requires_grad_(inner))), 2)
        torch.testing.assert_close(result, reference, rtol=1e-9, atol=1e-9)
        (result * weights).sum().backward()
        (reference * weights).sum().backward()
        if inner:
            torch.testing.assert_close(image.grad, same.grad, rtol=1e-8, atol=1e-9)
    for a, b in zip(found, expected, strict=True):
        for (name, one), (_, other) in zip(a.named_parameters(), b.named_parameters(), strict=True):
            if name != "bias" or a is not found[0]:  # a shift before the norm changes nothing
                torch.testing.assert_close(one.grad, other.grad, rtol=1e-8, atol=1e-9)
    for (name, one), (_, other) in zip(found[1].named_buffers(), expected[1].named_buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12, msg=name)
    for part in (*found, *expected):
        part.eval()
    with torch.no_grad():
        reference = nn.functional.max_pool2d(expected[1](expected[0](same)), 2)
        torch.testing.assert_close(block.fused(image, *found), reference, rtol=1e-9, atol=1e-9)


def test_a_small_variance_beside_a_large_mean_keeps_its_digits():
    convolution = _layers(2)[0].float()
    nn.init.constant_(convolution.bias, 0.0)
    image = (1000 + _image(2, (8, 8))).float().contiguous(memory_format=torch.channels_last).requires_grad_()
    inside = image[:, :, 2:6, 2:6].contiguous(memory_format=torch.channels_last)
    output = nn.functional.conv2d(inside, convolution.weight)
    _, _, variance = block._StatisticsAndMaximum.apply(output.contiguous(memory_format=torch.channels_last))
    exact = output.double().var(dim=(0, 2, 3), unbiased=False)
    torch.testing.assert_close(variance.double(), exact, rtol=1e-2, atol=0)
