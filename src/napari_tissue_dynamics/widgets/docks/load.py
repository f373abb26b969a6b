"""The dock that opens a tissue, colors its cells and saves results."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QMessageBox, QPlainTextEdit, QWidget

from napari_tissue_dynamics.data.io import ReadOptions
from napari_tissue_dynamics.data.io.action_log import SAVE, plain
from napari_tissue_dynamics.data.io.sections import IN_TISSUE, is_tissue
from napari_tissue_dynamics.data.tissue import Labels, column
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.points import category_points, value_points
from napari_tissue_dynamics.progress import Progress, single_step
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.open_tissue import opening, show_tissue
from napari_tissue_dynamics.widgets.forms.color_box import ColorBox
from napari_tissue_dynamics.widgets.forms.fields import add_row, push_button, rows, sentences
from napari_tissue_dynamics.widgets.forms.file_edit import FileEdit
from napari_tissue_dynamics.widgets.forms.read_form import ReadForm
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.alignment import AlignmentPanel
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.remembered import keep_of_file, last_of_file
from napari_tissue_dynamics.workflow.replay import read_options_from

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import napari
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.readiness.readiness import Readiness
    from napari_tissue_dynamics.data.io.file_contents import Contents
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData
    from napari_tissue_dynamics.progress import Steps, StopToken
    from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue

REPORT_HEIGHT = 200
"""Of the readiness report, in pixels; longer reports scroll."""


class LoadDock(Dock):
    """Opens an .h5ad file, colors the cells and writes results."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._looked: tuple[Path, Contents] | None = None
        self.report = sentences("Readiness for model fitting", "")
        self.details = _report_view()
        self.file = FileEdit("file with the tissue", "AnnData (*.h5ad)")
        self.look_button = push_button("Inspect file", "List the contents of the file to choose from below.")
        self.only_tissue = push_button("Exclude off-tissue spots", "Reload with in-tissue spots only.")
        self.form = ReadForm()
        self.panel = RunPanel("Load", "Read the tissue and draw it.")
        self.summary = sentences("Summary of the tissue", "No tissue is loaded.")
        self.align = AlignmentPanel(viewer, self.workspace)
        self.color = ColorBox()
        self.save_button = push_button("Save results as …", "Write the tissue with all results to a new .h5ad file.")
        self.log_button = push_button(
            "Save action log as …", "Save the actions performed on this tissue; 'tissue-dynamics replay' repeats them."
        )
        self._arrange()
        self.file.chosen.connect(self.look)
        self.look_button.clicked.connect(self.look)
        self.only_tissue.clicked.connect(self._load_tissue_only)
        self.pin(self.panel, self.load)
        self.color.chosen.connect(self.color_by)
        self.save_button.clicked.connect(self._ask_and_save)
        self.log_button.clicked.connect(self._ask_and_save_log)
        listen(self, self.workspace.tissue_changed, self._show_summary)
        listen(self, self.workspace.running_changed, self._running_changed)
        self._show_summary()

    def look(self) -> None:
        """Fill the combos with what the file holds, in a worker."""
        path = self._path()
        if path is not None and not self.workspace.running:
            self.run("Inspecting the file", _looking(path), self._looked_into, panel=self.panel)

    def load(self) -> None:
        """Read the tissue in a worker, then draw it; a failure leaves everything as it was."""
        path = self._path()
        if path is None:
            return
        looked = self._looked is not None and self._looked[0] == path
        self._read(path, self.form.value() if looked else _last_options(path))

    def _load_tissue_only(self) -> None:
        """Read the loaded file again, of all spots only those that its column of Space Ranger puts under tissue."""
        workspace = self.workspace
        if workspace.source is None or workspace.contents is None:
            return
        value = next((value for name, value in workspace.contents.subsets if is_tissue(name, value)), None)
        if value is not None:
            options = replace(workspace.read_options or ReadOptions(), only=(IN_TISSUE, value))
            moves = {image.placement for image in workspace.tissue.histology} if workspace.tissue else set()
            if len(moves) == 1:  # images stay where the user has placed them
                options = replace(options, placement=moves.pop())
            self._read(workspace.source, options)

    def _read(self, source: Source, options: ReadOptions | None) -> None:
        self.run("Loading", opening(source, options), self._loaded, panel=self.panel)

    def color_by(self, name: str) -> None:
        """Color the cells by an obs column or a gene."""
        tissue, source = self.workspace.tissue, self.workspace.source
        if tissue is None:
            self.show_error("There is no tissue to color. Load a file first.")
            return
        if tissue.cell_types is not None and name == tissue.cell_types.name:
            self._recolor((name, tissue.cell_types))
        elif source is not None and self.workspace.contents and name in self.workspace.contents.obs:
            self.run("Reading a column", _column_of(source, name, tissue.cells), self._recolor)
        else:
            self.run("Reading a gene", _gene_of(tissue, name), self._recolor)

    def save(self, path: Path, *, overwrite_source: bool = False) -> None:
        """Write the tissue and all results to ``path``, in a worker."""
        if self.workspace.tissue is None:
            self.show_error("There is nothing to save. Load a file first.")
            return
        save = partial(self.workspace.saver(), path, overwrite_source=overwrite_source)
        log = self.workspace.log

        def done(saved: Path) -> None:
            log.add(SAVE, path=saved)
            self.announce(f"Saved to {saved}")

        self.run("Saving", single_step(f"Writing {path.name}", save), done, panel=self.panel)

    def save_log(self, path: Path) -> None:
        """Write what was done with the tissue, for ``tissue-dynamics replay``."""
        self.write(path, self.workspace.log.save)

    def _arrange(self) -> None:
        top, bottom = rows(), rows()
        add_row(top, "File", self.file.line, "The .h5ad file; it can be dropped here.", inside=self.file)
        add_row(bottom, "Color cells by", self.color, "A column of obs or a gene; type to find it.")
        tooltip = "Choose layers, coordinates, cell types and image."
        options = Section("Data mapping", self.form, tooltip)
        self.options = options
        self.alignment = Section(
            "Cells and image", self.align, "Flip, swap or enlarge the image until it fits the cells."
        )
        tooltip = "What the file provides for model fitting, what is missing, and how to fix it."
        self.readiness = Section("Readiness report", self.details, tooltip)
        self.column.addLayout(top)
        seen = (self.summary, self.only_tissue, self.report, self.readiness, self.align.verdict, self.alignment)
        for widget in (self.look_button, options, *seen):
            self.column.addWidget(widget)
        self.column.addLayout(bottom)
        self.column.addWidget(self.save_button)
        self.column.addWidget(self.log_button)
        self.column.addStretch()

    def _path(self) -> Path | None:
        path = self.file.path()
        if path is None:
            self.show_error("No file is chosen. Type its path, browse for it or drop it on the dock.")
        return path

    def _looked_into(self, found: tuple[Path, Contents, Readiness]) -> None:
        path, contents, report = found
        self._looked = path, contents
        self._offer(contents, _last_options(path))
        self.options.expand(animate=False)
        self._show_report(report, path.name)

    def _offer(self, contents: Contents, options: ReadOptions | None) -> None:
        """Let the form show what a file holds and what of it is, or was, read as what."""
        self.form.offer(contents)
        if options is not None:
            self.form.take(options)

    def _show_report(self, report: Readiness | None, name: str = "") -> None:
        self.report.setVisible(report is not None)
        self.readiness.setVisible(report is not None)
        if report is None:
            self.details.setPlainText("No file to report on.")
            return
        self.report.setText(f"{name}: {report.headline}" if name else report.headline)
        self.details.setPlainText("\n\n".join([*map(str, report.problems), "\n".join(report.facts)]))
        if any(each.stops and each.concerns == "opening" for each in report.problems):
            self.readiness.expand(animate=False)

    def _loaded(self, opened: OpenedTissue) -> None:
        self.options.collapse(animate=False)
        if opened.path is not None and opened.contents is not None:
            self._looked = opened.path, opened.contents
            self._offer(opened.contents, opened.options)
        if opened.path is not None and opened.options is not None:
            keep_of_file(opened.path, read=plain(opened.options))
        show_tissue(self.viewer, self.workspace, opened)

    def _show_alignment(self) -> None:
        if self.align.needed:
            self.alignment.expand(animate=False)

    def _recolor(self, found: tuple[str, Labels | Any]) -> None:
        name, values = found
        tissue = self.workspace.tissue
        n_values = len(values.codes if isinstance(values, Labels) else values)
        if tissue is None or n_values != tissue.n_cells:
            return  # another tissue was loaded meanwhile
        _viewer.present(self.viewer, self.workspace, colored_cells(tissue, name, values), key="cells")

    def _show_summary(self) -> None:
        tissue = self.workspace.tissue
        self.color.setEnabled(tissue is not None)
        self.save_button.setEnabled(tissue is not None)
        self.log_button.setEnabled(tissue is not None)
        self.only_tissue.hide()
        self.alignment.setVisible(tissue is not None and bool(tissue.histology))
        if tissue is None:
            self._show_report(None)
            return
        columns = tuple(self.workspace.contents.obs) if self.workspace.contents else ()
        if tissue.cell_types is not None and tissue.cell_types.name not in columns:
            columns = (tissue.cell_types.name, *columns)
        self.color.offer(columns, tissue.genes)
        self.summary.setText(summary(tissue))
        whole = self.workspace.contents is not None and tissue.n_cells == self.workspace.contents.n_cells
        offered = self.workspace.contents.subsets if self.workspace.contents and whole else ()
        self.only_tissue.setVisible(any(is_tissue(*subset) for subset in offered))
        self._show_alignment()
        self._show_report(self.workspace.readiness)

    def _running_changed(self, what: str) -> None:
        self.panel.block(f"{what} is still running." if what and not self.is_running else "")

    def _ask_and_save(self) -> None:
        source = self.workspace.path
        path = self.ask_where("Save results as", "result.h5ad", "AnnData (*.h5ad)")
        if path is None:
            return
        if source is None or path.resolve() != source.resolve():
            self.save(path)
        elif self._may_overwrite(path):
            self.save(path, overwrite_source=True)

    def _ask_and_save_log(self) -> None:
        path = self.ask_where("Save action log as", "actions.jsonl", "Actions (*.jsonl)")
        if path is not None:
            self.save_log(path)

    def _may_overwrite(self, path: Path) -> bool:
        question = f"Write the results into the input {path.name} itself?"
        return QMessageBox.question(self, "Save results", question) == QMessageBox.StandardButton.Yes


def _last_options(path: Path) -> ReadOptions | None:
    """Return how a file was read the last time, None if it never was or what is kept is not understood."""
    kept = last_of_file(path).get("read")
    try:
        return None if kept is None else read_options_from(kept)
    except (DataError, KeyError, TypeError):
        return None


def summary(tissue: Tissue) -> str:
    """Return in a few sentences what a tissue has."""
    parts = [f"{tissue.source}: {tissue.n_cells:,} cells, {tissue.n_genes:,} genes."]
    have = [n for n in ("spliced", "unspliced", "expression") if getattr(tissue, n) is not None]
    parts.append(f"Counts: {', '.join(have) or 'none'}.")
    if tissue.counts_meaning:
        parts.append(f"Note on the counts: {tissue.counts_meaning}.")
    if tissue.cell_types is not None:
        types = tissue.cell_types
        parts.append(f"Cell types: {len(types.categories)} ({types.name}).")
    parts.append(f"Images: {', '.join(image.name for image in tissue.histology) or 'none'}.")
    if tissue.has_tissue:
        known = tissue.unit == "um" or tissue.histology
        unit = "µm" if tissue.unit == "um" else tissue.unit
        parts.append(f"Unit: {unit}." if known else "Unit: unknown; set 'µm per unit' above for a scale bar.")
    else:
        parts.append("No spatial coordinates; cells are shown in an embedding.")
    return " ".join(parts)


def colored_cells(tissue: Tissue, name: str, values: Labels | NDArray[np.floating[Any]]) -> LayerData:
    """Return the cells colored by categories or numbers called ``name``."""
    if isinstance(values, Labels):
        return category_points(tissue, values, name="cells", title=name)
    return value_points(tissue, values, name="cells", title=name)


def _report_view() -> QPlainTextEdit:
    view = QPlainTextEdit("No file has been inspected.")
    view.setReadOnly(True)
    view.setTabChangesFocus(True)
    view.setFixedHeight(REPORT_HEIGHT)
    view.setAccessibleName("Readiness report")
    view.setToolTip("What prevents model fitting and how to fix it; the text can be copied.")
    return view


def _looking(path: Path) -> Steps:
    def steps(stop: StopToken) -> Generator[Progress, None, tuple[Path, Contents, Readiness]]:
        from napari_tissue_dynamics.analysis.readiness.readiness import readiness_steps
        from napari_tissue_dynamics.data.io.file_contents import contents

        yield Progress(f"Inspecting {path.name}", 0, 1, 0.0)
        found = contents(path)
        report = yield from readiness_steps(path, stop=stop)
        return path, found, report

    return steps


def _column_of(source: Source, name: str, cells: tuple[str, ...]) -> Steps:
    from napari_tissue_dynamics.data.io.file_contents import obs_column

    return single_step(f"Reading {name}", lambda: (name, obs_column(source, name, cells)))


def _gene_of(tissue: Tissue, gene: str) -> Steps:
    def read() -> tuple[str, Any]:
        counts = next((c for c in (tissue.expression, tissue.spliced) if c is not None), None)
        index = tissue.gene_index(gene)
        if counts is None:
            raise DataError(f"{tissue.source} was loaded without expression. Choose one and load it again.")
        return gene, column(counts, index)

    return single_step(f"Reading {gene}", read)
