"""The dock that trains STEER and draws velocity, experts and latent time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.compute import worker_threads
from napari_tissue_dynamics.data.requirements import require_velocity_counts
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.stacks import velocity_layers
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.experts_number import tissue_expert_number_steps
from napari_tissue_dynamics.widgets import _viewer
from napari_tissue_dynamics.widgets._dock import Dock
from napari_tissue_dynamics.widgets._expert_curve import ExpertNumberPanel
from napari_tissue_dynamics.widgets._form import Form
from napari_tissue_dynamics.widgets._listen import listen
from napari_tissue_dynamics.widgets._rows import sentences
from napari_tissue_dynamics.widgets._run_panel import RunPanel
from napari_tissue_dynamics.widgets._section import Section
from napari_tissue_dynamics.widgets.legend import open_legend

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget


ESSENTIAL = ("n_experts", "keep_genes", "velocity_epochs", "device", "seed")
FIRST_SEEN = ("velocity", "latent time")
"""What is visible after a first run; the rest is one click away in the layer list."""


class SteerDock(Dock):
    """Joins the STEER form, one running fit and the viewer.

    Parameters
    ----------
    viewer
        The viewer the dock belongs to.
    parent
        The Qt parent.
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.form: Form[SteerConfig] = Form(SteerConfig, ESSENTIAL)
        self.panel = RunPanel("Train STEER", "Estimate RNA velocity, latent time and experts of every cell.")
        self.summary = sentences("Result of STEER")
        self.experts = ExpertNumberPanel()
        self.experts.run_panel.run_requested.connect(self.estimate)
        self.experts.run_panel.stop_requested.connect(self.stop)
        self.experts.chosen.connect(self._use_experts)
        section = Section("Number of experts", self.experts, "Show or hide the estimate of the number of experts.")
        for widget in (self.form, section, self.summary):
            self.column.addWidget(widget)
        self.column.addStretch()
        self.pin(self.panel, self.start)
        listen(self, self.workspace.tissue_changed, self._refresh)
        listen(self, self.workspace.tissue_changed, self._forget_experts)
        listen(self, self.workspace.running_changed, self._refresh)
        listen(self, self.workspace.velocity_changed, self._summarize)
        self._refresh()
        self._summarize()

    def start(self) -> None:
        """Train with the settings of the form, in a worker."""
        tissue, config = self.workspace.tissue, self.form.value()
        if tissue is None:
            self.show_error("There is no tissue to train on. Load a file first.")
            return

        def done(result: workflow.VelocityResult) -> None:
            self.show_result(result, config)

        self.run(
            "Training STEER",
            lambda stop: workflow.velocity_steps(tissue, config, stop),
            done,
            panel=self.panel,
            threads=worker_threads,
        )

    def estimate(self) -> None:
        """Estimate the number of experts with the settings of the form, in a worker."""
        tissue, config = self.workspace.tissue, self.form.value()
        if tissue is None:
            self.show_error("There is no tissue to look at. Load a file first.")
            return
        self.run(
            "Estimating the number of experts",
            lambda stop: tissue_expert_number_steps(tissue, config, stop),
            self.experts.show_result,
            panel=self.experts.run_panel,
        )

    def show_result(self, result: workflow.VelocityResult, config: SteerConfig | None = None) -> None:
        """Make a velocity that of the workspace and draw it in place of the one before."""
        tissue = self.workspace.tissue
        if tissue is None:
            self.show_error("There is no tissue to draw the velocity in. Load a file first.")
            return
        layers = velocity_layers(tissue, result.field, result.arrows, result.grid)
        self.workspace.set_velocity(result, config)
        first = _viewer.find(self.viewer, self.workspace, "velocity") is None
        for data in layers:
            _viewer.show(self.viewer, self.workspace, data, visible=data[1]["name"] in FIRST_SEEN)
        open_legend(self.viewer)
        if first:
            _viewer.hide_other_results(self.viewer, self.workspace, FIRST_SEEN)
        colored = _viewer.find(self.viewer, self.workspace, "latent time")
        if colored is not None:
            self.viewer.layers.selection.active = colored

    def _refresh(self, *_: object) -> None:
        for panel in (self.panel, self.experts.run_panel):
            panel.block(self._reason())

    def _use_experts(self, number: int) -> None:
        self.form.set_value(replace(self.form.value(), n_experts=number))

    def _forget_experts(self) -> None:
        self.experts.show_result(None)

    def _reason(self) -> str:
        if self.workspace.running:
            return f"{self.workspace.running} is still running."
        if self.workspace.tissue is None:
            return "Load a tissue first."
        try:
            require_velocity_counts(self.workspace.tissue)
        except DataError as error:
            return str(error)
        return ""

    def _summarize(self) -> None:
        result = self.workspace.velocity
        if result is None:
            self.summary.setText(self._meaning())
            return
        field = result.field
        parts = [f"{len(field.genes)} genes in {field.n_cells} cells."]
        if field.expert_probability is not None:
            parts.append(f"{field.expert_probability.shape[1]} experts.")
        parts.append(f"Mean agreement of a velocity with its neighbors: {float(result.confidence.mean()):.2f}.")
        self.summary.setText(" ".join([*parts, self._meaning()]))

    def _meaning(self) -> str:
        tissue = self.workspace.tissue
        meaning = "" if tissue is None else tissue.counts_meaning
        return f"Mind what the counts mean: {meaning}." if meaning else ""
