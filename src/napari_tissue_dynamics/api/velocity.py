"""RNA velocity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_tissue_dynamics.api.inputs import Report
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.workflow.results import VelocityResult

Chosen: TypeAlias = "str | Path | SteerConfig | KineticsConfig"


@overload
def velocity(
    data: AnnData,
    model: Chosen = ...,
    *,
    copy: Literal[True],
    root_type: str | None = ...,
    root_cells: Sequence[str] = ...,
    stage: str | None = ...,
    checkpoint: str | Path | None = ...,
    network: str | Path | None = ...,
    progress: Report = ...,
    **settings: Any,
) -> AnnData: ...
@overload
def velocity(
    data: AnnData | Tissue,
    model: Chosen = ...,
    *,
    copy: Literal[False] = ...,
    root_type: str | None = ...,
    root_cells: Sequence[str] = ...,
    stage: str | None = ...,
    checkpoint: str | Path | None = ...,
    network: str | Path | None = ...,
    progress: Report = ...,
    **settings: Any,
) -> VelocityResult: ...
def velocity(  # the settings of a user, all by name
    data: AnnData | Tissue,
    model: Chosen = "dynamical",
    *,
    copy: bool = False,
    root_type: str | None = None,
    root_cells: Sequence[str] = (),
    stage: str | None = None,
    checkpoint: str | Path | None = None,
    network: str | Path | None = None,
    progress: Report = None,
    **settings: Any,
) -> VelocityResult | AnnData:
    """Estimate the RNA velocity of every cell and draw it into the tissue.

    Parameters
    ----------
    data
        An AnnData with ``layers["spliced"]`` and ``["unspliced"]``, (cells, genes) counts, and with coordinates in
        ``obsm["spatial"]``; an embedding (``X_umap``) takes their place. Or a :class:`Tissue`.
    model
        ``"dynamical"``, ``"stochastic"``, ``"steady_state"`` or ``"steer"``; settings of a model
        (:class:`KineticsConfig`, :class:`SteerConfig`); or the :class:`~pathlib.Path` of a trained STEER network,
        which is applied to the cells.
    copy
        Leave ``data`` as it is and return a copy with the results.
    root_type, root_cells, stage
        Known order of the cells, one of: the root cell type, the names of root cells
        with which it begins, or an obs column with the stage of every cell.
    checkpoint
        STEER: file that the state of the fit is kept in, and from which a stopped fit is resumed.
    network
        STEER: file that the trained network is written to.
    progress
        A function that is called with each :class:`~napari_tissue_dynamics.progress.Progress`; True shows a line in
        the terminal, False none, None one where there is a terminal.
    settings
        Fields of the settings of the model (``n_top_genes``, ``min_r2``, ``seed``, ...), of
        :class:`ProjectionConfig` (``neighbors``, ``within``) and of :class:`ReadOptions` (``spliced``,
        ``unspliced``, ``cell_type``, ...).

    Returns
    -------
    The result (velocities, rates, latent time and arrows), or the copy. ``result.evidence`` states whether the counts
    support the direction (``result.evidence.sentence``) and is None if that was not tested.

    The AnnData gets the keys of our files, which scVelo and CellRank read: ``layers["velocity"]`` (ds/dt, counts per
    unit of latent time; NaN for genes that are not fitted), ``["velocity_u"]`` (du/dt), ``["Ms"]``, ``["Mu"]``,
    ``obs["latent_time"]`` (0 to 1), ``obs["velocity_confidence"]`` (-1 to 1), ``var["velocity_genes"]``,
    ``uns["velocity_evidence"]``, ``uns["velocity_graph"]``, ``obsm["velocity_spatial"]`` (unit of the coordinates) and
    more, listed on the page *Files* of the documentation. Results of an earlier run are replaced.

    Raises
    ------
    DataError
        If the counts are missing or unusable, there is no such model, setting, cell type, cell or column, or a
        value is out of its range.
    FitError
        If the fit fails.

    Examples
    --------
    >>> import napari_tissue_dynamics as td
    >>> adata = td.simulate(n_cells=200, n_genes=40)
    >>> result = td.velocity(adata, "stochastic", min_shared_counts=5)
    >>> adata.obsm["velocity_spatial"].shape, result.field.model
    ((200, 2), 'stochastic')
    """
    from napari_tissue_dynamics import workflow
    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.api.inputs import opened, run, with_given
    from napari_tissue_dynamics.data.io.read import ReadOptions

    start = _start(model)
    projection, options, *config = with_given(settings, ProjectionConfig(), ReadOptions(), *start)
    found = opened(data, options)
    target = found.stored_in(copy)
    if config:
        known: dict[str, Any] = {"root_type": root_type, "root_cells": root_cells, "stage": stage}
        origin = workflow.origin_of(found.tissue, source=found.adata, **known)
        files: dict[str, Any] = {"checkpoint": _path(checkpoint), "network": _path(network)}
        steps = workflow.velocity_steps(found.tissue, config[0], origin=origin, projection=projection, **files)
    else:
        steps = workflow.apply_steps(found.tissue, Path(str(model)), projection=projection)
    result: VelocityResult = run(steps, progress)
    if target is not None:
        workflow.put(target, found.tissue, velocity=result, settings=config)
    return target if copy and target is not None else result


def _start(model: Chosen) -> tuple[Any, ...]:
    """Return the settings that those given by name are put into; none for a network that is trained already."""
    from napari_tissue_dynamics.workflow.models import model_named

    if isinstance(model, Path):
        return ()
    return (model_named(model).start() if isinstance(model, str) else model,)


def _path(file: str | Path | None) -> Path | None:
    return None if file is None else Path(file)
