"""From AnnData, in memory or as .h5ad, to a :class:`Tissue`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io.images import (
    companion_image,
    embedded_images,
    image_file,
    microns_per_pixel,
)
from napari_tissue_dynamics.data.io.labels import cell_types_of, column_of
from napari_tissue_dynamics.data.io.positions import find_positions, offset_of
from napari_tissue_dynamics.data.io.sections import only, sections_of, side_by_side
from napari_tissue_dynamics.data.io.table import MemoryTable, X, noted, open_table, reading
from napari_tissue_dynamics.data.tissue import Histology, Tissue
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Table
    from napari_tissue_dynamics.data.tissue import Counts

EXPRESSION_LAYERS = ("imputed_count", "normalized_count", "logcounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Which parts of an AnnData are read, and in which role.

    Parameters
    ----------
    spliced, unspliced
        Layers with the counts; ``""`` reads none, ``"X"`` is the main matrix. A missing ``"spliced"`` or
        ``"unspliced"`` is no error.
    expression
        ``"X"`` or a layer for regulation, None for the best guess, ``""`` for none.
    spatial
        Key in obsm with the positions, None for the best guess.
    cell_type
        Obs column with the cell types, None for the best guess, ``""`` for none.
    image
        An image file of the tissue; it replaces images inside the AnnData.
    image_pixel_size
        Side of a pixel of that file in the unit of the positions in the AnnData; 1 if None.
    pixel_size_um
        Length of one unit of the positions in µm; positions and images are then in µm.
    library
        Only this image library, None for all.
    placement
        How the images are placed; None uses the placement stored in the file (files from other programs have none).
    sections
        Obs column that names the section of a cell, None for the best guess, ``""`` for none. Overlapping
        sections are placed side by side.
    only
        Obs column and value that select the cells to read; None reads all.
    """

    spliced: str = keys.SPLICED
    unspliced: str = keys.UNSPLICED
    expression: str | None = None
    spatial: str | None = None
    cell_type: str | None = None
    image: Path | None = None
    image_pixel_size: float | None = None
    pixel_size_um: float | None = None
    library: str | None = None
    placement: Placement | None = None
    sections: str | None = None
    only: tuple[str, str] | None = None


def read_h5ad(path: str | Path, options: ReadOptions = ReadOptions()) -> Tissue:
    """Read a tissue from an .h5ad file; only the parts that it needs are read.

    Parameters
    ----------
    path
        The file. An image file beside it with the same stem is taken when there is no other image.
    options
        Which parts are read, and in which role.

    Raises
    ------
    DataError
        If the file is missing, damaged or no AnnData, or a part that was asked for is missing or unusable.
    """
    path = Path(path)
    with open_table(path) as table:
        return _tissue(table, options, companion_image(path))


def from_anndata(
    adata: AnnData,
    options: ReadOptions = ReadOptions(),
    *,
    source: str = "the AnnData",
    companion: Path | None = None,
) -> Tissue:
    """Return the tissue of an AnnData. Everything is copied; ``adata`` stays as it is.

    Parameters
    ----------
    options
        Which parts are read, and in which role.
    source
        What it is called in messages.
    companion
        An image file that is taken when there is no other image.

    Raises
    ------
    DataError
        If a part that was asked for is missing or unusable.
    """
    return _tissue(MemoryTable(adata, source), options, companion)


def as_counts(matrix: Any, name: str, *, counts: bool = True) -> Counts:
    """Return a matrix of any layout and number type as float32, CSR or dense, in memory of its own.

    Parameters
    ----------
    matrix
        (cells, genes).
    name
        What it is, for messages.
    counts
        Whether values below zero are an error.

    Raises
    ------
    DataError
        If the values are not numbers, not finite or below zero.
    """
    found: Any = matrix
    if sparse.issparse(matrix):
        result: Any = sparse.csr_array(found, dtype=np.float32, copy=True)
        result.check_format(full_check=True)
        result.sum_duplicates()
        values = result.data
    else:
        result = values = _dense(matrix, name)
    if not np.isfinite(values).all():
        raise DataError(
            f"{name!r} holds {int((~np.isfinite(values)).sum())} values that are not finite numbers. "
            "Replace them or choose another layer."
        )
    if counts and values.size and values.min() < 0:
        raise DataError(
            f"{name!r} holds values below zero, down to {values.min():.3g}; counts were expected. "
            "Choose a layer with counts that are not centered or scaled."
        )
    return result


def _tissue(table: Table, options: ReadOptions, companion: Path | None) -> Tissue:
    n_cells, n_genes = table.shape
    if not n_cells or not n_genes:
        raise DataError(f"{table.source} is empty: it has {n_cells} cells and {n_genes} genes. Choose another file.")
    places = find_positions(table, options.spatial)
    positions, unit = places.positions, places.unit
    histology: tuple[Histology, ...] = ()
    offset, factor = offset_of(table, options.spatial), 1.0
    if unit != "embedding":
        factor, unit = _micrometers(table, options, unit)
        histology = _histology(table, options, companion, offset, factor, unit)
        positions[:, :2] += offset
    elif options.image is not None:
        raise DataError(
            f"{table.source} has no spatial coordinates, only an embedding, so the image {options.image.name} "
            "cannot be placed. Choose a file with coordinates in obsm['spatial']."
        )
    cells, genes = table.names("obs"), table.names("var")
    tissue = Tissue(cells, genes, positions * factor, unit=unit, source=table.source)
    tissue = replace(
        tissue,
        embedding=places.embedding or tissue.embedding,
        histology=histology,
        cell_types=cell_types_of(table, options.cell_type),
        counts_meaning=_meaning(table, options),
        **_matrices(table, options),
    )
    sections = sections_of(table, options.sections) if tissue.has_tissue else None
    if options.only is not None:
        tissue = only(tissue.with_(sections=sections), column_of(table, options.only[0]), options.only[1])
        sections = tissue.sections
    return tissue if sections is None else side_by_side(tissue, sections)


def _micrometers(table: Table, options: ReadOptions, unit: str) -> tuple[float, str]:
    if options.pixel_size_um is not None:
        if not (np.isfinite(options.pixel_size_um) and options.pixel_size_um > 0):
            raise DataError(f"The pixel size is {options.pixel_size_um} um; a number above 0 was expected.")
        return options.pixel_size_um, "um"
    if unit == "um":
        return 1.0, "um"
    found = microns_per_pixel(table, options.library)
    return (1.0, "pixel") if found is None else (found, "um")


def _histology(
    table: Table,
    options: ReadOptions,
    companion: Path | None,
    offset: NDArray[np.float64],
    factor: float,
    unit: str,
) -> tuple[Histology, ...]:
    images = embedded_images(table, options.library) if options.image is None else ()
    file = options.image or companion
    if not images and file is not None:
        size = 1.0 if options.image_pixel_size is None else options.image_pixel_size
        in_micrometers = unit == "um" and factor == 1.0
        images = (image_file(Path(file), size, size if in_micrometers else 1.0),)
    scaled = (
        replace(
            one,
            pixel_size=one.pixel_size * factor,
            origin=(float(one.origin[0] + offset[0]) * factor, float(one.origin[1] + offset[1]) * factor),
        )
        for one in images
    )
    return tuple(_placed(table, options, one) for one in scaled)


def _placed(table: Table, options: ReadOptions, image: Histology) -> Histology:
    noted = table.uns(keys.IMAGE_PLACEMENT, *image.name.split("/"))
    placement = options.placement or (Placement.parse(str(noted)) if noted is not None else Placement())
    return image if placement == Placement() else image.moved(placement)


def matrix_keys(table: Table, options: ReadOptions) -> dict[str, str]:
    """Return which matrix has which role: keys of layers, or ``"X"``, by ``spliced``, ``unspliced``, ``expression``.

    Raises
    ------
    DataError
        If a layer that was asked for is missing.
    """
    chosen = {
        "spliced": _layer(table, options.spliced, optional=keys.SPLICED),
        "unspliced": _layer(table, options.unspliced, optional=keys.UNSPLICED),
        "expression": _expression(table, options.expression),
    }
    return {role: key for role, key in chosen.items() if key}


def _matrices(table: Table, options: ReadOptions) -> dict[str, Any]:
    chosen = matrix_keys(table, options)
    read: dict[tuple[str, bool], Counts] = {}
    for field, key in chosen.items():
        kind = (key, field != "expression")
        if kind not in read:
            read[kind] = _read_matrix(table, key, counts=kind[1])
    matrices = {field: read[key, field != "expression"] for field, key in chosen.items()}
    return {**matrices, "expression_key": chosen.get("expression", "")}


def _read_matrix(table: Table, key: str, *, counts: bool) -> Counts:
    matrix = table.matrix(key)
    with reading(table.source, key):
        result = as_counts(matrix, key, counts=counts)
    if result.shape != table.shape:
        raise DataError(
            f"{key!r} of {table.source} is {result.shape}; {table.shape} (cells, genes) was expected. "
            "Save the AnnData again."
        )
    return result


def _layer(table: Table, key: str, optional: str = "") -> str:
    if key in table.keys("layers") or (key == X and table.has_x()):
        return key
    if key in ("", optional):
        return ""
    available = (*table.keys("layers"), *([X] if table.has_x() else []))
    raise DataError(
        f"{table.source} has no layer {key!r}; it has {', '.join(available) or 'none'}. Choose one of these."
    )


def _expression(table: Table, key: str | None) -> str:
    key = noted(table, "expression") if key is None else key
    if key is not None:
        return _layer(table, key)
    layers = table.keys("layers")
    best = next((name for name in EXPRESSION_LAYERS if name in layers), X)
    return _layer(table, best, optional=X)


def _meaning(table: Table, options: ReadOptions) -> str:
    pairs = [
        f"{key} = {_one_line(text)}"
        for key in (options.unspliced, options.spliced)
        if (text := table.uns(keys.LAYER_MEANING, key)) is not None
    ]
    if pairs:
        return ", ".join(pairs)
    whole = table.uns(keys.LAYER_MEANING)
    return _one_line(whole) if isinstance(whole, str) else ""


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())


def _dense(matrix: Any, name: str) -> Any:
    try:
        found = np.asarray(matrix)
        if found.dtype.kind == "c":
            raise TypeError("complex numbers")
        return np.array(found, dtype=np.float32, order="C", subok=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name!r} does not hold numbers ({error}); counts were expected. Choose another layer."
        ) from error
