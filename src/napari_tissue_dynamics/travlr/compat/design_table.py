"""The columns, maps and counts of neighbors that one target gene is fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from napari_tissue_dynamics.travlr.design import SMALLEST_DEVIATION, above_zero
from napari_tissue_dynamics.travlr.nets.spatial_maps import neighbor_count_steps
from napari_tissue_dynamics.travlr.received_ligands import received

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.anndata_input import Source
    from napari_tissue_dynamics.travlr.compat.candidates import Candidates
    from napari_tissue_dynamics.travlr.expression import Columns
    from napari_tissue_dynamics.travlr.received_ligands import Diffusion, Kernel

# Columns whose spread within the cell types is looked at together.
LOOKED_AT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How ligands travel.

    Parameters
    ----------
    radius, contact_distance
        Reach of secreted ligands and of contact signals, in the unit of the positions.
    kernel, scale_factor
        Fall-off with distance, and factor of every received ligand.
    diffusion
        Whether large tissues may be summed on a grid.
    """

    radius: float
    contact_distance: float
    kernel: Kernel
    scale_factor: float
    diffusion: Diffusion = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The columns of one target.

    Parameters
    ----------
    candidates
        The modulators that have a column.
    table
        (cells, 1 + modulators) float32 with the target first.
    """

    candidates: Candidates
    table: pd.DataFrame

    @property
    def x(self) -> NDArray[np.float32]:
        """(cells, modulators)."""
        values: NDArray[np.float32] = self.table.to_numpy()
        return values[:, 1:]

    @property
    def y(self) -> NDArray[np.float32]:
        """(cells,) expression of the target."""
        values: NDArray[np.float32] = self.table.to_numpy()
        return values[:, 0]


def build_features(source: Source, candidates: Candidates, reach: Reach, *, keep_constant_pairs: bool) -> Features:
    """Make the columns of one target and store them in the AnnData as SpaceTravLR's API page says.

    Parameters
    ----------
    source
        The cells.
    candidates
        What may regulate the target.
    reach
        How ligands travel.
    keep_constant_pairs
        Keep pairs that vary in no cell type; regulators and further genes are always kept.
    """
    import pandas as pd

    columns = source.columns(candidates.genes)
    listeners = source.allowed([pair.receptor for pair in candidates.base.pairs])
    heard = _received(source, candidates, reach, columns)
    products = _Products(candidates, columns, heard, listeners)
    if not keep_constant_pairs:
        kept = np.ones(len(candidates.names), dtype=np.bool_)
        pairs = np.flatnonzero(products.are_pairs)
        for start in range(0, len(pairs), LOOKED_AT):
            some = pairs[start : start + LOOKED_AT]
            block = np.column_stack([products[k] for k in some])
            kept[some] = deviations(block, source.codes).max(axis=0) >= SMALLEST_DEVIATION
        candidates = candidates.keeping(kept)
        products = _Products(candidates, columns, heard, listeners)
    values = np.empty((len(source.codes), 1 + len(products)), dtype=np.float32)
    values[:, 0] = columns[candidates.base.target]
    for k, column in enumerate(products):
        values[:, 1 + k] = column
    names = [candidates.base.target, *candidates.names]
    table = pd.DataFrame(values, index=source.cells, columns=names, copy=False)
    _mirror_products(source, candidates, table)
    return Features(candidates, table)


def deviations(values: NDArray[np.floating], codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the standard deviation of (cells, columns) within each type, (types, columns); -1 is no type."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    present, starts = np.unique(codes[order], return_index=True)
    if not len(present):
        return np.zeros((1, values.shape[1]))
    sizes = np.diff([*starts, len(order)])
    sorted_values = values[order].astype(np.float64)
    means = np.add.reduceat(sorted_values, starts, axis=0) / sizes[:, None]
    sorted_values -= np.repeat(means, sizes, axis=0)
    variance = np.add.reduceat(sorted_values**2, starts, axis=0) / sizes[:, None]
    return np.asarray(np.sqrt(variance))


def neighbor_counts(source: Source, radius: float) -> pd.DataFrame:
    """Return the raw counts of neighbors, (cells, types) with columns ``<label>_within``, stored in the AnnData."""
    import pandas as pd

    names = [f"{label}_within" for label in source.labels]
    inputs, mirror = digest(source.positions, source.codes, radius), Mirror(source.adata)
    values = mirror.counts(inputs, names)
    if values is not None:
        return pd.DataFrame(values, index=source.cells, columns=names)
    frame = pd.DataFrame(count_neighbors(source, radius), index=source.cells, columns=names)
    mirror.store_counts(inputs, frame)
    return frame


def count_neighbors(source: Source, radius: float) -> NDArray[np.float64]:
    """Return the counts of neighbors of each type, (cells, types)."""
    return drained(neighbor_count_steps(source.positions, source.codes, len(source.labels), radius))


class _Products:
    """The columns of all modulators, made when they are asked for."""

    def __init__(
        self,
        candidates: Candidates,
        columns: Columns,
        heard: dict[tuple[str, bool, bool], NDArray[np.float32]],
        listeners: dict[str, NDArray[np.bool_]] | None,
    ) -> None:
        base = candidates.base
        self._columns, self._heard, self._listeners = columns, heard, listeners
        genes: list[tuple[Any, ...]] = [(name,) for name in base.regulators]
        pairs = [((p.ligand, candidates.secreted(p), True), p.receptor) for p in base.pairs]
        acting = [((p.ligand, base.secreted[p.ligand], False), p.tf) for p in base.tf_ligands]
        self._parts = [*genes, *pairs, *acting, *((name,) for name in candidates.extra)]
        self.are_pairs = np.array([len(part) == 2 for part in self._parts], dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, k: int) -> NDArray[np.float32]:
        part = self._parts[k]
        if len(part) == 1:
            return self._columns[part[0]]
        signal, listener = part
        expressed = self._columns[listener]
        if signal[2]:  # a receptor; a transcription factor counts as it is
            expressed = above_zero(expressed)
            if self._listeners is not None:
                expressed = expressed * self._listeners[listener]
        return self._heard[signal] * expressed


def _received(
    source: Source, candidates: Candidates, reach: Reach, columns: Columns
) -> dict[tuple[str, bool, bool], NDArray[np.float32]]:
    """Return every received ligand by name, whether it is secreted, and whether a receptor hears it.

    Only what a receptor hears is masked by the thresholds of the cell types. Ligands that the AnnData has stored for
    the same inputs are taken from there.
    """
    base = candidates.base
    signals = [(p.ligand, candidates.secreted(p), True) for p in base.pairs]
    signals += [(p.ligand, base.secreted[p.ligand], False) for p in base.tf_ligands]
    signals = list(dict.fromkeys(signals))
    senders = source.allowed([name for name, _, _ in signals])
    place = digest(source.positions)
    mirror = Mirror(source.adata)
    known, sent, inputs = mirror.received(), {}, {}
    for signal in signals:
        name, secreted, by_receptor = signal
        values = above_zero(columns[name])
        if by_receptor and senders is not None:
            values = values * senders[name]
        radius = reach.radius if secreted else reach.contact_distance
        settings = [radius, reach.kernel, reach.scale_factor, reach.diffusion]
        inputs[signal] = digest(place, digest(values), settings)
        sent[signal] = values, radius
    missing = list({inputs[s]: s for s in signals if inputs[s] not in known}.values())
    if missing:
        values = np.column_stack([sent[s][0] for s in missing])
        radii = np.array([sent[s][1] for s in missing])
        found = received(source.positions, values, radii, reach.kernel, reach.scale_factor, reach.diffusion)
        known.update({inputs[s]: np.ascontiguousarray(found[:, k]) for k, s in enumerate(missing)})
    heard = {signal: known[inputs[signal]] for signal in signals}
    _mirror_received(source, candidates, heard, inputs)
    return heard


def _mirror_received(
    source: Source,
    candidates: Candidates,
    heard: dict[tuple[str, bool, bool], NDArray[np.float32]],
    inputs: dict[tuple[str, bool, bool], str],
) -> None:
    """Store the received ligands; without any, what is there is left alone."""
    import pandas as pd

    for key, by_receptor in ((RECEIVED, True), (RECEIVED_TF, False)):
        signals = [signal for signal in heard if signal[2] == by_receptor]
        if not signals:
            continue
        names = [_column(candidates, signal) for signal in signals]
        frame = pd.DataFrame({name: heard[s] for name, s in zip(names, signals, strict=True)}, index=source.cells)
        Mirror(source.adata).store_received(key, frame, [inputs[signal] for signal in signals])


def _column(candidates: Candidates, signal: tuple[str, bool, bool]) -> str:
    """Return the ligand, with how it travels where that is not its usual way."""
    name, secreted, _ = signal
    return name if secreted == candidates.base.secreted[name] else f"{name} ({'secreted' if secreted else 'contact'})"


def _mirror_products(source: Source, candidates: Candidates, table: pd.DataFrame) -> None:
    base, mirror = candidates.base, Mirror(source.adata)
    first = 1 + len(base.regulators)
    middle = first + len(base.pairs)
    last = middle + len(base.tf_ligands)
    sections: Sequence[tuple[str, int, int]] = ((PAIR_PRODUCTS, first, middle), (TF_PRODUCTS, middle, last))
    for key, start, end in sections:
        if end > start:
            mirror.store_products(key, table.iloc[:, start:end])
