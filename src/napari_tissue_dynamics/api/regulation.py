"""Spatially varying gene regulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from napari_tissue_dynamics.api.inputs import Report
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.travlr.config import TravlrConfig

Regulators: TypeAlias = "Sequence[str] | Mapping[str, Sequence[str]]"
Table: TypeAlias = "str | Path | pd.DataFrame"


@overload
def regulation(
    data: AnnData,
    targets: str | Regulators,
    *,
    copy: Literal[True],
    regulators: Regulators = ...,
    links: Table | None = ...,
    pairs: Table | Sequence[tuple[str, ...]] = ...,
    tf_ligands: Table | None = ...,
    config: TravlrConfig | None = ...,
    progress: Report = ...,
    **settings: Any,
) -> AnnData: ...
@overload
def regulation(
    data: AnnData | Tissue,
    targets: str | Regulators,
    *,
    copy: Literal[False] = ...,
    regulators: Regulators = ...,
    links: Table | None = ...,
    pairs: Table | Sequence[tuple[str, ...]] = ...,
    tf_ligands: Table | None = ...,
    config: TravlrConfig | None = ...,
    progress: Report = ...,
    **settings: Any,
) -> RegulationField: ...
def regulation(  # the settings of a user, all by name
    data: AnnData | Tissue,
    targets: str | Regulators,
    *,
    copy: bool = False,
    regulators: Regulators = (),
    links: Table | None = None,
    pairs: Table | Sequence[tuple[str, ...]] = "bundled",
    tf_ligands: Table | None = None,
    config: TravlrConfig | None = None,
    progress: Report = None,
    **settings: Any,
) -> RegulationField | AnnData:
    """Estimate how strongly transcription factors and ligands regulate genes in every cell, with SpaceTravLR.

    Parameters
    ----------
    data
        An AnnData with expression in ``X`` or a layer, coordinates in ``obsm["spatial"]`` and cell types in obs; or a
        :class:`Tissue`.
    targets
        One target gene or several; or the regulators of each target by its name.
    copy
        Leave ``data`` as it is and return a copy with the results.
    regulators
        Transcription factors of all targets, or those of each target by its name.
    links
        Instead, a table with columns ``source`` (or ``tf``) and ``target``, or the file of one; with a column ``p``
        only links below 0.05 count.
    pairs
        Ligand-receptor pairs: ``"bundled"`` (the consensus table of the installed liana), ``"none"``, a table with
        columns ``ligand`` and ``receptor`` or the file of one, or tuples ``(ligand, receptor[, signaling])``.
    tf_ligands
        Ligand-target scores, target genes in rows and ligands in columns: a table or the file of one.
    config
        Settings to begin with, ``TravlrConfig.full()`` for instance.
    progress
        As for :func:`velocity`.
    settings
        Fields of :class:`TravlrConfig` (``radius`` in the unit of the coordinates, ``estimator``, ``seed``, ...) and
        of :class:`ReadOptions` (``cell_type``, ``expression``, ...).

    Returns
    -------
    The fitted genes (coefficients of every cell, R² and false discovery rates), or the copy.

    The AnnData gets a table ``obsm["betas_<target>"]`` for each target, (cells, 1 + modulators): ``beta0`` and
    ``beta_<modulator>``, where ``TF``, ``Ligand$Receptor`` and ``Ligand#TF`` name modulators. Those of an earlier run
    are replaced.

    Raises
    ------
    DataError
        If a gene was not measured, a table cannot be used, there are no cell types, or a setting does not exist or
        is out of its range.
    FitError
        If the fit fails.

    Examples
    --------
    >>> import napari_tissue_dynamics as td
    >>> adata = td.simulate(n_cells=300, n_genes=40)
    >>> offered = {"regulators": adata.uns["true_regulators"], "pairs": adata.uns["true_pairs"]}
    >>> field = td.regulation(adata, ["Axin2"], **offered, permutations=0)
    >>> adata.obsm["betas_Axin2"].columns.tolist()[:3]
    ['beta0', 'beta_Lef1', 'beta_Pax6']
    """
    from napari_tissue_dynamics import workflow
    from napari_tissue_dynamics.api.inputs import opened, run, with_given
    from napari_tissue_dynamics.data.io.read import ReadOptions
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.priors.regulatory_network import build_network

    config, options = with_given(settings, config or TravlrConfig(), ReadOptions())
    if isinstance(targets, Mapping):
        if len(regulators):
            raise DataError("Regulators were given twice, with the targets and separately. Give only one of them.")
        regulators = targets
    found = opened(data, options)
    target = found.stored_in(copy)
    genes, names = found.tissue.genes, (targets,) if isinstance(targets, str) else tuple(targets)
    network = build_network(genes, names, regulators=regulators, links=links, pairs=pairs, tf_ligands=tf_ligands)
    result = run(workflow.regulation_steps(found.tissue, names, network, config), progress)
    if target is not None:
        workflow.put(target, found.tissue, regulation=result, settings=[config])
    return target if copy and target is not None else result
