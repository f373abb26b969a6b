"""Files in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from anndata import AnnData

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.workflow.results import VelocityResult


def read(path: str | os.PathLike[str], **options: Any) -> AnnData:
    """Read a tissue from any file that the dock *Load tissue* reads.

    Parameters
    ----------
    path
        An ``.h5ad`` file. An image beside it with the same name is taken when the file has none.
    options
        Which parts are read, and in which role, fields of :class:`ReadOptions`: ``spliced``, ``unspliced`` and
        ``expression`` (layers, or ``"X"
            "X"``), ``spatial`` (key in obsm), ``cell_type`` (obs column), ``only`` (obs column and value of
        the cells to read), ``image``, ``image_pixel_size``, ``pixel_size_um`` (um per unit of the coordinates),
        ``library``, ``placement`` and ``sections``.

    Returns
    -------
    An AnnData with all that the file holds of these cells; counts are in ``layers["spliced"]`` and ``["unspliced"]``,
    coordinates in ``obsm["spatial"]`` and images in ``uns["spatial"]``, wherever the file has them. What cannot be
    seen from that, the column of the cell types for instance, is noted in ``uns["tissue_dynamics_read"]``, so that
    the other functions and the docks recognize it.

    Raises
    ------
    DataError
        If the file is missing, damaged or of another kind, or a part that was asked for is missing or unusable.

    Examples
    --------
    >>> import napari_tissue_dynamics as td
    >>> path = td.save("tissue.h5ad", td.simulate(n_cells=200, n_genes=40))
    >>> td.read(path, only=("cell_type", "neural")).obs["cell_type"].unique().tolist()
    ['neural']
    """
    from napari_tissue_dynamics.api.inputs import with_given
    from napari_tissue_dynamics.data.io.read import ReadOptions
    from napari_tissue_dynamics.data.io.read_anndata import read_anndata

    return read_anndata(path, *with_given(options, ReadOptions()))


def save(
    path: str | os.PathLike[str],
    data: AnnData | Tissue,
    *,
    velocity: VelocityResult | None = None,
    fate: FateResult | None = None,
    regulation: RegulationField | None = None,
) -> Path:
    """Write an AnnData, or a tissue with its results, as ``.h5ad``.

    The file appears under its name when it is complete; if writing fails, what was there before stays as it was.

    Parameters
    ----------
    path
        The file to write.
    data
        What to write. An AnnData is written with all that it holds and is not changed.
    velocity, fate, regulation
        Results of a :class:`Tissue`; those of an AnnData are in it already.

    Returns
    -------
    The file.

    Raises
    ------
    DataError
        If the file cannot be written, an element cannot be stored, or results do not fit the tissue.

    Examples
    --------
    >>> import napari_tissue_dynamics as td
    >>> td.save("tissue.h5ad", td.simulate(n_cells=200, n_genes=40)).name
    'tissue.h5ad'
    """
    from pathlib import Path

    from napari_tissue_dynamics import workflow
    from napari_tissue_dynamics.data.io import save_anndata
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.errors import DataError

    results = {"velocity": velocity, "fate": fate, "regulation": regulation}
    if isinstance(data, Tissue):
        return workflow.save(Path(path).resolve(), data, **results)  # type: ignore[arg-type]
    given = [name for name, result in results.items() if result is not None]
    if given:
        raise DataError(f"The {given[0]} of an AnnData is saved with it. Omit {given[0]}.")
    return save_anndata(path, data)
