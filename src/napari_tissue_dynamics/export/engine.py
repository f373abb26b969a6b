"""Everything in one call: simulate a lineage tree, fit a velocity model, find fates, write all files, score them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.export.config import ExportConfig
from napari_tissue_dynamics.export.steps import export
from napari_tissue_dynamics.kinetic_models.config import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import Progress
    from napari_tissue_dynamics.simulators.branching import SimulatedBranching

BRANCH_POINTS = 3
TINY = np.finfo(np.float64).tiny


def run_velocity_engine(
    out_dir: str | Path = "velocity_output",
    n_cells: int = 3000,
    n_genes: int = 2000,
    n_states: int = 5,
    model: Model = "dynamical",
    run_fate: bool = True,
    *,
    seed: int = 0,
    config: ExportConfig = ExportConfig(),
    report: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Simulate cells of a lineage tree with counting noise, find their velocities and fates, and write all files.

    Parameters
    ----------
    out_dir
        Folder to write to; made if it is not there.
    n_cells, n_genes
        Size of the simulation.
    n_states
        The progenitor and the ends of the tree, at least 2; three branch points, or as many as the states allow.
    model
        ``steady_state``, ``stochastic`` or ``dynamical``.
    run_fate
        Find terminal states and the probability of every cell to end in each.
    seed
        Seed of the simulation and of everything after it.
    config
        What is written.
    report
        Called with the progress of every part.

    Returns
    -------
    What was found, plain numbers and words: ``model``, ``n_cells``, ``n_genes`` (fitted), ``n_velocity_genes``,
    ``n_states``, ``velocity_cosine`` (mean over cells, with the true velocity in counts), ``latent_time_r`` (Pearson),
    ``latent_time_spearman``, with fates ``terminal_states``, ``fate_accuracy`` (cells in the last segments of the tree
    whose most likely fate is their own end) and ``n_without_fate``; ``seconds`` (of fit and arrows) and ``files``.

    Raises
    ------
    DataError
        If there is no such model, or a number is out of its range.
    """
    from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
    from napari_tissue_dynamics.simulators.branching import simulate_branching
    from napari_tissue_dynamics.workflow.cell_fate import fate
    from napari_tissue_dynamics.workflow.velocity import velocity

    if model not in get_args(Model):
        raise DataError(f"There is no model {model!r}; choose one of {', '.join(get_args(Model))}.")
    branch_points = max(0, min(BRANCH_POINTS, n_states - 2))
    simulated = simulate_branching(n_cells, n_genes, seed, n_states=n_states, n_branch_points=branch_points)
    start = time.perf_counter()
    result = velocity(simulated.tissue, KineticsConfig(model=model, seed=seed), report)
    seconds = time.perf_counter() - start
    fates = fate(simulated.tissue, result, report=report) if run_fate else None
    files = export(Path(out_dir), simulated.tissue, result, config, report, fates=fates)
    counts = result.field.velocity_genes
    return {
        "model": model,
        "n_cells": n_cells,
        "n_genes": len(result.field.genes),
        "n_velocity_genes": len(result.field.genes) if counts is None else int(counts.sum()),
        "n_states": n_states,
        **velocity_scores(simulated, result.field),
        **({} if fates is None else fate_scores(simulated, fates)),
        "seconds": round(seconds, 2),
        "files": {path.name: str(path) for path in files},
    }


def velocity_scores(simulated: SimulatedBranching, field: VelocityField) -> dict[str, float]:
    """Return the mean cosine with the true velocity, and how latent time goes with the true one.

    The moments of every gene are in a unit of their own; the true velocity is brought to it by the ratio of moments
    and true RNA over all cells (least squares).
    """
    from scipy.stats import spearmanr

    from napari_tissue_dynamics.analysis.validation.benchmark_metrics import gene_cosine

    columns = [simulated.tissue.gene_index(gene) for gene in field.genes]
    true, moments = simulated.truth.spliced[:, columns], field.moments_spliced.astype(np.float64)
    unit = (moments * true).sum(axis=0) / np.maximum((true * true).sum(axis=0), TINY)
    scores = {"velocity_cosine": gene_cosine(field.spliced, simulated.truth.velocity[:, columns] * unit)}
    if field.time is not None:
        scores["latent_time_r"] = float(np.corrcoef(field.time, simulated.truth.time)[0, 1])
        scores["latent_time_spearman"] = float(spearmanr(field.time, simulated.truth.time).statistic)
    return scores


def fate_scores(simulated: SimulatedBranching, fates: FateResult) -> dict[str, Any]:
    """Return the terminal states, and the share of the cells of every terminal state that are assigned to it.

    A state that was found stands for the end that most of its cells are of.
    """
    end = simulated.state.codes - 1  # the progenitor is -1
    belongs = np.full(len(fates.names) + 1, -2)
    for state in range(len(fates.names)):
        inside = end[(fates.terminal.codes == state) & (end >= 0)]
        if inside.size:
            belongs[state] = np.bincount(inside).argmax()
    decided = end >= 0
    right = belongs[fates.fate] == end  # a cell without a fate takes the last, which is none
    return {
        "terminal_states": list(fates.names),
        "fate_accuracy": float(right[decided].mean()),
        "n_without_fate": fates.n_unreachable,
    }
