"""The dock that computes cell fates from velocities, and their driver genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.fate.fate import FateConfig
from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.errors import DataError, TissueDynamicsError
from napari_tissue_dynamics.layers.colorable import Entry
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.fate_view import FateList, draw_fates, is_fate, see_fate
from napari_tissue_dynamics.widgets.canvas.velocity_view import selected_cells
from napari_tissue_dynamics.widgets.forms.fields import push_button, sentences
from napari_tissue_dynamics.widgets.forms.form import Form
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.forms.terminal_form import TerminalForm
from napari_tissue_dynamics.widgets.panels.colorable_sources import sources_of
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.driver_panel import DriverPanel
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Steps, StopToken
    from napari_tissue_dynamics.widgets.forms.terminal_form import Terminal
    from napari_tissue_dynamics.workflow import VelocityResult

ESSENTIAL = ("n_states",)
NO_VELOCITY = "Fit a velocity first, in the Velocity dock."


class FateDock(Dock):
    """Joins the choice of terminal states, one running computation and the viewer."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.terminal = TerminalForm()
        self.form: Form[FateConfig] = Form(FateConfig, ESSENTIAL)
        self.summary = sentences("Fate result")
        self.fates = FateList()
        self.drivers = DriverPanel()
        self.panel = RunPanel("Compute fates", "Compute the probability of each cell reaching each terminal state.")
        self.columns = Fetcher(self)
        self.drivers_section = Section(
            "Driver genes", self.drivers, "Show or hide the genes that correlate with a fate."
        )
        self.stored_button = push_button("Use the fates of the file")
        for widget in (self.stored_button, self.terminal, self.form, self.summary, self.fates, self.drivers_section):
            self.column.addWidget(widget)
        self.column.addStretch()
        self.pin(self.panel, self.start)
        self._connect()
        self._take_tissue()
        self._take_result()

    def start(self) -> None:
        """Find the fates with the settings of the forms, in a worker."""
        tissue, velocity, config = self.workspace.tissue, self.workspace.velocity, self.form.value()
        if tissue is None or velocity is None:
            self.show_error(NO_VELOCITY)
            return
        try:
            terminal = self.terminal.value()
        except TissueDynamicsError as error:
            self.show_error(str(error))
            return
        known = self.terminal.in_words(tissue)
        viewer, workspace = self.viewer, self.workspace

        def done(result: FateResult) -> None:
            if workspace.velocity is None or workspace.velocity.field is not velocity.field:
                return  # another velocity was shown meanwhile
            workspace.log.add("fate", settings=config, terminal=known)
            workspace.set_fate(result, config)
            draw_fates(viewer, workspace, tissue, result)

        self.run("Computing fates", _finding(tissue, velocity, config, terminal), done, panel=self.panel)

    def use_stored(self) -> None:
        """Load the fates stored in the file of the tissue, in a worker."""
        tissue, source = self.workspace.tissue, self.workspace.source
        if tissue is None or source is None:
            self.show_error("No file with stored fates is loaded. Load one first.")
            return
        viewer, workspace = self.viewer, self.workspace

        def done(result: FateResult) -> None:
            workspace.set_fate(result)
            draw_fates(viewer, workspace, tissue, result)

        self.run("Reading fates", lambda stop: workflow.stored_fate_steps(tissue, source, stop), done, panel=self.panel)

    def add_selected(self) -> None:
        """Make the selected cells a terminal state of the name that is typed."""
        self.clear_error()
        try:
            self.terminal.take_cells(np.array(selected_cells(self.viewer, self.workspace), dtype=np.intp))
        except DataError as error:
            self.show_error(str(error))

    def see(self, key: str) -> None:
        """Show one of the layers of fates; one that was deleted is drawn again."""
        tissue, result = self.workspace.tissue, self.workspace.fate
        if tissue is None or result is None:
            return
        if not see_fate(self.viewer, self.workspace, key):
            draw_fates(self.viewer, self.workspace, tissue, result)
            see_fate(self.viewer, self.workspace, key)
        name = key.removeprefix("fate ")
        if name in result.names:
            self.drivers.choose(name)

    def read_column(self, name: str) -> None:
        """Offer the categories of a column as terminal states."""
        sources = sources_of(self.workspace)
        if sources is not None:
            self.clear_error()
            self.columns.fetch(lambda: (sources.tissue, sources.read(Entry("column", name))))

    def map_gene(self, gene: str) -> None:
        """Color the cells by the expression of a gene."""
        self.map_entry(Entry("gene", gene))

    def export_drivers(self, path: Path) -> None:
        """Write all driver genes to a .csv file."""
        result = self.workspace.fate
        if result is None or result.drivers is None:
            self.show_error("No driver genes to export. Compute fates first.")
            return
        self.write_text(path, result.drivers.table().to_csv(index=False))

    def _connect(self) -> None:
        self.stored_button.clicked.connect(self.use_stored)
        self.terminal.column_chosen.connect(self.read_column)
        self.columns.arrived.connect(self._column_arrived)
        self.columns.failed.connect(self.show_error)
        self.terminal.selection_requested.connect(self.add_selected)
        self.fates.chosen.connect(self.see)
        self.drivers.gene_chosen.connect(self.map_gene)
        self.drivers.export_requested.connect(self._ask_and_export)
        listen(self, self.workspace.tissue_changed, self._take_tissue)
        listen(self, self.workspace.velocity_changed, self._refresh)
        listen(self, self.workspace.running_changed, self._refresh)
        listen(self, self.workspace.fate_changed, self._take_result)

    def _column_arrived(self, found: tuple[Tissue, object]) -> None:
        tissue, labels = found
        if tissue is self.workspace.tissue and isinstance(labels, Labels):
            self.terminal.take_categories(labels)

    def _take_tissue(self) -> None:
        contents = self.workspace.contents
        columns = () if contents is None else [name for name, kind in contents.obs.items() if kind == "categorical"]
        self.terminal.offer(self.workspace.tissue, columns)
        self._refresh()

    def _take_result(self) -> None:
        result = self.workspace.fate
        self._summarize()
        self.summary.setVisible(result is not None)
        tissue = self.workspace.tissue
        self.fates.show_fates(result, None if tissue is None else tissue.cell_types)
        self.drivers.show_drivers(result)
        self.drivers_section.setVisible(result is not None)
        if result is None:
            _viewer.remove(self.viewer, self.workspace, is_fate)

    def _summarize(self) -> None:
        """Say what was found, below what the counts say of the direction that it follows from."""
        result, velocity = self.workspace.fate, self.workspace.velocity
        said = [] if velocity is None else [direction_in_words(velocity.evidence)]
        self.summary.setText("" if result is None else "\n".join([*said, workflow.fate_in_words(result)]))

    def _refresh(self, *_: object) -> None:
        reason = ""
        if self.workspace.velocity is None:
            reason = NO_VELOCITY if self.workspace.tissue is not None else "Load a tissue first."
        self.panel.block(self.workspace.busy or reason)
        contents = self.workspace.contents
        known = contents is not None and keys.TERMINAL_STATES in contents.obs and keys.FATES in contents.obsm
        self.offer_stored(self.stored_button, "Load the fates stored in the file; nothing is computed.", there=known)

    def _ask_and_export(self) -> None:
        path = self.ask_where("Export driver genes as", "driver_genes.csv", "Table (*.csv)")
        if path is not None:
            self.export_drivers(path)


def _finding(tissue: Tissue, velocity: VelocityResult, config: FateConfig, terminal: Terminal) -> Steps:
    def steps(stop: StopToken) -> Generator[Progress, None, FateResult]:
        yield Progress("terminal states", 0, 1, 0.0)
        return (yield from workflow.fate_steps(tissue, velocity, config, stop, terminal=terminal(tissue)))

    return steps
