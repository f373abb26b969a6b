"""Target genes and what may regulate them, as options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.commands.options import names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add target genes, regulators and ligand-receptor pairs; :func:`network_of` reads them."""
    group = parser.add_argument_group("regulation")
    group.add_argument(
        "--targets",
        help="target genes, comma-separated; 'auto' or 'auto:N' takes the N genes (10) most variable in space",
    )
    group.add_argument("--regulators", help="transcription factors of all targets, comma-separated")
    group.add_argument("--links", type=Path, help="table (CSV, TSV, parquet) with columns source and target")
    group.add_argument(
        "--pairs",
        default="bundled",
        help="ligand-receptor pairs: 'bundled', 'none' or a CSV file (default: bundled)",
    )
    group.add_argument("--tf-ligands", type=Path, help="matrix of ligand-target scores (parquet or CSV)")


def network_of(options: argparse.Namespace, tissue: Tissue, targets: Sequence[str]) -> RegulatoryNetwork:
    """Return the candidate regulation of the targets."""
    from napari_tissue_dynamics.travlr.priors.regulatory_network import build_network

    return build_network(
        tissue.genes,
        targets,
        regulators=names(options.regulators),
        links=options.links,
        pairs=options.pairs,
        tf_ligands=options.tf_ligands,
    )
