"""The rates of every gene of a velocity, one number each, whatever model they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.velocity_field import VelocityField

RATES = ("alpha", "beta", "gamma")
# Cells with more spliced RNA than this share of the cells are those that a steady state is read from.
EXTREME = 0.95
BLOCK = 4_000_000


def gene_rates(field: VelocityField) -> dict[str, NDArray[np.floating]]:
    r"""Return the rates of transcription, splicing and degradation of every gene.

    Models with one curve per gene give the rates of the curve. Models with rates per cell give their median over
    the cells. The steady-state and the stochastic model estimate no transcription; the rate that keeps extreme cells
    in place is given, :math:`\alpha_g = \beta_g \operatorname{mean} u_{ig}` over the 5 % of the cells with most
    spliced RNA, which the model takes to be stationary.

    Returns
    -------
    ``alpha``, ``beta``, ``gamma``, (G,) float64 each; NaN where the model has no estimate. The unit is one over
    the unit of time of the model, for alpha times that of the moments.
    """
    return {name: _rate(field, name) for name in RATES}


def gene_columns(field: VelocityField) -> dict[str, NDArray[np.generic]]:
    """Return what is estimated for the genes: their rates, whether they count, and the table of the model.

    Columns are (G,): ``gene``, ``alpha``, ``beta``, ``gamma``, ``velocity_gene``, the weight in the arrows, and what
    the table of the field holds beside the rates themselves.
    """
    counts = np.ones(len(field.genes), bool) if field.velocity_genes is None else field.velocity_genes
    columns: dict[str, NDArray[np.generic]] = {
        "gene": np.array(field.genes, dtype=object),
        **gene_rates(field),
        "velocity_gene": counts,
    }
    if field.gene_weight is not None:
        columns["weight"] = field.gene_weight
    same = {f"fit_{name}" for name in RATES}
    return {**columns, **{name: values for name, values in field.gene_table.items() if name not in same}}


def _rate(field: VelocityField, name: str) -> NDArray[np.floating]:
    of_curve = field.gene_table.get(f"fit_{name}")
    if of_curve is not None:
        return np.asarray(of_curve, dtype=np.float64)
    values = getattr(field, name)
    if values is not None:
        return _median(values)
    nothing = np.full(len(field.genes), np.nan)
    if name != "alpha" or field.beta is None or not np.isfinite(field.moments_unspliced[:1]).all():
        return nothing
    return _median(field.beta) * _extreme_unspliced(field)


def _median(values: NDArray[np.float32]) -> NDArray[np.float64]:
    if values.strides[0] == 0:  # one row for all cells
        return values[0].astype(np.float64)
    n_cells, n_genes = values.shape
    result = np.empty(n_genes)
    width = max(1, BLOCK // n_cells)
    for first in range(0, n_genes, width):
        result[first : first + width] = np.median(values[:, first : first + width], axis=0)
    return result


def _extreme_unspliced(field: VelocityField) -> NDArray[np.float64]:
    """Return the mean unspliced RNA of the cells with most spliced RNA, (G,)."""
    spliced, unspliced = field.moments_spliced, field.moments_unspliced
    n_cells, n_genes = spliced.shape
    number = max(1, round((1 - EXTREME) * n_cells))
    result = np.empty(n_genes)
    width = max(1, BLOCK // n_cells)
    for first in range(0, n_genes, width):
        genes = slice(first, first + width)
        most = np.argpartition(spliced[:, genes], n_cells - number, axis=0)[n_cells - number :]
        result[genes] = np.take_along_axis(unspliced[:, genes], most, axis=0).mean(axis=0)
    return result
