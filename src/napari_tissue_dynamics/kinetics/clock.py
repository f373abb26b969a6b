"""The clock of a tissue: one latent time, the kinetic regimes, and the rates of every gene in each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.graph.neighbors import spatial_graph
from napari_tissue_dynamics.kinetics.phase_line import fit_line
from napari_tissue_dynamics.kinetics.regimes import find_regimes, number_of_regimes
from napari_tissue_dynamics.kinetics.residuals import kinetic_residuals
from napari_tissue_dynamics.kinetics.shared_time import (
    SMOOTHED,
    Pairs,
    along_time,
    pulled_rates,
    read_shared_time,
    step_sums,
)
from napari_tissue_dynamics.kinetics.two_rate_fit import gain

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetics.config import ClockConfig
    from napari_tissue_dynamics.kinetics.phase_line import Line
    from napari_tissue_dynamics.kinetics.prepare import Seen
    from napari_tissue_dynamics.kinetics.shared_time import SharedTime

BLOCK = 4_000_000
TINY = 1e-12
NEAREST = 8


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """Time, regimes and rates.

    Parameters
    ----------
    shared
        Latent time, and the rates and agreement of every gene over all cells.
    regime
        (n,) code of the kinetic regime of every cell.
    beta, gamma
        (K, G) float64 rates of splicing and degradation in every regime, per unit of the time.
    agreement
        (G,) share of the steps between neighboring cells of one regime that time and rates explain.
    change
        (n, m) derivatives of the smooth functions with respect to time, inside the regimes.
    pairs
        Neighboring cells.
    """

    shared: SharedTime
    regime: NDArray[np.intp]
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    agreement: NDArray[np.float64]
    change: NDArray[np.float64]
    pairs: Pairs

    @property
    def probability(self) -> NDArray[np.float32] | None:
        """(n, K) float32, 1 for the regime of a cell; None if there is one regime."""
        if self.n_regimes == 1:
            return None
        return (self.regime[:, None] == np.arange(self.n_regimes)).astype(np.float32)

    @property
    def n_regimes(self) -> int:
        """Number of kinetic regimes."""
        return len(self.beta)

    def of_genes(self, genes: NDArray[np.integer]) -> Clock:
        """Return the clock with some of the genes only."""
        one = self.shared
        shared = replace(one, beta=one.beta[genes], gamma=one.gamma[genes], agreement=one.agreement[genes])
        return replace(
            self,
            shared=shared,
            beta=self.beta[:, genes],
            gamma=self.gamma[:, genes],
            agreement=self.agreement[genes],
        )

    def wanted_share(self, extra: NDArray[np.float32], seen: Seen) -> NDArray[np.float64]:
        """Return which share of an extra velocity, (n, G), lowers the squares of the steps most, (G,), 0 to 1."""
        inside, basis = self.pairs.within(self.regime), self.pairs.basis
        beta, gamma = self.beta.astype(np.float32), self.gamma.astype(np.float32)
        product, square = np.zeros((2, extra.shape[1]))
        rows = max(1, BLOCK // extra.shape[1])
        for start in range(0, len(inside.first), rows):
            i, j = inside.first[start : start + rows], inside.second[start : start + rows]
            elapsed = (self.shared.time[j] - self.shared.time[i]).astype(np.float32)[:, None]
            u, s = (0.5 * (each[i] + each[j]) for each in (seen.unspliced, seen.spliced))
            code = self.regime[i]
            left = (basis[j] - basis[i]) @ seen.smooth_spliced.coefficients - elapsed * (
                beta[code] * u - gamma[code] * s
            )
            more = 0.5 * elapsed * (extra[i] + extra[j])
            product += np.einsum("pg,pg->g", left, more, dtype=np.float64)
            square += np.einsum("pg,pg->g", more, more, dtype=np.float64)
        return np.clip(np.divide(product, square, out=np.zeros_like(product), where=square > TINY), 0, 1)

    def velocity(self, seen: Seen) -> NDArray[np.float32]:
        r"""Return the velocity of the spliced RNA, (n, G) float32.

        It is :math:`a\,(\beta u - \gamma s) + (1 - a)\,ds/dt` with the rates of the regime of a cell and the derivative
        of the moments along time: the splicing equation as far as it explains the steps of a gene, its share a.
        """
        share = self.agreement.astype(np.float32)
        beta, gamma = (each.astype(np.float32) * share for each in (self.beta, self.gamma))
        slow = (seen.smooth_spliced.coefficients * (1 - self.agreement)).astype(np.float32)
        change, result = self.change.astype(np.float32), np.empty(seen.spliced.shape, dtype=np.float32)
        rows = max(1, BLOCK // len(self.agreement))
        for start in range(0, len(result), rows):
            part = slice(start, start + rows)
            code = self.regime[part]
            np.matmul(change[part], slow, out=result[part])
            result[part] += beta[code] * seen.unspliced[part] - gamma[code] * seen.spliced[part]
        return result


def read_clock(
    seen: Seen,
    line: Line,
    config: ClockConfig,
    *,
    samples: NDArray[np.integer] | None = None,
    known: NDArray[np.float64] | None = None,
    tissue: sparse.csr_array | None = None,
) -> Clock:
    """Read the clock from smooth moments.

    Parameters
    ----------
    seen
        Moments and similar cells.
    line
        Lines through the phase portraits of all cells.
    config
        Number of regimes, extreme cells of the lines, seed.
    samples
        (n,) code of the sample of every cell; steps between samples are no change. None if there is one.
    known
        (n,) a time that is given or guessed, NaN where it is not.
    tissue
        (n, n) nearest cells in the tissue, None if there are no spatial coordinates. They help to tell regimes apart;
        time never follows them.
    """
    u, s = seen.smooth_unspliced, seen.smooth_spliced
    pairs = Pairs.of(seen.graph, s.basis, samples)
    shared = read_shared_time(u, s, pairs, line.slope, known=known)
    regime = _regimes(seen, shared.time, config, tissue)
    inside = pairs.within(regime)
    beta, gamma, agreement = regime_rates(seen, shared, inside, regime, config)
    return Clock(shared, regime, beta, gamma, agreement, along_time(shared.time, inside), pairs)


def nearest_in_tissue(tissue: Tissue) -> sparse.csr_array | None:
    """Return the nearest cells in the tissue, None if there are no spatial coordinates."""
    return spatial_graph(tissue.positions, NEAREST) if tissue.has_tissue else None


def _regimes(
    seen: Seen, time: NDArray[np.float64], config: ClockConfig, tissue: sparse.csr_array | None
) -> NDArray[np.intp]:
    if config.n_regimes == 1:
        return np.zeros(len(time), dtype=np.intp)
    residuals = kinetic_residuals(time, seen.unspliced, seen.spliced)
    number = config.n_regimes or number_of_regimes(residuals, time, seen.graph, seed=config.seed)
    return find_regimes(residuals, time, seen.graph, number, seed=config.seed, tissue=tissue)


def regime_rates(
    seen: Seen, shared: SharedTime, inside: Pairs, regime: NDArray[np.intp], config: ClockConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the rates of every regime, (K, G) each, and the share of the steps inside that they explain, (G,).

    The rates of a regime are drawn towards the line through its own cells, and then, by what they gain over the rates
    of all cells against what any two more numbers per regime would gain from noise, towards those of all cells
    (positive-part shrinkage after James and Stein 1961).
    """
    number = int(regime.max()) + 1
    if number == 1:
        return shared.beta[None], shared.gamma[None], shared.agreement
    u, s = seen.smooth_unspliced.coefficients, seen.smooth_spliced.coefficients
    own: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    won, lost, total = np.zeros((3, u.shape[1]))
    for code in range(number):
        cells = regime == code
        sums = step_sums(u, s, inside.only(cells), shared.time)
        line = fit_line(seen.unspliced[cells], seen.spliced[cells], config)
        beta, gamma, _ = pulled_rates(sums, line.slope, int(cells.sum()))
        better, before = gain(sums, beta, gamma), gain(sums, shared.beta, shared.gamma)
        own.append((beta, gamma))
        won, lost, total = won + better, lost + (better - before), total + sums.dd
    independent = max(len(regime) / SMOOTHED, 2.0 * number + 1)
    by_chance = 2 * number * np.maximum(total - won, 0) / (independent - 2 * number)
    kept = np.clip(1 - by_chance / np.maximum(lost, TINY), 0, 1)
    beta, gamma = (
        np.stack([kept * one[i] + (1 - kept) * every for one in own])
        for i, every in enumerate((shared.beta, shared.gamma))
    )
    explained = won - (1 - kept) ** 2 * np.maximum(lost, 0)
    return beta, gamma, np.clip(np.divide(explained, total, out=np.zeros_like(total), where=total > TINY), 0, 1)
