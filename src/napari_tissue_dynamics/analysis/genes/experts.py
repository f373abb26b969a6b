"""What sets the experts of a velocity model apart: cell types, coherence of time in the tissue, and kinetics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.genes.spatial_statistics import (
    NEIGHBORS,
    morans_i,
    neighborhood_enrichment,
    spatial_neighbors,
)
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Labels
    from napari_tissue_dynamics.data.velocity_field import VelocityField

# Genes whose values are held in double precision at once, times cells.
BLOCK = 10_000_000
TINY = 1e-9
SHARE, MORAN, MORAN_P, NEAR = "share of ", "moran of time", "moran p_value", "enrichment near expert "
"""Columns of the summary, or how they begin."""


@dataclass(frozen=True, slots=True, eq=False)
class SpatialOrder:
    """Moran's I of a value, in several groups of cells.

    Parameters
    ----------
    moran
        (groups,) float64, near 1 where neighbors have like values, near 0 where they have not; NaN for a group that
        is too small or has one value only.
    p_value
        (groups,) float64, one-sided, from the normal approximation.
    """

    moran: NDArray[np.float64]
    p_value: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GeneContrast:
    """One quantity of every gene, in the cells of each group against all other cells.

    Parameters
    ----------
    log2_fold
        (groups, genes) float32 logarithm to base two of the ratio of the means.
    score
        (groups, genes) float32 t statistic of Welch, above zero where the group has more.
    p_value
        (groups, genes) float64, two-sided; 1 where there is nothing to compare.
    fdr
        (groups, genes) float64 p-values after Benjamini and Hochberg, over the genes of each group.
    """

    log2_fold: NDArray[np.float32]
    score: NDArray[np.float32]
    p_value: NDArray[np.float64]
    fdr: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ExpertStatistics:
    """What sets the experts of a velocity model apart.

    Cells are smoothed over their neighbors and are not independent draws, so all p-values are too small: take them
    as a ranking, not as evidence.

    Parameters
    ----------
    genes
        Names of the genes, G.
    cells
        (experts,) number of cells of which each expert is the most probable one.
    cell_types
        Names of the cell types, T; none if the tissue has no types.
    composition
        (experts, T) number of cells of each type.
    time_order
        Moran's I of latent time in the tissue among the cells of each expert, or None without time.
    neighborhoods
        (experts, experts) float64 z-scores of the neighborhood enrichment in the tissue: above zero where cells of two
        experts are neighbors more often than by chance; None without tissue.
    contrasts
        Expert against the rest, by quantity: ``expression`` and those of ``alpha``, ``beta``, ``gamma``,
        ``alpha/beta`` and ``gamma/beta`` that the model has.
    """

    genes: tuple[str, ...]
    cells: NDArray[np.int64]
    cell_types: tuple[str, ...]
    composition: NDArray[np.int64]
    time_order: SpatialOrder | None
    neighborhoods: NDArray[np.float64] | None
    contrasts: Mapping[str, GeneContrast]

    @classmethod
    def of_tables(cls, summary: pd.DataFrame, table: pd.DataFrame, genes: tuple[str, ...]) -> ExpertStatistics:
        """Return the statistics that :meth:`summary` and :meth:`gene_table` are of.

        Raises
        ------
        KeyError, ValueError
            If the tables are not whole, or those of other genes.
        """
        cells = summary["cells"].to_numpy(dtype=np.int64)
        shares = {name.removeprefix(SHARE): summary[name] for name in summary if name.startswith(SHARE)}
        composition = [np.rint(share.to_numpy() * cells).astype(np.int64) for share in shares.values()]
        near = [summary[name].to_numpy() for name in summary if name.startswith(NEAR)]
        order = None
        if MORAN in summary:
            order = SpatialOrder(summary[MORAN].to_numpy(), summary[MORAN_P].to_numpy())
        return cls(
            genes=genes,
            cells=cells,
            cell_types=tuple(shares),
            composition=np.array(composition, dtype=np.int64).reshape(-1, len(cells)).T,
            time_order=order,
            neighborhoods=np.array(near).T if near else None,
            contrasts={
                name: _contrast_of(part, genes, len(cells)) for name, part in table.groupby("quantity", sort=False)
            },
        )

    def summary(self) -> pd.DataFrame:
        """Return a row per expert: cells, share of each cell type, Moran's I of time, neighborhood enrichment."""
        import pandas as pd

        shares = self.composition / np.maximum(self.cells[:, None], 1)
        frame = pd.DataFrame({"cells": self.cells})
        for name, share in zip(self.cell_types, shares.T, strict=True):
            frame[f"{SHARE}{name}"] = share
        if self.time_order is not None:
            frame[MORAN] = self.time_order.moran
            frame[MORAN_P] = self.time_order.p_value
        for other, score in enumerate([] if self.neighborhoods is None else self.neighborhoods.T):
            frame[f"{NEAR}{other}"] = score
        frame.index = pd.Index([str(i) for i in range(len(self.cells))], name="expert")
        return frame

    def gene_table(self, expert: int | None = None, quantity: str | None = None) -> pd.DataFrame:
        """Return a row per expert, quantity and gene, those of one expert or one quantity if asked, best first."""
        import pandas as pd

        experts = range(len(self.cells)) if expert is None else [expert]
        quantities = list(self.contrasts) if quantity is None else [quantity]
        parts = [
            pd.DataFrame(
                {
                    "expert": str(each),
                    "quantity": name,
                    "gene": self.genes,
                    "log2_fold": self.contrasts[name].log2_fold[each],
                    "score": self.contrasts[name].score[each],
                    "p_value": self.contrasts[name].p_value[each],
                    "fdr": self.contrasts[name].fdr[each],
                }
            )
            for each in experts
            for name in quantities
        ]
        order = [np.argsort(-np.abs(part["score"].to_numpy()), kind="stable") for part in parts]
        return pd.concat([part.iloc[rows] for part, rows in zip(parts, order, strict=True)], ignore_index=True)


def _contrast_of(table: pd.DataFrame, genes: tuple[str, ...], n_experts: int) -> GeneContrast:
    """Return the values in the rows of one quantity of a gene table."""
    index = {gene: place for place, gene in enumerate(genes)}
    at = table["expert"].to_numpy().astype(np.intp), np.array([index[gene] for gene in table["gene"]], dtype=np.intp)
    columns = {}
    for name in ("log2_fold", "score", "p_value", "fdr"):
        values = table[name].to_numpy()
        columns[name] = np.full((n_experts, len(genes)), np.nan, dtype=values.dtype)
        columns[name][at] = values
    return GeneContrast(**columns)


def expert_statistics(
    field: VelocityField, positions: NDArray[np.float64] | None, cell_types: Labels | None = None
) -> ExpertStatistics:
    """Describe the experts of a velocity model.

    Parameters
    ----------
    field
        Velocities of a model with experts.
    positions
        (cells, 2 or 3) places in the tissue, for the order of time; None if there is no tissue.

    Raises
    ------
    DataError
        If the model has no experts.
    """
    expert = field.expert
    if expert is None or field.expert_probability is None:
        raise DataError(f"The {field.model} model has no experts to compare; train STEER to get experts.")
    n_experts = field.expert_probability.shape[1]
    names, composition = _composition(expert, n_experts, cell_types)
    order = neighborhoods = None
    if field.time is not None and positions is not None:
        order = spatial_order(field.time, positions, expert, n_experts)
    if positions is not None:
        neighborhoods = neighborhood_enrichment(expert, n_experts, spatial_neighbors(positions))
    return ExpertStatistics(
        genes=field.genes,
        cells=np.bincount(expert, minlength=n_experts),
        cell_types=names,
        composition=composition,
        time_order=order,
        neighborhoods=neighborhoods,
        contrasts={name: _contrast(parts, expert, n_experts) for name, parts in _quantities(field).items()},
    )


def spatial_order(
    values: NDArray[np.floating],
    positions: NDArray[np.float64],
    group: NDArray[np.integer],
    n_groups: int,
    k: int = NEIGHBORS,
) -> SpatialOrder:
    """Return Moran's I of a value among the cells of each group; see :func:`.morans_i`.

    Parameters
    ----------
    values
        (cells,) the value.
    positions
        (cells, 2 or 3) places in the tissue.
    group
        (cells,) group of every cell, 0 to ``n_groups`` - 1.
    k
        Neighbors of a cell, of its own group.
    """
    found = [_moran(values[group == each], positions[group == each], k) for each in range(n_groups)]
    moran, p_value = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return SpatialOrder(moran, p_value)


def _moran(values: NDArray[np.floating], positions: NDArray[np.float64], k: int) -> tuple[float, float]:
    if len(values) < 4 or np.ptp(values) == 0:
        return np.nan, np.nan
    index, p_value = morans_i(values[:, None], spatial_neighbors(positions, k=k))
    return float(index[0]), float(p_value[0])


def _composition(
    expert: NDArray[np.int32], n_experts: int, cell_types: Labels | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if cell_types is None:
        return (), np.zeros((n_experts, 0), dtype=np.int64)
    names = cell_types.categories
    codes = cell_types.codes
    if (codes < 0).any():
        names = (*names, "unassigned")
    codes = np.where(codes < 0, len(cell_types.categories), codes).astype(np.int64)
    counts = np.bincount(expert * np.int64(len(names)) + codes, minlength=n_experts * len(names))
    return names, counts.reshape(n_experts, len(names))


def _quantities(field: VelocityField) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
    """Return what the experts are compared in: a matrix, and the one to divide it by."""
    found: dict[str, tuple[NDArray[np.float32], NDArray[np.float32] | None]] = {}
    for name in ("alpha", "beta", "gamma"):
        rates = getattr(field, name)
        if rates is not None:
            found[name] = (rates, None)
    for name in ("alpha", "gamma"):
        rates = getattr(field, name)
        if rates is not None and field.beta is not None:
            found[f"{name}/beta"] = (rates, field.beta)
    found["expression"] = (field.moments_spliced, None)
    return found


def _contrast(
    parts: tuple[NDArray[np.float32], NDArray[np.float32] | None], group: NDArray[np.int32], n_groups: int
) -> GeneContrast:
    values, divisor = parts
    count = np.bincount(group, minlength=n_groups)
    mean, variance = (np.empty((2, n_groups, values.shape[1])) for _ in range(2))
    for genes in _gene_blocks(*values.shape):
        block = values[:, genes].astype(np.float64)
        if divisor is not None:
            block /= np.maximum(divisor[:, genes], TINY)
        mean[..., genes], variance[..., genes] = _in_and_out(block, group, n_groups)
    return _welch(count, len(group) - count, mean, variance)


def _gene_blocks(n_cells: int, n_genes: int) -> Iterator[slice]:
    width = max(1, BLOCK // max(1, n_cells))
    for start in range(0, n_genes, width):
        yield slice(start, start + width)


def _in_and_out(
    values: NDArray[np.float64], group: NDArray[np.int32], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance, (2, groups, genes) each, in every group and in all cells outside of it."""
    from scipy import sparse

    n = len(group)
    member = sparse.csr_array((np.ones(n), (group, np.arange(n))), shape=(n_groups, n))
    center = values.mean(axis=0)
    values -= center  # sums of squares lose digits far from zero
    sums = np.asarray(member @ values)
    inside = np.stack([sums, np.asarray(member @ np.square(values, out=values))])
    whole = inside.sum(axis=1, keepdims=True)
    count = np.bincount(group, minlength=n_groups).astype(np.float64)
    counts = np.stack([count, n - count])[:, :, None]
    totals, squares = (np.stack([inside[i], whole[i] - inside[i]]) for i in range(2))
    mean = totals / np.maximum(counts, 1)
    variance = np.maximum(squares - counts * mean**2, 0) / np.maximum(counts - 1, 1)
    return mean + center, variance


def _welch(
    inside: NDArray[np.int64], outside: NDArray[np.int64], mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> GeneContrast:
    from scipy.stats import false_discovery_control, ttest_ind_from_stats

    with np.errstate(divide="ignore", invalid="ignore"):
        score, p_value = ttest_ind_from_stats(
            mean[0], np.sqrt(variance[0]), inside[:, None],
            mean[1], np.sqrt(variance[1]), outside[:, None],
            equal_var=False,
        )  # fmt: skip
    testable = np.isfinite(score) & (np.minimum(inside, outside) >= 2)[:, None]
    p_value = np.where(testable, p_value, 1.0)
    return GeneContrast(
        log2_fold=np.log2(np.maximum(mean[0], TINY) / np.maximum(mean[1], TINY)).astype(np.float32),
        score=np.where(testable, score, 0).astype(np.float32),
        p_value=p_value,
        fdr=false_discovery_control(p_value, axis=1),
    )
