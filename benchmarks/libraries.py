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
    from squidpy.gr.neighbors import KNNBuilder

    from napari_tissue_dynamics.graph.neighbors import spatial_graph

    def theirs():
        return KNNBuilder(SPATIAL, set_diag=True).build(adata.obsm["spatial"])[0]

    def apart(a, b):
        return f"{abs(sparse.csr_matrix(a) - b).nnz} of {a.nnz} entries differ"

    return lambda: spatial_graph(adata.obsm["spatial"], SPATIAL), theirs, apart


def moran_of_time(adata):
    """Moran's I of one value in all cells: our formula before squidpy took its place, and squidpy."""
    from scipy.stats import norm

    from napari_tissue_dynamics.analysis.genes.spatial_statistics import morans_i
    from napari_tissue_dynamics.analysis.genes.spatial_statistics import spatial_neighbors as graph_of
    from napari_tissue_dynamics.graph.neighbors import knn

    values, positions = adata.obs["time"].to_numpy(), adata.obsm["spatial"]

    def ours():
        near, _ = knn(positions, SPATIAL)
        n, z = len(values), values - values.mean()
        index = (z * z[near].sum(axis=1)).sum() / (SPATIAL * (z @ z))
        edges = np.repeat(np.arange(n), SPATIAL) * n + near.ravel()
        mutual = np.isin(edges, near.ravel().astype(np.int64) * n + np.repeat(np.arange(n), SPATIAL)).sum()
        s1, s2 = edges.size + mutual, ((SPATIAL + np.bincount(near.ravel(), minlength=n)) ** 2).sum()
        variance = (n**2 * s1 - n * s2 + 3 * edges.size**2) / ((n**2 - 1) * edges.size**2) - 1 / (n - 1) ** 2
        return index, norm.sf((index + 1 / (n - 1)) / np.sqrt(variance))

    def apart(a, b):
        return f"I {a[0]:.6f} and {b[0][0]:.6f}, p {a[1]:.3g} and {b[1][0]:.3g}"

    return ours, lambda: morans_i(values[:, None], graph_of(positions)), apart


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
    """Neighbors in 30 principal components: exact, and by the descent that umap-learn and scanpy use.

    scanpy.pp.neighbors 1.11 itself fails on the sparse arrays that scikit-learn 1.9 returns.
    """
    from pynndescent import NNDescent

    from napari_tissue_dynamics.graph.components import leading_components
    from napari_tissue_dynamics.graph.neighbors import knn

    space = leading_components(sparse.csr_array(adata.X))

    def apart(a, b):
        shared = [len(set(ours) & set(theirs)) for ours, theirs in zip(a[0], b[0][:, 1:], strict=True)]
        return f"{np.mean(shared) / a[0].shape[1]:.4f} of our neighbors are theirs"

    return lambda: knn(space, 29), lambda: NNDescent(space, n_neighbors=30, random_state=0).neighbor_graph, apart


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
    """Forward and backward of the attention over the edges of each cell: with own softmax and with that of PyG."""
    import torch
    from torch_geometric.utils import softmax

    from napari_tissue_dynamics.steer.attention import GraphAttention, SparseRows

    graph, _ = _edges(adata, 1)
    places = SparseRows.of(graph)
    ends = torch.rand(2, places.n_rows, generator=torch.Generator().manual_seed(0))

    def step(forward):
        values = ends.clone().requires_grad_()
        out = forward(*values)
        return out.detach(), torch.autograd.grad(out.square().sum(), values)[0]

    def library(source, target):
        logits = torch.sigmoid(source[places.columns] + target[places.rows])
        return softmax(logits, places.rows, num_nodes=places.n_rows)

    def apart(a, b):
        return f"weights differ by {(a[0] - b[0]).abs().max():.1e}, gradients by {(a[1] - b[1]).abs().max():.1e}"

    return lambda: step(lambda s, t: GraphAttention.attention(s, t, places)), lambda: step(library), apart


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
    """The 30 nearest rows of a latent representation, exactly: blocks of torch, as on a GPU, and scikit-learn."""
    import torch

    from napari_tissue_dynamics.steer.exact_knn import in_blocks, nearest

    z = torch.randn(adata.n_obs, 128, generator=torch.Generator().manual_seed(0))

    def apart(a, b):
        return f"{(np.sort(a.numpy()) == np.sort(b.numpy())).mean():.6f} of the places agree"

    return lambda: in_blocks(z, 30), lambda: nearest(z, 30), apart


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
        spatial_neighbors, moran_of_time, rank_sums, components, quick_components, expression_neighbors,
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
