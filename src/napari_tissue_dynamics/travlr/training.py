"""Fit spatially varying regulation, gene by gene."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.compute import load_torch, one_threaded
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.progress import Progress, Throttle, part_of, run_to_end, stopped
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.fit_inputs import make_plan
from napari_tissue_dynamics.travlr.shared_inputs import Context, context_steps
from napari_tissue_dynamics.travlr.smooth.fit import smooth_gene_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.design import Design, Modulators
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

# Share of the whole fit that ligands and neighbors take.
CONTEXT_SHARE = 0.08


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
        Ends the fit early; unfinished genes are omitted.

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

    Every way to fit many genes (one after the other, in processes, on a cluster) comes down to this. It computes in one
    thread, so that the same seed gives the same coefficients in all of them; more cores are for more genes at a time.

    Yields
    ------
    Progress, a few times a second, its ``fraction`` that of this gene alone.
    """
    target, design = chosen.target, context.design(chosen)
    if config.estimator == "smooth":
        fit = yield from one_threaded(smooth_gene_steps(target, design, context.smooth_place(config), config, stop))
    else:
        load_torch()
        fit = yield from one_threaded(_network_gene_steps(target, design, context, config, stop))
    touching = tuple(ligand for ligand, secreted in chosen.signals if not secreted)
    return None if fit is None else replace(fit, contact_ligands=touching)


def _network_gene_steps(
    target: str, design: Design, context: Context, config: TravlrConfig, stop: StopToken | None
) -> Generator[Progress, None, GeneFit | None]:
    """Fit one gene by a seed and a network in each cell type."""
    from napari_tissue_dynamics.travlr.nets.cell_type import SEED_SHARE, TypeFit, seed_of, type_steps  # imports torch

    betas = np.zeros((len(context.codes), 1 + len(design.names)), dtype=np.float32)
    seed_r2, fit_r2 = [], []
    members, niches = context.members, context.niches(config)
    typed = sum(len(rows) for rows in members)
    throttle, start = Throttle(), 0.0
    for cluster, rows, niche in zip(context.clusters, members, niches, strict=True):
        seed = seed_of(config.seed, target, cluster)
        steps = type_steps(design.x[rows], design.y[rows], design.groups, niche, config, seed)
        width = len(rows) / typed
        while True:
            if stopped(stop):
                return None
            try:
                done, loss, _ = next(steps)
            except StopIteration as end:
                fitted: TypeFit = end.value
                break
            if throttle.due():
                phase = f"{target} in {cluster}"
                epoch = round(config.epochs * max(0.0, (done - SEED_SHARE) / (1 - SEED_SHARE)))
                yield Progress(phase, epoch, config.epochs, start + width * done, loss)
        start += width
        betas[rows] = fitted.betas
        seed_r2.append(fitted.seed_r2)
        fit_r2.append(fitted.fit_r2)
    effects = tuple((betas[:, 1:] * design.x).std(axis=0).tolist())
    return GeneFit(target, design.names, betas, context.clusters, tuple(seed_r2), tuple(fit_r2), effects)
