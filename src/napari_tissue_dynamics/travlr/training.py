"""Fit spatially varying regulation, gene by gene."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.compute import pick_device
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.progress import Progress, run_to_end, stopped
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.design import above_zero, build_design
from napari_tissue_dynamics.travlr.maps import MapGrid, min_max_scaled, neighbor_count_steps
from napari_tissue_dynamics.travlr.niche import Niche, train_steps
from napari_tissue_dynamics.travlr.plan import Plan, make_plan
from napari_tissue_dynamics.travlr.seeds import mean_only, r_squared, seed_steps
from napari_tissue_dynamics.travlr.signals import received_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.design import Design
    from napari_tissue_dynamics.travlr.network import RegulatoryNetwork

SECONDS_BETWEEN_REPORTS = 0.125
# Shares of the whole fit: ligands and neighbors first, then in every cell type the seed before the network.
CONTEXT_SHARE = 0.08
SEED_SHARE = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What all targets share.

    Parameters
    ----------
    received
        (cells,) received ligand by name and whether it is secreted.
    niches, members
        Where the cells of each type sit, and which cells they are.
    """

    received: Mapping[tuple[str, bool], NDArray[np.float32]]
    niches: tuple[Niche, ...]
    members: tuple[NDArray[np.intp], ...]


@dataclass(slots=True)
class _Monitor:
    """Decides when to report, and notices the wish to stop."""

    stop: StopToken | None
    last: float = field(default_factory=time.monotonic)

    def stopped(self) -> bool:
        return stopped(self.stop)

    def due(self) -> bool:
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_REPORTS:
            return False
        self.last = now
        return True


def fit(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig = TravlrConfig(),
    report: Callable[[Progress], None] | None = None,
) -> RegulationField:
    """Run :func:`fit_steps` to the end."""
    return run_to_end(fit_steps(tissue, targets, network, config), report)


def fit_steps(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig = TravlrConfig(),
    stop: StopToken | None = None,
) -> Generator[Progress, None, RegulationField]:
    r"""Fit, for each target gene, what every modulator does to it in every cell.

    .. math:: y_i = \beta_0(s_i) + \sum_k \beta_k(s_i)\, x_{ik}

    with columns ``TF`` (expression), ``Ligand$Receptor`` and ``Ligand#TF`` (received ligand times
    expression). In each cell type a linear seed model gives the anchors, and a network bends them over
    space. Cell types whose seed or network has an R² below ``config.score_threshold`` keep their mean as
    :math:`\beta_0` and nothing else. Cells without a type get zeros. Source: SpaceTravLR.

    Parameters
    ----------
    tissue
        Cells with positions and expression; without cell types all cells are one type. Expression is used
        as it is, without smoothing.
    targets
        Genes to be fitted; repeated names count once.
    network
        What may regulate what.
    config
        Settings of the fit.
    stop
        Ends the fit early; genes that are not finished are left out.

    Yields
    ------
    Progress, a few times a second; after each gene with its :class:`GeneFit` as ``snapshot``.

    Returns
    -------
    The fitted genes, ``stopped=True`` if the fit was ended early.

    Raises
    ------
    DataError
        Before the first report, if the input cannot be used.
    """
    plan = make_plan(tissue, targets, network, config)
    monitor = _Monitor(stop)
    yield Progress("ligands reaching each cell", 0, len(plan.signals), 0.0)
    context = yield from _context_steps(plan, config, monitor)
    finished: list[GeneFit] = []
    for k, chosen in enumerate(plan.modulators):
        if context is None or monitor.stopped():
            return RegulationField(tuple(finished), stopped=True)
        design = build_design(chosen, plan.columns, context.received, plan.codes)
        share = (1 - CONTEXT_SHARE) / len(plan.modulators)
        start = CONTEXT_SHARE + k * share
        gene = yield from _gene_steps(chosen.target, design, plan, context, config, monitor, (start, share))
        if gene is None:
            return RegulationField(tuple(finished), stopped=True)
        finished.append(gene)
        yield Progress(f"{chosen.target} fitted", k + 1, len(plan.modulators), start + share, snapshot=gene)
    return RegulationField(tuple(finished))


def _context_steps(plan: Plan, config: TravlrConfig, monitor: _Monitor) -> Generator[Progress, None, Context | None]:
    ligands = [above_zero(plan.columns[name]) for name, _ in plan.signals]
    radii = np.array([plan.radius if secreted else plan.contact_distance for _, secreted in plan.signals])
    sent = np.column_stack(ligands) if ligands else np.zeros((len(plan.codes), 0), dtype=np.float32)
    steps = received_steps(plan.positions, sent, radii, config.kernel, config.scale_factor)
    received = yield from _reported(steps, "ligands reaching each cell", monitor, 0.0, 0.75 * CONTEXT_SHARE)
    if received is None:
        return None
    counting = neighbor_count_steps(plan.positions, plan.codes, len(plan.clusters), plan.radius)
    phase = "neighbors of each cell"
    counts = yield from _reported(counting, phase, monitor, 0.75 * CONTEXT_SHARE, 0.25 * CONTEXT_SHARE)
    if counts is None:
        return None
    grid = MapGrid.over(plan.positions, config.spatial_dim)
    neighbors = min_max_scaled(counts)
    device = pick_device(config.device)
    members = tuple(np.flatnonzero(plan.codes == k) for k in range(len(plan.clusters)))
    return Context(
        received={signal: received[:, k] for k, signal in enumerate(plan.signals)},
        niches=tuple(Niche.of(plan.positions[rows], neighbors[rows], grid, device) for rows in members),
        members=members,
    )


def _reported(
    steps: Generator[float, None, NDArray[np.floating]],
    phase: str,
    monitor: _Monitor,
    start: float,
    share: float,
) -> Generator[Progress, None, NDArray[np.floating] | None]:
    """Pass reports of shares on, on the clock; None when stopped."""
    while not monitor.stopped():
        try:
            done = next(steps)
        except StopIteration as end:
            return end.value
        if monitor.due():
            yield Progress(phase, round(100 * done), 100, start + share * done)
    return None


def _gene_steps(
    target: str,
    design: Design,
    plan: Plan,
    context: Context,
    config: TravlrConfig,
    monitor: _Monitor,
    span: tuple[float, float],
) -> Generator[Progress, None, GeneFit | None]:
    """Fit one gene in all cell types; None when stopped."""
    betas = np.zeros((len(plan.codes), 1 + len(design.names)), dtype=np.float32)
    seed_r2, fit_r2 = [], []
    typed = sum(len(rows) for rows in context.members)
    start, share = span
    for cluster, rows, niche in zip(plan.clusters, context.members, context.niches, strict=True):
        steps = _cluster_steps(design, rows, niche, config, seed_of(config.seed, target, cluster))
        width = share * len(rows) / typed
        while True:
            if monitor.stopped():
                return None
            try:
                done, loss = next(steps)
            except StopIteration as end:
                betas[rows], before, after = end.value
                break
            if monitor.due():
                phase = f"{target} in {cluster}"
                epoch = round(config.epochs * max(0.0, (done - SEED_SHARE) / (1 - SEED_SHARE)))
                yield Progress(phase, epoch, config.epochs, start + width * done, loss)
        start += width
        seed_r2.append(before)
        fit_r2.append(after)
    effects = tuple((betas[:, 1:] * design.x).std(axis=0).tolist())
    return GeneFit(target, design.names, betas, plan.clusters, tuple(seed_r2), tuple(fit_r2), effects)


def _cluster_steps(
    design: Design, rows: NDArray[np.intp], niche: Niche, config: TravlrConfig, seed: int
) -> Generator[tuple[float, float | None], None, tuple[NDArray[np.float32], float, float]]:
    """Fit one gene in one cell type; returns its coefficients and both R²."""
    x, y = design.x[rows], design.y[rows]
    wide = y.astype(np.float64)
    steps = seed_steps(x.astype(np.float64), wide, design.groups, config)
    while True:
        try:
            yield SEED_SHARE * next(steps), None
        except StopIteration as end:
            anchors = end.value
            break
    seed_r2 = fit_r2 = r_squared(wide, anchors[0] + x @ anchors[1:])
    betas = np.broadcast_to(anchors.astype(np.float32), (len(rows), len(anchors)))
    if fit_r2 >= config.score_threshold and config.epochs and np.ptp(y) > 0:
        training = train_steps(niche, x, y, anchors, config, seed)
        while True:
            try:
                done, loss = next(training)
            except StopIteration as end:
                betas = end.value
                break
            yield SEED_SHARE + (1 - SEED_SHARE) * done, loss
        fit_r2 = r_squared(wide, betas[:, 0] + (betas[:, 1:].astype(np.float64) * x).sum(axis=1))
    if not fit_r2 >= config.score_threshold:
        only_mean = mean_only(wide, x.shape[1])
        betas = np.broadcast_to(only_mean.astype(np.float32), betas.shape)
        fit_r2 = r_squared(wide, np.full_like(wide, only_mean[0]))
    return betas, seed_r2, fit_r2


def seed_of(seed: int, target: str, cluster: str) -> int:
    """Return the random seed of one network, from names only, so that no other gene or type changes it."""
    digest = hashlib.blake2b(f"{seed}\x1f{target}\x1f{cluster}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")
