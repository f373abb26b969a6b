"""What sets the experts of a velocity apart, as a list that unfolds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.genes.experts import ExpertStatistics, GeneContrast

GENES = 5
TYPES = 5
HEIGHT = 260
TIP = (
    "Cells, cell types, order of time in the tissue (Moran's I: 1 if neighbors have similar times, 0 if random) and "
    "neighborhood enrichment (z above 0: neighbors more often than in shuffled cells) and "
    "the genes whose kinetics differ most from those of all other cells. Cells are not independent of their "
    "neighbors: use the false discovery rates (FDR) as a ranking."
)


class ExpertTable(QTreeWidget):
    """One entry per expert; below it cell types, order of time and the genes with kinetics of their own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setColumnCount(2)
        self.setHeaderLabels(["Expert", "Value"])
        self.setAccessibleName("Experts")
        self.setToolTip(f"<p>{TIP}</p>")
        self.setFixedHeight(HEIGHT)
        self.setIndentation(14)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.header().setStretchLastSection(True)

    def show_statistics(self, statistics: ExpertStatistics | None) -> None:
        """List what sets the experts apart; None empties the list."""
        self.clear()
        for expert in range(0 if statistics is None else len(statistics.cells)):
            assert statistics is not None
            self._add_expert(statistics, expert)

    def _add_expert(self, statistics: ExpertStatistics, expert: int) -> None:
        top = QTreeWidgetItem(self, [f"expert {expert}", f"{statistics.cells[expert]} cells"])
        counts = statistics.composition[expert]
        for kind in np.argsort(-counts, kind="stable")[:TYPES]:
            if counts[kind]:
                share = counts[kind] / max(statistics.cells[expert], 1)
                QTreeWidgetItem(top, [statistics.cell_types[kind], f"{share:.0%} of its cells"])
        order = statistics.time_order
        if order is not None and np.isfinite(order.moran[expert]):
            QTreeWidgetItem(top, ["Moran's I of time", f"{order.moran[expert]:.2f}"])
        if statistics.neighborhoods is not None:
            self._add_neighborhoods(top, statistics.neighborhoods[expert])
        for quantity, contrast in statistics.contrasts.items():
            self._add_genes(top, quantity, contrast, statistics.genes, expert)
        top.setExpanded(expert == 0)

    def _add_neighborhoods(self, top: QTreeWidgetItem, scores: NDArray[np.float64]) -> None:
        if np.isfinite(scores).any():
            node = QTreeWidgetItem(top, ["Neighborhood enrichment", f"z {np.nanmax(scores):.1f}"])
            for other in np.argsort(-scores, kind="stable"):
                if np.isfinite(scores[other]):
                    QTreeWidgetItem(node, [f"near expert {other}", f"z {scores[other]:.1f}"])

    def _add_genes(
        self, top: QTreeWidgetItem, quantity: str, contrast: GeneContrast, genes: tuple[str, ...], expert: int
    ) -> None:
        best = np.argsort(-np.abs(contrast.score[expert]), kind="stable")[:GENES]
        if not len(best) or contrast.p_value[expert, best[0]] >= 1:
            return
        node = QTreeWidgetItem(top, [spoken(quantity), genes[best[0]]])
        for gene in best:
            fold = 2.0 ** float(contrast.log2_fold[expert, gene])
            QTreeWidgetItem(node, [genes[gene], f"{fold:.2g}-fold, FDR {contrast.fdr[expert, gene]:.1g}"])


def spoken(quantity: str) -> str:
    """Return the name of a rate in words."""
    words = {"alpha": "transcription", "beta": "splicing", "gamma": "degradation"}
    return " / ".join(words.get(part, part) for part in quantity.split("/"))
