"""``tissue-dynamics travlr``: the betas of one gene or many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.commands.options import (
    add_files,
    add_reading,
    add_settings,
    finished,
    names,
    out,
    read,
    settings_of,
)
from napari_tissue_dynamics.commands.regulation_options import add_network, network_of
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.config import TravlrConfig

if TYPE_CHECKING:
    import argparse

    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.travlr.batch.batch_fit import Place

NAMED = 5
"""Number of genes without a fit that are named."""


def add_travlr(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_files(parser)
    add_reading(parser)
    add_network(parser)
    _add_many(parser)
    add_settings(parser, TravlrConfig)
    parser.set_defaults(run=run_travlr)


def _add_many(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many genes")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--genes-file", type=Path, help="file with the target genes, one per line")
    which.add_argument(
        "--all-genes", action="store_true", help="all measured genes with at least one candidate regulator"
    )
    group.add_argument("--store", type=Path, help="folder that stores every gene as soon as it is fitted")
    group.add_argument("--resume", action="store_true", help="resume the run in the folder, or join it")
    group.add_argument("--processes", type=int, default=1, help="number of processes on this machine")
    group.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler to fit on, such as tcp://host:8786")
    group.add_argument("--export-legacy", type=Path, metavar="DIR", help="also write <gene>_betadata.parquet there")


def run_travlr(options: argparse.Namespace) -> None:
    """Fit the target genes and write their betas."""
    from napari_tissue_dynamics.workflow import many_genes_steps, regulation_steps, save

    config, place = settings_of(options, TravlrConfig), _place(options)
    tissue = read(options)
    targets = _targets(options, tissue)
    network = network_of(options, tissue, targets)
    if place is None:
        steps = regulation_steps(tissue, targets, network, config)
    else:
        steps = many_genes_steps(tissue, targets, network, config, place=place, resume=options.resume)
    regulation = finished(options, steps)
    if place is not None:
        _say_genes(regulation, len(targets))
    if place is None or place.store is None or options.out is not None:
        print(f"wrote {save(out(options), tissue, source=options.file, regulation=regulation, settings=[config])}")
    if place is not None and place.store is not None:
        print(f"wrote {place.store}")
        _export(options, place.store)


def _place(options: argparse.Namespace) -> Place | None:
    """Return where many genes are fitted, None for a few named ones that are fitted as in the dock."""
    from napari_tissue_dynamics.travlr.batch.batch_fit import Place

    if options.store is None and (options.resume or options.export_legacy is not None):
        raise DataError("--resume and --export-legacy require the folder of the run. Give --store DIR.")
    if options.processes < 1:
        raise DataError(f"--processes is {options.processes}; it must be at least 1.")
    many = options.all_genes or options.genes_file or options.store or options.scheduler or options.processes > 1
    if not many:
        return None
    return Place(store=options.store, processes=options.processes, scheduler=options.scheduler)


def _automatic(targets: str | None) -> bool:
    return targets is not None and targets.partition(":")[0] == "auto"


def _varying(options: argparse.Namespace, tissue: Tissue) -> tuple[str, ...]:
    """Return the genes that vary most in space, for ``auto`` or ``auto:N``."""
    from napari_tissue_dynamics.analysis.genes.spatial_genes import N_TARGETS, spatial_gene_steps, suggested_targets

    number = options.targets.partition(":")[2] or str(N_TARGETS)
    if not number.isdecimal() or not int(number):
        raise DataError(
            f"--targets {options.targets}: {number!r} is not a number of genes. Give auto:N with N above 0."
        )
    found = suggested_targets(finished(options, spatial_gene_steps(tissue)), int(number))
    if not found:
        raise DataError(f"No gene of {tissue.source} varies in space (FDR 5 %). Name target genes.")
    print(f"targets {', '.join(found)}")
    return found


def _targets(options: argparse.Namespace, tissue: Tissue) -> tuple[str, ...]:
    if options.targets and (options.all_genes or options.genes_file):
        raise DataError(
            "Target genes were given more than once. Give only one of --targets, --genes-file and --all-genes."
        )
    if options.all_genes:
        return tissue.genes
    if options.genes_file is None:
        return _varying(options, tissue) if _automatic(options.targets) else names(options.targets)
    try:
        lines = options.genes_file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{options.genes_file} cannot be read ({error}). Give a text file with one gene per line."
        ) from error
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _say_genes(regulation: RegulationField, asked: int) -> None:
    print(f"{len(regulation.genes)} of {asked} genes fitted")
    reasons = list(regulation.failed.items())
    for gene, reason in reasons[:NAMED]:
        print(f"  not {gene}: {reason}")
    if len(reasons) > NAMED:
        print(f"  and {len(reasons) - NAMED} more not fitted")


def _export(options: argparse.Namespace, store: Path) -> None:
    from napari_tissue_dynamics.workflow import export_betas_steps

    if options.export_legacy is not None:
        number = finished(options, export_betas_steps(store, options.export_legacy))
        print(f"wrote {number} tables to {options.export_legacy}")
