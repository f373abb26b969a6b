"""Own functions beside those of squidpy, scanpy, scikit-learn and torch-geometric: seconds, memory and agreement.

Every line compares two ways to the same result within one run; only their ratio means anything on another machine.
The first call of each side, on a few cells, is not counted: it compiles.
"""

import argparse
import time

import numpy as np
from scipy import sparse

RNG_SEED, SIDE, GENES, SPATIAL, COMPONENTS, GROUPS = 0, 1000.0, 500, 8, 30, 5


def cells(n):
    """Return positions, sparse counts in which genes vary in space, and a group of every cell."""
    rng = np.random.default_rng(RNG_SEED)
    positions = rng.uniform(0, SIDE, (n, 2))
    waves = rng.uniform(0.5, 4, (2, GENES)) * 2 * np.pi / SIDE
    level = np.exp(rng.normal(-1, 1, GENES)) * np.exp(rng.uniform(0, 1, GENES) * np.sin(positions @ waves))
    counts = sparse.csr_array(rng.poisson(level).astype(np.float32))
    group = (np.digitize(positions[:, 0], np.linspace(0, SIDE, GROUPS + 1)[1:-1])).astype(np.int32)
    return positions, counts, group


def annotated(n):
    """Return the same cells as an AnnData."""
    import anndata as ad
    import pandas as pd

    positions, counts, group = cells(n)
    adata = ad.AnnData(sparse.csr_matrix(counts))
    adata.X = adata.X.log1p()
    adata.obsm["spatial"], adata.obs["group"] = positions, pd.Categorical(group.astype(str))
    adata.obs["time"] = positions[:, 0] + np.random.default_rng(1).normal(0, SIDE, n)
    return adata


def spatial_neighbors(adata):
    """Return ours, theirs and how to compare."""
    import squidpy as sq

    from napari_tissue_dynamics.graph.neighbors import spatial_graph

    def theirs():
        graph = sq.gr.spatial_neighbors(adata, coord_type="generic", n_neighs=SPATIAL, set_diag=True, copy=True)
        return graph.connectivities

    def apart(a, b):
        return f"{abs(sparse.csr_matrix(a) - b).nnz} of {a.nnz} entries differ"

    return lambda: spatial_graph(adata.obsm["spatial"], SPATIAL), theirs, apart


def moran_of_time(adata):
    """Moran's I of one value in all cells."""
    import squidpy as sq

    from napari_tissue_dynamics.analysis.genes import experts

    def theirs():
        sq.gr.spatial_neighbors(adata, coord_type="generic", n_neighs=SPATIAL)
        return sq.gr.spatial_autocorr(adata, attr="obs", genes="time", copy=True, show_progress_bar=False, n_jobs=1)

    def ours():
        return experts._moran(adata.obs["time"].to_numpy(), adata.obsm["spatial"], SPATIAL)

    def apart(a, b):
        found = b.iloc[0][["I", "pval_norm"]].to_numpy()
        return f"I {a[0]:.6f} and {found[0]:.6f}, p {a[1]:.3g} and {found[1]:.3g}"

    return ours, theirs, apart


def rank_sums(adata):
    """Wilcoxon rank-sum tests of all genes, one group against the others."""
    import scanpy as sc

    from napari_tissue_dynamics.analysis.cells.rank_sum import rank_sums as own

    first = (adata.obs["group"] == "0").to_numpy()
    values = sparse.csr_array(adata.X)

    def theirs():
        sc.tl.rank_genes_groups(adata, "group", groups=["0"], method="wilcoxon", tie_correct=True)
        return sc.get.rank_genes_groups_df(adata, "0").set_index("names")["pvals"].loc[adata.var_names].to_numpy()

    def apart(a, b):
        with np.errstate(divide="ignore"):
            logs = np.log10(np.maximum(a.p_value, 1e-300)), np.log10(np.maximum(b, 1e-300))
        return f"largest difference of log10 p {np.abs(logs[0] - logs[1]).max():.2g}"

    return lambda: own(values, first), theirs, apart


def _spanned(a, b, number):
    return np.linalg.svd(np.linalg.qr(a[:, :number])[0].T @ np.linalg.qr(b[:, :number])[0], compute_uv=False).min()


def components(adata):
    """Principal components of the sparse counts, to rounding."""
    return _components(adata, "principal_components")


def quick_components(adata):
    """Principal components of the sparse counts, those that stand out."""
    return _components(adata, "leading_components")


def _components(adata, name):
    import scanpy as sc

    from napari_tissue_dynamics.graph import components as module

    values = sparse.csr_array(adata.X)

    def apart(a, b):
        return f"smallest cosine between the planes of the first 3: {_spanned(a, b, 3):.6f}"

    return lambda: getattr(module, name)(values), lambda: sc.pp.pca(adata.X, n_comps=COMPONENTS), apart


def expression_neighbors(adata):
    """Neighbors in 30 principal components: exact and by descent."""
    import scanpy as sc

    from napari_tissue_dynamics.graph.components import leading_components
    from napari_tissue_dynamics.graph.neighbors import expression_graph

    adata.obsm["X_pca"] = leading_components(sparse.csr_array(adata.X))

    def theirs():
        sc.pp.neighbors(adata, n_neighbors=30, use_rep="X_pca")
        return adata.obsp["connectivities"]

    def apart(a, b):
        shared = a.multiply(sparse.csr_array(b) > 0).nnz
        return f"{shared / (a.nnz - a.shape[0]):.4f} of our edges are theirs"

    return lambda: expression_graph(adata.obsm["X_pca"], 30, "euclidean"), theirs, apart


def layout(adata):
    """UMAP of 30 principal components."""
    import scanpy as sc

    from napari_tissue_dynamics.analysis.cells.embedding import EmbeddingConfig, umap_layout
    from napari_tissue_dynamics.graph.components import leading_components

    adata.obsm["X_pca"] = leading_components(sparse.csr_array(adata.X))

    def theirs():
        sc.pp.neighbors(adata, n_neighbors=30, use_rep="X_pca")
        sc.tl.umap(adata, min_dist=0.3)
        return adata.obsm["X_umap"]

    return lambda: umap_layout(adata.obsm["X_pca"], EmbeddingConfig()), theirs, lambda a, b: "other random numbers"


def _edges(adata, width=128):
    import torch

    from napari_tissue_dynamics.graph.neighbors import spatial_graph

    graph = spatial_graph(adata.obsm["spatial"], 30)
    x = torch.randn(graph.shape[0], width, generator=torch.Generator().manual_seed(0))
    return graph, x


def messages(adata):
    """Forward and backward of a sum over weighted edges: our products and PyG's message passing."""
    import torch
    from torch_geometric.nn import MessagePassing

    from napari_tissue_dynamics.steer.attention import SparseRows, weighted_sum

    class Layer(MessagePassing):
        def forward(self, edges, x, weight):
            return self.propagate(edges, x=x, weight=weight)

        def message(self, x_j, weight):
            return x_j * weight[:, None]

    graph, x = _edges(adata)
    places, layer = SparseRows.of(graph), Layer(aggr="add")
    edges = torch.stack([places.columns, places.rows])

    def step(forward):
        inputs = x.clone().requires_grad_(), torch.full((graph.nnz,), 0.1).requires_grad_()
        return torch.autograd.grad(forward(*inputs).square().sum(), inputs)

    def apart(a, b):
        shares = [((p - q).abs().max() / q.abs().max()).item() for p, q in zip(a, b, strict=True)]
        return f"gradients differ by {max(shares):.1e}"

    return (
        lambda: step(lambda v, w: weighted_sum(places, w, v)),
        lambda: step(lambda v, w: layer(edges, v, w)),
        apart,
    )


def softmax_of_edges(adata):
    """Forward and backward of the softmax over the edges of each cell: ours without it and that of PyG."""
    import torch
    from torch_geometric.utils import softmax

    from napari_tissue_dynamics.steer.attention import SparseRows

    graph, _ = _edges(adata, 1)
    places = SparseRows.of(graph)
    logits = torch.rand(graph.nnz, generator=torch.Generator().manual_seed(0))

    def step(forward):
        values = logits.clone().requires_grad_()
        out = forward(values)
        return out.detach(), torch.autograd.grad(out.square().sum(), values)[0]

    def ours(values):
        weights = values.exp()
        total = torch.zeros(places.n_rows).index_add(0, places.rows, weights)
        return weights / total[places.rows]

    def apart(a, b):
        return f"weights differ by {(a[0] - b[0]).abs().max():.1e}, gradients by {(a[1] - b[1]).abs().max():.1e}"

    return lambda: step(ours), lambda: step(lambda v: softmax(v, places.rows, num_nodes=places.n_rows)), apart


def edges_within(adata):
    """The edges among a batch of 2,000 cells: ours, by rows, and PyG's subgraph."""
    import torch
    from torch_geometric.utils import subgraph

    from napari_tissue_dynamics.steer.attention import SparseRows

    graph, _ = _edges(adata, 1)
    places = SparseRows.of(graph)
    n = graph.shape[0]
    edges = torch.stack([places.rows, places.columns])
    chosen = torch.sort(torch.randperm(n, generator=torch.Generator().manual_seed(0))[:2000]).values

    def theirs():
        return subgraph(chosen, edges, relabel_nodes=True, num_nodes=n, return_edge_mask=True)

    def apart(a, b):
        return f"same edges: {torch.equal(a[0].columns, b[0][1])}"

    return lambda: places.within(chosen), theirs, apart


def nearest_rows(adata):
    """The 30 nearest rows of a latent representation, exactly: ours and scikit-learn's."""
    import torch
    from sklearn.neighbors import NearestNeighbors

    from napari_tissue_dynamics.steer.exact_knn import nearest

    z = torch.randn(adata.n_obs, 128, generator=torch.Generator().manual_seed(0))

    def theirs():
        table = z.numpy()
        return NearestNeighbors(n_neighbors=30, algorithm="brute").fit(table).kneighbors(return_distance=False)

    def apart(a, b):
        return f"{(np.sort(a.numpy()) == np.sort(b)).mean():.6f} of the places agree"

    return lambda: nearest(z, 30), theirs, apart


def mixture(adata):
    """Mixture of four normal distributions with one covariance, from the same start."""
    from sklearn.mixture import GaussianMixture

    from napari_tissue_dynamics.steer import mixture as module

    x = module.whiten(adata.X[:, :10].toarray(), 10)
    labels = np.digitize(x[:, 0], np.quantile(x[:, 0], [0.25, 0.5, 0.75]))
    means = np.stack([x[labels == k].mean(axis=0) for k in range(4)])

    def theirs():
        model = GaussianMixture(4, covariance_type="tied", tol=module.TOLERANCE, max_iter=module.MAX_STEPS,
                                means_init=means)  # fmt: skip
        return model.fit(x).score(x)

    def ours():
        return module._maximise(x, module._one_hot(labels, 4))[1] / len(x)

    return ours, theirs, lambda a, b: f"mean log likelihood {a:.5f} and {b:.5f}"


COMPARISONS = {
    each.__name__: each
    for each in (
        spatial_neighbors, moran_of_time, rank_sums, components, quick_components, expression_neighbors, layout,
        messages, softmax_of_edges, edges_within, nearest_rows, mixture,
    )
}  # fmt: skip


def timed(call, repeats):
    """Return the result and the least seconds."""
    least = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        least = min(least, time.perf_counter() - start)
    return result, least


def main():
    """Print one line per comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--only", nargs="*", default=list(COMPARISONS), choices=list(COMPARISONS))
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    for name in options.only:
        for n in (500, options.cells):  # the first is to compile
            ours, theirs, apart = COMPARISONS[name](annotated(n))
            (a, own), (b, library) = timed(ours, options.repeats), timed(theirs, options.repeats)
        print(f"{name}, {n:,} cells: ours {own:.3f} s, library {library:.3f} s, {library / own:.2f} x; {apart(a, b)}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
