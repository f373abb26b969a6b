"""The dock that compares two velocities of one tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_tissue_dynamics.analysis.validation.compare_velocities import VelocityComparison, compare_velocities_steps
from napari_tissue_dynamics.layers.colorable import Entry
from napari_tissue_dynamics.layers.coloring import ValueColoring, Values
from napari_tissue_dynamics.layers.colors import ColorScale
from napari_tissue_dynamics.widgets.canvas.coloring_view import show_coloring
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, rows, sentences
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.widgets.state.runs import Run

TITLE = "agreement of velocities"
NOTE = "cosine between the velocities: 1 same direction, -1 opposite direction"
HEIGHT = 180
MOST_GENES = 200
GENE_TIP = (
    "Correlation between the velocities across cells, by gene. Click a gene, or press Enter, to show its velocity."
)


class Numbers(QTreeWidget):
    """Names with numbers; a click on a header sorts by its column.

    Parameters
    ----------
    headers
        Titles of the columns, that of the names first.
    """

    def __init__(self, headers: tuple[str, ...], tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(list(headers))
        self.setAccessibleName(tooltip)
        self.setToolTip(f"<p>{tooltip}</p>")
        self.setRootIsDecorated(False)
        self.setFixedHeight(HEIGHT)
        self.setSortingEnabled(True)
        self.sortByColumn(1, Qt.SortOrder.AscendingOrder)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def show_rows(self, found: list[tuple[str, float, int | None]]) -> None:
        """List names with a score, and a count where there is one."""
        self.clear()
        for name, score, count in found:
            self.addTopLevelItem(_Row([name, f"{score:.2f}", "" if count is None else str(count)]))


class _Row(QTreeWidgetItem):
    """A row that sorts numbers as numbers."""

    def __lt__(self, other: QTreeWidgetItem) -> bool:
        column = self.treeWidget().sortColumn()
        if column == 0:
            return self.text(0).casefold() < other.text(0).casefold()
        return float(self.text(column) or 0) < float(other.text(column) or 0)


class CompareDock(Dock):
    """Compares two runs of the workspace cell by cell and gene by gene."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.first, self.second = narrow_combo(), narrow_combo()
        self.words = sentences("Comparison of the velocities")
        self.types = Numbers(("Cell type", "Cosine", "Cells"), "Mean cosine of the cells of each type.")
        self.genes = Numbers(("Gene", "Correlation", ""), GENE_TIP)
        self.panel = RunPanel("Compare", "Compare two velocities cell by cell and show where they agree.")
        self._arrange()
        self.pin(self.panel, self.start)
        self.genes.itemClicked.connect(self._map_gene)
        self.genes.itemActivated.connect(self._map_gene)
        for combo in (self.first, self.second):
            combo.currentIndexChanged.connect(self._refresh)
        listen(self, self.workspace.runs_changed, self._offer)
        listen(self, self.workspace.running_changed, self._refresh)
        self._offer()

    def start(self) -> None:
        """Compare the chosen runs, in a worker."""
        tissue, runs = self.workspace.tissue, self._chosen()
        if tissue is None or runs is None:
            self.show_error("Two velocities are needed. Estimate the velocity with two models or settings first.")
            return
        first, second = (run.result.field for run in runs)
        self.run(
            "Comparing velocities",
            lambda stop: compare_velocities_steps(first, second, stop=stop),
            lambda found: self.show_comparison(tissue, runs, found),
            panel=self.panel,
        )

    def show_comparison(self, tissue: Tissue, runs: tuple[Run, Run], found: VelocityComparison) -> None:
        """Show what came out, and the cosine of every cell in the tissue."""
        if tissue is not self.workspace.tissue:
            return  # another tissue was loaded meanwhile
        self.words.setText(f"{runs[0].title} and {runs[1].title}: {found.words}")
        groups = {} if tissue.cell_types is None else found.by_group(tissue.cell_types)
        self.types.show_rows([(name, mean, count) for name, (mean, count) in groups.items()])
        self.sections["types"].setVisible(bool(groups))
        order = [gene for gene in np.argsort(found.gene_correlation) if np.isfinite(found.gene_correlation[gene])]
        worst = order[:MOST_GENES]
        self.genes.show_rows([(found.genes[gene], float(found.gene_correlation[gene]), None) for gene in worst])
        self.sections["genes"].setVisible(bool(worst))
        values = Values(found.cosine, signed=True, limits=(-1.0, 1.0), note=NOTE)
        coloring = ValueColoring(TITLE, values, ColorScale(-1.0, 1.0, "balance"))
        show_coloring(self.viewer, self.workspace, coloring)

    def _arrange(self) -> None:
        fields = rows()
        for name, combo in (("First", self.first), ("Second", self.second)):
            add_row(fields, name, combo, "A velocity estimated for this tissue.")
        self.sections = {
            "types": Section("By cell type", self.types, "Show or hide the agreement by cell type."),
            "genes": Section("Genes that disagree most", self.genes, "Show or hide the agreement by gene."),
        }
        self.column.addLayout(fields)
        for widget in (self.words, *self.sections.values()):
            self.column.addWidget(widget)
        self.column.addStretch()

    def _map_gene(self, item: QTreeWidgetItem, *_: object) -> None:
        """Color the cells by the velocity of a gene that is on show now."""
        self.map_entry(Entry("velocity", f"{item.text(0)} velocity"))

    def _runs(self) -> list[Run]:
        return [run for run in self.workspace.runs if run.kind == "velocity"]

    def _chosen(self) -> tuple[Run, Run] | None:
        first, second = self.first.currentData(), self.second.currentData()
        return None if first is None or second is None or first is second else (first, second)

    def _offer(self) -> None:
        """List the runs; the last two are chosen at first, and a choice stays while its run does."""
        runs = self._runs()
        for combo, place in ((self.first, -2), (self.second, -1)):
            before = combo.currentData()
            kept = [index for index, run in enumerate(runs) if before is not None and run.number == before.number]
            with QSignalBlocker(combo):
                combo.clear()
                for run in runs:
                    combo.addItem(run.title, run)
                combo.setCurrentIndex(kept[0] if kept and len(runs) > 2 else max(len(runs) + place, 0) if runs else -1)
        if len(runs) < 2:
            self.words.setText("Estimate the velocity with two models or settings to compare them here.")
            for section in self.sections.values():
                section.setVisible(False)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        reason = "Choose two different velocities." if self._chosen() is None else ""
        if len(self._runs()) < 2:
            reason = "Two velocities of this tissue are needed. Estimate another one."
        self.panel.block(self.workspace.busy or reason)
