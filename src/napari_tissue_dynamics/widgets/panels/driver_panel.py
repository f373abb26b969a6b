"""Genes correlated with a fate, as a table to sort, to export and to map genes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_tissue_dynamics.widgets.forms.fields import (
    add_row,
    narrow_combo,
    push_button,
    refill,
    rows,
    sentences,
    stacked,
)
from napari_tissue_dynamics.widgets.plots.table import Column, ValueTable, plain, signed

if TYPE_CHECKING:
    from napari_tissue_dynamics.data.fate_result import FateResult

MOST = 2000
"""Maximum number of listed genes of a fate; the export has all."""
COLUMNS = (
    Column("Gene", "A gene correlated with the fate."),
    Column("r", "Correlation of its expression with the probability of the fate, over cells.", signed),
    Column("FDR", "False discovery rate. Neighboring cells are not independent: use it as a ranking.", plain),
)
EXPORT = "Write all genes of all fates with their p-values to a .csv file."
NONE = "No driver genes: at least two fates and counts are needed."
TIP = "Genes whose expression correlates with the fate. Enter or a double click colors the cells by a gene."


class DriverPanel(QWidget):
    """A fate to choose and the table of its genes."""

    gene_chosen = Signal(str)
    export_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: FateResult | None = None
        self.fate = narrow_combo()
        self.table = ValueTable("Driver genes", COLUMNS, TIP)
        self.words = sentences("About the driver genes")
        self.export_button = push_button("Export driver genes as …")
        fields = rows()
        add_row(fields, "Fate", self.fate, "The fate whose driver genes are listed.")
        stacked(self, fields, self.table, self.words, self.export_button)
        self.fate.currentTextChanged.connect(self._list)
        self.table.chosen.connect(lambda row: self.gene_chosen.emit(row[0]))
        self.table.clicked.connect(lambda _: self._clicked())
        self.export_button.clicked.connect(self.export_requested)
        self.show_drivers(None)

    def show_drivers(self, result: FateResult | None) -> None:
        """List the driver genes of a result; None empties the table."""
        self._result = result
        drivers = None if result is None else result.drivers
        self.export_button.setEnabled(drivers is not None)
        self.export_button.setToolTip(EXPORT if drivers is not None else NONE)
        refill(self.fate, () if drivers is None else drivers.fates, self.fate.currentText())
        self._list(self.fate.currentText())

    def choose(self, fate: str) -> None:
        """List the genes of a fate."""
        self.fate.setCurrentText(fate)

    def _list(self, fate: str) -> None:
        drivers = None if self._result is None else self._result.drivers
        if drivers is None or fate not in drivers.fates:
            self.table.show_rows([])
            self.words.setText(NONE)
            return
        table = drivers.table(fate, MOST)
        values = (table["gene"], table["correlation"].astype(float), table["fdr"].astype(float))
        self.table.show_rows(list(zip(*(each.tolist() for each in values), strict=True)))
        self.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        self.words.setText(f"Across {drivers.n_cells} cells with a fate.")

    def _clicked(self) -> None:
        row = self.table.current()
        if row is not None:
            self.gene_chosen.emit(row[0])
