r"""Cells of a differentiating lineage tree, without a tissue, counted as a single-cell experiment counts them.

A progenitor state splits at branch points until every lineage ends in a state of its own. Transcription of a gene is
switched at a time of its own in some of the segments of the tree and stays as it was in the others,

.. math:: \frac{du}{dt} = \alpha_g x_g(t) - \beta_g u, \qquad \frac{ds}{dt} = \beta_g u - \gamma_g s,
          \qquad x_g \in \{b, 1\}

with rates that differ from gene to gene, and is followed exactly along the path of every cell. Velocity, time, rates,
states and fates are known. The simulation is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.closed_form import evolve
from napari_tissue_dynamics.simulators.genes import Kinetics
from napari_tissue_dynamics.simulators.noise import Noise, measure
from napari_tissue_dynamics.simulators.requests import check_request
from napari_tissue_dynamics.simulators.velocity_kinetics import group_colors, principal_plane
from napari_tissue_dynamics.simulators.velocity_truth import VelocityTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

# Time that a cell spends in a segment of the tree.
SEGMENT = 3.0
# Switches happen before this share of the segment is over.
LATEST = 0.7
ROOT_SWITCHES, SEGMENT_SWITCHES = 0.4, 0.15
ON_AT_FIRST = 0.3
STEADY = 0.05
BASAL = 0.03
LOG_MEDIANS = np.log([1.0, 0.6, 0.25])
"""Of alpha, beta and gamma; alpha in counts of an average cell before its depth is set."""
LOG_SPREADS = np.array([1.0, 0.4, 0.4])
DEPTH = 4000.0
DROPOUT = 0.1
LIBRARY_SPREAD = 0.4
NUMBERS_OF_A_BLOCK = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedBranching:
    """Cells of a lineage tree and what is true of them.

    Parameters
    ----------
    tissue
        What was measured: cells in the plane of the first two principal components of their counts; the cell type is
        the state.
    truth
        Time, velocity, rates and RNA without noise; the regime is the segment of the tree.
    state
        State of every cell: the progenitor, or the end that it can reach alone.
    fate
        (n, ends) float64 probability of every end; rows sum to one. The categories of ``state`` but the first are the
        ends.
    parent
        (segments,) segment before each segment of the tree, -1 for the first.
    switch_time
        (segments, G) when the transcription of a gene is switched in a segment; NaN if it is not.
    """

    tissue: Tissue
    truth: VelocityTruth
    state: Labels
    fate: NDArray[np.float64]
    parent: NDArray[np.int32]
    switch_time: NDArray[np.float64]


def branching_noise() -> Noise:
    """Return the noise of a single-cell experiment: Poisson counts, uneven depth and values lost at random."""
    return Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=DEPTH, dropout=DROPOUT, library_spread=LIBRARY_SPREAD)


def simulate_branching(
    n_cells: int = 3000,
    n_genes: int = 2000,
    seed: int = 0,
    *,
    n_states: int = 5,
    n_branch_points: int = 3,
    noise: Noise | None = None,
) -> SimulatedBranching:
    """Simulate the cells of a lineage tree.

    Parameters
    ----------
    n_cells
        Number of cells, at least 50; they are spread evenly over the time of all segments.
    n_genes
        Number of genes, at least 10. One in twenty is never switched.
    seed
        Seed of every random number; the global random state is neither read nor changed.
    n_states
        Number of states: the progenitor and the ends of the tree.
    n_branch_points
        Number of branch points. Each splits into two, or into more where there are more ends; none gives a line.
    noise
        How the RNA is measured; default :func:`branching_noise`. Cells that share RNA are neighbors by chance.

    Returns
    -------
    The cells and what is true of them. The memory is about eight dense float64 arrays of cells x genes.

    Raises
    ------
    DataError
        If a number is out of its range.
    """
    _check_request(n_cells, n_genes, seed, n_states, n_branch_points)
    tree_rng, noise_rng, gene_rng = np.random.default_rng(seed).spawn(3)
    parent = lineage_tree(n_states, n_branch_points)
    start = _starts(parent)
    segment = tree_rng.permutation(np.arange(n_cells) * len(parent) // n_cells).astype(np.int32)
    time = start[segment] + tree_rng.uniform(0.0, SEGMENT, n_cells)
    genes = _draw_genes(parent, start, n_genes, gene_rng)
    u, s, alpha = _transcribed(time, segment, parent, genes)
    noise = branching_noise() if noise is None else noise
    if noise.depth is not None:
        unit = noise.depth / np.median(s.sum(axis=1))
        u, s, alpha = u * unit, s * unit, alpha * unit
    places = tree_rng.uniform(size=(n_cells, 2))
    unspliced, spliced = measure(u, s, places, noise, noise_rng)
    state, fate = _states_and_fates(parent, segment)
    names = tuple(f"segment {index + 1}" for index in range(len(parent)))
    beta, gamma = (np.broadcast_to(rate, u.shape) for rate in (genes.beta, genes.gamma))
    truth = VelocityTruth.of(
        Kinetics(u, s, alpha, beta, gamma),
        time=time,
        spatial_velocity=None,
        regime=Labels("regime", segment, names, group_colors(len(names))),
        programme=tuple(np.where(genes.switched.any(axis=0), "switched", "steady").tolist()),
    )
    tissue = Tissue(
        cells=tuple(f"cell_{i:05d}" for i in range(n_cells)),
        genes=tuple(f"gene_{i:04d}" for i in range(n_genes)),
        positions=principal_plane(np.log1p(_scaled(spliced))),
        spliced=spliced,
        unspliced=unspliced,
        cell_types=state,
        unit="embedding",
        embedding="pca",
        source="simulated lineage tree",
    )
    switch_time = np.where(genes.switched, genes.switch_time, np.nan)
    return SimulatedBranching(tissue, truth, state, fate, parent, switch_time)


def lineage_tree(n_states: int, n_branch_points: int) -> NDArray[np.int32]:
    """Return the segment before each segment of the tree, -1 for the first; segments come after those before them."""
    ends = n_states - 1
    if n_branch_points == 0:
        return np.array([-1, 0], dtype=np.int32)
    children = np.full(n_branch_points, 2)
    children[: (ends - n_branch_points - 1) % n_branch_points] += 1
    children += (ends - n_branch_points - 1) // n_branch_points
    parent, open_ends = [-1], [0]
    for number in children:
        splitting = open_ends.pop(0)
        parent += [splitting] * int(number)
        open_ends += range(len(parent) - int(number), len(parent))
    return np.array(parent, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Genes:
    """Rates and switches of the genes."""

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    initial: NDArray[np.float64]
    switched: NDArray[np.bool_]
    switch_time: NDArray[np.float64]
    level: NDArray[np.float64]


def _draw_genes(
    parent: NDArray[np.int32], start: NDArray[np.float64], n_genes: int, rng: np.random.Generator
) -> _Genes:
    """Draw rates, and in which segments each gene is switched and when, (segments, G)."""
    rates = np.exp(LOG_MEDIANS[:, None] + LOG_SPREADS[:, None] * rng.normal(size=(3, n_genes)))
    on = rng.random(n_genes) < ON_AT_FIRST
    share = np.full(len(parent), SEGMENT_SWITCHES)
    share[0] = ROOT_SWITCHES
    switched = rng.random((len(parent), n_genes)) < share[:, None]
    never = np.flatnonzero(~switched.any(axis=0))
    switched[rng.integers(len(parent), size=len(never)), never] = True
    steady = rng.permutation(n_genes)[: round(STEADY * n_genes)]
    switched[:, steady], on[steady] = False, True
    level = np.empty_like(switched)
    for segment, before in enumerate(parent):
        level[segment] = (on if before < 0 else level[before]) ^ switched[segment]
    at = start[:, None] + rng.uniform(0.0, LATEST * SEGMENT, switched.shape)
    alpha, beta, gamma = rates
    return _Genes(alpha, beta, gamma, _transcription(on), switched, at, _transcription(level))


def _transcription(level: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of the full transcription of genes that are on (1) or off (0)."""
    return np.where(level, 1.0, BASAL)


def _transcribed(
    time: NDArray[np.float64], segment: NDArray[np.int32], parent: NDArray[np.int32], genes: _Genes
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return unspliced and spliced RNA and the rate of transcription, (n, G) each, of every cell."""
    u, s, alpha = np.empty((3, len(time), len(genes.alpha)))
    zero = np.zeros((1, len(genes.alpha)))
    step = max(1, NUMBERS_OF_A_BLOCK // len(genes.alpha))
    for last in range(len(parent)):
        path = _path(parent, last)
        starts = np.concatenate([zero, genes.switch_time[path]])
        alphas = np.concatenate([genes.initial[None], genes.level[path]]) * genes.alpha
        state = alphas[0] / genes.beta, alphas[0] / genes.gamma
        cells = np.flatnonzero(segment == last)
        for part in np.split(cells, range(step, len(cells), step)):
            u[part], s[part], alpha[part] = evolve(time[part, None], starts, alphas, (genes.beta, genes.gamma), state)
    return u, s, alpha


def _path(parent: NDArray[np.int32], last: int) -> list[int]:
    """Return the segments from the first to ``last``."""
    path = [last]
    while parent[path[0]] >= 0:
        path.insert(0, int(parent[path[0]]))
    return path


def _starts(parent: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return when each segment begins."""
    return np.array([SEGMENT * (len(_path(parent, segment)) - 1) for segment in range(len(parent))])


def _states_and_fates(parent: NDArray[np.int32], segment: NDArray[np.int32]) -> tuple[Labels, NDArray[np.float64]]:
    """Return the state of every cell and the probability of every end; a branch point splits evenly."""
    number = len(parent)
    ends = np.setdiff1d(np.arange(number), parent)
    fate = np.zeros((number, len(ends)))
    fate[ends, np.arange(len(ends))] = 1
    for last in range(number - 1, 0, -1):  # segments come after those before them
        fate[parent[last]] += fate[last] / np.count_nonzero(parent == parent[last])
    state = np.where(np.isin(np.arange(number), ends), np.searchsorted(ends, np.arange(number)) + 1, 0)
    names = ("progenitor", *(f"end {index + 1}" for index in range(len(ends))))
    return Labels("state", state[segment].astype(np.int32), names, group_colors(len(names))), fate[segment]


def _scaled(counts: sparse.csr_array) -> NDArray[np.float64]:
    """Return counts with every cell at the median depth, dense."""
    values = counts.toarray().astype(np.float64)
    size = np.maximum(values.sum(axis=1, keepdims=True), 1.0)
    return values * (np.median(size) / size)


def _check_request(n_cells: int, n_genes: int, seed: int, n_states: int, n_branch_points: int) -> None:
    check_request("lineage tree", n_cells, n_genes, seed)
    if n_branch_points < 0:
        raise DataError(
            f"{n_branch_points} branch points were requested; the number must be at least 0, for example 3."
        )
    fewest = n_branch_points + 2
    if n_states < fewest:
        raise DataError(
            f"A tree with {n_branch_points} branch points has at least {fewest} states, the progenitor and its ends; "
            f"{n_states} were requested. Request more states or fewer branch points."
        )
    if n_branch_points == 0 and n_states > fewest:
        raise DataError(
            f"A line without branch points has {fewest} states; {n_states} were requested. Request a branch point."
        )
