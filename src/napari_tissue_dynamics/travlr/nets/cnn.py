"""The network that bends the coefficients of one cell type over space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from napari_tissue_dynamics.travlr.nets.fused_block import fused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

Activation = Literal["sigmoidx2", "sigmoid", "identity", "tanh", "gelu", "softplus"]

WIDTHS = (16, 32, 64)
SLOPE = 0.1


def _twice_sigmoid(value: Tensor) -> Tensor:
    return 2 * torch.sigmoid(value)


ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "sigmoidx2": _twice_sigmoid,
    "sigmoid": torch.sigmoid,
    "identity": nn.Identity(),
    "tanh": torch.tanh,
    "gelu": nn.functional.gelu,
    "softplus": nn.functional.softplus,
}


class CellularNicheNetwork(nn.Module):
    r"""Coefficients of each cell from where it sits and who is near.

    .. math::
        \beta(s_i) = a \odot \phi\big(W_2\, \sigma(W_1 h_i + b_1) + b_2\big), \qquad
        h_i = \mathrm{cnn}(m_i) + \mathrm{mlp}(f_i)

    with the anchors :math:`a` of the seed estimator (not trained), an activation :math:`\phi`
    (``sigmoidx2`` = twice the sigmoid stays between 0 and 2 and starts near 1) and :math:`\sigma` = PReLU
    from slope 0.1. The CNN is three times 3 x 3 weight-normalized convolution, batch norm, PReLU, maximum
    of 2 x 2; then the average over pixels. Source: SpaceTravLR, cellular niche network.

    Parameters
    ----------
    anchors
        (1 + modulators,) coefficients of the seed estimator, intercept first.
    activation
        Name of :math:`\phi`, a key of ``ACTIVATIONS``.
    dimensions
        2 for images, 3 for volumes.
    channels
        Maps per cell.

    Attributes
    ----------
    seed_only
        Return the anchors as they are; set for a cell type that no network was trained for.

    Shapes
    ------
    ``maps`` (cells, channels, pixels, pixels[, pixels]) with at least 8 pixels per side, ``neighbors`` (cells,
    types); returns (cells, 1 + modulators).
    """

    anchors: Tensor

    def __init__(
        self,
        anchors: NDArray[np.floating],
        n_types: int,
        activation: Activation = "sigmoidx2",
        dimensions: int = 2,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.seed_only = False
        self.register_buffer("anchors", torch.as_tensor(anchors, dtype=torch.float32))
        blocks = [_Block(a, b, dimensions) for a, b in zip((channels, *WIDTHS), WIDTHS, strict=False)]
        self.cnn = nn.Sequential(*blocks)
        self.mlp = nn.Sequential(
            nn.Linear(n_types, 16),
            nn.PReLU(init=SLOPE),
            nn.Linear(16, 32),
            nn.PReLU(init=SLOPE),
            nn.Linear(32, WIDTHS[-1]),
        )
        self.head = nn.Sequential(
            nn.Linear(WIDTHS[-1], WIDTHS[-1]), nn.PReLU(init=SLOPE), nn.Linear(WIDTHS[-1], len(anchors))
        )
        self.activation = ACTIVATIONS[activation]

    def forward(self, maps: Tensor, neighbors: Tensor, moments: Tensor | None = None) -> Tensor:
        """Return the coefficients of each cell; ``moments`` of the maps save the first block some work."""
        if self.seed_only:
            return self.anchors.expand(len(neighbors), -1)
        niche = self.look(maps, moments) + self.mlp(neighbors)  # (cells, 64)
        return self.anchors * self.activation(self.head(niche))

    def look(self, maps: Tensor, moments: Tensor | None = None) -> Tensor:
        """Return what the convolutions see, (cells, 64)."""
        for block in self.cnn:
            maps, moments = block(maps, moments), None
        return maps.flatten(2).mean(dim=2)


def predict(betas: Tensor, x: Tensor) -> Tensor:
    r"""Return (cells,) :math:`\beta_0 + \sum_k \beta_k x_k` of (cells, 1 + modulators) and (cells, modulators)."""
    return betas[:, 0] + (betas[:, 1:] * x).sum(dim=1)


class _Block(nn.Module):
    """Convolution of 3 pixels, batch norm, PReLU and maximum of 2 pixels, along each dimension."""

    def __init__(self, channels_in: int, channels_out: int, dimensions: int) -> None:
        super().__init__()
        flat = dimensions == 2
        convolution = (nn.Conv2d if flat else nn.Conv3d)(channels_in, channels_out, 3, padding="same")
        self.convolution = weight_norm(convolution)
        self.norm = (nn.BatchNorm2d if flat else nn.BatchNorm3d)(channels_out)
        self.activation = nn.PReLU(init=SLOPE)
        self.pool = (nn.MaxPool2d if flat else nn.MaxPool3d)(2)

    def forward(self, image: Tensor, moments: Tensor | None = None) -> Tensor:
        rising = float(self.activation.weight.detach()) >= 0  # so the maximum may come first and leaves less to do
        if rising and isinstance(self.norm, nn.BatchNorm2d) and image.device.type == "cpu":
            return self.activation(fused(image, self.convolution, self.norm, moments))
        image = self.norm(self.convolution(image))
        return self.activation(self.pool(image)) if rising else self.pool(self.activation(image))
