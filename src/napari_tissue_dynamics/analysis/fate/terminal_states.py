"""States that a Markov chain of cells runs into: terminal states of the chain, initial states of the reversed one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.fate.macrostates import macrostates
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from napari_tissue_dynamics.analysis.fate.macrostates import Macrostates, SlowSpace

# Of a set that the chain only runs through, less of the density is above zero.
LEAST_LOCALITY = 0.7
UNNAMED = "state"
# Okabe and Ito's colors but black, for states without a color of their type.
COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")


@dataclass(frozen=True, slots=True, eq=False)
class EndStates:
    """States that a chain runs into.

    Parameters
    ----------
    codes
        (cells,) int32 state of the cells in which the chain stays most, -1 for all others.
    membership
        (cells,) float32 how far such a cell belongs to its state, 0 to 1; 0 for all others.
    """

    codes: NDArray[np.int32]
    membership: NDArray[np.float32]

    @property
    def number(self) -> int:
        """Number of states."""
        return int(self.codes.max(initial=-1)) + 1


def end_states(
    chain: sparse.csr_array,
    space: SlowSpace,
    *,
    number: int = 0,
    n_cells: int = 30,
    min_stability: float = 0.96,
    order: NDArray[np.floating] | None = None,
    min_order: float = 0.0,
) -> EndStates:
    """Return the metastable sets that a chain runs into, and of each the cells in which it stays most.

    A set counts if it is left with a probability of at most ``1 - min_stability`` per step (Lange et al. 2022), if it
    is local (:class:`.macrostates.Macrostates`), if more steps come to its cells from others than lead away from them,
    and if it does not lie early. The number of sets is that with most such sets, the smallest of several.

    Parameters
    ----------
    chain
        (n, n) rows sum to one.
    space
        Its slow part.
    number
        Number of states; 0 counts those that fulfil the conditions. If it is given, those count of which the least is
        most local.
    n_cells
        Cells of a state.
    min_stability
        Least probability of still being in a set after a step.
    order
        (n,) time of the cells in the direction of the chain, or None.
    min_order
        Least share of cells that lie before the median cell of a set, if there is an order.

    Raises
    ------
    DataError
        If there are no states, or fewer than asked for.
    """
    n_cells = max(1, min(n_cells, chain.shape[0] // max(2, number)))
    best: tuple[float, list[NDArray[np.intp]], NDArray[np.float64]] | None = None
    for size in space.sizes():
        sets = macrostates(space, size)
        cores = [_core(sets.core[:, each], n_cells) for each in range(size)]
        if number:
            chosen = np.argsort(-sets.locality, kind="stable")[:number]
            quality = float(sets.locality[chosen[-1]]) if size >= number else 0.0
        else:
            chosen = np.flatnonzero(_counts(chain, sets, cores, min_stability, order, min_order))
            quality = float(len(chosen))
        if quality > (0.0 if best is None else best[0]):
            best = quality, [cores[each] for each in chosen], sets.membership[:, chosen]
    if best is None:
        raise DataError(_none_found(space, number))
    return _labeled(best[1], best[2])


def named_states(
    codes: NDArray[np.int32], types: Labels | None = None, *, key: str = "terminal", unnamed: str = UNNAMED
) -> Labels:
    """Name every state after the type that most of its cells have, or by its number.

    Parameters
    ----------
    codes
        (cells,) state of each cell, -1 for none.
    types
        Types of the cells, or None.
    unnamed
        What a state is called where there are no types.

    Returns
    -------
    The states. States of the same type are distinguished by numbers, and have its color.
    """
    number = int(codes.max(initial=-1)) + 1
    main = [_main_type(types, codes == state) for state in range(number)]
    names = [f"{unnamed} {state + 1}" if types is None or each < 0 else types.categories[each]
             for state, each in enumerate(main)]  # fmt: skip
    labels = [_numbered(names, state) for state in range(number)]
    own = None if types is None else types.colors
    colors = [COLORS[state % len(COLORS)] if own is None or each < 0 or names.count(names[state]) > 1 else own[each]
              for state, each in enumerate(main)]  # fmt: skip
    return Labels(key, codes.astype(np.int32), tuple(labels), tuple(colors))


def _core(density: NDArray[np.float64], n_cells: int) -> NDArray[np.intp]:
    """Return the cells with most of a density, at most ``n_cells`` of those that have some."""
    order = np.argsort(-density, kind="stable")[:n_cells]
    return order[density[order] > 0]


def _counts(
    chain: sparse.csr_array,
    sets: Macrostates,
    cores: Sequence[NDArray[np.intp]],
    min_stability: float,
    order: NDArray[np.floating] | None,
    min_order: float,
) -> NDArray[np.bool_]:
    """Return which sets the chain runs into."""
    runs_in = np.array([_net_inflow(chain, core) > 0 for core in cores])
    late = np.ones(len(cores), dtype=bool)
    if order is not None:
        late[:] = [np.mean(order < np.median(order[core])) >= min_order for core in cores]
    return (sets.stability >= min_stability) & (sets.locality >= LEAST_LOCALITY) & runs_in & late


def _net_inflow(chain: sparse.csr_array, core: NDArray[np.intp]) -> float:
    """Return how many more steps come to some cells than lead away from them, one starting in every cell."""
    inside = np.zeros(chain.shape[0])
    inside[core] = 1
    return float((chain @ inside).sum() - inside.sum())


def _labeled(cores: Sequence[NDArray[np.intp]], membership: NDArray[np.float64]) -> EndStates:
    """Return states of the cells; a cell of several cores belongs to the one it has most membership in."""
    codes = np.full(len(membership), -1, dtype=np.int32)
    share = np.zeros(len(membership), dtype=np.float32)
    for state, core in enumerate(cores):
        own = np.clip(membership[core, state], 0, 1)
        taken = core[own > share[core]]
        codes[taken], share[taken] = state, own[own > share[core]]
    present = np.unique(codes[codes >= 0])  # a core that others took as a whole is no state
    codes[codes >= 0] = np.searchsorted(present, codes[codes >= 0])
    return EndStates(codes, share)


def _main_type(types: Labels | None, cells: NDArray[np.bool_]) -> int:
    if types is None:
        return -1
    known = types.codes[cells]
    known = known[known >= 0]
    return int(np.bincount(known).argmax()) if known.size else -1


def _numbered(names: Sequence[str], state: int) -> str:
    """Return the name of a state, with a number if others have the same."""
    name = names[state]
    return name if names.count(name) == 1 else f"{name} {names[: state + 1].count(name)}"


def _none_found(space: SlowSpace, number: int) -> str:
    if number:
        most = max(space.sizes(), default=0)
        return (
            f"{number} states were asked for; cells stay for long in {most} sets at most. "
            "Ask for fewer, or name the cells of each state."
        )
    return (
        "No state was found that cells run into and stay in. Ask for a number of states, lower the least stability, "
        "or name the cells of each state."
    )
