"""Results back out of an AnnData, in memory or as an .h5ad file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.results import (
    CHECKS,
    CURVE_LAYERS,
    EXPERT_TABLES,
    GENE_LAYERS,
    SCVELO_CURVE,
    VELOCITY_RECORD,
    curve_layers,
    original_key,
    own_name,
    read_record,
)
from napari_tissue_dynamics.data.io.table import open_table, reading
from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    from napari_tissue_dynamics.data.io.table import Source, Table


def read_velocity(source: Source) -> VelocityField:
    """Return the velocity that an .h5ad file or an AnnData holds, ours or that of scVelo.

    Raises
    ------
    DataError
        If the file holds no velocity, or cannot be read.
    """
    with open_table(source) as table:
        return _velocity(table)


def read_arrows(source: Source, basis: str) -> NDArray[np.float32]:
    """Return the velocity on a basis that a file or an AnnData holds, (cells, 2 or 3): ``"spatial"``, ``"umap"``.

    Raises
    ------
    DataError
        If the file holds none, or cannot be read.
    """
    key = keys.VELOCITY_BASIS.format(basis=basis.removeprefix("X_"))
    with open_table(source) as table:
        if key not in table.keys("obsm"):
            raise DataError(
                f"{table.source} holds no arrows on {basis!r}: {key!r} is not in obsm. "
                "Fit the velocity, or choose a file saved after the fit."
            )
        return _float32(table.obsm(key))


def read_checks(source: Source) -> VelocityChecks:
    """Return what an .h5ad file or an AnnData keeps beside a velocity, ours or that of scVelo.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    with open_table(source) as table:
        columns = table.keys("obs")
        found = {name: _float32(table.column(key)) for key, name in CHECKS.items() if key in columns}
        neighbors, cosines = _graph(table)
        tables = {name: table.uns(keys.EXPERT_TABLE.format(name=name)) for name in EXPERT_TABLES}
        return VelocityChecks(
            **found,
            neighbors=neighbors,
            cosines=cosines,
            tables={name: _as_given(frame) for name, frame in tables.items() if hasattr(frame, "columns")},
        )


def read_provenance(source: Source) -> dict[str, Any]:
    """Return the record of how the results in a file were made, empty if there is none."""
    with open_table(source) as table:
        return read_record(table.store)


def _velocity(table: Table) -> VelocityField:
    layers = table.keys("layers")
    needed = (keys.VELOCITY, keys.MOMENTS_SPLICED, keys.MOMENTS_UNSPLICED)
    missing = [key for key in needed if key not in layers]
    if missing:
        raise DataError(
            f"{table.source} holds no velocity: the layers {', '.join(missing)} are missing. "
            "Fit the velocity, or choose a file saved after the fit."
        )
    record = read_record(table.store).get(VELOCITY_RECORD, {})
    genes, columns = _genes(table, record)
    foreign = set(CURVE_LAYERS) - set(curve_layers(record))
    ours = {key: name for key, name in GENE_LAYERS.items() if key not in foreign}
    values: dict[str, Any] = {name: table.columns_of(key, columns) for key, name in ours.items() if key in layers}
    values.setdefault("unspliced", np.full_like(values["spliced"], np.nan))
    columns_of_obs = table.keys("obs")
    obsm = table.keys("obsm")
    mode = table.uns(keys.VELOCITY_PARAMS, "mode")
    return VelocityField(
        genes=genes,
        **values,
        time=_float32(table.column(keys.LATENT_TIME)) if keys.LATENT_TIME in columns_of_obs else None,
        gene_weight=_of_genes(table, keys.GENE_WEIGHT, columns),
        velocity_genes=_velocity_genes(table, columns, judged=record.get("judged", False)),
        gene_table=_gene_table(table, record, columns),
        expert_probability=_float32(table.obsm(keys.EXPERT_PROBABILITY)) if keys.EXPERT_PROBABILITY in obsm else None,
        embedding=_float32(table.obsm(keys.LATENT)) if keys.LATENT in obsm else None,
        model=str(mode) if mode is not None else "velocity",
        stopped=record.get("status") == "stopped",
        evidence=read_evidence(table),
    )


def read_evidence(table: Table) -> VelocityEvidence | None:
    """Return whether the counts support the direction of a stored velocity, None if that was not tested.

    What another program keeps under the key, or a verdict of another version, is none; velocities can be read without.
    """
    found = table.uns(keys.VELOCITY_EVIDENCE)
    try:
        return VelocityEvidence(
            str(found["verdict"]),  # type: ignore[arg-type]  # the class checks it
            float(found["pairing_z"]),
            float(found["lag_z"]),
            tuple(np.asarray(found.get("regime_z", ()), dtype=float).tolist()),
            dict(zip(map(str, found.get("samples", ())), map(str, found.get("sample_verdicts", ())), strict=True)),  # type: ignore[arg-type]
            str(found.get("caution", "")),
        )
    except (AttributeError, DataError, IndexError, KeyError, TypeError, ValueError):
        return None


def _gene_table(table: Table, record: dict[str, Any], columns: NDArray[np.int64]) -> dict[str, Any]:
    """Return the parameters of every gene: those stored by this program, or the curves of scVelo if complete."""
    names = record.get("gene_table", ()) if record else SCVELO_CURVE
    there = table.keys("var")
    found = {key: _of_genes(table, own_name(key) if own_name(key) in there else key, columns) for key in names}
    if not record and any(found[key] is None for key in SCVELO_CURVE[:5]):
        return {}
    return {key: values for key, values in found.items() if values is not None}


def _of_genes(table: Table, key: str, columns: NDArray[np.int64]) -> Any:
    """Return a column of var at some genes, float32, None if there is no such column."""
    if key not in table.keys("var"):
        return None
    with reading(table.source, f"var/{key}"):
        return np.asarray(table.column(key, "var"), dtype=np.float32)[columns]


def _velocity_genes(table: Table, columns: NDArray[np.int64], *, judged: bool) -> NDArray[np.bool_] | None:
    if keys.VELOCITY_GENES not in table.keys("var"):
        return None
    counts = _counting(table)[columns]
    return None if counts.all() and not judged else counts


def _graph(table: Table) -> tuple[NDArray[np.int32] | None, NDArray[np.float32] | None]:
    """Return neighbors and cosines of both parts of a graph, (cells, k), filled up with the cell itself."""
    parts = [table.uns(key) for key in (keys.VELOCITY_GRAPH, keys.VELOCITY_GRAPH_NEGATIVE)]
    if not all(hasattr(part, "tocsr") for part in parts):
        return None, None
    both = (parts[0] + parts[1]).tocsr()
    if both.shape[0] != table.shape[0]:  # cells were chosen since
        return None, None
    if keys.SIMILAR_CELLS in table.keys("obsm"):
        noted = np.array(table.obsm(keys.SIMILAR_CELLS), dtype=np.int32)
        found = _cosines(both, noted)
        if found is not None:
            return noted, found
    counts = np.diff(both.indptr)
    neighbors = np.tile(np.arange(len(counts), dtype=np.int32)[:, None], counts.max(initial=0))
    cosines = np.zeros(neighbors.shape, dtype=np.float32)
    filled = np.arange(neighbors.shape[1]) < counts[:, None]
    neighbors[filled], cosines[filled] = both.indices, both.data
    return neighbors, cosines


def _cosines(graph: sparse.csr_matrix, neighbors: NDArray[np.int32]) -> NDArray[np.float32] | None:
    """Return the cosines of a graph at the neighbors that were noted, None if they are not those of the graph."""
    n_cells = len(neighbors)
    if not neighbors.size or neighbors.min() < 0 or neighbors.max() >= n_cells:
        return None
    graph.sort_indices()
    rows = np.repeat(np.arange(n_cells, dtype=np.int64), np.diff(graph.indptr))
    entries = rows * n_cells + graph.indices
    wanted = np.arange(n_cells, dtype=np.int64)[:, None] * n_cells + neighbors
    place = np.minimum(np.searchsorted(entries, wanted), max(0, len(entries) - 1))
    there = entries[place] == wanted if len(entries) else np.zeros(wanted.shape, dtype=bool)
    if len(np.unique(place[there])) < len(entries):
        return None
    cosines = np.zeros(neighbors.shape, dtype=np.float32)
    cosines[there] = graph.data[place[there]]
    return cosines


def _as_given(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the names and texts it had before it was stored."""
    table = table.rename(columns=original_key)
    texts = table.select_dtypes("category").columns
    return table.astype({name: table[name].dtype.categories.dtype for name in texts})


def _genes(table: Table, record: dict[str, Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = table.names("var")
    in_var = keys.VELOCITY_GENES in table.keys("var")
    columns = np.flatnonzero(_counting(table)) if in_var else np.arange(len(names))
    noted = tuple(record.get("genes", ()))
    # Genes that were fitted but do not count are noted too; a file whose genes were chosen again has others.
    if noted and {names[i] for i in columns} <= set(noted) <= set(names):
        position = {name: i for i, name in enumerate(names)}
        columns = np.array([position[name] for name in noted], dtype=np.int64)
    return tuple(names[i] for i in columns), columns


def _counting(table: Table) -> NDArray[np.bool_]:
    with reading(table.source, f"var/{keys.VELOCITY_GENES}"):
        return np.asarray(table.column(keys.VELOCITY_GENES, "var"), dtype=bool)


def _float32(values: Any) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)
