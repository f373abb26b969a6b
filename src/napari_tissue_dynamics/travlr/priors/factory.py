"""Which transcription factors regulate a gene: look-ups with the interface of SpaceTravLR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.cluster_labels import Label, encode
from napari_tissue_dynamics.travlr.priors.link_tables import EVERYWHERE, link_tables, read_link_tables
from napari_tissue_dynamics.travlr.priors.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import torch
    from anndata import AnnData
    from numpy.typing import NDArray

ALPHA = 0.05
# Columns of a base network that are no transcription factors.
PEAK_COLUMNS = ("peak_id", "gene_short_name")


class Regulators(Protocol):
    """Anything that provides the regulators of a gene."""

    def get_regulators(self, adata: AnnData, target_gene: str) -> Sequence[str]:
        """Return the transcription factors of a gene."""
        ...


class RegulatoryFactory:
    """Links from transcription factors to targets, looked up in dictionaries that are made once.

    Parameters
    ----------
    colinks_path
        CSV, TSV, parquet or feather with columns ``source`` and ``target``, optionally ``cluster`` (or
        ``cell_type``), ``p`` and ``coef_mean``.
    links
        The same as one table, or as a dictionary of one table per cell type.
    annot
        Column of ``adata.obs`` with the cell types.
    allow_pickle
        Read a pickled dictionary of tables as the original package writes; nothing but tables is restored.

    Attributes
    ----------
    links
        Table of each cell type.
    cluster_labels
        The cell types, counted from 0 in their order.
    regulator_dict
        After :meth:`get_cluster_regulators`: for each cell type 1 where a regulator counts, after a leading 1 for the
        intercept.

    Raises
    ------
    DataError
        If not exactly one of ``colinks_path`` and ``links`` is given, or the links cannot be used.
    """

    def __init__(
        self,
        colinks_path: str | Path | None = None,
        links: Mapping[Any, pd.DataFrame] | pd.DataFrame | None = None,
        annot: str = "cell_type_int",
        *,
        allow_pickle: bool = False,
    ) -> None:
        self.colinks_path = colinks_path
        self.annot = annot
        self.links: dict[Label, pd.DataFrame]
        if colinks_path is not None and links is None:
            self.links = read_link_tables(colinks_path, allow_pickle=allow_pickle)
        elif links is not None and colinks_path is None:
            self.links = link_tables(links)
        else:
            raise DataError("Give either colinks_path, a table of links, or links, the tables themselves.")
        self.cluster_labels: dict[int, Label] = dict(enumerate(self.links))
        self.regulator_dict: dict[Label, torch.Tensor] = {}
        self._rows = _Rows.of(self.links)
        self._by_target, self._by_source = _places(self._rows.target), _places(self._rows.source)

    def get_regulators(self, adata: AnnData, target_gene: str, alpha: float = ALPHA) -> list[str]:
        """Return the measured transcription factors of a gene, p < alpha in any cell type, in alphabetical order."""
        rows = self._by_target.get(target_gene, ())
        return self._measured(adata, self._rows.source[[k for k in rows if self._rows.p[k] < alpha]], target_gene)

    def get_regulators_with_pvalues(self, adata: AnnData, target_gene: str, alpha: float = ALPHA) -> pd.DataFrame:
        """Return ``source`` and ``coef_mean`` of every link to a gene with p < alpha, of all cell types."""
        return self._links_at(adata, self._by_target.get(target_gene, ()), "source", alpha)

    def get_targets(self, adata: AnnData, source_gene: str, alpha: float = ALPHA) -> pd.DataFrame:
        """Return ``target`` and ``coef_mean`` of every link from a gene with p < alpha, of all cell types."""
        return self._links_at(adata, self._by_source.get(source_gene, ()), "target", alpha)

    def get_cluster_regulators(self, adata: AnnData, target_gene: str, alpha: float = ALPHA) -> list[str]:
        """Return the regulators with p <= alpha of all cell types and set ``regulator_dict``.

        A cell type that has no links of its own has no regulators, unless the links are those of all types.
        """
        import torch

        by_type = self.regulators_by_type(adata, target_gene, encode(adata.obs[self.annot])[1], alpha)
        names = sorted(set().union(*by_type.values()))
        self.regulator_dict = {
            label: torch.tensor([1.0, *(float(name in own) for name in names)]) for label, own in by_type.items()
        }
        return names

    def regulators_by_type(
        self, adata: AnnData, target_gene: str, labels: Iterable[Label], alpha: float = ALPHA
    ) -> dict[Label, set[str]]:
        """Return the measured regulators of a gene with p <= alpha in each of these cell types."""
        wanted = [k for k in self._by_target.get(target_gene, ()) if self._rows.p[k] <= alpha]
        found: dict[Label, set[str]] = {}
        for label in labels:
            kinds = (self._cluster_of(label), EVERYWHERE)
            names = [self._rows.source[k] for k in wanted if self._rows.cluster[k] in kinds]
            found[label] = set(self._measured(adata, names, target_gene))
        return found

    def get_training_genes(
        self, links: Mapping[Any, pd.DataFrame] | pd.DataFrame | None, kos: Iterable[str], n_propagation: int = 3
    ) -> NDArray[np.str_]:
        """Return all genes that a change of the genes ``kos`` reaches within this many links, themselves included.

        Parameters
        ----------
        links
            Tables of links; None for those of this factory.
        kos
            Genes that are changed.
        n_propagation
            Links to follow, one after the other.
        """
        rows = self._rows if links is None else _Rows.of(link_tables(links))
        targets = {source: set(rows.target[list(places)]) for source, places in _places(rows.source).items()}
        reached = edge = set(kos)
        for _ in range(n_propagation):
            edge = {target for source in edge for target in targets.get(source, ())} - reached
            reached = reached | edge
        return np.array(sorted(reached), dtype=np.str_)

    def _cluster_of(self, label: Label) -> Label:
        """Return the type as the links name it: by itself, or by its place where the data count types from 0."""
        if label in self.links or not isinstance(label, int):
            return label
        return self.cluster_labels.get(label, label)

    def _links_at(self, adata: AnnData, rows: Sequence[int], column: str, alpha: float) -> pd.DataFrame:
        import pandas as pd

        names = self._rows.source if column == "source" else self._rows.target
        kept = [k for k in rows if self._rows.p[k] < alpha and names[k] in adata.var_names]
        return pd.DataFrame({column: names[kept], "coef_mean": self._rows.coefficient[kept]})

    @staticmethod
    def _measured(adata: AnnData, names: Iterable[str], target: str) -> list[str]:
        return sorted(name for name in set(names) - {target} if name in adata.var_names)


class BaseGrnFactory:
    """Links of a base network: transcription factors whose motif lies at a gene, the same for all cell types.

    Parameters
    ----------
    base_grn
        Table, or parquet file of it, with one row per peak and gene: ``peak_id``, ``gene_short_name``, and one column
        of 0 and 1 per transcription factor.
    annot
        Column of ``adata.obs`` with the cell types.

    Raises
    ------
    DataError
        If the table has no column ``gene_short_name`` or something other than numbers.
    """

    def __init__(self, base_grn: str | Path | pd.DataFrame, annot: str = "cell_type_int") -> None:
        import pandas as pd

        table = base_grn if isinstance(base_grn, pd.DataFrame) else read_table(base_grn)
        if "gene_short_name" not in table:
            raise DataError(
                "The base network has no column gene_short_name; a table with one row per peak and gene and one column "
                "per transcription factor was expected."
            )
        factors = table.drop(columns=[name for name in PEAK_COLUMNS if name in table])
        try:
            rows, columns = np.nonzero(factors.to_numpy(dtype=np.float32))
        except (ValueError, TypeError) as error:
            raise DataError(f"The base network holds something other than 0 and 1 ({error}).") from error
        names = factors.columns.to_numpy(dtype=object)
        genes = table["gene_short_name"].to_numpy(dtype=object)
        pairs = pd.DataFrame({"source": names[columns], "target": genes[rows]}).drop_duplicates(ignore_index=True)
        self.annot = annot
        self._factory = RegulatoryFactory(links={EVERYWHERE: pairs}, annot=annot)

    def get_regulators(self, adata: AnnData, target_gene: str, alpha: float = ALPHA) -> list[str]:
        """Return the measured transcription factors of a gene in alphabetical order; there are no p values."""
        return self._factory.get_regulators(adata, target_gene, alpha)

    def get_targets(self, adata: AnnData, source_gene: str, alpha: float = ALPHA) -> pd.DataFrame:
        """Return the measured targets of a transcription factor, with 0 for the coefficient that is not known."""
        return self._factory.get_targets(adata, source_gene, alpha)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """All links of all cell types, (links,) each; a missing p value is 0 and a missing coefficient too."""

    source: NDArray[np.object_]
    target: NDArray[np.object_]
    p: NDArray[np.float64]
    coefficient: NDArray[np.float64]
    cluster: list[Label]

    @classmethod
    def of(cls, links: Mapping[Label, pd.DataFrame]) -> _Rows:
        """Return the links of all tables, one after the other."""
        tables = {label: table.dropna(subset=["source", "target"]) for label, table in links.items()}
        try:
            return cls(
                source=_joined(
                    [table["source"].astype(str).to_numpy(dtype=object) for table in tables.values()], object
                ),
                target=_joined(
                    [table["target"].astype(str).to_numpy(dtype=object) for table in tables.values()], object
                ),
                p=_joined([_numbers(table, "p") for table in tables.values()], np.float64),
                coefficient=_joined([_numbers(table, "coef_mean") for table in tables.values()], np.float64),
                cluster=[label for label, table in tables.items() for _ in range(len(table))],
            )
        except (ValueError, TypeError) as error:
            raise DataError(
                f"The column p or coef_mean of the links holds something other than numbers ({error})."
            ) from error


def _numbers(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in table:
        return np.zeros(len(table))
    found: NDArray[np.float64] = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _joined(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _places(names: NDArray[np.object_]) -> dict[str, list[int]]:
    """Return the rows of every name."""
    import pandas as pd

    indices = pd.Series(np.arange(len(names))).groupby(names).indices
    return {str(name): np.asarray(rows).tolist() for name, rows in indices.items()}
