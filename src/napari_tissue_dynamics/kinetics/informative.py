"""Which cells have enough counts to be part of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.graph.counts import cell_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import Progress

# Share of the median counts below which a cell tells nothing. Twelve empty cells among 300 turned the time of all
# others around; cells at a twentieth of the median are placed by their noise alone.
LEAST_SHARE = 0.05


def informative_cells(tissue: Tissue) -> NDArray[np.bool_]:
    """Return which cells have both kinds of RNA and at least a twentieth of the median counts, (n,).

    All cells, if none has: the fit itself then says what is wrong with the counts.

    Examples
    --------
    >>> from napari_tissue_dynamics.simulators.tissue import simulate_tissue
    >>> informative_cells(simulate_tissue(60, 20, seed=0).tissue).sum()
    np.int64(60)
    """
    if tissue.spliced is None or tissue.unspliced is None:
        return np.ones(tissue.n_cells, dtype=bool)
    spliced, unspliced = cell_sizes(tissue.spliced), cell_sizes(tissue.unspliced)
    total = spliced + unspliced
    both = (spliced > 0) & (unspliced > 0)
    if not both.any():
        return np.ones(tissue.n_cells, dtype=bool)
    return both & (total >= LEAST_SHARE * np.median(total[both]))


def fit_informative(
    tissue: Tissue, fit_steps: Callable[[Tissue, NDArray[np.bool_]], Generator[Progress, None, VelocityField]]
) -> Generator[Progress, None, VelocityField]:
    """Fit the informative cells; the others get no velocity.

    Parameters
    ----------
    tissue
        All cells.
    fit_steps
        Called with the tissue of the informative cells and which ones they are.
    """
    there = informative_cells(tissue)
    if there.all():
        return (yield from fit_steps(tissue, there))
    field = yield from fit_steps(tissue.select_cells(there), there)
    return field.spread_over(there)
