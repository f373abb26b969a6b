r"""Smooth expression over similar cells of the same type.

.. math:: \hat E = P^t E, \qquad P_{ij} = \frac{K_{ij} + K_{ji}}{\sum_j (K_{ij} + K_{ji})}, \qquad
    K_{ij} = \exp\big(-(d_{ij} / \sigma_i)^a\big)

for the nearest cells j of cell i by principal components, with the width :math:`\sigma_i` the distance to its 5th
neighbor. Source: MAGIC, van Dijk et al. 2018, with the defaults of its package; SpaceTravLR runs it in each cell type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Interval
from scipy import sparse

from napari_tissue_dynamics.compute import in_background
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.graph.components import principal_components
from napari_tissue_dynamics.graph.neighbors import knn
from napari_tissue_dynamics.progress import converted

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts

# Weights below this are dropped.
SMALLEST_WEIGHT = 1e-4
# Numbers that one sparse product makes between two reports.
FLOATS = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """How far expression is smoothed; the defaults are those of MAGIC.

    Parameters
    ----------
    neighbors
        The distance to this neighbor is the width of a cell's kernel.
    most_neighbors
        Neighbors a cell is averaged with in one step.
    decay
        Exponent of the fall-off with distance.
    steps
        How often the average is taken.
    components
        Principal components that neighbors are looked up by.
    """

    neighbors: Annotated[int, Ge(1)] = 5
    most_neighbors: Annotated[int, Ge(1)] = 15
    decay: Annotated[float, Interval(gt=0)] = 1.0
    steps: Annotated[int, Ge(0)] = 3
    components: Annotated[int, Ge(1)] = 100


MAGIC = Smoothing()


def already_imputed(key: str) -> bool:
    """Return whether a layer of this name holds expression that was smoothed before (``imputed_count``, ``Ms``)."""
    name = key.lower()
    return key == "Ms" or "imput" in name or "magic" in name or "smooth" in name


def impute_steps(
    expression: Counts, codes: NDArray[np.integer], wanted: NDArray[np.integer], smoothing: Smoothing = MAGIC
) -> Generator[float, None, NDArray[np.float32]]:
    """Smooth the wanted genes over similar cells of the same type.

    Neighbors are found by all genes. Types with hardly more cells than ``smoothing.neighbors``, and types whose cells
    are all alike, stay as they are; cells without a type are a type of their own. Memory: the principal components
    and at most 31 weights per cell beside input and result.

    Parameters
    ----------
    expression
        (cells, genes), normalized and in logarithms.
    codes
        (cells,) type of each cell; -1 for none.
    wanted
        (m,) columns to smooth.

    Yields
    ------
    Share of the work that is done, several times a second.

    Returns
    -------
    (cells, m) float32.
    """
    result = _dense(expression, wanted)
    done = 0
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        share, done = done / len(codes), done + len(rows)
        weights = yield from _average_of(expression, rows, smoothing, share)
        if weights is None:
            continue
        width = max(1, FLOATS // len(rows))
        for start in range(0, len(wanted), width):
            columns = slice(start, start + width)
            block = result[rows, columns]
            for _ in range(smoothing.steps):
                block = weights @ block
                yield share
            result[rows, columns] = block
        yield done / len(codes)
    return result


def average_of_similar(components: NDArray[np.floating], smoothing: Smoothing = MAGIC) -> sparse.csr_array:
    """Return the (cells, cells) float32 weights P of one step; rows sum to 1."""
    n = len(components)
    index, distance = knn(components, smoothing.most_neighbors)
    width = distance[:, min(smoothing.neighbors, index.shape[1]) - 1].astype(np.float64)
    # Copies of one cell have width 0: they count for each other in full, others not at all.
    relative = np.divide(distance, width[:, None], out=np.where(distance > 0, np.inf, 0.0), where=width[:, None] > 0)
    weight = np.exp(-(relative**smoothing.decay))
    weight[weight < SMALLEST_WEIGHT] = 0
    ends = np.arange(0, index.size + 1, index.shape[1])
    one_way = sparse.csr_array((weight.ravel(), index.ravel(), ends), shape=(n, n))
    both = sparse.csr_array((one_way + one_way.T) / 2 + sparse.eye_array(n))
    both.eliminate_zeros()
    total = np.asarray(both.sum(axis=1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / total) @ both).astype(np.float32)


def _average_of(
    expression: Counts, rows: NDArray[np.intp], smoothing: Smoothing, share: float
) -> Generator[float, None, sparse.csr_array | None]:
    """Return the weights of one type, None where it stays as it is."""
    if len(rows) < smoothing.neighbors + 2 or not smoothing.steps:
        return None

    def find() -> sparse.csr_array | None:
        try:
            components = principal_components(expression[rows], smoothing.components)
        except DataError:  # all cells of this type are alike
            return None
        return average_of_similar(components, smoothing)

    return (yield from converted(in_background(find), lambda _: share))


def _dense(expression: Counts, wanted: NDArray[np.integer]) -> NDArray[np.float32]:
    chosen = expression[:, wanted]
    return np.array(chosen.toarray() if sparse.issparse(chosen) else chosen, dtype=np.float32)
