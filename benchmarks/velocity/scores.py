"""One protocol for all methods: from the arrays that a runner wrote to its scores."""

import numpy as np
from direction_metrics import cross_boundary_direction, direction_accuracy, in_cluster_coherence, time_labels
from sklearn.metrics import adjusted_rand_score

from napari_tissue_dynamics.analysis.arrows.projection import project
from napari_tissue_dynamics.analysis.validation.benchmark_metrics import gene_cosine, time_agreement
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.graph.neighbors import knn

NEIGHBORS = 30
TIME_BINS = 5
TINY = np.finfo(np.float64).tiny


def score(found, truth):
    """Return every score that the arrays ``found`` of a method allow, by name.

    Parameters
    ----------
    found
        Arrays of a runner: ``genes``, ``velocity`` and ``moments`` (cells, genes); and where the method has them
        ``time``, ``experts``, ``embedding``, ``gene_weight`` and ``own_arrows``.
    truth
        Arrays of the simulation, as :func:`tissues.write_tissue` returns them.
    """
    scores = {}
    if "velocity" in found:
        scores |= _velocity_scores(found, truth)
    if "own_arrows" in found:
        scores["accuracy_own"] = direction_accuracy(np.nan_to_num(found["own_arrows"]), truth["movement"])
    if "time" in found:
        agreement = time_agreement(_complete(found["time"]), truth["time"], truth["regime"])
        scores |= {"time": agreement.overall, "time_within": agreement.within}
    if "experts" in found and len(np.unique(truth["regime"])) > 1:
        scores["ari"] = adjusted_rand_score(found["experts"], truth["regime"])
    return scores


def _velocity_scores(found, truth):
    positions = truth["positions"]
    field = VelocityField(
        genes=tuple(found["genes"].tolist()),
        spliced=found["velocity"],
        unspliced=np.zeros_like(found["velocity"]),
        moments_spliced=found["moments"],
        moments_unspliced=np.zeros_like(found["moments"]),
        embedding=found.get("embedding"),
        gene_weight=found.get("gene_weight"),
    )
    arrows = project(field, positions, neighbors="tissue", k=NEIGHBORS).arrows
    far = project(field, positions, neighbors="expression", k=NEIGHBORS).arrows
    near, _ = knn(positions, NEIGHBORS)
    labels, edges = time_labels(truth["time"], TIME_BINS)
    return {
        "accuracy": direction_accuracy(arrows, truth["movement"]),
        "accuracy_expression": direction_accuracy(far, truth["movement"]),
        "cbdir": cross_boundary_direction(arrows, positions, labels, edges, near).mean,
        "icvcoh": in_cluster_coherence(arrows, labels, near),
        "gene_cosine": _gene_cosine(found, truth),
        "genes": float(len(field.genes)),
    }


def _gene_cosine(found, truth):
    """Compare with the true velocity in the unit of the moments, every gene divided by its largest moment."""
    place = {gene: column for column, gene in enumerate(truth["genes"].tolist())}
    columns = [place[gene] for gene in found["genes"].tolist()]
    moments = found["moments"].astype(np.float64)
    spliced = truth["spliced"][:, columns]
    unit = (moments * spliced).sum(axis=0) / np.maximum((spliced * spliced).sum(axis=0), TINY)
    largest = np.maximum(moments.max(axis=0), TINY)
    return gene_cosine(found["velocity"] / largest, truth["velocity"][:, columns] * unit / largest)


def _complete(time):
    """Return the time with the middle of all cells where a method gave a cell none."""
    return np.nan_to_num(time, nan=np.nanmedian(time))
