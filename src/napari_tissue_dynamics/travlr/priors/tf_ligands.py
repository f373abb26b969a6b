"""Ligands whose signal is known to act through a transcription factor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

LIGANDS_PER_TF = 5


class TfLigand(NamedTuple):
    """A ligand and the transcription factor its signal acts through."""

    ligand: str
    tf: str


@dataclass(frozen=True, slots=True, eq=False)
class TfLigandScores:
    """How strongly each ligand is expected to act on each gene (for example, NicheNet's regulatory potential).

    Parameters
    ----------
    genes
        Names of the rows; transcription factors are looked up here.
    values
        (genes, ligands) scores.
    """

    genes: tuple[str, ...]
    ligands: tuple[str, ...]
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.genes), len(self.ligands)):
            raise DataError(
                f"The ligand-target scores are {self.values.shape}; "
                f"{(len(self.genes), len(self.ligands))} (genes, ligands) was expected."
            )
        self.values.flags.writeable = False


def read_tf_ligands(path: str | Path) -> TfLigandScores:
    """Read a matrix of ligand-target scores: rows are target genes, columns are ligands.

    Raises
    ------
    DataError
        If the file cannot be read, a score is not a number or a name repeats.
    """
    return scores_of(read_table(path, index=True), Path(path).name)


def scores_of(table: pd.DataFrame, name: str) -> TfLigandScores:
    """Return the scores in a table with target genes in rows and ligands in columns.

    Parameters
    ----------
    name
        What to call the table in a sentence.

    Raises
    ------
    DataError
        If a score is not a number or a name repeats.
    """
    try:
        values = table.to_numpy(dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{name} holds something other than numbers ({error}). "
            "Gene names belong in the first column, ligand names in the first row, scores elsewhere."
        ) from error
    if not table.index.is_unique or not table.columns.is_unique:
        raise DataError(f"{name} contains a gene or ligand twice; keep one row or column of each.")
    return TfLigandScores(tuple(map(str, table.index)), tuple(map(str, table.columns)), values)


def select_tf_ligands(
    scores: TfLigandScores,
    target: str,
    *,
    tfs: Iterable[str],
    ligands: Iterable[str],
    cutoff: float,
    regulators: Mapping[str, tuple[str, ...]],
) -> tuple[TfLigand, ...]:
    """Return the ligand-TF pairs of a target gene.

    For each TF, in alphabetical order, its five highest-scoring ligands above ``cutoff``. A pair is left
    out when the target or the TF regulates the ligand, so that no feedback loop enters the model.

    Parameters
    ----------
    tfs, ligands
        The target's regulators and the ligands of its ligand-receptor pairs.
    cutoff
        Scores must be above.
    regulators
        Regulators of every gene, for the exclusion of loops; empty for none.
    """
    row = {name: i for i, name in enumerate(scores.genes)}
    column = {name: i for i, name in enumerate(scores.ligands)}
    names = sorted(set(ligands) & column.keys())
    columns = [column[name] for name in names]
    found: list[TfLigand] = []
    for tf in sorted(set(tfs) & row.keys()):
        values = scores.values[row[tf], columns]
        for j in np.argsort(-values, kind="stable")[:LIGANDS_PER_TF]:
            sources = regulators.get(names[j], ())
            if values[j] > cutoff and target not in sources and tf not in sources:
                found.append(TfLigand(names[j], tf))
    return tuple(found)
