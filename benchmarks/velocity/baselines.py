"""Marks to measure by, on one file: ``python baselines.py --data tissue.h5ad --method least-squares --out result.npz``.

``oracle`` is the true velocity on measured moments. ``least-squares`` has one slope per gene through all cells and no
clock. ``kmeans`` only groups cells, on logarithms of counts.
"""

import argparse

import numpy as np

from napari_tissue_dynamics.data.io.read import read_h5ad
from napari_tissue_dynamics.steer import SteerConfig
from napari_tissue_dynamics.steer.preprocessing import normalise, prepare, select_genes

METHODS = ("oracle", "least-squares", "kmeans")
TINY = np.finfo(np.float32).tiny


def moments(tissue, min_shared_counts):
    """Return the moments as published: means over similar cells, without the tissue."""
    config = SteerConfig(profile="faithful", min_shared_counts=min_shared_counts)
    return prepare(tissue, config, select_genes(tissue, config))


def oracle(seen, tissue, truth):
    """Return the true velocity in the unit of the moments, which differs from gene to gene by a factor."""
    columns = [tissue.gene_index(gene) for gene in seen.genes]
    spliced = truth["spliced"][:, columns]
    return truth["velocity"][:, columns] * slopes(seen.spliced, spliced)


def least_squares(seen):
    r"""Return :math:`v = u - \gamma s` with one slope per gene, by least squares over all cells."""
    return seen.unspliced - slopes(seen.unspliced, seen.spliced) * seen.spliced


def slopes(y, x):
    """Return the slope of the line through the origin, of y over x, for every gene."""
    return (y * x).sum(axis=0) / np.maximum((x * x).sum(axis=0), TINY)


def clusters(tissue, number, seed):
    from sklearn.cluster import KMeans

    logarithms = np.log1p(normalise(tissue.spliced).toarray())
    return KMeans(number, n_init=10, random_state=seed).fit_predict(logarithms)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--truth", help="needed by the oracle")
    parser.add_argument("--experts", type=int, default=3, help="groups of kmeans")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--min-shared-counts", type=int, default=20)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    tissue = read_h5ad(options.data)
    if options.method == "kmeans":
        np.savez(options.out, experts=clusters(tissue, options.experts, options.seed))
        return
    seen = moments(tissue, options.min_shared_counts)
    velocity = oracle(seen, tissue, np.load(options.truth)) if options.method == "oracle" else least_squares(seen)
    np.savez(
        options.out,
        genes=np.array(seen.genes, dtype=str),
        velocity=velocity.astype(np.float32),
        moments=seen.spliced,
        embedding=seen.components,
    )


if __name__ == "__main__":
    main()
