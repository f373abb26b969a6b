r"""Genes of the benchmark tissues: rates, transcription over the tissue, programmes, and the RNA that follows.

Formula source: the public TopoVelo simulation of growing tissues, as used in the STEER benchmark. The programmes
"late boost", "multi-kinetic" and "reactivation" are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from napari_tissue_dynamics.kinetics.closed_form import evolve
from napari_tissue_dynamics.simulators.genes import Kinetics, draw_rates
from napari_tissue_dynamics.simulators.velocity_growth import T_MAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.velocity_growth import GrownTissue

KineticsKind: TypeAlias = Literal["friendly", "mixed"]

INDUCTION = "induction and repression"
REPRESSION = "repression"
LATE_BOOST = "late boost"
MULTI_KINETIC = "multi-kinetic"
REACTIVATION = "reactivation"
SHARES: dict[KineticsKind, dict[str, float]] = {
    "friendly": {REPRESSION: 0.2},
    "mixed": {REPRESSION: 0.2, LATE_BOOST: 0.2, MULTI_KINETIC: 0.2, REACTIVATION: 0.1},
}
"""Share of the genes with each programme; all others are induced and repressed."""

LOG_RATES = np.array([1.0, 0.0, 0.0])
ON = (0.0, 0.1 * T_MAX)
OFF = (0.3 * T_MAX, T_MAX)
BOOST_TIME = (0.5 * T_MAX, 0.8 * T_MAX)
BOOST_FACTOR = (3.0, 8.0)
REACTIVATION_TIME = (0.4 * T_MAX, 0.7 * T_MAX)
BLOCK = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Programmes:
    """What the genes do, the same in every cell up to the rates of its region and the factor over the tissue.

    Parameters
    ----------
    names
        Name of the programme of every gene.
    rates
        (regions, 3, genes) alpha, beta and gamma.
    starts
        (3, genes) when the phases of transcription start.
    levels
        (3, genes) transcription in each phase, as a multiple of alpha.
    initial
        (genes,) transcription before time 0, as a multiple of alpha; the RNA begins at its steady state.
    """

    names: tuple[str, ...]
    rates: NDArray[np.float64]
    starts: NDArray[np.float64]
    levels: NDArray[np.float64]
    initial: NDArray[np.float64]


def draw_programmes(n_genes: int, n_regions: int, kind: KineticsKind, rng: np.random.Generator) -> Programmes:
    """Draw rates, switching times and programmes; both kinds of kinetics share what they have in common."""
    rates = draw_rates(n_genes, LOG_RATES, np.ones(3), rng)
    on, off = rng.uniform(*ON, n_genes), rng.uniform(*OFF, n_genes)
    names = _draw_names(n_genes, SHARES[kind], rng)
    boost, again = rng.uniform(*BOOST_TIME, n_genes), rng.uniform(*REACTIVATION_TIME, n_genes)
    factor = rng.uniform(*BOOST_FACTOR, n_genes)
    regional = np.stack([draw_rates(n_genes, LOG_RATES, np.ones(3), rng) for _ in range(n_regions)])
    rates = np.where(names == MULTI_KINETIC, regional, rates)
    zero, one = np.zeros(n_genes), np.ones(n_genes)
    phases = {
        REPRESSION: ((zero, zero, zero), (zero, zero, zero)),
        LATE_BOOST: ((zero, on, boost), (zero, one, factor)),
        REACTIVATION: ((zero, zero, again), (zero, zero, one)),
    }
    starts, levels = np.array([zero, on, off]), np.array([zero, one, zero])
    for name, (times, heights) in phases.items():
        starts, levels = np.where(names == name, times, starts), np.where(names == name, heights, levels)
    initial = np.isin(names, [REPRESSION, REACTIVATION]).astype(np.float64)
    return Programmes(tuple(names.tolist()), rates, starts, levels, initial)


def bilinear_factor(local: NDArray[np.float64], n_genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the factor of transcription over the two bands, (cells, genes).

    Each gene has two equal Gaussian peaks at opposite places; the factor is 1 at the peaks (and up to 1.14
    between peaks that are closer than their width).

    Parameters
    ----------
    local
        (cells, 2) coordinates along and across the bands.
    n_genes
        Number of genes.
    rng
        Random numbers.
    """
    peak = rng.uniform(local.min(axis=0), local.max(axis=0), (n_genes, 2))
    width = local.std(axis=0) * np.exp(rng.normal(1.0, 0.5, (n_genes, 2)))
    factor = _bell(local, peak, width) + _bell(local, -peak, width)
    return factor / (1.0 + np.exp(-0.5 * ((2 * peak / width) ** 2).sum(axis=1)))


def multiradial_factor(grown: GrownTissue, n_genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the factor of transcription over the four disks, (cells, genes), in (0, 1].

    Each gene peaks at a distance from the center and an angle, which turns by 90 degrees from disk to disk.
    """
    radius, angle = grown.local.T
    first = grown.region == 0
    peak_radius = rng.uniform(0.0, radius[first].max(), n_genes)
    peak_angle = rng.uniform(angle[first].min(), angle[first].max(), n_genes)
    radial = radius[first].std() * np.exp(rng.normal(1.0, 0.5, n_genes))
    angular = np.exp(rng.normal(1.0, 1.0, n_genes))
    turn = (angle - grown.region * np.pi / 2)[:, None] - peak_angle
    return np.exp(-0.5 * (((radius[:, None] - peak_radius) / radial) ** 2 + ((1 - np.cos(turn)) / angular) ** 2))


def transcribe(
    time: NDArray[np.float64], region: NDArray[np.int32], factor: NDArray[np.float64], programmes: Programmes
) -> Kinetics:
    """Follow every cell through the phases of its genes, at the transcription factor it has now.

    Parameters
    ----------
    time
        (cells,) time of every cell.
    region
        (cells,) which rates of the programmes hold in a cell.
    factor
        (cells, genes) factor of transcription.
    programmes
        What the genes do.

    Returns
    -------
    RNA and rates of every cell and gene; the rates are views where all regions share them.
    """
    u, s, alpha = np.empty((3, *factor.shape))
    step = max(1, BLOCK // factor.shape[1])
    for index, (rate, *rates) in enumerate(programmes.rates):
        cells = np.flatnonzero(region == index)
        for block in np.split(cells, range(step, len(cells), step)):
            full = rate * factor[block]
            initial = programmes.initial * full
            state = initial / rates[0], initial / rates[1]
            alphas = programmes.levels[:, None, :] * full
            now = time[block, None]
            u[block], s[block], alpha[block] = evolve(now, programmes.starts, alphas, (rates[0], rates[1]), state)
    beta, gamma = (_spread(programmes.rates[:, i], region) for i in (1, 2))
    return Kinetics(np.maximum(u, 0.0), np.maximum(s, 0.0), alpha, beta, gamma)


def _spread(rates: NDArray[np.float64], region: NDArray[np.int32]) -> NDArray[np.float64]:
    """Give every cell the rates of its region, (cells, genes)."""
    if (rates == rates[0]).all():
        return np.broadcast_to(rates[0], (len(region), rates.shape[1]))
    return rates[region]


def _draw_names(n_genes: int, shares: dict[str, float], rng: np.random.Generator) -> NDArray[np.object_]:
    """Return the programme of every gene, (genes,); a programme in two kinds of kinetics has the same genes."""
    names = np.full(n_genes, INDUCTION, dtype=object)
    order = rng.permutation(n_genes)
    for name, share in shares.items():
        count = round(share * n_genes)
        names[order[:count]] = name
        order = order[count:]
    return names


def _bell(places: NDArray[np.float64], peak: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
    along = (places[:, :1] - peak[:, 0]) / width[:, 0]
    across = (places[:, 1:] - peak[:, 1]) / width[:, 1]
    bell: NDArray[np.float64] = np.exp(-0.5 * (along**2 + across**2))
    return bell
