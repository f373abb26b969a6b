"""The best state of a network while it is trained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_tissue_dynamics.steer.config import SteerConfig


class Keeper:
    """Remembers the best state of a network and when it was reached.

    Parameters
    ----------
    network
        The network.
    config
        ``patience`` and ``min_improvement`` are used.
    batches
        Over about how many epochs the loss is averaged: in one epoch it is that of some cells only.

    Attributes
    ----------
    level
        The loss, averaged over the last epochs.
    best
        The least level so far.
    waited
        Epochs since.
    state
        The state of the network then; empty before the first epoch.
    """

    def __init__(self, network: nn.Module, config: SteerConfig, batches: int = 1) -> None:
        self._network = network
        self._config = config
        self._share = 1 / batches
        self.level = math.inf
        self.best = math.inf
        self.waited = 0
        self.state: dict[str, Tensor] = {}

    def enough(self, loss: float) -> bool:
        """Take note of the loss of an epoch; return True if it has not improved for too long."""
        self.level = loss if math.isinf(self.level) else self._share * loss + (1 - self._share) * self.level
        if self.level < self.best - self._config.min_improvement:
            self.best, self.waited = self.level, 0
            self._copy()
            return False
        self.waited += 1
        return self.waited >= self._config.patience

    def restore(self) -> None:
        """Give the network its best state back, if one was noted."""
        if self.state:
            self._network.load_state_dict(self.state)

    def _copy(self) -> None:
        """Copy the state of the network, into the memory of the last copy where there is one."""
        for name, value in self._network.state_dict().items():
            if name in self.state:
                self.state[name].copy_(value)
            else:
                self.state[name] = value.detach().clone()
