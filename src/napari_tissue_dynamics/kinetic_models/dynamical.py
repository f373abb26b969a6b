r"""The dynamical model: transcription, splicing, degradation, switching time and state of every gene.

.. math:: \frac{du}{dt} = \alpha_k - \beta u, \qquad \frac{ds}{dt} = \beta u - \gamma s

with transcription on from (0, 0) until the switch, and off after it (Bergen et al. 2020, Nat Biotechnol 38:1408). The
curve of a gene and the place of every cell on it are found by turns (:mod:`.portraits`), for all genes together. The
phase portrait has no unit of time: in this module the splicing rate is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.kinetic_models.phase_curve import Shape, curve
from napari_tissue_dynamics.kinetic_models.portraits import Portraits
from napari_tissue_dynamics.progress import Progress, stopped

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.kinetic_models.backend import Backend
    from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
    from napari_tissue_dynamics.progress import StopToken

GENES = 128
# Curves are fitted to this many cells; moments of neighboring cells are nearly redundant.
CELLS = 300
# Smooth moments of this many cells are as informative as one independent cell.
SMOOTHED = 30
MOST_INDEPENDENT = 100
# Numbers of a block of genes x cells when all cells are placed.
BLOCK = 60_000
# Standard deviations of the logarithms of the ratio of the rates, around the slope, and of the switching time.
SPREAD_OF_RATIO, SPREAD_WITHOUT_SCALING, SPREAD_OF_SWITCH = 0.7, 0.01, 1.0
USUAL_RATIO, USUAL_SWITCH = 0.5, 2.0
RATIOS = (0.05, 5.0)
TINY = 1e-12
SINGLE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedSlope:
    """Expected slopes of the steady states before the curves are fitted.

    Parameters
    ----------
    slope
        (G,) unspliced over spliced RNA; 0 if unknown.
    spread
        (G,) standard deviation of its logarithm.
    """

    slope: NDArray[np.float64]
    spread: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The fitted curve of every gene, (G,) float64 each, in the unit of time in which the splicing rate is 1.

    Parameters
    ----------
    slope
        Unspliced over spliced moments at the steady state.
    top
        Spliced moments at the steady state that transcription leads to.
    ratio
        Rate of degradation; the rate of splicing is 1.
    switch
        Time after which transcription ends.
    std_u, std_s
        Standard deviations of the moments, the units of the distances.
    """

    slope: NDArray[np.float64]
    top: NDArray[np.float64]
    ratio: NDArray[np.float64]
    switch: NDArray[np.float64]
    std_u: NDArray[np.float64]
    std_s: NDArray[np.float64]

    @property
    def scaling(self) -> NDArray[np.float64]:
        """(G,) how much more of the unspliced than of the spliced RNA is counted, if the rates are as in the curve."""
        return self.slope / self.ratio

    def stacked(self) -> NDArray[np.float64]:
        """Return the logarithms of the curves in units of the standard deviations, (G, 4)."""
        values = (self.slope * self.std_s / self.std_u, self.top / self.std_s, self.ratio, self.switch)
        return np.log(np.maximum(np.stack(values, axis=1), TINY))


@dataclass(frozen=True, slots=True, eq=False)
class CellPlaces:
    """Where every cell is on the curve of every gene.

    Parameters
    ----------
    time
        (n, G) float32 time since transcription began, in units of one over the splicing rate of the gene.
    induction
        (n, G) float32 probability that transcription is on.
    likelihood
        (G,) float64 likelihood of the curve, per cell.
    r2
        (G,) float64 share of the variation of both kinds of RNA that the curve explains.
    """

    time: NDArray[np.float32]
    induction: NDArray[np.float32]
    likelihood: NDArray[np.float64]
    r2: NDArray[np.float64]


def fit_curves_steps(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    expected: ExpectedSlope,
    config: KineticsConfig,
    backend: Backend,
    stop: StopToken | None = None,
) -> Generator[Progress, None, Curves]:
    """Fit the curve of every gene by expectation and maximization.

    Parameters
    ----------
    u, s
        (n, G) moments.
    expected
        The fit is drawn towards these slopes.
    config
        ``max_iter``, ``fit_scaling`` and ``seed`` are used. Without scaling, the degradation is held at the slope.
    backend
        Where to compute.
    stop
        Looked at after every block of genes.

    Returns
    -------
    The curves. A gene without any variation has a curve without meaning.

    Raises
    ------
    FitError
        If the fit was stopped.
    """
    xp = backend.xp
    cells = np.random.default_rng(config.seed).permutation(len(u))[:CELLS]
    some_u, some_s = u[cells].T, s[cells].T
    std = [np.maximum(np.std(each, axis=0, dtype=np.float64), SINGLE) for each in (u, s)]
    known, weight = _known(expected, std[1] / std[0], config, len(u))
    eye = backend.take(np.eye(4))
    found = np.empty((u.shape[1], 4))
    for start in range(0, len(found), GENES):
        if stopped(stop):
            raise FitError("The fit was stopped before velocities were computed; nothing was changed.")
        genes = slice(start, start + GENES)
        scaled = (some_u[genes] / std[0][genes, None], some_s[genes] / std[1][genes, None])
        taken = [backend.take(each) for each in (*scaled, known[genes], weight[genes])]
        u_part, s_part, expected_part, weight_part = taken
        portraits = Portraits(u_part, s_part, expected_part, weight_part, eye, xp)
        found[genes] = backend.give(portraits.fit(config.max_iter))
        yield Progress("phase portraits", min(genes.stop, len(found)), len(found), min(1.0, genes.stop / len(found)))
    return _curves(found, std[0], std[1])


def place_cells_steps(
    u: NDArray[np.float32],
    s: NDArray[np.float32],
    curves: Curves,
    backend: Backend,
    stop: StopToken | None = None,
) -> Generator[Progress, None, CellPlaces]:
    """Find the place of every cell on the curve of every gene, block by block.

    Parameters
    ----------
    u, s
        (n, G) moments.
    curves
        The curves.
    backend
        Where to compute.
    stop
        Looked at after every block.

    Returns
    -------
    Times, states and likelihoods.

    Raises
    ------
    FitError
        If it was stopped.
    """
    n, number = u.shape
    time, induction = np.empty((2, n, number), dtype=np.float32)
    likelihood, r2 = np.empty((2, number))
    stacked = curves.stacked()
    width = max(1, BLOCK // n)
    for start in range(0, number, width):
        if stopped(stop):
            raise FitError("The fit was stopped before velocities were computed; nothing was changed.")
        genes = slice(start, start + width)
        scaled_u = backend.take((u[:, genes] / curves.std_u[genes]).T)
        scaled_s = backend.take((s[:, genes] / curves.std_s[genes]).T)
        part = backend.take(stacked[genes])
        places = Portraits(scaled_u, scaled_s, part, part * 0, None, backend.xp).place(part, refinements=2)
        tau, on, distance, other = (
            backend.give(each) for each in (places.tau, places.on, places.distance, places.other)
        )
        variance = np.maximum(distance.mean(axis=1, dtype=np.float64), SINGLE)
        time[:, genes] = (tau + (1 - on) * curves.switch[genes, None]).T
        surer = 1 / (1 + np.exp(-np.minimum((other - distance) / (2 * variance[:, None]), 50)))
        induction[:, genes] = np.where(on > 0, surer, 1 - surer).T
        below = backend.give(
            scaled_s < curve(Shape.of(part), places.tau, places.on, backend.xp)[1] * _top(part, backend)
        )
        likelihood[genes] = _likelihood(distance, np.where(below, -1.0, 1.0))
        r2[genes] = 1 - variance / 2  # both kinds of RNA have variance 1
        yield Progress("states of the cells", min(genes.stop, number), number, min(1.0, genes.stop / number))
    return CellPlaces(time, induction, likelihood, r2)


def _top(stacked: NDArray[np.floating], backend: Backend) -> NDArray[np.floating]:
    return Shape.of(stacked).tops(backend.xp)[1]  # type: ignore[no-any-return]


def _likelihood(distance: NDArray[np.floating], sign: NDArray[np.floating]) -> NDArray[np.float64]:
    r"""Return the likelihood per cell of distances of a normal distribution with the variance that they have.

    .. math:: \exp\left(-\tfrac{1}{2} \langle d^2 \rangle / \sigma^2\right) / \sqrt{2 \pi \sigma^2},
              \qquad \sigma^2 = \langle d^2 \rangle - \langle \pm d \rangle^2

    The sign is that of the spliced RNA above or below the curve, as in scVelo.
    """
    mean = distance.mean(axis=1, dtype=np.float64)
    variance = np.maximum(mean - (sign * np.sqrt(distance)).mean(axis=1, dtype=np.float64) ** 2, SINGLE)
    return np.exp(-0.5 * mean / variance) / np.sqrt(2 * np.pi * variance)


def _known(
    expected: ExpectedSlope, unit: NDArray[np.float64], config: KineticsConfig, n_cells: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expected logarithms of slope, top, ratio and switch and the weights of deviations, (G, 4) each.

    If both kinds of RNA are counted alike, the slope of the steady state is the ratio of the rates.
    """
    independent = np.clip(n_cells / SMOOTHED, 1, MOST_INDEPENDENT)
    slope = expected.slope
    ratio = np.clip(np.where(slope > 0, slope, USUAL_RATIO), *RATIOS)
    known = np.stack([slope * unit, np.ones_like(slope), ratio, np.full_like(slope, USUAL_SWITCH)], axis=1)
    spread_of_ratio = SPREAD_OF_RATIO if config.fit_scaling else SPREAD_WITHOUT_SCALING
    spread = np.tile([np.inf, np.inf, spread_of_ratio, SPREAD_OF_SWITCH], (len(slope), 1))
    spread[:, 0] = np.where(slope > 0, expected.spread, np.inf)
    return np.log(np.maximum(known, SINGLE)), 1 / (independent * spread**2)


def _curves(stacked: NDArray[np.float64], std_u: NDArray[np.float64], std_s: NDArray[np.float64]) -> Curves:
    slope, top, ratio, switch = np.exp(np.asarray(stacked, dtype=np.float64)).T
    return Curves(slope * std_u / std_s, top * std_s, ratio, switch, std_u, std_s)
