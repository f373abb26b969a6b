"""Train the network of one gene in one cell type, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import nn

from napari_tissue_dynamics.compute import seeded_initialisation, torch_generator
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import drained
from napari_tissue_dynamics.travlr.nets.cnn import CellularNicheNetwork, predict
from napari_tissue_dynamics.travlr.nets.fused_block import cell_moments
from napari_tissue_dynamics.travlr.nets.transformer import CellularViT

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.nets.type_maps import Maps

Network: TypeAlias = "CellularNicheNetwork | CellularViT"
BatchNorm = Literal["all_cells", "batch"]

GRADIENT_LIMIT = 2.0
# Floats of the widest activation of the network, and of the maps of one cell type, that may be held at once.
ACTIVATION_CHUNK = 2**24
STORED_MAPS = 2**24
LARGEST_SEED = 2**62


class Step(NamedTuple):
    """One report of a training: the share that is done, the latest loss, and the cells of a batch just finished."""

    done: float
    loss: float | None = None
    cells: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Niche:
    """Where the cells of one type sit.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    neighbors
        (cells, types) scaled counts of neighbors.
    maps
        What the network sees of the cells.
    stored, moments
        The maps of all cells where they are small enough to be kept, and their sums for the first convolution.
    """

    positions: NDArray[np.float64]
    neighbors: Tensor
    maps: Maps
    device: torch.device
    stored: Tensor | None = None
    moments: Tensor | None = None

    @classmethod
    def of(
        cls,
        positions: NDArray[np.float64],
        neighbors: NDArray[np.float32],
        maps: Maps,
        device: torch.device,
    ) -> Niche:
        """Return the niche; maps that are small enough are drawn once, others whenever they are needed."""
        counts = torch.as_tensor(neighbors, device=device)
        stored = moments = None
        if len(positions) * maps.channels * int(np.prod(maps.shape)) <= STORED_MAPS:
            stored = torch.as_tensor(maps.images(positions), device=device)
            if maps.channels == 1 and len(maps.shape) == 2 and device.type == "cpu":
                moments = cell_moments(stored)
        return cls(positions, counts, maps, device, stored, moments)

    def __len__(self) -> int:
        return len(self.positions)

    def images(self, cells: Tensor) -> Tensor:
        """Return the (cells, channels, pixels, pixels[, pixels]) maps of the chosen cells."""
        if self.stored is not None:
            maps = self.stored[cells.to(self.device)]
        else:
            maps = torch.as_tensor(self.maps.images(self.positions[cells.numpy()]), device=self.device)
        return maps.to(memory_format=_memory_format(self.seen))

    @property
    def seen(self) -> tuple[int, ...]:
        """Channels and pixels of the maps of one cell."""
        return (self.maps.channels, *self.maps.shape)

    @property
    def chunk(self) -> int:
        """Cells whose activations fit into memory at once."""
        return max(1, ACTIVATION_CHUNK // (max(16, self.maps.channels) * int(np.prod(self.maps.shape))))


def new_network(
    seen: tuple[int, ...],
    n_types: int,
    anchors: NDArray[np.floating],
    config: TravlrConfig,
    seed: int,
    device: torch.device,
) -> Network:
    """Return the network that the settings ask for, with its first weights.

    Parameters
    ----------
    seen
        Channels and pixels of the maps of one cell: (channels, pixels, pixels[, pixels]).
    anchors
        (1 + modulators,) seed coefficients.
    seed
        Of the weights.

    Raises
    ------
    DataError
        If a transformer is asked for that cannot see such maps.
    """
    with seeded_initialisation(seed):
        network: Network
        if config.published.vision_model == "transformer":
            if len(seen) != 3:
                raise DataError(
                    "The transformer supports two-dimensional maps only; choose the vision model 'cnn' for "
                    "3-D "
                    "positions."
                )
            network = CellularViT(anchors, n_types, seen[1], seen[0])
        else:
            network = CellularNicheNetwork(anchors, n_types, config.published.activation, len(seen) - 1, seen[0])
    return network.to(device, memory_format=_memory_format(seen))


def _memory_format(seen: tuple[int, ...]) -> torch.memory_format:
    """Return the order of the numbers in memory; channels last is a quarter faster on a CPU."""
    return torch.channels_last if len(seen) == 3 else torch.channels_last_3d


def training_steps(
    niche: Niche,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    anchors: NDArray[np.float64],
    config: TravlrConfig,
    seed: int,
    batch_norm: BatchNorm = "all_cells",
) -> Generator[Step, None, Network]:
    """Train one network from its seed coefficients.

    Adam on the mean squared error, gradients cut to length 2; batches of nearly equal size, redrawn in
    every epoch. After the last epoch the statistics of the batch norms are computed once more over all
    cells, so that the coefficients of a cell depend on nothing but the cell.

    Parameters
    ----------
    x, y
        (cells, modulators) and (cells,).
    anchors
        (1 + modulators,) seed coefficients.
    seed
        Of weights and batches.
    batch_norm
        ``batch`` leaves the statistics as the training has left them.

    Yields
    ------
    A :class:`Step`, twice for every batch.
    """
    network = new_network(niche.seen, niche.neighbors.shape[1], anchors, config, seed, niche.device)
    draws = torch_generator(seed)
    features, observed = torch.as_tensor(x, device=niche.device), torch.as_tensor(y, device=niche.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    n_batches = -(-len(niche) // config.batch_size)
    total, done, latest = config.epochs * n_batches, 0, None
    network.train()
    for _ in range(config.epochs):
        for cells in torch.randperm(len(niche), generator=draws).tensor_split(n_batches):
            maps = niche.images(cells)
            moments = None if niche.moments is None else niche.moments[cells]
            if config.published.rotate_maps:
                maps, moments = _rotated(maps, draws), None
            on_device = cells.to(niche.device)
            betas = _forward(network, maps, niche.neighbors[on_device], moments, draws)
            loss = nn.functional.mse_loss(predict(betas, features[on_device]), observed[on_device])
            yield Step((done + 0.5) / total, latest)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
            optimizer.step()
            done, latest = done + 1, float(loss.detach())
            yield Step(done / total, latest, len(cells))
    if isinstance(network, CellularNicheNetwork) and batch_norm == "all_cells":
        yield from _recalibrate_steps(network, niche, n_batches, latest)
    network.eval()
    return network


def betas_steps(
    network: Network, niche: Niche, batch_norm: BatchNorm = "all_cells"
) -> Generator[Step, None, NDArray[np.float32]]:
    """Read the coefficients of all cells out of a trained network, in parts.

    With ``batch_norm="batch"`` all cells are one batch whose own statistics are used, as the original package does:
    the coefficients of a cell then depend on the other cells, and the memory grows with their number.

    Returns
    -------
    (cells, 1 + modulators) float32.
    """
    network.eval()
    norms = _batch_norms(network) if batch_norm == "batch" else []
    for norm in norms:
        norm.train()
        norm.momentum = 0.0  # the running statistics stay what they are
    parts = []
    for cells in torch.arange(len(niche)).split(len(niche) if norms else niche.chunk):
        with torch.no_grad():
            betas = network(niche.images(cells), niche.neighbors[cells.to(niche.device)])
        parts.append(betas.cpu().numpy())
        yield Step(1.0)
    network.eval()
    return np.concatenate(parts)


def betas_of(network: Network, niche: Niche, batch_norm: BatchNorm = "all_cells") -> NDArray[np.float32]:
    """Run :func:`betas_steps` to the end."""
    return drained(betas_steps(network, niche, batch_norm))


def _forward(
    network: Network, maps: Tensor, neighbors: Tensor, moments: Tensor | None, draws: torch.Generator
) -> Tensor:
    """Return the coefficients; dropout draws from the fit's own random numbers."""
    if isinstance(network, CellularNicheNetwork):
        betas: Tensor = network(maps, neighbors, moments)
        return betas
    with seeded_initialisation(int(torch.randint(LARGEST_SEED, (1,), generator=draws))):
        return network(maps, neighbors)


def _batch_norms(network: Network) -> list[nn.BatchNorm2d | nn.BatchNorm3d]:
    return [part for part in network.modules() if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm3d))]


def _recalibrate_steps(
    network: CellularNicheNetwork, niche: Niche, n_batches: int, latest: float | None
) -> Generator[Step, None, None]:
    """Replace the running statistics of the batch norms by the average over all cells."""
    for norm in _batch_norms(network):
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    network.train()
    for cells in torch.arange(len(niche)).tensor_split(n_batches):
        with torch.no_grad():
            network.look(niche.images(cells))
        yield Step(1.0, latest)


def _rotated(maps: Tensor, draws: torch.Generator) -> Tensor:
    """Turn every map by a random number of quarter turns in the plane of x and y."""
    turns = torch.randint(4, (len(maps),), generator=draws).to(maps.device)
    result = maps.clone()
    for quarter in (1, 2, 3):
        result[turns == quarter] = torch.rot90(maps[turns == quarter], quarter, dims=(2, 3))
    return result
