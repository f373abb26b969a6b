"""What may regulate what: transcription factors, ligand-receptor pairs and ligand-TF scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.pairs import (
    LigandReceptor,
    bundled_pairs,
    expand,
    pairs_in,
    read_pairs,
    species_of,
)
from napari_tissue_dynamics.travlr.priors.tables import read_table
from napari_tissue_dynamics.travlr.priors.tf_ligands import TfLigandScores, read_tf_ligands, scores_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "LigandReceptor",
    "RegulatoryNetwork",
    "TfLigandScores",
    "build_network",
    "bundled_pairs",
    "read_links",
    "read_pairs",
    "read_tf_ligands",
    "species_of",
]

SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class RegulatoryNetwork:
    """Candidate regulation, before any fit.

    Parameters
    ----------
    pairs
        Ligand-receptor pairs, or tuples that make one; complexes are split.
    tf_ligands
        Ligand-target scores, or None.
    exclude_loops
        Drop ligand-TF pairs whose ligand is regulated by the target or the TF.
    """

    regulators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: tuple[LigandReceptor, ...] = ()
    tf_ligands: TfLigandScores | None = None
    exclude_loops: bool = True

    def __post_init__(self) -> None:
        pairs = expand(LigandReceptor(*pair) for pair in self.pairs)
        object.__setattr__(self, "pairs", pairs)
        regulators = {target: tuple(names) for target, names in self.regulators.items()}
        object.__setattr__(self, "regulators", regulators)

    def regulators_of(self, target: str, genes: Iterable[str]) -> tuple[str, ...]:
        """Return the regulators of a target that were measured, each once, in order, without itself."""
        known = set(genes) - {target}
        return tuple(dict.fromkeys(name for name in self.regulators.get(target, ()) if name in known))


def read_links(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read which transcription factors regulate which genes.

    Parameters
    ----------
    path
        CSV, TSV, parquet or feather with columns ``source`` (or ``tf``) and ``target``. With a column
        ``p`` only links below 0.05 count. Links of several clusters are joined.

    Returns
    -------
    The regulators of each target in alphabetical order.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column or holds no link.
    """
    return links_in(read_table(path), Path(path).name)


def links_in(table: pd.DataFrame, name: str) -> dict[str, tuple[str, ...]]:
    """Return the links of a table, see :func:`read_links`.

    Parameters
    ----------
    name
        What to call the table in a sentence.

    Raises
    ------
    DataError
        If it lacks a column or holds no link.
    """
    if "source" not in table and "tf" in table:
        table = table.rename(columns={"tf": "source"})
    missing = [name for name in ("source", "target") if name not in table]
    if missing:
        raise DataError(
            f"{name} has no column {' and '.join(missing)}; its columns are "
            f"{', '.join(map(str, table.columns)) or 'none'}. Name the columns source and target."
        )
    table = table.dropna(subset=["source", "target"])
    if "p" in table:
        table = table.loc[_significant(table["p"], name)]
    if table.empty:
        raise DataError(
            f"{name} has no link (with p < {SIGNIFICANCE} where there is a column p); "
            "at least one was expected. Choose another table or give a list of regulators."
        )
    links: dict[str, set[str]] = {}
    for source, target in zip(table["source"].astype(str), table["target"].astype(str), strict=True):
        links.setdefault(target, set()).add(source)
    return {target: tuple(sorted(sources)) for target, sources in links.items()}


def build_network(
    genes: Sequence[str],
    targets: Sequence[str],
    *,
    regulators: Sequence[str] | Mapping[str, Sequence[str]] = (),
    links: str | Path | pd.DataFrame | None = None,
    pairs: str | Path | pd.DataFrame | Sequence[tuple[str, ...]] = "bundled",
    tf_ligands: str | Path | pd.DataFrame | None = None,
) -> RegulatoryNetwork:
    """Put together what was chosen in a form, on the command line or in Python.

    Parameters
    ----------
    genes
        All genes that were measured, from which the species is inferred.
    regulators
        Transcription factors of all targets, or those of each target. When given, ``links`` are not used.
    links
        Links, a table or the file of one, see :func:`read_links`.
    pairs
        ``"bundled"`` for the table of the installed ``liana``, ``"none"``, a file for :func:`read_pairs`, a table
        like one, or tuples ``(ligand, receptor[, signaling[, pathway]])``.
    tf_ligands
        Matrix of ligand-target scores, a table or the file of one, see :func:`read_tf_ligands`.

    Raises
    ------
    DataError
        If a table cannot be used, or a regulator was not measured.
    """
    return RegulatoryNetwork(
        regulators=_chosen_regulators(genes, targets, regulators, links),
        pairs=_chosen_pairs(genes, pairs),
        tf_ligands=_chosen_scores(tf_ligands),
        exclude_loops=not len(regulators) or isinstance(regulators, Mapping),
    )


def _chosen_regulators(
    genes: Sequence[str],
    targets: Sequence[str],
    regulators: Sequence[str] | Mapping[str, Sequence[str]],
    links: str | Path | pd.DataFrame | None,
) -> Mapping[str, tuple[str, ...]]:
    if isinstance(regulators, str):
        raise DataError(f"The regulators are the text {regulators!r}. Give a list of genes, such as [{regulators!r}].")
    if isinstance(regulators, Mapping):
        chosen = {target: tuple(map(str, names)) for target, names in regulators.items()}
        _check_measured(tuple({name for target in targets for name in chosen.get(target, ())}), genes)
        return chosen
    if len(regulators):
        _check_measured(regulators, genes)
        return dict.fromkeys(targets, tuple(regulators))
    if links is None:
        return {}
    return read_links(links) if isinstance(links, (str, Path)) else links_in(links, "The table of links")


def _chosen_pairs(
    genes: Sequence[str], pairs: str | Path | pd.DataFrame | Sequence[tuple[str, ...]]
) -> tuple[LigandReceptor, ...]:
    if isinstance(pairs, (str, Path)):
        if pairs == "none":
            return ()
        return bundled_pairs(species_of(genes)) if pairs == "bundled" else read_pairs(pairs)
    if hasattr(pairs, "columns"):
        return pairs_in(pairs, "The table of ligand-receptor pairs")
    most = len(LigandReceptor._fields)
    wrong = next((pair for pair in pairs if isinstance(pair, str) or not 2 <= len(pair) <= most), None)
    if wrong is not None:
        raise DataError(f"{wrong!r} is not a ligand-receptor pair. Give tuples such as ('Wnt5a', 'Fzd2').")
    return tuple(LigandReceptor(*map(str, pair)) for pair in pairs)


def _chosen_scores(tf_ligands: str | Path | pd.DataFrame | None) -> TfLigandScores | None:
    if tf_ligands is None or isinstance(tf_ligands, (str, Path)):
        return None if tf_ligands is None else read_tf_ligands(tf_ligands)
    return scores_of(tf_ligands, "The table of ligand-target scores")


def _check_measured(regulators: Sequence[str], genes: Sequence[str]) -> None:
    known = set(genes)
    missing = [name for name in regulators if name not in known]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(
            f"{len(missing)} of {len(regulators)} regulators are not among the {len(genes)} measured genes: "
            f"{', '.join(missing[:5])}{more}. Correct or remove their names."
        )


def _significant(p: pd.Series[float], name: str) -> NDArray[np.bool_]:
    import numpy as np

    try:
        return p.to_numpy(dtype=np.float64, na_value=np.nan) < SIGNIFICANCE
    except (ValueError, TypeError) as error:
        raise DataError(
            f"The column p of {name} holds something other than numbers ({error}). "
            "Give p-values as numbers or remove the column."
        ) from error
