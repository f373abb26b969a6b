"""Fit spatially varying regulation, gene by gene."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.progress import Progress, Throttle, part_of, run_to_end, stopped
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.context import Context, context_steps
from napari_tissue_dynamics.travlr.niche import Niche, train_steps
from napari_tissue_dynamics.travlr.plan import make_plan
from napari_tissue_dynamics.travlr.seeds import mean_only, r_squared, seed_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.design import Design, Modulators
    from napari_tissue_dynamics.travlr.network import RegulatoryNetwork

# Shares of the whole fit: ligands and neighbors first, then in every cell type the seed before the network.
CONTEXT_SHARE = 0.08
SEED_SHARE = 0.15


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
    yield Progress("ligands reaching each cell", 0, len(plan.signals), 0.0)
    context = yield from part_of(context_steps(plan, config, stop), 0.0, CONTEXT_SHARE)
    finished: list[GeneFit] = []
    for k, chosen in enumerate(plan.modulators):
        if context is None or stopped(stop):
            return RegulationField(tuple(finished), stopped=True)
        share = (1 - CONTEXT_SHARE) / len(plan.modulators)
        start = CONTEXT_SHARE + k * share
        gene = yield from part_of(gene_steps(chosen, context, config, stop), start, start + share)
        if gene is None:
            return RegulationField(tuple(finished), stopped=True)
        finished.append(gene)
        yield Progress(f"{chosen.target} fitted", k + 1, len(plan.modulators), start + share, snapshot=gene)
    return RegulationField(tuple(finished))


def gene_steps(
    chosen: Modulators, context: Context, config: TravlrConfig, stop: StopToken | None = None
) -> Generator[Progress, None, GeneFit | None]:
    """Fit one gene in all cell types; None when stopped.

    Every way to fit many genes (one after the other, in processes, on a cluster) comes down to this.

    Parameters
    ----------
    chosen
        The target and what may regulate it.
    context
        What all targets share.
    config
        Settings of the fit.
    stop
        Ends the fit early.

    Yields
    ------
    Progress, a few times a second, its ``fraction`` that of this gene alone.
    """
    target, design = chosen.target, context.design(chosen)
    betas = np.zeros((len(context.codes), 1 + len(design.names)), dtype=np.float32)
    seed_r2, fit_r2 = [], []
    members, niches = context.members, context.niches(config)
    typed = sum(len(rows) for rows in members)
    throttle, start = Throttle(), 0.0
    for cluster, rows, niche in zip(context.clusters, members, niches, strict=True):
        steps = _cluster_steps(design, rows, niche, config, seed_of(config.seed, target, cluster))
        width = len(rows) / typed
        while True:
            if stopped(stop):
                return None
            try:
                done, loss = next(steps)
            except StopIteration as end:
                betas[rows], before, after = end.value
                break
            if throttle.due():
                phase = f"{target} in {cluster}"
                epoch = round(config.epochs * max(0.0, (done - SEED_SHARE) / (1 - SEED_SHARE)))
                yield Progress(phase, epoch, config.epochs, start + width * done, loss)
        start += width
        seed_r2.append(before)
        fit_r2.append(after)
    effects = tuple((betas[:, 1:] * design.x).std(axis=0).tolist())
    return GeneFit(target, design.names, betas, context.clusters, tuple(seed_r2), tuple(fit_r2), effects)


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
