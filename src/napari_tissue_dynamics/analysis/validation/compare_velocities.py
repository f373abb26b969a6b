"""How far two velocities of the same cells agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.transitions import blocks
from napari_tissue_dynamics.analysis.validation.benchmark_metrics import time_agreement
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Labels
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken

TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True, eq=False)
class VelocityComparison:
    """Two velocities of the same cells, side by side.

    Parameters
    ----------
    genes
        The genes that both have, with finite velocities in every cell.
    cosine
        (cells,) float32 cosine of the velocities over these genes, NaN for a cell that stands still in one of them.
    by_chance
        Mean cosine of the first velocity of a cell with the second one of another cell, drawn at random.
    gene_correlation
        (genes,) correlation of the two velocities of every gene over the cells, NaN where one is constant.
    time
        Rank correlation of the latent times, None unless both have one.
    """

    genes: tuple[str, ...]
    cosine: NDArray[np.float32]
    by_chance: float
    gene_correlation: NDArray[np.float64]
    time: float | None

    @property
    def mean(self) -> float:
        """Mean cosine over the cells that move in both; NaN if none does."""
        known = self.cosine[np.isfinite(self.cosine)]
        return float(known.mean()) if known.size else float("nan")

    @property
    def opposed(self) -> float:
        """Share of the cells that move in both whose cosine is below zero."""
        known = self.cosine[np.isfinite(self.cosine)]
        return float((known < 0).mean()) if known.size else float("nan")

    def by_group(self, labels: Labels) -> dict[str, tuple[float, int]]:
        """Return the mean cosine and the number of cells that move in both, by category."""
        found = {}
        for code, name in enumerate(labels.categories):
            of_group = self.cosine[(labels.codes == code) & np.isfinite(self.cosine)]
            if of_group.size:
                found[name] = (float(of_group.mean()), int(of_group.size))
        return found

    @property
    def words(self) -> str:
        """What came out, in sentences."""
        text = (
            f"Mean cosine {self.mean:.2f} over {len(self.genes)} common genes; expected by chance (different cells): "
            f"{self.by_chance:.2f}. {self.opposed:.0%} of the cells move in opposite directions (cosine below 0)."
        )
        if self.time is not None:
            text += f" Latent times: rank correlation {self.time:.2f}."
        return text


def compare_velocities_steps(
    first: VelocityField, second: VelocityField, *, seed: int = 0, stop: StopToken | None = None
) -> Generator[Progress, None, VelocityComparison]:
    r"""Compare two velocities of the same cells over the genes that both have.

    .. math:: c_i = \frac{\sum_g v_{ig} w_{ig}}{\lVert v_i \rVert \lVert w_i \rVert}

    with every gene in units of its largest moment in its own field, so that a few strong genes do not decide alone.

    Parameters
    ----------
    seed
        Seed of the cells that stand for chance.

    Raises
    ------
    DataError
        If the velocities are of different numbers of cells, or have no usable gene in common.
    FitError
        If the work was ended early.
    """
    if first.n_cells != second.n_cells:
        raise DataError(
            f"The velocities are of {first.n_cells} and {second.n_cells} cells; only velocities of the same "
            "cells can be compared."
        )
    genes, places = _common(first, second)
    scales = [
        _per_moment(field, columns).astype(np.float64) for field, columns in zip((first, second), places, strict=True)
    ]
    other = np.random.default_rng(seed).permutation(first.n_cells)
    cosine = np.empty(first.n_cells, dtype=np.float32)
    chance = np.empty(first.n_cells, dtype=np.float32)
    sums = np.zeros((5, len(genes)))
    for block in blocks(first.n_cells, 4 * len(genes), stop):
        v = first.spliced[block][:, places[0]] * scales[0]
        w = second.spliced[block][:, places[1]] * scales[1]
        cosine[block] = _cosines(v, w)
        chance[block] = _cosines(v, second.spliced[other[block]][:, places[1]] * scales[1])
        sums += np.stack([v.sum(0), w.sum(0), (v * v).sum(0), (w * w).sum(0), (v * w).sum(0)])
        yield Progress("comparing velocities", block.stop, first.n_cells, block.stop / first.n_cells)
    known = chance[np.isfinite(chance)]
    return VelocityComparison(
        genes,
        cosine,
        float(known.mean()) if known.size else float("nan"),
        _correlations(sums, first.n_cells),
        _times(first, second),
    )


def _common(
    first: VelocityField, second: VelocityField
) -> tuple[tuple[str, ...], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the genes that both have with finite velocities, and their columns in both."""
    finite = [np.isfinite(field.spliced.sum(axis=0, dtype=np.float64)) for field in (first, second)]
    place = {gene: column for column, gene in enumerate(second.genes) if finite[1][column]}
    pairs = [(gene, i, place[gene]) for i, gene in enumerate(first.genes) if finite[0][i] and gene in place]
    if not pairs:
        raise DataError(
            f"The velocities of {first.model} and {second.model} have no gene in common that is finite in every cell. "
            "Fit both with the same genes."
        )
    names, left, right = zip(*pairs, strict=True)
    return tuple(names), (np.array(left, dtype=np.intp), np.array(right, dtype=np.intp))


def _per_moment(field: VelocityField, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return (genes,) one over the largest moment, 0 for a silent gene."""
    largest = field.moments_spliced.max(axis=0)[columns]
    result: NDArray[np.float32] = np.divide(1, largest, out=np.zeros_like(largest), where=largest > TINY)
    return result


def _cosines(v: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float32]:
    products = np.einsum("ig,ig->i", v, w)
    lengths = np.linalg.norm(v, axis=1) * np.linalg.norm(w, axis=1)
    cosines = np.divide(products, lengths, out=np.full_like(products, np.nan), where=lengths > TINY)
    return np.clip(cosines, -1, 1).astype(np.float32)


def _correlations(sums: NDArray[np.float64], n_cells: int) -> NDArray[np.float64]:
    """Return (genes,) correlations from sums of v, w, v², w² and v w."""
    v, w, vv, ww, vw = sums / n_cells
    spread = np.sqrt(np.maximum(vv - v**2, 0) * np.maximum(ww - w**2, 0))
    return np.divide(vw - v * w, spread, out=np.full_like(vw, np.nan), where=spread > TINY)


def _times(first: VelocityField, second: VelocityField) -> float | None:
    if first.time is None or second.time is None:
        return None
    known = np.isfinite(first.time) & np.isfinite(second.time)
    return time_agreement(first.time[known], second.time[known]).overall if known.sum() > 1 else None
