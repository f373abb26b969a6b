"""The dock with all values of the clicked cell."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QCompleter, QHBoxLayout, QLineEdit, QWidget

from napari_tissue_dynamics.analysis.regulation.ligand_senders import senders_of
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.axes import PLUGIN, to_napari
from napari_tissue_dynamics.layers.colors import category_colors, color_table
from napari_tissue_dynamics.layers.fates import fate_colors
from napari_tissue_dynamics.layers.points import beta_points
from napari_tissue_dynamics.layers.rings import MARKS, REACH, SENDERS, cell_rings, reach_ring, sender_vectors
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.legend_dock import open_legend
from napari_tissue_dynamics.widgets.canvas.picking import picker_of
from napari_tissue_dynamics.widgets.forms.fields import add_row, push_button, rows, sentences
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.beta_panel import KINDS, BetaPanel
from napari_tissue_dynamics.widgets.panels.cell_source import CellSource
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.portrait_panel import PortraitPanel
from napari_tissue_dynamics.widgets.plots.share_bars import Bar, ShareBars
from napari_tissue_dynamics.widgets.plots.table import Column, ValueTable, as_csv, plain, signed
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import napari

    from napari_tissue_dynamics.analysis.cells.cell_report import CellReport, Share
    from napari_tissue_dynamics.analysis.regulation.beta_report import BetaReport
    from napari_tissue_dynamics.analysis.regulation.ligand_senders import Senders

SEEN, WIDE = 120, 300
"""Pixels below which the reach of a signal is too small to see its senders, and what it is enlarged to."""
ASK = "Click a cell in the viewer, or type its name or number above."
MOST_BARS = 8
SMALLEST_BAR = 0.005
REST_COLOR = "#8A8A8A"
TYPES_TOLD = 3

GENE_COLUMNS = (
    Column("gene", "A gene of the velocity model. Enter shows its phase portrait."),
    Column("in sd", "Velocity in standard deviations of the gene across all cells, comparable between genes.", signed,
           by_size=True),
    Column("velocity", "Change of the spliced RNA per unit of time.", signed, by_size=True),
    Column("spliced", "Smoothed spliced RNA in this cell.", plain),
    Column("unspliced", "Smoothed unspliced RNA in this cell.", plain),
)  # fmt: skip


class InspectorDock(Dock):
    """Follows the current cell of the workspace: type, time, experts, fates, genes that change, and betas."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        picker_of(viewer)  # a click on a cell in the viewer makes it the current one
        self.source = CellSource(self.workspace, self)
        self.pinned: int | None = None
        self.cell = QLineEdit()
        self.header = sentences("Inspected cell", ASK)
        self.header.setTextFormat(Qt.TextFormat.RichText)
        self.pin_button = push_button(
            "Pin to compare", "Pin this cell and compare the next clicked cells with it (Ctrl+P)."
        )
        self.pin_button.setCheckable(True)
        self.copy_button = push_button("Copy", "Copy the cell report as text.")
        self.save_button = push_button("Save CSV …", "Write the betas of the target in this cell to a table.")
        self.experts, self.fates = ShareBars("Latent time and expert weights"), ShareBars("Fates")
        self.genes = ValueTable("Genes that change most", GENE_COLUMNS, "Genes whose spliced RNA changes fastest.")
        self.genes.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        self.portrait = PortraitPanel(viewer)
        self.betas = BetaPanel()
        self._arrange()
        self._connect()
        self._results_changed()

    def show_beta(self, modulator: str) -> None:
        """Color the cells by one coefficient of the chosen target."""
        tissue, regulation = self.workspace.tissue, self.workspace.regulation
        if tissue is None or regulation is None:
            return
        data = beta_points(tissue, regulation[self.betas.target.currentText()], modulator)
        _viewer.present(self.viewer, self.workspace, data, over_arrows=True)
        open_legend(self.viewer)

    def as_text(self) -> str:
        """Return all that is shown of the cell, one line each."""
        shown = self._reports()
        if shown is None:
            return ""
        report, other = shown
        others = {} if other is None else dict(other.lines())
        lines = [f"{name}\t{value}" + (f"\t{others.get(name, '')}" if others else "") for name, value in report.lines()]
        if self.betas.table.shown():
            lines += ["", f"betas of {self.betas.target.currentText()}"]
            lines += ["\t".join(line) for line in self.betas.table.texts()]
        return "\n".join(lines)

    def as_csv(self) -> str:
        """Return the betas of the target in the cell (and the pinned one) as a table, or else its report."""
        shown = self._reports()
        if shown is None:
            return ""
        reports = [(each, self._betas(each.index)) for each in shown if each is not None]
        if all(betas is None for _, betas in reports):
            lines = [(each.name, *line) for each, _ in reports for line in each.lines()]
            return as_csv(("cell", "quantity", "value"), lines)
        titles = ("cell", "cell_type", "target", "modulator", "kind", "beta", "sd", "value", "contribution", "share",
                  "fdr")  # fmt: skip
        table = [
            (each.name, each.cell_type, betas.target, row.modulator, KINDS[row.kind], row.beta, row.deviation,
             row.value, row.contribution, row.share, row.fdr)
            for each, betas in reports if betas is not None for row in betas.rows
        ]  # fmt: skip
        return as_csv(titles, table)

    def _arrange(self) -> None:
        fields = rows()
        add_row(fields, "Cell", self.cell, "Name of a cell, or its number counted from 0; Enter shows it.")
        self.cell.setPlaceholderText("name or number")
        buttons = QHBoxLayout()
        for button in (self.pin_button, self.copy_button, self.save_button):
            buttons.addWidget(button)
        self.column.addLayout(fields)
        self.column.addWidget(self.header)
        self.column.addLayout(buttons)
        self.column.addWidget(self.experts)
        self.column.addWidget(self.fates)
        self.regulation = Section("Betas", self.betas, "Regulators of a gene in this cell.")
        self.changing = Section("Genes that change most", self.genes, "Genes whose spliced RNA changes fastest.")
        self.phase = Section("Phase portrait", self.portrait, "Unspliced over spliced RNA of a gene.")
        for section in (self.regulation, self.changing, self.phase):
            section.expand(animate=False)
            self.column.addWidget(section)
        self.column.addStretch()

    def _connect(self) -> None:
        self.cell.returnPressed.connect(self._typed)
        self.pin_button.clicked.connect(self._pin)
        self.copy_button.clicked.connect(lambda: QApplication.clipboard().setText(self.as_text()))
        self.save_button.clicked.connect(self._ask_where_to_save)
        self.genes.chosen.connect(self._show_portrait)
        self.portrait.failed.connect(self.show_error)
        self.betas.target_changed.connect(self._refresh)
        self.betas.map_requested.connect(self.show_beta)
        self.betas.senders_requested.connect(self._show_senders)
        self.betas.modulator_changed.connect(self._follow_senders)
        self.source.ready.connect(self._refresh)
        self.source.failed.connect(self.show_error)
        self.on_keys("Ctrl+P", self.pin_button.click)
        listen(self, self.workspace.tissue_changed, self._tissue_changed)
        for signal in (
            self.workspace.velocity_changed,
            self.workspace.regulation_changed,
            self.workspace.fate_changed,
        ):
            listen(self, signal, self._results_changed)
        listen(self, self.workspace.cell_changed, self._refresh)

    def _tissue_changed(self) -> None:
        self.pinned = None
        self.pin_button.setChecked(False)
        self.cell.clear()
        tissue = self.workspace.tissue
        if tissue is not None:
            completer = QCompleter(list(tissue.cells), self)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            self.cell.setCompleter(completer)
        self._results_changed()

    def _results_changed(self) -> None:
        self.source.forget()
        regulation, velocity = self.workspace.regulation, self.workspace.velocity
        self.betas.offer(() if regulation is None else regulation.targets)
        for section, there in (
            (self.regulation, regulation is not None),
            (self.changing, velocity is not None),
            (self.phase, velocity is not None),
        ):
            section.setVisible(there)
        self._refresh()

    def _typed(self) -> None:
        """Pick the cell whose name or number was typed."""
        tissue, text = self.workspace.tissue, self.cell.text().strip()
        if tissue is None:
            self.show_error("There is no tissue. Load a file first.")
            return
        self.clear_error()
        if text in tissue.cells:
            self.workspace.pick(tissue.cells.index(text))
        elif text.isdecimal() and int(text) < tissue.n_cells:
            self.workspace.pick(int(text))
        else:
            self.show_error(
                f"There is no cell {text!r}. Type one of the {tissue.n_cells} names, or a number from 0 to "
                f"{tissue.n_cells - 1}."
            )

    def _pin(self, on: bool) -> None:
        self.pinned = self.workspace.current_cell if on else None
        self.pin_button.setChecked(self.pinned is not None)
        self._refresh()

    def _reports(self) -> tuple[CellReport, CellReport | None] | None:
        """Return the reports of the current cell and of the pinned one, None while there is nothing to show."""
        cell = self.workspace.current_cell
        report = None if cell is None else self.source.report(cell)
        if report is None:
            return None
        return report, None if self.pinned in (None, cell) else self.source.report(self.pinned or 0)

    def _betas(self, cell: int) -> BetaReport | None:
        target = self.betas.target.currentText()
        return self.source.betas(target, cell) if target else None

    def _refresh(self, *_: object) -> None:
        """Show the current cell."""
        cell, shown = self.workspace.current_cell, self._reports()
        for button in (self.pin_button, self.copy_button, self.save_button):
            button.setEnabled(shown is not None)
        if shown is None:
            self.header.setText(ASK if cell is None else "Collecting the values of the cells …")
            self.experts.show_bars(())
            self.fates.show_bars(())
            self.genes.show_rows([])
            self.betas.show_report(None)
        else:
            self._show(*shown)
        self._draw_marks()
        self._follow_senders()

    def _show(self, report: CellReport, other: CellReport | None) -> None:
        self.header.setText(header_of(report, other))
        self.experts.show_bars(time_and_experts(report, other))
        fate = self.workspace.fate
        types = None if self.workspace.tissue is None else self.workspace.tissue.cell_types
        colors = {} if fate is None else dict(zip(fate.names, fate_colors(fate, types), strict=True))
        self.fates.show_bars(bars_of(report.fates, () if other is None else other.fates, colors))
        self.genes.show_rows([(g.gene, g.in_spreads, g.velocity, g.spliced, g.unspliced) for g in report.genes])
        pinned = None if other is None else self._betas(other.index)
        try:
            self.betas.show_report(self._betas(report.index), pinned)
        except DataError as error:
            self.show_error(str(error))

    def _show_portrait(self, row: tuple[str, ...]) -> None:
        self.phase.expand(animate=False)
        self.portrait.show_gene(row[0])

    def _draw_marks(self) -> None:
        """Draw a ring around the current cell and the pinned one; the layer is changed in place."""
        tissue, cell = self.workspace.tissue, self.workspace.current_cell
        cells = [each for each in dict.fromkeys((cell, self.pinned)) if each is not None]
        if tissue is None or not cells or self.source.spacing == 0:
            _viewer.remove(self.viewer, self.workspace, lambda key: key == MARKS)
            return
        data = cell_rings(tissue.positions, cells, self.source.spacing, tissue.unit)
        old = _viewer.find(self.viewer, self.workspace, MARKS)
        if old is not None and len(old.data) == len(data[0]):
            old.data = data[0]
            return
        with _viewer.same_selection(self.viewer):
            _viewer.show(self.viewer, self.workspace, data)

    def _follow_senders(self, *_: object) -> None:
        if self.betas.senders_button.isChecked():
            self._draw_senders(self.betas.modulator)

    def _show_senders(self, modulator: str) -> None:
        """Draw the senders of a signal, and come nearer when its reach would be too small to see."""
        self._draw_senders(modulator)
        senders, tissue, cell = self._senders(modulator), self.workspace.tissue, self.workspace.current_cell
        if senders is None or tissue is None or cell is None or senders.radius <= 0:
            return
        camera = self.viewer.scene.camera
        if 2 * senders.radius * camera.zoom < SEEN:
            camera.zoom = WIDE / (2 * senders.radius)
            camera.center = to_napari(tissue.positions[[cell]])[0]

    def _draw_senders(self, modulator: str) -> None:
        """Draw who sends the ligand of a modulator to the current cell; no name takes the picture away."""
        senders = self._senders(modulator)
        if senders is None:
            _viewer.remove(self.viewer, self.workspace, lambda key: key in (SENDERS, REACH))
            self.betas.show_senders("", None)
            return
        tissue = self.workspace.tissue
        assert tissue is not None
        data = sender_vectors(tissue, senders, self.source.spacing)
        with _viewer.same_selection(self.viewer):
            if len(data[0]):
                _viewer.show(self.viewer, self.workspace, data)
            else:
                _viewer.remove(self.viewer, self.workspace, lambda key: key == SENDERS)
            _viewer.show(self.viewer, self.workspace, reach_ring(tissue, senders, self.source.spacing))
        legend = data[1]["metadata"][PLUGIN]["legend"] if len(data[0]) else None
        self.betas.show_senders(senders_in_words(senders, self._shares_of_types(senders)), legend)

    def _senders(self, modulator: str) -> Senders | None:
        cell, target = self.workspace.current_cell, self.betas.target.currentText()
        if cell is None or not target or not ("$" in modulator or "#" in modulator):
            return None
        values = self.source.values(target)
        if values is None:
            return None
        self.clear_error()
        try:
            return senders_of(values, modulator, cell)
        except DataError as error:
            self.show_error(str(error))
            return None

    def _shares_of_types(self, senders: Senders) -> dict[str, float]:
        tissue = self.workspace.tissue
        labels = None if tissue is None else tissue.cell_types
        return {} if labels is None else dict(senders.by_type(labels))

    def _ask_where_to_save(self) -> None:
        path = self.ask_where("Save cell report", "cell.csv", "Table (*.csv)")
        if path is not None:
            self.write_text(path, self.as_csv())


def header_of(report: CellReport, other: CellReport | None) -> str:
    """Return name, type and place of a cell, and of the one it is compared with."""
    unit = {"um": " µm", "pixel": ""}.get(report.unit, f" {report.unit}")
    place = ", ".join(f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}" for value in report.position)
    text = f"{_bold(report)}<br>at {place}{escape(unit)}"
    return text if other is None else f"{text}<br>compared with the pinned {_bold(other)}"


def _bold(report: CellReport) -> str:
    kind = f" · {escape(report.cell_type)}" if report.cell_type else ""
    return f"<b>{escape(report.name)}</b>{kind}"


def time_and_experts(report: CellReport, other: CellReport | None) -> list[Bar]:
    """Return a bar for the latent time, colored as in the tissue, and one for each expert with weight."""
    bars = []
    if report.time is not None:
        red, green, blue = (round(255 * float(part)) for part in color_table("dusk")[round(255 * report.time)][:3])
        theirs = None if other is None else other.time
        color = f"#{red:02X}{green:02X}{blue:02X}"
        bars.append(Bar("latent time", report.time, color, theirs))
    return bars + bars_of(report.experts, () if other is None else other.experts)


def bars_of(shares: Sequence[Share], others: Sequence[Share], colors: Mapping[str, str] = {}) -> list[Bar]:
    """Return a bar for each share that can be seen, at most eight, in their order, and one for the rest."""
    theirs = {share.name: share.value for share in others}
    colors = colors or category_colors([share.name for share in shares])
    weights = {share.name: max(share.value, theirs.get(share.name, 0.0)) for share in shares}
    kept = sorted(weights, key=lambda name: -weights[name])[:MOST_BARS]
    seen = [share for share in shares if share.name in kept and weights[share.name] >= SMALLEST_BAR]
    bars = [Bar(share.name, share.value, colors[share.name], theirs.get(share.name)) for share in seen]
    hidden = len(shares) - len(seen)
    if hidden:
        rest = max(0.0, sum(share.value for share in shares) - sum(share.value for share in seen))
        bars.append(Bar("1 other" if hidden == 1 else f"{hidden} others", rest, REST_COLOR))
    return bars


def senders_in_words(senders: Senders, types: dict[str, float]) -> str:
    """Return the senders of a signal, in words."""
    ligand = senders.modulator.replace("#", "$").partition("$")[0]
    if senders.received <= 0:
        return f"No cell sends {ligand} to this cell."
    sent = ", ".join(f"{name} {share:.0%}" for name, share in list(types.items())[:TYPES_TOLD])
    origin = f" It comes from {sent}." if sent else ""
    return f"This cell receives {senders.received:.3g} of {ligand}; its range (ring) is {senders.radius:.3g}.{origin}"
