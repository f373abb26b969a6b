"""The dock that compares regions of a tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QWidget

from napari_tissue_dynamics.analysis.cells.regions import REST, compare_steps, result_columns
from napari_tissue_dynamics.data.tissue import column
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.fates import fate_points
from napari_tissue_dynamics.layers.points import beta_points, latent_time_points, value_points
from napari_tissue_dynamics.travlr.expression import expression_of_genes
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.legend_dock import open_legend
from napari_tissue_dynamics.widgets.canvas.selection_view import show_selections
from napari_tissue_dynamics.widgets.forms.fields import add_row, push_button, refill, rows, sentences, stacked
from napari_tissue_dynamics.widgets.panels.cell_source import fates_of
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.region_list import RegionList
from napari_tissue_dynamics.widgets.panels.region_rows import (
    BETAS,
    GENES,
    TYPES,
    first_sorted,
    in_words,
    rows_of,
    tables_of,
)
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.plots.table import ValueTable
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    import napari
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.cells.regions import Region, RegionComparison
    from napari_tissue_dynamics.layers.points import LayerData
    from napari_tissue_dynamics.progress import Steps
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

FATE = "fate "
SHOWN = "region table"
"""Key of the layer that shows the gene or result of a chosen row."""
TABLE_TIP = "Click a title to sort, or press the digit of its column; Enter or a double click maps the row."


class RegionsDock(Dock):
    """Joins the list of regions, one running comparison, its tables and the viewer."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        show_selections(viewer)
        self.found: RegionComparison | None = None
        self.list = RegionList(viewer)
        self.first, self.second, self.shown = QComboBox(), QComboBox(), QComboBox()
        self.search = QLineEdit()
        self.table = ValueTable("Differences between regions", (), TABLE_TIP)
        self.words = sentences("Comparison of regions")
        self.save_button = push_button("Save CSV …", "Write the rows shown to a table with full precision.")
        self.panel = RunPanel("Compare", "Test which genes, betas, results and cell types differ.")
        self._arrange()
        self.pin(self.panel, self.start)
        self.list.changed.connect(self._offer)
        self.list.failed.connect(self.show_error)
        self.shown.currentTextChanged.connect(self._show_table)
        self.search.textChanged.connect(self._filter)
        self.table.chosen.connect(self._map)
        self.save_button.clicked.connect(self._ask_where_to_save)
        self.on_keys("Ctrl+D", self.list.draw)
        listen(self, self.workspace.tissue_changed, self._tissue_changed)
        listen(self, self.workspace.running_changed, self._refresh)
        self._offer()
        self.show_comparison(None)

    def start(self) -> None:
        """Compare the chosen regions, in a worker."""
        a, b = self.list.region(self.first.currentText()), self.list.region(self.second.currentText())
        if a is None or self.workspace.tissue is None:
            self.show_error("There is no region to compare. Draw one first.")
            return
        self.workspace.log.add("compare regions", region=a.name, against=REST if b is None else b.name)
        self.run("Comparing regions", _comparing(self.workspace, a, b), self.show_comparison, panel=self.panel)

    def show_comparison(self, found: RegionComparison | None) -> None:
        """Show what differs; None takes the tables away."""
        self.found = found
        before = self.shown.currentText()
        refill(self.shown, [] if found is None else tables_of(found), before)
        self.words.setText("" if found is None else in_words(found))
        self.results.setVisible(found is not None)
        self._show_table()

    def _arrange(self) -> None:
        choice = rows()
        add_row(choice, "Region", self.first, "The region to compare.")
        add_row(choice, "Against", self.second, "All other cells (rest), or another region.")
        self.results = QWidget()
        fields = rows()
        add_row(fields, "Show", self.shown, "Quantities to compare.")
        add_row(fields, "Search", self.search, "Only rows whose name contains this text.")
        self.search.setPlaceholderText("part of a name")
        self.search.setClearButtonEnabled(True)
        results = stacked(self.results, self.words, fields, self.table)
        buttons = QHBoxLayout()
        buttons.addWidget(self.save_button)
        results.addLayout(buttons)
        self.column.addWidget(self.list)
        self.column.addLayout(choice)
        self.column.addWidget(self.results)
        self.column.addStretch()

    def _tissue_changed(self) -> None:
        self.list.forget()
        self.show_comparison(None)

    def _offer(self) -> None:
        """Offer the regions there are; what was chosen stays."""
        names = [region.name for region in self.list.regions]
        for combo, choices in ((self.first, names), (self.second, [REST, *names])):
            before = combo.currentText()
            combo.clear()
            combo.addItems(choices)
            combo.setCurrentText(before if before in choices else (choices or [""])[0])
            combo.setEnabled(bool(names))
        if self.list.names.currentRow() >= 0 and self.first.currentText() not in names:
            self.first.setCurrentIndex(self.list.names.currentRow())
        self._refresh()

    def _refresh(self, *_: object) -> None:
        reason = "" if self.list.regions else "Draw a region first."
        self.panel.block((not self.is_running and self.workspace.busy) or reason)

    def _show_table(self, _: str = "") -> None:
        name = self.shown.currentText()
        if self.found is None or not name:
            self.table.show_rows([])
            return
        columns, lines = rows_of(self.found, name)
        self.table.show_rows(lines, columns)
        place, falling = first_sorted(lines, name)
        self.table.sortByColumn(place, Qt.SortOrder.DescendingOrder if falling else Qt.SortOrder.AscendingOrder)
        self._filter()

    def _filter(self, _: str = "") -> None:
        part = self.search.text().strip().lower()
        self.table.show_only(lambda row: part in str(row[0]).lower())

    def _map(self, row: tuple[Any, ...]) -> None:
        """Color the cells by the gene, beta or result of a row."""
        try:
            data = _layer_of(self.workspace, self.shown.currentText(), str(row[0]))
        except DataError as error:
            self.show_error(str(error))
            return
        if data is None:
            return
        self.clear_error()
        key = "" if self.shown.currentText() == BETAS else SHOWN
        _viewer.remove(self.viewer, self.workspace, lambda other: other == SHOWN)
        _viewer.present(self.viewer, self.workspace, data, key=key)
        open_legend(self.viewer)

    def _ask_where_to_save(self) -> None:
        if self.found is None:
            return
        about = f"{self.found.name_a} against {self.found.name_b}, {self.shown.currentText()}.csv"
        path = self.ask_where("Save the comparison", about, "Table (*.csv)")
        if path is not None:
            self.write_text(path, self.table.as_csv())


def _comparing(workspace: Workspace, a: Region, b: Region | None) -> Steps:
    """Return the work of a comparison with the results that there are now."""
    tissue, regulation = workspace.tissue, workspace.regulation
    results = _results(workspace)
    assert tissue is not None
    return lambda stop: compare_steps(tissue, a, b, stop, regulation=regulation, further=results)


def _layer_of(workspace: Workspace, table: str, name: str) -> LayerData | None:
    """Return the cells colored by what a row of a table shows; None for cell types."""
    tissue = workspace.tissue
    if tissue is None or table == TYPES:
        return None
    if table == GENES:
        expression = column(expression_of_genes(tissue, [tissue.gene_index(name)]), 0)
        return value_points(tissue, expression, name=name, kind="gene")
    if table == BETAS:
        regulation = workspace.regulation
        key = None if regulation is None else regulation.betas.get(name)
        return None if regulation is None or key is None else beta_points(tissue, regulation[key.target], key.modulator)
    fate = workspace.fate
    if fate is not None and name.startswith(FATE) and name.removeprefix(FATE) in fate.names:
        return fate_points(tissue, fate, name.removeprefix(FATE))
    values = _results(workspace).get(name)
    if values is None:
        raise DataError(f"{name!r} no longer exists. Compare the regions again.")
    return latent_time_points(tissue, values) if name == "latent time" else value_points(tissue, values, name=name)


def _results(workspace: Workspace) -> dict[str, NDArray[np.floating[Any]]]:
    """Return the results with one number for each cell."""
    velocity = workspace.velocity
    probabilities, names = fates_of(workspace)
    fates = {f"{FATE}{name}": probabilities[:, k] for k, name in enumerate(names)}
    return result_columns(None if velocity is None else velocity.field, fates)
