r"""Promoters that switch at random at rates that depend on the place of a cell along its path, and the mean RNA.

.. math:: \text{off} \rightleftharpoons_{k_\mathrm{off}(z)}^{k_\mathrm{on}(z)} \text{on}, \qquad
          \text{on} \to \text{on} + u, \qquad u \to (n \to)\ s \to \emptyset

Molecules neither meet nor influence the promoter. Given the times at which a promoter switched, the numbers of
molecules of a cell are therefore independent Poisson variables, and their means follow the linear equations of the
chain (Jahnke and Huisinga, J. Math. Biol. 2007); the means over all promoters follow the same equations with the
probability of *on* in place of the promoter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.simulators.telegraph_layouts import FORK, T_MAX

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.requests import Layout

    Floats: TypeAlias = NDArray[np.float64]

MULTI_KINETIC, LATE_BOOST = "multi-kinetic", "late boost"
SHAPES = ("induced", "repressed", "transient")
# Medians and spreads of log-normal rates per time, where a path takes 10: transcripts live for about two, bursts are
# shorter than that (Larsson et al., Nature 2019), and off is long; and of the molecules of an active gene.
RATES = {"beta": (1.2, 0.4), "gamma": (0.6, 0.4), "on": (1.5, 0.4), "off": (4.0, 0.4), "molecules": (12.0, 0.8)}
EXPORT_SPREAD = 0.3
# Opening rate of a silent promoter, as a share of that of an active one.
SILENT = 0.04
BOOST = (3.0, 8.0)
# Equal rates of two steps would leave the modes of the chain undefined.
FEWEST_APART = 0.08
STEPS = 500
RAMP = (0.5, 2.0)
SHARPNESS = (1.0, 4.0)
ROUNDS, SETTLED = 100, 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Genes:
    """Rates of G genes in every regime, and of their promoters along every path.

    Parameters
    ----------
    chain
        (regimes, K, G) rates at which molecules leave each of the K forms of RNA: unspliced, (nuclear spliced,)
        spliced.
    synthesis
        (regimes, G) molecules per time of a promoter that is on.
    k_on, k_off
        (paths, STEPS, G) rates of the promoters in each of the equal parts of a path.
    regimes
        (paths, 2) regime of a path before and after ``FORK``.
    periodic
        Whether a path begins again where it ends; otherwise cells have waited at its begin.
    names
        Programme of every gene.
    """

    chain: Floats
    synthesis: Floats
    k_on: Floats
    k_off: Floats
    regimes: NDArray[np.int32]
    periodic: bool
    names: tuple[str, ...]

    def step(self, position: Floats) -> NDArray[np.int64]:
        """Return the part of the path at a position, which may lie before its begin."""
        index = np.floor(position * (STEPS / T_MAX)).astype(np.int64)
        return index % STEPS if self.periodic else index.clip(0, STEPS - 1)


def draw_genes(
    n_genes: int,
    regimes: NDArray[np.int32],
    shares: tuple[float, float],
    export: float | None,
    layout: Layout,
    rng: np.random.Generator,
) -> Genes:
    """Draw genes.

    Parameters
    ----------
    n_genes
        Number of genes.
    regimes
        (paths, 2) regime of every path before and after ``FORK``.
    shares
        Share of multi-kinetic genes, whose rates are drawn for each regime, and of genes with a late boost, whose
        promoters close 3 to 8 times more slowly from some place on.
    export
        Median rate of export from the nucleus; None for unspliced and spliced RNA.
    layout
        Around a cycle promoters are active periodically; where branches share a trunk, every other gene changes in the
        arms alone, and in only one of them.
    rng
        Random numbers.
    """
    names = _names(n_genes, *shares, rng)
    n_regimes = int(regimes.max()) + 1
    medians = [RATES["beta"], *([] if export is None else [(export, EXPORT_SPREAD)]), RATES["gamma"]]
    own, shared = _draw_chain(medians, (n_regimes, n_genes), rng), _draw_chain(medians, (1, n_genes), rng)
    multi = np.array(names) == MULTI_KINETIC
    molecules = np.where(
        multi, _lognormal("molecules", (n_regimes, n_genes), rng), _lognormal("molecules", (1, n_genes), rng)
    )
    chain = np.where(multi, own, shared)
    on, off = _lognormal("on", (n_genes,), rng), _lognormal("off", (n_genes,), rng)
    level, boost = _periodic(names, len(regimes), rng) if layout == "cycle" else _open(names, len(regimes), layout, rng)
    k_on = on * (SILENT + (1 - SILENT) * level)
    k_off = off / (1 + (rng.uniform(*BOOST, n_genes) - 1) * boost)
    return Genes(chain, molecules * chain[:, -1] * (on + off) / on, k_on, k_off, regimes, layout == "cycle", names)


def mean_along_paths(genes: Genes) -> tuple[Floats, Floats]:
    """Return the probability of *on*, (paths, STEPS + 1, G), and the mean RNA, (paths, STEPS + 1, K, G).

    Fourth-order Runge-Kutta in the steps in which the rates of the promoters are constant. Open paths begin in the
    steady state, cycles in the state that they come back to.
    """
    paths, _, n_genes = genes.k_on.shape
    p, rna = np.empty((STEPS + 1, paths, n_genes)), np.empty((STEPS + 1, paths, genes.chain.shape[1], n_genes))
    chains, syntheses = genes.chain[genes.regimes], genes.synthesis[genes.regimes]
    p[0] = genes.k_on[:, 0] / (genes.k_on[:, 0] + genes.k_off[:, 0])
    rna[0] = (syntheses[:, 0] * p[0])[:, None] / chains[:, 0]
    for _ in range(ROUNDS if genes.periodic else 1):
        for step in range(STEPS):
            late = int(step >= round(STEPS * FORK / T_MAX))
            rates = genes.k_on[:, step], genes.k_off[:, step], chains[:, late], syntheses[:, late]
            p[step + 1], rna[step + 1] = _one_step(*rates, p[step], rna[step])
        if not genes.periodic or np.allclose(rna[-1], rna[0], rtol=SETTLED, atol=0):
            break
        p[0], rna[0] = p[-1], rna[-1]
    return np.moveaxis(p, 0, 1), np.moveaxis(rna, 0, 1)


def flow(chain: Floats, synthesis: Floats, rna: Floats) -> Floats:
    """Return the change of every form of RNA per time, along the second-last axis: what comes in less what leaves."""
    leaving = chain * rna
    return np.concatenate([synthesis[..., None, :], leaving[..., :-1, :]], axis=-2) - leaving


def _one_step(
    on: Floats, off: Floats, chain: Floats, synthesis: Floats, p: Floats, rna: Floats
) -> tuple[Floats, Floats]:
    dt, steady = T_MAX / STEPS, on / (on + off)

    def probability(after: float) -> Floats:
        return steady + (p - steady) * np.exp(-(on + off) * after)

    now, half, end = (synthesis * probability(after) for after in (0.0, dt / 2, dt))
    first = flow(chain, now, rna)
    second = flow(chain, half, rna + dt / 2 * first)
    third = flow(chain, half, rna + dt / 2 * second)
    fourth = flow(chain, end, rna + dt * third)
    return probability(dt), rna + dt / 6 * (first + 2 * second + 2 * third + fourth)


def _names(n_genes: int, multi: float, boost: float, rng: np.random.Generator) -> tuple[str, ...]:
    names = np.array([MULTI_KINETIC] * round(multi * n_genes) + [LATE_BOOST] * round(boost * n_genes), dtype=object)
    names = np.append(names[:n_genes], np.array(SHAPES, dtype=object)[np.arange(max(n_genes - len(names), 0)) % 3])
    return tuple(rng.permutation(names).tolist())


def _lognormal(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    median, spread = RATES[name]
    return median * np.exp(spread * rng.normal(size=shape))


def _draw_chain(medians: list[tuple[float, float]], shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Draw rates, (regimes, K, genes), no two of which are alike in one gene."""
    center, spread = (np.array(values)[:, None] for values in zip(*medians, strict=True))

    def draw() -> Floats:
        return center * np.exp(spread * rng.normal(size=(shape[0], len(medians), shape[1])))

    rates = draw()
    while (close := np.diff(np.sort(np.log(rates), axis=1), axis=1).min(axis=1) < FEWEST_APART).any():
        rates = np.where(close[:, None], draw(), rates)
    return rates


def _open(names: tuple[str, ...], n_paths: int, layout: Layout, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return how active promoters are and how far they are boosted, (paths, STEPS, genes), along open paths."""
    n_genes, name = len(names), np.array(names)
    z: Floats = (np.arange(STEPS, dtype=np.float64)[:, None] + 0.5) * (T_MAX / STEPS)
    one_arm = (layout == "branches") & (np.arange(n_genes) % 2 == 0)
    up: Floats = np.where(one_arm, FORK, 0.0) + rng.uniform(0.05, 0.5, n_genes) * np.where(one_arm, T_MAX - FORK, T_MAX)
    down, late = up + rng.uniform(0.2, 0.5, n_genes) * T_MAX, rng.uniform(0.4, 0.7, n_genes) * T_MAX
    rise, fall, boost = (_ramp(z, start, rng.uniform(*RAMP, n_genes)) for start in (up, down, late))
    shape = np.where(name == MULTI_KINETIC, rng.choice(SHAPES, n_genes), name)
    level = rise - np.where(shape == "transient", fall, 0)
    changing = ~one_arm | (rng.integers(n_paths, size=n_genes) == np.arange(n_paths)[:, None])
    level = np.where(changing[:, None], level, 0)
    boosted = np.broadcast_to(np.where(name == LATE_BOOST, boost, 0), level.shape)
    return np.where(shape == "repressed", 1 - level, level), boosted


def _periodic(names: tuple[str, ...], n_paths: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the same around cycles: every promoter has one active phase, and a boost has another."""
    angle = 2 * np.pi * (np.arange(STEPS)[:, None] + 0.5) / STEPS
    center, sharpness = rng.uniform(0, 2 * np.pi, (2, len(names))), rng.uniform(*SHARPNESS, (2, len(names)))
    level, boost = np.exp(sharpness[:, None] * (np.cos(angle - center[:, None]) - 1))
    level, boost = (np.tile(values, (n_paths, 1, 1)) for values in (level, boost))
    return level, np.where(np.array(names) == LATE_BOOST, boost, 0)


def _ramp(z: Floats, start: Floats, width: Floats) -> Floats:
    """Return a smooth rise from exactly 0 before ``start`` to exactly 1 a width later."""
    x = ((z - start) / width).clip(0, 1)
    return x * x * (3 - 2 * x)
