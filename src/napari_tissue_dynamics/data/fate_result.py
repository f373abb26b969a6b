"""Where cells end up, where they come from, and which genes go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Labels


@dataclass(frozen=True, slots=True, eq=False)
class FateDrivers:
    """How the expression of every gene goes with the probability of every fate.

    Cells are smoothed over their neighbors and are not independent draws, so all p-values are too small: take them
    as a ranking, not as evidence.

    Parameters
    ----------
    fates
        Names of the terminal states, k.
    genes
        Names of the genes, G.
    correlation
        (G, k) float32 Pearson correlation over cells; NaN where a gene or a fate is the same in all cells.
    p_value
        (G, k) float64, two-sided; 1 where there is no correlation.
    fdr
        (G, k) float64 p-values after Benjamini and Hochberg, over the genes of each fate.
    n_cells
        Number of cells that have a fate.

    Raises
    ------
    DataError
        If shapes disagree.
    """

    fates: tuple[str, ...]
    genes: tuple[str, ...]
    correlation: NDArray[np.float32]
    p_value: NDArray[np.float64]
    fdr: NDArray[np.float64]
    n_cells: int

    def __post_init__(self) -> None:
        shape = (len(self.genes), len(self.fates))
        for name in ("correlation", "p_value", "fdr"):
            found = getattr(self, name)
            if found.shape != shape:
                raise DataError(f"{name} of the driver genes is {found.shape}; {shape} (genes, fates) was expected.")
            found.flags.writeable = False

    def table(self, fate: str | None = None, most: int | None = None) -> pd.DataFrame:
        """Return gene, fate, correlation, p-value and FDR, those that go most with a fate first.

        Parameters
        ----------
        fate
            The only fate; default: all.
        most
            Maximum number of genes of each fate.
        """
        import pandas as pd

        chosen = self.fates if fate is None else (fate,)
        parts = []
        for each in chosen:
            column = self.fates.index(each)
            values = self.correlation[:, column]
            order = np.argsort(-np.nan_to_num(values, nan=-2.0), kind="stable")[:most]
            parts.append(
                pd.DataFrame(
                    {
                        "fate": each,
                        "gene": np.array(self.genes, dtype=object)[order],
                        "correlation": values[order],
                        "p_value": self.p_value[order, column],
                        "fdr": self.fdr[order, column],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True, slots=True, eq=False)
class FateResult:
    """Terminal states, the probabilities that cells end in them, and initial states.

    Parameters
    ----------
    terminal
        Cells of the terminal states; the code is -1 for all other cells.
    probabilities
        (cells, k) float32 probability of ending in each terminal state, in the order of ``terminal.categories``; rows
        sum to one, and are NaN for a cell that reaches none.
    initial
        Cells of the initial states, or None if they were not looked for.
    membership
        (cells,) float32 share of each cell in the metastable set around the terminal state that it belongs to, 0 to 1;
        0 for other cells. None if the states were given.
    drivers
        What goes with the fates, or None if it was not looked for.
    found
        Whether the terminal states were found, not given.

    Raises
    ------
    DataError
        If shapes disagree.
    """

    terminal: Labels
    probabilities: NDArray[np.float32]
    initial: Labels | None = None
    membership: NDArray[np.float32] | None = None
    drivers: FateDrivers | None = None
    found: bool = True

    def __post_init__(self) -> None:
        shape = (len(self.terminal.codes), len(self.terminal.categories))
        if self.probabilities.shape != shape:
            raise DataError(f"Fate probabilities are {self.probabilities.shape}; {shape} (cells, fates) was expected.")
        others = (None if self.initial is None else self.initial.codes, self.membership)
        if any(each is not None and each.shape != shape[:1] for each in others):
            raise DataError(f"Initial states and memberships were expected for each of the {shape[0]} cells.")
        self.probabilities.flags.writeable = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terminal states."""
        return self.terminal.categories

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.probabilities)

    @property
    def unreachable(self) -> NDArray[np.bool_]:
        """(cells,) whether a cell reaches no terminal state."""
        return np.isnan(self.probabilities[:, 0])

    @property
    def n_unreachable(self) -> int:
        """Number of cells that reach no terminal state."""
        return int(self.unreachable.sum())

    @property
    def fate(self) -> NDArray[np.int32]:
        """(cells,) index of the most probable terminal state, -1 for a cell that reaches none."""
        best = np.nan_to_num(self.probabilities, nan=-1.0).argmax(axis=1)
        return np.where(self.unreachable, -1, best).astype(np.int32)

    @property
    def certainty(self) -> NDArray[np.float32]:
        r"""(cells,) how decided a cell is, NaN for a cell that reaches no terminal state.

        One minus the entropy of its probabilities over that of k equal ones,
        :math:`1 + \sum_f p_f \log p_f / \log k`: 1 where one fate is sure, 0 where all are equally likely.
        """
        p = self.probabilities.astype(np.float64)
        entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), np.where(np.isnan(p), np.nan, 0.0)).sum(axis=1)
        certain: NDArray[np.float32] = (1 - entropy / max(np.log(p.shape[1]), np.log(2))).astype(np.float32)
        return certain
