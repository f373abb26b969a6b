"""One tissue as frozen arrays, with every shape checked once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data.image_placement import AS_IN_FILE, Placement
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Counts: TypeAlias = "sparse.csr_array | NDArray[np.float32]"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A category for every cell.

    Parameters
    ----------
    name
        The obs column that the categories came from.
    codes
        (cells,) index into ``categories``; -1 where there is no category.
    categories
        Names of the categories.
    colors
        One ``"#rrggbb"`` per category, or None.
    ordered
        Whether the categories follow each other as listed.
    """

    name: str
    codes: NDArray[np.int32]
    categories: tuple[str, ...]
    colors: tuple[str, ...] | None = None
    ordered: bool = False

    def __post_init__(self) -> None:
        if self.codes.size and (self.codes.min() < -1 or self.codes.max() >= len(self.categories)):
            raise DataError(f"The codes of {self.name!r} do not fit its {len(self.categories)} categories.")
        if self.colors is not None and len(self.colors) != len(self.categories):
            raise DataError(f"{self.name!r} has {len(self.categories)} categories but {len(self.colors)} colors.")
        _freeze(self.codes)

    def values(self, missing: str = "unassigned") -> NDArray[np.object_]:
        """Return the category name of every cell, (cells,), with ``missing`` where there is none."""
        names = np.array([*self.categories, missing], dtype=object)
        return names[self.codes]


@dataclass(frozen=True, slots=True, eq=False)
class Histology:
    """An image of the tissue and where it lies.

    Parameters
    ----------
    name
        Library the image belongs to.
    image
        (rows, columns, 3 or 4) uint8 or (rows, columns) of any real type.
    pixel_size
        Side of one image pixel in the unit of the cell positions.
    origin
        (x, y) of the *center* of the first pixel, in the unit of the cell positions.
    placement
        How the image was moved from where the file has it.
    zero
        Where the zero of the coordinates of the file lies; elsewhere when sections were put side by side.
    """

    name: str
    image: NDArray[np.generic]
    pixel_size: float
    origin: tuple[float, float]
    placement: Placement = AS_IN_FILE
    zero: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.image.ndim not in (2, 3):
            raise DataError(f"The image {self.name!r} has {self.image.ndim} dimensions; 2 or 3 were expected.")
        if not (np.isfinite(self.pixel_size) and self.pixel_size > 0):
            raise DataError(f"The image {self.name!r} has a pixel size of {self.pixel_size}; it must be above 0.")
        _freeze(self.image)

    def moved(self, placement: Placement) -> Histology:
        """Return the image in another place, with all its moves noted."""
        left, top = self.zero
        pixels, x, y = self.image, self.origin[0] - left, self.origin[1] - top
        if placement.swap:
            pixels, x, y = pixels.swapaxes(0, 1), y, x
        if placement.flip_x:
            pixels = pixels[:, ::-1]
        if placement.flip_y:
            pixels = pixels[::-1]
        return replace(
            self,
            image=np.array(pixels, order="C"),
            pixel_size=self.pixel_size * placement.scale,
            origin=(left + x * placement.scale, top + y * placement.scale),
            placement=self.placement.then(placement),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Tissue:
    """Cells with their positions, counts and types.

    Parameters
    ----------
    cells
        Unique names of the cells.
    genes
        Unique names of the genes; the column order of every count matrix.
    positions
        (cells, 2) or (cells, 3), (x, y) or (x, y, z) as in the file, finite.
    spliced, unspliced
        (cells, genes) counts, sparse (CSR) or dense float32, or None.
    expression
        (cells, genes) expression used for regulation, or None.
    expression_key
        Layer that the expression was read from (``X``, ``imputed_count``); empty when not known.
    cell_types
        The type of every cell, or None.
    histology
        Images of the tissue.
    unit
        Unit of the positions: ``"um"``, ``"pixel"`` or ``"embedding"`` when there is no tissue and a
        low-dimensional embedding takes its place.
    embedding
        Name of the embedding (``"umap"``, ``"pca"``) when the unit is ``"embedding"``.
    counts_meaning
        What the two count layers are when they are not spliced and unspliced RNA
        (for example, nuclear and cytoplasmic counts); empty otherwise.
    source
        Where the tissue came from, for messages and names.
    sections
        The section of every cell when there are several, or None.

    Raises
    ------
    DataError
        If shapes disagree, names repeat or a position is not finite.
    """

    cells: tuple[str, ...]
    genes: tuple[str, ...]
    positions: NDArray[np.float64]
    spliced: Counts | None = None
    unspliced: Counts | None = None
    expression: Counts | None = None
    cell_types: Labels | None = None
    histology: tuple[Histology, ...] = ()
    unit: str = "pixel"
    embedding: str = "umap"
    counts_meaning: str = ""
    source: str = "tissue"
    expression_key: str = ""
    sections: Labels | None = None

    def __post_init__(self) -> None:
        _check_names(self.cells, "cell")
        _check_names(self.genes, "gene")
        shape = (len(self.cells), len(self.genes))
        for name in ("spliced", "unspliced", "expression"):
            counts = getattr(self, name)
            if counts is not None and counts.shape != shape:
                raise DataError(f"The {name} matrix is {counts.shape}; {shape} (cells, genes) was expected.")
        _check_positions(self.positions, shape[0])
        for what, labels in (("cell types", self.cell_types), ("sections", self.sections)):
            if labels is not None and len(labels.codes) != shape[0]:
                raise DataError(f"{len(labels.codes)} {what} were given for {shape[0]} cells.")
        for counts in (self.spliced, self.unspliced, self.expression):
            if counts is not None:
                _freeze(counts.data if sparse.issparse(counts) else counts)
        _freeze(self.positions)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)

    @property
    def has_tissue(self) -> bool:
        """Whether the positions are places in a tissue, not an embedding."""
        return self.unit != "embedding"

    @property
    def basis(self) -> str:
        """Name of the space the cells lie in, as in ``obsm["velocity_<basis>"]``."""
        return "spatial" if self.has_tissue else self.embedding

    def gene_index(self, gene: str) -> int:
        """Return the column of ``gene``.

        Raises
        ------
        DataError
            If there is no such gene.
        """
        try:
            return self.genes.index(gene)
        except ValueError:
            close = _similar(gene, self.genes)
            advice = f"Did you mean {close}?" if close else "Check its spelling or choose another gene."
            raise DataError(
                f"There is no gene {gene!r} among the {self.n_genes} genes of {self.source}. {advice}"
            ) from None

    def with_(self, **changes: object) -> Tissue:
        """Return a copy in which the named fields are replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def select_cells(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Tissue:
        """Return the tissue of the chosen cells, in the order of ``index`` (positions or a mask)."""
        rows = np.flatnonzero(index) if np.asarray(index).dtype == bool else np.asarray(index)
        return replace(
            self,
            cells=tuple(self.cells[i] for i in rows),
            positions=self.positions[rows].copy(),
            spliced=None if self.spliced is None else self.spliced[rows],
            unspliced=None if self.unspliced is None else self.unspliced[rows],
            expression=None if self.expression is None else self.expression[rows],
            cell_types=_of_rows(self.cell_types, rows),
            sections=_of_rows(self.sections, rows),
        )


def column(counts: Counts, index: int) -> NDArray[np.float32]:
    """Return one gene of a sparse or dense matrix as a dense (cells,) float32 vector."""
    if sparse.issparse(counts):
        return np.asarray(counts[:, [index]].toarray(), dtype=np.float32).ravel()
    return np.asarray(counts[:, index], dtype=np.float32)


def _of_rows(labels: Labels | None, rows: NDArray[np.integer]) -> Labels | None:
    return None if labels is None else replace(labels, codes=labels.codes[rows].copy())


def _similar(name: str, names: Sequence[str]) -> str:
    import difflib

    by_lower = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else ""


def _check_names(names: tuple[str, ...], kind: str) -> None:
    if not names:
        raise DataError(f"The table has no {kind}s; at least one was expected. Choose another file.")
    if len(set(names)) != len(names):
        seen: set[str] = set()
        repeated = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        attribute = "obs_names" if kind == "cell" else "var_names"
        raise DataError(
            f"The {kind} name {repeated!r} occurs more than once; {kind} names must be unique. "
            f"Call adata.{attribute}_make_unique() and save the file again."
        )


def _check_positions(positions: NDArray[np.float64], n_cells: int) -> None:
    if positions.ndim != 2 or positions.shape[0] != n_cells or positions.shape[1] not in (2, 3):
        raise DataError(f"The positions are {positions.shape}; ({n_cells}, 2) or ({n_cells}, 3) was expected.")
    bad = ~np.isfinite(positions).all(axis=1)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} of {n_cells} cells have coordinates that are not finite numbers. "
            "Remove these cells or give them coordinates, and load the file again."
        )


def _freeze(array: NDArray[np.generic]) -> None:
    array.flags.writeable = False
