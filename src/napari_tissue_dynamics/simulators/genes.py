"""Genes of a simulated tissue: which rates they have, when and where they switch, how they are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.kinetics.closed_form import evolve
from napari_tissue_dynamics.simulators.growth import ARMS, T_MAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.growth import Growth

_NAMES = """
Krt8 Krt18 Krt19 Tuba1a Tubb3 Stmn1 Stmn2 Map1b Dpysl3 Actb Actg1 Tmsb4x Tmsb10 Cfl1 Pfn1 Myl6 Tagln Cnn1
Acta2 Tpm1 Tpm2 Des Lmna Lmnb1 Hmgn2 H2az1 Mki67 Top2a Cdk1 Ccnb1 Ccnd2 Ccne1 Pcna Mcm3 Mcm5 Rrm2 Tyms
Cdc20 Ube2c Birc5 Nusap1 Cenpf Tpx2 Aurka Plk1 Bub1 Kif11 Hba-a1 Hbb-bt Gypa Alas2 Slc4a1 Car2 Blvrb
Epb41 Ank1 Spta1 Afp Aldob Pck1 Gapdh Ldha Aldoa Pgk1 Pgam1 Hk2 Slc2a1 Myh6 Myh7 Myl2 Myl3 Myl4 Myl7
Tnnt2 Tnni1 Tnni3 Tnnc1 Actc1 Ttn Atp2a2 Pln Casq2 Nebl Ldb3 Csrp3 Smyd1 Nnat Syt1 Snap25 Gap43 Elavl3
Elavl4 Dcx Tubb2b Crabp1 Crabp2 Rbp1 Fabp7 Sncg Uchl1 Prph Nefl Nefm Ina Cldn6 Epcam Igfbp5 H19 Meg3
Cited4 Ifitm3 Txnip Npm1 Rpl3 Rps6 Eef1a1 Cox4i1 Cox6c Atp5f1b Ndufa4 Uqcrc1 Cycs Sdha Idh2 Mdh2 Cs Gstp1
Prdx1 Sod1 Txn1 Gpx1 Cat Tubb5 Tuba1b Hnrnpa1 Srsf3 Eif4a1 Eef2 Psma1 Psmb5
"""
SYMBOLS = tuple(_NAMES.split())
"""Mouse genes none of which is a ligand, a receptor or a transcription factor in the usual tables."""

BRANCH_TIME = 3.0
REGIMES = ("root", *(arm.name for arm in ARMS))
KINDS = {"both arms": 0.3, "arm A only": 0.22, "arm B only": 0.22, "repressive": 0.14, "late": 0.12}
NEVER = 10 * T_MAX
BASAL = 0.05
LOG_MEDIANS = np.log([1.0, 0.35, 0.2])
LOG_SPREADS = np.array([0.7, 0.35, 0.35])
RATE_CORRELATION = 0.05
LIBRARY_SPREAD = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Kinetics:
    """RNA and rates of every cell and gene, all (cells, genes) float64; RNA in counts of an average cell."""

    unspliced: NDArray[np.float64]
    spliced: NDArray[np.float64]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]

    @property
    def velocity(self) -> NDArray[np.float64]:
        """(cells, genes) ds/dt = beta u - gamma s, counts per time."""
        return self.beta * self.unspliced - self.gamma * self.spliced


def symbols(n_genes: int) -> tuple[str, ...]:
    """Return ``n_genes`` mouse gene names; those beyond the list are numbered predicted genes."""
    return SYMBOLS[:n_genes] + tuple(f"Gm{10000 + i}" for i in range(n_genes - len(SYMBOLS)))


def regimes(growth: Growth) -> NDArray[np.int32]:
    """Return the kinetic regime of every cell, (cells,), an index into ``REGIMES``."""
    return np.where(growth.time < BRANCH_TIME, 0, 1 + growth.arm).astype(np.int32)


def transcribe(growth: Growth, n_genes: int, depth: float, rng: np.random.Generator) -> Kinetics:
    """Let every cell go through the history of its arm.

    All cells share the rates of the root until ``BRANCH_TIME``; from then on every arm multiplies the
    transcription of every gene by a factor of its own. Genes switch on (or off) in both arms or in one,
    early or late; the rates are log-normal.

    Parameters
    ----------
    growth
        The tissue.
    n_genes
        Number of genes.
    depth
        Median of the spliced RNA of a cell, summed over the genes, in counts.
    rng
        Random numbers.
    """
    alpha, beta, gamma = draw_rates(n_genes, LOG_MEDIANS, LOG_SPREADS, rng)
    kind = _kinds(n_genes, rng)
    on, off = _switches(kind, rng)
    change = np.exp(rng.normal(0.0, 0.5, (len(ARMS), n_genes)))
    shape = (len(growth.time), n_genes)
    u, s, now = np.empty((3, *shape))
    for arm in range(len(ARMS)):
        cells = growth.arm == arm
        starts, alphas = phases(alpha, on[arm], off[arm], change[arm], kind == "repressive")
        state = alphas[0] / beta, alphas[0] / gamma
        u[cells], s[cells], now[cells] = evolve(growth.time[cells, None], starts, alphas, (beta, gamma), state)
    unit = depth / np.median(s.sum(axis=1))
    wide = [np.broadcast_to(rate, shape).copy() for rate in (beta, gamma)]
    return Kinetics(unit * u, unit * s, unit * now, *wide)


def phases(
    alpha: NDArray[np.float64],
    on: NDArray[np.float64],
    off: NDArray[np.float64],
    change: NDArray[np.float64],
    repressive: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return starts and transcription rates, (4, genes) each, of the phases of one arm.

    A repressive gene is transcribed except between ``on`` and ``off``, any other gene only between them;
    ``change`` multiplies its transcription from ``BRANCH_TIME`` on.
    """
    starts = np.sort([np.zeros_like(on), on, off, np.full_like(on, BRANCH_TIME)], axis=0)
    switched = (starts >= on) & (starts < off)
    level = np.where(switched ^ repressive, 1.0, BASAL)
    return starts, alpha * level * np.where(starts >= BRANCH_TIME, change, 1.0)


def count(
    rna: NDArray[np.float64], library: NDArray[np.float64], dropout: float, rng: np.random.Generator
) -> sparse.csr_array:
    """Draw Poisson counts, lose a share ``dropout`` of the entries, and return them as CSR float32."""
    counts = rng.poisson(rna * library[:, None])
    if dropout > 0:
        counts *= rng.random(counts.shape) >= dropout
    return sparse.csr_array(counts.astype(np.float32))


def draw_rates(
    n_genes: int, medians: NDArray[np.float64], spreads: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return log-normal alpha, beta and gamma, (3, genes), from medians and spreads of their logarithms, (3,)."""
    correlation = np.full((3, 3), RATE_CORRELATION)
    np.fill_diagonal(correlation, 1.0)
    covariance = correlation * np.outer(spreads, spreads)
    rates: NDArray[np.float64] = np.exp(rng.multivariate_normal(medians, covariance, n_genes)).T
    return rates


def _kinds(n_genes: int, rng: np.random.Generator) -> NDArray[np.str_]:
    """Return the kind of every gene, in the shares of ``KINDS``, in random order."""
    edges = np.cumsum(list(KINDS.values()))
    place = (np.arange(n_genes) + 0.5) / n_genes * edges[-1]
    return np.array(list(KINDS))[rng.permutation(np.searchsorted(edges, place))]


def _switches(kind: NDArray[np.str_], rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when each gene switches on and off in each arm, (arms, genes) each."""
    n_genes = len(kind)
    early = rng.uniform(0.0, 0.4 * T_MAX, n_genes)
    late = rng.uniform(0.4 * T_MAX, 0.7 * T_MAX, n_genes)
    first = np.where(kind == "late", late, early)
    on = np.tile(first, (len(ARMS), 1))
    for arm, properties in enumerate(ARMS):
        elsewhere = np.char.endswith(kind, "only") & (kind != f"{properties.name} only")
        on[arm, elsewhere] = NEVER
    lasting = (rng.random(n_genes) < 0.5) | (kind == "repressive") | (kind == "late")
    off = np.where(lasting, NEVER, first + rng.uniform(0.25 * T_MAX, 0.6 * T_MAX, n_genes))
    return on, np.where(on == NEVER, NEVER, off)
