"""Files of a STEER run: its state, to resume from after a stop, and its network, for other tissues."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.widgets.forms.fields import check_box, push_button, sentences, stacked

if TYPE_CHECKING:
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

PATTERN = "Trained network (*.safetensors)"
KEEP_TIP = "Write the state of the run every half minute, so that a stopped or interrupted run can be resumed."

SAVE_TIP = "Write the trained network to a file, for other tissues."
APPLY_TIP = "Predict velocities for this tissue with a trained model."


class RunFiles(QWidget):
    """A check box for the state of the run, and buttons to save and to apply its network."""

    save_requested = Signal(object)
    apply_requested = Signal(object)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.keep = check_box("Keep the state of the run")
        self.keep.setChecked(True)
        self.words = sentences("Where the state of the run is kept")
        self.save_button, self.apply_button = push_button("Save model as …"), push_button("Apply model …")
        stacked(self, self.keep, self.words, self.save_button, self.apply_button)
        self.keep.toggled.connect(self.refresh)
        self.save_button.clicked.connect(self._ask_where_to_save)
        self.apply_button.clicked.connect(self._ask_what_to_apply)
        self.refresh()

    def state(self) -> Path | None:
        """Return the file that the state of a run is kept in, None if it is not kept."""
        return self._possible() if self.keep.isChecked() else None

    def kept(self) -> Path | None:
        """Return the file with the state of a run that did not end, None if there is none."""
        state = self.state()
        return state if state is not None and state.is_file() else None

    def refresh(self, *_: object) -> None:
        """Show what is possible with the present tissue and result."""
        possible = self._possible()
        self.keep.setEnabled(possible is not None)
        reason = "" if possible is not None else _why_not(self._workspace.path)
        self.keep.setToolTip(reason or KEEP_TIP)
        state = self.state()
        self.words.setText(reason if state is None else f"In {state.name}, next to the file of the tissue.")
        self.words.setVisible(bool(self.words.text()))
        tissue, model = self._workspace.tissue, self._workspace.velocity_model
        missing = "" if model is not None else "There is no trained network to save. Fit it with STEER first."
        busy = "Load a tissue first." if tissue is None else self._workspace.busy
        for button, reason, tip in ((self.save_button, missing, SAVE_TIP), (self.apply_button, busy, APPLY_TIP)):
            button.setEnabled(not reason)
            button.setToolTip(reason or tip)

    def save(self, target: Path) -> None:
        """Write the network behind the present velocity to ``target``.

        Raises
        ------
        DataError
            If there is none, or it cannot be written.
        """
        model = self._workspace.velocity_model
        if model is None:
            raise DataError("There is no trained network to save. Fit it with STEER first.")
        try:
            if target.resolve() != model.resolve():
                shutil.copyfile(model, target)
        except OSError as error:
            raise DataError(f"{target} cannot be written ({error.strerror}). Choose another location.") from error

    def _possible(self) -> Path | None:
        source = self._workspace.path
        if source is None or not os.access(source.parent, os.W_OK):
            return None
        return source.with_suffix(".steer.safetensors")

    def _start(self, name: str) -> str:
        source = self._workspace.path
        return str(source.with_name(f"{source.stem}_{name}")) if source is not None else name

    def _ask_where_to_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save model as", self._start("steer_model.safetensors"), PATTERN)
        if name:
            self.save_requested.emit(Path(name))

    def _ask_what_to_apply(self) -> None:
        source = self._workspace.path
        folder = "" if source is None else str(source.parent)
        name, _ = QFileDialog.getOpenFileName(self, "Apply model", folder, PATTERN)
        if name:
            self.apply_requested.emit(Path(name))


def _why_not(source: Path | None) -> str:
    if source is None:
        return "The tissue has no file next to which the state of a run could be kept."
    return f"Nothing can be written to {source.parent}; the state of a run is not kept."
