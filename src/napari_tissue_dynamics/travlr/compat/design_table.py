"""The columns, maps and counts of neighbors that one target gene is fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_tissue_dynamics.progress import drained
from napari_tissue_dynamics.travlr.compat.anndata_cache import (
    PAIR_PRODUCTS,
    RECEIVED,
    RECEIVED_TF,
    TF_PRODUCTS,
    Mirror,
    digest,
)
from napari_tissue_dynamics.travlr.design import LIGAND_RECEPTOR, LIGAND_TF, PairColumns, above_zero, build_design
from napari_tissue_dynamics.travlr.nets.spatial_maps import neighbor_count_steps
from napari_tissue_dynamics.travlr.received_ligands import received

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.anndata_input import Source
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.expression import Columns

Signal: TypeAlias = "tuple[str, bool, bool]"
"""A ligand, whether it is secreted, and whether a receptor hears it."""


def build_features(
    source: Source, modulators: Modulators, config: TravlrConfig, *, keep_constant_pairs: bool
) -> tuple[Modulators, pd.DataFrame]:
    """Make the columns of one target and store them in the AnnData as on SpaceTravLR's API page.

    Parameters
    ----------
    config
        How ligands travel.
    keep_constant_pairs
        Keep pairs that vary in no cell type; regulators and further genes are always kept.

    Returns
    -------
    The modulators that have a column, and (cells, 1 + modulators) float32 with the target first.
    """
    import pandas as pd

    columns = source.columns(modulators.genes)
    listeners = source.allowed([pair.receptor for pair in modulators.pairs])
    products = _Products(columns, _received(source, modulators, config, columns), source.codes, listeners)
    design = build_design(modulators, columns, {}, source.codes, products, keep_constant=keep_constant_pairs)
    names = [modulators.target, *design.names]
    table = pd.DataFrame(np.column_stack([design.y, design.x]), index=source.cells, columns=names, copy=False)
    for key, group in ((PAIR_PRODUCTS, LIGAND_RECEPTOR), (TF_PRODUCTS, LIGAND_TF)):
        here = 1 + np.flatnonzero(design.groups == group)
        if len(here):
            Mirror(source.adata).store_products(key, table.iloc[:, here])
    return design.modulators, table


def neighbor_counts(source: Source, radius: float) -> pd.DataFrame:
    """Return the raw counts of neighbors, (cells, types) with columns ``<label>_within``, stored in the AnnData."""
    import pandas as pd

    names = [f"{label}_within" for label in source.labels]
    inputs, mirror = digest(source.positions, source.codes, radius), Mirror(source.adata)
    values = mirror.counts(inputs, names)
    if values is not None:
        return pd.DataFrame(values, index=source.cells, columns=names)
    values = drained(neighbor_count_steps(source.positions, source.codes, len(source.labels), radius))
    frame = pd.DataFrame(values, index=source.cells, columns=names)
    mirror.store_counts(inputs, frame)
    return frame


class _Products(PairColumns):
    """The columns of pairs, with what the thresholds of the cell types allow."""

    def __init__(
        self,
        columns: Columns,
        heard: Mapping[Signal, NDArray[np.float32]],
        codes: NDArray[np.integer],
        listeners: Mapping[str, NDArray[np.bool_]] | None,
    ) -> None:
        super().__init__(columns, {}, codes)
        self._heard, self._listeners = heard, listeners

    def column(self, kind: int, ligand: str, secreted: bool, listener: str) -> NDArray[np.float32]:
        expressed, by_receptor = self._columns[listener], kind == LIGAND_RECEPTOR
        if by_receptor:  # a transcription factor counts as it is
            expressed = above_zero(expressed)
            if self._listeners is not None:
                expressed = expressed * self._listeners[listener]
        return self._heard[ligand, secreted, by_receptor] * expressed


def _received(
    source: Source, modulators: Modulators, config: TravlrConfig, columns: Columns
) -> dict[Signal, NDArray[np.float32]]:
    """Return every received ligand by name, whether it is secreted, and whether a receptor hears it.

    Only what a receptor hears is masked by the thresholds of the cell types. Ligands that the AnnData has stored for
    the same inputs are taken from there.
    """
    signals = list(dict.fromkeys((name, far, kind == LIGAND_RECEPTOR) for kind, name, far, _ in modulators.products))
    senders = source.allowed([name for name, _, _ in signals])
    place = digest(source.positions)
    mirror = Mirror(source.adata)
    known, sent, inputs = mirror.received(), {}, {}
    for signal in signals:
        name, secreted, by_receptor = signal
        values = above_zero(columns[name])
        if by_receptor and senders is not None:
            values = values * senders[name]
        radius = config.radius if secreted else config.contact_distance
        settings = [radius, config.kernel, config.scale_factor, config.diffusion]
        inputs[signal] = digest(place, digest(values), settings)
        sent[signal] = values, radius
    missing = list({inputs[s]: s for s in signals if inputs[s] not in known}.values())
    if missing:
        values = np.column_stack([sent[s][0] for s in missing])
        radii = np.array([sent[s][1] for s in missing])
        found = received(source.positions, values, radii, config.kernel, config.scale_factor, config.diffusion)
        known.update({inputs[s]: np.ascontiguousarray(found[:, k]) for k, s in enumerate(missing)})
    heard = {signal: known[inputs[signal]] for signal in signals}
    _mirror_received(source, modulators, heard, inputs)
    return heard


def _mirror_received(
    source: Source,
    modulators: Modulators,
    heard: dict[Signal, NDArray[np.float32]],
    inputs: dict[Signal, str],
) -> None:
    """Store the received ligands; without any, what is there is left alone."""
    import pandas as pd

    for key, by_receptor in ((RECEIVED, True), (RECEIVED_TF, False)):
        signals = [signal for signal in heard if signal[2] == by_receptor]
        if not signals:
            continue
        names = [_column(modulators, signal) for signal in signals]
        frame = pd.DataFrame({name: heard[s] for name, s in zip(names, signals, strict=True)}, index=source.cells)
        Mirror(source.adata).store_received(key, frame, [inputs[signal] for signal in signals])


def _column(modulators: Modulators, signal: Signal) -> str:
    """Return the ligand, with how it travels where that is not its usual way."""
    name, secreted, _ = signal
    return name if secreted == modulators.secreted[name] else f"{name} ({'secreted' if secreted else 'contact'})"
