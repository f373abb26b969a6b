"""Where time begins: root cells or stages that are known before a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetics.root_cells import Origin


def origin_of(
    tissue: Tissue,
    *,
    root_type: str | None = None,
    root_cells: Sequence[str] = (),
    stage: str | None = None,
    source: Source | None = None,
) -> Origin | None:
    """Return the known order of the cells: from a root cell type, from root cells, or from an obs column of stages.

    Parameters
    ----------
    root_type
        Cell type with which time begins.
    root_cells
        Names of cells with which it begins.
    stage
        Obs column of ``source`` with the stage of every cell, see :func:`.data.known_order.stage_of`.
    source
        The file or the AnnData that the tissue was read from.

    Returns
    -------
    Known order, None if nothing was given.

    Raises
    ------
    DataError
        If there is no such cell type, cell or column, or the column does not define an order.
    """
    from napari_tissue_dynamics.data.io.file_contents import obs_column
    from napari_tissue_dynamics.data.known_order import cells_named, cells_of_type, stage_of
    from napari_tissue_dynamics.kinetics.root_cells import Origin

    if root_type:
        return Origin(roots=cells_of_type(tissue, root_type))
    if root_cells:
        return Origin(roots=cells_named(tissue, root_cells))
    if stage:
        if source is None:
            raise DataError(f"{tissue.source} has no file to read the obs column {stage!r} from.")
        return Origin(stage=stage_of(stage, obs_column(source, stage, tissue.cells)))
    return None
