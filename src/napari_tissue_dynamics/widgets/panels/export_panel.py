"""What is written for other programs and for a browser, and where it went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_tissue_dynamics.export import ExportConfig
from napari_tissue_dynamics.widgets.forms.fields import push_button, sentences, stacked
from napari_tissue_dynamics.widgets.forms.form import Form

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = ".html"
TIP = "Write tables (.csv) and a page for any browser into a folder; including fates if computed."


class ExportPanel(QWidget):
    """Settings of an export, a button that asks for a folder, and one that opens the page that was written."""

    requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._page: Path | None = None
        self._start = ""
        self.form: Form[ExportConfig] = Form(ExportConfig, ("tables", "dashboard"))
        self.button = push_button("Export to a folder …")
        self.open_button = push_button("Open the page", "Open the page that was written in the browser.")
        self.words = sentences("Exported files")
        stacked(self, self.form, self.button, self.words, self.open_button)
        self.button.clicked.connect(self._ask)
        self.open_button.clicked.connect(self._open)
        self.show_written(())
        self.block("")

    def begin_at(self, source: Path | None) -> None:
        """Forget the last export and ask for a folder beginning beside this file."""
        self._start = "" if source is None else str(source.parent)
        self.show_written(())

    def block(self, reason: str) -> None:
        """Disable the button for ``reason``; an empty reason enables it."""
        self.button.setEnabled(not reason)
        self.button.setToolTip(reason or TIP)

    def show_written(self, files: Sequence[Path]) -> None:
        """List the files written; none empties the panel."""
        self._page = next((file for file in files if file.suffix == PAGE), None)
        folder = f" to {files[0].parent}" if files else ""
        self.words.setText(f"Written{folder}: {', '.join(file.name for file in files)}." if files else "")
        self.words.setVisible(bool(files))
        self.open_button.setVisible(self._page is not None)

    def _ask(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Export to a folder", self._start)
        if name:
            self.requested.emit(Path(name))

    def _open(self) -> None:
        if self._page is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._page)))
