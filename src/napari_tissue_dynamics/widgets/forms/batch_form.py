"""Where many genes are fitted and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QSpinBox, QWidget

from napari_tissue_dynamics.compute import worker_threads
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.widgets.forms.fields import add_row, check_box, push_button, rows, stacked
from napari_tissue_dynamics.widgets.forms.file_edit import FileEdit

if TYPE_CHECKING:
    from pathlib import Path

OPEN_TIP = (
    "Open the betas in a folder: from an earlier run, or from a run of the Python or Rust SpaceTravLR on the "
    "cells of this tissue."
)


@dataclass(frozen=True, slots=True)
class ManyChoice:
    """Choices of the user.

    Parameters
    ----------
    all_genes
        Whether all measured genes are targets.
    store
        Folder that finished genes are kept in, or None.
    processes
        Processes of this machine.
    scheduler
        Address of a Dask scheduler; empty for none.
    """

    all_genes: bool = False
    store: Path | None = None
    processes: int = 1
    scheduler: str = ""

    @property
    def usual(self) -> bool:
        """Whether a few genes are fitted here and kept in memory."""
        return self == ManyChoice()


class ManyForm(QWidget):
    """Fields for runs of many genes, and a button that opens the betas of a folder."""

    open_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Every measured gene is a target, regardless of the genes entered above; a gene can take a second."
        self.all_genes = check_box("Fit all measured genes", tip)
        self.store = FileEdit("folder for finished genes", "")
        self.processes, self.scheduler = QSpinBox(), QLineEdit()
        self.processes.setRange(1, max(1, worker_threads() + 1))
        self.scheduler.setPlaceholderText("tcp://host:8786")
        self.open_button = push_button("Open betas from a folder …", OPEN_TIP)
        fields = rows()
        tip = "Each gene is written there when finished; a new run with the same folder resumes."
        add_row(fields, "Store genes in", self.store.line, tip, inside=self.store)
        add_row(fields, "Processes", self.processes, "Number of genes fitted in parallel on this machine.")
        tip = "Address of a Dask scheduler: the genes are fitted by its workers. Empty fits on this machine."
        add_row(fields, "Dask scheduler", self.scheduler, tip)
        stacked(self, self.all_genes, fields, self.open_button)
        self.open_button.clicked.connect(self._ask_what_to_open)

    def value(self) -> ManyChoice:
        """Return what is chosen.

        Raises
        ------
        DataError
            If the address of the scheduler cannot be one.
        """
        scheduler = self.scheduler.text().strip()
        if scheduler and "://" not in scheduler:
            raise DataError(
                f"{scheduler!r} is not the address of a Dask scheduler; one like tcp://host:8786 was expected. "
                "Correct it, or leave the field empty to fit on this machine."
            )
        return ManyChoice(self.all_genes.isChecked(), self.store.path(), self.processes.value(), scheduler)

    def _ask_what_to_open(self) -> None:
        known = self.store.path()
        name = QFileDialog.getExistingDirectory(self, "Choose: folder with betas", "" if known is None else str(known))
        if name:
            from pathlib import Path

            self.open_requested.emit(Path(name))
