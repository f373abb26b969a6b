"""What the per-gene estimator reads from an AnnData, checked once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.expression import columns_of
from napari_tissue_dynamics.travlr.priors.cluster_labels import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.expression import Columns
    from napari_tissue_dynamics.travlr.priors.cluster_labels import Label

SPATIAL = "spatial"
THRESHOLDS = "cell_thresholds"
NORMALIZED = "normalized_count"


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The cells of an AnnData and where their expression is.

    Parameters
    ----------
    adata
        Anything with the parts of an AnnData; only read here.
    positions
        (cells, 2 or 3).
    codes
        (cells,) index into ``labels``; -1 where a cell has none.
    labels
        Cell types as they are in the table, in order.
    """

    adata: AnnData
    layer: str
    positions: NDArray[np.float64]
    codes: NDArray[np.int32]
    labels: tuple[Label, ...]

    @classmethod
    def of(cls, adata: AnnData, layer: str, cluster_annot: str) -> Source:
        """Return the cells of an AnnData.

        Raises
        ------
        DataError
            If it lacks the layer, the cell types or positions, or names a cell or gene twice.
        """
        for part in ("obs", "var_names", "obs_names", "layers", "obsm", "uns"):
            if not hasattr(adata, part):
                raise DataError(f"An AnnData was expected; {type(adata).__name__} has no {part}.")
        if layer not in adata.layers:
            raise DataError(
                f"No layer {layer!r} with expression; "
                f"this table has {', '.join(filter(None, adata.layers)) or 'no layers'}. "
                "Choose another with layer=... ."
            )
        if cluster_annot not in adata.obs:
            raise DataError(
                f"No column {cluster_annot!r} with cell types; this table has "
                f"{', '.join(map(str, adata.obs.columns)) or 'no columns'}. Choose another with cluster_annot=... ."
            )
        for axis, names in (("cell", adata.obs_names), ("gene", adata.var_names)):
            if not names.is_unique:
                twice = names[names.duplicated()][0]
                raise DataError(f"The {axis} {twice!r} occurs twice; make all {axis} names unique.")
        codes, labels = encode(adata.obs[cluster_annot])
        if not labels:
            raise DataError(f"No cell has a type in {cluster_annot!r}; at least one was expected.")
        return cls(adata, layer, _positions(adata), codes, labels)

    def with_labels(self, labels: tuple[Label, ...]) -> Source:
        """Return the same cells with types counted as in ``labels``; cells of other types have none."""
        place = {label: k for k, label in enumerate(labels)}
        table = np.array([*(place.get(label, -1) for label in self.labels), -1], dtype=np.int32)
        return replace(self, codes=table[self.codes], labels=labels)

    @property
    def cells(self) -> pd.Index[Any]:
        """Names of the cells."""
        return self.adata.obs.index

    def columns(self, genes: Sequence[str], layer: str | None = None) -> Columns:
        """Return dense (cells,) float32 columns of genes."""
        place = self.adata.var_names.get_indexer(list(genes))
        matrix: Any = self.adata.layers[layer or self.layer]
        dense = columns_of(matrix[:, place], genes, genes) if len(genes) else {}
        return dense

    def highest_mean(self, genes: Sequence[str]) -> dict[str, float]:
        """Return the largest mean of each gene over the cell types, on normalized counts if they are there."""
        layer = NORMALIZED if NORMALIZED in self.adata.layers else self.layer
        found: dict[str, float] = {}
        members = [np.flatnonzero(self.codes == k) for k in range(len(self.labels)) if (self.codes == k).any()]
        for gene, values in self.columns(tuple(dict.fromkeys(genes)), layer).items():
            found[gene] = max(float(values[rows].mean(dtype=np.float64)) for rows in members)
        return found

    def allowed(self, genes: Sequence[str]) -> dict[str, NDArray[np.bool_]] | None:
        """Return where each gene may act, (cells,), by the thresholds of the cell types; None without thresholds.

        Raises
        ------
        DataError
            If the thresholds are not those of these cells.
        """
        table = self.adata.uns.get(THRESHOLDS)
        if table is None:
            return None
        if not self.cells.isin(table.index).all() or not table.index.is_unique:
            raise DataError(
                f"The table uns[{THRESHOLDS!r}] does not have each cell once; make it for these cells or remove it."
            )
        table = table.loc[self.cells]
        nowhere = np.zeros(len(table), dtype=np.bool_)
        return {gene: table[gene].to_numpy() > 0 if gene in table else nowhere for gene in dict.fromkeys(genes)}


def _positions(adata: AnnData) -> NDArray[np.float64]:
    if SPATIAL not in adata.obsm:
        raise DataError(
            f"No positions obsm[{SPATIAL!r}]; this table has {', '.join(adata.obsm) or 'none'} there. Store the "
            f"(x, y) of every cell as obsm[{SPATIAL!r}]."
        )
    positions = np.array(adata.obsm[SPATIAL], dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] not in (2, 3):
        raise DataError(f"Positions are {positions.shape}; (cells, 2) or (cells, 3) was expected.")
    if not np.isfinite(positions).all():
        raise DataError("Some positions are not finite numbers; remove the cells without a position.")
    return positions
