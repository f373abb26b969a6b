"""The dock that fits SpaceTravLR and draws the betas of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QWidget

from napari_tissue_dynamics.compute import worker_threads
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.requirements import require_expression
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.points import beta_points
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets import _viewer
from napari_tissue_dynamics.widgets._dock import Dock
from napari_tissue_dynamics.widgets._form import Form
from napari_tissue_dynamics.widgets._listen import listen
from napari_tissue_dynamics.widgets._network_form import NetworkForm
from napari_tissue_dynamics.widgets._rows import add_row, rows, sentences
from napari_tissue_dynamics.widgets._run_panel import RunPanel
from napari_tissue_dynamics.widgets.legend import open_legend

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Progress, StopToken
    from napari_tissue_dynamics.widgets._jobs import Report, Steps
    from napari_tissue_dynamics.widgets._network_form import NetworkChoice

ESSENTIAL = ("seed_estimator", "epochs", "radius", "small_types", "device", "seed")
PREVIEW = "preview"
"""Key of the layer that shows a finished gene while others are still being fitted."""


class TravlrDock(Dock):
    """Joins the SpaceTravLR forms, one running fit and the viewer.

    Parameters
    ----------
    viewer
        The viewer the dock belongs to.
    parent
        The Qt parent.
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.network = NetworkForm()
        self.form: Form[TravlrConfig] = Form(TravlrConfig, ESSENTIAL)
        self.panel = RunPanel("Fit SpaceTravLR", "Estimate what every modulator does to the targets in every cell.")
        self.target, self.modulator = QComboBox(), QComboBox()
        self.summary = sentences("Result of SpaceTravLR")
        self._arrange()
        self.pin(self.panel, self.start)
        self.target.currentTextChanged.connect(self._offer_modulators)
        self.modulator.textActivated.connect(self._modulator_chosen)
        self.target.textActivated.connect(self._modulator_chosen)
        listen(self, self.workspace.tissue_changed, self._refresh)
        listen(self, self.workspace.running_changed, self._refresh)
        listen(self, self.workspace.regulation_changed, self._offer_targets)
        self._refresh()
        self._offer_targets()

    def start(self) -> None:
        """Fit the targets with the settings of the forms, in a worker."""
        tissue, config = self.workspace.tissue, self.form.value()
        if tissue is None:
            self.show_error("There is no tissue to fit. Load a file first.")
            return
        try:
            choice = self.network.value()
        except DataError as error:
            self.show_error(str(error))
            return

        viewer, workspace = self.viewer, self.workspace

        def done(field: RegulationField) -> None:
            self.show_result(field, config)

        self.run(
            "Fitting SpaceTravLR",
            _fitting(tissue, choice, config),
            done,
            panel=self.panel,
            reported=self._preview,
            ended=lambda: _viewer.remove(viewer, workspace, lambda key: key == PREVIEW),
            threads=worker_threads,
        )

    def show_result(self, field: RegulationField, config: TravlrConfig | None = None) -> None:
        """Make a regulation that of the workspace and draw it in place of the one before."""
        self.workspace.set_regulation(field, config)
        self._draw_first(field)

    def show_beta(self, target: str, modulator: str) -> None:
        """Draw the coefficients of one modulator of one fitted target."""
        tissue, field = self.workspace.tissue, self.workspace.regulation
        if tissue is None or field is None:
            self.show_error("There is no fitted gene to draw. Fit SpaceTravLR first.")
            return
        try:
            data = beta_points(tissue, field[target], modulator)
        except DataError as error:
            self.show_error(str(error))
            return
        layer = _viewer.show(self.viewer, self.workspace, data)
        _viewer.hide_other_results(self.viewer, self.workspace, [data[1]["name"]])
        self.viewer.layers.selection.active = layer
        self.target.setCurrentText(target)
        self.modulator.setCurrentText(modulator)
        open_legend(self.viewer)

    def _arrange(self) -> None:
        for widget in (self.network, self.form, self.summary):
            self.column.addWidget(widget)
        choice = rows()
        add_row(choice, "Show target", self.target, "A fitted gene.")
        add_row(choice, "Show modulator", self.modulator, "Whose coefficients are drawn in the tissue.")
        self.column.addLayout(choice)
        self.column.addStretch()

    def _draw_first(self, field: RegulationField) -> None:
        """Draw anew every beta that is on show, those of genes that are gone excepted, or else the first."""
        fitted = {f"beta {gene.target} ← {name}": (gene, name) for gene in field.genes for name in _names(gene)}
        _viewer.remove(self.viewer, self.workspace, lambda key: key.startswith("beta ") and key not in fitted)
        shown = [key for key in self.workspace.layer_ids if key in fitted]
        for key in shown:
            gene, name = fitted[key]
            _viewer.show(self.viewer, self.workspace, beta_points(self._tissue(), gene, name))
        if not shown and field.genes:
            self.show_beta(field.genes[0].target, field.genes[0].strongest)

    def _tissue(self) -> Tissue:
        tissue = self.workspace.tissue
        if tissue is None:
            raise DataError("There is no tissue. Load a file first.")
        return tissue

    def _preview(self, report: Report) -> None:
        """Draw the last gene that was finished, until the whole fit ends."""
        tissue = self.workspace.tissue
        finished = [gene for gene in report.snapshots if isinstance(gene, GeneFit)]
        if tissue is None or not finished:
            return
        gene = finished[-1]
        array, options, kind = beta_points(tissue, gene, gene.strongest)
        options = {**options, "name": f"running: {options['name']}"}
        _viewer.remove(self.viewer, self.workspace, lambda key: key == PREVIEW)
        _viewer.show(self.viewer, self.workspace, (array, options, kind), key=PREVIEW)

    def _offer_targets(self) -> None:
        field = self.workspace.regulation
        names = () if field is None else field.targets
        self.target.blockSignals(True)
        self.target.clear()
        self.target.addItems(names)
        self.target.blockSignals(False)
        self._offer_modulators(self.target.currentText())
        for combo in (self.target, self.modulator):
            combo.setEnabled(bool(names))
        self.summary.setText("" if field is None else summary(field))

    def _offer_modulators(self, target: str) -> None:
        field = self.workspace.regulation
        self.modulator.clear()
        if field is not None and target:
            self.modulator.addItems(_names(field[target]))
            self.modulator.setCurrentText(field[target].strongest)

    def _modulator_chosen(self, _: str) -> None:
        self.show_beta(self.target.currentText(), self.modulator.currentText())

    def _refresh(self, *_: object) -> None:
        tissue = self.workspace.tissue
        if tissue is not None:
            self.network.offer(tissue.genes)
        self.panel.block(self._reason())

    def _reason(self) -> str:
        if self.workspace.running and not self.is_running:
            return f"{self.workspace.running} is still running."
        if self.workspace.tissue is None:
            return "Load a tissue first."
        try:
            require_expression(self.workspace.tissue)
        except DataError as error:
            return str(error)
        return ""


def summary(field: RegulationField) -> str:
    """Return how well the genes were fitted, in words."""
    import numpy as np

    parts = []
    for gene in field.genes:
        known = [r2 for r2 in gene.fit_r2 if np.isfinite(r2)]
        quality = f"R² {np.mean(known):.2f}" if known else "no cell type could be fitted"
        parts.append(f"{gene.target}: {len(gene.modulators)} modulators, {quality}.")
    return " ".join(parts)


def _names(gene: GeneFit) -> tuple[str, ...]:
    return ("beta0", *gene.modulators)


def _fitting(tissue: Tissue, choice: NetworkChoice, config: TravlrConfig) -> Steps:
    def steps(stop: StopToken) -> Generator[Progress, None, RegulationField]:
        from napari_tissue_dynamics.workflow import regulation_steps

        network = choice.network(tissue.genes)
        return (yield from regulation_steps(tissue, choice.targets, network, config, stop))

    return steps
