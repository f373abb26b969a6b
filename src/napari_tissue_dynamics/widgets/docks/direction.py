"""The dock that checks whether arrows run along an order given by the user, or against it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHeaderView, QLineEdit, QTreeWidget, QTreeWidgetItem, QWidget

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, rows, sentences, stacked
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import napari

    from napari_tissue_dynamics.analysis.validation.direction_check import DirectionCheck
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Steps, StopToken

TYPES, STAGE = "order of cell types", "column of stages"
HEADER = ("From → to", "Velocity", "Arrows", "Cells")
HEIGHT = 190
DECIMAL = re.compile(r"(\d)\.(\d)")
TIP = (
    "Mean cosine to neighbors of the group that follows, 1 along the order and -1 against it: of velocities to similar "
    "cells, and of drawn arrows to the neighbors they are drawn with. Cells: those with such a similar cell."
)


class OrderForm(QWidget):
    """Known order of the cells: types with arrows between them, or a column of stages."""

    entered = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind, self.stage, self.add_type = narrow_combo(), narrow_combo(), narrow_combo()
        self.types = QLineEdit()
        self.types.setPlaceholderText("A > B > C, D")
        self.types.setClearButtonEnabled(True)
        self._fields = rows()
        write = (
            "Cell types with > between those that follow each other; commas between branches, semicolons between paths."
        )
        for name, field, tooltip in (
            ("Known", self.kind, "Known order of the cells."),
            ("Order", self.types, write),
            ("Add type", self.add_type, "Choose a cell type to append to the order."),
            ("Stage", self.stage, "Column of obs with stages: numbers, names with a number in each, or ordered ones."),
        ):
            add_row(self._fields, name, field, tooltip)
        stacked(self, self._fields)
        self.kind.currentTextChanged.connect(self._refresh)
        self.add_type.activated.connect(self._add)
        self.types.returnPressed.connect(self.entered)
        self.offer((), ())

    def offer(self, types: Sequence[str], stages: Sequence[str]) -> None:
        """Offer the types and the columns of stages of a tissue, and forget what was written for the last one."""
        self.types.clear()
        kinds = [*([TYPES] if types else []), *([STAGE] if stages else [])]
        for combo, items in ((self.add_type, types), (self.stage, stages), (self.kind, kinds)):
            combo.clear()
            combo.addItems(list(items))
        self.add_type.setCurrentIndex(-1)
        self._refresh()

    def value(self) -> dict[str, str]:
        """Return the order as the arguments ``types`` or ``stage`` of the workflow."""
        if self.kind.currentText() == STAGE:
            return {"stage": self.stage.currentText()}
        return {"types": self.types.text()}

    def _add(self, index: int) -> None:
        before, name = self.types.text().strip(), self.add_type.itemText(index)
        separated = not before or before[-1] in ">→,;"
        self.types.setText(f"{before} {name}".strip() if separated else f"{before} > {name}")
        self.add_type.setCurrentIndex(-1)

    def _refresh(self, *_: object) -> None:
        kind = self.kind.currentText()
        self._fields.setRowVisible(self.kind, bool(kind))
        self._fields.setRowVisible(self.stage, kind == STAGE)
        for field in (self.types, self.add_type):
            self._fields.setRowVisible(field, kind == TYPES)


class EdgeTable(QTreeWidget):
    """One row for every two groups that follow each other: score of velocities, of arrows, and cells."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(list(HEADER))
        self.setAccessibleName("Scores of the edges")
        self.setToolTip(f"<p>{TIP}</p>")
        self.setRootIsDecorated(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # both groups stay in sight
        self.setFixedHeight(HEIGHT)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def show_check(self, check: DirectionCheck | None) -> None:
        """List the edges of a check; None empties the table."""
        self.clear()
        self.setVisible(check is not None)
        if check is None:
            return
        columns = (check.edges, check.velocity_edges, check.arrow_edges, check.velocity_cells)
        for (before, after), velocity, arrow, cells in zip(*columns, strict=True):
            item = QTreeWidgetItem(self, [f"{before}\n→ {after}", _number(velocity), _number(arrow), str(cells)])
            item.setToolTip(0, f"{before} → {after}")


class DirectionDock(Dock):
    """Takes an order of the cells and checks whether velocities and arrows follow it."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.about = sentences(
            "About the direction check",
            "Are the arrows reversed? Enter a known order of the cells; the velocities are compared with it "
            "and with a permutation null (shuffled velocities).",
        )
        self.form = OrderForm()
        self.verdict = sentences("Verdict")
        self.table = EdgeTable()
        self.panel = RunPanel("Check direction", "Compare velocities and arrows with the known order.")
        for widget in (self.about, self.form, self.verdict, self.table):
            self.column.addWidget(widget)
        self.column.addStretch()
        self.pin(self.panel, self.start)
        self.form.entered.connect(self.start)
        listen(self, self.workspace.tissue_changed, self._take_tissue)
        listen(self, self.workspace.velocity_changed, self._forget)
        listen(self, self.workspace.running_changed, self._refresh)
        self._take_tissue()

    def start(self) -> None:
        """Compare the velocity of the workspace with the order of the form, in a worker."""
        tissue, result = self.workspace.tissue, self.workspace.velocity
        if tissue is None or result is None:
            self.show_error("There is no velocity to check. Load a tissue and estimate its velocity first.")
            return
        steps = _checking(tissue, result, self.form.value(), self.workspace.source)
        self.run("Checking the direction", steps, self.show_check, panel=self.panel)

    def show_check(self, check: DirectionCheck | None) -> None:
        """Show what came out; None takes the last answer away."""
        self.verdict.setText("" if check is None else _unbroken(check.verdict))
        self.verdict.setVisible(check is not None)
        self.table.show_check(check)

    def _take_tissue(self) -> None:
        tissue, contents = self.workspace.tissue, self.workspace.contents
        types = () if tissue is None or tissue.cell_types is None else tissue.cell_types.categories
        stages = contents.stages if contents is not None and self.workspace.source is not None else ()
        self.form.offer(types, stages)
        self._forget()

    def _forget(self) -> None:
        self.show_check(None)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        reason = ""
        if self.workspace.tissue is None:
            reason = "Load a tissue first."
        elif self.workspace.velocity is None:
            reason = "Estimate a velocity first."
        elif not self.form.kind.count():
            reason = "The tissue has neither cell types nor a column of stages, so no order can be given."
        self.panel.block(self.workspace.busy or reason)


def _checking(tissue: Tissue, result: workflow.VelocityResult, known: dict[str, str], source: Source | None) -> Steps:
    def steps(stop: StopToken) -> Generator[Progress, None, DirectionCheck]:
        yield Progress("order of the cells", 0, 1, 0.0)
        order = workflow.named_order(tissue, **known, source=source)
        return (yield from workflow.direction_steps(tissue, result, order, stop))

    return steps


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "none"


def _unbroken(text: str) -> str:
    """Return a text whose numbers are not wrapped behind their point."""
    return DECIMAL.sub("\\1.\u2060\\2", text)
