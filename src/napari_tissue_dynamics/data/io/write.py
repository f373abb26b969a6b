"""Results into an .h5ad file, all or nothing, or into an AnnData in memory."""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io.colors import add_category_colors
from napari_tissue_dynamics.data.io.fate import add_fate, drop_fate
from napari_tissue_dynamics.data.io.file_contents import rows_of
from napari_tissue_dynamics.data.io.neighbors import add_neighbors, drop_neighbors
from napari_tissue_dynamics.data.io.new_anndata import new_anndata
from napari_tissue_dynamics.data.io.regulation import add_regulation, drop_regulation
from napari_tissue_dynamics.data.io.results import (
    FATE_RECORD,
    add_checks,
    add_projections,
    add_provenance,
    add_velocity,
    drop_velocity,
    read_record,
)
from napari_tissue_dynamics.data.io.table import open_table
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.elements import Store
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
    from napari_tissue_dynamics.data.velocity_field import VelocityField


RESERVED_COLUMN = "_index"
"""Column of a table that anndata reads and refuses to write."""


def write_h5ad(  # noqa: PLR0913  # one keyword for each thing that a file can hold
    path_out: str | os.PathLike[str],
    tissue: Tissue,
    *,
    source: Source | None = None,
    velocity: VelocityField | None = None,
    projections: Mapping[str, NDArray[np.floating]] | None = None,
    checks: VelocityChecks | None = None,
    regulation: RegulationField | None = None,
    fate: FateResult | None = None,
    palettes: Mapping[str, Mapping[str, str]] | None = None,
    provenance: Mapping[str, object] | None = None,
    overwrite_source: bool = False,
) -> None:
    """Write a tissue and its results as .h5ad, under the keys that scVelo, CellRank and squidpy read.

    The file appears under its name when it is complete; if writing fails, what was there before stays as it
    was. Results of an earlier run of the same kind are replaced.

    Parameters
    ----------
    tissue
        The tissue of the results, with the genes of ``source`` and all or some of its cells.
    source
        The .h5ad file or the AnnData that the tissue was read from: everything in it is kept, except
        data of excluded cells. None writes the tissue itself.
    velocity
        Velocities of genes of the tissue. In full-width layers genes outside the model get NaN, but in ``Ms``
        and ``Mu`` their counts, so that these are finite.
    projections
        (cells, 2 or 3) velocities on a basis: ``{"spatial": ..., "umap": ...}``.
    checks
        What was found out about the velocity: confidence, graph, tables of the experts.
    fate
        Fates of the cells. If omitted while the velocity is given, fates that we wrote for another are removed.
    palettes
        ``#rrggbb`` of categories by obs column, for ``uns["<column>_colors"]``.
    provenance
        How the results were made: parameters, versions, seed; anything JSON can hold.
    overwrite_source
        Whether ``path_out`` may be ``source`` itself.

    Raises
    ------
    DataError
        If the results do not fit the tissue or the source, the target is the source, or the file
        cannot be written.
    """
    target = Path(path_out).resolve()
    origin: Source | None = Path(source).resolve() if isinstance(source, (str, Path)) else source
    _check_target(target, origin if isinstance(origin, Path) else None, overwrite_source)
    _check_fit(tissue, velocity, projections, checks, regulation)
    _check_fate(tissue, fate)
    rows = None if origin is None else _check_source(tissue, origin)
    import h5py

    with replacing(target) as temporary:
        if origin is not None:
            _copy(origin, temporary, rows)
            _note_placements(temporary, tissue)
        else:
            new_anndata(tissue).write_h5ad(temporary)
        with h5py.File(temporary, "r+") as file:
            _add_results(file, tissue, velocity, projections or {}, checks, regulation, fate, provenance)
            add_category_colors(file, palettes or {})


def write_into(
    adata: AnnData,
    tissue: Tissue,
    *,
    velocity: VelocityField | None = None,
    projections: Mapping[str, NDArray[np.floating]] | None = None,
    checks: VelocityChecks | None = None,
    regulation: RegulationField | None = None,
    fate: FateResult | None = None,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Put results into an AnnData in memory, under the keys that :func:`write_h5ad` gives them in a file.

    Parameters
    ----------
    adata
        Where the results go. Those of an earlier run of the same kind are replaced; the rest stays as it is.
    tissue
        The tissue that was read from it, with all of its cells and genes.
    velocity, projections, checks, regulation, fate, provenance
        As for :func:`write_h5ad`.

    Raises
    ------
    DataError
        If the results do not fit the tissue, or the tissue does not fit the AnnData.
    """
    _check_fit(tissue, velocity, projections, checks, regulation)
    _check_fate(tissue, fate)
    if _check_source(tissue, adata) is not None:
        raise DataError("The AnnData has cells that the tissue does not have. Take those of the tissue first.")
    _add_results(adata, tissue, velocity, projections or {}, checks, regulation, fate, provenance)


def save_anndata(path: str | os.PathLike[str], adata: AnnData) -> Path:
    """Write an AnnData as .h5ad, all or nothing; it stays as it is.

    Raises
    ------
    DataError
        If the file cannot be written, or an element of the AnnData cannot be stored.
    """
    target = Path(path).resolve()
    _check_target(target, None, overwrite_source=False)
    with replacing(target) as temporary:
        _write_anndata(adata, temporary)
    return target


def _add_results(
    store: Store,
    tissue: Tissue,
    velocity: VelocityField | None,
    projections: Mapping[str, NDArray[np.floating]],
    checks: VelocityChecks | None,
    regulation: RegulationField | None,
    fate: FateResult | None,
    provenance: Mapping[str, object] | None,
) -> None:
    if velocity is not None:
        drop_neighbors(store)
        if FATE_RECORD in read_record(store):
            drop_fate(store)
        drop_velocity(store)
        add_velocity(store, tissue, velocity)
        if checks is not None and checks.neighbors is not None:
            add_neighbors(store, velocity, checks.neighbors)
    add_projections(store, projections)
    if checks is not None:
        add_checks(store, checks)
    noted = None
    if regulation is not None:
        drop_regulation(store)
        noted = add_regulation(store, tissue, regulation)
    if fate is not None:
        add_fate(store, tissue, fate)
    add_provenance(store, tissue, velocity, noted, fate, provenance)


def _copy(source: Source, target: Path, rows: NDArray[np.intp] | None) -> None:
    """Copy a file or an AnnData, or of some of its cells all that it holds."""
    if isinstance(source, Path) and rows is None:
        shutil.copyfile(source, target)
        return
    import anndata

    adata = anndata.read_h5ad(source) if isinstance(source, (str, Path)) else source
    _write_anndata(adata if rows is None else _rows_of(adata, rows), target)


def _rows_of(adata: AnnData, rows: NDArray[np.intp]) -> AnnData:
    """Return some of the cells, without columns that anndata reads and refuses to write (files of Seurat have them)."""
    import anndata

    kept = adata[rows].copy()
    for frame in (kept.obs, kept.var):
        if RESERVED_COLUMN in frame:
            del frame[RESERVED_COLUMN]
    raw = kept.raw
    if raw is not None and RESERVED_COLUMN in raw.var:
        var = raw.var.drop(columns=RESERVED_COLUMN)
        kept.raw = anndata.AnnData(raw.X, obs=kept.obs[[]], var=var, varm=dict(raw.varm))
    return kept


def _write_anndata(adata: AnnData, target: Path) -> None:
    """Write an AnnData; texts are written as they are, since categories would be put into the AnnData as well."""
    try:
        adata.write_h5ad(target, convert_strings_to_categoricals=False)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # of many kinds, for what anndata cannot store; its notes name the element
        reason = "; ".join(" ".join(each.split()) for each in (str(error), *getattr(error, "__notes__", ())))
        raise DataError(f"The AnnData cannot be written ({reason}). Remove or convert that element.") from error


def _note_placements(path: Path, tissue: Tissue) -> None:
    """Note how images were moved in a copy of the source, whose pixels stay as they are."""
    import anndata.io
    import h5py

    noted: dict[str, Any] = {}
    for image in tissue.histology:
        if image.placement != Placement():
            *groups, last = image.name.split("/")  # a slash in a key is a group within a group
            place = noted
            for group in groups:
                place = place.setdefault(group, {})
            place[last] = str(image.placement)
    with h5py.File(path, "r+") as file:
        uns = file["uns"]
        if keys.IMAGE_PLACEMENT in uns:
            del uns[keys.IMAGE_PLACEMENT]
        if noted:
            anndata.io.write_elem(uns, keys.IMAGE_PLACEMENT, noted)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a name beside ``target`` to write to, and move it there in one step at the end."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        _to_disk(temporary)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(
            f"{target} cannot be written ({reason}). Choose another folder or free disk space, and save again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    import os

    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _check_target(target: Path, source: Path | None, overwrite_source: bool) -> None:
    if not target.parent.is_dir():
        raise DataError(f"There is no folder {target.parent}. Create it or choose another.")
    if target.is_dir():
        raise DataError(f"{target} is a folder; the name of a file was expected. Add a file name.")
    same = source is not None and source.exists() and target.exists() and target.samefile(source)
    if same and not overwrite_source:
        raise DataError(
            f"{target.name} is the file that the tissue was read from; it was not changed. "
            "Choose another name, or allow overwriting."
        )


def _check_fit(
    tissue: Tissue,
    velocity: VelocityField | None,
    projections: Mapping[str, NDArray[np.floating]] | None,
    checks: VelocityChecks | None,
    regulation: RegulationField | None,
) -> None:
    genes = () if regulation is None else regulation.genes
    rows = {
        "velocity": None if velocity is None else velocity.n_cells,
        "check of the velocity": None if checks is None else checks.n_cells,
        **{f"projection on {basis!r}": len(arrows) for basis, arrows in (projections or {}).items()},
        **{f"betas of {fit.target}": fit.coefficients.shape[0] for fit in genes},
    }
    for name, n in rows.items():
        if n is not None and n != tissue.n_cells:
            raise DataError(
                f"The {name} has {n} cells but the tissue has {tissue.n_cells}. "
                "Save it with the tissue it was fitted on."
            )
    known = set(tissue.genes)
    missing = [gene for gene in (() if velocity is None else velocity.genes) if gene not in known]
    if missing:
        raise DataError(
            f"{len(missing)} genes of the velocity ({', '.join(missing[:3])}, ...) are not in "
            f"{tissue.source}. Save it with the tissue it was fitted on."
        )
    if regulation is not None and len(set(regulation.targets)) < len(regulation.targets):
        raise DataError("A target gene was fitted twice; every target may occur once. Fit the genes again.")


def _check_fate(tissue: Tissue, fate: FateResult | None) -> None:
    if fate is not None and fate.n_cells != tissue.n_cells:
        raise DataError(
            f"The fates are of {fate.n_cells} cells but the tissue has {tissue.n_cells}. "
            "Save them with the tissue they were found in."
        )


def _check_source(tissue: Tissue, source: Source) -> NDArray[np.intp] | None:
    """Return the rows of the cells in the source, None when they are all of them in its order."""
    with open_table(source) as table:
        cells, genes = table.names("obs"), table.names("var")
        for names, found, kind in ((tissue.cells, cells, "cells"), (tissue.genes, genes, "genes")):
            if not (names == found or (kind == "cells" and set(names) <= set(found))):
                raise DataError(
                    f"The {kind} of the tissue ({len(names)}) are not those of {table.source} ({len(found)}), "
                    "so its other data cannot be kept. Save without a source."
                )
        return rows_of(table, tissue.cells)
