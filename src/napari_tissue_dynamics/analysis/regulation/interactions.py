"""Betas in tables: what regulates one gene, and which interactions matter in which cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue

Aggregate = Literal["mean", "min", "max", "sum", "positive", "negative"]
ALL = "all"
TF, LIGAND_RECEPTOR, LIGAND_TF = "tf", "ligand-receptor", "ligand-tf"
COLUMNS = ("interaction", "gene", "cell_type", "beta", "interaction_type")


def _mean_where(values: NDArray[np.floating], chosen: NDArray[np.bool_]) -> NDArray[np.floating]:
    count = chosen.sum(axis=0)
    return np.where(chosen, values, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)


AGGREGATES: Mapping[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
    "mean": lambda values: values.mean(axis=0, dtype=np.float64),
    "min": lambda values: values.min(axis=0),
    "max": lambda values: values.max(axis=0),
    "sum": lambda values: values.sum(axis=0, dtype=np.float64),
    "positive": lambda values: _mean_where(values, values > 0),
    "negative": lambda values: _mean_where(values, values < 0),
}
"""By name, what becomes of the (cells, modulators) betas of one cell type. ``positive`` and ``negative`` are the means
of the values above and below zero, 0 where there are none."""


def kind_of(modulator: str) -> str:
    """Return ``ligand-receptor`` for ``L$R``, ``ligand-tf`` for ``L#TF``, else ``tf``."""
    if "$" in modulator:
        return LIGAND_RECEPTOR
    return LIGAND_TF if "#" in modulator else TF


def modulator_table(fit: GeneFit, tissue: Tissue) -> pd.DataFrame:
    """Return a summary of every modulator of a gene in every cell type, the largest effect first.

    Returns
    -------
    One row per modulator and cell type: ``modulator``, ``kind``, ``cell_type``, ``mean`` and ``sd`` of its coefficients
    over the cells of the type, ``effect`` (spread over all cells of what it adds to the prediction, in the unit of the
    target's expression), ``deviation`` (standard deviation of a coefficient given the data) and ``fdr`` (false
    discovery rate). What the fit does not estimate is NaN.

    Raises
    ------
    DataError
        If the gene was fitted on other cells.
    """
    import pandas as pd

    n = len(fit.modulators)
    effects = np.array(fit.effects if fit.effects else [np.nan] * n, dtype=np.float64)
    parts = []
    for name, betas in _by_type(fit, tissue):
        cluster = fit.clusters.index(name) if name in fit.clusters else None
        unknown = np.full(n, np.nan)
        deviation = unknown if fit.deviations is None or cluster is None else fit.deviations[cluster, 1:]
        rate = unknown if fit.false_discovery is None or cluster is None else fit.false_discovery[cluster]
        columns = {
            "modulator": list(fit.modulators),
            "kind": [kind_of(modulator) for modulator in fit.modulators],
            "cell_type": name,
            "mean": betas.mean(axis=0, dtype=np.float64),
            "sd": betas.std(axis=0, dtype=np.float64),
            "effect": effects,
            "deviation": np.asarray(deviation, dtype=np.float64),
            "fdr": np.asarray(rate, dtype=np.float64),
        }
        parts.append(pd.DataFrame(columns))
    order = {name: k for k, name in enumerate(np.array(fit.modulators, dtype=object)[np.argsort(-effects)])}
    whole = pd.concat(parts, ignore_index=True)
    ranks = whole["modulator"].map(order)
    return whole.iloc[np.argsort(ranks.to_numpy(), kind="stable")].reset_index(drop=True)


def interactions(field: RegulationField, tissue: Tissue, aggregate: Aggregate = "mean") -> pd.DataFrame:
    """Return every interaction of all genes in every cell type, aggregated over its cells.

    Source: SpaceTravLR, ``collect_interactions``. Memory is that of the table and of one gene.

    Parameters
    ----------
    aggregate
        What is taken of the coefficients of the cells of a type: ``mean``, ``min``, ``max``, ``sum``, or the mean of
        those above (``positive``) or below (``negative``) zero.

    Returns
    -------
    Columns ``interaction`` (``TF``, ``L$R``, ``L#TF``), ``gene``, ``cell_type``, ``beta`` and ``interaction_type``
    (``tf``, ``ligand-receptor``, ``ligand-tf``); rows of zeros are omitted.

    Raises
    ------
    DataError
        If there is no such aggregate, or the genes were fitted on other cells.
    """
    import pandas as pd

    if aggregate not in AGGREGATES:
        raise DataError(f"Betas cannot be aggregated by {aggregate!r}; choose one of {', '.join(AGGREGATES)}.")
    parts = [_interactions_of(fit, tissue, aggregate) for fit in field.genes]
    kept = [part for part in parts if len(part)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(COLUMNS))


def _interactions_of(fit: GeneFit, tissue: Tissue, aggregate: Aggregate) -> pd.DataFrame:
    import pandas as pd

    names = np.array(fit.modulators, dtype=object)
    kinds = np.array([kind_of(modulator) for modulator in fit.modulators], dtype=object)
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    for cell_type, betas in _by_type(fit, tissue):
        values = AGGREGATES[aggregate](betas)
        there = np.flatnonzero(values)
        columns = (names[there], fit.target, cell_type, values[there].astype(np.float64), kinds[there])
        if len(there):
            parts.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _by_type(fit: GeneFit, tissue: Tissue) -> Generator[tuple[str, NDArray[np.float32]], None, None]:
    """Yield each cell type that has cells with the (cells, modulators) coefficients there."""
    if fit.coefficients.shape[0] != tissue.n_cells:
        raise DataError(
            f"The betas of {fit.target} are of {fit.coefficients.shape[0]} cells but the tissue has {tissue.n_cells}. "
            "Load the tissue that it was fitted on."
        )
    labels, betas = tissue.cell_types, fit.betas
    if labels is None:
        yield ALL, betas[:, 1:]
        return
    for code, name in enumerate(labels.categories):
        rows = labels.codes == code
        if rows.any():
            yield name, betas[rows, 1:]
