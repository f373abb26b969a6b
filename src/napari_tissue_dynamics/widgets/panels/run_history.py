"""The earlier runs on one tissue, to be shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_tissue_dynamics.widgets.forms.fields import sentences, stacked
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    from napari_tissue_dynamics.widgets.state.runs import Kind
    from napari_tissue_dynamics.widgets.state.workspace import Workspace


class RunHistory(QWidget):
    """A list of the runs of one kind; choosing one asks for it to be shown."""

    chosen = Signal(object)

    def __init__(self, workspace: Workspace, kind: Kind, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace, self._kind = workspace, kind
        self.list = QListWidget()
        self.list.setAccessibleName("Earlier runs")
        self.list.setToolTip("Click a run, or press Enter on it, to show its result again.")
        self.list.setMinimumHeight(60)
        self.list.setMaximumHeight(140)
        self.words = sentences("Earlier runs", "No run has ended yet.")
        stacked(self, self.words, self.list)
        self.list.itemClicked.connect(self._choose)
        self.list.itemActivated.connect(self._choose)
        listen(self, workspace.runs_changed, self.refresh)
        listen(self, workspace.velocity_changed, self.refresh)
        listen(self, workspace.regulation_changed, self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """List the runs, the latest first; that on show is in bold."""
        runs = [run for run in reversed(self._workspace.runs) if run.kind == self._kind]
        shown = getattr(self._workspace, self._kind)
        self.list.clear()
        for run in runs:
            item = QListWidgetItem(run.title)
            item.setData(Qt.ItemDataRole.UserRole, run)
            item.setToolTip(run.details)
            font = item.font()
            font.setBold(run.result is shown)
            item.setFont(font)
            self.list.addItem(item)
        self.list.setVisible(bool(runs))
        self.words.setVisible(not runs)

    def _choose(self, item: QListWidgetItem) -> None:
        run = item.data(Qt.ItemDataRole.UserRole)
        if run.result is not getattr(self._workspace, self._kind):
            self.chosen.emit(run)
