r"""Cells without a tissue whose genes follow rates that change in time, integrated numerically.

.. math::

    \frac{du}{dt} = \alpha(t) - \beta(t) u, \qquad \frac{ds}{dt} = \beta(t) u - \gamma(t) s, \qquad
    \theta(t) = \theta_{end} - (\theta_{end} - \theta_{start}) e^{-r t}

Formula source: the kinetic simulation of the STEER publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.linalg import eigh

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.genes import Kinetics
from napari_tissue_dynamics.simulators.requests import check_request
from napari_tissue_dynamics.simulators.velocity_truth import SimulatedVelocity, VelocityTruth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class Course(NamedTuple):
    """How a rate changes in time: from ``start`` to ``end`` at ``rate`` (1 per time), or ``end`` throughout."""

    end: float
    start: float | None = None
    rate: float | None = None


class Rates(NamedTuple):
    """Courses of transcription, splicing and degradation of a gene in one group of cells."""

    alpha: Course
    beta: Course
    gamma: Course


def _constant(alpha: float, beta: float, gamma: float) -> Rates:
    return Rates(Course(alpha), Course(beta), Course(gamma))


PATTERNS: dict[str, tuple[Rates, ...]] = {
    # Slow rates, so that the rise is not over when time ends.
    "Partial_Up": (_constant(1.0, 0.1, 0.05), _constant(1.0, 0.1, 0.05)),
    "Trans_Boost": (_constant(1.0, 0.5, 0.3), _constant(5.0, 0.5, 0.3)),
    "Multi_Forward": (_constant(2.0, 0.8, 0.5), _constant(4.0, 0.3, 0.15)),
    # A short burst, then a decline that is not over when time ends.
    "Partial_Down": (
        Rates(Course(0.0, 10.0, 1.0), Course(0.5), Course(0.06)),
        _constant(0.0, 0.5, 0.06),
    ),
    "Multi_Back": (
        Rates(Course(0.0, 10.0, 0.5), Course(1.0), Course(0.1)),
        _constant(0.0, 0.2, 0.4),
    ),
    "Whole_Single": (_constant(3.0, 0.5, 0.3), _constant(0.0, 0.5, 0.3)),
}
"""Rates of two groups of cells, by pattern; for :func:`simulate_kinetics` with its own spans of time."""


Mode: TypeAlias = Literal["sequential", "progenitor"]

MODES = ("sequential", "progenitor")
SPANS = ((0.0, 10.0), (10.0, 20.0))
JITTER = (0.9, 1.1)
NOISE_QUANTILE = 0.99
NOISE_UNIT = 1 / 20
TOLERANCE = 1e-6
MOST_TURNOVERS = 5000.0
GROUP_COLORS = ("#d55e00", "#56b4e9", "#009e73", "#cc79a7", "#e69f00", "#0072b2", "#f0e442", "#7f7f7f")


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """The course of one rate of all genes in one group."""

    end: NDArray[np.float64]
    start: NDArray[np.float64]
    rate: NDArray[np.float64]

    def at(self, time: float | NDArray[np.float64]) -> NDArray[np.float64]:
        return self.end - (self.end - self.start) * np.exp(-self.rate * time)


def simulate_kinetics(
    patterns: Mapping[str, Sequence[Rates]] = PATTERNS,
    n_cells: int = 2000,
    n_genes: int = 1500,
    seed: int = 42,
    *,
    mode: Mode = "sequential",
    spans: Sequence[tuple[float, float]] = SPANS,
    noise_level: float = 0.2,
) -> SimulatedVelocity:
    """Simulate groups of cells whose genes follow rates that change in time; there is no tissue.

    The first group starts without RNA. In the mode ``"sequential"`` each group goes on where the one before
    it ended, in the mode ``"progenitor"`` where the first one ended. Each end value of a rate is multiplied,
    gene by gene, by a factor in U(0.9, 1.1) that is the same in all groups, so that a gene with the same
    rates in all groups keeps one kinetics. The positions of the cells are the first two principal components
    of the logarithm of one plus the measured spliced RNA.

    Parameters
    ----------
    patterns
        By name: the rates of one gene in each group, as many as there are spans. The names become the
        programmes of the genes, which are divided evenly among the patterns.
    n_cells
        Number of cells, at least 50, divided evenly among the groups.
    n_genes
        Number of genes, at least one per pattern.
    seed
        Seed of every random number; the global random state is neither read nor changed.
    mode
        Where later groups begin.
    spans
        (begin, end) of the time of each group; its cells are evenly spaced, the end excluded. The time in
        the course of a rate is the time of the cell.
    noise_level
        Standard deviation of the Gaussian noise, as a multiple of a twentieth of the 99th percentile of the
        RNA of the gene. Negative values become 0.

    Returns
    -------
    The cells in their embedding and what is true in them; the regime of a cell is its group.

    Raises
    ------
    DataError
        If a number is out of its range or groups, spans and patterns do not fit.
    """
    _check_request(n_cells, n_genes, seed, mode, noise_level)
    _check_groups(patterns, spans, n_genes)
    rng = np.random.default_rng(seed)
    names = tuple(np.array(list(patterns))[np.arange(n_genes) * len(patterns) // n_genes].tolist())
    jitter = rng.uniform(*JITTER, (3, n_genes))
    groups = [_courses([patterns[name][index] for name in names], jitter) for index in range(len(spans))]
    group = (np.arange(n_cells) * len(spans) // n_cells).astype(np.int32)
    counts = np.bincount(group)
    times = [np.linspace(*span, count, endpoint=False) for span, count in zip(spans, counts, strict=True)]
    u, s = _integrate(groups, times, spans, mode)
    alpha, beta, gamma = (_rates_of_cells([courses[i] for courses in groups], times) for i in range(3))
    categories = tuple(f"group {index + 1}" for index in range(len(spans)))
    truth = VelocityTruth.of(
        Kinetics(u, s, alpha, beta, gamma),
        time=np.concatenate(times),
        spatial_velocity=None,
        regime=Labels("regime", group, categories, group_colors(len(spans))),
        programme=names,
    )
    return SimulatedVelocity(_tissue(u, s, noise_level, rng), truth)


def _courses(rates: list[Rates], jitter: NDArray[np.float64]) -> list[_Course]:
    """Return the courses of alpha, beta and gamma of all genes of one group."""
    courses = []
    for column, factor in zip(zip(*rates, strict=True), jitter, strict=True):
        end = np.array([course.end for course in column]) * factor
        changing = np.array([course.start is not None and course.rate is not None for course in column])
        start = np.where(changing, [course.start or 0.0 for course in column], end)
        courses.append(_Course(end, start, np.array([course.rate or 0.0 for course in column])))
    return courses


def _integrate(
    groups: list[list[_Course]],
    times: list[NDArray[np.float64]],
    spans: Sequence[tuple[float, float]],
    mode: Mode,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return unspliced and spliced RNA of all cells, (cells, genes) each, group after group."""
    n_genes = len(groups[0][0].end)
    begin = np.zeros(2 * n_genes)
    states = []
    for index, (courses, time, span) in enumerate(zip(groups, times, spans, strict=True)):
        path, end = _solve(courses, time, span, begin)
        states.append(path)
        if mode == "sequential" or index == 0:
            begin = end
    state = np.maximum(np.concatenate(states), 0.0)
    return state[:, :n_genes].copy(), state[:, n_genes:].copy()


def _solve(
    courses: list[_Course], time: NDArray[np.float64], span: tuple[float, float], begin: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the states of a group at ``time``, (cells, 2 genes), and the state when its span ends."""
    n_genes = len(begin) // 2

    def change(t: float, state: NDArray[np.float64]) -> NDArray[np.float64]:
        alpha, beta, gamma = (course.at(t) for course in courses)
        spliced = beta * state[:n_genes]
        return np.concatenate([alpha - spliced, spliced - gamma * state[n_genes:]])

    solution = solve_ivp(
        change, span, begin, method="RK45", t_eval=np.append(time, span[1]), rtol=TOLERANCE, atol=TOLERANCE
    )
    return solution.y[:, :-1].T, solution.y[:, -1]


def _rates_of_cells(courses: list[_Course], times: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return one rate in every cell, (cells, genes), from its course in every group."""
    return np.concatenate([course.at(time[:, None]) for course, time in zip(courses, times, strict=True)])


def _tissue(
    unspliced: NDArray[np.float64], spliced: NDArray[np.float64], noise: float, rng: np.random.Generator
) -> Tissue:
    n_cells, n_genes = spliced.shape
    u, s = _noisy(unspliced, noise, rng), _noisy(spliced, noise, rng)
    return Tissue(
        cells=tuple(f"cell_{i:05d}" for i in range(n_cells)),
        genes=tuple(f"gene_{i:03d}" for i in range(n_genes)),
        positions=principal_plane(np.log1p(s)),
        spliced=sparse.csr_array(s.astype(np.float32)),
        unspliced=sparse.csr_array(u.astype(np.float32)),
        unit="embedding",
        embedding="pca",
        source="simulated kinetics",
    )


def _noisy(rna: NDArray[np.float64], level: float, rng: np.random.Generator) -> NDArray[np.float64]:
    spread = level * NOISE_UNIT * np.quantile(rna, NOISE_QUANTILE, axis=0)
    return np.maximum(rng.normal(rna, spread), 0.0)


def principal_plane(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first two principal components of the cells, (cells, 2); each grows with its largest loading."""
    centered = values - values.mean(axis=0)
    last = values.shape[1] - 1
    axes = eigh(centered.T @ centered, subset_by_index=[last - 1, last])[1][:, ::-1]
    sign = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    scores: NDArray[np.float64] = centered @ (axes * sign)
    return scores


def group_colors(n_groups: int) -> tuple[str, ...]:
    """Return a color for each group."""
    return tuple(GROUP_COLORS[index % len(GROUP_COLORS)] for index in range(n_groups))


def _check_request(n_cells: int, n_genes: int, seed: int, mode: str, noise_level: float) -> None:
    check_request("simulation", n_cells, n_genes, seed)
    if mode not in MODES:
        raise DataError(f"The mode {mode!r} is unknown; {' or '.join(map(repr, MODES))} was expected.")
    if not (np.isfinite(noise_level) and noise_level >= 0):
        raise DataError(f"A noise level of {noise_level} was requested; it must be at least 0.")


def _check_groups(patterns: Mapping[str, Sequence[Rates]], spans: Sequence[tuple[float, float]], n_genes: int) -> None:
    if not 1 <= len(patterns) <= n_genes:
        raise DataError(f"{len(patterns)} patterns were given for {n_genes} genes; choose 1 to {n_genes} patterns.")
    if not spans or not all(np.isfinite(span).all() and span[0] < span[1] for span in spans):
        raise DataError(f"The time intervals are {tuple(spans)}; each must begin before it ends.")
    # The steps of the integration must resolve the fastest turnover.
    fastest = MOST_TURNOVERS / max(end - begin for begin, end in spans)
    for name, groups in patterns.items():
        if len(groups) != len(spans):
            raise DataError(
                f"The pattern {name!r} has rates for {len(groups)} groups; {len(spans)} were expected, one per span."
            )
        courses = [course for rates in groups for course in rates]
        turnovers = [value for rates in groups for course in rates[1:] for value in course[:2]]
        turnovers += [course.rate for course in courses]
        if not all(0 <= (value or 0.0) < np.inf for course in courses for value in course):
            raise DataError(f"The pattern {name!r} has a negative or infinite rate; rates are at least 0.")
        if max(value or 0.0 for value in turnovers) > fastest:
            raise DataError(f"The pattern {name!r} has rates that are too high; choose rates up to {fastest:g}.")
