"""From counts to what the kinetic models are fitted to: moments, and the functions of the cells they are made of."""

from __future__ import annotations

from dataclasses import dataclass
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
from napari_tissue_dynamics.kinetic_models.smooth import SmoothValues, slow_functions, smooth
from napari_tissue_dynamics.kinetic_models.stochastic import SecondMoments, from_products, products_of_counts
from napari_tissue_dynamics.kinetics.cell_depth import estimate_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts as TissueCounts
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetic_models.config import KineticsConfig

FEWEST_CELLS = 10
FEWEST_GENES = 2
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


def choose_counts(tissue: Tissue, config: KineticsConfig) -> Counts:
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


def see(counts: Counts, config: KineticsConfig) -> Seen:
    """Find similar cells and take moments over them.

    Raises
    ------
    DataError
        If all cells are alike.
    """
    unspliced, spliced = counts.scaled()
    components = _components(unspliced, spliced, config)
    n = len(components)
    graph = expression_graph(components, min(config.n_neighbors, n - 1), "euclidean")
    basis = slow_functions(graph, min(config.smooth_components, n // 3))
    smooth_u, smooth_s = smooth([unspliced, spliced], basis)
    if config.moments == "smooth":
        return Seen(graph, components, smooth_u, smooth_s, smooth_u.values(), smooth_s.values())
    return Seen(graph, components, smooth_u, smooth_s, moments(unspliced, graph), moments(spliced, graph))


def second_moments(counts: Counts, seen: Seen, config: KineticsConfig) -> SecondMoments:
    """Return second moments over the same cells as the first ones."""
    if config.moments == "smooth":
        products = products_of_counts(counts.unspliced, counts.spliced, counts.spliced_factor)
        us, pairs = (each.values() for each in smooth(products, seen.smooth_spliced.basis))
        return from_products(seen.unspliced, seen.spliced, us, pairs)
    unspliced, spliced = counts.scaled()
    both, squares = sparse.csr_array(spliced.multiply(unspliced)), sparse.csr_array(spliced.multiply(spliced))
    return SecondMoments(moments(both, seen.graph), moments(squares, seen.graph))


def _components(unspliced: sparse.csr_array, spliced: sparse.csr_array, config: KineticsConfig) -> NDArray[np.float32]:
    """Return the principal components, (n, c), that similarity of cells is judged by."""
    if config.similarity == "logarithms":
        return principal_components(spliced.log1p(), config.n_pcs, seed=config.seed)
    return _less_noise(leading_components([even_roots(spliced), even_roots(unspliced)], config.n_pcs, seed=config.seed))


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
