"""The dock with the genes that change along latent time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QComboBox, QSpinBox, QWidget

from napari_tissue_dynamics.analysis.genes.gene_trends import GeneTrends, TrendConfig, gene_trends
from napari_tissue_dynamics.layers.colorable import Entry
from napari_tissue_dynamics.progress import single_step
from napari_tissue_dynamics.widgets.forms.fields import add_row, rows, sentences
from napari_tissue_dynamics.widgets.forms.form import Form
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.plots.heat_map import HeatMap
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import Steps

SHOWN, MOST = 30, 200
RNA, VELOCITY = "smoothed spliced RNA", "velocity"


class GeneTrendsDock(Dock):
    """Lists the genes that time explains best as a heat map; a clicked gene colors the cells."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._trends: GeneTrends | None = None
        self.value = QComboBox()
        self.value.addItems([RNA, VELOCITY])
        self.number = QSpinBox()
        self.number.setRange(1, MOST)
        self.number.setValue(SHOWN)
        self.form: Form[TrendConfig] = Form(TrendConfig, ("smoothing", "bins"))
        self.map = HeatMap()
        self.words = sentences("About the heat map")
        self.panel = RunPanel("Compute gene trends", "Find the genes whose variance is best explained by latent time.")
        fields = rows()
        add_row(
            fields,
            "Values",
            self.value,
            "The values smoothed along latent time; clicking a gene colors the cells by them.",
        )
        add_row(fields, "Genes", self.number, "Number of genes shown, those best explained by latent time first.")
        self.column.addLayout(fields)
        self.column.addWidget(Section("Smoothing", self.form, "Show or hide the smoothing along latent time."))
        self.column.addWidget(self.words)
        self.column.addWidget(self.map)
        self.column.addStretch()
        self.pin(self.panel, self.start)
        self.number.valueChanged.connect(self._show_top)
        self.map.chosen.connect(self.map_gene)
        listen(self, self.workspace.velocity_changed, self._forget)
        listen(self, self.workspace.running_changed, self._refresh)
        self._forget()

    def start(self) -> None:
        """Follow the genes of the velocity along its time, in a worker."""
        result = self.workspace.velocity
        if result is None or result.field.time is None:
            self.show_error("There is no latent time. Estimate a velocity with a model that has one first.")
            return
        of_velocity = self.value.currentText() == VELOCITY
        steps = _following(result.field, self.form.value(), of_velocity=of_velocity)
        self.run("Computing gene trends", steps, self.show_trends, panel=self.panel)

    def show_trends(self, trends: GeneTrends | None) -> None:
        """Draw the heat map; None takes the last one away."""
        self._trends = trends
        self._show_top()

    def map_gene(self, gene: str) -> None:
        """Color the cells by a gene, or by its velocity if that is what the map shows."""
        of_velocity = self.value.currentText() == VELOCITY
        self.map_entry(Entry("velocity", f"{gene} velocity") if of_velocity else Entry("gene", gene))

    def _show_top(self, *_: object) -> None:
        trends = None if self._trends is None else self._trends.top(self.number.value())
        self.map.show_trends(trends)
        if trends is None or self._trends is None:
            self.words.setText(
                "Genes in the order in which they peak along latent time. Click one to color cells by it."
            )
            return
        self.words.setText(
            f"The {len(trends.genes)} of {len(self._trends.genes)} genes that time explains best, by the time of their "
            "peak. Each is dark at its lowest and bright at its highest mean."
        )

    def _forget(self) -> None:
        self.show_trends(None)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        result, reason = self.workspace.velocity, ""
        if result is None:
            reason = "Estimate a velocity first."
        elif result.field.time is None:
            reason = f"The {result.field.model} model has no latent time. Choose another model."
        self.panel.block(self.workspace.busy or reason)


def _following(field: VelocityField, config: TrendConfig, *, of_velocity: bool) -> Steps:
    def trends() -> GeneTrends:
        values = np.nan_to_num(field.spliced) if of_velocity else field.moments_spliced
        assert field.time is not None
        return gene_trends(values, field.genes, field.time, config)

    return single_step("genes along time", trends)
