"""What models are run on: two families of simulators, controls without a signal, and real data; in two halves.

Rules of a model and of its verdict are set on the development half alone. The report half has other seeds, which give
other genes too, and kinds that the development half does not have; what is claimed of a model is what it does there.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from napari_tissue_dynamics.data.io.read import read_h5ad
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.simulators.controls import CONTROLS
from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.simulators.velocity import Noise, simulate_bilinear, simulate_multiradial

DATA = Path(__file__).parents[3] / "shared" / "data"
FEW_GENES = 60
LOW_DEPTH = 0.4
"""Median spliced counts of a cell per gene where the depth is low; sequencing of tissues gives as few."""


class Made(NamedTuple):
    """Cells, and what is true of them (None for real data and controls)."""

    tissue: Any
    truth: Any = None
    circular: bool = False


def _benchmark(simulate, kinetics, n_cells, n_genes, seed, noise=None):
    made = simulate(n_cells, n_genes, seed, kinetics=kinetics, noise=noise or Noise.real(), gene_seed=seed)
    return Made(made.tissue, made.truth)


def _low_benchmark(n_cells, n_genes, seed):
    noise = Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=LOW_DEPTH * n_genes)
    return _benchmark(simulate_bilinear, "mixed", n_cells, n_genes, seed, noise)


def _plain(simulate, n_cells, n_genes, seed):
    made = simulate(n_cells, n_genes, seed)
    return Made(made.tissue, made.truth)


def _bursts(n_cells, n_genes, seed, **settings):
    if settings.pop("low", False):
        settings["depth"] = LOW_DEPTH * n_genes
    made = simulate_telegraph(n_cells, n_genes, seed, TelegraphSettings(**settings))
    return Made(made.tissue, made.truth, settings.get("layout") == "cycle")


def _few(make):
    return lambda n_cells, n_genes, seed: make(n_cells, min(n_genes, FEW_GENES), seed)


def _real(name, n_cells, n_genes, seed):
    return Made(read_h5ad(DATA / f"{name}.h5ad"))


def _control(name, make, n_cells, n_genes, seed):
    return Made(CONTROLS[name](make(n_cells, n_genes, seed).tissue, seed))


SMOOTH = {
    "bilinear friendly": partial(_benchmark, simulate_bilinear, "friendly"),
    "bilinear mixed": partial(_benchmark, simulate_bilinear, "mixed"),
    "multiradial friendly": partial(_benchmark, simulate_multiradial, "friendly"),
    "multiradial mixed": partial(_benchmark, simulate_multiradial, "mixed"),
    "bilinear 60 genes": _few(partial(_benchmark, simulate_bilinear, "mixed")),
    "bilinear low depth": _low_benchmark,
    "branching": partial(_plain, simulate_branching),
    # One lineage, every gene switched on and off with one kinetics: what the first velocity models assume.
    "classic": partial(_plain, partial(simulate_branching, n_states=2, n_branch_points=0)),
    "two arms": partial(_plain, simulate_tissue),
}
BURSTS = {
    "opposite": partial(_bursts, layout="opposite"),
    "sources": partial(_bursts, layout="sources"),
    "cycle": partial(_bursts, layout="cycle", n_regimes=1),
    "branches": partial(_bursts, layout="branches", n_regimes=3),
    "mosaic": partial(_bursts, layout="mosaic"),
    "sources 60 genes": _few(partial(_bursts, layout="sources")),
    "sources low depth": partial(_bursts, layout="sources", low=True),
    "sources 5 regimes": partial(_bursts, layout="sources", n_regimes=5, multi_kinetic=0.4),
    "sources late boosts": partial(_bursts, layout="sources", n_regimes=1, late_boost=0.4),
    "sources half static": partial(_bursts, layout="sources", static=0.5),
    "all static": partial(_bursts, layout="sources", static=1.0),
    "dying and empty": partial(_bursts, layout="sources", dying=0.2, empty=0.1),
    "compartments": partial(_bursts, layout="sources", compartments=True),
}
REAL = {
    "pancreas": partial(_real, "scrna_pancreas_739_spliced_unspliced"),
    "CosMx": partial(_real, "cosmx_lung9_nuclear_cytoplasmic"),
    "Xenium": partial(_real, "xenium_human_lung_nuclear_cytoplasmic"),
    "U-2 OS": partial(_real, "merfish_u2os_nuclear_cytoplasmic"),
}
BASES = {name: (SMOOTH | BURSTS | REAL)[name] for name in ("bilinear mixed", "sources", "cycle", "pancreas")}
CONTROL = {
    f"control {name}: {base}": partial(_control, name, make) for base, make in BASES.items() for name in CONTROLS
}
KINDS = SMOOTH | BURSTS | REAL | CONTROL
FAMILIES = {
    name: family
    for family, kinds in (("smooth", SMOOTH), ("bursts", BURSTS), ("real", REAL), ("control", CONTROL))
    for name in kinds
}


class Half(NamedTuple):
    """Kinds and seeds."""

    kinds: tuple[str, ...]
    seeds: tuple[int, ...]


HALVES = {
    "development": Half(
        (
            *("bilinear friendly", "bilinear mixed", "multiradial mixed", "branching"),
            *("opposite", "sources", "sources 60 genes", "all static", "pancreas", "CosMx"),
            *(
                f"control {name}: {base}"
                for base in ("bilinear mixed", "sources")
                for name in ("cells", "genes", "noise")
            ),
        ),
        (1, 2),
    ),
    "report": Half(tuple(KINDS), (101, 102, 103)),
}
