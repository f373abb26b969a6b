"""What one press of a Run button does, as one call: the docks and the command line share it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_tissue_dynamics.analysis.projection import ProjectionConfig
from napari_tissue_dynamics.compute import in_background, load_torch, wait_for
from napari_tissue_dynamics.data.requirements import require_velocity_counts
from napari_tissue_dynamics.data.velocity_checks import LEVEL, RANDOM_AGREEMENT
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.experts import ExpertStatistics
    from napari_tissue_dynamics.analysis.permutation import ArrowNull
    from napari_tissue_dynamics.analysis.projection import GridField, Neighbors, Projection
    from napari_tissue_dynamics.analysis.transitions import VelocityGraph
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_checks import VelocityChecks
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.steer.origin import Origin
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.many import Place
    from napari_tissue_dynamics.travlr.network import RegulatoryNetwork

Result = TypeVar("Result")

PROJECTION = ProjectionConfig()

# Share of the time that the fit itself takes; the rest is arrows and what is found out about them.
FIT_SHARE = 0.9
# The same for a model that is trained already.
APPLY_SHARE = 0.3
CANDIDATES = 30
# Bootstrap and null take this many cells × candidates × genes in full (20 000 × 30 × 1000, half a minute); of larger
# tissues fewer candidates and genes are taken, but not fewer than these.
MOST_CHECKED = 600_000_000
FEWEST_CANDIDATES = 10
FEWEST_GENES = 200
# A preview has arrows on at most so many cells, of so many candidates, and takes at most this share of the time.
PREVIEW_CELLS = 10_000
PREVIEW_CANDIDATES = 15
PREVIEW_SHARE = 0.1

NOT_BEGUN = "The run was stopped before it began; earlier results are unchanged."


@dataclass(frozen=True, slots=True, eq=False)
class VelocityResult:
    """A fitted velocity model and its picture in the tissue.

    Parameters
    ----------
    field
        Velocities, rates, time and experts.
    arrows
        (cells, 2 or 3) float32, displacement of every cell in the unit of the positions.
    grid
        The same on a regular grid.
    confidence
        (cells,) float32, agreement of each velocity with those of similar cells, -1 to 1.
    spread
        (cells,) float32, agreement of the direction of the arrow over samples of the genes: 0 where it points
        anywhere, 1 where every sample points the same way.
    null
        How the arrows compare with those of velocities without meaning.
    experts
        What sets the experts apart, None if the model has none.
    graph
        Cosines of velocities with the steps to similar cells.
    projection
        How the arrows were made.
    """

    field: VelocityField
    arrows: NDArray[np.float32]
    grid: GridField
    confidence: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None
    null: ArrowNull | None = None
    experts: ExpertStatistics | None = None
    graph: VelocityGraph | None = None
    projection: ProjectionConfig = PROJECTION


@dataclass(frozen=True, slots=True, eq=False)
class VelocityPreview:
    """What a running fit has found so far.

    Parameters
    ----------
    time
        (cells,) float32 latent time, or None.
    expert_probability
        (cells, experts) float32, or None.
    arrows
        (cells, 2 or 3) float32 displacements; of many cells only an even selection has one, the others have zeros.
    """

    time: NDArray[np.float32] | None
    expert_probability: NDArray[np.float32] | None
    arrows: NDArray[np.float32]


def velocity_steps(
    tissue: Tissue,
    config: SteerConfig,
    stop: StopToken | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
    checkpoint: Path | None = None,
    model: Path | None = None,
) -> Generator[Progress, None, VelocityResult]:
    """Train STEER and draw its velocities into the tissue.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    config
        Settings of the fit.
    stop
        Ends the work early; there is no result then.
    origin
        Where time begins, if that is known (improved profile); see :func:`origin_of`.
    projection
        Settings of the arrows.
    checkpoint
        File that the state of the fit is kept in, and that a fit goes on from; see
        :func:`napari_tissue_dynamics.steer.fit_steps`.
    model
        File that the trained network is written to, for :func:`apply_steps`.

    Yields
    ------
    How far the work is. A ``snapshot`` is a :class:`VelocityPreview`.

    Returns
    -------
    The velocities and their picture.

    Raises
    ------
    DataError
        If the tissue cannot be used, has no cell types that arrows could stay within, or the profile cannot use
        where time begins.
    FitError
        If the work was ended early.
    """
    if projection.within == "cell type":
        _cell_types(tissue)  # better said now than after the fit
    if origin is not None and config.faithful:
        raise DataError(
            "The faithful profile cannot use where time begins. Choose the improved profile, or give no beginning."
        )
    yield from _loading(stop)
    from napari_tissue_dynamics import steer
    from napari_tissue_dynamics.steer.origin import ANYWHERE

    fit = steer.fit_steps(tissue, config, stop, origin=origin or ANYWHERE, checkpoint=checkpoint, model=model)
    field = yield from part_of(_with_previews(fit, tissue.positions), 0.0, FIT_SHARE)
    return (
        yield from part_of(picture_steps(tissue, field, stop, projection=projection, seed=config.seed), FIT_SHARE, 1)
    )


def velocity(
    tissue: Tissue,
    config: SteerConfig,
    report: Callable[[Progress], None] | None = None,
    *,
    origin: Origin | None = None,
    projection: ProjectionConfig = PROJECTION,
    checkpoint: Path | None = None,
    model: Path | None = None,
) -> VelocityResult:
    """Run :func:`velocity_steps` to the end."""
    steps = velocity_steps(tissue, config, origin=origin, projection=projection, checkpoint=checkpoint, model=model)
    return run_to_end(steps, report)


def apply_steps(
    tissue: Tissue,
    model: Path,
    stop: StopToken | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
    device: str = "auto",
    seed: int = 0,
) -> Generator[Progress, None, VelocityResult]:
    """Give a tissue the velocities of a network that was trained on another, and draw them into it.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts of all genes of the network.
    model
        File of the trained network, from :func:`velocity_steps`.
    stop
        Ends the work early; there is no result then.
    projection
        Settings of the arrows.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    seed
        Seed of bootstrap and null.

    Yields
    ------
    How far the work is.

    Returns
    -------
    The velocities and their picture.

    Raises
    ------
    DataError
        If the file is not a trained network, genes of it are missing, or the tissue cannot be used.
    FitError
        If the work was ended early.
    """
    require_velocity_counts(tissue)
    yield from _loading(stop)
    from napari_tissue_dynamics import steer

    field = yield from _wait("trained network", lambda: steer.apply_model(model, tissue, device), 0.0, stop)
    steps = picture_steps(tissue, field, stop, projection=projection, seed=seed)
    return (yield from part_of(steps, APPLY_SHARE, 1))


def apply(
    tissue: Tissue,
    model: Path,
    report: Callable[[Progress], None] | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
    device: str = "auto",
) -> VelocityResult:
    """Run :func:`apply_steps` to the end."""
    return run_to_end(apply_steps(tissue, model, projection=projection, device=device), report)


def origin_of(
    tissue: Tissue,
    *,
    root_type: str | None = None,
    root_cells: Sequence[str] = (),
    stage: str | None = None,
    source: Path | None = None,
) -> Origin | None:
    """Return where time begins: with a cell type, with some cells, or as an obs column of stages says.

    Parameters
    ----------
    tissue
        The cells.
    root_type
        Cell type with which time begins.
    root_cells
        Names of cells with which it begins.
    stage
        Obs column of ``source`` with the stage of every cell, see :func:`.data.order.stage_of`.
    source
        The file that the tissue was read from.

    Returns
    -------
    What is known, None if nothing was given.

    Raises
    ------
    DataError
        If there is no such cell type, cell or column, or the column says no order.
    """
    from napari_tissue_dynamics.data.anndata_look import obs_column
    from napari_tissue_dynamics.data.order import cells_named, cells_of_type, stage_of
    from napari_tissue_dynamics.steer.origin import Origin

    if root_type:
        return Origin(roots=cells_of_type(tissue, root_type))
    if root_cells:
        return Origin(roots=cells_named(tissue, root_cells))
    if stage:
        if source is None:
            raise DataError(f"{tissue.source} has no file in which a column {stage!r} could be.")
        return Origin(stage=stage_of(stage, obs_column(source, stage)))
    return None


def picture_steps(
    tissue: Tissue,
    field: VelocityField,
    stop: StopToken | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
    seed: int = 0,
) -> Generator[Progress, None, VelocityResult]:
    """Draw velocities into the tissue and find out how far they can be trusted.

    Of large tissues the bootstrap and the null of the arrows take fewer candidates and a random part of the genes,
    so that their time is bounded; directions then seem less sure than they are.

    Parameters
    ----------
    tissue
        Where the cells lie.
    field
        Velocities of these cells.
    stop
        Ends the work early; there is no result then.
    projection
        Settings of the arrows.
    seed
        Seed of bootstrap and null.

    Yields
    ------
    How far the work is. Once the arrows are made, a ``snapshot`` is a :class:`VelocityPreview` with them.

    Returns
    -------
    The velocities and their picture.

    Raises
    ------
    DataError
        If there are no experts or cell types that arrows could stay within.
    FitError
        If the work was ended early.
    """
    from napari_tissue_dynamics.analysis.confidence import confidence
    from napari_tissue_dynamics.analysis.permutation import arrow_null_steps
    from napari_tissue_dynamics.analysis.projection import on_grid
    from napari_tissue_dynamics.analysis.uncertainty import direction_spread_steps

    places = tissue.positions
    drawn = yield from part_of(_arrows(tissue, field, projection, stop), 0.0, 0.2)
    grid = on_grid(places, drawn.arrows)
    first = VelocityPreview(field.time, field.expert_probability, drawn.arrows)
    yield Progress("arrows", 1, 1, 0.2, snapshot=first)
    graph = yield from part_of(_similar_cells(field, stop), 0.2, 0.4)
    light, steps = _affordable(field, drawn.graph, seed)
    spread = yield from part_of(direction_spread_steps(light, places, steps.neighbors, seed=seed, stop=stop), 0.4, 0.65)
    null = yield from part_of(arrow_null_steps(light, places, steps, seed=seed, stop=stop), 0.65, 0.9)
    agreement = yield from _wait("confidence", lambda: confidence(field.spliced, graph.neighbors), 0.9, stop)
    experts = yield from _wait("experts", lambda: _experts(tissue, field), 0.95, stop)
    return VelocityResult(
        field,
        drawn.arrows,
        grid,
        agreement,
        spread=spread.agreement,
        null=null,
        experts=experts,
        graph=graph,
        projection=projection,
    )


def _arrows(
    tissue: Tissue, field: VelocityField, config: ProjectionConfig, stop: StopToken | None
) -> Generator[Progress, None, Projection]:
    from napari_tissue_dynamics.analysis.projection import project_steps

    near: Neighbors = "tissue" if tissue.has_tissue else "expression"
    if config.neighbors != "auto":
        near = config.neighbors
    labels = None
    if config.within == "cell type":
        labels = _cell_types(tissue)
    elif config.within == "expert":
        labels = field.expert
        if labels is None:
            raise DataError(
                f"The {field.model} model has no experts that arrows could stay within. Let them go anywhere."
            )
    return (yield from project_steps(field, tissue.positions, neighbors=near, k=CANDIDATES, within=labels, stop=stop))


def _cell_types(tissue: Tissue) -> NDArray[np.int32]:
    if tissue.cell_types is None:
        raise DataError(
            f"{tissue.source} has no cell types that arrows could stay within. "
            "Choose a column of cell types when loading it, or let arrows go anywhere."
        )
    return tissue.cell_types.codes


def _similar_cells(field: VelocityField, stop: StopToken | None) -> Generator[Progress, None, VelocityGraph]:
    from napari_tissue_dynamics.analysis.projection import candidates, comparable, expression_space
    from napari_tissue_dynamics.analysis.transitions import velocity_graph_steps

    similar = yield from _wait("similar cells", lambda: candidates(expression_space(field), CANDIDATES), 0.0, stop)
    return (yield from velocity_graph_steps(*comparable(field), similar, stop, weight=field.gene_weight))


def _experts(tissue: Tissue, field: VelocityField) -> ExpertStatistics | None:
    from napari_tissue_dynamics.analysis.experts import expert_statistics

    if field.expert_probability is None:
        return None
    return expert_statistics(field, tissue.positions if tissue.has_tissue else None, tissue.cell_types)


def _affordable(field: VelocityField, graph: VelocityGraph, seed: int) -> tuple[VelocityField, VelocityGraph]:
    """Return field and graph, with fewer candidates and with genes of weight zero if there are too many numbers."""
    from napari_tissue_dynamics.analysis.transitions import VelocityGraph

    n_cells, k = graph.neighbors.shape
    n_genes = len(field.genes)
    k = min(k, max(FEWEST_CANDIDATES, MOST_CHECKED // (n_cells * n_genes)))
    most = max(FEWEST_GENES, MOST_CHECKED // (n_cells * k))
    if most < n_genes:
        weight = np.ones(n_genes, np.float32) if field.gene_weight is None else field.gene_weight.copy()
        weight[np.random.default_rng(seed).permutation(n_genes)[most:]] = 0
        field = replace(field, gene_weight=weight)
    return field, VelocityGraph(graph.neighbors[:, :k], graph.cosines[:, :k])


class _Previews:
    """Quick pictures of a running fit, made only as often as the time for them allows."""

    def __init__(self, positions: NDArray[np.float64]) -> None:
        self._positions = positions
        n_cells = len(positions)
        self._cells = np.linspace(0, n_cells - 1, min(n_cells, PREVIEW_CELLS)).astype(np.intp)
        self._not_before = 0.0

    def of(self, field: VelocityField) -> VelocityPreview | None:
        """Return a picture of the present state, None if the next one is not due."""
        start = time.monotonic()
        if start < self._not_before:
            return None
        preview = VelocityPreview(field.time, field.expert_probability, self._arrows(field))
        end = time.monotonic()
        self._not_before = end + (end - start) * (1 / PREVIEW_SHARE - 1)
        return preview

    def _arrows(self, field: VelocityField) -> NDArray[np.float32]:
        from napari_tissue_dynamics.analysis.projection import project

        cells = self._cells
        part = VelocityField(
            field.genes,
            field.spliced[cells],
            field.unspliced[cells],
            field.moments_spliced[cells],
            field.moments_unspliced[cells],
            gene_weight=field.gene_weight,
        )
        arrows = np.zeros(self._positions.shape, dtype=np.float32)
        arrows[cells] = project(part, self._positions[cells], k=PREVIEW_CANDIDATES).arrows
        return arrows


def _with_previews(
    steps: Generator[Progress, None, Result], positions: NDArray[np.float64]
) -> Generator[Progress, None, Result]:
    """Pass a fit through with a preview in place of each velocity field that it shows."""
    previews = _Previews(positions)
    while True:
        try:
            progress = next(steps)
        except StopIteration as done:
            return done.value
        if isinstance(progress.snapshot, VelocityField):
            progress = replace(progress, snapshot=previews.of(progress.snapshot))
        yield progress


def regulation_steps(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig,
    stop: StopToken | None = None,
) -> Generator[Progress, None, RegulationField]:
    """Fit SpaceTravLR; as :func:`napari_tissue_dynamics.travlr.fit_steps`, but can be stopped while torch loads.

    Raises
    ------
    DataError
        If the tissue cannot be used.
    FitError
        If the work was ended before it began.
    """
    yield from _ready(config, stop)
    from napari_tissue_dynamics import travlr

    return (yield from travlr.fit_steps(tissue, targets, network, config, stop))


def many_genes_steps(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig,
    stop: StopToken | None = None,
    *,
    place: Place,
    resume: bool = True,
) -> Generator[Progress, None, RegulationField]:
    """Fit many genes of SpaceTravLR; as :func:`napari_tissue_dynamics.travlr.many.fit_genes_steps`.

    Parameters
    ----------
    tissue, targets, network, config, stop
        As for one gene.
    place
        Where genes are fitted and kept.
    resume
        Whether to go on with (or join) a run that the store holds; otherwise a store with genes is an error.

    Raises
    ------
    DataError
        If the tissue cannot be used, or the store holds genes or another run.
    FitError
        If the work was ended before it began, or nothing is left to work with.
    """
    from napari_tissue_dynamics.travlr.many import fit_genes_steps
    from napari_tissue_dynamics.travlr.store import holds_genes

    if place.store is not None and not resume and holds_genes(place.store):
        raise DataError(
            f"{place.store} holds fitted genes already. Go on with that run (resume), or choose another folder."
        )
    yield from _ready(config, stop)
    return (yield from fit_genes_steps(tissue, targets, network, config, stop, place=place))


def open_betas(path: Path, tissue: Tissue) -> RegulationField:
    """Open the genes in a folder: a run of this program, or one of the Python or Rust SpaceTravLR.

    Coefficients stay in their files until they are asked for.

    Raises
    ------
    DataError
        If the folder holds no run, or a run on other cells.
    """
    from napari_tissue_dynamics.travlr.foreign import open_run
    from napari_tissue_dynamics.travlr.store import BetaStore, is_store

    if not is_store(path):
        return open_run(path, tissue)
    store = BetaStore.open(path)
    if store.cells != tissue.cells:
        raise DataError(
            f"The genes in {path} were fitted on {len(store.cells)} other cells than the {tissue.n_cells} of "
            f"{tissue.source}, or on the same in another order. Load the tissue of that run."
        )
    return store.field()


def betas_table(path: Path, gene: str, modulator: str | None = None) -> pd.DataFrame:
    """Return the betas of one gene of a run, one row per cell (or cell type, where the run has these only).

    Parameters
    ----------
    path
        Folder of a run of this program, or of the Python or Rust SpaceTravLR.
    gene
        The target.
    modulator
        The only modulator (or ``beta0``) that is wanted; None for all.

    Raises
    ------
    DataError
        If there is no such run, gene or modulator.
    """
    import pandas as pd

    from napari_tissue_dynamics.travlr.foreign import read_table_of
    from napari_tissue_dynamics.travlr.store import BetaStore, is_store

    column = None if modulator is None else modulator if modulator == "beta0" else f"beta_{modulator}"
    if is_store(path):
        store = BetaStore.open(path)
        fit = store.gene(gene)
        index = pd.Index(store.cells, dtype=object)
        if modulator is not None:
            return pd.DataFrame({column: fit.beta(modulator)}, index=index)
        return pd.DataFrame(fit.betas, index=index, columns=pd.Index(fit.columns, dtype=object))
    table = read_table_of(path, gene)
    if column is None:
        return table
    if column not in table:
        known = ", ".join(name.removeprefix("beta_") for name in table.columns[:CANDIDATES])
        raise DataError(f"{modulator!r} is no modulator of {gene} in {path}; it has {known}.")
    return table[[column]]


def export_betas_steps(path: Path, folder: Path, stop: StopToken | None = None) -> Generator[Progress, None, int]:
    """Write the genes of a run as ``<gene>_betadata.parquet``; returns how many.

    Raises
    ------
    DataError
        If there is no run, or the folder cannot be written.
    """
    from napari_tissue_dynamics.travlr.legacy import export_legacy_steps
    from napari_tissue_dynamics.travlr.store import BetaStore

    return (yield from export_legacy_steps(BetaStore.open(path), folder, stop))


def _ready(config: TravlrConfig, stop: StopToken | None) -> Generator[Progress, None, None]:
    """Load what the estimator needs; only networks need torch."""
    if config.estimator == "network":
        yield from _loading(stop)
    elif stopped(stop):
        raise FitError(NOT_BEGUN)


def _loading(stop: StopToken | None) -> Generator[Progress, None, None]:
    """Load torch, which takes seconds the first time, without keeping a person who wants to stop."""
    steps = in_background(load_torch)
    while not stopped(stop):
        try:
            next(steps)
        except StopIteration:
            return
        yield Progress("loading torch", 0, 1, 0.0)
    raise FitError(NOT_BEGUN)


def _wait(
    phase: str, call: Callable[[], Result], fraction: float, stop: StopToken | None
) -> Generator[Progress, None, Result]:
    """Do one long call in a thread of its own; see :func:`.compute.wait_for`."""
    message = "The run was stopped before its arrows were complete; earlier results are unchanged."
    return (yield from wait_for(phase, call, fraction, stop, message))


def save(
    path: Path,
    tissue: Tissue,
    *,
    source: Path | None = None,
    velocity: VelocityResult | None = None,
    regulation: RegulationField | None = None,
    settings: Sequence[SteerConfig | TravlrConfig] = (),
    overwrite_source: bool = False,
) -> Path:
    """Write results beside everything the source file has.

    Parameters
    ----------
    path
        Where to write; replaced as a whole, or not at all.
    tissue
        The tissue that was fitted.
    source
        The file the tissue was read from; its content is kept.
    velocity, regulation
        What to write.
    settings
        Settings of the fits, for the record.
    overwrite_source
        Allow ``path`` to be the source itself.

    Returns
    -------
    The path.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    from napari_tissue_dynamics.data.anndata_io import write_h5ad

    made = [*settings, *([] if velocity is None else [velocity.projection])]
    write_h5ad(
        path,
        tissue,
        source=source,
        velocity=None if velocity is None else velocity.field,
        projections=None if velocity is None else {tissue.basis: velocity.arrows},
        checks=None if velocity is None else checks_of(velocity),
        regulation=regulation,
        provenance={"settings": {type(each).__name__: asdict(each) for each in made}},
        overwrite_source=overwrite_source,
    )
    return path


def in_words(result: VelocityResult, config: SteerConfig | None = None) -> str:
    """Return in a few sentences what a velocity is and how far it can be trusted.

    Parameters
    ----------
    result
        The velocity and its picture.
    config
        Settings of the fit, if there was one.
    """
    field = result.field
    said = []
    if field.expert_probability is not None and field.expert is not None:
        number = field.expert_probability.shape[1]
        found = config is not None and not config.n_experts
        noun = "expert" if config is None or config.faithful else "kinetic regime"
        used = len(np.unique(field.expert))
        empty = f", {number - used} of them with no cells" if used < number else ""
        said.append(f"{number} {noun}{'' if number == 1 else 's'}{' found' if found else ''}{empty}.")
    said.append(f"{len(field.genes)} genes in {field.n_cells} cells.")
    if result.null is not None:
        said.append(
            f"{result.null.fraction_above:.0%} of the arrows are longer than shuffled velocities draw them "
            f"({LEVEL:.0%} is chance)."
        )
    if result.spread is not None:
        said.append(
            f"Median agreement of a direction over samples of the genes: {np.nanmedian(result.spread):.2f} "
            f"(1 is sure, noise has {RANDOM_AGREEMENT:.2f})."
        )
    said.append(f"Mean agreement of a velocity with those of similar cells: {float(result.confidence.mean()):.2f}.")
    if field.time is not None:
        said.append(f"Latent time from {np.nanmin(field.time):.2f} to {np.nanmax(field.time):.2f}.")
    return " ".join(said)


def checks_of(velocity: VelocityResult) -> VelocityChecks:
    """Return what is kept in a file of how far a velocity can be trusted."""
    from napari_tissue_dynamics.data.velocity_checks import VelocityChecks

    graph, experts = velocity.graph, velocity.experts
    return VelocityChecks(
        confidence=velocity.confidence,
        direction_confidence=velocity.spread,
        p_value=None if velocity.null is None else velocity.null.p_value,
        neighbors=None if graph is None else graph.neighbors,
        cosines=None if graph is None else graph.cosines,
        self_transition=None if graph is None else graph.self_transition,
        tables={} if experts is None else {"summary": experts.summary(), "genes": experts.gene_table()},
    )
