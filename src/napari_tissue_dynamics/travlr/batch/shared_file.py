"""What all genes share, as a file that processes on one machine, or on machines with one file system, look into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.travlr.batch.tensor_file import Rows, TensorFile, write_tensors
from napari_tissue_dynamics.travlr.shared_inputs import Context

if TYPE_CHECKING:
    from pathlib import Path


def write_shared(path: Path, context: Context) -> None:
    """Write what all genes share; memory is that of one gene more."""
    arrays: dict[str, Rows] = {
        "positions": context.positions,
        "codes": context.codes,
        "neighbors": context.neighbors,
        "expression": list(context.columns.values()),
        "received": list(context.received.values()),
    }
    header = {
        "clusters": list(context.clusters),
        "genes": list(context.columns),
        "signals": [list(signal) for signal in context.received],
    }
    write_tensors(path, arrays, header)


def open_shared(path: Path) -> Context:
    """Return what is in a file of :func:`write_shared`; columns are read when a gene needs them.

    Raises
    ------
    DataError
        If there is no such file.
    """
    file = TensorFile.open(path)
    expression, received = file.array("expression"), file.array("received")
    return Context(
        positions=file.array("positions"),
        codes=file.array("codes"),
        clusters=tuple(file.header["clusters"]),
        columns={gene: expression[k] for k, gene in enumerate(file.header["genes"])},
        received={(name, secreted): received[k] for k, (name, secreted) in enumerate(file.header["signals"])},
        neighbors=file.array("neighbors"),
    )
