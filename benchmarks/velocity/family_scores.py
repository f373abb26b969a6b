"""What is measured of a velocity: agreement with the truth, regimes, and what it says of itself."""

from dataclasses import replace

import numpy as np
from sklearn.metrics import adjusted_rand_score

from napari_tissue_dynamics.analysis.validation.benchmark_metrics import gene_cosine, time_agreement
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.graph.components import principal_components
from napari_tissue_dynamics.graph.counts import normalise
from napari_tissue_dynamics.graph.moments import moments
from napari_tissue_dynamics.graph.neighbors import expression_graph
from napari_tissue_dynamics.workflow.picture import picture_steps

EXTREME = 5.0
TINY = np.finfo(np.float64).tiny


def baseline(tissue):
    """Return v = u - gamma s on means over 30 similar cells, gamma from the cells with the lowest and highest s."""
    spliced, unspliced = normalise(tissue.spliced), normalise(tissue.unspliced)
    graph = expression_graph(principal_components(spliced.log1p()), min(30, tissue.n_cells - 1))
    s, u = moments(spliced, graph), moments(unspliced, graph)
    low, high = np.percentile(s, [EXTREME, 100 - EXTREME], axis=0)
    extreme = (s <= low) | (s >= high)
    gamma = (u * s * extreme).sum(axis=0) / np.maximum((s * s * extreme).sum(axis=0), TINY)
    v = (u - gamma * s).astype(np.float32)
    return VelocityField(tissue.genes, v, np.zeros_like(v), s, u, model="baseline")


def score(field, made):
    """Return the scores of a velocity, by name; those that need a truth only where there is one.

    Only cells that change by their own kinetics count for the agreement with the truth: static, dying and empty ones do
    not. ``static`` is the speed of the static cells as a share of that of the others, in the scale of the standardized
    cosine.
    """
    found = {} if field.expert is None else {"regimes": len(np.unique(field.expert))}
    if field.evidence is not None:
        found |= {"pairing_z": field.evidence.pairing_z, "lag_z": field.evidence.lag_z}
    if made.truth is None:
        return found
    truth, cells = made.truth, _changing(made.truth)
    if field.expert is not None and len(truth.regime.categories) > 1:
        found["ari"] = adjusted_rand_score(truth.regime.codes, field.expert)
    if not cells.any():
        return found
    found |= _velocities(field, made, cells)
    if field.time is not None and not made.circular:
        time = np.nan_to_num(field.time, nan=np.nanmedian(field.time))
        found["time"] = time_agreement(time[cells], truth.time[cells], truth.regime.codes[cells]).within
    return found | {"arrows": _arrow_cosine(field, made, cells)}


def _changing(truth):
    still = [getattr(truth, name) for name in ("static", "dying", "empty") if hasattr(truth, name)]
    return ~np.any(still, axis=0) if still else np.ones(len(truth.time), dtype=bool)


def _velocities(field, made, cells):
    """Return the cosines over the genes that count and change."""
    true = _truth(field, made)
    counted = np.isfinite(field.spliced).all(axis=0) & true[cells].any(axis=0)
    if field.velocity_genes is not None:
        counted &= field.velocity_genes
    v, true = field.spliced[:, counted].astype(np.float64), true[:, counted]
    scaled, true_scaled = v / _rms(v[cells]), true / _rms(true[cells])
    found = {
        "genes": int(counted.sum()),
        "std": gene_cosine(scaled[cells], true_scaled[cells]),
        "raw": gene_cosine(v[cells], true[cells]),
    }
    static = ~made.truth.velocity.any(axis=1) & ~getattr(made.truth, "empty", False)
    if static.any():
        found["static"] = np.linalg.norm(scaled[static], axis=1).mean() / np.linalg.norm(scaled[cells], axis=1).mean()
    return found


def _truth(field, made):
    """Return the true velocity of the genes of a field in the unit of its moments, (cells, genes)."""
    columns = [made.tissue.gene_index(gene) for gene in field.genes]
    s, seen = made.truth.spliced[:, columns], np.nan_to_num(field.moments_spliced.astype(np.float64))
    return made.truth.velocity[:, columns] * (seen * s).sum(axis=0) / np.maximum((s * s).sum(axis=0), TINY)


def _rms(values):
    return np.maximum(np.sqrt((values**2).mean(axis=0)), TINY)


def _arrow_cosine(field, made, cells):
    """Compare the arrows with the movement of the cells or, without one, with the arrows of the true velocity."""
    movement = made.truth.spatial_velocity
    if movement is None:
        true = replace(field, spliced=_truth(field, made).astype(np.float32), velocity_genes=None, evidence=None)
        movement = _arrows(true, made.tissue)
    return gene_cosine(_arrows(field, made.tissue)[cells], movement[cells])


def _arrows(field, tissue):
    """Return the arrows that the picture of the velocity begins with."""
    return next(step.snapshot.arrows for step in picture_steps(tissue, field) if step.snapshot is not None)
