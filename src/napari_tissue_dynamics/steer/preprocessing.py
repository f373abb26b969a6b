"""From counts to what the STEER network sees: moments scaled to [0, 1] and one graph of cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.components import principal_components
from napari_tissue_dynamics.graph.counts import (
    cell_sizes,
    count_layers,
    even_roots,
    median_size,
    normalise,
    sparse_counts,
    times_rows,
    varying_genes,
)
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import alike, expression_graph, spatial_graph, union
from napari_tissue_dynamics.kinetics.cell_depth import Depth, estimate_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from napari_tissue_dynamics.data.tissue import Counts, Tissue
    from napari_tissue_dynamics.steer.config import SteerConfig

MIN_CELLS = 10
MIN_GENES = 2
ALIKE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What one stage of STEER is trained on.

    Parameters
    ----------
    genes
        Names of the G genes of this stage, in the order of the columns.
    unspliced, spliced
        (n, G) float32 moments Mu and Ms: size-normalized counts, averaged over similar cells.
    x
        (n, 2 G) float32, both moments divided by the largest value of each gene, in [0, 1], unspliced first.
        A gene without any count stays 0.
    graph
        (n, n) ones with a unit diagonal: similar cells, and the nearest cells in the tissue where there is
        one. Directed: row i holds the cells that i may move towards.
    components
        (n, c) float32 principal components of the normalized counts, at most 30, from which the neighbors
        of the moments were taken; the number of experts is estimated on them.
    depth
        How the common depth of both kinds of RNA was found, None if each was divided by its own total.
    """

    genes: tuple[str, ...]
    unspliced: NDArray[np.float32]
    spliced: NDArray[np.float32]
    x: NDArray[np.float32]
    graph: sparse.csr_array
    components: NDArray[np.float32]
    depth: Depth | None = None

    @property
    def u(self) -> NDArray[np.float32]:
        """(n, G) scaled unspliced moments, a view."""
        return self.x[:, : len(self.genes)]

    @property
    def s(self) -> NDArray[np.float32]:
        """(n, G) scaled spliced moments, a view."""
        return self.x[:, len(self.genes) :]

    def keep(self, genes: NDArray[np.integer]) -> Prepared:
        """Return the same cells and graph with some of the genes only; itself if those are all."""
        number = len(self.genes)
        if np.array_equal(genes, np.arange(number)):
            return self
        return replace(
            self,
            genes=tuple(self.genes[index] for index in genes),
            unspliced=np.take(self.unspliced, genes, axis=1),
            spliced=np.take(self.spliced, genes, axis=1),
            x=np.take(self.x, np.concatenate([genes, genes + number]), axis=1),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What the counts of the training cells were divided by, so that other cells can be seen in the same way.

    Parameters
    ----------
    cells
        Median number of unspliced and of spliced counts of a cell.
    unspliced, spliced
        (G,) float32 largest moment of each gene, 0 for a gene without counts.
    depth
        How the common depth of both kinds of RNA was found, None if each was divided by its own total.
    """

    cells: tuple[float, float]
    unspliced: NDArray[np.float32]
    spliced: NDArray[np.float32]
    depth: Depth | None = None

    @property
    def ratio(self) -> NDArray[np.float32]:
        """(G,) float32 largest unspliced over largest spliced moment, 1 for a gene that lacks one of them."""
        there = (self.unspliced > 0) & (self.spliced > 0)
        return np.divide(self.unspliced, self.spliced, out=np.ones_like(self.unspliced), where=there)

    def keep(self, genes: NDArray[np.integer]) -> Scale:
        """Return the scale of some of the genes; the depth is still that of all."""
        return replace(self, unspliced=self.unspliced[genes], spliced=self.spliced[genes])

    @classmethod
    def of(cls, tissue: Tissue, seen: Prepared) -> Scale:
        """Return what the counts of ``tissue`` were divided by when it was prepared."""
        spliced, unspliced = _count_layers(tissue)
        sizes = (median_size(cell_sizes(unspliced)), median_size(cell_sizes(spliced)))
        return cls(sizes, seen.unspliced.max(axis=0), seen.spliced.max(axis=0), seen.depth)


def select_genes(tissue: Tissue, config: SteerConfig) -> NDArray[np.intp]:
    """Return the genes that carry information on splicing, as ascending columns of the tissue.

    A gene passes if its spliced and unspliced counts, summed over the cells that have both, reach
    ``config.min_shared_counts``. Of those, the ``config.n_genes`` with the highest normalized dispersion of
    the size-normalized spliced counts are taken (Satija et al. 2015, "seurat" flavor).

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    config
        ``min_shared_counts`` and ``n_genes`` are used.

    Raises
    ------
    DataError
        If a count layer is missing or unusable, or too few cells or genes are left.
    """
    spliced, unspliced = _count_layers(tissue)
    return varying_genes(
        spliced, unspliced, min_shared_counts=config.min_shared_counts, most=config.n_genes, fewest=MIN_GENES
    )


def prepare(tissue: Tissue, config: SteerConfig, genes: NDArray[np.integer], scale: Scale | None = None) -> Prepared:
    """Normalize, smooth and scale the counts of ``genes`` and build the graph of cells.

    In the faithful profile each kind of RNA is divided by its own total, and moments are means over cells with
    similar counts. In the improved one both are divided by one common depth (:mod:`..cell_depth`), similarity is
    that of the square roots of the counts, every gene with the same variance, and moments are taken over cells that
    lie near in the tissue as well, if they belong to the quarter of the cells that are most similar.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    config
        The profile, the numbers of neighbors and the seed are used. Moments are taken over at most a third of the
        cells, for the moments over all of them would be all alike.
    genes
        Columns of the tissue, at least two.
    scale
        Divide by these sizes and largest moments, not by those of the cells themselves.

    Returns
    -------
    The moments, the scaled moments, the graph and the principal components.

    Raises
    ------
    DataError
        If a count layer is missing or unusable, or there are too few cells or genes.
    """
    spliced, unspliced = _count_layers(tissue)
    if len(genes) < MIN_GENES:
        raise DataError(f"{len(genes)} genes were chosen; STEER needs at least {MIN_GENES}. Keep more genes.")
    depth = None
    if config.faithful:
        sizes = (None, None) if scale is None else scale.cells
        unspliced, spliced = normalise(unspliced, sizes[0])[:, genes], normalise(spliced, sizes[1])[:, genes]
        components = principal_components([spliced, unspliced], seed=config.seed)
    else:
        unspliced, spliced = sparse_counts(unspliced)[:, genes], sparse_counts(spliced)[:, genes]
        depth = estimate_depth(spliced, unspliced) if scale is None or scale.depth is None else scale.depth
        size = 1 / depth.of(spliced, unspliced)
        unspliced, spliced = times_rows(unspliced, size), times_rows(spliced, size)
        components = principal_components([even_roots(spliced), even_roots(unspliced)], seed=config.seed)
    similar = _similar(tissue, components, config)
    mean_unspliced, mean_spliced = moments(unspliced, similar), moments(spliced, similar)
    del unspliced, spliced
    smooth = principal_components([mean_unspliced, mean_spliced], seed=config.seed)
    graph = expression_graph(smooth, config.expression_neighbors)
    if tissue.has_tissue:
        graph = union(graph, spatial_graph(tissue.positions, config.spatial_neighbors))
    return Prepared(
        genes=tuple(tissue.genes[index] for index in genes),
        unspliced=mean_unspliced,
        spliced=mean_spliced,
        x=_scaled(mean_unspliced, mean_spliced, scale),
        graph=graph,
        components=components,
        depth=depth,
    )


def _similar(tissue: Tissue, components: NDArray[np.float32], config: SteerConfig) -> sparse.csr_array:
    """Return the graph over which moments are taken."""
    most = max(tissue.n_cells // 3, 2)
    similar = expression_graph(components, min(config.smooth_neighbors, most))
    if config.faithful or not (tissue.has_tissue and config.tissue_smoothing):
        return similar
    near = spatial_graph(tissue.positions, min(config.tissue_smoothing, most))
    return union(similar, alike(near, components, share=ALIKE, seed=config.seed))


def _count_layers(tissue: Tissue) -> tuple[Counts, Counts]:
    return count_layers(tissue, model="STEER", fewest_cells=MIN_CELLS)


def _scaled(unspliced: NDArray[np.float32], spliced: NDArray[np.float32], scale: Scale | None) -> NDArray[np.float32]:
    """Return both side by side, every gene divided by its largest value or that of the scale."""
    n, number = unspliced.shape
    x = np.zeros((n, 2 * number), dtype=np.float32)
    largest = (unspliced.max(axis=0), spliced.max(axis=0)) if scale is None else (scale.unspliced, scale.spliced)
    for place, values, highest in zip((x[:, :number], x[:, number:]), (unspliced, spliced), largest, strict=True):
        np.divide(values, highest, out=place, where=highest != 0)
    return x
