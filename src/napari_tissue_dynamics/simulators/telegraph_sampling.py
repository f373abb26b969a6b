"""Exact random histories of the promoters of every cell, and the means of its RNA that follow from them.

Promoters switch by thinning (Lewis and Shedler, Naval Res. Logist. 1979): waiting times at a rate that is never
exceeded, each of which ends in a switch with the share of the present rate in it. Between two of them every mode of the
chain of forms decays at its own rate, in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.simulators.telegraph_layouts import FORK, T_MAX
from napari_tissue_dynamics.simulators.telegraph_promoters import STEPS

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.telegraph_promoters import Genes

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

# What happened this many mean lives of the slowest form before has an effect below exp(-7), a thousandth.
MEMORY = 7.0
# Promoters followed at once; more no longer fit the caches.
BLOCK = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Where cells are: their path, their position along it, whether they stay there, and their regime; all (cells,)."""

    path: NDArray[np.int32]
    time: Floats
    static: NDArray[np.bool_]
    regime: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class _Modes:
    """Forms of RNA as sums of modes, each of which decays at one rate, and how promoters switch.

    Parameters
    ----------
    to_forms, to_modes
        (regimes, G, K, K) what one mode is in forms of RNA, and back.
    full
        (regimes, G, K) modes of a promoter that stays on.
    switching
        (2, paths, STEPS, G) rate at which a promoter that is off (0) or on (1) switches.
    bound
        (G,) highest of these rates.
    """

    to_forms: Floats
    to_modes: Floats
    full: Floats
    switching: Floats
    bound: Floats

    @classmethod
    def of(cls, genes: Genes) -> _Modes:
        rates = np.moveaxis(genes.chain, 1, 2)
        forms = np.zeros((*rates.shape, rates.shape[-1]))
        for mode in range(rates.shape[-1]):
            forms[..., mode, mode] = 1
            for form in range(mode + 1, rates.shape[-1]):
                gain = rates[..., form - 1] / (rates[..., form] - rates[..., mode])
                forms[..., form, mode] = forms[..., form - 1, mode] * gain
        back = np.linalg.inv(forms)
        full = (back @ (genes.synthesis[..., None] / rates)[..., None])[..., 0]
        switching = np.stack([genes.k_on, genes.k_off])
        return cls(forms, back, full, switching, switching.max(axis=(0, 1, 2)))


def means_now(genes: Genes, along: tuple[Floats, Floats], cells: Cells) -> tuple[Floats, Floats]:
    """Return the probability of *on*, (cells, G), and the mean RNA, (cells, K, G), over all histories of a cell."""
    place = cells.time * (STEPS / T_MAX)
    step = np.minimum(place.astype(np.int64), STEPS - 1)
    share = (place - step)[:, None]
    before, after = ([table[cells.path, step + k] for table in along] for k in (0, 1))
    p = before[0] + share * (after[0] - before[0])
    rna = before[1] + share[..., None] * (after[1] - before[1])
    still = np.flatnonzero(cells.static)
    p[still], rna[still] = _steady(genes, cells.path[still], step[still], cells.regime[still])
    return p, rna


def random_means(genes: Genes, along: tuple[Floats, Floats], cells: Cells, rng: np.random.Generator) -> Floats:
    """Return the mean RNA of every cell given the random history of its promoters, (cells, K, G)."""
    n_cells, n_genes = len(cells.time), genes.chain.shape[2]
    modes, found = _Modes.of(genes), np.empty((n_cells, genes.chain.shape[1], n_genes))
    step = max(1, BLOCK // n_genes)
    for begin in range(0, n_cells, step):
        part = slice(begin, begin + step)
        block = Cells(cells.path[part], cells.time[part], cells.static[part], cells.regime[part])
        found[part] = _Histories.of(genes, modes, along, block, rng).followed()
    return found


def _steady(genes: Genes, path: NDArray[np.int32], step: Integers, regime: NDArray[np.int32]) -> tuple[Floats, Floats]:
    on, off = genes.k_on[path, step], genes.k_off[path, step]
    p = on / (on + off)
    return p, (genes.synthesis[regime] * p)[:, None] / genes.chain[regime]


@dataclass(slots=True, eq=False)
class _Histories:
    """Promoters of a block of cells on their way; all arrays are (promoters,), the RNA (K, promoters)."""

    genes: Genes
    modes: _Modes
    rng: np.random.Generator
    gene: Integers
    path: Integers
    regimes: tuple[Integers, Integers]
    place: Floats
    clock: Floats
    end: Floats
    on: NDArray[np.int64]
    rna: Floats

    @classmethod
    def of(
        cls, genes: Genes, modes: _Modes, along: tuple[Floats, Floats], cells: Cells, rng: np.random.Generator
    ) -> _Histories:
        """Begin so long ago that it is forgotten, with the mean RNA of that place."""
        shape = (len(cells.time), genes.chain.shape[2])
        time, columns = cells.time[:, None], np.arange(shape[1])
        clock = time - MEMORY / genes.chain.min(axis=(0, 1))
        step, path = genes.step(clock), cells.path[:, None]
        p, rna = along[0][path, step, columns], along[1][path, step, :, columns]
        still = np.flatnonzero(cells.static)
        now = genes.step(cells.time[still])
        p[still], steady = _steady(genes, cells.path[still], now, cells.regime[still])
        rna[still] = np.moveaxis(steady, 1, 2)

        def wide(values: Any) -> Any:
            return np.broadcast_to(values, shape).ravel()

        first, last = genes.regimes[cells.path].T
        first, last = (np.where(cells.static, cells.regime, regime)[:, None] for regime in (first, last))
        place = np.where(cells.static, cells.time, np.nan)[:, None]
        return cls(
            genes,
            modes,
            rng,
            wide(columns),
            wide(path),
            (wide(first), wide(last)),
            wide(place),
            clock.ravel(),
            wide(time),
            (rng.random(shape) < p).astype(np.int64).ravel(),
            rna.reshape(-1, rna.shape[2]).T,
        )

    def followed(self) -> Floats:
        """Follow all promoters to the time of their cells; return the RNA, (cells, K, G)."""
        self._follow(np.minimum(self.end, FORK), self.regimes[0])
        self._follow(self.end, self.regimes[1])
        return np.moveaxis(self.rna.reshape(len(self.rna), -1, self.genes.chain.shape[2]), 0, 1)

    def _follow(self, until: Floats, regime: Integers) -> None:
        """Let promoters switch and RNA turn over until a time, in the regime of each."""
        going = np.flatnonzero(self.clock < until)
        gene, path, on = (each[going] for each in (self.gene, self.path, self.on))
        place, clock, until = (each[going] for each in (self.place, self.clock, until))
        key, stop = (regime[going], gene), until
        forms, switching, bound = self.modes.to_forms[key], self.modes.switching, self.modes.bound
        rates, full = self.genes.chain[key[0], :, gene].T.copy(), self.modes.full[key].T.copy()
        mode = np.einsum("nij,jn->in", self.modes.to_modes[key], self.rna[:, going])
        final, alive = np.empty_like(mode), np.arange(len(going))
        while len(alive):
            wait = self.rng.standard_exponential(len(alive)) / bound[gene]
            spent = np.minimum(wait, until - clock)
            target = full * on
            mode = target + (mode - target) * np.exp(-rates * spent)
            ended = wait >= until - clock
            final[:, alive[ended]], self.on[going[alive[ended]]] = mode[:, ended], on[ended]
            go = ~ended
            alive, gene, path, on = (each[go] for each in (alive, gene, path, on))
            place, clock, until = (each[go] for each in (place, clock + spent, until))
            mode, rates, full = mode[:, go], rates[:, go], full[:, go]
            step = self.genes.step(np.where(np.isnan(place), clock, place))
            on ^= self.rng.random(len(on)) * bound[gene] < switching[on, path, step, gene]
        self.rna[:, going] = np.einsum("nij,jn->in", forms, final)
        self.clock[going] = stop
