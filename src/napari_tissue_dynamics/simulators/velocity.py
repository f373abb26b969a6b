"""Benchmark tissues of RNA velocity with everything known: bilinear, multiradial, and kinetics without a tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.noise import Noise, measure
from napari_tissue_dynamics.simulators.requests import check_request
from napari_tissue_dynamics.simulators.velocity_genes import (
    SHARES,
    KineticsKind,
    bilinear_factor,
    draw_programmes,
    multiradial_factor,
    transcribe,
)
from napari_tissue_dynamics.simulators.velocity_growth import grow_bilinear, grow_multiradial
from napari_tissue_dynamics.simulators.velocity_kinetics import simulate_kinetics
from napari_tissue_dynamics.simulators.velocity_truth import SimulatedVelocity, VelocityTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.velocity_genes import Programmes

__all__ = [
    "Noise",
    "SimulatedVelocity",
    "VelocityTruth",
    "simulate_bilinear",
    "simulate_kinetics",
    "simulate_multiradial",
]

GENE_SEED = 42
REGION_COLORS = ("#d55e00", "#56b4e9", "#009e73", "#cc79a7")


def simulate_bilinear(
    n_cells: int = 3000,
    n_genes: int = 500,
    seed: int = 42,
    *,
    kinetics: KineticsKind = "friendly",
    noise: Noise = Noise(),
    gene_seed: int = GENE_SEED,
) -> SimulatedVelocity:
    """Simulate a tissue whose two halves grow in opposite directions from a line of root cells.

    Families of cells found by 60 roots (per 3000 cells) travel one unit of length in 20 units of time, at
    constant acceleration. Transcription of each gene depends on the place, with two opposite Gaussian peaks.
    Formulas and numbers are those of the public TopoVelo simulation, which the STEER benchmark uses; the
    random numbers are our own, so the tissue is alike, not equal.

    Parameters
    ----------
    n_cells
        Number of cells, at least 50; more cells make a denser tissue with more roots.
    n_genes
        Number of genes, at least 10.
    seed
        Seed of the growth and of the noise; the global random state is neither read nor changed.
    kinetics
        ``"friendly"``: all genes as published, 20 % repressed from the start and the others induced and later
        repressed, with rates that are the same in both halves; the truth then has one regime. ``"mixed"``:
        20 % of the genes are boosted late, 20 % have other rates in each half, 10 % are repressed and
        reactivated; the regime of a cell is its half.
    noise
        How the RNA is measured.
    gene_seed
        Seed of rates, switching times, programmes and peaks, which stay the same when ``seed`` changes.

    Returns
    -------
    The tissue and what is true in it. Its positions span about two units of length; the memory is seven dense
    float64 arrays of cells times genes.

    Raises
    ------
    DataError
        If a number is out of its range or the kinetics are unknown.
    """
    return _simulated("bilinear", n_cells, n_genes, (seed, gene_seed), kinetics, noise)


def simulate_multiradial(
    n_cells: int = 12000,
    n_genes: int = 500,
    seed: int = 42,
    *,
    kinetics: KineticsKind = "friendly",
    noise: Noise = Noise(),
    gene_seed: int = GENE_SEED,
) -> SimulatedVelocity:
    """Simulate a tissue of four overlapping disks that grow from root cells at their centers.

    Families of cells found by 400 roots (per 12000 cells) travel one unit of length outwards in 20 units of
    time, at constant acceleration, and walk around the center. Transcription of each gene peaks at one place
    of each disk. Source, parameters and result are as for :func:`simulate_bilinear`; the regime of a cell with
    ``"mixed"`` kinetics is its disk.
    """
    return _simulated("multiradial", n_cells, n_genes, (seed, gene_seed), kinetics, noise)


def _simulated(
    name: Literal["bilinear", "multiradial"],
    n_cells: int,
    n_genes: int,
    seeds: tuple[int, int],
    kind: KineticsKind,
    noise: Noise,
) -> SimulatedVelocity:
    check_request("simulated tissue", n_cells, n_genes, min(seeds))
    if kind not in SHARES:
        raise DataError(f"The kinetics {kind!r} are unknown; {' or '.join(map(repr, SHARES))} was expected.")
    (growth_rng, rng), gene_rng = np.random.default_rng(seeds[0]).spawn(2), np.random.default_rng(seeds[1])
    if name == "bilinear":
        region, n_regions, grown = "half", 2, grow_bilinear(n_cells, growth_rng)
        factor = bilinear_factor(grown.local, n_genes, gene_rng)
    else:
        region, n_regions, grown = "disk", 4, grow_multiradial(n_cells, growth_rng)
        factor = multiradial_factor(grown, n_genes, gene_rng)
    programmes = draw_programmes(n_genes, n_regions, kind, gene_rng)
    kinetics = transcribe(grown.time, grown.region, factor, programmes)
    unspliced, spliced = measure(kinetics.unspliced, kinetics.spliced, grown.positions, noise, rng)
    tissue = Tissue(
        cells=tuple(f"cell_{i:05d}" for i in range(n_cells)),
        genes=tuple(f"gene_{i:03d}" for i in range(n_genes)),
        positions=grown.positions,
        spliced=spliced,
        unspliced=unspliced,
        unit="pixel",
        source=f"simulated {name} tissue",
    )
    truth = VelocityTruth.of(
        kinetics,
        time=grown.time,
        spatial_velocity=grown.velocity,
        regime=_regime(grown.region, region, programmes),
        programme=programmes.names,
    )
    return SimulatedVelocity(tissue, truth)


def _regime(region: NDArray[np.int32], name: str, programmes: Programmes) -> Labels:
    """Label the regions as regimes where their rates differ; otherwise all cells share one regime."""
    if (programmes.rates == programmes.rates[0]).all():
        return Labels("regime", np.zeros_like(region), ("all cells",), REGION_COLORS[:1])
    categories = tuple(f"{name} {i + 1}" for i in range(len(programmes.rates)))
    return Labels("regime", region, categories, REGION_COLORS[: len(categories)])
