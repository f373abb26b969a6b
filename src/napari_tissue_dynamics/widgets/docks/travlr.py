"""The dock that fits SpaceTravLR and draws the betas of every cell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QWidget

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.data.io import holds_betas
from napari_tissue_dynamics.data.io.action_log import REGULATION
from napari_tissue_dynamics.data.regulation_field import (
    FALSE_DISCOVERY_RATE,
    GeneFit,
    LayerKey,
    RegulationField,
    modulator_in_words,
)
from napari_tissue_dynamics.data.requirements import require_expression
from napari_tissue_dynamics.descriptions import setting_types, with_settings
from napari_tissue_dynamics.devices import free_memory
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.points import beta_points
from napari_tissue_dynamics.progress import Progress, single_step
from napari_tissue_dynamics.travlr.batch.run_manifest import RUN, RunRecord
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.legend_dock import open_legend
from napari_tissue_dynamics.widgets.forms.batch_form import ManyForm
from napari_tissue_dynamics.widgets.forms.fields import (
    add_row,
    check_box,
    push_button,
    refill,
    rows,
    sentences,
    stacked,
)
from napari_tissue_dynamics.widgets.forms.form import Form
from napari_tissue_dynamics.widgets.forms.regulators_form import NetworkForm
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_history import RunHistory
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.memory_advice import (
    advised,
    regulation_estimate,
    regulation_remedy,
    said_before,
)
from napari_tissue_dynamics.widgets.state.preferences import threads, with_preferences
from napari_tissue_dynamics.widgets.state.remembered import keep_settings, last_settings

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import napari

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Steps, StopToken
    from napari_tissue_dynamics.widgets.forms.batch_form import ManyChoice
    from napari_tissue_dynamics.widgets.forms.regulators_form import NetworkChoice
    from napari_tissue_dynamics.widgets.state.jobs import Report

OF_THE_TISSUE = ("radius", "contact_distance")
"""Settings in the unit of the positions; the next tissue may have another."""
ESSENTIAL = ("estimator", "radius", "impute", "small_types", "seed")
PREVIEW = "preview"
"""Key of the layer that shows a finished gene while others are still being fitted."""


SUPPORTED_TIP = "Gray out the cell types in which the modulator is not significant (FDR 10 %)."
USE_STORED = "Load the betas stored in the file; no model is fitted."
NOT_TESTED = "The modulators of this gene were not tested; fit with the smooth estimator and permutations above 0."


class TravlrDock(Dock):
    """Joins the SpaceTravLR forms, one running fit and the viewer."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.network = NetworkForm()
        self.form: Form[TravlrConfig] = Form(TravlrConfig, ESSENTIAL)
        self.form.set_value(with_preferences(last_settings(TravlrConfig(), OF_THE_TISSUE)))
        self.panel = RunPanel(
            "Fit SpaceTravLR", "Estimate the effect of each modulator on the target genes in each cell."
        )
        self.many = ManyForm()
        self.history = RunHistory(self.workspace, "regulation")
        self.target, self.modulator = QComboBox(), QComboBox()
        self.supported = check_box("Only where significant")
        self.summary = sentences("Result of SpaceTravLR")
        self.stored_button = push_button("Load stored betas", USE_STORED)
        self._run_shown: Path | None = None
        self._arrange()
        self.pin(self.panel, self.start)
        self.target.currentTextChanged.connect(self._offer_modulators)
        self.modulator.textActivated.connect(self._modulator_chosen)
        self.supported.clicked.connect(self._modulator_chosen)
        for chosen in (self.many.store.chosen, self.many.store.line.editingFinished):
            chosen.connect(self._take_run_settings)
        for changed in (self.form.changed, self.network.targets.textChanged, self.many.processes.valueChanged):
            changed.connect(self._estimate)
        self.many.all_genes.toggled.connect(self._estimate)
        self.many.open_requested.connect(self.open_betas)
        self.stored_button.clicked.connect(self.use_stored)
        self.network.suggest.clicked.connect(self.suggest_targets)
        self.history.chosen.connect(lambda run: self.show_result(run.result, run.config))
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
            many = self.many.value()
            choice = self.network.value(tissue.genes if many.all_genes else ())
        except DataError as error:
            self.show_error(str(error))
            return

        viewer, workspace = self.viewer, self.workspace
        keep_settings(config)
        self.network.keep(choice)
        remedy = regulation_remedy(config, len(choice.targets), many.processes)

        def done(field: RegulationField) -> None:
            self.show_result(field, config)
            workspace.log.add(
                REGULATION,
                settings=config,
                targets=choice.targets,
                network=choice.files_and_regulators(),
                many=not many.usual,
            )

        self.run(
            "Fitting SpaceTravLR",
            advised(_fitting(tissue, choice, config, many), remedy),
            done,
            panel=self.panel,
            reported=self._preview,
            ended=lambda: _viewer.remove(viewer, workspace, lambda key: key == PREVIEW),
            threads=threads if config.estimator == "network" else None,
        )

    def show_result(self, field: RegulationField, config: TravlrConfig | None = None) -> None:
        """Make a regulation that of the workspace and draw it in place of the one before."""
        self.workspace.set_regulation(field, config)
        self._draw_first(field)

    def suggest_targets(self) -> None:
        """Put the genes that vary most in space into the field of targets, in a worker."""
        tissue = self.workspace.tissue
        if tissue is None:
            self.show_error("There is no tissue whose genes could be ranked. Load a file first.")
            return

        def done(genes: tuple[str, ...]) -> None:
            if not genes:
                self.show_error("No gene varies in space (Moran's I, FDR 5 %). Type target genes instead.")
                return
            self.network.targets.set_genes(genes)

        self.run("Ranking genes", _suggesting(tissue), done, panel=self.panel)

    def open_betas(self, folder: Path) -> None:
        """Open the betas in a folder as those of the tissue, in a worker."""
        tissue = self.workspace.tissue
        if tissue is None:
            self.show_error("No tissue is loaded to match the betas. Load its file first.")
            return
        opening = single_step("reading betas", lambda: workflow.open_betas(folder, tissue))
        self.run("Opening betas", opening, self.show_result, panel=self.panel)

    def use_stored(self) -> None:
        """Load the betas of the file of the tissue, in a worker."""
        tissue, source, log = self.workspace.tissue, self.workspace.source, self.workspace.log
        if tissue is None or source is None:
            self.show_error("No file with stored betas is loaded. Load one first.")
            return

        def done(found: tuple[RegulationField, TravlrConfig | None]) -> None:
            self.show_result(*found)
            log.add(REGULATION, stored=True)

        self.run("Reading betas", partial(workflow.stored_regulation_steps, tissue, source), done, panel=self.panel)

    def show_beta(self, target: str, modulator: str) -> None:
        """Draw the coefficients of one modulator of one fitted target."""
        tissue, field = self.workspace.tissue, self.workspace.regulation
        if tissue is None or field is None:
            self.show_error("There is no fitted gene to draw. Fit SpaceTravLR first.")
            return
        try:
            data = beta_points(tissue, field[target], modulator, supported_only=self._masked(field[target]))
        except DataError as error:
            self.show_error(str(error))
            return
        _viewer.present(self.viewer, self.workspace, data, over_arrows=True)
        self.target.setCurrentText(target)
        self.modulator.setCurrentText(modulator_in_words(modulator))
        open_legend(self.viewer)

    def _arrange(self) -> None:
        tip = "Fit all genes, store them in a folder, use several processes or a cluster, open result folders."
        many = Section("Many genes", self.many, tip)
        runs = Section("Earlier runs", self.history, "Show or hide the results of earlier runs on this tissue.")
        self.results = QWidget()
        result = stacked(self.results)
        choice = rows()
        add_row(choice, "Show target", self.target, "A fitted gene.")
        add_row(choice, "Show modulator", self.modulator, "The modulator whose coefficients are shown in the tissue.")
        result.addWidget(self.summary)
        result.addLayout(choice)
        result.addWidget(self.supported)
        for widget in (self.results, self.stored_button, self.network, self.form, many, runs):
            self.column.addWidget(widget)
        self.column.addStretch()

    def _draw_first(self, field: RegulationField) -> None:
        """Redraw every beta shown, except for genes no longer fitted, or else the first."""
        fitted = {LayerKey("beta", gene.target, name): (gene, name) for gene in field.genes for name in _names(gene)}
        _viewer.remove(self.viewer, self.workspace, lambda key: isinstance(key, LayerKey) and key not in fitted)
        shown = [key for key in self.workspace.layer_ids if key in fitted]
        for key in shown:
            gene, name = fitted[key]
            data = beta_points(self._tissue(), gene, name, supported_only=self._masked(gene))
            _viewer.show(self.viewer, self.workspace, data)
        if not shown and field.genes:
            self.show_beta(field.genes[0].target, field.genes[0].strongest)

    def _masked(self, gene: GeneFit) -> bool:
        return self.supported.isChecked() and gene.false_discovery is not None

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
        self.results.setVisible(field is not None)
        refill(self.target, names)
        self._offer_modulators(self.target.currentText())
        for combo in (self.target, self.modulator):
            combo.setEnabled(bool(names))
        self.summary.setText("" if field is None else summary(field))

    def _offer_modulators(self, target: str) -> None:
        field = self.workspace.regulation
        self.modulator.clear()
        if field is not None and target:
            for name in _names(field[target]):
                self.modulator.addItem(modulator_in_words(name), name)
            self.modulator.setCurrentText(modulator_in_words(field[target].strongest))
        tested = field is not None and bool(target) and field[target].false_discovery is not None
        self.supported.setEnabled(tested)
        self.supported.setToolTip(SUPPORTED_TIP if tested else NOT_TESTED)

    def _modulator_chosen(self, _: object) -> None:
        self.show_beta(self.target.currentText(), self.modulator.currentData())

    def _refresh(self, *_: object) -> None:
        tissue = self.workspace.tissue
        if tissue is not None:
            self.network.offer(tissue.genes)
        self._estimate()
        contents = self.workspace.contents
        there = contents is not None and holds_betas(contents.obsm)
        self.offer_stored(self.stored_button, USE_STORED, there=there)
        self.panel.block(self._reason(), waits=bool(self.workspace.running) and self.workspace.tissue is not None)

    def _take_run_settings(self) -> None:
        """Show the settings of the run kept in the chosen folder: it only resumes with the same ones."""
        folder = self.many.store.path()
        if folder is None or folder == self._run_shown or not (folder / RUN).is_file():
            return
        try:
            settings = RunRecord.read(folder / RUN).settings
            known = {name: settings[name] for name in setting_types(TravlrConfig) if name in settings}
            self.form.set_value(with_settings(self.form.value(), known))
        except (DataError, TypeError, ValueError) as error:
            self.show_error(str(error))
            return
        self._run_shown = folder
        self.announce(f"The settings of the run in {folder.name} were restored; fitting resumes where it ended.")

    def _estimate(self, *_: object) -> None:
        tissue, config = self.workspace.tissue, self.form.value()
        n_targets = len(self.network.targets.genes())
        if tissue is not None and self.many.all_genes.isChecked():
            n_targets = tissue.n_genes
        processes = self.many.processes.value()
        cost = regulation_estimate(config, self.workspace.readiness, n_targets, processes)
        if tissue is None or cost is None or self.workspace.running:
            self.panel.show_estimate("")
        else:
            self.panel.show_estimate(*said_before(cost, free_memory(), regulation_remedy(config, n_targets, processes)))

    def _reason(self) -> str:
        if self.workspace.busy and not self.is_running:
            return self.workspace.busy
        if self.workspace.tissue is None:
            return "Load a tissue first."
        try:
            require_expression(self.workspace.tissue)
        except DataError as error:
            return str(error)
        return ""


NOT_ONE = "no modulator is significant (FDR 10 %)"
MANY_GENES = 6
"""Genes up to which the summary has a sentence about each."""


def summary(field: RegulationField) -> str:
    """Return how well the genes were fitted, in words."""
    if len(field.genes) > MANY_GENES:
        return _summary_of_many(field)
    return "\n".join(_in_words(gene) for gene in field.genes)


def _in_words(gene: GeneFit) -> str:
    known = _mean(gene.fit_r2)
    quality = "no cell type could be fitted" if known is None else f"R² {known:.2f} (training)"
    unseen, blocked = _mean(gene.held_out_r2), _mean(gene.blocked_r2)
    if unseen is not None:
        quality += f", {unseen:.2f} (held-out cells)"
    if blocked is not None:
        quality += f", {blocked:.2f} (held-out regions)"
    if gene.false_discovery is not None:
        number = int((gene.false_discovery <= FALSE_DISCOVERY_RATE).any(axis=0).sum())
        some = f"{number} modulators significant in at least one cell type" if number else NOT_ONE
        quality += f"; {some}"
    return f"{gene.target}: {len(gene.modulators)} modulators, {quality}."


def _summary_of_many(field: RegulationField) -> str:
    import numpy as np

    scores = [score for gene in field.genes if (score := _mean(gene.held_out_r2 or gene.fit_r2)) is not None]
    middle = f"; median held-out R² {np.median(scores):.2f}" if scores else ""
    failed = f" {len(field.failed)} genes could not be fitted." if field.failed else ""
    return f"{len(field.genes)} genes{middle}.{failed}"


def _mean(scores: Sequence[float]) -> float | None:
    import numpy as np

    known = [score for score in scores if np.isfinite(score)]
    return float(np.mean(known)) if known else None


def _names(gene: GeneFit) -> tuple[str, ...]:
    return ("beta0", *gene.modulators)


def _fitting(tissue: Tissue, choice: NetworkChoice, config: TravlrConfig, many: ManyChoice) -> Steps:
    def steps(stop: StopToken) -> Generator[Progress, None, RegulationField]:
        network = choice.network(tissue.genes)
        if many.usual:
            return (yield from workflow.regulation_steps(tissue, choice.targets, network, config, stop))
        from napari_tissue_dynamics.travlr.batch.batch_fit import Place

        place = Place(store=many.store, processes=many.processes, scheduler=many.scheduler or None)
        return (yield from workflow.many_genes_steps(tissue, choice.targets, network, config, stop, place=place))

    return steps


def _suggesting(tissue: Tissue) -> Steps:
    def steps(stop: StopToken) -> Generator[Progress, None, tuple[str, ...]]:
        from napari_tissue_dynamics.analysis.genes.spatial_genes import spatial_gene_steps, suggested_targets

        return suggested_targets((yield from spatial_gene_steps(tissue, stop=stop)))

    return steps
