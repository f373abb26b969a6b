"""Known directions in real data: ``python real.py --data-folder FOLDER --scvelo-python P --table real.md``.

The two data sets have cell types whose order is known. Arrows of every method are made in the same way, over the most
similar cells and in one UMAP per data set; the score is the mean cosine of arrow and step across each known border.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import anndata
import numpy as np
from direction_metrics import cross_boundary_direction
from scipy import sparse

from napari_tissue_dynamics.analysis.arrows.projection import project
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.graph.neighbors import knn

sys.path.append(str(Path(__file__).parents[1] / "shared"))

from measured import run_measured

HERE = Path(__file__).parent
PANCREAS = (
    ("Ductal", "Ngn3 low EP"),
    ("Ngn3 low EP", "Ngn3 high EP"),
    ("Ngn3 high EP", "Pre-endocrine"),
    *(("Pre-endocrine", end) for end in ("Alpha", "Beta", "Delta", "Epsilon")),
)
DATA = {
    "scrna_pancreas_739_spliced_unspliced.h5ad": PANCREAS,
    "scrna_dentate_gyrus_100_fitted.h5ad": (("Neuroblast", "Granule immature"), ("Granule immature", "Granule mature")),
}
METHODS = {
    "ours-improved": ("ours.py", "--profile", "improved", "--experts", "0"),
    "ours-faithful": ("ours.py", "--profile", "faithful", "--experts", "0"),
    "scvelo-steady": ("scvelo_runner.py", "--mode", "deterministic"),
    "scvelo-stochastic": ("scvelo_runner.py", "--mode", "stochastic"),
    "scvelo-dynamical": ("scvelo_runner.py", "--mode", "dynamical"),
}
NEIGHBORS = 30


def plain(path, out, drawn=None):
    """Write the counts and cell types of a file alone, so that no method finds results of another; return them."""
    stored = anndata.read_h5ad(path)
    layers = {name: sparse.csr_matrix(stored.layers[name]) for name in ("spliced", "unspliced")}
    obs = stored.obs[["clusters"]].copy()
    data = anndata.AnnData(layers["spliced"].copy(), obs=obs, var=stored.var[[]], layers=layers)
    data.obsm["X_pca"] = np.asarray(stored.obsm["X_pca"])
    data.write_h5ad(out)
    if drawn is not None:
        # The runner of scVelo draws there; these are no places in a tissue.
        data.obsm["X_spatial"] = data.obsm["X_pca"][:, :2]
        data.write_h5ad(drawn)
    return data


def picture(data):
    """Return the components of the log-normalised spliced counts and their UMAP."""
    from sklearn.decomposition import PCA
    from umap import UMAP

    counts = data.layers["spliced"].toarray()
    size = counts.sum(axis=1, keepdims=True)
    components = PCA(30, random_state=0).fit_transform(np.log1p(counts / size * np.median(size)))
    return components, UMAP(random_state=0).fit_transform(components).astype(np.float64)


def score(result, data, components, umap, edges):
    """Return the CBDir of every known border."""
    unspliced = result.get("moments_unspliced", result["moments"])
    fields = [np.asarray(each, dtype=np.float32) for each in (result["velocity"], result["moments"], unspliced)]
    field = VelocityField(
        tuple(result["genes"]), fields[0], fields[0], fields[1], fields[2], gene_weight=result.get("gene_weight")
    )
    arrows = project(field, umap, neighbors="expression").arrows
    codes = {name: code for code, name in enumerate(data.obs["clusters"].cat.categories)}
    numbered = tuple((codes[a], codes[b]) for a, b in edges)
    near = knn(components, NEIGHBORS)[0]
    return cross_boundary_direction(arrows, umap, data.obs["clusters"].cat.codes.to_numpy(), numbered, near).values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-folder", type=Path, required=True)
    parser.add_argument("--scvelo-python", default="")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    lines = []
    for name, edges in DATA.items():
        lines += [
            f"**{name}**",
            "",
            "| method | " + " | ".join(f"{a} → {b}" for a, b in edges) + " | mean | wall s |",
            "|---|" + "---|" * (len(edges) + 2),
        ]
        with tempfile.TemporaryDirectory() as folder:
            data = plain(options.data_folder / name, Path(folder) / "data.h5ad", Path(folder) / "drawn.h5ad")
            components, umap = picture(data)
            for method in options.methods:
                lines.append(row(method, Path(folder), data, components, umap, edges, options))
                print(lines[-1], flush=True)
        lines.append("")
    if options.table:
        options.table.write_text("\n".join(lines))


def row(method, folder, data, components, umap, edges, options):
    """Run one method and return its line of the table."""
    script, *words = METHODS[method]
    python = options.scvelo_python if method.startswith("scvelo") else sys.executable
    out = folder / f"{method}.npz"
    data_file = folder / ("drawn.h5ad" if method.startswith("scvelo") else "data.h5ad")
    command = [python, HERE / script, *words, "--data", data_file, "--min-shared-counts", 20, "--out", out]
    used = run_measured([str(word) for word in command], folder / "usage.json", dict(os.environ))
    if used["exit"]:
        return f"| {method} | failed: {used['output'][-200:]!r} |"
    with np.load(out) as found:
        values = score(dict(found), data, components, umap, edges)
    return f"| {method} | " + " | ".join(f"{v:.2f}" for v in [*values, np.mean(values)]) + f" | {used['wall']:.0f} |"


if __name__ == "__main__":
    main()
