"""What every simulation checks of the numbers it was asked for."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from napari_tissue_dynamics.errors import DataError

Layout: TypeAlias = Literal["opposite", "sources", "cycle", "branches", "mosaic"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""How the cells of the tissue with transcriptional bursts may lie."""
FEWEST_CELLS, FEWEST_GENES = 50, 10


def check_request(what: str, n_cells: int, n_genes: int, seed: int = 0, fewest_genes: int = FEWEST_GENES) -> None:
    """Check the size of a simulation and its seed.

    Raises
    ------
    DataError
        If a number is too small.
    """
    for name, asked, fewest in (("cells", n_cells, FEWEST_CELLS), ("genes", n_genes, fewest_genes)):
        if asked < fewest:
            raise DataError(f"{asked} {name} were requested; a {what} has at least {fewest}. Request more.")
    if seed < 0:
        raise DataError(f"A seed of {seed} was given; it must be at least 0.")
