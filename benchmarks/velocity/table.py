"""Columns and titles of the tables of this benchmark."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "shared"))

from tables import Column, tables

COLUMNS = {
    "accuracy": Column("2-D accuracy"),
    "accuracy_expression": Column("over expression neighbors"),
    "accuracy_own": Column("own projection"),
    "time": Column("time rank correlation"),
    "time_within": Column("within regimes"),
    "cbdir": Column("CBDir"),
    "icvcoh": Column("ICVCoh"),
    "gene_cosine": Column("gene cosine"),
    "genes": Column("genes", 0),
    "ari": Column("regimes ARI"),
    "wall": Column("wall s", 0),
    "cpu": Column("CPU s", 0),
    "peak_mib": Column("peak MiB", 0),
}


def markdown(rows):
    """Return the tables of all cases among ``rows``."""
    return tables(rows, COLUMNS, _head)


def _head(case, rows):
    seeds = sorted({row["seed"] for row in rows})
    return (
        f"### {case['tissue']}, {case['kinetics']} kinetics, {case['noise']} noise\n\n{case['cells']} cells x "
        f"{case['genes']} genes, STEER schedule {case['schedule']}, seeds {', '.join(map(str, seeds))}."
    )
