"""Small tissues with known kinetics and known regulation, for demonstrations, tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.genes import (
    LIBRARY_SPREAD,
    REGIMES,
    Kinetics,
    count,
    regimes,
    symbols,
    transcribe,
)
from napari_tissue_dynamics.simulators.growth import grow
from napari_tissue_dynamics.simulators.image import render
from napari_tissue_dynamics.simulators.regulation import (
    CELL_TYPE_COLORS,
    CELL_TYPES,
    RULES,
    SCALE_FACTOR,
    SIGNALING,
    Regulation,
    draw_cell_types,
    regulate,
    regulator_genes,
)
from napari_tissue_dynamics.simulators.requests import check_request
from napari_tissue_dynamics.simulators.velocity_truth import make_read_only

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.growth import Growth

REGIME_COLORS = ("#7f7f7f", "#d55e00", "#56b4e9")
FEWEST_KINETIC_GENES = 10
STEADY_BETA = 0.35
STEADY_UNSPLICED = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is true in a simulated tissue of n cells and G genes (the genes of the tissue, in its order).

    Parameters
    ----------
    time
        (n,) time of every cell in [0, 20].
    regime
        The kinetic regime of every cell.
    velocity
        (n, G) ds/dt = beta u - gamma s, in counts of an average cell per time; zero for regulators and targets.
    spatial_velocity
        (n, 2) movement of every cell with the growing tissue, um per time.
    alpha, beta, gamma
        (n, G) rates of transcription (counts of an average cell per time), splicing and degradation (1 per time).
    unspliced, spliced
        (n, G) RNA without counting noise, in counts of an average cell.
    targets
        Genes whose regulation is known.
    regulators
        By target: transcription factors offered to a model, decoys without an effect included.
    pairs
        ``(ligand, receptor, signaling)`` of all ligand-receptor pairs.
    betas
        By target and modulator (``TF`` or ``Ligand$Receptor``): (n,) coefficients. What is not listed has none.
    intercepts
        By target: (n,) constant of the regulation.
    radius
        Reach of the ligands in um: eight times the median distance to the nearest cell.
    scale_factor
        Factor of the received ligands; the coefficients belong to it.
    landmark
        (x, y) in um of a place that is inked dark in the histology, in a corner that is otherwise empty.
    """

    time: NDArray[np.float64]
    regime: Labels
    velocity: NDArray[np.float64]
    spatial_velocity: NDArray[np.float64]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    unspliced: NDArray[np.float64]
    spliced: NDArray[np.float64]
    targets: tuple[str, ...]
    regulators: Mapping[str, tuple[str, ...]]
    pairs: tuple[tuple[str, str, str], ...]
    betas: Mapping[str, Mapping[str, NDArray[np.float64]]]
    intercepts: Mapping[str, NDArray[np.float64]]
    radius: float
    scale_factor: float
    landmark: tuple[float, float]

    def __post_init__(self) -> None:
        make_read_only(getattr(self, field.name) for field in fields(self))
        make_read_only(beta for betas in self.betas.values() for beta in betas.values())
        make_read_only(self.intercepts.values())


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedTissue:
    """A tissue and what is true in it."""

    tissue: Tissue
    truth: Truth


def simulate_tissue(
    n_cells: int = 1500, n_genes: int = 150, seed: int = 0, *, depth: float = 5000.0, dropout: float = 0.0
) -> SimulatedTissue:
    """Simulate an elongated tissue that grows in two unequal arms away from a root stripe.

    Cells share the kinetics of the root until they enter an arm, which changes their transcription; every
    cell follows the closed solution of its own history, and its RNA is counted with Poisson noise. Three
    target genes are regulated by transcription factors and received ligands with coefficients that vary over
    the tissue and between three cell types; the regulation holds in ``tissue.expression``. These genes and
    their regulators are counted at steady state, so their velocity is zero. ``tissue.expression`` of all
    other genes is the logarithm of one plus the spliced counts, scaled to the median library. More cells
    make a larger tissue of the same density. The idea of two arms follows the benchmark of the STEER
    publication; shape, rates and noise are our own.

    Parameters
    ----------
    n_cells
        Number of cells, at least 50.
    n_genes
        Number of genes, regulators and targets included, at least 28.
    seed
        Seed of every random number; the global random state is neither read nor changed.
    depth
        Median number of spliced counts of a cell in genes that have a velocity.
    dropout
        Share of the counts that are lost at random, 0 to below 1.

    Returns
    -------
    The tissue (positions in um, with types and histology) and what is true in it.

    Raises
    ------
    DataError
        If a number is out of its range.
    """
    n_steady = len(regulator_genes()) + len(RULES)
    _check_request(n_cells, n_genes, n_steady, depth, dropout)
    rng = np.random.default_rng(seed)
    growth = grow(n_cells, rng)
    moving = transcribe(growth, n_genes - n_steady, depth, rng)
    types = draw_cell_types(growth.positions, rng)
    regulation = regulate(growth.positions, types, rng)
    kinetics = _joined(moving, _steady(regulation.expression))
    library = np.exp(rng.normal(0.0, LIBRARY_SPREAD, n_cells))
    spliced = count(kinetics.spliced, library, dropout, rng)
    unspliced = count(kinetics.unspliced, library, dropout, rng)
    expression = _log_normalized(spliced.toarray())
    expression[:, -n_steady:] = regulation.expression
    image, landmark = render(growth.positions, rng)
    tissue = Tissue(
        cells=tuple(f"cell_{i:05d}" for i in range(n_cells)),
        genes=(*symbols(n_genes - n_steady), *regulation.genes),
        positions=growth.positions,
        spliced=spliced,
        unspliced=unspliced,
        expression=expression,
        cell_types=Labels("cell_type", types, CELL_TYPES, CELL_TYPE_COLORS),
        histology=(image,),
        unit="um",
        source="simulated tissue",
    )
    truth = _truth(growth, kinetics, regulation, landmark)
    return SimulatedTissue(tissue, truth)


def _truth(growth: Growth, kinetics: Kinetics, regulation: Regulation, landmark: tuple[float, float]) -> Truth:
    return Truth(
        time=growth.time,
        regime=Labels("regime", regimes(growth), REGIMES, REGIME_COLORS),
        velocity=kinetics.velocity,
        spatial_velocity=growth.velocity,
        alpha=kinetics.alpha,
        beta=kinetics.beta,
        gamma=kinetics.gamma,
        unspliced=kinetics.unspliced,
        spliced=kinetics.spliced,
        targets=tuple(RULES),
        regulators={target: rule.regulators for target, rule in RULES.items()},
        pairs=tuple((rule.ligand, rule.receptor, SIGNALING) for rule in RULES.values()),
        betas=regulation.betas,
        intercepts=regulation.intercepts,
        radius=regulation.radius,
        scale_factor=SCALE_FACTOR,
        landmark=landmark,
    )


def _steady(expression: NDArray[np.float32]) -> Kinetics:
    """Give genes the RNA of their log expression and rates that keep it as it is."""
    spliced = np.expm1(np.maximum(expression.astype(np.float64), 0.0))
    unspliced = STEADY_UNSPLICED * spliced
    beta = np.full_like(spliced, STEADY_BETA)
    return Kinetics(unspliced, spliced, beta * unspliced, beta, STEADY_UNSPLICED * beta)


def _joined(first: Kinetics, second: Kinetics) -> Kinetics:
    names = [field.name for field in fields(Kinetics)]
    return Kinetics(*(np.hstack([getattr(first, name), getattr(second, name)]) for name in names))


def _log_normalized(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    normalized: NDArray[np.float32] = np.log1p(counts / totals * np.float32(np.median(totals)))
    return normalized


def _check_request(n_cells: int, n_genes: int, n_steady: int, depth: float, dropout: float) -> None:
    check_request("simulated tissue", n_cells, n_genes, fewest_genes=n_steady + FEWEST_KINETIC_GENES)
    if not (np.isfinite(depth) and depth > 0):
        raise DataError(f"A depth of {depth} counts was requested; it must be above 0, for example 5000.")
    if not 0 <= dropout < 1:
        raise DataError(f"A dropout of {dropout} was requested; it must be at least 0 and below 1.")
