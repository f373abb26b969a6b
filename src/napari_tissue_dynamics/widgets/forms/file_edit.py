"""A field for one file or folder: typed, browsed or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_tissue_dynamics.widgets.state.remembered import keep_folder, last_folder

if TYPE_CHECKING:
    from qtpy.QtGui import QDragEnterEvent, QDropEvent


class FileEdit(QWidget):
    """A line with a path and a button to look for one.

    Parameters
    ----------
    what
        What the file is, for the dialog and for screen readers.
    pattern
        Filter of the dialog, ``"AnnData (*.h5ad)"``; empty to ask for a folder.
    """

    chosen = Signal()

    def __init__(self, what: str, pattern: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what, self._pattern = what, pattern
        self.line = QLineEdit()
        self.line.setAcceptDrops(False)
        self.browse = QPushButton("Browse …")
        self.browse.setToolTip(f"Look for the {'file' if pattern else 'folder'}: {what}.")
        self.browse.setAccessibleName(f"Browse: {what}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.browse)
        self.setAcceptDrops(True)
        self.browse.clicked.connect(self._browse)
        self.line.returnPressed.connect(self.chosen)

    def path(self) -> Path | None:
        """Return the path, None while the line is empty."""
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def set_path(self, path: Path) -> None:
        """Show ``path`` and signal that it was chosen."""
        self.line.setText(str(path))
        self.chosen.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files only."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the first file that was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self.set_path(Path(paths[0]))

    def _browse(self) -> None:
        path = self.path()
        folder = last_folder(self._what) if path is None else str(path.parent)
        if self._pattern:
            name, _ = QFileDialog.getOpenFileName(self, f"Choose: {self._what}", folder, self._pattern)
        else:
            name = QFileDialog.getExistingDirectory(self, f"Choose: {self._what}", folder)
        if name:
            keep_folder(self._what, Path(name).parent)
            self.set_path(Path(name))
