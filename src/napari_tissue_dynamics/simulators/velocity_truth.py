"""What is true in a tissue that was simulated as a benchmark of RNA velocity."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Labels, Tissue
    from napari_tissue_dynamics.simulators.genes import Kinetics


@dataclass(frozen=True, slots=True, eq=False)
class VelocityTruth:
    """What is true in a simulated benchmark of n cells and G genes (the genes of the tissue, in its order).

    All arrays are read-only float64 and free of noise; rates of (n, G) that are alike in all cells share memory.

    Parameters
    ----------
    time
        (n,) time of every cell.
    spatial_velocity
        (n, 2) movement of every cell with the growing tissue, unit of the positions per time; None where there
        is no tissue. It is a property of the growth, not of the RNA.
    velocity
        (n, G) ds/dt = beta u - gamma s, RNA per time.
    alpha
        (n, G) rate of transcription of a gene in a cell at the time of the cell, RNA per time.
    beta, gamma
        (n, G) rates of splicing and degradation, 1 per time.
    unspliced, spliced
        (n, G) RNA without noise.
    regime
        The kinetic regime of every cell; a single category where all cells share their kinetics, and then a
        comparison with found regimes (an adjusted Rand index, say) has no meaning.
    programme
        Name of the kinetic programme of every gene.
    """

    time: NDArray[np.float64]
    spatial_velocity: NDArray[np.float64] | None
    velocity: NDArray[np.float64]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    unspliced: NDArray[np.float64]
    spliced: NDArray[np.float64]
    regime: Labels
    programme: tuple[str, ...]

    def __post_init__(self) -> None:
        make_read_only(getattr(self, field.name) for field in fields(self))

    @classmethod
    def of(cls, kinetics: Kinetics, **others: Any) -> VelocityTruth:
        """Return the truth of cells with this RNA and these rates; ``others`` are the other fields."""
        names = ("velocity", "alpha", "beta", "gamma", "unspliced", "spliced")
        return cls(**{name: getattr(kinetics, name) for name in names}, **others)


def make_read_only(values: Iterable[Any]) -> None:
    """Forbid changes of the arrays among the values."""
    for value in values:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedVelocity:
    """A tissue (or cells in an embedding) and what is true in it."""

    tissue: Tissue
    truth: VelocityTruth
