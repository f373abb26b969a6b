"""Results as elements of an AnnData, in memory or in an open .h5ad file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.elements import (
    add_column,
    add_element,
    add_layer,
    drop_column,
    drop_element,
    keys_of,
    text_of,
)
from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.elements import Store
    from napari_tissue_dynamics.data.tissue import Counts, Tissue
    from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
    from napari_tissue_dynamics.data.velocity_field import VelocityField

CURVE_LAYERS = {keys.GENE_TIME: "gene_time", keys.VARIANCE: "variance"}
"""Layers of the kinetic models; those of another program are neither read nor removed."""

GENE_LAYERS = {
    keys.VELOCITY: "spliced",
    keys.VELOCITY_UNSPLICED: "unspliced",
    keys.MOMENTS_SPLICED: "moments_spliced",
    keys.MOMENTS_UNSPLICED: "moments_unspliced",
    keys.ALPHA: "alpha",
    keys.BETA: "beta",
    keys.GAMMA: "gamma",
    keys.REGULATION: "regulation",
    **CURVE_LAYERS,
}
"""Layers with one value per cell and gene, and the fields of a VelocityField that they hold."""

RATES = {"rate_alpha": "alpha", "rate_beta": "beta", "rate_gamma": "gamma"}
"""Columns of var with the median rate of every gene, and the fields that they come from."""

SLOPE = "velocity_gamma"
SCVELO_LINE = (SLOPE, "velocity_beta", "velocity_offset", "velocity_offset2", "velocity_r2", "velocity_qreg_ratio")
"""Columns of var that scVelo draws the line of the steady state from, or keeps beside them."""

SCVELO_CURVE = ("fit_alpha", "fit_beta", "fit_gamma", "fit_t_", "fit_scaling", "fit_likelihood", "fit_r2")
"""Columns of var in which scVelo keeps the curves of its dynamical model; the first five make a curve."""

SCVELO_FIT = (*SCVELO_CURVE[:6], "fit_std_u", "fit_std_s")
"""Columns that have these names only where scVelo finds all that it looks for beside them."""

SCVELO_BASAL, SCVELO_TIMES = ("fit_u0", "fit_s0"), ("fit_tau", "fit_tau_")
SCVELO_SETTINGS = {"fit_connected_states": True, "fit_basal_transcription": False, "use_raw": False}
"""What scVelo notes of a dynamical fit of smoothed RNA without basal transcription, which ours is."""

CHECKS = {
    keys.NEIGHBOR_CORRELATION: "neighbor_correlation",
    keys.CONFIDENCE: "confidence",
    keys.SELF_TRANSITION: "self_transition",
}
"""Columns of obs, and the fields of VelocityChecks that they hold."""

EXPERT_TABLES = ("summary", "genes")
"""Names of the tables of the experts."""

BLOCK_BYTES = 1 << 25

VELOCITY_RECORD, REGULATION_RECORD, FATE_RECORD = "velocity", "regulation", "fate"
OWNER = {"TravlrConfig": REGULATION_RECORD, "FateConfig": FATE_RECORD}
"""The result that settings of a name belong to; all others are those of a velocity, whatever its model."""


def drop_velocity(store: Store) -> None:
    """Remove every result of an earlier velocity run."""
    record = read_record(store).get(VELOCITY_RECORD, {})
    for key in GENE_LAYERS:
        if key not in CURVE_LAYERS or key in curve_layers(record):
            drop_element(store, "layers", key)
    for key in (keys.LATENT_TIME, keys.EXPERT, keys.EXPERT_WEIGHT, *CHECKS, *keys.EARLIER_VERSIONS):
        drop_column(store, "obs", key)
    _drop_gene_columns(store, record)
    prefix = keys.VELOCITY_BASIS.format(basis="")
    for key in [k for k in keys_of(store, "obsm") if k.startswith(prefix)]:
        drop_element(store, "obsm", key)
    for group, key in (
        ("obsm", keys.LATENT),
        ("obsm", keys.EXPERT_PROBABILITY),
        ("obsm", keys.SIMILAR_CELLS),
        ("uns", keys.VELOCITY_PARAMS),
        ("uns", keys.VELOCITY_EVIDENCE),
        ("uns", keys.CATEGORY_COLORS.format(name=keys.EXPERT)),
        *(("uns", keys.EXPERT_TABLE.format(name=name)) for name in EXPERT_TABLES),
        *((group, key) for group in ("uns", "obsp") for key in (keys.VELOCITY_GRAPH, keys.VELOCITY_GRAPH_NEGATIVE)),
    ):
        drop_element(store, group, key)


def _drop_gene_columns(store: Store, record: Mapping[str, Any]) -> None:
    names = tuple(record.get("gene_table", ()))
    ours = (keys.VELOCITY_GENES, keys.GENE_WEIGHT, *RATES, *SCVELO_LINE, *names, *map(own_name, names))
    # Without the rates scVelo does not take what is left of a fit of its own for the model of the new velocity.
    for key in (*ours, *SCVELO_CURVE[:3], *(SCVELO_BASAL if keys.GENE_TIME in curve_layers(record) else ())):
        drop_column(store, "var", key)
    if keys.GENE_TIME in curve_layers(record):
        drop_element(store, "uns", keys.SCVELO_DYNAMICS)
        for key in SCVELO_TIMES:
            drop_element(store, "layers", key)


def add_velocity(store: Store, tissue: Tissue, field: VelocityField) -> None:
    """Add velocities, moments, rates, time and experts; layers are written block by block."""
    position = {gene: i for i, gene in enumerate(tissue.genes)}
    columns = np.array([position[gene] for gene in field.genes], dtype=np.int64)
    outside = {keys.MOMENTS_SPLICED: tissue.spliced, keys.MOMENTS_UNSPLICED: tissue.unspliced}
    for key, name in GENE_LAYERS.items():
        values = getattr(field, name)
        if values is not None:
            blocks = _full_width(values, columns, tissue, outside.get(key), finite=key in outside)
            add_layer(store, key, (tissue.n_cells, tissue.n_genes), blocks)
    counts = np.zeros(tissue.n_genes, dtype=bool)
    counts[columns] = True if field.velocity_genes is None else field.velocity_genes
    add_column(store, "var", keys.VELOCITY_GENES, counts)
    complete = _is_scvelo_fit(field, store)
    if complete and field.gene_time is not None:
        add_element(store, "uns", keys.SCVELO_DYNAMICS, dict(SCVELO_SETTINGS))
        for key, values in _times_of_phases(field.gene_time, field.gene_table["fit_t_"]):
            blocks = _full_width(values, columns, tissue, None, finite=False)
            add_layer(store, key, (tissue.n_cells, tissue.n_genes), blocks)
    for key, values in _gene_columns(field, complete=complete).items():
        column = np.full(tissue.n_genes, np.nan, dtype=np.float32)
        column[columns] = values
        add_column(store, "var", key, column)
    if field.time is not None:
        add_column(store, "obs", keys.LATENT_TIME, _own(field.time))
    if field.embedding is not None:
        add_element(store, "obsm", keys.LATENT, _own(field.embedding))
    if field.expert_probability is not None:
        _add_experts(store, field.expert_probability)
    add_element(store, "uns", keys.VELOCITY_PARAMS, {"mode": field.model})
    if field.evidence is not None:
        add_element(store, "uns", keys.VELOCITY_EVIDENCE, stored_evidence(field.evidence))


def stored_evidence(evidence: VelocityEvidence) -> dict[str, Any]:
    """Return the evidence for a direction as plain values, with the sentence that a reader should see."""
    return {
        "verdict": evidence.verdict,
        "pairing_z": float(evidence.pairing_z),
        "lag_z": float(evidence.lag_z),
        "regime_z": np.array(evidence.regime_z, dtype=np.float64),
        # Names may be no keys of HDF5, so samples and their verdicts are two lists.
        "samples": np.array(list(evidence.samples), dtype=object),
        "sample_verdicts": np.array(list(evidence.samples.values()), dtype=object),
        "caution": evidence.caution,
        "sentence": evidence.sentence,
    }


def _is_scvelo_fit(field: VelocityField, store: Store) -> bool:
    """Return whether there is all that scVelo looks for once it finds ``fit_alpha``."""
    timed = field.gene_time is not None or keys.GENE_TIME in keys_of(store, "layers")
    return timed and all(key in field.gene_table for key in SCVELO_CURVE[:5])


def _times_of_phases(
    time: NDArray[np.float32], switch: NDArray[np.floating]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the times of cells in induction, and in repression, which scVelo computes velocities again from."""
    yield SCVELO_TIMES[0], np.minimum(time, switch)
    yield SCVELO_TIMES[1], np.maximum(time - switch, 0)


def _gene_columns(field: VelocityField, *, complete: bool) -> dict[str, NDArray[np.floating]]:
    """Return the columns of var, (genes of the field,) each."""
    rates = {key: getattr(field, name) for key, name in RATES.items()}
    found = {key: np.median(values, axis=0) for key, values in rates.items() if values is not None}
    if not field.gene_table and len(found) == len(RATES):
        found[SLOPE] = _slope(rates["rate_gamma"], rates["rate_beta"])
    found |= {name if complete else own_name(name): values for name, values in field.gene_table.items()}
    if complete and field.gene_time is not None:
        found |= {key: np.zeros(len(field.genes)) for key in SCVELO_BASAL}
    if field.gene_weight is not None:
        found[keys.GENE_WEIGHT] = field.gene_weight
    return found


def _slope(gamma: NDArray[np.float32], beta: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median over cells of gamma over beta, where spliced RNA stands still, gene by gene."""
    found = np.empty(gamma.shape[1], dtype=np.float32)
    for gene in range(len(found)):
        known = beta[:, gene] > 0
        found[gene] = np.median(gamma[known, gene] / beta[known, gene]) if known.any() else np.nan
    return found


def own_name(name: str) -> str:
    """Return the column of var for a value of the genes that scVelo must not interpret as a dynamical fit."""
    return name.replace("fit_", "curve_", 1) if name in SCVELO_FIT else name


def curve_layers(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which of the layers of curves belong to a velocity of ours; older versions did not note it."""
    return tuple(record.get("layers", CURVE_LAYERS if record else ()))


def add_projections(store: Store, projections: Mapping[str, NDArray[np.floating]]) -> None:
    """Add (cells, 2 or 3) velocities on each basis and note the bases where scVelo looks for them."""
    names = {basis.removeprefix("X_"): arrows for basis, arrows in projections.items()}
    for basis, arrows in names.items():
        add_element(store, "obsm", keys.VELOCITY_BASIS.format(basis=basis), _own(arrows))
    if names:
        add_element(store, f"uns/{keys.VELOCITY_PARAMS}", "embeddings", np.array(list(names), dtype=object))


def add_checks(store: Store, checks: VelocityChecks) -> None:
    """Add what was found out about a velocity; the graph lies where scVelo and CellRank read it."""
    for key, name in CHECKS.items():
        values = getattr(checks, name)
        if values is not None:
            add_column(store, "obs", key, _own(values))
    if checks.neighbors is not None and checks.cosines is not None:
        _add_graph(store, checks.neighbors, checks.cosines)
    for name, table in checks.tables.items():
        add_element(store, "uns", keys.EXPERT_TABLE.format(name=name), _storable(table))


def _add_graph(store: Store, neighbors: NDArray[np.integer], cosines: NDArray[np.floating]) -> None:
    """Add the cosines above zero and those below as two sparse matrices, with the parameters scVelo notes."""
    for key, sign in ((keys.VELOCITY_GRAPH, 1), (keys.VELOCITY_GRAPH_NEGATIVE, -1)):
        add_element(store, "uns", key, _part_of_graph(neighbors, cosines, sign))
    # The graph is sorted and without zeros; neighbors and their order are kept beside it.
    add_element(store, "obsm", keys.SIMILAR_CELLS, np.array(neighbors, dtype=np.int32))
    add_element(store, f"uns/{keys.VELOCITY_PARAMS}", "mode_neighbors", "distances")
    add_element(store, f"uns/{keys.VELOCITY_PARAMS}", "n_recurse_neighbors", 1)


def _part_of_graph(neighbors: NDArray[np.integer], cosines: NDArray[np.floating], sign: int) -> sparse.csr_matrix:
    n_cells = len(neighbors)
    kept = (sign * cosines > 0) & (neighbors != np.arange(n_cells)[:, None])
    ends = np.concatenate([[0], kept.sum(axis=1).cumsum()])
    parts = (cosines[kept].astype(np.float32), neighbors[kept], ends)
    graph = sparse.csr_matrix(parts, shape=(n_cells, n_cells))
    graph.sort_indices()
    return graph


def _storable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with names that may be HDF5 keys, and few texts stored once."""
    table = table.rename(columns=safe_key)
    texts = [name for name, kind in table.dtypes.items() if kind.kind == "O" and not hasattr(kind, "categories")]
    return table.astype(dict.fromkeys(texts, "category"))


def add_provenance(
    store: Store,
    tissue: Tissue,
    velocity: VelocityField | None,
    regulation: Mapping[str, object] | None,
    fate: FateResult | None,
    provenance: Mapping[str, object] | None,
) -> None:
    """Note how the results were made, as JSON; what is said of results that stay is kept."""
    if all(each is None for each in (velocity, regulation, fate, provenance)):
        return
    record = read_record(store)
    record["version"] = __version__
    if velocity is not None:
        record[VELOCITY_RECORD] = _velocity_record(tissue, velocity)
        record.pop(FATE_RECORD, None)
    if fate is not None:
        record[FATE_RECORD] = {"found": fate.found, "unreachable": fate.n_unreachable}
    if regulation is not None:
        record[REGULATION_RECORD] = dict(regulation)
    if provenance is not None:
        given = {VELOCITY_RECORD: velocity, REGULATION_RECORD: regulation, FATE_RECORD: fate}
        stays = [kind for kind, result in given.items() if result is None and kind in record]
        record["provenance"] = _with_settings(provenance, record.get("provenance", {}), stays)
    add_element(store, "uns", keys.PROVENANCE, json.dumps(record, default=_for_json))


def _with_settings(provenance: Mapping[str, object], before: Mapping[str, Any], stays: list[str]) -> dict[str, object]:
    """Return how results were made, with the settings of those that are still there."""
    settings: Any = provenance.get("settings", {})
    earlier: Mapping[str, Any] = before.get("settings", {})
    kept = {name: values for name, values in earlier.items() if OWNER.get(name, VELOCITY_RECORD) in stays}
    return {**provenance, "settings": {**kept, **settings}} if kept else dict(provenance)


def read_record(store: Store) -> dict[str, Any]:
    """Return our record of an AnnData or an open file, empty if there is none."""
    try:
        found = json.loads(text_of(store, keys.PROVENANCE) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def safe_key(name: str) -> str:
    """Return a name that may be an HDF5 key: ``/`` and ``%`` are percent-encoded."""
    return name.replace("%", "%25").replace("/", "%2F")


def original_key(key: str) -> str:
    """Return the name that :func:`safe_key` has made a key of."""
    name = key.replace("%2F", "/").replace("%25", "%")
    return name if safe_key(name) == key else key


def _full_width(
    values: NDArray[np.float32],
    columns: NDArray[np.int64],
    tissue: Tissue,
    outside: Counts | None,
    *,
    finite: bool,
) -> Iterator[NDArray[np.float32]]:
    rows = max(1, BLOCK_BYTES // (4 * tissue.n_genes))
    for first in range(0, tissue.n_cells, rows):
        part = slice(first, min(first + rows, tissue.n_cells))
        if outside is not None:
            block = outside[part]
            full = np.array(block.toarray() if sparse.issparse(block) else block, dtype=np.float32)
        else:
            full = np.full((part.stop - part.start, tissue.n_genes), 0.0 if finite else np.nan, dtype=np.float32)
        full[:, columns] = values[part]
        yield full


def _add_experts(store: Store, probability: NDArray[np.float32]) -> None:
    import pandas as pd

    names: Any = [str(i) for i in range(probability.shape[1])]
    expert = pd.Categorical.from_codes(probability.argmax(axis=1), names)
    add_column(store, "obs", keys.EXPERT, expert)
    add_column(store, "obs", keys.EXPERT_WEIGHT, probability.max(axis=1))
    add_element(store, "obsm", keys.EXPERT_PROBABILITY, _own(probability))


def _velocity_record(tissue: Tissue, field: VelocityField) -> dict[str, object]:
    chosen = set(field.genes)
    in_file_order = tuple(gene for gene in tissue.genes if gene in chosen)
    known = in_file_order == field.genes and field.velocity_genes is None
    noted: dict[str, object] = {} if known else {"genes": list(field.genes)}
    noted["judged"] = field.velocity_genes is not None
    noted["places"] = places_of(tissue)
    noted["layers"] = [key for key, name in CURVE_LAYERS.items() if getattr(field, name) is not None]
    if field.gene_table:
        noted["gene_table"] = list(field.gene_table)
    return {"model": field.model, "status": _status(field.stopped), "n_genes": len(field.genes), **noted}


def places_of(tissue: Tissue) -> dict[str, Any]:
    """Return in which unit the cells lie and how far apart, which arrows are only right for."""
    return {"basis": tissue.basis, "unit": tissue.unit, "extent": np.ptp(tissue.positions, axis=0).tolist()}


def _status(stopped: bool) -> str:
    return "stopped" if stopped else "complete"


def _for_json(value: object) -> object:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


def _own(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)
