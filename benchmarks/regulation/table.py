"""Columns and titles of the tables of this benchmark."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "shared"))

from tables import Column, tables

COLUMNS = {
    "correlation": Column("correlation", 2),
    "within": Column("within types", 2),
    "sign": Column("sign", 2),
    "auroc": Column("AUROC", 2),
    "auprc": Column("AUPRC", 2),
    "r2_random": Column("R² random", 2),
    "oracle_random": Column("oracle", 2),
    "r2_random_within": Column("R² random, within types", 2),
    "oracle_random_within": Column("oracle", 2),
    "r2_blocks": Column("R² blocks", 2),
    "oracle_blocks": Column("oracle", 2),
    "cpu": Column("CPU s per gene", 1),
    "peak_mib": Column("peak MiB", 0),
}


def markdown(rows):
    """Return the tables of all sizes of tissue among ``rows``."""
    return tables(rows, COLUMNS, _head)


def _head(case, rows):
    genes = "/".join(dict.fromkeys(str(len(row["genes"])) for row in rows if "genes" in row))
    return f"### {case['cells']} cells\n\n{genes} genes of every tissue."
