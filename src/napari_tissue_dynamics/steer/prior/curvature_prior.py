"""Priors of STEER before training: clusters of cells, informative genes, where genes go up or down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.steer.prior.curvature import Curvature, cluster_curvature, curvature_prior
from napari_tissue_dynamics.steer.prior.mixture import tied_mixture, whiten

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Curvature",
    "cluster_curvature",
    "curvature_prior",
    "expert_clusters",
    "fine_clusters",
    "gene_entropy",
    "split_clusters",
]

COMPONENTS = 30
MANY_EXPERTS = 5
BINS = 5
MIN_CELLS_IN_BOX = 5
GENE_BLOCK = 256


def expert_clusters(z: NDArray[np.floating], k: int, seed: int, dimensions: int = COMPONENTS) -> NDArray[np.int32]:
    """Divide the cells into ``k`` clusters in the latent space.

    The clusters are those of a mixture of normal distributions with a common covariance, on the leading principal
    components of the latent space, the most likely of several starts. In many dimensions the best mixture is not well
    determined; 30 give more stable clusters than all.

    Parameters
    ----------
    z
        (n, latent) latent representation of the first stage.
    k
        Number of clusters.
    seed
        Seed of the start values.
    dimensions
        Maximum number of principal components.

    Returns
    -------
    (n,) codes from 0 without gaps; fewer than ``k`` if no cell is left to a cluster.

    Raises
    ------
    DataError
        If there are fewer cells than clusters.
    """
    if not 1 <= k <= len(z):
        raise DataError(f"{len(z)} cells cannot be divided among {k} experts; choose from 1 to {len(z)} experts.")
    mixture = tied_mixture(whiten(z, dimensions), k, seed=seed, restarts=5)
    return _without_gaps(mixture.probability.argmax(axis=1))


def fine_clusters(
    z: NDArray[np.floating], experts: NDArray[np.integer], target_size: int, seed: int
) -> NDArray[np.int32]:
    """Return the clusters within which time and curvature are related.

    Few experts (under five) are split by :func:`split_clusters`; five or more are taken as they are.

    Parameters
    ----------
    z
        (n, latent) latent representation.
    experts
        (n,) cluster of every cell.
    target_size
        Aimed number of cells in a fine cluster.
    seed
        Seed of the start values.

    Returns
    -------
    (n,) codes from 0 without gaps; every fine cluster lies inside one expert.
    """
    if len(np.unique(experts)) >= MANY_EXPERTS:
        return _without_gaps(experts)
    return split_clusters(z, experts, target_size, seed)


def split_clusters(
    z: NDArray[np.floating], experts: NDArray[np.integer], target_size: int, seed: int
) -> NDArray[np.int32]:
    """Split every cluster of more than one and a half times the target size by k-means.

    Parameters and result are those of :func:`fine_clusters`; the number of parts is the size of the cluster
    over the target size, rounded down, and at least two.
    """
    from sklearn.cluster import MiniBatchKMeans

    codes = np.zeros(len(z), dtype=np.int64)
    for expert in np.unique(experts):
        cells = np.flatnonzero(experts == expert)
        part = np.zeros(len(cells), dtype=np.int64)
        if len(cells) > 1.5 * target_size:
            parts = max(len(cells) // target_size, 2)
            means = MiniBatchKMeans(parts, batch_size=4096, n_init=3, random_state=seed)
            part = means.fit_predict(np.asarray(z)[cells])
        codes[cells] = codes.max() + 1 + part
    return _without_gaps(codes)


def gene_entropy(u: NDArray[np.floating], s: NDArray[np.floating], codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return how mixed the clusters lie in the plane of spliced and unspliced counts of every gene.

    The plane is cut into 5 x 5 boxes, with the same edges for all genes. The entropy of the cluster codes is
    averaged over the boxes with at least five cells, each box counting the same. A gene with a low entropy
    tells the clusters, and so the time, apart.

    Parameters
    ----------
    u, s
        (n, G) scaled unspliced and spliced moments.
    codes
        (n,) clusters from 0.

    Returns
    -------
    (G,) entropy in bits; NaN where no box of the gene has five cells.
    """
    boxes = [_bin_of(values) for values in (u, s)]
    result = np.empty(u.shape[1])
    for start in range(0, u.shape[1], GENE_BLOCK):
        genes = slice(start, start + GENE_BLOCK)
        box = boxes[0][:, genes].astype(np.int64) * BINS + boxes[1][:, genes]
        result[genes] = _box_entropy(box, np.asarray(codes))
    return result


def _bin_of(values: NDArray[np.floating]) -> NDArray[np.int8]:
    edges = np.linspace(values.min(), values.max(), BINS + 1)[1:-1]
    return np.searchsorted(edges, values, side="left").astype(np.int8)


def _box_entropy(box: NDArray[np.int64], codes: NDArray[np.integer]) -> NDArray[np.float64]:
    genes, clusters = box.shape[1], int(codes.max()) + 1
    flat = (np.arange(genes) * BINS**2 + box) * clusters + codes[:, None]
    counts = np.bincount(flat.ravel(), minlength=genes * BINS**2 * clusters)
    counts = counts.reshape(genes, BINS**2, clusters)
    total = counts.sum(axis=2)
    share = counts / np.maximum(total, 1)[:, :, None]
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=2)
    used = total >= MIN_CELLS_IN_BOX
    number = used.sum(axis=1)
    return np.where(number > 0, (entropy * used).sum(axis=1) / np.maximum(number, 1), np.nan)


def _without_gaps(codes: NDArray[np.integer]) -> NDArray[np.int32]:
    return np.unique(codes, return_inverse=True)[1].astype(np.int32)
