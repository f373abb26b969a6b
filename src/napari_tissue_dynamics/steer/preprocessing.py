"""From counts to what the STEER network sees: moments scaled to [0, 1] and one graph of cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.components import principal_components
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import alike, expression_graph, spatial_graph, union
from napari_tissue_dynamics.steer.depth import Depth, estimate_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts, Tissue
    from napari_tissue_dynamics.steer.config import SteerConfig

MIN_CELLS = 10
MIN_GENES = 2
DISPERSION_BINS = 20
ALIKE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What one stage of STEER is trained on.

    Parameters
    ----------
    genes
        Names of the G genes of this stage, in the order of the columns.
    unspliced, spliced
        (n, G) float32 moments Mu and Ms: size-normalised counts, averaged over similar cells.
    x
        (n, 2 G) float32, both moments divided by the largest value of each gene, in [0, 1], unspliced first.
        A gene without any count stays 0.
    graph
        (n, n) ones with a unit diagonal: similar cells, and the nearest cells in the tissue where there is
        one. Directed: row i holds the cells that i may move towards.
    components
        (n, c) float32 principal components of the normalised counts, at most 30, from which the neighbors
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
        sizes = (_median(_sizes(unspliced)), _median(_sizes(spliced)))
        return cls(sizes, seen.unspliced.max(axis=0), seen.spliced.max(axis=0), seen.depth)


def select_genes(tissue: Tissue, config: SteerConfig) -> NDArray[np.intp]:
    """Return the genes that carry information on splicing, as ascending columns of the tissue.

    A gene passes if its spliced and unspliced counts, summed over the cells that have both, reach
    ``config.min_shared_counts``. Of those, the ``config.n_genes`` with the highest normalised dispersion of
    the size-normalised spliced counts are taken (Satija et al. 2015, "seurat" flavor).

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
    genes = np.flatnonzero(_shared_counts(spliced, unspliced) >= config.min_shared_counts)
    if len(genes) < MIN_GENES:
        raise DataError(
            f"{len(genes)} of {tissue.n_genes} genes have {config.min_shared_counts} or more counts in cells "
            f"with both spliced and unspliced RNA; at least {MIN_GENES} genes are needed. "
            f"Lower min_shared_counts (now {config.min_shared_counts}; 0 keeps all genes)."
        )
    if len(genes) <= config.n_genes:
        return genes
    dispersion = _dispersion(normalise(spliced)[:, genes])
    best = np.argsort(-dispersion, kind="stable")[: config.n_genes]
    return genes[np.sort(best)]


def normalise(counts: Counts, size: float | None = None) -> sparse.csr_array:
    """Return the counts with every cell scaled to the median size of the cells.

    Parameters
    ----------
    counts
        (n, genes) counts of *all* genes; the size of a cell is the sum of its row.
    size
        Scale every cell to this size, and not to the median.

    Returns
    -------
    (n, genes) float32. The median is taken over the cells that have any count; empty cells stay empty.
    """
    sizes = _sizes(counts)
    filled = sizes > 0
    factor = np.zeros_like(sizes)
    factor[filled] = (_median(sizes) if size is None else size) / sizes[filled]
    return _times_rows(_sparse(counts), factor)


def prepare(tissue: Tissue, config: SteerConfig, genes: NDArray[np.integer], scale: Scale | None = None) -> Prepared:
    """Normalise, smooth and scale the counts of ``genes`` and build the graph of cells.

    In the faithful profile each kind of RNA is divided by its own total, and moments are means over cells with
    similar counts. In the improved one both are divided by one common depth (:mod:`.depth`), similarity is that of
    the square roots of the counts, every gene with the same variance, and moments are taken over cells that lie
    near in the tissue as well, if they belong to the quarter of the cells that are most similar.

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
        unspliced, spliced = _sparse(unspliced)[:, genes], _sparse(spliced)[:, genes]
        depth = estimate_depth(spliced, unspliced) if scale is None or scale.depth is None else scale.depth
        size = 1 / depth.of(spliced, unspliced)
        unspliced, spliced = _times_rows(unspliced, size), _times_rows(spliced, size)
        components = principal_components([_even(spliced), _even(unspliced)], seed=config.seed)
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


def _even(counts: sparse.csr_array) -> sparse.csr_array:
    """Return the square roots, every column with variance one; those of counts have about the same noise."""
    roots = counts.sqrt()
    n = roots.shape[0]
    mean = np.asarray(roots.sum(axis=0, dtype=np.float64)).ravel() / n
    square = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / n
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    factor = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0).astype(np.float32)
    roots.data *= factor[roots.indices]
    return roots


def _times_rows(counts: sparse.csr_array, factor: NDArray[np.floating]) -> sparse.csr_array:
    """Return the counts of every cell times its factor; the places of the entries are shared."""
    data = counts.data * np.repeat(factor.astype(np.float32), np.diff(counts.indptr))
    return sparse.csr_array((data, counts.indices, counts.indptr), shape=counts.shape)


def _count_layers(tissue: Tissue) -> tuple[Counts, Counts]:
    layers = []
    for name in ("spliced", "unspliced"):
        counts = getattr(tissue, name)
        if counts is None:
            raise DataError(
                f"{tissue.source} has no {name} counts; RNA velocity needs spliced and unspliced counts. "
                "Choose both layers when loading, or use a file that has them."
            )
        values = counts.data if isinstance(counts, sparse.csr_array) else np.asarray(counts)
        if not np.isfinite(values).all() or (values.size and values.min() < 0):
            raise DataError(
                f"The {name} counts of {tissue.source} hold values that are negative or not finite; "
                "counts must be 0 or above. Choose the layer with raw counts."
            )
        layers.append(counts)
    if tissue.n_cells < MIN_CELLS:
        raise DataError(
            f"{tissue.source} has {tissue.n_cells} cells; STEER needs at least {MIN_CELLS}. Load more cells."
        )
    return layers[0], layers[1]


def _shared_counts(spliced: Counts, unspliced: Counts) -> NDArray[np.float64]:
    s, u = _sparse(spliced), _sparse(unspliced)
    shared = s.multiply(u.astype(bool)) + u.multiply(s.astype(bool))
    return np.asarray(shared.sum(axis=0, dtype=np.float64)).ravel()


def _dispersion(counts: sparse.csr_array) -> NDArray[np.float64]:
    """Return (genes,) log dispersion, standardised among genes of similar mean; -inf for constant genes."""
    n = counts.shape[0]
    mean = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / n
    square = np.asarray(counts.multiply(counts).sum(axis=0, dtype=np.float64)).ravel() / n
    variance = np.maximum(square - mean**2, 0) * n / (n - 1)
    varies = variance > 0
    dispersion = np.full(len(mean), np.nan)
    dispersion[varies] = np.log(variance[varies] / mean[varies])
    level = np.log1p(mean)
    edges = np.linspace(level.min(), level.max(), DISPERSION_BINS + 1)
    box = np.searchsorted(edges[1:-1], level, side="left")
    result = np.full(len(mean), -np.inf)
    for number in np.unique(box[varies]):
        inside = varies & (box == number)
        values = dispersion[inside]
        centre, spread = (values.mean(), values.std(ddof=1)) if len(values) > 1 else (0.0, values[0])
        result[inside] = (values - centre) / spread if spread else 0.0
    return result


def _sizes(counts: Counts) -> NDArray[np.float64]:
    return np.asarray(_sparse(counts).sum(axis=1, dtype=np.float64)).ravel()


def _median(sizes: NDArray[np.float64]) -> float:
    filled = sizes[sizes > 0]
    return float(np.median(filled)) if len(filled) else 1.0


def _scaled(unspliced: NDArray[np.float32], spliced: NDArray[np.float32], scale: Scale | None) -> NDArray[np.float32]:
    """Return both side by side, every gene divided by its largest value or that of the scale."""
    n, number = unspliced.shape
    x = np.zeros((n, 2 * number), dtype=np.float32)
    largest = (unspliced.max(axis=0), spliced.max(axis=0)) if scale is None else (scale.unspliced, scale.spliced)
    for place, values, highest in zip((x[:, :number], x[:, number:]), (unspliced, spliced), largest, strict=True):
        np.divide(values, highest, out=place, where=highest != 0)
    return x


def _sparse(counts: Counts) -> sparse.csr_array:
    matrix: sparse.csr_array = sparse.csr_array(counts)
    return matrix.astype(np.float32, copy=False)
