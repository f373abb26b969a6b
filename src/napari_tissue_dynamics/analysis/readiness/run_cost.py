"""How long fits take and how much memory they need, before they are started.

The constants are measured: processor seconds of one thread and peak memory of the benchmarks in
``docs/velocity-benchmark.md`` and ``docs/spacetravlr-benchmark.md``. An estimate is right within a factor of about two
on a present-day processor; on a graphics card STEER is faster.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30

STEER_START, STEER_PER_CELL, STEER_PER_VALUE = 20.0, 0.010, 7.3e-5
"""Seconds of a quick fit, of every cell, and of every cell and gene: 45 s for 1 200 cells and 150 genes, 159 s for
3 000 and 500, 67 s for 225 and 2 000."""

STEER_MOST_GENES = 2000
"""STEER takes the most variable genes; this is the default number."""

STEER_MEMORY, STEER_BYTES_PER_VALUE = 0.9 * GIB, 52
"""Programs and libraries, and what grows: 10.5 GiB for 100 000 cells and 2 000 genes, 0.98 GB for 3 000 and 500."""

TRAVLR_PER_GENE, TRAVLR_PER_GENE_AND_CELL = 1.1, 6.1e-4
"""Seconds per gene of the smooth estimator: 1.5 at 1 000 cells, 4.2 at 5 000, 13.3 at 20 000 (22 modulators)."""

TRAVLR_MEMORY, TRAVLR_BYTES_PER_CELL = 0.28 * GIB, 12_000
"""Peak: 284 MiB at 1 000 cells, 351 at 5 000, 503 at 20 000, beside the expression."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a fit takes.

    Parameters
    ----------
    seconds
        Processor time of one thread.
    memory
        Peak memory in bytes.
    """

    seconds: float
    memory: float

    def __str__(self) -> str:
        return f"about {duration(self.seconds)} and {size(self.memory)}"


def steer_cost(n_cells: int, n_genes: int, n_bytes: int = 0) -> Cost:
    """Return the cost of a quick STEER fit.

    Parameters
    ----------
    n_cells, n_genes
        Cells, and genes with enough counts of both kinds.
    n_bytes
        Size of the count matrices in memory.
    """
    used = min(n_genes, STEER_MOST_GENES)
    seconds = STEER_START + n_cells * (STEER_PER_CELL + STEER_PER_VALUE * used)
    return Cost(seconds, STEER_MEMORY + STEER_BYTES_PER_VALUE * n_cells * used + n_bytes)


def travlr_cost(n_cells: int, n_bytes: int = 0) -> Cost:
    """Return the cost of one gene with the smooth estimator of SpaceTravLR, for about 20 modulators.

    Parameters
    ----------
    n_bytes
        Size of the expression in memory.
    """
    seconds = TRAVLR_PER_GENE + TRAVLR_PER_GENE_AND_CELL * n_cells
    return Cost(seconds, TRAVLR_MEMORY + TRAVLR_BYTES_PER_CELL * n_cells + n_bytes)


def duration(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(n_bytes: float) -> str:
    """Return an amount of memory in words."""
    return f"{n_bytes / GIB:.1f} GB" if n_bytes >= 0.95 * GIB else f"{round(n_bytes / 2**20)} MB"
