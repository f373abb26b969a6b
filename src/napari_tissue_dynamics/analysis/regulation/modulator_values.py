"""What the modulators of one gene are worth in single cells: expression, and received ligand times expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.design import SMALLEST_EXPRESSION, above_zero
from napari_tissue_dynamics.travlr.expression import expression_of_genes
from napari_tissue_dynamics.travlr.received_ligands import WEIGHT_AT_RADIUS, resolve_radius

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.regulation_field import GeneFit
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.travlr.received_ligands import Kernel


@dataclass(frozen=True, slots=True)
class Reach:
    """How far signals travel in one tissue, in the unit of its positions.

    Parameters
    ----------
    radius
        Reach of secreted ligands.
    contact_distance
        Reach of ligands that need touching cells.
    scale_factor
        Factor of every received ligand.
    """

    radius: float
    contact_distance: float
    kernel: Kernel = "gaussian"
    scale_factor: float = 1.0

    @classmethod
    def of(cls, tissue: Tissue, config: TravlrConfig | None = None) -> Reach:
        """Return the reach of a fit with these settings, the default ones when they are not known."""
        config = config or TravlrConfig()
        radius, contact = resolve_radius(tissue.positions, config.radius, config.contact_distance)
        return cls(radius, contact, config.kernel, config.scale_factor)

    def distance(self, ligand: str, contact_ligands: Sequence[str] | None) -> float:
        """Return how far one ligand reaches; ligands count as secreted where nothing else is known."""
        return self.contact_distance if contact_ligands and ligand in contact_ligands else self.radius

    def weights(self, positions: NDArray[np.float64], place: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        r"""Return how much of what each cell sends arrives at ``place``.

        .. math:: w_j = \frac{\text{scale}}{n} \, K_r(|s_j - s|)

        with the kernels of :func:`~napari_tissue_dynamics.travlr.received_ligands.received_steps`.

        Parameters
        ----------
        positions
            (cells, 2 or 3).
        place
            (2 or 3,).

        Returns
        -------
        (cells,).
        """
        squared = np.zeros(len(positions))
        for axis, coordinate in enumerate(place):
            squared += (positions[:, axis] - coordinate) ** 2
        sigma = radius if self.kernel == "gaussian" else radius / np.sqrt(-2 * np.log(WEIGHT_AT_RADIUS))
        weights = np.exp(squared / (-2 * sigma**2))
        if self.kernel == "truncated":
            weights[squared > radius**2] = 0
        return np.asarray(weights * (self.scale_factor / len(positions)))


@dataclass(frozen=True, slots=True, eq=False)
class ModulatorValues:
    """The columns of one target gene, made for one cell at a time.

    Only the genes involved are kept, in the form (sparse or dense) that the tissue has them in, so that a million
    cells fit in memory and one cell takes milliseconds.

    Parameters
    ----------
    modulators
        ``TF``, ``Ligand$Receptor`` and ``Ligand#TF`` in the order of the betas.
    genes
        The genes involved that were measured.
    columns
        (cells, genes) expression, sparse by column or dense.
    positions
        (cells, 2 or 3).
    contact_ligands
        Ligands that need touching cells; None when not known, then all count as secreted.
    """

    modulators: tuple[str, ...]
    genes: tuple[str, ...]
    columns: sparse.csc_array | NDArray[np.float32]
    positions: NDArray[np.float64]
    reach: Reach
    contact_ligands: tuple[str, ...] | None = None

    @classmethod
    def of(cls, tissue: Tissue, fit: GeneFit, config: TravlrConfig | None = None) -> ModulatorValues:
        """Gather what the modulators of one fitted gene are made of.

        Parameters
        ----------
        config
            Settings of the fit; the default ones when they are not known.

        Raises
        ------
        DataError
            If the tissue has no expression.
        """
        place = {gene: k for k, gene in enumerate(tissue.genes)}
        wanted = dict.fromkeys(gene for name in fit.modulators for gene in genes_of(name))
        genes = tuple(gene for gene in wanted if gene in place)
        chosen: sparse.csc_array | NDArray[np.float32]
        expression = expression_of_genes(tissue, [place[gene] for gene in genes])
        if sparse.issparse(expression):
            chosen = sparse.csc_array(expression)
            chosen.sort_indices()
        else:
            chosen = np.asarray(expression, dtype=np.float32)
        positions = np.asarray(tissue.positions, dtype=np.float64)
        reach = Reach.of(tissue, config)
        return cls(fit.modulators, genes, chosen, positions, reach, fit.contact_ligands)

    def gene(self, name: str) -> NDArray[np.float32]:
        """Return the (cells,) expression of one gene; NaN where it was not measured."""
        if name not in self.genes:
            return np.full(len(self.positions), np.nan, dtype=np.float32)
        chosen = self.columns[:, [self.genes.index(name)]]
        return np.asarray(chosen.toarray() if sparse.issparse(chosen) else chosen, dtype=np.float32).ravel()

    def at(self, cell: int) -> NDArray[np.float64]:
        """Return the (modulators,) values in one cell; NaN where a gene was not measured."""
        here = self._row(cell)
        received = self._received(cell)
        values = np.empty(len(self.modulators))
        for k, name in enumerate(self.modulators):
            parts = genes_of(name)
            own = here.get(parts[-1], np.nan)
            if len(parts) == 1:
                values[k] = own
                continue
            silent = "$" in name and own <= SMALLEST_EXPRESSION
            values[k] = received.get(parts[0], np.nan) * (0.0 if silent else own)
        return values

    def _row(self, cell: int) -> dict[str, float]:
        return {gene: self._entry(k, cell) for k, gene in enumerate(self.genes)}

    def _entry(self, index: int, cell: int) -> float:
        if isinstance(self.columns, np.ndarray):
            return float(self.columns[cell, index])
        start, end = self.columns.indptr[index : index + 2]
        place = start + np.searchsorted(self.columns.indices[start:end], cell)
        return float(self.columns.data[place]) if place < end and self.columns.indices[place] == cell else 0.0

    def _received(self, cell: int) -> dict[str, float]:
        """Return how much of every ligand reaches a cell."""
        ligands = dict.fromkeys(genes_of(name)[0] for name in self.modulators if len(genes_of(name)) > 1)
        weights: dict[float, NDArray[np.float64]] = {}
        found = {}
        for ligand in ligands:
            if ligand not in self.genes:
                continue
            radius = self.reach.distance(ligand, self.contact_ligands)
            if radius not in weights:
                weights[radius] = self.reach.weights(self.positions, self.positions[cell], radius)
            found[ligand] = self._sum(self.genes.index(ligand), weights[radius])
        return found

    def _sum(self, index: int, weights: NDArray[np.float64]) -> float:
        """Return the weighted sum of what all cells send of one ligand."""
        if isinstance(self.columns, np.ndarray):
            return float(weights @ above_zero(self.columns[:, index]))
        part = slice(*self.columns.indptr[index : index + 2])
        return float(weights[self.columns.indices[part]] @ above_zero(self.columns.data[part]))


def genes_of(modulator: str) -> tuple[str, ...]:
    """Return the genes of a modulator: ``(TF,)``, ``(ligand, receptor)`` or ``(ligand, TF)``."""
    for mark in ("$", "#"):
        ligand, found, listener = modulator.partition(mark)
        if found:
            return ligand, listener
    return (modulator,)
