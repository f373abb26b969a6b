"""Summary of one cell: type, time, experts, fates, and the genes that change most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField

TOP_GENES = 10
# A quarter of a million numbers of double precision at once.
BLOCK = 2**18


@dataclass(frozen=True, slots=True)
class Share:
    """A named share: the weight of an expert, the probability of a fate."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class GeneChange:
    """How one gene changes in a cell.

    Parameters
    ----------
    velocity
        ds/dt in the unit of the moments.
    in_spreads
        The same in standard deviations of the gene's spliced moments over all cells, by which genes compare.
    spliced, unspliced
        Moments of the cell.
    """

    gene: str
    velocity: float
    in_spreads: float
    spliced: float
    unspliced: float


@dataclass(frozen=True, slots=True)
class CellReport:
    """Summary of one cell; missing results are None or empty.

    Parameters
    ----------
    index
        Number of the cell, counted from 0.
    name
        Its name in the file.
    position
        (x, y[, z]).
    unit
        Unit of the position.
    cell_type
        Its type; empty without types, ``unassigned`` where the cell has none.
    type_column
        Name of the column of cell types.
    time
        Latent time, 0 to 1.
    time_rank
        Share of all cells that are earlier, 0 to 1.
    experts, fates
        Shares, those of experts in their order and those of fates the largest first.
    genes
        Genes that change most for their spread, the fastest first.
    """

    index: int
    name: str
    position: tuple[float, ...]
    unit: str
    cell_type: str = ""
    type_column: str = ""
    time: float | None = None
    time_rank: float | None = None
    experts: tuple[Share, ...] = ()
    fates: tuple[Share, ...] = ()
    genes: tuple[GeneChange, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """Return names and values in words, one pair for every line of a text."""
        place = ", ".join(f"{value:.6g}" for value in self.position)
        lines = [("cell", self.name), ("position", f"{place} {self.unit}")]
        if self.cell_type:
            lines.append((self.type_column, self.cell_type))
        if self.time is not None:
            lines.append(("latent time", f"{self.time:.3f}"))
        lines += [(f"weight of {share.name}", f"{share.value:.3f}") for share in self.experts]
        lines += [(f"fate {share.name}", f"{share.value:.3f}") for share in self.fates]
        lines += [(f"velocity of {each.gene}", f"{each.velocity:+.4g}") for each in self.genes]
        return lines


@dataclass(frozen=True, slots=True, eq=False)
class Reporter:
    """Makes the reports of single cells; what all of them need is made once.

    Parameters
    ----------
    field
        Their velocity, or None.
    spread
        (genes of the velocity,) standard deviation of the spliced moments over cells.
    fates
        (cells, fates) probabilities, or None.
    """

    tissue: Tissue
    field: VelocityField | None
    spread: NDArray[np.float64]
    fates: NDArray[np.floating] | None = None
    fate_names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        tissue: Tissue,
        field: VelocityField | None = None,
        fates: NDArray[np.floating] | None = None,
        fate_names: Sequence[str] = (),
    ) -> Reporter:
        """Prepare the reports of a tissue and its results.

        Raises
        ------
        DataError
            If the results are of another number of cells.
        """
        if field is not None and field.n_cells != tissue.n_cells:
            raise DataError(
                f"The velocity has {field.n_cells} cells but the tissue has {tissue.n_cells}. "
                "Load the tissue that it was fitted on."
            )
        if fates is not None and fates.shape != (tissue.n_cells, len(fate_names)):
            raise DataError(
                f"The fates are {fates.shape}; {(tissue.n_cells, len(fate_names))} (cells, names) was expected."
            )
        spread = np.empty(0) if field is None else _spread(field.moments_spliced)
        return cls(tissue, field, spread, fates, tuple(fate_names))

    def report(self, cell: int, top: int = TOP_GENES) -> CellReport:
        """Return a summary of one cell.

        Parameters
        ----------
        cell
            Its number, counted from 0.
        top
            How many genes are named.

        Raises
        ------
        DataError
            If there is no such cell.
        """
        tissue = self.tissue
        if not 0 <= cell < tissue.n_cells:
            raise DataError(f"There is no cell {cell}; the tissue has {tissue.n_cells} cells, counted from 0.")
        labels = tissue.cell_types
        code = -1 if labels is None else int(labels.codes[cell])
        return CellReport(
            index=cell,
            name=tissue.cells[cell],
            position=tuple(tissue.positions[cell].tolist()),
            unit="um" if tissue.unit == "um" else tissue.unit,
            cell_type="" if labels is None else labels.categories[code] if code >= 0 else "unassigned",
            type_column="" if labels is None else labels.name,
            **self._dynamics(cell, top),
            fates=self._fates(cell),
        )

    def _dynamics(self, cell: int, top: int) -> dict[str, Any]:
        field = self.field
        if field is None:
            return {}
        found: dict[str, Any] = {"genes": self._fastest(field, cell, top)}
        if field.time is not None and np.isfinite(field.time[cell]):
            found["time"] = float(field.time[cell])
            found["time_rank"] = float((field.time < field.time[cell]).mean())
        if field.expert_probability is not None:
            weights = field.expert_probability[cell].tolist()
            found["experts"] = tuple(Share(f"expert {k}", value) for k, value in enumerate(weights))
        return found

    def _fastest(self, field: VelocityField, cell: int, top: int) -> tuple[GeneChange, ...]:
        """Return the genes with the largest change in spreads, those whose velocity counts only."""
        velocity = field.spliced[cell].astype(np.float64)
        relative = np.divide(velocity, self.spread, out=np.zeros_like(velocity), where=self.spread > 0)
        size = np.nan_to_num(np.abs(relative))
        if field.velocity_genes is not None:
            size = np.where(field.velocity_genes, size, 0)
        order = np.argsort(-size, kind="stable")[:top]
        return tuple(
            GeneChange(
                field.genes[g],
                float(velocity[g]),
                float(relative[g]),
                float(field.moments_spliced[cell, g]),
                float(field.moments_unspliced[cell, g]),
            )
            for g in order
            if size[g] > 0
        )

    def _fates(self, cell: int) -> tuple[Share, ...]:
        if self.fates is None or not np.isfinite(self.fates[cell]).all():
            return ()
        shares = (Share(name, float(value)) for name, value in zip(self.fate_names, self.fates[cell], strict=True))
        return tuple(sorted(shares, key=lambda share: -share.value))


def _spread(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the standard deviation of every column; memory is that of some rows."""
    n, width = values.shape
    rows = max(1, BLOCK // max(1, width))
    center = values[:rows].mean(axis=0, dtype=np.float64)
    total, squares = np.zeros(width), np.zeros(width)
    for start in range(0, n, rows):
        block = values[start : start + rows] - center
        total += block.sum(axis=0)
        squares += np.einsum("ij,ij->j", block, block)
    return np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
