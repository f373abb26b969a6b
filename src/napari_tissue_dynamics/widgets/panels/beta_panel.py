"""What regulates one gene in one cell: a ranked table, filtered by kind, beside that of a pinned cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from napari_tissue_dynamics.analysis.regulation.interactions import LIGAND_RECEPTOR, LIGAND_TF, TF
from napari_tissue_dynamics.data.regulation_field import modulator_in_words
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, push_button, rows, sentences, stacked
from napari_tissue_dynamics.widgets.plots.legend import LegendPanel
from napari_tissue_dynamics.widgets.plots.table import Column, ValueTable, percent, plain, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_tissue_dynamics.analysis.regulation.beta_report import BetaReport
    from napari_tissue_dynamics.layers.legend import Legend

ALL_KINDS = "all kinds"
KINDS = {TF: "TF", LIGAND_RECEPTOR: "ligand-receptor", LIGAND_TF: "ligand-TF"}

COLUMNS = (
    Column("modulator", "Transcription factor, ligand-receptor pair or ligand → TF. Enter maps its beta."),
    Column(
        "share",
        "Beta times value of the modulator in this cell, over the sum of the absolutes of all: "
        "its share of the predicted change. Above 0 it raises the target here, below 0 it lowers it.",
        percent,
        by_size=True,
    ),
    Column("beta", "Coefficient in this cell: change of the target per unit of the modulator.", signed, by_size=True),
    Column("± sd", "Standard deviation of the coefficient given the data, in the type of the cell.", plain),
    Column("value", "Value of the modulator in this cell: expression, or received ligand times expression.", plain),
    Column(
        "FDR",
        "False discovery rate of the modulator in the type of the cell; above 0.1 the effect may be due to chance.",
        plain,
    ),
    Column("kind", "Transcription factor (TF), ligand-receptor pair or ligand-TF pair."),
)
PINNED = (
    Column("pinned beta", "Coefficient in the pinned cell.", signed, by_size=True),
    Column("pinned share", "Share of the predicted change in the pinned cell.", percent, by_size=True),
)
TABLE_TIP = (
    "What regulates the target in this cell. Click a title to sort, or press the digit of its column; "
    "Enter or a double click maps the beta; Ctrl+C copies."
)


class BetaPanel(QWidget):
    """Target, filters, the table of betas and buttons for the chosen row."""

    target_changed = Signal(str)
    map_requested = Signal(str)
    senders_requested = Signal(str)
    modulator_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: dict[str, str] = {}  # of the modulators, as they are shown
        self.target, self.kind, self.search = narrow_combo(), narrow_combo(ALL_KINDS, *KINDS.values()), QLineEdit()
        self.search.setPlaceholderText("part of a name")
        self.search.setClearButtonEnabled(True)
        self.table = ValueTable("Betas in this cell", COLUMNS, TABLE_TIP)
        self.table.sortByColumn(1, self.table.sorted_by[1].DescendingOrder)
        self.words = sentences("Prediction for this cell")
        self.map_button = push_button("Map beta", "Color the cells by this coefficient (Enter in the table).")
        self.senders_button = push_button(
            "Show sending cells", "Draw which cells send the ligand of this pair to the cell."
        )
        self.senders_button.setCheckable(True)
        self.senders_words = sentences("Senders of the signal")
        self.legend = LegendPanel()
        self._arrange()
        self.target.textActivated.connect(self.target_changed.emit)
        self.kind.textActivated.connect(self._filter)
        self.search.textChanged.connect(self._filter)
        self.table.chosen.connect(lambda row: self.map_requested.emit(self._names[row[0]]))
        self.table.moved_to.connect(self._row_changed)
        self.map_button.clicked.connect(self._map)
        self.senders_button.clicked.connect(lambda on: self.senders_requested.emit(self.modulator if on else ""))
        self._row_changed(None)

    @property
    def modulator(self) -> str:
        """The modulator of the current row, empty for none."""
        row = self.table.current()
        return "" if row is None else self._names[row[0]]

    def offer(self, targets: Sequence[str]) -> None:
        """Offer fitted genes; the chosen one stays if it is among them."""
        before = self.target.currentText()
        self.target.clear()
        self.target.addItems(list(targets))
        if before in targets:
            self.target.setCurrentText(before)
        self.target.setEnabled(bool(targets))

    def show_report(self, report: BetaReport | None, pinned: BetaReport | None = None) -> None:
        """Show what regulates the target, beside that in a pinned cell; None empties the table."""
        if report is None:
            self.table.show_rows([])
            self.words.clear()
            self._row_changed(None)
            return
        others = {} if pinned is None else {row.modulator: row for row in pinned.rows}
        lines: list[tuple[Any, ...]] = []
        for row in report.rows:
            line = (
                modulator_in_words(row.modulator),
                row.share,
                row.beta,
                row.deviation,
                row.value,
                row.fdr,
                KINDS[row.kind],
            )
            other = others.get(row.modulator)
            lines.append((*line, other.beta, other.share) if other is not None else line)
        self._names = {modulator_in_words(row.modulator): row.modulator for row in report.rows}
        self.table.show_rows(lines, (*COLUMNS, *PINNED) if others else COLUMNS)
        if self.table.current() is None and lines:
            self.table.setCurrentIndex(self.table.model().index(0, 0))
        self.words.setText(in_words(report, pinned))

    def show_senders(self, words: str, legend: Legend | None) -> None:
        """State who sends the signal and what the colors of the edges mean; no words remove both."""
        self.senders_words.setText(words)
        self.senders_words.setVisible(bool(words))
        self.legend.show_legend(legend)
        self.legend.setVisible(legend is not None)

    def _arrange(self) -> None:
        layout = stacked(self)
        fields = rows()
        add_row(fields, "Target", self.target, "A fitted gene.")
        add_row(fields, "Kind", self.kind, "Which kind of modulators the table shows.")
        add_row(fields, "Search", self.search, "Only modulators whose name contains this text.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.map_button)
        buttons.addWidget(self.senders_button)
        layout.addLayout(fields)
        layout.addWidget(self.words)
        layout.addWidget(self.table)
        layout.addLayout(buttons)
        layout.addWidget(self.senders_words)
        layout.addWidget(self.legend)
        self.show_senders("", None)

    def _filter(self, _: str = "") -> None:
        kind, part = self.kind.currentText(), self.search.text().strip().lower()
        self.table.show_only(
            lambda row: (kind == ALL_KINDS or row[6] == kind) and part in f"{row[0]} {self._names[row[0]]}".lower()
        )

    def _map(self) -> None:
        if self.modulator:
            self.map_requested.emit(self.modulator)

    def _row_changed(self, row: tuple[Any, ...] | None) -> None:
        name = "" if row is None else self._names[row[0]]
        self.map_button.setEnabled(bool(name))
        sends = "$" in name or "#" in name
        self.senders_button.setEnabled(sends or self.senders_button.isChecked())
        self.modulator_changed.emit(name)


def in_words(report: BetaReport, pinned: BetaReport | None) -> str:
    """Return the prediction of a cell in a sentence."""
    if math.isnan(report.predicted):
        return f"{report.target}: a gene of the fit was not measured in this tissue, so shares are unknown."
    if not any(row.beta for row in report.rows):
        return (
            f"No modulator explains {report.target} in cells of this type; all keep its mean, {report.intercept:.3g}."
        )
    by_modulators = report.predicted - report.intercept
    text = (
        f"Predicted {report.target} {report.predicted:.3g} "
        f"(baseline {report.intercept:.3g}, modulators {by_modulators:+.3g})."
    )
    if pinned is not None and not math.isnan(pinned.predicted):
        text += f" In the pinned cell: {pinned.predicted:.3g}."
    return text
