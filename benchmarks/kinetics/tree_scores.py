"""From what a runner wrote and what is true to the scores; the same for every method."""

import numpy as np
from scipy import sparse
from scipy.stats import spearmanr

from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
from napari_tissue_dynamics.analysis.fate.fate import FateConfig, fate
from napari_tissue_dynamics.analysis.validation.benchmark_metrics import gene_cosine
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import run_to_end

TINY = np.finfo(np.float64).tiny
# Steepness of the transition probabilities, T ~ exp(cosine / SIGMA).
SIGMA = 0.1
# Cells of every end that are called terminal where the ends are known.
TERMINAL_CELLS = 30
COMMITTED = 0.999


def score(found, truth, near):
    """Return every score that the arrays of a method allow, by name.

    Parameters
    ----------
    found
        Arrays of a runner: ``genes``; ``velocity`` and ``moments`` (cells, those genes); where the method has them
        ``time`` (cells,), ``gene_weight`` (genes,), and the cosines of its own velocity graph as the parts of a CSR
        matrix, ``graph_data``, ``graph_indices``, ``graph_indptr``.
    truth
        What :func:`trees.write_tree` returns.
    near
        (cells, k) candidates of the next cell, the same for every method.
    """
    scores = velocity_scores(found, truth) | trajectory_scores(graph_over(found, near), truth)
    if "graph_data" in found:
        own = trajectory_scores(own_graph(found), truth)
        scores |= {f"own_{name}": value for name, value in own.items()}
        scores |= fate_scores(own_graph(found), truth, found.get("time"))
    if "time" in found:
        scores |= time_scores(found, truth)
    return scores


def velocity_scores(found, truth):
    """Return cosines with the true velocity, in counts and with every gene in units of its largest moment."""
    place = {gene: column for column, gene in enumerate(truth["genes"].tolist())}
    columns = [place[gene] for gene in found["genes"].tolist()]
    moments, velocity = found["moments"].astype(np.float64), found["velocity"].astype(np.float64)
    spliced = truth["spliced"][:, columns]
    # The moments of a gene are in a unit of their own: that of the true RNA times this.
    unit = (moments * spliced).sum(axis=0) / np.maximum((spliced * spliced).sum(axis=0), TINY)
    true = truth["velocity"][:, columns] * unit
    largest = np.maximum(moments.max(axis=0), TINY)
    in_counts, of_all = velocity / np.maximum(unit, TINY), np.zeros_like(truth["velocity"])
    of_all[:, columns] = np.where(unit > TINY, in_counts, 0)
    return {
        "cosine": gene_cosine(velocity, true),
        "cosine_all": gene_cosine(of_all, truth["velocity"]),
        "cosine_even": gene_cosine(velocity / largest, true / largest),
        "genes": float(len(columns)),
    }


def trajectory_scores(graph, truth):
    """Return how many cells a velocity graph, CSR cosines without a diagonal, sends on.

    ``trajectory``: of the cells that have earlier and later cells of their lineage as candidates, the share of those
    whose transition probabilities favor the later ones more than an even choice does. ``next``: share of all cells
    whose most likely next cell is later, and in the same segment of the tree or in one that follows it.
    """
    n = graph.shape[0]
    row, column = np.repeat(np.arange(n), np.diff(graph.indptr)), graph.indices
    time, segment, after = truth["time"], truth["segment"], follows(truth["parent"])
    forward = after[segment[row], segment[column]] & (time[column] > time[row])
    backward = after[segment[column], segment[row]] & (time[column] < time[row])
    odds = np.exp(graph.data / SIGMA)
    on, back, even_on, even_back = (
        np.bincount(row, weight * kind, n) for weight in (odds, np.ones_like(odds)) for kind in (forward, backward)
    )
    either = (even_on > 0) & (even_back > 0)
    ends = zip(graph.indptr[:-1], graph.indptr[1:], strict=True)
    best = np.array([i + np.argmax(graph.data[i:j]) if j > i else -1 for i, j in ends])
    right = np.where(best >= 0, forward[best], False)
    return {
        "trajectory": float((on * even_back > back * even_on)[either].mean()),
        "next": float(right.mean()),
    }


def fate_scores(graph, truth, time=None):
    """Return how well the chain of a velocity graph, CSR cosines without a diagonal, tells fates.

    ``fate``: share of the cells with one possible end whose most likely end it is. ``fate_r``: correlation of found and
    true probabilities over all cells and ends. Terminal cells are the latest ones of every end, the same for every
    method. ``fate_found``: as ``fate``, with terminal states that are found; each stands for the end that most of its
    cells are in, and cells of an end that was not found count as wrong.
    """
    chain, true = padded(graph), truth["fate"]
    n, ends = true.shape
    latest = np.full(n, -1, dtype=np.int32)
    for end in range(ends):
        cells = np.flatnonzero(true[:, end] > COMMITTED)
        latest[cells[np.argsort(-truth["time"][cells])[:TERMINAL_CELLS]]] = end
    known = Labels("ends", latest, tuple(truth["states"][1:]))
    config = FateConfig(find_initial=False, drivers=False)
    probabilities = fate(chain, config, terminal=known).probabilities
    single = true.max(axis=1) > COMMITTED
    right = probabilities.argmax(axis=1) == true.argmax(axis=1)
    scores = {
        "fate": float(right[single].mean()),
        "fate_r": float(np.corrcoef(np.nan_to_num(probabilities).ravel(), true.ravel())[0, 1]),
    }
    try:
        result = fate(chain, config, time=time)
    except DataError:
        return scores | {"fate_found": 0.0, "ends_found": 0.0}
    stands = np.array(
        [
            np.bincount(true[result.terminal.codes == state].argmax(axis=1), minlength=ends).argmax()
            for state in range(len(result.names))
        ]
    )
    right = stands[np.nan_to_num(result.probabilities).argmax(axis=1)] == true.argmax(axis=1)
    return scores | {"fate_found": float(right[single].mean()), "ends_found": float(len(set(stands.tolist())))}


def padded(graph):
    """Return CSR cosines with rows of any length as a velocity graph; a cell stands where it has fewer neighbors."""
    n, ends = graph.shape[0], np.diff(graph.indptr)
    filled = np.arange(ends.max()) < ends[:, None]
    near = np.repeat(np.arange(n, dtype=np.int32)[:, None], ends.max(), axis=1)
    cosines = np.zeros(near.shape, dtype=np.float32)
    near[filled], cosines[filled] = graph.indices, graph.data
    return VelocityGraph(near, cosines)


def time_scores(found, truth):
    """Return Pearson's and Spearman's correlation of latent and true time; cells without a time have the middle one."""
    time = np.nan_to_num(found["time"].astype(np.float64), nan=np.nanmedian(found["time"]))
    return {
        "time_r": float(np.corrcoef(time, truth["time"])[0, 1]),
        "time_rank": float(spearmanr(time, truth["time"]).statistic),
    }


def own_graph(found):
    """Return the velocity graph that the method made, without the diagonal."""
    parts = found["graph_data"].astype(np.float64), found["graph_indices"], found["graph_indptr"]
    n = len(found["velocity"])
    graph = sparse.coo_array(sparse.csr_array(parts, shape=(n, n)))
    kept = graph.row != graph.col
    return sparse.csr_array((graph.data[kept], (graph.row[kept], graph.col[kept])), shape=(n, n))


def graph_over(found, near):
    """Return the cosines of the velocities and the steps to given cells, as this package takes them for all models."""
    velocity, moments = found["velocity"].astype(np.float32), found["moments"].astype(np.float32)
    field = VelocityField(
        tuple(found["genes"].tolist()), velocity, velocity, moments, moments, gene_weight=found.get("gene_weight")
    )
    cosines = run_to_end(ArrowInputs.of(field).graph_steps(near)).cosines
    return sparse.csr_array(
        (cosines.ravel().astype(np.float64), near.ravel(), np.arange(0, near.size + 1, near.shape[1])),
        shape=(len(near), len(near)),
    )


def follows(parent):
    """Return, (segments, segments), whether a cell of the first can come to be in the second; itself included."""
    after = np.eye(len(parent), dtype=bool)
    for segment, before in enumerate(parent):  # segments come after those before them
        if before >= 0:
            after[:, segment] |= after[:, before]
    return after
