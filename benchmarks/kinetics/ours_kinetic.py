"""A kinetic model of this package on one file, with its velocity graph.

``python ours_kinetic.py --data tree.h5ad --mode dynamical --out r.npz``. From the file to the velocity graph, as
scVelo's runner does.
"""

import argparse
from typing import get_args

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.projection import similar_cells
from napari_tissue_dynamics.data.io.read import read_h5ad
from napari_tissue_dynamics.kinetic_models import KineticsConfig, fit
from napari_tissue_dynamics.kinetic_models.config import Model
from napari_tissue_dynamics.progress import run_to_end

NEIGHBORS = 30


def graph_of(field):
    """Return the cosines of velocities and steps to the most similar cells, (cells, cells) CSR."""
    inputs = ArrowInputs.of(field)
    near = similar_cells(inputs, NEIGHBORS)
    cosines = run_to_end(inputs.graph_steps(near)).cosines
    ends = np.arange(0, near.size + 1, near.shape[1])
    return sparse.csr_array((cosines.ravel(), near.ravel(), ends), shape=(len(near), len(near)))


def as_arrays(field, graph):
    """Return what every runner of this benchmark writes."""
    arrays = {
        "genes": np.array(field.genes, dtype=str),
        "velocity": field.spliced,
        "moments": field.moments_spliced,
        "moments_unspliced": field.moments_unspliced,
        "time": field.time,
        "gene_weight": field.gene_weight,
        "graph_data": graph.data,
        "graph_indices": graph.indices,
        "graph_indptr": graph.indptr,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--mode", choices=get_args(Model), default="dynamical")
    parser.add_argument("--min-shared-counts", type=int, default=20)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    config = KineticsConfig(model=options.mode, min_shared_counts=options.min_shared_counts)
    field = fit(read_h5ad(options.data), config)
    np.savez(options.out, **as_arrays(field, graph_of(field)))


if __name__ == "__main__":
    main()
