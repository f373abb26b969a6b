"""Batches of cells for tissues that are too large to train on all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_tissue_dynamics.steer.prior.curvature_prior import split_clusters

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMMUNITY = 330  # groups of more than one and a half times as many cells are split


@dataclass(frozen=True, slots=True, eq=False)
class Communities:
    """Groups of similar cells that enter a batch together, so that most neighbors do (Cluster-GCN, Chiang et al. 2019).

    Parameters
    ----------
    members
        The cells of each group.
    size
        A batch has this many cells, or up to one group more.
    """

    members: tuple[Tensor, ...]
    size: int

    @classmethod
    def of(cls, clusters: NDArray[np.integer], components: NDArray[np.floating], size: int, seed: int) -> Communities:
        """Take the fine clusters (n,), the large ones split by the expression (n, c) of their cells."""
        codes = split_clusters(components, clusters, COMMUNITY, seed)
        order = torch.from_numpy(np.argsort(codes, kind="stable"))
        return cls(order.split(np.bincount(codes).tolist()), size)

    @property
    def batches(self) -> int:
        """How many batches have as many cells as there are."""
        return -(-sum(map(len, self.members)) // self.size)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the cells of a batch, ascending; all of them if there are fewer than ``size``."""
        cells, number = [], 0
        for group in torch.randperm(len(self.members), generator=generator).tolist():
            cells.append(self.members[group])
            number += len(self.members[group])
            if number >= self.size:
                break
        return torch.cat(cells).sort().values
