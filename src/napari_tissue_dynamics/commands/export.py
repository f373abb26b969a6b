"""``tissue-dynamics export``: tables and a page for the browser from a file with velocities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.commands.options import add_reading, add_settings, finished, read, settings_of
from napari_tissue_dynamics.export.config import ExportConfig

if TYPE_CHECKING:
    import argparse

    from napari_tissue_dynamics.data.fate_result import FateResult


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", type=Path, help="an .h5ad with velocities, from this program or from scVelo")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to; created if needed")
    parser.add_argument(
        "--fates",
        action="store_true",
        help="compute terminal states and fates if the file has none, and write them too",
    )
    add_reading(parser)
    add_settings(parser, ExportConfig)
    parser.set_defaults(run=run_export)


def run_export(options: argparse.Namespace) -> None:
    """Take the velocities of the file and write everything.

    Raises
    ------
    DataError
        If the file holds no velocity, or a file cannot be written.
    """
    from napari_tissue_dynamics.data.io.embeddings import stored_embedding
    from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
    from napari_tissue_dynamics.export.steps import export_steps
    from napari_tissue_dynamics.workflow.cell_fate import fate_steps
    from napari_tissue_dynamics.workflow.stored import stored_steps

    config = settings_of(options, ExportConfig)
    tissue = read(options)
    result = finished(options, stored_steps(tissue, options.file))
    fates = _stored_fates(options.file, tissue.n_cells)
    if fates is None and options.fates:
        fates = finished(options, fate_steps(tissue, result))
    embedding = stored_embedding(options.file)
    if embedding is not None and len(embedding.coordinates) != tissue.n_cells:
        embedding = None  # a part of the file was read
    print(direction_in_words(result.evidence))
    for path in finished(options, export_steps(options.out, tissue, result, config, fates=fates, embedding=embedding)):
        print(f"wrote {path}")


def _stored_fates(path: Path, n_cells: int) -> FateResult | None:
    """Return the fates that the file holds of all of its cells, None if it has none or a part of it was read."""
    from napari_tissue_dynamics.data import keys
    from napari_tissue_dynamics.data.io.fate import read_fate
    from napari_tissue_dynamics.data.io.file_contents import contents

    held = contents(path)
    if keys.TERMINAL_STATES not in held.obs or keys.FATES not in held.obsm or held.n_cells != n_cells:
        return None
    return read_fate(path)
