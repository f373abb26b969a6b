"""Gene picker, colors and plot of phase portraits, for any dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_tissue_dynamics.analysis.genes.portrait import portrait_of, ranked_genes
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.cell_colors import cell_colors, color_choices, plain_colors
from napari_tissue_dynamics.widgets.canvas.picking import picker_of
from napari_tissue_dynamics.widgets.canvas.viewer import whole_tissue
from napari_tissue_dynamics.widgets.forms.color_box import ColorBox
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, rows, sentences, stacked
from napari_tissue_dynamics.widgets.plots.legend import LegendPanel
from napari_tissue_dynamics.widgets.plots.portrait import PortraitCanvas
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    import napari
    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.layers.legend import Legend

AS_SHOWN = "as in the viewer"
EMPTY = "There are no velocities yet. Fit them in the Velocity dock."
GENE_TIP = "A gene of the model, best fits first; type to search, Up and Down step through the genes."
COLOR_TIP = "What the cells are colored by; as in the viewer takes the colors of the cells that are seen there."


class PortraitPanel(QWidget):
    """Shows the phase portrait of a chosen gene of the velocities of the workspace, and marks the current cell.

    Parameters
    ----------
    viewer
        The viewer whose cells are shown; a click in the plot picks a cell there.
    """

    failed = Signal(str)
    gene_changed = Signal(str)

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._workspace = viewer, workspace_of(viewer)
        self._gene = ""
        self.picker, self.color = ColorBox(), narrow_combo()
        self.picker.lineEdit().setPlaceholderText("gene")
        self.canvas = PortraitCanvas()
        self.words = sentences("About the phase portrait")
        self.legend = LegendPanel()
        self._arrange()
        picker_of(viewer)  # a click on a cell in the viewer makes it the current one
        self.picker.chosen.connect(self.show_gene)
        self.color.textActivated.connect(self._recolor)
        self.canvas.cell_clicked.connect(self._workspace.pick)
        layers = viewer.layers
        for signal in (layers.selection.events.active, layers.events.inserted, layers.events.removed):
            listen(self, signal, self._colors_changed)
        listen(self, self._workspace.legend_changed, self._colors_changed)
        listen(self, self._workspace.velocity_changed, self._take)
        listen(self, self._workspace.cell_changed, self._mark)
        self._take()

    @property
    def gene(self) -> str:
        """The gene that is shown, empty for none."""
        return self._gene

    def show_gene(self, gene: str) -> None:
        """Draw a gene; one that the model does not have is reported by the signal ``failed``."""
        shown = self._shown()
        if shown is None:
            return
        tissue, field = shown
        try:
            portrait = portrait_of(field, gene.strip())
        except DataError as error:
            self.failed.emit(str(error))
            return
        self._gene = portrait.gene
        self.picker.setCurrentIndex(self.picker.findText(portrait.gene, Qt.MatchFlag.MatchExactly))
        colors, legend = self._colors(tissue, field)
        self.canvas.show_portrait(portrait, colors, tissue.cells)
        self._show_legend(legend)
        parts = [f"{portrait.gene}, {portrait.model} model", *([portrait.quality] if portrait.quality else [])]
        note = "" if portrait.curves else " No rates were estimated for this gene."
        if portrait.steady is not None:
            note = " Above the dashed line spliced RNA increases, below it decreases."
        if len(portrait.curves) > 1:
            note += " The lines are the means of the cells of each expert along latent time."
        self.words.setText(f"{'; '.join(parts)}.{note}")
        self.gene_changed.emit(portrait.gene)

    def _arrange(self) -> None:
        layout = stacked(self)
        fields = rows()
        add_row(fields, "Gene", self.picker, GENE_TIP)
        add_row(fields, "Color by", self.color, COLOR_TIP)
        layout.addLayout(fields)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.words)
        layout.addWidget(self.legend)
        layout.addStretch()

    def _shown(self) -> tuple[Tissue, VelocityField] | None:
        tissue, result = self._workspace.tissue, self._workspace.velocity
        if tissue is None or result is None or result.field.n_cells != tissue.n_cells:
            return None
        return tissue, result.field

    def _take(self) -> None:
        """Offer the genes of the present velocities, and keep the current gene if they include it."""
        shown = self._shown()
        for widget in (self.picker, self.color):
            widget.setEnabled(shown is not None)
        before, chosen = self._gene, self.color.currentText()
        self.color.clear()
        if shown is None:
            self._gene = ""
            self.picker.offer((), ())
            self.canvas.show_portrait(None)
            self._show_legend(None)
            self.words.setText(EMPTY)
            return
        genes, choices = ranked_genes(shown[1]), (AS_SHOWN, *color_choices(*shown))
        self.color.addItems(choices)
        self.color.setCurrentText(chosen if chosen in choices else AS_SHOWN)
        self.picker.offer((), genes)
        self._mark()
        self.show_gene(before if before in genes else genes[0])

    def _mark(self) -> None:
        cell = self._workspace.current_cell
        self.canvas.mark([] if cell is None else [cell])

    def _recolor(self, _: str = "") -> None:
        if self._gene:
            self.show_gene(self._gene)

    def _colors_changed(self, event: object = None) -> None:
        if self.color.currentText() == AS_SHOWN:
            self._recolor()

    def _colors(self, tissue: Tissue, field: VelocityField) -> tuple[NDArray[np.float32], Legend | None]:
        """Return the colors of the cells; the legend of those in the viewer is shown there already."""
        choice = self.color.currentText()
        if choice != AS_SHOWN:
            return cell_colors(tissue, field, choice, self._gene)
        active = self._viewer.layers.selection.active
        layers = sorted(whole_tissue(self._viewer, tissue.n_cells), key=lambda layer: layer is not active)
        return (layers[0].face_color if layers else plain_colors(tissue.n_cells)), None

    def _show_legend(self, legend: Legend | None) -> None:
        self.legend.setVisible(legend is not None)
        self.legend.show_legend(legend)
