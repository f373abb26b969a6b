"""Ligand-receptor pairs: where they come from and which ones a target gene can use."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

Species = Literal["mouse", "human"]

SECRETED = "Secreted Signaling"
RESOURCES: dict[Species, str] = {"mouse": "mouseconsensus", "human": "consensus"}
ALIASES = {"source_genesymbol": "ligand", "target_genesymbol": "receptor", "category": "signaling"}


class LigandReceptor(NamedTuple):
    """One ligand and one receptor gene, and how the signal travels.

    ``signaling`` is one of ``"Secreted Signaling"``, ``"ECM-Receptor"``, ``"Cell-Cell Contact"``; only
    the first reaches as far as the radius, the others as far as the contact distance.
    """

    ligand: str
    receptor: str
    signaling: str = SECRETED
    pathway: str = ""


def expand(pairs: Iterable[LigandReceptor]) -> tuple[LigandReceptor, ...]:
    """Split complexes joined by ``_`` into all pairs of one ligand and one receptor, in order."""
    return tuple(
        pair._replace(ligand=ligand, receptor=receptor)
        for pair in pairs
        for ligand in pair.ligand.split("_")
        for receptor in pair.receptor.split("_")
    )


def read_pairs(path: str | Path) -> tuple[LigandReceptor, ...]:
    """Read ligand-receptor pairs from a table; complexes are split.

    Parameters
    ----------
    path
        CSV, TSV, parquet or feather with columns ``ligand`` and ``receptor`` (or ``source_genesymbol``
        and ``target_genesymbol``), and optionally ``signaling`` (or ``category``) and ``pathway``. Pairs
        without a signaling type count as secreted.

    Returns
    -------
    The pairs in file order.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column or has no pair.
    """
    return pairs_in(read_table(path), Path(path).name)


def pairs_in(table: pd.DataFrame, name: str) -> tuple[LigandReceptor, ...]:
    """Return the ligand-receptor pairs of a table, see :func:`read_pairs`.

    Parameters
    ----------
    name
        What to call the table in a sentence.

    Raises
    ------
    DataError
        If it lacks a column or has no pair.
    """
    renamed = {old: new for old, new in ALIASES.items() if old in table and new not in table}
    table = table.rename(columns=renamed)
    missing = [column for column in ("ligand", "receptor") if column not in table]
    if missing:
        raise DataError(
            f"{name} has no column {' and '.join(missing)}; its columns are "
            f"{', '.join(map(str, table.columns)) or 'none'}. Name the columns ligand and receptor."
        )
    pairs = _from_table(table)
    if not pairs:
        raise DataError(f"{name} has no ligand-receptor pair; at least one row was expected.")
    return pairs


def bundled_pairs(species: Species) -> tuple[LigandReceptor, ...]:
    """Return the consensus pairs that the installed ``liana`` package ships, without importing it.

    The table (``consensus`` for human, ``mouseconsensus`` for mouse) does not state how a signal travels,
    so every pair counts as secreted; give a table with a ``signaling`` column to distinguish contact signals
    apart.

    Raises
    ------
    DataError
        If ``liana`` is not installed or its table is not where it was.
    """
    spec = importlib.util.find_spec("liana")
    if spec is None or spec.origin is None:
        raise DataError(
            "No ligand-receptor pairs are available because the package liana is not installed. "
            "Run 'pip install liana', or choose a CSV with columns ligand and receptor."
        )
    path = Path(spec.origin).parent / "resource" / "omni_resource.csv"
    if not path.is_file():
        raise DataError(
            "The installed liana has no table resource/omni_resource.csv. "
            "Run 'pip install liana==1.10.0', or choose a CSV with columns ligand and receptor."
        )
    return _resource(path, RESOURCES[species])


def species_of(genes: Iterable[str]) -> Species:
    """Distinguish mouse and human by the case of the gene names (``Sox2`` or ``SOX2``); ties are human."""
    mouse = human = 0
    for gene in genes:
        upper = sum(letter.isupper() for letter in gene)
        if len(gene) > 1 and gene[0].isupper() and upper == 1:
            mouse += 1
        elif upper and not any(letter.islower() for letter in gene):
            human += 1
    return "mouse" if mouse > human else "human"


def select_pairs(pairs: Iterable[LigandReceptor], genes: Iterable[str], target: str) -> tuple[LigandReceptor, ...]:
    """Return the pairs a target gene can use, in the order that fixes the beta columns.

    Complexes are split; both genes must have been measured; pairs that contain the target are dropped; of
    equal pairs the first stays.
    """
    known = set(genes) - {target}
    first: dict[tuple[str, str], LigandReceptor] = {}
    for pair in expand(pairs):
        if pair.ligand in known and pair.receptor in known:
            first.setdefault((pair.ligand, pair.receptor), pair)
    return tuple(first.values())


@cache
def _resource(path: Path, name: str) -> tuple[LigandReceptor, ...]:
    table = read_table(path).rename(columns=ALIASES)
    return _from_table(table[table["resource"] == name])


def _from_table(table: pd.DataFrame) -> tuple[LigandReceptor, ...]:
    table = table.dropna(subset=["ligand", "receptor"])
    names = table[["ligand", "receptor"]].astype(str)
    names["signaling"] = table["signaling"].fillna(SECRETED).astype(str) if "signaling" in table else SECRETED
    names["pathway"] = table["pathway"].fillna("").astype(str) if "pathway" in table else ""
    for side in ("ligand", "receptor"):
        names[side] = names[side].str.split("_")
        names = names.explode(side, ignore_index=True)
    return tuple(map(LigandReceptor._make, names.itertuples(index=False, name=None)))
