"""Controls of RNA velocity: tissues made from another one in which there is nothing to find.

A velocity that is estimated from a control is an error, however orderly it looks. Each function of :data:`CONTROLS`
takes a tissue and a seed, and returns the tissue with other counts; sparse counts stay sparse, and the counts of the
original are not changed.

Examples
--------
>>> from napari_tissue_dynamics.simulators.controls import CONTROLS
>>> from napari_tissue_dynamics.simulators.telegraph import simulate_telegraph
>>> tissue = simulate_telegraph(200, 60).tissue
>>> control = CONTROLS["cells"](tissue, seed=1)
>>> control.unspliced.sum() == tissue.unspliced.sum(), (control.unspliced != tissue.unspliced).nnz > 0
(True, True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.graph.components import principal_components
from napari_tissue_dynamics.graph.counts import cell_sizes, count_layers, normalise, sparse_counts
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import expression_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue

    Control: TypeAlias = Callable[[Tissue, int], Tissue]

NEIGHBORS = 30
FEWEST_CELLS = 10
# Genes of alike size among which the unspliced counts are exchanged.
GROUP = 10
# Cells whose counts are drawn at once.
BLOCK = 500


def cells(tissue: Tissue, seed: int = 0) -> Tissue:
    """Give every cell the unspliced counts of another cell.

    Kept are the spliced counts, both distributions of every gene, and the relations of genes within a layer; lost is
    what unspliced and spliced RNA of a cell have to do with each other.
    """
    spliced, unspliced = _layers(tissue)
    return _with(tissue, spliced, unspliced[np.random.default_rng(seed).permutation(tissue.n_cells)])


def genes(tissue: Tissue, seed: int = 0) -> Tissue:
    """Give every gene the unspliced counts of another gene with about as many.

    Kept are the spliced counts, the unspliced size of every cell, and that cells of one state are alike in both layers;
    lost is that unspliced RNA becomes spliced RNA of its own gene. Genes are dealt round in random order in groups of
    ten or more that follow each other by their unspliced counts; none keeps its own.
    """
    spliced, unspliced = _layers(tissue)
    order, rng = _by_size(unspliced), np.random.default_rng(seed)
    source = np.empty(tissue.n_genes, dtype=np.intp)
    for group in np.array_split(order, max(1, tissue.n_genes // GROUP)):
        dealt = rng.permutation(group)
        source[dealt] = np.roll(dealt, 1)
    return _with(tissue, spliced, unspliced[:, source])


def both(tissue: Tissue, seed: int = 0) -> Tissue:
    """Exchange the cells of every gene, each gene in an order of its own and both its layers alike.

    Kept is the phase portrait of every gene; lost is that the genes of a cell are at the same time, and with it every
    similarity of cells.
    """
    rng = np.random.default_rng(seed)
    place = np.array([rng.permutation(tissue.n_cells) for _ in range(tissue.n_genes)], dtype=np.int32)
    moved = []
    for counts in _layers(tissue):
        cell, gene = counts.nonzero()
        data = counts.data[counts.data != 0]
        moved.append(sparse.csr_array((data, (place[gene, cell], gene)), shape=counts.shape))
    return _with(tissue, *moved)


def pairs(tissue: Tissue, seed: int = 0) -> Tissue:
    """Exchange the unspliced counts of two genes that follow each other by the mean of all their counts.

    As :func:`genes`, with one partner for each gene; of an odd number of genes one at random keeps its own.
    """
    spliced, unspliced = _layers(tissue)
    order = _by_size(spliced + unspliced)
    if tissue.n_genes % 2:
        order = np.delete(order, np.random.default_rng(seed).integers(tissue.n_genes))
    source = np.arange(tissue.n_genes)
    source[order] = order.reshape(-1, 2)[:, ::-1].ravel()
    return _with(tissue, spliced, unspliced[:, source])


def static(tissue: Tissue, seed: int = 0) -> Tissue:
    """Draw unspliced counts in proportion to the spliced ones of similar cells, so that nothing lags behind.

    Poisson counts around the mean spliced RNA of the 30 most similar cells, times the slope of the gene and the
    spliced size of the cell. Kept are the spliced counts, the states of the cells, and the expected number of unspliced
    counts of every gene.
    """
    spliced, unspliced = _layers(tissue)
    normal, rng = normalise(spliced), np.random.default_rng(seed)
    graph = expression_graph(principal_components(normal.log1p(), seed=seed), min(NEIGHBORS, tissue.n_cells - 1))
    smooth = moments(normal, graph).astype(np.float64)
    # Not the unspliced size of a cell: where the RNA of all genes rises together, it is ahead of the spliced one.
    size = cell_sizes(spliced)
    slope = _ratio(_gene_sizes(unspliced), size @ smooth)
    return _with(tissue, spliced, _poisson(lambda rows: smooth[rows] * slope * size[rows, None], tissue.n_cells, rng))


def noise(tissue: Tissue, seed: int = 0) -> Tissue:
    """Draw both layers as Poisson counts around the mean of every gene, at the size of every cell."""
    rng = np.random.default_rng(seed)

    def drawn(counts: sparse.csr_array) -> sparse.csr_array:
        size, mean = cell_sizes(counts), _gene_sizes(counts) / max(float(counts.sum()), 1.0)
        return _poisson(lambda rows: np.outer(size[rows], mean), tissue.n_cells, rng)

    return _with(tissue, *(drawn(counts) for counts in _layers(tissue)))


def exchanged(tissue: Tissue, seed: int = 0) -> Tissue:
    """Exchange unspliced and spliced counts, as if the layers had been named wrongly.

    This control can NOT be detected from the counts: a lag is there, with the other sign. It says how far a mistake of
    the input turns the result around, and no check of a velocity is expected to notice it. The seed has no effect.
    """
    spliced, unspliced = _layers(tissue)
    return _with(tissue, unspliced, spliced)


CONTROLS: dict[str, Control] = {
    "cells": cells,
    "genes": genes,
    "both": both,
    "pairs": pairs,
    "static": static,
    "noise": noise,
    "exchanged": exchanged,
}
"""All controls by name."""


def _layers(tissue: Tissue) -> tuple[sparse.csr_array, sparse.csr_array]:
    spliced, unspliced = count_layers(tissue, model="a control of velocity", fewest_cells=FEWEST_CELLS)
    return sparse_counts(spliced), sparse_counts(unspliced)


def _with(tissue: Tissue, spliced: sparse.csr_array, unspliced: sparse.csr_array) -> Tissue:
    """Return the tissue with these counts; expression that other counts led to is left out."""
    unspliced = unspliced.sorted_indices()
    return tissue.with_(spliced=spliced, unspliced=unspliced, expression=None, expression_key="")


def _gene_sizes(counts: sparse.csr_array) -> NDArray[np.float64]:
    return np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel()


def _by_size(counts: sparse.csr_array) -> NDArray[np.intp]:
    return np.argsort(_gene_sizes(counts), kind="stable")


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(a, b, out=np.zeros_like(b), where=b > 0)


def _poisson(mean: Callable[[slice], NDArray[np.float64]], n_cells: int, rng: np.random.Generator) -> sparse.csr_array:
    """Draw counts around means that are asked for in blocks of cells."""
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, n_cells, BLOCK)]
    return sparse.csr_array(sparse.vstack([sparse.csr_array(rng.poisson(mean(b)).astype(np.float32)) for b in blocks]))
