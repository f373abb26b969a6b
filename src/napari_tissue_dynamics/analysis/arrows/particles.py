"""Particles that drift along a velocity field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.grid_flow import GridFlow
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField

# Distances between nodes that a particle in the fastest flow drifts during its life.
REACH = 4.0
# Share of its life in which a particle appears, and in which it fades.
FADE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Particles:
    """Where particles are in every frame of a film without end: the first frame follows the last.

    Parameters
    ----------
    positions
        (frames, particles, 2 or 3) float32.
    opacity
        (frames, particles) float32, 0 when a particle is born, has gone or has left the cells.
    """

    positions: NDArray[np.float32]
    opacity: NDArray[np.float32]

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.positions.shape[0])


def particles(
    grid: GridField,
    number: int = 1000,
    n_frames: int = 90,
    *,
    reach: float = REACH,
    births: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> Particles:
    """Let particles drift along a field for a number of frames.

    Every particle lives for as many frames as there are and is then born again where it was born; they are born at
    different frames, so that the film has no beginning. Paths follow the field itself, fast where it is long
    (Runge-Kutta of fourth order, one step a frame).

    Parameters
    ----------
    grid
        The field on the nodes among cells.
    number
        Number of particles.
    n_frames
        Number of frames.
    reach
        How far a particle drifts in its life where the field is longest, in distances between nodes.
    births
        (places, 2 or 3) where particles are born, the positions of the cells say; drawn at random. None takes
        places around the nodes.
    seed
        Seed of the places and frames of birth.

    Returns
    -------
    Places and opacities; memory grows with frames × particles.

    Raises
    ------
    DataError
        If there are no frames or no place to be born.
    """
    if n_frames < 2 or number < 1:
        raise DataError(
            f"{number} particles in {n_frames} frames were requested; at least 1 particle and 2 frames are required."
        )
    rng = np.random.default_rng(seed)
    places = _drawn(grid, number, births, rng)
    flow = GridFlow.of(grid)
    longest = float(np.linalg.norm(grid.arrows, axis=1).max(initial=0.0)) or 1.0
    step = reach * grid.spacing / longest / (n_frames - 1)
    path = np.empty((n_frames, *places.shape))
    among = np.empty((n_frames, number), dtype=bool)
    path[0], among[0] = places, flow.at(places)[1]
    for frame in range(1, n_frames):
        path[frame] = _drift(flow, path[frame - 1], step)
        among[frame] = among[frame - 1] & flow.at(path[frame])[1]
    age = np.linspace(0, 1, n_frames)
    shown = np.clip(np.minimum(age, 1 - age) / FADE, 0, 1)[:, None] * among
    born = rng.integers(n_frames, size=number)
    at = (np.arange(n_frames)[:, None] - born) % n_frames
    own = np.arange(number)
    return Particles(path[at, own].astype(np.float32), shown[at, own].astype(np.float32))


def _drawn(
    grid: GridField, number: int, births: NDArray[np.floating] | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the places of birth, (number, d)."""
    among = grid.positions if births is None else births
    if not len(among):
        raise DataError(
            "No grid node lies among the cells, so particles have no starting point. Fit the velocity again."
        )
    places = np.asarray(among, dtype=np.float64)[rng.integers(len(among), size=number)]
    return places + grid.spacing * rng.uniform(-0.5, 0.5, places.shape) if births is None else places


def _drift(flow: GridFlow, now: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    first = flow.at(now)[0]
    second = flow.at(now + step / 2 * first)[0]
    third = flow.at(now + step / 2 * second)[0]
    fourth = flow.at(now + step * third)[0]
    return now + step / 6 * (first + 2 * second + 2 * third + fourth)
