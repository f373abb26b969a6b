"""scVelo on one file, with its velocity graph.

``python scvelo_kinetic.py --data tree.h5ad --mode dynamical --out r.npz``
"""

import argparse
import sys
from pathlib import Path

import anndata
import numpy as np
from scipy import sparse

sys.path.insert(0, str(Path(__file__).parents[1] / "velocity"))
from scvelo_runner import MODES, fit


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--mode", choices=MODES, default="stochastic")
    parser.add_argument("--min-shared-counts", type=int, default=20)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    adata = anndata.read_h5ad(options.data)
    result = fit(adata, options.mode, options.min_shared_counts)
    graph = sparse.csr_matrix(adata.uns["velocity_graph"] + adata.uns["velocity_graph_neg"])
    parts = {"graph_data": graph.data, "graph_indices": graph.indices, "graph_indptr": graph.indptr}
    np.savez(options.out, **result, **parts)


if __name__ == "__main__":
    main()
