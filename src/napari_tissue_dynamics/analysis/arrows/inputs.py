"""A velocity field as arrows and their checks take it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.transitions import centered, cosines_steps, usable_genes

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import Progress, StopToken

# As many as the moments of scVelo take by default.
COMPONENTS = 30


@dataclass(frozen=True, eq=False)
class ArrowInputs:
    """What projection, graph and checks are made of; each part is computed once, when it is first used.

    Parameters
    ----------
    field
        The velocities.
    weight
        (genes,) how much every gene counts, None for all the same.
    """

    field: VelocityField
    weight: NDArray[np.float32] | None

    @classmethod
    def of(cls, field: VelocityField) -> ArrowInputs:
        """Return those of a field, with its own weights of the genes."""
        return cls(field, field.gene_weight)

    @cached_property
    def genes(self) -> NDArray[np.intp]:
        """The genes that arrows are made of; a :class:`.DataError` if there is none."""
        return usable_genes(self.field.spliced, self.field.moments_spliced, self.weight)

    @cached_property
    def plain(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Velocity and moments of these genes, (cells, genes) each, less the mean of each cell."""
        velocity, expression = comparable(self.field)
        return centered(velocity, self.genes), centered(expression, self.genes)

    @cached_property
    def weighted(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same less the weighted mean, times the square root of the weights."""
        if self.weight is None:
            return self.plain
        root = np.sqrt(self.weight[self.genes]).astype(np.float32)
        velocity, expression = comparable(self.field)
        return centered(velocity, self.genes, root), centered(expression, self.genes, root)

    @cached_property
    def space(self) -> NDArray[np.float32]:
        """Where the cells lie in expression, see :func:`expression_space`."""
        return expression_space(self.field)

    def graph_steps(
        self, neighbors: NDArray[np.int32], stop: StopToken | None = None
    ) -> Generator[Progress, None, VelocityGraph]:
        """Correlate velocities with the steps to neighbors, see :func:`.velocity_graph_steps`."""
        return cosines_steps(*self.weighted, neighbors, stop)


def comparable(field: VelocityField) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return velocity and moments, (cells, genes) each, with every gene in units of its largest moment."""
    largest = field.moments_spliced.max(axis=0)
    silent = largest <= np.finfo(np.float32).tiny
    scale: NDArray[np.float32] = np.where(silent, np.float32(np.inf), largest)  # silent genes count nothing
    return field.spliced / scale, field.moments_spliced / scale


def expression_space(field: VelocityField) -> NDArray[np.float32]:
    """Return where the cells lie in expression, (cells, at most 30) principal components of their moments.

    Both kinds of RNA count, and every gene in units of its largest moment. It is the same for all models; the latent
    representation of a network that was trained for minutes keeps less of what tells similar cells apart.
    """
    from sklearn.decomposition import PCA

    parts = field.moments_spliced, field.moments_unspliced
    both = np.hstack(parts)  # the only copy: of many cells it is the largest array there is
    both /= np.maximum(both.max(axis=0), np.finfo(np.float32).tiny)
    number = min(COMPONENTS, min(both.shape) - 1)
    if number < 1:
        return both
    pca = PCA(number, copy=False, svd_solver="randomized", random_state=0)
    return np.asarray(pca.fit_transform(both), dtype=np.float32)
