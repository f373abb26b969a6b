"""Save results, and summarize them in words."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data.fingerprint import fingerprint, installed
from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.descriptions import setting_values
from napari_tissue_dynamics.workflow.models import model_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.action_log import Action
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
    from napari_tissue_dynamics.workflow.results import VelocityResult


def save(  # noqa: PLR0913  # one keyword for each thing that a file can hold
    path: Path,
    tissue: Tissue,
    *,
    source: Source | None = None,
    velocity: VelocityResult | None = None,
    regulation: RegulationField | None = None,
    fate: FateResult | None = None,
    settings: Sequence[Any] = (),
    actions: Sequence[Action] = (),
    palettes: Mapping[str, Mapping[str, str]] | None = None,
    overwrite_source: bool = False,
) -> Path:
    """Write results beside everything the source file has.

    Parameters
    ----------
    path
        Where to write; replaced as a whole, or not at all.
    source
        The file or the AnnData that the tissue was read from; its content is kept.
    actions
        What was done, for :func:`.replay.replay_steps`.
    palettes
        Colors that were given to categories, ``#rrggbb`` by obs column.
    overwrite_source
        Allow ``path`` to be the source itself.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    from napari_tissue_dynamics.data.io import write_h5ad

    provenance = _provenance(tissue, velocity, settings, Path(source).name if isinstance(source, (str, Path)) else None)
    if actions:
        provenance["actions"] = [action.line for action in actions]
    write_h5ad(
        path,
        tissue,
        source=source,
        **_of_velocity(tissue, velocity),
        regulation=regulation,
        fate=fate,
        palettes=palettes,
        provenance=provenance,
        overwrite_source=overwrite_source,
    )
    return path


def put(
    adata: AnnData,
    tissue: Tissue,
    *,
    velocity: VelocityResult | None = None,
    regulation: RegulationField | None = None,
    fate: FateResult | None = None,
    settings: Sequence[Any] = (),
) -> None:
    """Put results into an AnnData in memory, under the keys that :func:`save` gives them in a file.

    Parameters
    ----------
    tissue
        The tissue that was read from it.
    velocity, regulation, fate, settings
        As for :func:`save`. Settings of results that stay are kept in the record.

    Raises
    ------
    DataError
        If the results do not fit.
    """
    from napari_tissue_dynamics.data.io import write_into

    provenance = _provenance(tissue, velocity, settings, None)
    velocities = _of_velocity(tissue, velocity)
    write_into(adata, tissue, **velocities, regulation=regulation, fate=fate, provenance=provenance)


def _of_velocity(tissue: Tissue, velocity: VelocityResult | None) -> dict[str, Any]:
    """Return what is kept of a velocity, by the names of :func:`.write_h5ad`."""
    if velocity is None:
        return {}
    projections = {tissue.basis: velocity.arrows}
    return {"velocity": velocity.field, "projections": projections, "checks": checks_of(velocity)}


def _provenance(
    tissue: Tissue, velocity: VelocityResult | None, settings: Sequence[Any], name: str | None
) -> dict[str, Any]:
    made = [*settings, *([] if velocity is None else [velocity.projection])]
    return {
        "settings": {type(each).__name__: setting_values(each) for each in made},
        "data": {"source": name, "fingerprint": fingerprint(tissue)},
        "installed": installed(),
        "saved": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def in_words(result: VelocityResult, config: Any = None) -> str:
    """Return whether the counts support the direction of a velocity and, on the next line, :func:`described`."""
    return f"{direction_in_words(result.evidence)}\n{described(result, config)}"


def described(result: VelocityResult, config: Any = None) -> str:
    """Return in a few sentences what a velocity is.

    Parameters
    ----------
    config
        Settings of the fit, if there was one.
    """
    field = result.field
    said = []
    if field.expert_probability is not None and field.expert is not None:
        number = field.expert_probability.shape[1]
        regimes = None if config is None else model_of(config).regimes
        noun, found = ("expert", False) if regimes is None else regimes(config)
        used = len(np.unique(field.expert))
        empty = f", {number - used} of them with no cells" if used < number else ""
        said.append(f"{number} {noun}{'' if number == 1 else 's'}{' found' if found else ''}{empty}.")
    count = "" if field.velocity_genes is None else f", {int(field.velocity_genes.sum())} of them velocity genes,"
    said.append(f"{len(field.genes):,} genes{count} in {field.n_cells:,} cells.")
    if result.confidence is not None:
        said.append(
            f"Median confidence of a cell: {np.nanmedian(result.confidence):.2f} (1 = same direction as its neighbors)."
        )
    if field.time is not None:
        said.append(f"Latent time from {np.nanmin(field.time):.2f} to {np.nanmax(field.time):.2f}.")
    return " ".join(said)


def checks_of(velocity: VelocityResult) -> VelocityChecks:
    """Return what is kept in a file of how far a velocity can be trusted."""
    from napari_tissue_dynamics.data.velocity_checks import VelocityChecks

    graph, experts = velocity.graph, velocity.experts
    return VelocityChecks(
        neighbor_correlation=velocity.neighbor_correlation,
        confidence=velocity.confidence,
        neighbors=None if graph is None else graph.neighbors,
        cosines=None if graph is None else graph.cosines,
        self_transition=None if graph is None else graph.self_transition,
        tables={} if experts is None else {"summary": experts.summary(), "genes": experts.gene_table()},
    )
