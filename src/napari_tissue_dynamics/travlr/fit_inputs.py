"""All inputs of a fit, validated once before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.requirements import require_cell_types
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.design import select_modulators
from napari_tissue_dynamics.travlr.expression import columns_of, expression_of, mean_expression
from napari_tissue_dynamics.travlr.imputation import already_imputed
from napari_tissue_dynamics.travlr.received_ligands import resolve_radius

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts, Tissue
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.expression import Columns
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

# A single cell cannot be compared with others, so no coefficient can be estimated from it.
FEWEST_CELLS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The inputs of a tissue that do not depend on the target.

    Parameters
    ----------
    codes
        (cells,) index into ``clusters``; -1 where a cell has no type.
    clusters
        Cell types that have cells; ``("all",)`` without cell types.
    expression
        (cells, genes) expression to model.
    radius, contact_distance
        Reach of the two kinds of signals in the unit of the positions.
    impute
        Whether the expression will be smoothed before the fit.
    """

    tissue: Tissue
    codes: NDArray[np.int32]
    clusters: tuple[str, ...]
    expression: Counts
    means: Mapping[str, float]
    radius: float
    contact_distance: float
    impute: bool

    @classmethod
    def of(cls, tissue: Tissue, config: TravlrConfig) -> Ground:
        """Check that the tissue can be used.

        Raises
        ------
        DataError
            If it has no expression, no cell has a type, or a type has a single cell and small types are refused.
        """
        codes, clusters = clusters_of(tissue)
        if tissue.cell_types is not None and config.small_types == "refuse":
            _refuse_single_cells(tissue)
        expression = expression_of(tissue)
        means = dict(zip(tissue.genes, mean_expression(expression).tolist(), strict=True))
        radius, contact = resolve_radius(tissue.positions, config.radius, config.contact_distance)
        impute = config.impute and not already_imputed(tissue.expression_key)
        return cls(tissue, codes, clusters, expression, means, radius, contact, impute)

    def choose(self, target: str, network: RegulatoryNetwork, config: TravlrConfig) -> Modulators:
        """Return what may regulate a target.

        Raises
        ------
        DataError
            If nothing that was measured could.
        """
        chosen = select_modulators(target, network, self.tissue.genes, self.means, config)
        if not len(chosen):
            raise DataError(
                f"No candidate regulator of {target} was measured: no transcription factor and no "
                f"ligand-receptor pair. Give regulators of {target}, a table of links that has it as "
                "target, or ligand-receptor pairs."
            )
        return chosen

    def plan(
        self,
        modulators: Sequence[Modulators],
        genes: Iterable[str],
        signals: Iterable[tuple[str, bool]],
    ) -> Plan:
        """Return the plan of some targets, their genes and their signals; repeated ones count once."""
        wanted = tuple(dict.fromkeys(genes))
        return Plan(
            positions=np.asarray(self.tissue.positions, dtype=np.float64),
            codes=self.codes,
            clusters=self.clusters,
            modulators=tuple(modulators),
            signals=tuple(dict.fromkeys(signals)),
            columns=columns_of(self.expression, self.tissue.genes, wanted),
            radius=self.radius,
            contact_distance=self.contact_distance,
            smooth_from=self.expression if self.impute else None,
            genes=self.tissue.genes,
        )


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
        What may regulate each target; empty where it is chosen gene by gene.
    signals
        Ligands of all targets with whether they are secreted, each once.
    columns
        Expression of all genes involved.
    radius, contact_distance
        Reach of the two kinds of signals in the unit of the positions.
    smooth_from
        (cells, genes) expression that ``columns`` have to be smoothed with; None when they are used as they are.
    """

    positions: NDArray[np.float64]
    codes: NDArray[np.int32]
    clusters: tuple[str, ...]
    modulators: tuple[Modulators, ...]
    signals: tuple[tuple[str, bool], ...]
    columns: Columns
    radius: float
    contact_distance: float
    smooth_from: Counts | None = None
    genes: tuple[str, ...] = ()


def make_plan(tissue: Tissue, targets: Sequence[str], network: RegulatoryNetwork, config: TravlrConfig) -> Plan:
    """Choose the modulators of every target and check that the fit can run.

    Raises
    ------
    DataError
        If there is no target, a target was not measured or has nothing that could regulate it, the tissue has
        no expression, no cell has a type, or a type has a single cell and small types are refused.
    """
    targets = measured_targets(tissue, targets)
    ground = Ground.of(tissue, config)
    modulators = [ground.choose(target, network, config) for target in targets]
    genes = (gene for chosen in modulators for gene in chosen.genes)
    return ground.plan(modulators, genes, (signal for chosen in modulators for signal in chosen.signals))


def measured_targets(tissue: Tissue, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the targets, each once.

    Raises
    ------
    DataError
        If there is none, or one was not measured.
    """
    targets = tuple(dict.fromkeys(targets))
    if not targets:
        raise DataError("No target gene was given; at least one was expected. Name the genes to fit.")
    known = set(tissue.genes)
    for target in targets:
        if target not in known:
            tissue.gene_index(target)  # says which gene may have been meant
    return targets


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
        remedy = "Or set 'Small types' to 'mean': such a cell then keeps its value and has no coefficients."
        raise DataError(f"{error} {remedy}") from error
