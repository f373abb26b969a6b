"""``tissue-dynamics betas``: the betas of one gene of a run or a file, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    import argparse


def add_betas(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    text = "folder of 'travlr --store' or another SpaceTravLR, or an .h5ad with betas"
    parser.add_argument("folder", type=Path, metavar="RUN", help=text)
    parser.add_argument("--gene", required=True, help="the target gene")
    parser.add_argument("--modulator", help="the only modulator, such as 'Sox2', 'Wnt5a$Fzd2' or 'beta0'; default: all")
    parser.add_argument("-o", "--out", type=Path, required=True, help="table to write, .parquet, .csv or .tsv")
    parser.set_defaults(run=run_betas)


def run_betas(options: argparse.Namespace) -> None:
    """Write the table."""
    from napari_tissue_dynamics.data.io.write import replacing
    from napari_tissue_dynamics.workflow import betas_table

    separators = {".csv": ",", ".tsv": "\t"}
    if options.out.suffix not in (".parquet", *separators):
        raise DataError(
            f"{options.out.name} is not a table file name. Give a name that ends in .parquet, .csv or .tsv."
        )
    table = betas_table(options.folder, options.gene, options.modulator)
    with replacing(options.out) as temporary:
        if options.out.suffix == ".parquet":
            table.to_parquet(temporary)
        else:
            table.to_csv(temporary, sep=separators[options.out.suffix])
    print(f"wrote {options.out}: {table.shape[0]} rows, {table.shape[1]} columns")
