"""How values and groups of cells are arranged in the tissue, by squidpy: Moran's I and neighborhood enrichment."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts

SpatialGraph: TypeAlias = Literal["nearest", "delaunay"]

NEIGHBORS = 8
# Enough for z-scores to about 5 %: the standard error of a standard deviation of n draws is 1 / sqrt(2 n) of it.
PERMUTATIONS = 200


def spatial_neighbors(
    positions: NDArray[np.floating], graph: SpatialGraph = "nearest", k: int = NEIGHBORS
) -> sparse.csr_matrix:
    """Return which cells are neighbors in the tissue, without the cell itself.

    Parameters
    ----------
    positions
        (cells, 2 or 3) coordinates of at least two cells, four for ``delaunay``.
    graph
        ``nearest``: the ``k`` nearest cells; ``delaunay``: those joined by a Delaunay triangulation.
    k
        Neighbors of a cell.

    Returns
    -------
    (cells, cells) float64 ones.
    """
    neighbors_of = _squidpy().neighbors
    builder = (
        neighbors_of.DelaunayBuilder() if graph == "delaunay" else neighbors_of.KNNBuilder(min(k, len(positions) - 1))
    )
    neighbors, _ = builder.build(np.asarray(positions, dtype=np.float64))
    neighbors.eliminate_zeros()
    return neighbors.astype(np.float64)


def morans_i(values: Counts, neighbors: sparse.csr_matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return Moran's I of every column and its one-sided p-value.

    .. math:: I = \frac{n}{W} \frac{\sum_{ij} w_{ij} z_i z_j}{\sum_i z_i^2}

    with :math:`z` the value less its mean and the weights :math:`w` of a cell's neighbors summing to one. Expectation
    and variance under normality are those of Cliff and Ord (1981).

    Parameters
    ----------
    values
        (cells, columns), none of them constant.
    neighbors
        (cells, cells), see :func:`spatial_neighbors`.

    Returns
    -------
    (columns,) float64 each.
    """
    from anndata import AnnData
    from scipy.stats import norm

    n = values.shape[0]
    x: Any = sparse.csc_matrix(values, dtype=np.float64) if sparse.issparse(values) else np.asarray(values, np.float64)
    table = AnnData(x, obsp={"spatial_connectivities": neighbors})
    with np.errstate(divide="ignore", invalid="ignore"):  # no variance, see below
        found = _squidpy().spatial_autocorr(table, genes=list(table.var_names), corr_method=None, copy=True, n_jobs=1)
    found = found.loc[table.var_names]
    index, variance = found["I"].to_numpy(np.float64), found["var_norm"].to_numpy(np.float64)
    # Without variance every cell is a neighbor of every other: no other arrangement has another index.
    score = np.divide(index + 1 / (n - 1), np.sqrt(np.maximum(variance, 0)), out=np.full(len(index), -np.inf),
                      where=variance > 1e-15)  # fmt: skip
    return index, norm.sf(score)


def neighborhood_enrichment(
    group: NDArray[np.integer], n_groups: int, neighbors: sparse.csr_matrix, *, seed: int = 0
) -> NDArray[np.float64]:
    """Return how much more often cells of two groups are neighbors than if the groups were shuffled.

    Parameters
    ----------
    group
        (cells,) group of every cell, 0 to ``n_groups`` - 1.
    neighbors
        (cells, cells), see :func:`spatial_neighbors`.

    Returns
    -------
    (groups, groups) float64 z-scores; NaN where a group has no cell or there is one group only.
    """
    import pandas as pd
    from anndata import AnnData

    score = np.full((n_groups, n_groups), np.nan)
    present, codes = np.unique(group, return_inverse=True)
    if len(present) < 2:
        return score
    obs = pd.DataFrame({"group": pd.Categorical.from_codes(codes, categories=[str(each) for each in present])})
    obs.index = obs.index.astype(str)
    table = AnnData(obs=obs, obsp={"spatial_connectivities": neighbors})
    with np.errstate(divide="ignore", invalid="ignore"):  # groups that are never, or always, neighbors
        found = _squidpy().nhood_enrichment(
            table, "group", n_perms=PERMUTATIONS, seed=seed, copy=True, n_jobs=1, show_progress_bar=False
        )
    score[np.ix_(present, present)] = found.zscore
    return score


def _squidpy() -> Any:
    """Return the graph functions of squidpy, imported without warnings about its own docstrings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        from squidpy import gr
    return gr
