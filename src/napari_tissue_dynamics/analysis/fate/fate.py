"""Cell fate: terminal states, the probability of every cell to end in each, initial states and driver genes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Interval

from napari_tissue_dynamics.analysis.fate.absorption import absorption_steps
from napari_tissue_dynamics.analysis.fate.drivers import drivers_steps
from napari_tissue_dynamics.analysis.fate.macrostates import slow_space_steps
from napari_tissue_dynamics.analysis.fate.markov import Kernel, fate_chain
from napari_tissue_dynamics.analysis.fate.terminal_states import EndStates, end_states, named_states
from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.fate_result import FateDrivers, FateResult
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.data.tissue import Counts
    from napari_tissue_dynamics.progress import StopToken

# Where the parts of the work end, as shares of the whole.
TERMINAL, INITIAL, ABSORBED = 0.4, 0.7, 0.9
# Maximum number of states if their number is not given.
MOST_STATES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class FateConfig:
    """Settings of the fate computation.

    Parameters
    ----------
    n_states
        Number of terminal states; 0 estimates it. Ignored if terminal states are given.
    connectivity_weight
        Weight of a random walk among similar cells, added to the transitions along the velocity.
    kernel
        Weight of a step by its cosine with the velocity: ``exp`` gives steps against it little weight (as in
        scVelo), ``expm1`` none.
    scale
        How strongly steps in the direction of the velocity are favored.
    n_cells
        Number of cells per estimated terminal or initial state.
    min_stability
        Minimum probability of remaining in a terminal state after a step.
    min_time
        Minimum share of cells with a latent time before a terminal state, or after an initial state; 0 disables
        the criterion. Ignored without latent time.
    find_initial
        Also find initial states, with the reversed Markov chain.
    drivers
        Correlate the expression of every gene with the probability of every fate.
    seed
        Random seed of the search for states.
    """

    n_states: Annotated[int, Interval(ge=0, le=MOST_STATES)] = 0
    connectivity_weight: Annotated[float, Interval(ge=0, le=1)] = 0.2
    kernel: Kernel = "exp"
    scale: Annotated[float, Interval(gt=0, le=100)] = 10.0
    n_cells: Annotated[int, Interval(ge=1, le=10000)] = 30
    min_stability: Annotated[float, Interval(ge=0, le=1)] = 0.96
    min_time: Annotated[float, Interval(ge=0, le=1)] = 0.5
    find_initial: bool = True
    drivers: bool = True
    seed: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A sample of the cells of a large tissue, in which states are looked for.

    The more cells there are, the shorter are the steps between similar cells, and the more of them it takes from one
    state to another; a sample keeps steps as long as they are in a small tissue, and bounds the work.

    Parameters
    ----------
    cells
        (sample,) indices of the cells.
    graph
        Velocity graph of the sample alone.
    """

    cells: NDArray[np.intp]
    graph: VelocityGraph


def fate_steps(
    graph: VelocityGraph,
    config: FateConfig = FateConfig(),
    stop: StopToken | None = None,
    *,
    types: Labels | None = None,
    time: NDArray[np.floating] | None = None,
    terminal: Labels | None = None,
    counts: Counts | None = None,
    genes: Sequence[str] = (),
    sketch: Sketch | None = None,
) -> Generator[Progress, None, FateResult]:
    """Compute terminal states and fate probabilities.

    Parameters
    ----------
    graph
        Cosines of velocities with the steps to similar cells.
    stop
        Ends the work early; there is no result then.
    types
        Types of the cells, to name states after.
    time
        (cells,) latent time, to distinguish terminal states from transient ones.
    terminal
        Cells of the terminal states, -1 for all others, if known; estimated otherwise.
    counts
        (cells, genes) counts that driver genes are found in, or None.
    genes
        Names of these genes.
    sketch
        Sample of the cells that states are looked for in; None takes all cells.

    Returns
    -------
    Terminal states, probabilities, initial states and driver genes.

    Raises
    ------
    DataError
        If no terminal state is found, or those that are given cannot be used.
    FitError
        If the work was ended early.
    """
    given = None if terminal is None else _checked(terminal, len(graph.neighbors))
    chain = _chain(graph, config)
    membership = None
    if given is None:
        found = yield from part_of(_states(graph, sketch, config, time, stop, backward=False), 0.0, TERMINAL)
        given, membership = named_states(found.codes, types, key=keys.TERMINAL_STATES), found.membership
    initial = None
    if config.find_initial:
        initial = yield from part_of(_initial(graph, sketch, config, time, types, stop), TERMINAL, INITIAL)
    probabilities = yield from part_of(absorption_steps(chain, given.codes, stop), INITIAL, ABSORBED)
    drivers: FateDrivers | None = None
    if config.drivers and counts is not None and len(given.categories) > 1:
        looked = drivers_steps(probabilities, counts, genes, given.categories, stop)
        drivers = yield from part_of(looked, ABSORBED, 1.0)
    return FateResult(given, probabilities, initial, membership, drivers, found=terminal is None)


def fate(graph: VelocityGraph, config: FateConfig = FateConfig(), **known: object) -> FateResult:
    """Run :func:`fate_steps` to the end; ``known`` are its keywords."""
    return run_to_end(fate_steps(graph, config, **known))  # type: ignore[arg-type]


def _chain(graph: VelocityGraph, config: FateConfig, *, backward: bool = False) -> sparse.csr_array:
    return fate_chain(
        graph,
        kernel=config.kernel,
        scale=config.scale,
        connectivity_weight=config.connectivity_weight,
        backward=backward,
    )


def _states(
    graph: VelocityGraph,
    sketch: Sketch | None,
    config: FateConfig,
    time: NDArray[np.floating] | None,
    stop: StopToken | None,
    *,
    backward: bool,
) -> Generator[Progress, None, EndStates]:
    """Return the states that the chain, or the reversed one, runs into."""
    looked = graph if sketch is None else sketch.graph
    order = None if time is None or not np.isfinite(time).all() else (-time if backward else time)
    if order is not None and sketch is not None:
        order = order[sketch.cells]
    chain = _chain(looked, config, backward=backward)
    most = min(MOST_STATES, chain.shape[0])
    space = yield from slow_space_steps(chain, most, stop, seed=config.seed)
    found = end_states(
        chain,
        space,
        number=0 if backward else config.n_states,
        n_cells=config.n_cells,
        min_stability=config.min_stability,
        order=order,
        min_order=config.min_time,
    )
    return found if sketch is None else _spread(found, sketch, graph)


def _initial(
    graph: VelocityGraph,
    sketch: Sketch | None,
    config: FateConfig,
    time: NDArray[np.floating] | None,
    types: Labels | None,
    stop: StopToken | None,
) -> Generator[Progress, None, Labels | None]:
    """Return the initial states, None if there are none: a tissue may be without beginning."""
    try:
        found = yield from _states(graph, sketch, config, time, stop, backward=True)
    except DataError:
        return None
    return named_states(found.codes, types, key=keys.INITIAL_STATES)


def _spread(found: EndStates, sketch: Sketch, graph: VelocityGraph) -> EndStates:
    """Return the states of a sample in all cells: each cell of the sample stands for its neighbors too."""
    n = len(graph.neighbors)
    codes, membership = np.full(n, -1, dtype=np.int32), np.zeros(n, dtype=np.float32)
    inside = np.flatnonzero(found.codes >= 0)
    for sample in inside[np.argsort(found.membership[inside], kind="stable")]:  # the surest last
        cells = np.append(graph.neighbors[sketch.cells[sample]], sketch.cells[sample])
        codes[cells], membership[cells] = found.codes[sample], found.membership[sample]
    return replace(found, codes=codes, membership=membership)


def _checked(terminal: Labels, n_cells: int) -> Labels:
    """Return terminal states that were given, without those that have no cell.

    Raises
    ------
    DataError
        If there are none, or they are of other cells.
    """
    if len(terminal.codes) != n_cells:
        raise DataError(
            f"The terminal states are of {len(terminal.codes)} cells, the velocity is of {n_cells}. "
            "Choose them again in this tissue."
        )
    present = np.unique(terminal.codes[terminal.codes >= 0])
    if present.size == 0:
        raise DataError("No cell is in a terminal state. Choose cells for each state.")
    codes = np.where(terminal.codes >= 0, np.searchsorted(present, terminal.codes), -1).astype(np.int32)
    colors = None if terminal.colors is None else tuple(terminal.colors[state] for state in present)
    return Labels(terminal.name, codes, tuple(terminal.categories[state] for state in present), colors)
