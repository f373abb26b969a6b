"""A region of a tissue against the rest or another region: cell types, expression, results and betas.

Cells that lie near each other are alike and are not independent draws, so all p-values are too small: take them as a
ranking, not as evidence. Betas vary smoothly by construction; for them the difference in standard deviations of the
fit states its uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.analysis.cells.rank_sum import RankSums, rank_sum_steps, rank_sums
from napari_tissue_dynamics.data.regulation_field import LayerKey
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, timed
from napari_tissue_dynamics.travlr.expression import expression_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
    from napari_tissue_dynamics.data.tissue import Labels, Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken

FEWEST_CELLS = 3
REST = "rest"
GENE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Region:
    """Some cells with a name.

    Parameters
    ----------
    cells
        (cells,) which cells of the tissue lie in it.
    """

    name: str
    cells: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """How many cells of each type two regions have.

    Parameters
    ----------
    count_a, count_b
        (types,) numbers of cells.
    odds_ratio
        (types,) odds of the type in the first region over those in the second; inf where the second has none.
    p_value, fdr
        (types,) from Fisher's exact test, two-sided, and after Benjamini and Hochberg.
    """

    cell_types: tuple[str, ...]
    count_a: NDArray[np.int64]
    count_b: NDArray[np.int64]
    odds_ratio: NDArray[np.float64]
    p_value: NDArray[np.float64]
    fdr: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """Columns that differ between two regions: their names, means and tests.

    Parameters
    ----------
    names
        Genes, results (``expert 0``, ``latent time``) or ``target ← modulator``.
    fdr
        (names,) after Benjamini and Hochberg over all names.
    in_deviations
        (names,) difference of the means over the standard deviation that the fit gives it; NaN when not known.
    """

    names: tuple[str, ...]
    tests: RankSums
    fdr: NDArray[np.float64]
    in_deviations: NDArray[np.float64]

    @classmethod
    def of(
        cls, names: tuple[str, ...], tests: RankSums, in_deviations: NDArray[np.float64] | None = None
    ) -> Differences:
        """Add the false discovery rates to the tests of some columns."""
        unknown = np.full(len(names), np.nan)
        return cls(names, tests, tests.fdr(), unknown if in_deviations is None else in_deviations)


@dataclass(frozen=True, slots=True, eq=False)
class RegionComparison:
    """A region against the rest or another one.

    Parameters
    ----------
    n_a, n_b
        Their numbers of cells, excluding cells in both.
    shared
        Number of cells in both, which are excluded.
    composition
        Cell types, None without types.
    genes
        Expression of every gene, None without expression.
    results
        Latent time, weights of experts and probabilities of fates, those that there are.
    betas
        Every coefficient of every fitted gene that is not zero everywhere, None without a fit.
    """

    name_a: str
    name_b: str
    n_a: int
    n_b: int
    shared: int
    composition: Composition | None
    genes: Differences | None
    results: Differences
    betas: Differences | None


def compare_steps(
    tissue: Tissue,
    a: Region,
    b: Region | None = None,
    stop: StopToken | None = None,
    *,
    velocity: VelocityField | None = None,
    regulation: RegulationField | None = None,
    further: Mapping[str, NDArray[np.floating[Any]]] | None = None,
) -> Generator[Progress, None, RegionComparison | None]:
    """Compare a region with the rest of the tissue or with another region.

    Parameters
    ----------
    a, b
        The regions; without ``b`` all other cells.
    further
        (cells,) further results by name, such as probabilities of fates; cells without a value are excluded.

    Yields
    ------
    Progress, a few times a second.

    Returns
    -------
    The comparison, None when stopped.

    Raises
    ------
    DataError
        If a region is of another tissue, or has fewer than three cells of its own.
    """
    rows, in_a, shared, name_b = _rows(tissue, a, b)
    composition = None if tissue.cell_types is None else _composition(tissue.cell_types, rows, in_a)
    genes: Differences | None = None
    if tissue.expression is not None or tissue.spliced is not None:
        expression = expression_of(tissue)
        part = expression if len(rows) == tissue.n_cells else expression[rows]
        tests = yield from timed(rank_sum_steps(part, in_a), "genes", stop, (0.0, GENE_SHARE))
        if tests is None:
            return None
        genes = Differences.of(tissue.genes, tests)
    columns = result_columns(velocity, further or {})
    results = Differences.of(tuple(columns), _of_known([values[rows] for values in columns.values()], in_a))
    betas: Differences | None = None
    if regulation is not None and regulation.genes:
        betas = yield from _beta_steps(tissue, regulation, rows, in_a, stop)
        if betas is None:
            return None
    n_a = int(in_a.sum())
    return RegionComparison(a.name, name_b, n_a, len(rows) - n_a, shared, composition, genes, results, betas)


def _rows(tissue: Tissue, a: Region, b: Region | None) -> tuple[NDArray[np.intp], NDArray[np.bool_], int, str]:
    """Return the cells of both regions, which are in the first, how many are in both, and the second's name."""
    for region in (a, b):
        if region is not None and region.cells.shape != (tissue.n_cells,):
            raise DataError(
                f"Region {region.name} is of {len(region.cells)} cells but the tissue has {tissue.n_cells}. "
                "Draw it again."
            )
    first = a.cells
    second = ~first if b is None else b.cells
    both = first & second
    name_b = REST if b is None else b.name
    for name, cells in ((a.name, first & ~both), (name_b, second & ~both)):
        if cells.sum() < FEWEST_CELLS:
            apart = f" besides the {int(both.sum())} that lie in both" if both.any() else ""
            raise DataError(
                f"{name} has {int(cells.sum())} cells{apart}; at least {FEWEST_CELLS} are needed to compare. "
                "Draw a larger region."
            )
    rows = np.flatnonzero(first ^ second)
    return rows, first[rows], int(both.sum()), name_b


def _composition(labels: Labels, rows: NDArray[np.intp], in_a: NDArray[np.bool_]) -> Composition:
    from scipy.stats import false_discovery_control, fisher_exact

    codes, names = labels.codes[rows], labels.categories
    if (codes < 0).any():
        names = (*names, "unassigned")
        codes = np.where(codes < 0, len(labels.categories), codes)
    counts = [np.bincount(codes[part], minlength=len(names)) for part in (in_a, ~in_a)]
    there = np.flatnonzero(counts[0] + counts[1])
    count_a, count_b = (each[there] for each in counts)
    totals = int(in_a.sum()), int((~in_a).sum())
    tests = [
        fisher_exact(np.array([[x, totals[0] - x], [y, totals[1] - y]]))
        for x, y in zip(count_a.tolist(), count_b.tolist(), strict=True)
    ]
    odds, p_value = np.array([(each.statistic, each.pvalue) for each in tests], dtype=np.float64).reshape(-1, 2).T
    cell_types = tuple(names[k] for k in there)
    return Composition(cell_types, count_a, count_b, odds, p_value, np.asarray(false_discovery_control(p_value)))


def result_columns(
    velocity: VelocityField | None, further: Mapping[str, NDArray[np.floating[Any]]]
) -> dict[str, NDArray[np.floating[Any]]]:
    """Return the results with one number for each cell by name: time, weights of experts, and further ones."""
    found: dict[str, NDArray[np.floating[Any]]] = {}
    if velocity is not None and velocity.time is not None:
        found["latent time"] = velocity.time
    if velocity is not None and velocity.expert_probability is not None:
        weights = velocity.expert_probability
        found.update({f"expert {k}": weights[:, k] for k in range(weights.shape[1])})
    return {**found, **further}


def _of_known(columns: list[NDArray[np.floating[Any]]], in_a: NDArray[np.bool_]) -> RankSums:
    """Test one column after the other, each among the cells that have a value."""
    parts = [np.empty((4, 0))]
    for values in columns:
        known = np.isfinite(values)
        part = in_a[known]
        if part.any() and not part.all():
            found = rank_sums(values[known, None], part)
            parts.append(np.stack([found.mean_a, found.mean_b, found.above, found.p_value]))
        else:
            parts.append(np.array([[np.nan], [np.nan], [np.nan], [1.0]]))
    return RankSums(*np.concatenate(parts, axis=1))


def _beta_steps(
    tissue: Tissue,
    regulation: RegulationField,
    rows: NDArray[np.intp],
    in_a: NDArray[np.bool_],
    stop: StopToken | None,
) -> Generator[Progress, None, Differences | None]:
    """Compare the betas of one gene after the other; memory is that of the betas of one."""
    names: list[str] = []
    parts, spreads = [np.empty((4, 0))], [np.empty(0)]
    n = len(regulation.genes)
    for k, fit in enumerate(regulation.genes):
        if fit.coefficients.shape[0] != tissue.n_cells:
            raise DataError(
                f"The betas of {fit.target} are of {fit.coefficients.shape[0]} cells but the tissue has "
                f"{tissue.n_cells}. Load the tissue that it was fitted on."
            )
        betas = _betas(fit, rows)
        used = np.flatnonzero(betas.any(axis=0))
        share = (1 - GENE_SHARE) / n
        span = (GENE_SHARE + k * share, GENE_SHARE + (k + 1) * share)
        phase = f"betas of {fit.target}"
        tests = yield from timed(rank_sum_steps(betas[:, used], in_a), phase, stop, span)
        if tests is None:
            return None
        names += [LayerKey("beta", fit.target, fit.modulators[j]).pair for j in used]
        parts.append(np.stack([tests.mean_a, tests.mean_b, tests.above, tests.p_value]))
        difference = tests.mean_a - tests.mean_b
        deviation = np.sqrt(_variance(tissue, fit, rows[in_a]) + _variance(tissue, fit, rows[~in_a]))[used]
        spreads.append(np.divide(difference, deviation, out=np.full(len(used), np.nan), where=deviation > 0))
    found = RankSums(*np.concatenate(parts, axis=1))
    return Differences.of(tuple(names), found, np.concatenate(spreads))


def _betas(fit: GeneFit, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the (rows, modulators) coefficients without the intercept."""
    coefficients = fit.coefficients
    if isinstance(coefficients, np.ndarray):
        return coefficients[rows, 1:]
    return coefficients.values(columns=slice(1, None), cells=rows)


def _variance(tissue: Tissue, fit: GeneFit, cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the (modulators,) mean variance of the coefficients of some cells; NaN when not known.

    Coefficients of near cells err together, so that the mean over a region is taken to be no surer than one cell.
    """
    if fit.deviations is None:
        return np.full(len(fit.modulators), np.nan)
    squares = fit.deviations[:, 1:].astype(np.float64) ** 2
    labels = tissue.cell_types
    if labels is None:
        return squares[0]
    place = {name: k for k, name in enumerate(fit.clusters)}
    of_code = np.array([*(place.get(name, -1) for name in labels.categories), -1])
    clusters = of_code[labels.codes[cells]]
    counts = np.bincount(clusters[clusters >= 0], minlength=len(squares))
    return counts @ squares / counts.sum() if counts.any() else np.full(len(fit.modulators), np.nan)
