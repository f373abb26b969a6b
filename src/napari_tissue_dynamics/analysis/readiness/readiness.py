"""Whether a file is ready for the fits: what it holds, what is wrong, what to do about it, and how long fits take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from napari_tissue_dynamics.analysis.readiness.matrix_summary import MatrixFacts, facts_steps
from napari_tissue_dynamics.analysis.readiness.readiness_checks import (
    Fit,
    Problem,
    cell_type_problems,
    column_problems,
    count_problems,
    expression_problems,
    memory_problems,
    name_problems,
    place_problems,
    shared_genes,
)
from napari_tissue_dynamics.analysis.readiness.run_cost import Cost, steer_cost, travlr_cost
from napari_tissue_dynamics.data.io import ReadOptions
from napari_tissue_dynamics.data.io.labels import cell_types_of
from napari_tissue_dynamics.data.io.positions import Places, find_positions
from napari_tissue_dynamics.data.io.read import matrix_keys
from napari_tissue_dynamics.data.io.table import open_table, reading
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from napari_tissue_dynamics.data.io.table import Source, Table
    from napari_tissue_dynamics.data.tissue import Labels, Tissue
    from napari_tissue_dynamics.progress import StopToken

Found = TypeVar("Found")

SHARE_OF_NAMES = 0.2
"""Of the time; the rest is for the matrices."""


@dataclass(frozen=True, slots=True, eq=False)
class Readiness:
    """What a file holds and what stands in the way of a fit.

    Parameters
    ----------
    matrices
        Facts on the matrices that are read, by role: ``spliced``, ``unspliced``, ``expression``.
    cell_types
        Name of the column of cell types and number of types, None if there are none.
    n_shared_genes
        Genes with enough counts of both kinds for velocity.
    n_parts
        Separate parts of the graph of neighbors in the tissue; 0 when there are no usable positions.
    steer
        Cost of a quick STEER fit, None if there are no counts for it.
    travlr
        Cost of one gene of SpaceTravLR, None if there is no expression.
    problems
        What is wrong or worth knowing, worst first.
    """

    source: str
    n_cells: int
    n_genes: int
    matrices: dict[str, MatrixFacts]
    cell_types: tuple[str, int] | None
    n_shared_genes: int
    n_parts: int
    steer: Cost | None
    travlr: Cost | None
    problems: tuple[Problem, ...]

    def ready(self, fit: Fit) -> bool:
        """Return whether nothing stops this fit."""
        wanted = {"velocity": self.steer, "regulation": self.travlr, "opening": True}[fit]
        return bool(wanted) and not any(each.stops for each in self.problems if each.concerns in ("opening", fit))

    @property
    def headline(self) -> str:
        """One sentence on what can be run now."""
        fits = {"velocity": f"STEER ({self.steer})", "regulation": f"SpaceTravLR ({self.travlr} per gene)"}
        able = [words for fit, words in fits.items() if self.ready(fit)]  # type: ignore[arg-type]
        stops = sum(each.stops for each in self.problems)
        notes = len(self.problems) - stops
        counted = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((stops, "problem"), (notes, "note")) if n]
        tail = f" {' and '.join(counted)}." if counted else ""
        return f"{'Ready for ' + ' and '.join(able) if able else 'Not ready for model fitting'}.{tail}"

    @property
    def facts(self) -> tuple[str, ...]:
        """What was found, a line each."""
        lines = [f"{self.n_cells:,} cells x {self.n_genes:,} genes"]
        lines += [f"{role}: {found.name}, {found.words}" for role, found in self.matrices.items()]
        if self.cell_types is not None:
            lines += [f"cell types: {self.cell_types[1]} ({self.cell_types[0]})"]
        if self.n_parts:
            lines += [f"disconnected parts of the neighbor graph: {self.n_parts}"]
        if self.steer is not None:
            lines += [f"genes with enough spliced and unspliced counts: {self.n_shared_genes:,}"]
        return tuple(lines)

    def __str__(self) -> str:
        return "\n".join([self.headline, *self.facts, *map(str, self.problems)])


def readiness_steps(
    source: Source,
    options: ReadOptions = ReadOptions(),
    stop: StopToken | None = None,
    *,
    tissue: Tissue | None = None,
) -> Generator[Progress, None, Readiness]:
    """Look through a file for what fits need; matrices are read piece by piece and none is kept.

    Files that cannot be opened as a tissue get a report, too.

    Parameters
    ----------
    source
        An .h5ad file, or an AnnData in memory.
    options
        Which parts are read, and in which role.
    stop
        Ends the work early; what was not seen is then not reported.
    tissue
        What was read from the file with these options, if it was: matrices are then taken from it.

    Raises
    ------
    DataError
        If the file is missing, damaged or no AnnData.
    """
    problems: list[Problem] = []

    def tried(look: Callable[[], Found]) -> Found | None:
        try:
            return look()
        except DataError as error:
            problems.append(Problem(str(error), "", stops=True))
            return None

    with open_table(source) as table:
        yield Progress("Reading names, coordinates and cell types", 0, 1, 0.0)
        problems += name_problems(table)
        problems += [] if options.only is not None else column_problems(table)
        if tissue is None:
            places = tried(lambda: find_positions(table, options.spatial))
            labels = tried(lambda: cell_types_of(table, options.cell_type))
        else:
            places, labels = Places(tissue.positions, tissue.unit, tissue.embedding), tissue.cell_types
        keys = tried(lambda: matrix_keys(table, options))
        n_parts, found = (0, []) if places is None else place_problems(places)
        problems += [*found, *cell_type_problems(labels)]
        yield Progress("Reading the matrices", 1, 5, SHARE_OF_NAMES)
        facts = yield from part_of(_facts(table, keys or {}, tissue, stop), SHARE_OF_NAMES, 1)
        shape = table.shape if tissue is None else (tissue.n_cells, tissue.n_genes)
        return _report(table.source, shape, facts, labels, n_parts, problems)


def readiness(source: Source, options: ReadOptions = ReadOptions()) -> Readiness:
    """Run :func:`readiness_steps` to the end."""
    return run_to_end(readiness_steps(source, options))


def tissue_readiness_steps(tissue: Tissue, stop: StopToken | None = None) -> Generator[Progress, None, Readiness]:
    """Look at a tissue that came from no file, as :func:`readiness_steps` looks at one that did."""
    n_parts, problems = place_problems(Places(tissue.positions, tissue.unit, tissue.embedding))
    problems += cell_type_problems(tissue.cell_types)
    shape = (tissue.n_cells, tissue.n_genes)
    roles = [role for role in ("spliced", "unspliced", "expression") if getattr(tissue, role) is not None]
    facts: dict[str, MatrixFacts] = {}
    for i, role in enumerate(roles):
        steps = facts_steps(role, getattr(tissue, role), shape, stop)
        facts[role] = yield from part_of(steps, i / len(roles), (i + 1) / len(roles))
    return _report(tissue.source, shape, facts, tissue.cell_types, n_parts, problems)


def _facts(
    table: Table, keys: Mapping[str, str], tissue: Tissue | None, stop: StopToken | None
) -> Generator[Progress, None, dict[str, MatrixFacts]]:
    """Look through every matrix once, also where it has two roles."""
    seen: dict[str, MatrixFacts] = {}
    roles = {key: role for role, key in keys.items()}
    for i, (key, role) in enumerate(roles.items()):
        with reading(table.source, key):
            matrix = table.stored(key) if tissue is None else getattr(tissue, role)
            shape = table.shape if tissue is None else (tissue.n_cells, tissue.n_genes)
            steps = facts_steps(key, matrix, shape, stop)
            seen[key] = yield from part_of(steps, i / len(roles), (i + 1) / len(roles))
    return {role: seen[key] for role, key in keys.items()}


def _report(
    source: str,
    shape: tuple[int, int],
    facts: dict[str, MatrixFacts],
    labels: Labels | None,
    n_parts: int,
    problems: list[Problem],
) -> Readiness:
    n_cells, n_genes = shape
    problems = [*problems, *count_problems(facts), *expression_problems(facts)]
    shared = shared_genes(facts)
    steer = travlr = None
    if {"spliced", "unspliced"} <= set(facts):
        steer = steer_cost(n_cells, shared, facts["spliced"].n_bytes + facts["unspliced"].n_bytes)
    if "expression" in facts:
        travlr = travlr_cost(n_cells, facts["expression"].n_bytes)
    costs = {"STEER": steer, "SpaceTravLR": travlr}
    problems += memory_problems({name: cost.memory for name, cost in costs.items() if cost is not None})
    types = None if labels is None else (labels.name, len(labels.categories))
    worst_first = tuple(sorted(problems, key=lambda each: not each.stops))
    return Readiness(source, n_cells, n_genes, facts, types, shared, n_parts, steer, travlr, worst_first)
