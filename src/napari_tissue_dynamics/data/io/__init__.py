"""Tissues and results in and out of AnnData files: the one place the rest of the package imports this from."""

from __future__ import annotations

from napari_tissue_dynamics.data.io.fate import read_fate
from napari_tissue_dynamics.data.io.file_contents import Contents, contents, gene_column, gene_names, obs_column
from napari_tissue_dynamics.data.io.read import ReadOptions, as_counts, from_anndata, read_h5ad
from napari_tissue_dynamics.data.io.read_results import (
    read_arrows,
    read_checks,
    read_provenance,
    read_velocity,
)
from napari_tissue_dynamics.data.io.regulation import holds_betas, read_regulation
from napari_tissue_dynamics.data.io.write import save_anndata, write_h5ad, write_into

__all__ = [
    "Contents",
    "ReadOptions",
    "as_counts",
    "contents",
    "from_anndata",
    "gene_column",
    "gene_names",
    "holds_betas",
    "obs_column",
    "read_arrows",
    "read_checks",
    "read_fate",
    "read_h5ad",
    "read_provenance",
    "read_regulation",
    "read_velocity",
    "save_anndata",
    "write_h5ad",
    "write_into",
]
