"""The vision transformer that bends the coefficients of one cell type over space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.nets.cnn import SLOPE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATCHES = 4  # along each side
WIDTH = 16
HEADS = 8
BLOCKS = 4
HIDDEN = 64
DROPOUT = 0.1
LARGEST = 1.5


class CellularViT(nn.Module):
    r"""Coefficients of each cell from where it sits and who is near, by attention between parts of its map.

    .. math::
        \beta(s_i) = a \odot \tfrac32\, \mathrm{sigmoid}\big(\mathrm{head}(\mathrm{vit}(m_i) + \mathrm{mlp}(f_i))\big)

    with the anchors :math:`a` of the seed estimator (not trained). 4 x 4 patches of the map are embedded in 16
    numbers; a class token is put in front and fixed sinusoids of the place added; four blocks of attention (8 heads,
    no projection after them) and a perceptron, each after a layer norm and with a residual, follow. The class token
    goes to the head. Source: SpaceTravLR, cellular vision transformer.

    Parameters
    ----------
    anchors
        (1 + modulators,) coefficients of the seed estimator, intercept first.
    pixels
        Side of the maps, divisible by 4.
    channels
        Maps per cell.

    Attributes
    ----------
    seed_only
        Return the anchors as they are; set for a cell type that no network was trained for.

    Shapes
    ------
    ``maps`` (cells, channels, pixels, pixels), ``neighbors`` (cells, types); returns (cells, 1 + modulators).

    Raises
    ------
    DataError
        If the maps cannot be cut into 4 x 4 patches.
    """

    anchors: Tensor
    places: Tensor

    def __init__(self, anchors: NDArray[np.floating], n_types: int, pixels: int, channels: int = 1) -> None:
        super().__init__()
        if pixels % PATCHES:
            raise DataError(
                f"Maps of {pixels} pixels a side cannot be cut into {PATCHES} x {PATCHES} patches for the transformer. "
                f"Choose a side divisible by {PATCHES}, such as {PATCHES * max(2, pixels // PATCHES)}."
            )
        self.seed_only = False
        self.register_buffer("anchors", torch.as_tensor(anchors, dtype=torch.float32))
        self.embedding = nn.Linear(channels * (pixels // PATCHES) ** 2, WIDTH)
        self.class_token = nn.Parameter(torch.rand(1, 1, WIDTH))
        self.register_buffer("places", sinusoids(1 + PATCHES**2, WIDTH))
        self.blocks = nn.Sequential(*[_Block() for _ in range(BLOCKS)])
        self.mlp = nn.Sequential(
            nn.Linear(n_types, WIDTH),
            nn.PReLU(init=SLOPE),
            nn.Linear(WIDTH, 32),
            nn.PReLU(init=SLOPE),
            nn.Linear(32, WIDTH),
        )
        self.head = nn.Sequential(
            nn.Linear(WIDTH, 32),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(32, WIDTH),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(WIDTH, len(anchors)),
        )

    def forward(self, maps: Tensor, neighbors: Tensor) -> Tensor:
        """Return the coefficients of each cell."""
        if self.seed_only:
            return self.anchors.expand(len(neighbors), -1)
        tokens = self.embedding(patches(maps))  # (cells, 16 patches, 16)
        tokens = torch.cat([self.class_token.expand(len(maps), -1, -1), tokens], dim=1) + self.places
        niche = self.blocks(tokens)[:, 0] + self.mlp(neighbors)
        return self.anchors * LARGEST * torch.sigmoid(self.head(niche))


def patches(maps: Tensor) -> Tensor:
    """Cut (cells, channels, pixels, pixels) into (cells, 16, channels x pixels²/16), row by row."""
    cells, channels, pixels, _ = maps.shape
    side = pixels // PATCHES
    cut = maps.reshape(cells, channels, PATCHES, side, PATCHES, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(cells, PATCHES**2, channels * side**2)


def sinusoids(places: int, width: int) -> Tensor:
    r"""Return :math:`\sin(i / 10000^{j/w})` (even j) and :math:`\cos(i / 10000^{(j-1)/w})` (odd j), (places, width)."""
    table = torch.zeros(places, width)
    for j in range(width):
        angle = torch.arange(places) / 10_000 ** ((j - j % 2) / width)
        table[:, j] = torch.cos(angle) if j % 2 else torch.sin(angle)
    return table


class _Attention(nn.Module):
    """Self-attention of heads that each see two of the sixteen numbers."""

    def __init__(self) -> None:
        super().__init__()
        size = WIDTH // HEADS
        bound = 1 / math.sqrt(size)  # as nn.Linear starts
        self.weight = nn.Parameter(torch.empty(3, HEADS, size, size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(3, HEADS, 1, size).uniform_(-bound, bound))

    def forward(self, tokens: Tensor) -> Tensor:
        cells, places, _ = tokens.shape
        heads = tokens.reshape(cells, places, HEADS, -1).transpose(1, 2)  # (cells, heads, places, 2)
        query, key, value = (heads @ w.mT + b for w, b in zip(self.weight, self.bias, strict=True))
        weight = torch.softmax(query @ key.mT / math.sqrt(query.shape[-1]), dim=-1)
        return (weight @ value).transpose(1, 2).reshape(cells, places, WIDTH)


class _Block(nn.Module):
    """Attention and a perceptron, each after a layer norm and added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.attention = nn.LayerNorm(WIDTH), _Attention()
        self.second = nn.LayerNorm(WIDTH)
        self.perceptron = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.first(tokens))
        return tokens + self.perceptron(self.second(tokens))
