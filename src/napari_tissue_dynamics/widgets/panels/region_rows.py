"""What a comparison of regions looks like in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.widgets.plots.table import Column, plain, signed

if TYPE_CHECKING:
    from napari_tissue_dynamics.analysis.cells.regions import Composition, Differences, RegionComparison

GENES, BETAS, RESULTS, TYPES = "genes", "betas", "time, experts, fates", "cell types"
LEVEL = 0.05
CAUTION = "Nearby cells are not independent, so p-values are too small: use them as a ranking."


def whole(value: float) -> str:
    """Return a number of cells."""
    return f"{value:.0f}"


def tables_of(found: RegionComparison) -> list[str]:
    """Return which tables a comparison has."""
    there = ((GENES, found.genes), (BETAS, found.betas), (RESULTS, found.results), (TYPES, found.composition))
    return [name for name, part in there if part is not None and (name != RESULTS or found.results.names)]


def rows_of(found: RegionComparison, table: str) -> tuple[tuple[Column, ...], list[tuple[Any, ...]]]:
    """Return columns and rows of one table."""
    if table == TYPES:
        assert found.composition is not None
        return _type_columns(found), _type_rows(found.composition, found.n_a, found.n_b)
    part = {GENES: found.genes, BETAS: found.betas, RESULTS: found.results}[table]
    assert part is not None
    return _columns(found, table), _rows(part, with_deviations=table == BETAS)


def first_sorted(lines: list[tuple[Any, ...]], table: str) -> tuple[int, bool]:
    """Return by which column a table is sorted at first, and whether the largest come first.

    Betas are smooth in space, so that nearly all differ by rank; what counts is how sure the fit is of the difference.
    """
    if table == BETAS and any(line[2] == line[2] for line in lines):
        return 2, True
    return {TYPES: 3, BETAS: 3}.get(table, 2), False


def _columns(found: RegionComparison, table: str) -> tuple[Column, ...]:
    first = {GENES: "gene", BETAS: "target ← modulator"}.get(table, "result")
    tip = {GENES: "Enter colors the cells by its expression.", BETAS: "Enter maps the coefficient."}.get(table, "")
    deviation = Column(
        "in sd",
        "Difference in standard deviations that the fit gives it; confident from about 2.",
        signed,
        by_size=True,
    )
    return (
        Column(first, f"What is compared. {tip}"),
        Column("difference", f"Mean in {found.name_a} minus mean in {found.name_b}.", signed, by_size=True),
        *([deviation] if table == BETAS else []),
        Column("FDR", f"False discovery rate (Benjamini-Hochberg) of the Wilcoxon rank-sum test. {CAUTION}", plain),
        Column(
            "AUC",
            f"Probability that a cell of {found.name_a} has more than one of {found.name_b}: 0.5 for no difference.",
            plain,
        ),
        Column(f"mean {found.name_a}", f"Mean of the cells of {found.name_a}.", plain),
        Column(f"mean {found.name_b}", f"Mean of the cells of {found.name_b}.", plain),
        Column("p", f"p-value of the Wilcoxon rank-sum test, two-sided. {CAUTION}", plain),
    )


def _rows(part: Differences, *, with_deviations: bool) -> list[tuple[Any, ...]]:
    tests = part.tests
    columns = [tests.mean_a - tests.mean_b]
    columns += [part.in_deviations] if with_deviations else []
    columns += [part.fdr, tests.above, tests.mean_a, tests.mean_b, tests.p_value]
    return list(zip(part.names, *(column.tolist() for column in columns), strict=True))


def _type_columns(found: RegionComparison) -> tuple[Column, ...]:
    return (
        Column("cell type", "Type of the cells."),
        Column(f"% of {found.name_a}", f"Share of the cells of {found.name_a} that are of the type.", plain),
        Column(f"% of {found.name_b}", f"Share of the cells of {found.name_b} that are of the type.", plain),
        Column("FDR", f"False discovery rate (Benjamini-Hochberg) of Fisher's exact test. {CAUTION}", plain),
        Column("odds ratio", f"Odds of the type in {found.name_a} over those in {found.name_b}.", plain),
        Column(f"cells {found.name_a}", f"Cells of the type in {found.name_a}.", whole),
        Column(f"cells {found.name_b}", f"Cells of the type in {found.name_b}.", whole),
        Column("p", f"p-value of Fisher's exact test, two-sided. {CAUTION}", plain),
    )


def _type_rows(part: Composition, n_a: int, n_b: int) -> list[tuple[Any, ...]]:
    columns = (
        100 * part.count_a / n_a,
        100 * part.count_b / n_b,
        part.fdr,
        part.odds_ratio,
        part.count_a,
        part.count_b,
        part.p_value,
    )
    return list(zip(part.cell_types, *(column.tolist() for column in columns), strict=True))


def in_words(found: RegionComparison) -> str:
    """Return how many cells, genes and betas differ, in sentences."""
    text = f"{found.name_a} ({found.n_a} cells) against {found.name_b} ({found.n_b})."
    if found.shared:
        text += f" {found.shared} cells are in both and are excluded."
    counts = [(part, word) for part, word in ((found.genes, "genes"), (found.betas, "betas")) if part is not None]
    differing = [f"{int((part.fdr <= LEVEL).sum())} of {len(part.names)} {word}" for part, word in counts]
    if differing:
        text += f" {' and '.join(differing)} differ at a false discovery rate of 5 %."
    return f"{text} {CAUTION}"
