"""Fates in an AnnData, under the keys of CellRank 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.fate_result import FateDrivers, FateResult
from napari_tissue_dynamics.data.io.elements import add_column, add_element, drop_column, drop_element
from napari_tissue_dynamics.data.io.results import FATE_RECORD, read_record, safe_key
from napari_tissue_dynamics.data.io.table import open_table, reading
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.elements import Store
    from napari_tissue_dynamics.data.io.table import Source, Table
    from napari_tissue_dynamics.data.tissue import Tissue

STATES = (keys.TERMINAL_STATES, keys.INITIAL_STATES)
# Width of the intervals of the correlations, in standard deviations: 95 %.
WIDTH = 1.959964


def add_fate(store: Store, tissue: Tissue, fate: FateResult) -> None:
    """Add states, probabilities and driver genes; what was there before is replaced."""
    drop_fate(store)
    for states in (fate.terminal, fate.initial):
        if states is not None:
            _add_states(store, keys.TERMINAL_STATES if states is fate.terminal else keys.INITIAL_STATES, states)
    if fate.membership is not None:
        share = np.where(fate.terminal.codes >= 0, fate.membership, np.nan).astype(np.float32)
        add_column(store, "obs", keys.STATE_MEMBERSHIP.format(name=keys.TERMINAL_STATES), share)
    add_element(store, "obsm", keys.FATES, np.array(fate.probabilities))
    if fate.drivers is not None:
        add_element(store, "varm", keys.DRIVERS, _drivers_table(fate.drivers, tissue.genes))


def drop_fate(store: Store) -> None:
    """Remove the fates of an earlier run."""
    for name in STATES:
        drop_column(store, "obs", name)
        drop_column(store, "obs", keys.STATE_MEMBERSHIP.format(name=name))
        drop_element(store, "uns", keys.CATEGORY_COLORS.format(name=name))
    drop_element(store, "obsm", keys.FATES)
    drop_element(store, "varm", keys.DRIVERS)


def read_fate(source: Source) -> FateResult:
    """Return the fates that an .h5ad file or an AnnData holds, ours or those of CellRank.

    Raises
    ------
    DataError
        If the file holds none, or cannot be read.
    """
    with open_table(source) as table:
        if keys.TERMINAL_STATES not in table.keys("obs") or keys.FATES not in table.keys("obsm"):
            raise DataError(
                f"{table.source} holds no fates: {keys.TERMINAL_STATES!r} in obs and {keys.FATES!r} in obsm are "
                "needed. Find the fates, or choose a file saved after that."
            )
        terminal = _states(table, keys.TERMINAL_STATES)
        share = keys.STATE_MEMBERSHIP.format(name=keys.TERMINAL_STATES)
        probabilities = np.array(table.obsm(keys.FATES), dtype=np.float32)
        return FateResult(
            terminal,
            probabilities,
            initial=_states(table, keys.INITIAL_STATES) if keys.INITIAL_STATES in table.keys("obs") else None,
            membership=_numbers(table.column(share)) if share in table.keys("obs") else None,
            drivers=_drivers(table, terminal.categories, int(np.isfinite(probabilities[:, 0]).sum())),
            found=bool(read_record(table.store).get(FATE_RECORD, {}).get("found", True)),
        )


def _add_states(store: Store, name: str, states: Labels) -> None:
    import pandas as pd

    categories: Any = list(states.categories)
    add_column(store, "obs", name, pd.Categorical.from_codes(states.codes, categories))
    if states.colors is not None:
        add_element(store, "uns", keys.CATEGORY_COLORS.format(name=name), np.array(states.colors, dtype=object))


def _states(table: Table, name: str) -> Labels:
    values = table.column(name)
    if not hasattr(values.dtype, "categories"):
        raise DataError(
            f"{name!r} in obs of {table.source} holds no categories; states were expected. Find them again."
        )
    categorical = getattr(values, "cat", values)
    colors = table.uns(keys.CATEGORY_COLORS.format(name=name))
    known = colors is not None and len(colors) == len(categorical.categories)
    return Labels(
        name,
        np.array(categorical.codes, dtype=np.int32),
        tuple(str(each) for each in categorical.categories),
        tuple(str(each) for each in colors) if known else None,
    )


def _numbers(values: Any) -> NDArray[np.float32]:
    return np.nan_to_num(np.array(values, dtype=np.float32), nan=0.0)


def _drivers_table(drivers: FateDrivers, genes: tuple[str, ...]) -> pd.DataFrame:
    """Return a row per gene of the file and five columns per fate, as CellRank has them."""
    import pandas as pd

    with np.errstate(divide="ignore"):
        z = np.arctanh(np.clip(drivers.correlation.astype(np.float64), -1, 1))
    reach = WIDTH / np.sqrt(max(drivers.n_cells - 3, 1))
    columns: dict[str, NDArray[Any]] = {}
    for place, name in enumerate(drivers.fates):
        key = safe_key(name)
        columns[f"{key}_corr"] = drivers.correlation[:, place]
        columns[f"{key}_pval"] = drivers.p_value[:, place]
        columns[f"{key}_qval"] = drivers.fdr[:, place]
        columns[f"{key}_ci_low"] = np.tanh(z[:, place] - reach)
        columns[f"{key}_ci_high"] = np.tanh(z[:, place] + reach)
    return pd.DataFrame(columns, index=pd.Index(drivers.genes, dtype=object)).reindex(list(genes))


def _drivers(table: Table, fates: tuple[str, ...], n_cells: int) -> FateDrivers | None:
    if keys.DRIVERS not in table.keys("varm"):
        return None
    where, frame = f"varm/{keys.DRIVERS}", table.varm(keys.DRIVERS)
    needed = [f"{safe_key(fate)}_{kind}" for fate in fates for kind in ("corr", "pval", "qval")]
    if not set(needed) <= set(getattr(frame, "columns", ())):
        return None
    with reading(table.source, where):
        genes = np.array(table.names("var"), dtype=object)
        corr, pval, qval = (
            np.stack([frame[f"{safe_key(fate)}_{kind}"].to_numpy(dtype=np.float64) for fate in fates], axis=1)
            for kind in ("corr", "pval", "qval")
        )
        tested = np.isfinite(pval).any(axis=1)
        return FateDrivers(
            fates,
            tuple(genes[tested]),
            corr[tested].astype(np.float32),
            np.nan_to_num(pval[tested], nan=1.0),
            np.nan_to_num(qval[tested], nan=1.0),
            n_cells,
        )
