"""Train the network of one gene in one cell type, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from napari_tissue_dynamics.compute import seeded_initialisation, torch_generator
from napari_tissue_dynamics.travlr.module import CellularNicheNetwork, predict

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.maps import MapGrid

GRADIENT_LIMIT = 2.0
# Floats of the widest activation of the network, and of the maps of one cell type, that may be held at once.
ACTIVATION_CHUNK = 2**24
STORED_MAPS = 2**24


@dataclass(frozen=True, slots=True, eq=False)
class Niche:
    """Where the cells of one type sit.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    neighbors
        (cells, types) scaled counts of neighbors.
    grid
        Pixels of the maps.
    device
        Where to compute.
    """

    positions: NDArray[np.float64]
    neighbors: Tensor
    grid: MapGrid
    device: torch.device
    stored: Tensor | None = None

    @classmethod
    def of(
        cls,
        positions: NDArray[np.float64],
        neighbors: NDArray[np.float32],
        grid: MapGrid,
        device: torch.device,
    ) -> Niche:
        """Return the niche; maps that are small enough are rendered once, others whenever they are needed."""
        counts = torch.as_tensor(neighbors, device=device)
        pixels = int(np.prod([len(centers) for centers in grid.centers]))
        stored = None
        if len(positions) * pixels <= STORED_MAPS:
            stored = torch.as_tensor(grid.render(positions), device=device)[:, None]
        return cls(positions, counts, grid, device, stored)

    def __len__(self) -> int:
        return len(self.positions)

    def maps(self, cells: Tensor) -> Tensor:
        """Return the (cells, 1, pixels, pixels[, pixels]) maps of the chosen cells."""
        if self.stored is not None:
            maps = self.stored[cells.to(self.device)]
        else:
            maps = torch.as_tensor(self.grid.render(self.positions[cells.numpy()]), device=self.device)[:, None]
        return maps.to(memory_format=self.memory_format)

    @property
    def memory_format(self) -> torch.memory_format:
        """Order of the numbers in memory; channels last is a quarter faster on a CPU."""
        return torch.channels_last if len(self.grid.centers) == 2 else torch.channels_last_3d

    @property
    def chunk(self) -> int:
        """Cells whose activations fit into memory at once."""
        pixels = int(np.prod([len(centers) for centers in self.grid.centers]))
        return max(1, ACTIVATION_CHUNK // (16 * pixels))


def train_steps(
    niche: Niche,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    anchors: NDArray[np.float64],
    config: TravlrConfig,
    seed: int,
) -> Generator[tuple[float, float], None, NDArray[np.float32]]:
    """Train one network from its seed coefficients and read out the coefficients of its cells.

    Adam on the mean squared error, gradients cut to length 2; batches of nearly equal size, drawn anew in
    every epoch. After the last epoch the statistics of the batch norms are computed once more over all
    cells, so that the coefficients of a cell depend on nothing but the cell.

    Parameters
    ----------
    niche
        Where the cells sit.
    x, y
        (cells, modulators) and (cells,).
    anchors
        (1 + modulators,) seed coefficients.
    config
        Settings of the fit.
    seed
        Of weights and batches.

    Yields
    ------
    Share of the epochs that is done and the latest loss, twice for every batch.

    Returns
    -------
    (cells, 1 + modulators) float32 coefficients.
    """
    with seeded_initialisation(seed):
        network = CellularNicheNetwork(anchors, niche.neighbors.shape[1], config.activation, niche.positions.shape[1])
    network.to(niche.device, memory_format=niche.memory_format)
    draws = torch_generator(seed)
    features, observed = torch.as_tensor(x, device=niche.device), torch.as_tensor(y, device=niche.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    n_batches = -(-len(niche) // config.batch_size)
    total, done, latest = config.epochs * n_batches, 0, float("nan")
    for _ in range(config.epochs):
        for cells in torch.randperm(len(niche), generator=draws).tensor_split(n_batches):
            maps = niche.maps(cells)
            if config.rotate_maps:
                maps = _rotated(maps, draws)
            on_device = cells.to(niche.device)
            betas = network(maps, niche.neighbors[on_device])
            loss = nn.functional.mse_loss(predict(betas, features[on_device]), observed[on_device])
            yield (done + 0.5) / total, latest
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
            optimizer.step()
            done, latest = done + 1, float(loss.detach())
            yield done / total, latest
    yield from _recalibrate_steps(network, niche, n_batches, latest)
    return (yield from _betas_steps(network, niche, latest))


def _recalibrate_steps(
    network: CellularNicheNetwork, niche: Niche, n_batches: int, latest: float
) -> Generator[tuple[float, float], None, None]:
    """Replace the running statistics of the batch norms by the average over all cells."""
    norms = [part for part in network.modules() if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm3d))]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    network.train()
    for cells in torch.arange(len(niche)).tensor_split(n_batches):
        with torch.no_grad():
            network.cnn(niche.maps(cells))
        yield 1.0, latest


def _betas_steps(
    network: CellularNicheNetwork, niche: Niche, latest: float
) -> Generator[tuple[float, float], None, NDArray[np.float32]]:
    network.eval()
    parts = []
    for cells in torch.arange(len(niche)).split(niche.chunk):
        with torch.no_grad():
            betas = network(niche.maps(cells), niche.neighbors[cells.to(niche.device)])
        parts.append(betas.cpu().numpy())
        yield 1.0, latest
    return np.concatenate(parts)


def _rotated(maps: Tensor, draws: torch.Generator) -> Tensor:
    """Turn every map by a random number of quarter turns in the plane of x and y."""
    turns = torch.randint(4, (len(maps),), generator=draws).to(maps.device)
    result = maps.clone()
    for quarter in (1, 2, 3):
        result[turns == quarter] = torch.rot90(maps[turns == quarter], quarter, dims=(2, 3))
    return result
