"""Which regulators and pairs may explain a target gene of an AnnData."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.design import Modulators, select_modulators
from napari_tissue_dynamics.travlr.priors.factory import RegulatoryFactory
from napari_tissue_dynamics.travlr.priors.nichenet import nichenet_scores
from napari_tissue_dynamics.travlr.priors.pairs import (
    SECRETED,
    LigandReceptor,
    bundled_pairs,
    pairs_in,
    read_pairs,
    select_pairs,
)
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
from napari_tissue_dynamics.travlr.priors.tf_ligands import TfLigandScores

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.anndata_input import Source
    from napari_tissue_dynamics.travlr.priors.cluster_labels import Label
    from napari_tissue_dynamics.travlr.priors.factory import Regulators
    from napari_tissue_dynamics.travlr.priors.pairs import Species

PairsSource: TypeAlias = "pd.DataFrame | str | Path | Sequence[LigandReceptor | tuple[str, ...]]"
ScoresSource: TypeAlias = "pd.DataFrame | str | Path | TfLigandScores"

UNKNOWN_PATHWAY = "Unknown"


def genes_of(chosen: Modulators) -> list[str]:
    """Return all genes that the columns are made from, each once."""
    listeners = [*(pair.receptor for pair in chosen.pairs), *(pair.tf for pair in chosen.tf_ligands)]
    return list(dict.fromkeys([*chosen.regulators, *chosen.ligands, *listeners, *chosen.extra]))


def pair_table(chosen: Modulators, radius: float, contact_distance: float) -> pd.DataFrame:
    """Return the ligand-receptor pairs with ``pathway``, ``signaling``, ``radius`` and ``pairs``, one per row."""
    import pandas as pd

    rows = [
        (p.ligand, p.receptor, p.pathway, p.signaling, radius if chosen.reaches_far(p) else contact_distance)
        for p in chosen.pairs
    ]
    table = pd.DataFrame(rows, columns=["ligand", "receptor", "pathway", "signaling", "radius"])
    table["pairs"] = [f"{p.ligand}${p.receptor}" for p in chosen.pairs]
    return table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """What the user specified about the regulation of one target, in the terms of the estimator."""

    target: str
    cluster_annot: str
    species: Species
    use_ligands: bool = True
    tf_ligand_cutoff: float = 0.01
    receptor_threshold: float | None = None
    regulators: Sequence[str] | None = None
    grn: Regulators | None = None
    colinks_path: str | Path | None = None
    extra_regulators: Sequence[str] | None = None
    extra_modulators: Sequence[str] | None = None
    extra_lr: Iterable[tuple[str, str]] | None = None
    tflinks: ScoresSource | None = None
    lr_pairs_table: PairsSource | None = None
    cluster_masks: bool = False
    reach_by_pair: bool = False
    download: bool = False


def resolve(source: Source, request: Request) -> tuple[Modulators, Regulators | None]:
    """Return what may regulate the target, and where its regulators were looked up (None for an explicit list).

    Raises
    ------
    DataError
        If the target or a regulator was not measured, a table cannot be used, or it is not clear where to look.
    """
    target, species = request.target, request.species
    if target not in source.adata.var_names:
        raise DataError(f"{target!r} is not among the {len(source.adata.var_names)} genes of the table.")
    found, grn = choose_regulators(
        source, target, request.regulators, request.grn, request.colinks_path, request.cluster_annot
    )
    if request.cluster_masks and not isinstance(grn, RegulatoryFactory):
        raise DataError("cluster_masks needs a RegulatoryFactory, as grn or from colinks_path.")
    found = with_extra_regulators(source, target, found, request.extra_regulators)
    pairs: tuple[LigandReceptor, ...] = ()
    scores: TfLigandScores | None = None
    if request.use_ligands:
        threshold = request.receptor_threshold
        pairs = choose_pairs(source, target, request.lr_pairs_table, request.extra_lr, species, threshold)
        scores = scores_from(request.tflinks, species, request.download)
    base = candidates(source, target, found, pairs, scores, request.tf_ligand_cutoff, grn)
    extra = extra_modulators(source, base, request.extra_modulators)
    return replace(base, extra=extra, by_pair=request.reach_by_pair), grn


def regulators_by_type(
    source: Source, found: Modulators, grn: Regulators | None, further: Sequence[str]
) -> dict[Label, NDArray[np.bool_]]:
    """Return which modulators may act in each cell type; ``further`` regulators and all pairs act in every type.

    Raises
    ------
    DataError
        If the regulators do not come from links of cell types.
    """
    if not isinstance(grn, RegulatoryFactory):
        raise DataError("cluster_masks needs the links of the cell types, which a file of an estimator does not have.")
    by_type = grn.regulators_by_type(source.adata, found.target, source.labels)
    free = set(further)
    masks = {}
    for label, own in by_type.items():
        acting = [name in own or name in free for name in found.regulators]
        masks[label] = np.array([*acting, *[True] * (len(found.names) - len(acting))], dtype=np.bool_)
    return masks


def choose_regulators(
    source: Source,
    target: str,
    regulators: Sequence[str] | None,
    grn: Regulators | None,
    colinks_path: str | Path | None,
    cluster_annot: str,
) -> tuple[tuple[str, ...], Regulators | None]:
    """Return the transcription factors of the target, and where they were looked up; None for an explicit list.

    Raises
    ------
    DataError
        If the list names a gene that was not measured or the target, or if it is not clear where to look.
    """
    measured = source.adata.var_names
    if regulators is not None:
        missing = [name for name in regulators if name not in measured]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(regulators)} regulators are not among the {len(measured)} measured genes: "
                f"{', '.join(missing[:5])}. Correct or remove their names."
            )
        if target in regulators:
            raise DataError(f"{target} cannot regulate itself; remove it from its regulators.")
        return tuple(dict.fromkeys(regulators)), None
    if grn is not None and colinks_path is not None:
        raise DataError("Both grn and colinks_path were given; give one of them.")
    if grn is None:
        if colinks_path is None:
            raise DataError(
                f"No regulators of {target} are defined: give regulators, a list of transcription factors; grn, a "
                "RegulatoryFactory; or colinks_path, a table of links."
            )
        grn = RegulatoryFactory(colinks_path, annot=cluster_annot)
    found = dict.fromkeys(grn.get_regulators(source.adata, target))
    return tuple(name for name in found if name in measured and name != target), grn


def with_extra_regulators(
    source: Source, target: str, regulators: tuple[str, ...], extra: Sequence[str] | None
) -> tuple[str, ...]:
    """Append further regulators that were measured, in their order."""
    named = tuple(dict.fromkeys(extra or ()))
    added = _measured(source, named, "extra_regulators")
    return (*regulators, *(name for name in added if name != target and name not in regulators))


def choose_pairs(
    source: Source,
    target: str,
    table: PairsSource | None,
    extra_lr: Iterable[tuple[str, str]] | None,
    species: Species,
    receptor_threshold: float | None,
) -> tuple[LigandReceptor, ...]:
    """Return the ligand-receptor pairs a target can use; further ones come last.

    Parameters
    ----------
    table
        The data base, None for the one of the installed ``liana``.
    extra_lr
        Further pairs of one ligand and one receptor, that count as secreted.
    receptor_threshold
        Mean expression that a receptor must exceed in some cell type; None for no such filter.
    """
    pairs = _pairs_of(table, species)
    further = tuple(LigandReceptor(a, b, SECRETED, UNKNOWN_PATHWAY) for a, b in extra_lr or ())
    _measured(source, tuple(dict.fromkeys(name for pair in further for name in pair[:2])), "extra_lr")
    chosen = select_pairs((*pairs, *further), source.adata.var_names, target)
    if receptor_threshold is None:
        return chosen
    level = source.highest_mean([pair.receptor for pair in chosen])
    return tuple(pair for pair in chosen if level[pair.receptor] > receptor_threshold)


def candidates(
    source: Source,
    target: str,
    regulators: tuple[str, ...],
    pairs: tuple[LigandReceptor, ...],
    scores: TfLigandScores | None,
    cutoff: float,
    grn: Regulators | None,
) -> Modulators:
    """Put together what may regulate the target, with the ligand-TF pairs that belong to it.

    Loops are removed where a network lists the regulators of a ligand; an explicit list of regulators does not.
    """
    known: dict[str, tuple[str, ...]] = {}
    if grn is not None and scores is not None:
        ligands = {pair.ligand for pair in pairs} & set(scores.ligands)
        known = {name: tuple(grn.get_regulators(source.adata, name)) for name in ligands}
    network = RegulatoryNetwork({**known, target: regulators}, pairs, scores, exclude_loops=grn is not None)
    config = TravlrConfig(tf_ligand_cutoff=cutoff, max_pairs=0)
    return select_modulators(target, network, tuple(source.adata.var_names), {}, config)


def extra_modulators(source: Source, base: Modulators, extra: Sequence[str] | None) -> tuple[str, ...]:
    """Return further genes that were measured and that no other group uses."""
    named = tuple(dict.fromkeys(extra or ()))
    used = {base.target, *genes_of(base)}
    taken = [name for name in named if name in used]
    if taken:
        _warn(f"extra_modulators {', '.join(taken)} are the target or in another group already and are ignored there.")
    return tuple(name for name in _measured(source, named, "extra_modulators") if name not in used)


def scores_from(tflinks: ScoresSource | None, species: Species, download: bool) -> TfLigandScores | None:
    """Return the ligand-target scores that were given, or NicheNet's where they were asked for, else None."""
    if isinstance(tflinks, TfLigandScores):
        return tflinks
    if tflinks is None:
        return nichenet_scores(species, download=True) if download else None
    if isinstance(tflinks, (str, Path)):
        return nichenet_scores(species, path=tflinks)
    return nichenet_scores(species, table=tflinks)


def _pairs_of(table: PairsSource | None, species: Species) -> tuple[LigandReceptor, ...]:
    import pandas as pd

    if table is None:
        return bundled_pairs(species)
    if isinstance(table, (str, Path)):
        return read_pairs(table)
    if isinstance(table, pd.DataFrame):
        return pairs_in(table, "The table of ligand-receptor pairs")
    return tuple(LigandReceptor(*pair) for pair in table)


def _measured(source: Source, names: Sequence[str], argument: str) -> tuple[str, ...]:
    missing = [name for name in names if name not in source.adata.var_names]
    if missing:
        _warn(f"{argument} {', '.join(missing[:5])} were not measured and are ignored.")
    return tuple(name for name in names if name not in missing)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=4)
