"""Everything a fit needs to know before it starts, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.requirements import require_cell_types
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.design import select_modulators
from napari_tissue_dynamics.travlr.expression import columns_of, expression_of, mean_expression
from napari_tissue_dynamics.travlr.signals import resolve_radius

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.expression import Columns
    from napari_tissue_dynamics.travlr.network import RegulatoryNetwork

# A single cell has nothing to be compared with: no coefficient can be told from it.
FEWEST_CELLS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What will be fitted.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    codes
        (cells,) index into ``clusters``; -1 where a cell has no type.
    clusters
        Cell types that have cells; ``("all",)`` without cell types.
    modulators
        What may regulate each target.
    columns
        Expression of all genes involved.
    radius, contact_distance
        Reach of the two kinds of signals in the unit of the positions.
    """

    positions: NDArray[np.float64]
    codes: NDArray[np.int32]
    clusters: tuple[str, ...]
    modulators: tuple[Modulators, ...]
    columns: Columns
    radius: float
    contact_distance: float

    @property
    def signals(self) -> tuple[tuple[str, bool], ...]:
        """Ligands of all targets with whether they are secreted, each once."""
        return tuple(
            dict.fromkeys((name, chosen.secreted[name]) for chosen in self.modulators for name in chosen.ligands)
        )


def make_plan(tissue: Tissue, targets: Sequence[str], network: RegulatoryNetwork, config: TravlrConfig) -> Plan:
    """Choose the modulators of every target and check that the fit can run.

    Raises
    ------
    DataError
        If there is no target, a target was not measured or has nothing that could regulate it, the tissue has
        no expression, no cell has a type, or a type has a single cell and small types are refused.
    """
    targets = tuple(dict.fromkeys(targets))
    if not targets:
        raise DataError("No target gene was given; at least one was expected. Name the genes to fit.")
    for target in targets:
        tissue.gene_index(target)
    codes, clusters = clusters_of(tissue)
    if tissue.cell_types is not None and config.small_types == "refuse":
        _refuse_single_cells(tissue)
    expression = expression_of(tissue)
    means = dict(zip(tissue.genes, mean_expression(expression).tolist(), strict=True))
    modulators = tuple(select_modulators(target, network, tissue.genes, means, config) for target in targets)
    for chosen in modulators:
        if not len(chosen):
            raise DataError(
                f"Nothing that could regulate {chosen.target} was measured: no transcription factor and no "
                f"ligand-receptor pair. Give regulators of {chosen.target}, a table of links that has it as "
                "target, or ligand-receptor pairs."
            )
    wanted = tuple(dict.fromkeys(gene for chosen in modulators for gene in chosen.genes))
    radius, contact = resolve_radius(tissue.positions, config.radius, config.contact_distance)
    return Plan(
        positions=np.asarray(tissue.positions, dtype=np.float64),
        codes=codes,
        clusters=clusters,
        modulators=modulators,
        columns=columns_of(expression, tissue.genes, wanted),
        radius=radius,
        contact_distance=contact,
    )


def clusters_of(tissue: Tissue) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Return the type of every cell counted from 0 without gaps (-1 for none), and the names of the types.

    Raises
    ------
    DataError
        If there are cell types but no cell has one.
    """
    labels = tissue.cell_types
    if labels is None:
        return np.zeros(tissue.n_cells, dtype=np.int32), ("all",)
    require_cell_types(tissue)
    present = np.unique(labels.codes[labels.codes >= 0])
    codes = np.full(tissue.n_cells, -1, dtype=np.int32)
    for k, code in enumerate(present):
        codes[labels.codes == code] = k
    return codes, tuple(labels.categories[code] for code in present)


def _refuse_single_cells(tissue: Tissue) -> None:
    try:
        require_cell_types(tissue, at_least=FEWEST_CELLS)
    except DataError as error:
        remedy = "Or set small types to 'mean': such a cell then keeps its value and has no coefficients."
        raise DataError(f"{error} {remedy}") from error
