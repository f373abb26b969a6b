"""From counts to what the clock is read from: moments, and the functions of the cells they are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.graph.components import leading_components, principal_components
from napari_tissue_dynamics.graph.counts import (
    cell_sizes,
    count_layers,
    even_roots,
    median_size,
    sparse_counts,
    times_rows,
    varying_genes,
)
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import expression_graph
from napari_tissue_dynamics.kinetics.cell_depth import estimate_depth
from napari_tissue_dynamics.kinetics.smooth import SmoothValues, slow_functions, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts as TissueCounts
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetics.config import ClockConfig

FEWEST_CELLS = 10
FEWEST_GENES = 2
# Components that stand out by less than this may be noise; the largest of one permutation varies by about a percent.
ABOVE_CHANCE = 1.02
DIMENSIONS_OF_A_CURVE = 3
FEWEST_COMPONENTS, MOST_COMPONENTS = 10, 30
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counts of the genes of a fit.

    Parameters
    ----------
    genes
        Columns of the tissue.
    unspliced, spliced
        (n, G) CSR float32 raw counts.
    unspliced_factor, spliced_factor
        (n,) what the counts of every cell are multiplied by.
    """

    genes: NDArray[np.intp]
    unspliced: sparse.csr_array
    spliced: sparse.csr_array
    unspliced_factor: NDArray[np.float64]
    spliced_factor: NDArray[np.float64]

    def scaled(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Return unspliced and spliced counts brought to one depth."""
        return times_rows(self.unspliced, self.unspliced_factor), times_rows(self.spliced, self.spliced_factor)

    def of_cells(self, cells: NDArray[np.integer]) -> Counts:
        """Return the counts of some of the cells."""
        unspliced, spliced = (sparse.csr_array(each[cells]) for each in (self.unspliced, self.spliced))
        return Counts(self.genes, unspliced, spliced, self.unspliced_factor[cells], self.spliced_factor[cells])


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the models are fitted to.

    Parameters
    ----------
    graph
        (n, n) similar cells, symmetric ones with a unit diagonal.
    components
        (n, c) principal components that similarity was judged by.
    smooth_unspliced, smooth_spliced
        Counts as smooth functions of the cells.
    unspliced, spliced
        (n, G) float32 moments.
    """

    graph: sparse.csr_array
    components: NDArray[np.float32]
    smooth_unspliced: SmoothValues
    smooth_spliced: SmoothValues
    unspliced: NDArray[np.float32]
    spliced: NDArray[np.float32]

    def of_genes(self, genes: NDArray[np.integer]) -> Seen:
        """Return the same cells with some of the genes only."""
        return replace(
            self,
            smooth_unspliced=self.smooth_unspliced.of_genes(genes),
            smooth_spliced=self.smooth_spliced.of_genes(genes),
            unspliced=self.unspliced[:, genes],
            spliced=self.spliced[:, genes],
        )


def choose_counts(tissue: Tissue, config: ClockConfig) -> Counts:
    """Return the counts of the genes of the fit, and the depth of the cells.

    Raises
    ------
    DataError
        If a count layer is missing or unusable, or too few cells or genes are left.
    """
    spliced, unspliced = count_layers(tissue, model="a kinetic model", fewest_cells=FEWEST_CELLS)
    genes = varying_genes(
        spliced,
        unspliced,
        min_shared_counts=config.min_shared_counts,
        most=config.n_top_genes,
        fewest=FEWEST_GENES,
    )
    chosen = sparse_counts(unspliced)[:, genes], sparse_counts(spliced)[:, genes]
    if config.depth == "separate":
        factors = [_factors(each) for each in (unspliced, spliced)]
        return Counts(genes, *chosen, *factors)
    factor = 1 / estimate_depth(chosen[1], chosen[0]).of(chosen[1], chosen[0])
    return Counts(genes, *chosen, factor, factor)


def see(counts: Counts, config: ClockConfig) -> Seen:
    """Find similar cells and take moments over them.

    Raises
    ------
    DataError
        If all cells are alike.
    """
    unspliced, spliced = counts.scaled()
    number = 0 if config.n_pcs and config.smooth_components else number_of_components(unspliced, spliced, config.seed)
    components = _components(unspliced, spliced, config.n_pcs or number, config)
    n = len(components)
    graph = expression_graph(components, min(config.n_neighbors, n - 1), "euclidean")
    basis = slow_functions(graph, min(config.smooth_components or number, n // 3))
    smooth_u, smooth_s = smooth([unspliced, spliced], basis)
    if config.moments == "smooth":
        return Seen(graph, components, smooth_u, smooth_s, smooth_u.values(), smooth_s.values())
    return Seen(graph, components, smooth_u, smooth_s, moments(unspliced, graph), moments(spliced, graph))


def finer(counts: Counts, seen: Seen, config: ClockConfig) -> Seen:
    """Return moments of as many components and smooth functions as are ever taken.

    Time, rates and regimes are the better the fewer functions are noise. Steps to near cells, which arrows are made
    of, are the better the more detail is kept: with 30 functions arrows were nearer to the truth in each of six
    simulated tissues (cosine 0.85 to 0.93 in the one with most to gain). Those of ``seen`` if the numbers were set or
    moments are plain means.
    """
    if config.n_pcs or config.smooth_components or config.moments != "smooth":
        return seen
    return see(counts, replace(config, n_pcs=MOST_COMPONENTS, smooth_components=MOST_COMPONENTS))


def number_of_components(unspliced: sparse.csr_array, spliced: sparse.csr_array, seed: int) -> int:
    """Return how many principal components, and how many smooth functions, the data hold.

    Components of the square roots count where they are longer than the longest one of the same counts permuted over
    the cells within every gene (parallel analysis; Horn 1965, Psychometrika 30:179). A curved path bends through more
    dimensions than stand out of the noise, so three times as many are taken.

    Parameters
    ----------
    unspliced, spliced
        (n, G) scaled counts.
    seed
        Seed of the permutation.

    Returns
    -------
    10 to 30, and at most one less than there are cells.
    """
    roots = [even_roots(spliced), even_roots(unspliced)]
    rng = np.random.default_rng(seed)
    longest = _lengths(leading_components([_permuted(each, rng) for each in roots], 1, seed=seed))[0]
    found = _lengths(leading_components(roots, MOST_COMPONENTS, seed=seed))
    wanted = DIMENSIONS_OF_A_CURVE * int((found > ABOVE_CHANCE * longest).sum())
    return min(max(wanted, FEWEST_COMPONENTS), MOST_COMPONENTS, spliced.shape[0] - 1)


def _lengths(components: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.linalg.norm(components.astype(np.float64), axis=0)


def _permuted(values: sparse.csr_array, rng: np.random.Generator) -> sparse.csr_array:
    """Return every column in another order."""
    columns = sparse.csc_array(values, copy=True)
    for start, end in pairwise(columns.indptr):
        columns.indices[start:end] = rng.choice(columns.shape[0], end - start, replace=False, shuffle=False)
    columns.has_sorted_indices = False
    return sparse.csr_array(columns)


def _components(
    unspliced: sparse.csr_array, spliced: sparse.csr_array, number: int, config: ClockConfig
) -> NDArray[np.float32]:
    """Return the principal components, (n, c), that similarity of cells is judged by."""
    if config.similarity == "logarithms":
        return principal_components(spliced.log1p(), number, seed=config.seed)
    return _less_noise(leading_components([even_roots(spliced), even_roots(unspliced)], number, seed=config.seed))


def _less_noise(components: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shorten every component to the variance that it has beyond the last one, which is mostly noise.

    Noise is spread evenly over the components of square roots of counts, about; as many as wanted are asked for, and
    those that say nothing should not make cells alike or unlike.
    """
    square = (components.astype(np.float64) ** 2).sum(axis=0)
    beyond = np.maximum(1 - square[-1] / np.maximum(square, TINY), 0)
    if beyond.sum() < TINY:  # all alike, or a single one
        return components
    return components * np.sqrt(beyond).astype(np.float32)


def _factors(counts: TissueCounts) -> NDArray[np.float64]:
    """Return what brings every cell to the median size, 0 for empty cells."""
    sizes = cell_sizes(counts)
    return np.divide(median_size(sizes), sizes, out=np.zeros_like(sizes), where=sizes > 0)
