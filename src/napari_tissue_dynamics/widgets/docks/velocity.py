"""The dock that fits a velocity model and draws velocity, latent time and experts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QMessageBox

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.action_log import ARROWS, VELOCITY
from napari_tissue_dynamics.data.requirements import require_velocity_counts
from napari_tissue_dynamics.devices import free_memory
from napari_tissue_dynamics.errors import DataError, TissueDynamicsError
from napari_tissue_dynamics.steer.prior.n_experts import tissue_expert_number_steps
from napari_tissue_dynamics.steer.resume_state import kept_state
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.live_preview import LivePreview
from napari_tissue_dynamics.widgets.canvas.velocity_view import FIRST_SEEN, draw_velocity, selected_cells
from napari_tissue_dynamics.widgets.forms.fields import push_button, sentences
from napari_tissue_dynamics.widgets.forms.form import Form
from napari_tissue_dynamics.widgets.forms.model_form import ModelForm
from napari_tissue_dynamics.widgets.forms.root_form import OriginForm
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.expert_number_panel import ExpertNumberPanel
from napari_tissue_dynamics.widgets.panels.export_panel import ExportPanel
from napari_tissue_dynamics.widgets.panels.run_files import RunFiles
from napari_tissue_dynamics.widgets.panels.run_history import RunHistory
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.panels.tabs import open_portraits
from napari_tissue_dynamics.widgets.panels.velocity_jobs import export_job, needs_torch, velocity_job
from napari_tissue_dynamics.widgets.panels.velocity_summary import ExpertTable
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.memory_advice import advised, said_before, velocity_estimate, velocity_remedy
from napari_tissue_dynamics.widgets.state.preferences import threads
from napari_tissue_dynamics.workflow.models import CHECKPOINT, NETWORK, model_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Steps


STORED = frozenset({keys.VELOCITY, keys.MOMENTS_SPLICED, keys.MOMENTS_UNSPLICED})
"""Layers of a file whose velocities can be loaded."""
USE_STORED = "Load the velocities stored in the file; no model is fitted."


class VelocityDock(Dock):
    """Joins the forms of the velocity models, one running fit and the viewer."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.form = ModelForm()
        self.origin = OriginForm()
        self.experts = ExpertNumberPanel()
        self.arrows: Form[ProjectionConfig] = Form(ProjectionConfig, ("neighbors", "within"))
        self.files = RunFiles(self.workspace)
        self.history = RunHistory(self.workspace, "velocity")
        self.summary = sentences("Result of the velocity model")
        self.table = ExpertTable()
        self.panel = RunPanel(
            "Fit velocity", "Estimate RNA velocity and latent time of every cell, with STEER also its expert."
        )
        self.resume_button = push_button(
            "Resume the stopped run", "Resume the last run where it was stopped or interrupted."
        )
        self.stored_button = push_button("Load stored velocities", USE_STORED)
        self.portrait_button = push_button(
            "Show phase portraits", "Unspliced over spliced RNA of a gene, with its fit."
        )
        self.exports = ExportPanel()
        self._redrawing = self._redraw_again = False
        self._arrange()
        self._connect()
        self._refresh()
        self._take_tissue()
        self._summarize()

    def start(self) -> None:
        """Fit with the settings of the form, in a worker; a stopped run of STEER is discarded."""
        kept = self.files.kept() if self.form.model_row.files else None
        if kept is not None:
            if not self._may_begin_anew(kept):
                return
            kept.unlink(missing_ok=True)
        self._fit()

    def resume(self) -> None:
        """Resume a run that was stopped or interrupted, with its settings, in a worker."""
        kept = self.files.kept()
        if kept is not None and not self._take_stopped(kept):
            return
        self._fit()

    def use_stored(self) -> None:
        """Load the velocities stored in the file of the tissue, in a worker."""
        tissue, source, projection = self.workspace.tissue, self.workspace.source, self.arrows.value()
        if tissue is None or source is None:
            self.show_error("There is no file that could hold velocities. Load one first.")
            return
        self._run_with_picture(
            "Reading velocities",
            tissue,
            lambda stop: workflow.stored_steps(tissue, source, stop, projection=projection),
            None,
            None,
            logged={"stored": True},
        )

    def estimate(self) -> None:
        """Estimate the number of experts with the settings of the form, in a worker."""
        tissue, config = self.workspace.tissue, self.form.steer.value()
        if tissue is None:
            self.show_error("There is no tissue to look at. Load a file first.")
            return
        self.run(
            "Estimating the number of experts",
            lambda stop: tissue_expert_number_steps(tissue, config, stop),
            self.experts.show_result,
            panel=self.experts.run_panel,
        )

    def apply(self, model: Path) -> None:
        """Predict velocities for the tissue with a trained network, in a worker."""
        tissue, projection, device = self.workspace.tissue, self.arrows.value(), self.form.steer.value().device
        if tissue is None:
            self.show_error("There is no tissue to apply a model to. Load a file first.")
            return
        self._run_with_picture(
            "Applying the model",
            tissue,
            lambda stop: workflow.apply_steps(tissue, model, stop, projection=projection, device=device),
            None,
            model,
            logged={"network": model, "device": device},
        )

    def redraw(self) -> None:
        """Draw the arrows with the settings of the form, without a new fit, in a worker."""
        tissue, result, projection = self.workspace.tissue, self.workspace.velocity, self.arrows.value()
        if self._redrawing:
            self._redraw_again = True
            self.stop()
        if tissue is None or result is None or result.projection == projection or self.workspace.running:
            return
        config, model, field = self.workspace.velocity_config, self.workspace.velocity_model, result.field
        self._redrawing = True
        self._run_with_picture(
            "Drawing the arrows",
            tissue,
            lambda stop: workflow.picture_steps(tissue, field, stop, projection=projection),
            config,
            model,
            logged={},
            arrows_only=True,
        )

    def save_model(self, target: Path) -> None:
        """Write the network behind the velocity to a file."""
        self.write(target, self.files.save)

    def export(self, folder: Path) -> None:
        """Write the velocity, and fates when there are some, into a folder, in a worker."""
        tissue, result = self.workspace.tissue, self.workspace.velocity
        if tissue is None or result is None:
            self.show_error("There are no velocities to export. Fit them first.")
            return
        steps = export_job(tissue, result, self.exports.form.value(), folder, self.workspace.fate)
        self.run("Exporting", steps, self.exports.show_written, panel=self.panel)

    def use_selected_cells(self) -> None:
        """Use the cells selected in a layer of cells as root cells."""
        cells = selected_cells(self.viewer, self.workspace)
        if cells:
            self.clear_error()
            self.origin.take_cells(cells)
        else:
            self.show_error("No cells are selected. Select points in a layer of the cells first.")

    def show_result(
        self,
        result: workflow.VelocityResult,
        config: Any = None,
        model: Path | None = None,
        *,
        arrows_only: bool = False,
    ) -> None:
        """Make a velocity that of the workspace and draw it, or its arrows only, in place of the one before."""
        tissue = self.workspace.tissue
        if tissue is None:
            self.show_error("There is no tissue to draw the velocity in. Load a file first.")
            return
        draw_velocity(
            self.viewer,
            self.workspace,
            tissue,
            result,
            lambda: self.workspace.set_velocity(result, config, model),
            arrows_only=arrows_only,
        )

    def _arrange(self) -> None:
        self.table_section = Section("Experts in detail", self.table, "Show or hide what sets the experts apart.")
        self.experts_section = Section(
            "Number of experts", self.experts, "Show or hide the estimate of the number of experts."
        )
        self.export_section = Section("Export", self.exports, "Show or hide what is written for other programs.")
        self.files_section = Section("State and model", self.files, "Show or hide the files of a run.")
        for widget in (
            self.summary,
            self.portrait_button,
            self.stored_button,
            self.form,
            Section("Where time begins", self.origin, "Show or hide the known order of the cells."),
            self.experts_section,
            Section("How arrows are drawn", self.arrows, "Show or hide how velocities become arrows."),
            self.files_section,
            Section("Earlier runs", self.history, "Show or hide the results of earlier runs on this tissue."),
            self.table_section,
            self.export_section,
        ):
            self.column.addWidget(widget)
        self.column.addStretch()
        self.footer.addWidget(self.resume_button)
        self.pin(self.panel, self.start)

    def _connect(self) -> None:
        self.resume_button.clicked.connect(self.resume)
        self.stored_button.clicked.connect(self.use_stored)
        self.portrait_button.clicked.connect(lambda: open_portraits(self.viewer))
        self.form.changed.connect(self._model_changed)
        self.origin.selection_requested.connect(self.use_selected_cells)
        self.experts.run_panel.run_requested.connect(self.estimate)
        self.experts.run_panel.stop_requested.connect(self.stop)
        self.experts.chosen.connect(self._use_experts)
        self.arrows.changed.connect(self.redraw)
        self.files.keep.toggled.connect(self._refresh)
        self.files.save_requested.connect(self.save_model)
        self.files.apply_requested.connect(self.apply)
        self.exports.requested.connect(self.export)
        self.history.chosen.connect(lambda run: self.show_result(run.result, run.config, run.model))
        listen(self, self.workspace.tissue_changed, self._refresh)
        listen(self, self.workspace.tissue_changed, self._take_tissue)
        listen(self, self.workspace.running_changed, self._refresh)
        listen(self, self.workspace.velocity_changed, self._summarize)
        listen(self, self.viewer.canvas.events.background_color, self._ink)

    def _fit(self) -> None:
        tissue, config = self.workspace.tissue, self.form.value()
        if tissue is None:
            self.show_error("There is no tissue to fit. Load a file first.")
            return
        try:
            known = self.origin.value()
        except TissueDynamicsError as error:
            self.show_error(str(error))
            return
        self.form.keep()
        row = model_of(config)
        model = self.workspace.new_model() if NETWORK in row.files else None
        files = {CHECKPOINT: self.files.state() if CHECKPOINT in row.files else None, NETWORK: model}
        steps = velocity_job(tissue, config, known, self.arrows.value(), files)
        done = {"settings": config, "origin": self.origin.in_words(tissue)}
        self._run_with_picture(row.doing, tissue, steps, config, model, logged=done)

    def _run_with_picture(
        self,
        what: str,
        tissue: Tissue,
        steps: Steps,
        config: Any,
        model: Path | None,
        *,
        logged: Mapping[str, Any],
        arrows_only: bool = False,
    ) -> None:
        """Start a job that gives a velocity, and show what it finds on the way."""
        log = self.workspace.log
        steps = steps if config is None else advised(steps, velocity_remedy(config, tissue.n_cells))
        live = LivePreview(self.viewer, self.workspace, tissue, FIRST_SEEN, arrows_only=arrows_only)

        def done(result: workflow.VelocityResult) -> None:
            self.show_result(result, config, model, arrows_only=arrows_only)
            log.add(ARROWS if arrows_only else VELOCITY, projection=result.projection, **logged)
            self.redraw()  # the form may ask for other arrows by now

        def ended() -> None:
            live.end()
            self._redrawing = False

        def stopped() -> None:
            if self._redraw_again:
                self._redraw_again = False
                self.redraw()

        # The preview is held by these functions: a signal does not keep the owner of a bound method alive.
        self.run(
            what,
            steps,
            done,
            panel=self.panel,
            reported=lambda report: live.take(report),
            stopped=stopped,
            ended=ended,
            threads=threads if needs_torch(config, model) else None,
        )

    def _take_stopped(self, kept: Path) -> bool:
        """Show the settings of a run that was stopped; return whether they could be read."""
        try:
            state = kept_state(kept)
        except DataError as error:
            self.show_error(str(error))
            return False
        self.form.set_value(state.config)
        self.origin.take_stopped(state.origin)
        return True

    def _may_begin_anew(self, kept: Path) -> bool:
        question = (
            f"{kept.name} holds the state of a run that did not end. Discard it and start over? "
            "'Resume the stopped run' continues it instead."
        )
        return QMessageBox.question(self, "Fit velocity", question) == QMessageBox.StandardButton.Yes

    def _refresh(self, *_: object) -> None:
        reason = self._reason()
        for panel in (self.panel, self.experts.run_panel):
            panel.block(reason, waits=bool(self.workspace.running) and self.workspace.tissue is not None)
        self._estimate()
        self.files.refresh()
        self.resume_button.setVisible(bool(self.form.model_row.files) and not reason and self.files.kept() is not None)
        contents = self.workspace.contents
        stored = contents is not None and set(contents.layers) >= STORED
        self.offer_stored(self.stored_button, USE_STORED, there=stored)
        self.exports.block(self.workspace.busy)

    def _estimate(self) -> None:
        tissue, config = self.workspace.tissue, self.form.value()
        cost = velocity_estimate(config, self.workspace.readiness)
        if tissue is None or cost is None or self.workspace.running:
            self.panel.show_estimate("")
        else:
            remedy = velocity_remedy(config, tissue.n_cells)
            self.panel.show_estimate(*said_before(cost, free_memory(), remedy))

    def _take_tissue(self) -> None:
        self.experts.show_result(None)
        self.exports.begin_at(self.workspace.path)
        self.origin.offer(self.workspace.tissue, self.workspace.source, self.workspace.contents)
        self._block_origin()

    def _model_changed(self) -> None:
        """Show what the chosen model can use."""
        self.experts_section.setVisible(self.form.model_row.regimes is not None)
        self.files_section.setVisible(bool(self.form.model_row.files))
        self._block_origin()
        self._refresh()

    def _block_origin(self) -> None:
        config = self.form.value()
        self.origin.block(model_of(config).refuses_roots(config))

    def _use_experts(self, number: int) -> None:
        self.form.set_value(replace(self.form.steer.value(), n_experts=number))

    def _reason(self) -> str:
        if self.workspace.busy:
            return self.workspace.busy
        if self.workspace.tissue is None:
            return "Load a tissue first."
        try:
            require_velocity_counts(self.workspace.tissue)
        except DataError as error:
            return str(error)
        return ""

    def _summarize(self) -> None:
        result = self.workspace.velocity
        statistics = None if result is None else result.experts
        self.table.show_statistics(statistics)
        self.table_section.setVisible(statistics is not None)
        self.export_section.setVisible(result is not None)
        self.portrait_button.setVisible(result is not None and hasattr(self.viewer, "window"))
        words = "" if result is None else workflow.in_words(result, self.workspace.velocity_config)
        self.summary.setText("\n".join(part for part in (words, self._meaning()) if part))
        self.summary.setVisible(bool(self.summary.text()))
        self.files.refresh()

    def _ink(self, event: object = None) -> None:
        _viewer.ink_all(self.viewer, self.workspace)

    def _meaning(self) -> str:
        tissue = self.workspace.tissue
        meaning = "" if tissue is None else tissue.counts_meaning
        return f"Note on the counts: {meaning}." if meaning else ""
