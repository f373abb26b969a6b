"""What regulates one gene in one cell: the betas ranked by their share of the predicted change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.regulation.interactions import kind_of
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from napari_tissue_dynamics.analysis.regulation.modulator_values import ModulatorValues
    from napari_tissue_dynamics.data.regulation_field import GeneFit
    from napari_tissue_dynamics.data.tissue import Tissue

COLUMNS = ("modulator", "kind", "beta", "deviation", "value", "contribution", "share", "fdr")
"""Columns of the table of one gene in one cell."""


@dataclass(frozen=True, slots=True)
class BetaRow:
    """One modulator of a gene in one cell.

    Parameters
    ----------
    modulator
        ``TF``, ``Ligand$Receptor`` or ``Ligand#TF``.
    kind
        ``tf``, ``ligand-receptor`` or ``ligand-tf``.
    beta
        Coefficient in this cell.
    deviation
        Standard deviation of the coefficient given the data, in the type of the cell; NaN when not known.
    value
        What the modulator is worth in this cell; NaN when a gene was not measured.
    contribution
        beta times value: what it adds to the predicted expression of the target.
    share
        The contribution over the sum of the absolutes of all contributions, -1 to 1; NaN when not known.
    fdr
        False discovery rate of the modulator in the type of the cell; NaN when not tested.
    """

    modulator: str
    kind: str
    beta: float
    deviation: float
    value: float
    contribution: float
    share: float
    fdr: float

    @property
    def sign(self) -> str:
        """``raises``, ``lowers`` or ``none``."""
        return "none" if self.beta == 0 else "raises" if self.beta > 0 else "lowers"


@dataclass(frozen=True, slots=True)
class BetaReport:
    """What regulates one gene in one cell.

    Parameters
    ----------
    rows
        Modulators, the largest share first (the largest beta where no share is known).
    intercept
        Expression predicted without any modulator.
    predicted
        Intercept and all contributions; NaN when a value is not known.
    """

    target: str
    rows: tuple[BetaRow, ...]
    intercept: float
    predicted: float


def beta_report(tissue: Tissue, fit: GeneFit, values: ModulatorValues, cell: int) -> BetaReport:
    r"""Rank the modulators of a gene in one cell.

    .. math:: \text{share}_k = \frac{\beta_k x_k}{\sum_l |\beta_l x_l|}

    Parameters
    ----------
    values
        What its modulators are worth (:meth:`ModulatorValues.of`).
    cell
        Number of the cell, counted from 0.

    Raises
    ------
    DataError
        If the gene was fitted on other cells, or the values are those of another gene.
    """
    if fit.coefficients.shape[0] != tissue.n_cells:
        raise DataError(
            f"The betas of {fit.target} are of {fit.coefficients.shape[0]} cells but the tissue has {tissue.n_cells}. "
            "Load the tissue that it was fitted on."
        )
    if values.modulators != fit.modulators:
        raise DataError(f"The values are not those of the modulators of {fit.target}.")
    betas = _betas(fit, cell)
    x = values.at(cell)
    added = betas[1:] * x
    added[betas[1:] == 0] = 0  # a modulator without effect adds nothing, whether it was measured or not
    total = np.abs(added).sum()
    shares = added / total if total > 0 else np.zeros_like(added) if np.isfinite(total) else np.full_like(added, np.nan)
    deviations, rates = _certainty(tissue, fit, cell)
    order = np.lexsort((-np.abs(betas[1:]), -np.abs(np.nan_to_num(shares))))
    rows = tuple(
        BetaRow(
            fit.modulators[k],
            kind_of(fit.modulators[k]),
            *(float(column[k]) for column in (betas[1:], deviations, x, added, shares, rates)),
        )
        for k in order
    )
    return BetaReport(fit.target, rows, float(betas[0]), float(betas[0] + added.sum()))


def _betas(fit: GeneFit, cell: int) -> np.ndarray:
    coefficients = fit.coefficients
    if isinstance(coefficients, np.ndarray):
        return coefficients[cell].astype(np.float64)
    return coefficients.values(cells=np.array([cell]))[0].astype(np.float64)


def _certainty(tissue: Tissue, fit: GeneFit, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Return deviation and false discovery rate of every modulator in the type of the cell."""
    unknown = np.full(len(fit.modulators), np.nan)
    labels = tissue.cell_types
    if labels is None:
        cluster = 0 if fit.clusters else -1
    else:
        code = int(labels.codes[cell])
        name = labels.categories[code] if code >= 0 else None
        cluster = fit.clusters.index(name) if name in fit.clusters else -1
    if cluster < 0:
        return unknown, unknown
    deviations = unknown if fit.deviations is None else fit.deviations[cluster, 1:].astype(np.float64)
    rates = unknown if fit.false_discovery is None else fit.false_discovery[cluster].astype(np.float64)
    return deviations, rates
