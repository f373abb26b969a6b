"""Tissues whose genes are transcribed in bursts, with everything known: a second family of simulated velocities.

It shares neither code nor assumptions with the benchmark tissues of :mod:`.velocity`: promoters open and close at
random, at rates that depend on the place of the cell along its own path, instead of switching at times that all cells
share, and molecules are counted instead of being given noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Interval
from scipy import sparse
from scipy.spatial import cKDTree

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.requests import LAYOUTS, Layout, check_request
from napari_tissue_dynamics.simulators.telegraph_layouts import place
from napari_tissue_dynamics.simulators.telegraph_promoters import (
    MULTI_KINETIC,
    draw_genes,
    flow,
    mean_along_paths,
)
from napari_tissue_dynamics.simulators.telegraph_sampling import Cells, means_now, random_means
from napari_tissue_dynamics.simulators.velocity_truth import SimulatedVelocity, VelocityTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.simulators.telegraph_layouts import Placed
    from napari_tissue_dynamics.simulators.telegraph_promoters import Genes

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
MOST_REGIMES = len(COLORS)
# A dying cell has lost RNA at this rate for a time in these limits, so that 14 to 61 % are left.
LOSS, DYING_SINCE = 1.0, (0.5, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegraphSettings:
    """What a tissue with transcriptional bursts is like.

    Parameters
    ----------
    layout
        ``opposite``: narrow bands side by side that run in opposite directions; ``sources``: disks that grow outwards;
        ``cycle``: rings in which the angle is the time; ``branches``: a trunk and arms; ``mosaic``: cells of all times
        anywhere.
    n_regimes
        Kinetic regimes: of regions of the tissue, or of trunk and arms.
    multi_kinetic
        Share of the genes whose rates differ between regimes.
    late_boost
        Share of the genes whose bursts become 3 to 8 times longer late on the path.
    depth
        Median of the spliced counts of a cell; None for a capture of ``capture``.
    capture
        Share of the unspliced and of the spliced molecules of a cell that are counted; with a depth their ratio.
    depth_spread
        Standard deviation of the logarithm of the capture of a cell.
    ambient
        Share of the counts of a cell that are those of an average cell.
    static
        Share of the cells that are in steady state where they are: their true velocity is 0. They lie together.
    dying
        Share of the cells that lose RNA of all genes and both kinds at one rate.
    empty
        Share of the cells that are empty: all their counts are ambient.
    compartments
        Whether nuclear and cytoplasmic RNA are counted, in place of unspliced and spliced: the nucleus holds unspliced
        RNA and the spliced RNA that has not been exported.
    export_rate
        Median rate of export, 1 per time, with compartments.
    """

    layout: Layout = "opposite"
    n_regimes: Annotated[int, Interval(ge=1, le=MOST_REGIMES)] = 2
    multi_kinetic: Annotated[float, Interval(ge=0, le=1)] = 0.2
    late_boost: Annotated[float, Interval(ge=0, le=1)] = 0.1
    depth: float | None = None
    capture: tuple[float, float] = (0.15, 0.2)
    depth_spread: Annotated[float, Ge(0)] = 0.3
    ambient: Annotated[float, Interval(ge=0, lt=1)] = 0.05
    static: Annotated[float, Interval(ge=0, le=1)] = 0.0
    dying: Annotated[float, Interval(ge=0, le=1)] = 0.0
    empty: Annotated[float, Interval(ge=0, le=1)] = 0.0
    compartments: bool = False
    export_rate: Annotated[float, Interval(gt=0)] = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class TelegraphTruth(VelocityTruth):
    """What is true in a tissue with transcriptional bursts; RNA in molecules, the mean over all histories of a cell.

    The velocity is that of this mean along the path of the cell: 0 in static and empty cells, with the loss of RNA in
    dying ones. ``alpha`` is the mean synthesis. With compartments ``unspliced`` and ``spliced`` are nuclear and
    cytoplasmic RNA, the velocity is that of the cytoplasm, and ``beta`` is the inverse of the mean time in the nucleus.

    Parameters
    ----------
    static, dying, empty
        (n,) which cells are in steady state, lose RNA of all genes, or have none.
    """

    static: NDArray[np.bool_]
    dying: NDArray[np.bool_]
    empty: NDArray[np.bool_]


def simulate_telegraph(
    n_cells: int = 2000, n_genes: int = 200, seed: int = 0, settings: TelegraphSettings = TelegraphSettings()
) -> SimulatedVelocity:
    r"""Simulate a tissue whose genes are transcribed in bursts by promoters of two states.

    The promoters of a cell open at :math:`k_\mathrm{on}(z)` and close at :math:`k_\mathrm{off}(z)`, where z is the
    place of the cell along its path; open ones transcribe, and RNA is spliced (and exported) and degraded. Histories
    are exact; the counts are Poisson, as those of such molecules are given the history, at the capture of the cell and
    the layer.

    Parameters
    ----------
    n_cells, n_genes
        Size: at least 50 cells and 10 genes.
    seed
        Seed of every random number; the global random state is neither read nor changed.
    settings
        What the tissue is like.

    Returns
    -------
    The tissue, in um, and what is true in it (:class:`TelegraphTruth`). ``spatial_velocity`` is the movement along the
    path in um per time, 0 in static cells; None in a mosaic, where movement has no meaning.

    Raises
    ------
    DataError
        If a number is out of its range, or the depth exceeds the molecules of the cells.

    Examples
    --------
    >>> from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph
    >>> made = simulate_telegraph(200, 60, settings=TelegraphSettings(layout="cycle", static=0.2))
    >>> made.tissue.spliced.shape, int(made.truth.static.sum())
    ((200, 60), 40)
    """
    check_request("simulated tissue", n_cells, n_genes, seed)
    _check(settings)
    place_rng, gene_rng, cell_rng, count_rng = np.random.default_rng(seed).spawn(4)
    placed = place(settings.layout, n_cells, settings.n_regimes, place_rng)
    export = settings.export_rate if settings.compartments else None
    shares = (settings.multi_kinetic, settings.late_boost)
    genes = draw_genes(n_genes, placed.regimes, shares, export, settings.layout, gene_rng)
    static = _patch(placed.positions, settings.static, cell_rng)
    dying, empty = (
        cell_rng.permutation(n_cells) < round(share * n_cells) for share in (settings.dying, settings.empty)
    )
    cells = Cells(placed.path, placed.time, static, placed.regime)
    left = np.where(dying, np.exp(-LOSS * cell_rng.uniform(*DYING_SINCE, n_cells)), 1.0) * ~empty
    along = mean_along_paths(genes)
    truth = _truth(genes, placed, cells, means_now(genes, along, cells), left, dying, empty)
    capture = _capture(settings, float(np.median(truth.spliced.sum(axis=1))))
    rna = random_means(genes, along, cells, cell_rng) * left[:, None, None]
    depth = np.exp(settings.depth_spread * count_rng.normal(size=n_cells))[:, None]
    unspliced, spliced = (
        _counted(layer, np.minimum(share * depth, 1.0), settings.ambient, count_rng)
        for layer, share in zip(_layers(rna), capture, strict=True)
    )
    tissue = Tissue(
        cells=tuple(f"cell_{i:05d}" for i in range(n_cells)),
        genes=tuple(f"gene_{i:04d}" for i in range(n_genes)),
        positions=placed.positions,
        spliced=spliced,
        unspliced=unspliced,
        unit="um",
        counts_meaning="unspliced = nuclear counts, spliced = cytoplasmic counts" if settings.compartments else "",
        source=f"simulated bursts, {settings.layout}",
    )
    return SimulatedVelocity(tissue, truth)


def _truth(
    genes: Genes,
    placed: Placed,
    cells: Cells,
    means: tuple[NDArray[np.float64], NDArray[np.float64]],
    left: NDArray[np.float64],
    dying: NDArray[np.bool_],
    empty: NDArray[np.bool_],
) -> TelegraphTruth:
    """Return what is true of cells of which only a part of the RNA is left."""
    share = left[:, None]
    synthesis, chain = genes.synthesis[cells.regime] * means[0], genes.chain[cells.regime]
    velocity = flow(chain, synthesis, means[1])[:, -1] * share * ~cells.static[:, None]
    unspliced, spliced = (layer * share for layer in _layers(means[1]))
    differ = MULTI_KINETIC in genes.names and len(genes.chain) > 1
    names = tuple(f"regime {k + 1}" for k in range(len(genes.chain))) if differ else ("all cells",)
    movement = placed.movement
    return TelegraphTruth(
        time=placed.time,
        spatial_velocity=None if movement is None else movement * ~cells.static[:, None],
        velocity=np.where(dying[:, None], velocity - LOSS * spliced, velocity),
        alpha=synthesis * share,
        beta=1 / (1 / chain[:, :-1]).sum(axis=1),
        gamma=chain[:, -1].copy(),
        unspliced=unspliced,
        spliced=spliced,
        regime=Labels("regime", cells.regime if differ else 0 * cells.regime, names, COLORS[: len(names)]),
        programme=genes.names,
        static=cells.static,
        dying=dying,
        empty=empty,
    )


def _layers(rna: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two layers that are counted, (cells, G) each: the last form of RNA, and all before it."""
    return rna[:, :-1].sum(axis=1), rna[:, -1]


def _counted(
    rna: NDArray[np.float64], capture: NDArray[np.float64], ambient: float, rng: np.random.Generator
) -> sparse.csr_array:
    """Count the molecules of one layer; Poisson molecules captured with a probability are Poisson again."""
    mean = capture * ((1 - ambient) * rna + ambient * rna.mean(axis=0))
    return sparse.csr_array(rng.poisson(mean).astype(np.float32))


def _patch(positions: NDArray[np.float64], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the cells around one of them."""
    number, center = round(share * len(positions)), positions[rng.integers(len(positions))]
    chosen = np.zeros(len(positions), dtype=bool)
    if number:
        chosen[np.atleast_1d(cKDTree(positions).query(center, k=number)[1])] = True
    return chosen


def _capture(settings: TelegraphSettings, molecules: float) -> tuple[float, float]:
    """Return the capture of both layers in an average cell."""
    if settings.depth is None:
        return settings.capture
    if settings.depth > molecules:
        raise DataError(
            f"A depth of {settings.depth:g} counts was requested; the cells have {molecules:.0f} spliced molecules. "
            "Request a lower depth or more genes."
        )
    spliced = settings.depth / molecules
    return min(spliced * settings.capture[0] / settings.capture[1], 1.0), spliced


def _check(settings: TelegraphSettings) -> None:
    if settings.layout not in LAYOUTS:
        raise DataError(f"There is no layout {settings.layout!r}. Choose one of {', '.join(LAYOUTS)}.")
    if not 1 <= settings.n_regimes <= MOST_REGIMES:
        raise DataError(f"{settings.n_regimes} regimes were requested; choose 1 to {MOST_REGIMES}.")
    for name in ("multi_kinetic", "late_boost", "ambient", "static", "dying", "empty"):
        share = getattr(settings, name)
        if not 0 <= share <= 1:
            raise DataError(f"The setting {name!r} is {share}; it is a share, from 0 to 1.")
    if settings.multi_kinetic + settings.late_boost > 1:
        raise DataError("Multi-kinetic genes and those with a late boost are more than all genes. Lower one share.")
    if not all(0 < share <= 1 for share in settings.capture):
        raise DataError(f"The capture is {settings.capture}; both are shares above 0, up to 1.")
    for name in ("depth", "export_rate"):
        value = getattr(settings, name)
        if value is not None and not (np.isfinite(value) and value > 0):
            raise DataError(f"The setting {name!r} is {value}; it must be above 0.")
    if not (np.isfinite(settings.depth_spread) and settings.depth_spread >= 0):
        raise DataError(f"A depth spread of {settings.depth_spread} was requested; it must be at least 0.")
