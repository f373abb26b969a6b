r"""Convolution, batch norm and maximum of 2 x 2 pixels in one go, for a CPU.

The layers one after the other pass over memory a dozen times, and most of that is not arithmetic. Here

- the maximum is taken before the norm, which only shifts and stretches a channel (one that it would turn around is
  turned around before), so that the norm sees a quarter of the pixels;
- the norm of the first convolution needs no look at its output: mean and variance of a linear map of 3 x 3 pixels
  follow from the mean and the products of these pixels,
  :math:`\mathrm{var} = w^\top (E[pp^\top] - E[p]E[p]^\top)\, w`, and it may be made some cells at a time.

Results are those of the layers up to rounding; parameters and running statistics are those of the layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytes of the output of the first convolution that are held at once: memory of this size is used again and stays in the
# cache, larger pieces are given back to the system and cost a page fault per 4 kB each time.
PIECE = 2**23
TAPS = 9
# A variance below this share of the mean square has lost its digits in single precision.
SMALLEST_SHARE = 1e-3


def fused(image: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d, moments: Tensor | None = None) -> Tensor:
    """Return the maximum of 2 x 2 pixels of the normalized convolution.

    Parameters
    ----------
    image
        (cells, channels, pixels, pixels), channels last in memory.
    convolution
        3 x 3 pixels, zeros around the image.
    norm
        Uses the statistics of these cells while it trains, and moves its running ones; else the running ones.
    moments
        Result of :func:`cell_moments` for images of one channel, if available.

    Returns
    -------
    (cells, channels, pixels / 2, pixels / 2), an odd last row or column is dropped.
    """
    if not norm.training:
        return _evaluated(image, convolution, norm)
    if image.shape[1] == 1 and not image.requires_grad:
        return _first(image, convolution, norm, cell_moments(image) if moments is None else moments)
    weight = convolution.weight
    sign = torch.where(norm.weight.detach() < 0, -1.0, 1.0)
    output = nn.functional.conv2d(image, weight * sign[:, None, None, None], padding="same")
    largest, mean, variance = _StatisticsAndMaximum.apply(output)
    count = output.numel() // output.shape[1]
    _move(norm, (mean * sign).detach() + convolution.bias.detach(), variance.detach(), count)
    stretch = norm.weight.abs() / torch.sqrt(variance + norm.eps)
    return largest * stretch[:, None, None] + (norm.bias - mean * stretch)[:, None, None]


def cell_moments(image: Tensor) -> Tensor:
    """Return the sums of all 3 x 3 pixels and of their products in images of one channel, (cells, 9 + 81) float64."""
    parts = []
    for part in _pieces(image, channels=TAPS):
        patches = nn.functional.unfold(part, 3, padding=1)  # (cells, 9, pixels²)
        parts.append(torch.cat([patches.sum(dim=2), (patches @ patches.mT).flatten(1)], dim=1).double())
    return torch.cat(parts)


def _first(image: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d, moments: Tensor) -> Tensor:
    count = len(image) * image.shape[2] * image.shape[3]
    total = moments.sum(dim=0) / count
    mean, products = total[:TAPS], total[TAPS:].reshape(TAPS, TAPS)
    covariance = (products - torch.outer(mean, mean)).to(image.dtype)
    mean = mean.to(image.dtype)
    weight = convolution.weight
    taps = weight.flatten(1)  # (channels, 9)
    variance = ((taps @ covariance) * taps).sum(dim=1)
    shift = taps @ mean
    _move(norm, (shift + convolution.bias).detach(), variance.detach(), count)
    stretch = norm.weight / torch.sqrt(variance + norm.eps)
    return _convolved(image, weight * stretch[:, None, None, None], norm.bias - shift * stretch)


def _evaluated(image: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    stretch = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = norm.bias + (convolution.bias - norm.running_mean) * stretch
    return _convolved(image, convolution.weight * stretch[:, None, None, None], bias)


def _convolved(image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the maximum of 2 x 2 pixels of a convolution, some cells at a time."""
    pieces = [
        nn.functional.max_pool2d(nn.functional.conv2d(part, weight, bias, padding="same"), 2)
        for part in _pieces(image, channels=len(weight))
    ]
    return torch.cat(pieces)


def _pieces(image: Tensor, channels: int) -> Iterator[Tensor]:
    """Yield batches of cells whose output of this many channels fits into memory."""
    one = channels * image.shape[2] * image.shape[3] * image.element_size()
    return iter(image.split(max(1, PIECE // one)))


def _move(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Move the running statistics as the batch norm of torch does."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    momentum = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, momentum)
    norm.running_var.lerp_(variance * (count / max(1, count - 1)), momentum)


class _StatisticsAndMaximum(torch.autograd.Function):
    """The largest of every four pixels, and mean and variance of every channel over all pixels and cells."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])
        mean = flat.sum(dim=0) / len(flat)
        square = (flat.mT @ flat).diagonal() / len(flat)
        variance = square - mean**2
        if bool((variance < SMALLEST_SHARE * square).any()):
            variance = flat.var(dim=0, unbiased=False)
        largest, which = nn.functional.max_pool2d(values, 2, return_indices=True)
        ctx.save_for_backward(values, which, mean)
        return largest, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        of_largest, of_mean, of_variance = gradients
        values, which, mean = ctx.saved_tensors
        gradient: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            of_largest, values, [2, 2], [2, 2], [0, 0], [1, 1], False, which
        )
        count = values.numel() // values.shape[1]
        slope = (2 * of_variance / count)[:, None, None]
        gradient.addcmul_(values, slope)
        return gradient.add_((of_mean / count)[:, None, None] - slope * mean[:, None, None])
