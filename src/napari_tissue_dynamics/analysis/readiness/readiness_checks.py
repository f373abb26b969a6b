"""What can be wrong with a file, one function per part, each problem with its remedy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_tissue_dynamics.analysis.readiness.run_cost import size
from napari_tissue_dynamics.data.io.sections import IN_TISSUE
from napari_tissue_dynamics.devices import free_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.readiness.matrix_summary import MatrixFacts
    from napari_tissue_dynamics.data.io.positions import Places
    from napari_tissue_dynamics.data.io.table import Table
    from napari_tissue_dynamics.data.tissue import Labels

Fit = Literal["opening", "velocity", "regulation"]

NEIGHBORS = 8
"""Neighbors of the spatial graph, as in the settings of STEER."""

FEWEST_IN_PART = 30
"""A part of the tissue with fewer cells than this has hardly neighbors to smooth over."""
FEWEST_OF_TYPE = 20
ENOUGH_MOLECULES = 20
"""Of both kinds; the settings of velocity fits ask for as many."""

FEWEST_GENES = 50
LOW_SHARE, HIGH_SHARE = 0.02, 0.6
"""Unspliced molecules are 10 to 30 % of all in most protocols; outside of this something may be mixed up."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong or worth knowing, and what to do about it.

    Parameters
    ----------
    what
        What was found, a sentence.
    remedy
        What to do, a sentence.
    concerns
        What it stands in the way of.
    stops
        Whether it makes that impossible; a warning otherwise.
    """

    what: str
    remedy: str
    concerns: Fit = "opening"
    stops: bool = False

    def __str__(self) -> str:
        word = "Problem" if self.stops else "Note"
        about = {"opening": "", "velocity": " (velocity)", "regulation": " (regulation)"}[self.concerns]
        return f"{word}{about}: {self.what} {self.remedy}"


def name_problems(table: Table) -> list[Problem]:
    """Return what is wrong with the size of a file and the names of its cells and genes."""
    found = []
    for axis, kind, n in (("obs", "cell", table.shape[0]), ("var", "gene", table.shape[1])):
        if not n:
            found.append(Problem(f"There are no {kind}s.", "Choose another file.", stops=True))
            continue
        repeated = [name for name, times in Counter(table.names(axis)).items() if times > 1]  # type: ignore[arg-type]
        if repeated:
            some = ", ".join(repeated[:3]) + (", …" if len(repeated) > 3 else "")
            found.append(
                Problem(
                    f"{_count(len(repeated), f'{kind} name')} not unique ({some}).",
                    f"Call adata.{axis}_names_make_unique() and save the file again.",
                    stops=True,
                )
            )
    return found


def place_problems(places: Places) -> tuple[int, list[Problem]]:
    """Return how many parts the neighbor graph has, and what is wrong with the coordinates of the cells.

    Cells of different parts share no neighbor within the ``NEIGHBORS`` nearest cells.
    """
    positions = places.positions
    bad = int((~np.isfinite(positions).all(axis=1)).sum())
    if bad:
        what = f"{bad:,} of {len(positions):,} cells have coordinates that are not finite numbers."
        return 0, [Problem(what, "Remove these cells or give them coordinates.", stops=True)]
    found = []
    if places.unit == "embedding":
        what = f"No spatial coordinates; cells are shown in the embedding {places.embedding}."
        found.append(Problem(what, "Add obsm['spatial'] if the cells come from a section."))
        return 0, found
    alone = len(positions) - len(np.unique(positions, axis=0))
    if alone:
        what = f"{_count(alone, 'cell')} with the same coordinates as another cell."
        found.append(Problem(what, "Several samples may overlap: load them one at a time or side by side."))
    sizes = _parts(positions)
    small = sizes[sizes < FEWEST_IN_PART]
    if small.size:
        where = f"{_count(small.size, 'part')} of fewer than {FEWEST_IN_PART} cells"
        what = f"{_count(int(small.sum()), 'cell')} in {where}."
        found.append(Problem(what, "They have few neighbors; consider excluding them."))
    return len(sizes), found


def column_problems(table: Table) -> list[Problem]:
    """Return the problems that obs columns indicate, such as off-tissue spots."""
    from napari_tissue_dynamics.data.io.labels import column_of
    from napari_tissue_dynamics.data.tissue import Labels

    if IN_TISSUE not in table.keys("obs"):
        return []
    values = column_of(table, IN_TISSUE)
    named = values.values() if isinstance(values, Labels) else values
    beside = int(np.isin([str(value).lower() for value in named], ("0", "0.0", "false", "no")).sum())
    if not 0 < beside < len(named):
        return []
    what = f"{beside:,} of {len(named):,} spots are off-tissue (column {IN_TISSUE})."
    remedy = "Exclude off-tissue spots (button in the Load dock, or --only in_tissue=1)."
    return [Problem(what, remedy)]


def cell_type_problems(labels: Labels | None) -> list[Problem]:
    """Return what is wrong with the cell types."""
    if labels is None:
        remedy = "Choose a column with cell types if available; otherwise all cells are fitted as one type."
        return [Problem("No column of cell types was found.", remedy, "regulation")]
    found = []
    missing = int((labels.codes < 0).sum())
    if missing:
        what = f"{_count(missing, 'cell')} without a cell type in {labels.name}."
        found.append(Problem(what, "They get no coefficients.", "regulation"))
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    single = [name for name, size in zip(labels.categories, sizes, strict=True) if size == 1]
    few = [name for name, size in zip(labels.categories, sizes, strict=True) if 1 < size < FEWEST_OF_TYPE]
    if single:
        what = f"{_named(single)} of {labels.name} {'has' if len(single) == 1 else 'have'} a single cell."
        remedy = "Set 'small types' to 'mean', merge types or choose another column."
        found.append(Problem(what, remedy, "regulation", stops=True))
    if few:
        what = f"{_named(few)} of {labels.name} {'has' if len(few) == 1 else 'have'} fewer than {FEWEST_OF_TYPE} cells."
        found.append(
            Problem(what, "Estimates for them are unreliable; merge types where that makes sense.", "regulation")
        )
    return found


def count_problems(facts: Mapping[str, MatrixFacts]) -> list[Problem]:
    """Return what is wrong with the spliced and unspliced counts."""
    missing = [role for role in ("spliced", "unspliced") if role not in facts]
    if missing:
        what = f"There are no {' and '.join(missing)} counts."
        remedy = "Choose their layers under 'Data mapping', or quantify reads with velocyto, STARsolo or alevin-fry."
        return [Problem(what, remedy, "velocity", stops=True)]
    found = []
    for role in ("spliced", "unspliced"):
        found += _values(facts[role], role, "velocity")
        if facts[role].kind in ("logarithms", "fractions"):
            what = f"The {role} counts ({facts[role].name}) are {facts[role].words}."
            found.append(Problem(what, "Choose the layer with raw counts.", "velocity"))
        if facts[role].kind == "centered":
            what = f"The {role} counts ({facts[role].name}) hold values down to {facts[role].lowest:.3g}."
            found.append(Problem(what, "Choose the layer with raw counts.", "velocity", stops=True))
    both = facts["spliced"].total + facts["unspliced"].total
    share = facts["unspliced"].total / both if both > 0 else 0.0
    if both > 0 and not LOW_SHARE <= share <= HIGH_SHARE:
        what = f"{share:.1%} of the molecules are unspliced; {LOW_SHARE:.0%} to {HIGH_SHARE:.0%} are typical."
        found.append(Problem(what, "Check that the two layers are not swapped or identical.", "velocity"))
    n = shared_genes(facts)
    if n < FEWEST_GENES:
        what = f"Only {n} genes have at least {ENOUGH_MOLECULES} spliced and {ENOUGH_MOLECULES} unspliced molecules."
        found.append(Problem(what, "Lower 'min shared counts' with care, or use deeper data.", "velocity"))
    return found


def expression_problems(facts: Mapping[str, MatrixFacts]) -> list[Problem]:
    """Return what is wrong with the expression that regulation is fitted to."""
    expression = facts.get("expression")
    if expression is None:
        what, remedy = "There is no expression matrix.", "Choose X or a layer under 'Data mapping'."
        return [Problem(what, remedy, "regulation", stops=True)]
    found = _values(expression, "expression", "regulation")
    if expression.kind == "counts":
        what = f"The expression ({expression.name}) holds raw counts."
        remedy = "Log-normalize it (scanpy.pp.normalize_total, log1p), or turn on 'impute', for less noisy maps."
        found.append(Problem(what, remedy, "regulation"))
    return found


def memory_problems(needed: Mapping[str, float]) -> list[Problem]:
    """Return which fits need more memory than is free; ``needed`` has bytes by what the fit is called."""
    free = free_memory()
    fits: Mapping[str, Fit] = {"STEER": "velocity", "SpaceTravLR": "regulation"}
    return [
        Problem(
            f"{name} needs an estimated {size(bytes_)} of memory ({size(free)} free).",
            "Close other programs, choose fewer genes or cells, or use a larger machine.",
            fits[name],
        )
        for name, bytes_ in needed.items()
        if free is not None and bytes_ > free
    ]


def shared_genes(facts: Mapping[str, MatrixFacts]) -> int:
    """Return how many genes have enough spliced and unspliced molecules."""
    if not {"spliced", "unspliced"} <= set(facts):
        return 0
    fewer = np.minimum(facts["spliced"].gene_totals, facts["unspliced"].gene_totals)
    return int((fewer >= ENOUGH_MOLECULES).sum())


def _values(facts: MatrixFacts, role: str, concerns: Fit) -> list[Problem]:
    found = []
    if facts.n_bad:
        what = f"The {role} ({facts.name}) holds {facts.n_bad:,} values that are not finite numbers (NaN)."
        found.append(Problem(what, "Replace them or choose another layer.", "opening", stops=True))
    if facts.kind == "nothing" and not facts.n_bad:
        what = f"The {role} ({facts.name}) is zero everywhere."
        found.append(Problem(what, "Choose another layer.", concerns, stops=True))
    elif facts.n_empty:
        what = f"{facts.n_empty:,} of {facts.shape[0]:,} cells have no counts in {role} ({facts.name})."
        found.append(Problem(what, "Exclude empty cells.", concerns))
    return found


def _parts(positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of cells in every part of the neighbor graph."""
    from scipy.sparse.csgraph import connected_components

    from napari_tissue_dynamics.graph.neighbors import spatial_graph

    if len(positions) < 2:
        return np.ones(len(positions), dtype=np.int64)
    graph = spatial_graph(positions, min(NEIGHBORS, len(positions) - 1))
    return np.bincount(connected_components(graph, directed=False)[1])


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _named(names: Sequence[str]) -> str:
    some = ", ".join(names[:3])
    return (
        f"Type {some}" if len(names) == 1 else f"Types {some}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
    )
