"""Columns and titles of the tables of this benchmark."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "shared"))

from tables import Column, tables

COLUMNS = {
    "cosine": Column("velocity cosine"),
    "cosine_all": Column("all genes"),
    "cosine_even": Column("genes evenly"),
    "trajectory": Column("trajectory", 1, percent=True),
    "next": Column("next cell", 1, percent=True),
    "own_trajectory": Column("trajectory, own graph", 1, percent=True),
    "own_next": Column("next cell, own graph", 1, percent=True),
    "time_r": Column("time r"),
    "time_rank": Column("time rank"),
    "fate": Column("fates, known ends", 1, percent=True),
    "fate_r": Column("fate r"),
    "fate_found": Column("fates, found ends", 1, percent=True),
    "ends_found": Column("ends found", 1),
    "genes": Column("genes", 0),
    "cpu": Column("CPU s", 1),
    "wall": Column("wall s", 1),
    "peak_mib": Column("peak MiB", 0),
}


def markdown(rows, order=()):
    """Return the tables of all cases among ``rows``, methods in an order."""
    return tables(rows, COLUMNS, _head, order)


def _head(case, _):
    return (
        f"### {case['cells']} cells x {case['genes']} genes, {case['states']} states, {case['branch_points']} branch "
        f"points, noise '{case['noise']}'"
    )
