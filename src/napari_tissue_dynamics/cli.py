"""The command ``tissue-dynamics``: everything the docks do, without a window."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.commands.direction import add_direction
from napari_tissue_dynamics.commands.export import add_export
from napari_tissue_dynamics.commands.fate import add_fate
from napari_tissue_dynamics.commands.look import add_look
from napari_tissue_dynamics.commands.options import (
    add_files,
    add_origin,
    add_reading,
    add_settings,
    end_report,
    names,
    out,
    read,
    report,
    settings_of,
)
from napari_tissue_dynamics.commands.replay import add_replay
from napari_tissue_dynamics.commands.simulate import add_simulate
from napari_tissue_dynamics.commands.velocity import add_velocity
from napari_tissue_dynamics.errors import DataError, TissueDynamicsError
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.travlr.batch.batch_fit import Place
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

BAD_INPUT, INTERRUPTED = 2, 130
NAMED = 5
"""So many genes without a fit are named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 2 when the input cannot be used, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except TissueDynamicsError as error:
        print(f"tissue-dynamics: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:  # what was finished by then is kept where the command keeps it
        end_report()
        print("tissue-dynamics: stopped", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tissue-dynamics",
        description="RNA velocity (kinetic models, STEER) and spatially varying regulation (SpaceTravLR) of a tissue.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="the main job, on a simulated tissue or on FILE")
    demo.add_argument("file", nargs="?", type=Path, help="a spatial .h5ad; a simulated tissue when left out")
    demo.add_argument("--out", type=Path, default=Path("demo"), help="folder for result and screenshots")
    demo.add_argument("--no-window", action="store_true", help="close the viewer after the screenshots")
    add_reading(demo)
    _add_network(demo)
    demo.add_argument(
        "--small-types", choices=("refuse", "mean"), default="refuse", help="what to do about types of a single cell"
    )
    demo.set_defaults(run=_demo)

    add_look(commands.add_parser("look", help="what a file holds, and whether it is ready for fits"))

    add_velocity(
        commands.add_parser("velocity", help="fit a velocity model: steady-state, stochastic, dynamical or STEER")
    )

    add_direction(commands.add_parser("direction", help="say whether stored velocities run along a known order"))
    add_fate(commands.add_parser("fate", help="find where cells end up, with which probability, and driver genes"))

    steer = commands.add_parser("steer", help="train STEER and write velocity, time, experts and rates")
    add_files(steer)
    add_reading(steer)
    add_origin(steer)
    add_settings(steer, ProjectionConfig, "arrows")
    add_settings(steer, SteerConfig)
    files = steer.add_argument_group("files")
    files.add_argument(
        "--checkpoint",
        type=Path,
        help="file that the state of the run is kept in every half minute; a run goes on from it if it is there",
    )
    files.add_argument("--model", type=Path, help="file to write the trained network to, for 'apply'")
    steer.set_defaults(run=_steer)

    apply = commands.add_parser("apply", help="give a tissue the velocities of a network trained on another")
    apply.add_argument("model", type=Path, help="a trained network, from 'steer --model'")
    add_files(apply)
    add_reading(apply)
    add_settings(apply, ProjectionConfig, "arrows")
    apply.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute")
    apply.set_defaults(run=_apply)

    travlr = commands.add_parser("travlr", help="fit SpaceTravLR and write the betas of every cell")
    add_files(travlr)
    add_reading(travlr)
    _add_network(travlr)
    _add_many(travlr)
    add_settings(travlr, TravlrConfig)
    travlr.set_defaults(run=_travlr)

    betas = commands.add_parser("betas", help="write the betas of one gene of a run as a table")
    betas.add_argument("folder", type=Path, metavar="RUN", help="folder of 'travlr --store', or of another SpaceTravLR")
    betas.add_argument("--gene", required=True, help="the target gene")
    betas.add_argument(
        "--modulator", help="the only modulator, such as 'Sox2', 'Wnt5a$Fzd2' or 'beta0'; all if left out"
    )
    betas.add_argument("-o", "--out", type=Path, required=True, help="table to write, .parquet, .csv or .tsv")
    betas.set_defaults(run=_betas)

    add_replay(commands.add_parser("replay", help="do again what a log of actions says"))
    add_export(commands.add_parser("export", help="write the velocities of a file as tables and as a page"))

    add_simulate(commands.add_parser("simulate", help="write simulated cells with what is true of them"))
    return parser


def _add_many(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many genes")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--genes-file", type=Path, help="file with the target genes, one a line")
    which.add_argument("--all-genes", action="store_true", help="all measured genes that something may regulate")
    group.add_argument("--store", type=Path, help="folder that keeps every gene as soon as it is fitted")
    group.add_argument("--resume", action="store_true", help="go on with the run in the folder, or join it")
    group.add_argument("--processes", type=int, default=1, help="processes of this machine")
    group.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler to fit on, such as tcp://host:8786")
    group.add_argument("--export-legacy", type=Path, metavar="DIR", help="also write <gene>_betadata.parquet there")


def _add_network(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("regulation")
    group.add_argument("--targets", help="target genes, comma-separated")
    group.add_argument("--regulators", help="transcription factors of all targets, comma-separated")
    group.add_argument("--links", type=Path, help="table (CSV, TSV, parquet) with columns source and target")
    group.add_argument(
        "--pairs",
        default="bundled",
        help="ligand-receptor pairs: 'bundled', 'none' or a CSV file (default: bundled)",
    )
    group.add_argument("--tf-ligands", type=Path, help="matrix of ligand-target scores (parquet or CSV)")


def _network(options: argparse.Namespace, tissue: Tissue, targets: Sequence[str]) -> RegulatoryNetwork:
    from napari_tissue_dynamics.travlr.priors.regulatory_network import build_network

    return build_network(
        tissue.genes,
        targets,
        regulators=names(options.regulators),
        links=options.links,
        pairs=options.pairs,
        tf_ligands=options.tf_ligands,
    )


def _steer(options: argparse.Namespace) -> None:
    from napari_tissue_dynamics.workflow import in_words, origin_of, save, velocity

    config, projection = settings_of(options, SteerConfig), settings_of(options, ProjectionConfig)
    tissue = read(options)
    origin = origin_of(
        tissue,
        root_type=options.root_type,
        root_cells=names(options.root_cell),
        stage=options.stage,
        source=options.file,
    )
    result = velocity(
        tissue,
        config,
        report,
        origin=origin,
        projection=projection,
        checkpoint=options.checkpoint,
        model=options.model,
    )
    end_report()
    print(in_words(result, config))
    print(f"wrote {save(out(options), tissue, source=options.file, velocity=result, settings=[config])}")


def _apply(options: argparse.Namespace) -> None:
    from napari_tissue_dynamics.workflow import apply, in_words, save

    tissue = read(options)
    projection = settings_of(options, ProjectionConfig)
    result = apply(tissue, options.model, report, projection=projection, device=options.device)
    end_report()
    print(in_words(result))
    print(f"wrote {save(out(options), tissue, source=options.file, velocity=result)}")


def _travlr(options: argparse.Namespace) -> None:
    from napari_tissue_dynamics.progress import run_to_end
    from napari_tissue_dynamics.workflow import many_genes_steps, regulation_steps, save

    config, place = settings_of(options, TravlrConfig), _place(options)
    tissue = read(options)
    targets = _targets(options, tissue)
    network = _network(options, tissue, targets)
    if place is None:
        steps = regulation_steps(tissue, targets, network, config)
    else:
        steps = many_genes_steps(tissue, targets, network, config, place=place, resume=options.resume)
    regulation = run_to_end(steps, report)
    end_report()
    if place is not None:
        _say_genes(regulation, len(targets))
    if place is None or place.store is None or options.out is not None:
        print(f"wrote {save(out(options), tissue, source=options.file, regulation=regulation, settings=[config])}")
    if place is not None and place.store is not None:
        print(f"wrote {place.store}")
        _export(place.store, options.export_legacy)


def _place(options: argparse.Namespace) -> Place | None:
    """Return where many genes are fitted, None for a few named ones that are fitted as in the dock."""
    from napari_tissue_dynamics.travlr.batch.batch_fit import Place

    if options.store is None and (options.resume or options.export_legacy is not None):
        raise DataError("--resume and --export-legacy need the folder of the run. Give --store DIR.")
    if options.processes < 1:
        raise DataError(f"--processes is {options.processes}; it must be at least 1.")
    many = options.all_genes or options.genes_file or options.store or options.scheduler or options.processes > 1
    if not many:
        return None
    return Place(store=options.store, processes=options.processes, scheduler=options.scheduler)


def _targets(options: argparse.Namespace, tissue: Tissue) -> tuple[str, ...]:
    if options.targets and (options.all_genes or options.genes_file):
        raise DataError("Target genes were given twice. Give one of --targets, --genes-file and --all-genes.")
    if options.all_genes:
        return tissue.genes
    if options.genes_file is None:
        return names(options.targets)
    try:
        lines = options.genes_file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{options.genes_file} cannot be read ({error}). Give a text file, one gene a line.") from error
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _say_genes(regulation: RegulationField, asked: int) -> None:
    print(f"{len(regulation.genes)} of {asked} genes fitted")
    reasons = list(regulation.failed.items())
    for gene, reason in reasons[:NAMED]:
        print(f"  not {gene}: {reason}")
    if len(reasons) > NAMED:
        print(f"  and {len(reasons) - NAMED} more not fitted")


def _export(store: Path, folder: Path | None) -> None:
    from napari_tissue_dynamics.progress import run_to_end
    from napari_tissue_dynamics.workflow import export_betas_steps

    if folder is not None:
        number = run_to_end(export_betas_steps(store, folder), report)
        end_report()
        print(f"wrote {number} tables to {folder}")


def _betas(options: argparse.Namespace) -> None:
    from napari_tissue_dynamics.data.io.write import replacing
    from napari_tissue_dynamics.workflow import betas_table

    separators = {".csv": ",", ".tsv": "\t"}
    if options.out.suffix not in (".parquet", *separators):
        raise DataError(f"{options.out.name} is no name of a table. Give one that ends in .parquet, .csv or .tsv.")
    table = betas_table(options.folder, options.gene, options.modulator)
    with replacing(options.out) as temporary:
        if options.out.suffix == ".parquet":
            table.to_parquet(temporary)
        else:
            table.to_csv(temporary, sep=separators[options.out.suffix])
    print(f"wrote {options.out}: {table.shape[0]} rows, {table.shape[1]} columns")


def _demo(options: argparse.Namespace) -> None:
    from napari_tissue_dynamics.widgets.docks.demo import run_demo

    tissue = None if options.file is None else read(options)
    targets = names(options.targets)
    network = None
    if tissue is not None and targets:
        network = _network(options, tissue, targets)
    run_demo(
        options.out,
        tissue=tissue,
        source=options.file,
        targets=targets,
        network=network,
        small_types=options.small_types,
        window=not options.no_window,
    )


if __name__ == "__main__":
    sys.exit(main())
