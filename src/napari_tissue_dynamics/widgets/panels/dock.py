"""What all docks share: a scrolled column of controls, one line for errors, one job."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QApplication, QFileDialog, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_tissue_dynamics.data.io.write import replacing
from napari_tissue_dynamics.errors import TissueDynamicsError
from napari_tissue_dynamics.layers.coloring import coloring_of
from napari_tissue_dynamics.widgets.canvas.coloring_view import show_coloring
from napari_tissue_dynamics.widgets.canvas.open_tissue import opening, show_tissue, shown_source
from napari_tissue_dynamics.widgets.forms.fields import push_button, stacked
from napari_tissue_dynamics.widgets.panels.activity import ActivityBar
from napari_tissue_dynamics.widgets.panels.colorable_sources import sources_of
from napari_tissue_dynamics.widgets.panels.tabs import JoinTabs
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.fetch import Fetcher
from napari_tissue_dynamics.widgets.state.jobs import start_job
from napari_tissue_dynamics.widgets.state.remembered import beside, keep_result
from napari_tissue_dynamics.widgets.state.run_queue import QueueList
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from qtpy.QtWidgets import QPushButton

    from napari_tissue_dynamics.layers.colorable import Entry
    from napari_tissue_dynamics.progress import Steps
    from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
    from napari_tissue_dynamics.widgets.state.jobs import Job

# At least 4.5 : 1 on the dark and on the light theme of napari, as dark text on a light ground.
ERROR_STYLE = "QLabel { background: #fdecea; color: #8a1c12; border: 1px solid #c62828; padding: 6px; }"


class Dock(QWidget):
    """Base of the docks: joins controls, the workspace of the viewer and at most one job."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.workspace = workspace_of(viewer)
        self.job: Job | None = None
        self.fetcher = Fetcher(self)
        self.fetcher.arrived.connect(self._arrived)
        self.fetcher.failed.connect(self.show_error)
        self._queueing = False
        self._docked = False
        self._details = ""
        body = QWidget()
        self.column = QVBoxLayout(body)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        scroll.setWidget(body)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setStyleSheet(ERROR_STYLE)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.copy_report = push_button("Copy report", "Copy the technical details of the error to the clipboard.")
        self.copy_report.clicked.connect(self._copy_details)
        self.take_shown = push_button("Use the open tissue", "Use the file dropped on the viewer, or the sample.")
        self.take_shown.clicked.connect(self.use_shown)
        layout = stacked(self)
        above = QVBoxLayout()
        above.setContentsMargins(8, 6, 8, 0)
        above.addWidget(self.take_shown)
        layout.addLayout(above)
        layout.addWidget(scroll, 1)
        self.footer = QVBoxLayout()
        self.footer.setContentsMargins(8, 4, 8, 4)
        layout.addLayout(self.footer)
        layout.addWidget(self.message)
        layout.addWidget(self.copy_report)
        self.clear_error()
        self.setMinimumWidth(280)
        self.tabs = JoinTabs(self)
        listen(self, self.workspace.tissue_changed, self._offer_shown)
        listen(self, viewer.layers.events.inserted, self._offer_shown)
        listen(self, viewer.layers.events.removed, self._offer_shown)
        self._offer_shown()

    @property
    def is_running(self) -> bool:
        """Whether a job of this dock has not ended yet."""
        return self.job is not None and self.job.state != "idle"

    def run(
        self,
        what: str,
        steps: Steps,
        done: Callable[[Any], None],
        *,
        panel: RunPanel | None = None,
        reported: Callable[[Any], None] | None = None,
        stopped: Callable[[], None] | None = None,
        ended: Callable[[], None] | None = None,
        threads: Callable[[], int] | None = None,
    ) -> None:
        """Start a job of this dock; show a sentence when one is running already.

        From the button that puts a run into the queue, it waits until the others have ended.
        """
        self.clear_error()
        if self._queueing and self.workspace.running:
            options: dict[str, Any] = {"panel": panel, "reported": reported, "stopped": stopped, "ended": ended}
            begin = partial(self.run, what, steps, done, threads=threads, **options)
            self.workspace.queue.add(what, _while_alive(self, begin))
            return

        def prepare(job: Job) -> None:
            self.job = job
            if getattr(self.viewer, "window", None) is not None:
                ActivityBar(job, what)
            if panel is not None:
                panel.follow(job)
            if reported is not None:
                # The bar of the window's activities handles events: the job may have ended before this report arrives.
                job.reported.connect(lambda report: None if job.state == "idle" else reported(report))
            if ended is not None:
                job.ended.connect(ended)
            if stopped is not None:
                job.stopped.connect(stopped)
            job.succeeded.connect(done)
            job.failed.connect(self.show_error)

        try:
            start_job(self.workspace, what, steps, prepare=prepare, owner=self, threads=threads)
        except TissueDynamicsError as error:
            self.show_error(str(error))

    def pin(self, panel: RunPanel, start: Callable[[], None]) -> None:
        """Put a run panel at the foot of the dock; its button calls ``start`` and stops the job."""
        self.footer.addWidget(panel)
        self.footer.addWidget(QueueList(self.workspace.queue))
        panel.queue_requested.connect(partial(self._enqueue, start))
        panel.run_requested.connect(start)
        panel.stop_requested.connect(self.stop)

    def _enqueue(self, start: Callable[[], None]) -> None:
        self._queueing = True
        try:
            start()
        finally:
            self._queueing = False

    def stop(self) -> None:
        """Ask the running job of this dock to end."""
        if self.job is not None and self.is_running:
            self.job.stop()

    def show_error(self, sentence: str, details: str = "") -> None:
        """Show why something did not work, here and as a notification."""
        self.message.setText(sentence)
        self.message.setAccessibleName(f"Error: {sentence}")
        self.message.show()
        self._details = details
        self.copy_report.setVisible(bool(details))
        show_error(sentence)

    def clear_error(self) -> None:
        """Take the last error away."""
        self.message.clear()
        self.message.hide()
        self.copy_report.hide()

    def announce(self, sentence: str) -> None:
        """Show good news for a moment."""
        show_info(sentence)

    def map_entry(self, entry: Entry) -> None:
        """Color the cells by an entry of the catalog, which is read in a thread."""
        sources = sources_of(self.workspace)
        if sources is not None:
            self.clear_error()
            self.fetcher.fetch(lambda: (sources.tissue, entry.name, sources.read(entry)))

    def _arrived(self, found: Any) -> None:
        tissue, name, values = found
        if tissue is self.workspace.tissue:
            show_coloring(self.viewer, self.workspace, coloring_of(name, values))

    def ask_where(self, title: str, name: str, pattern: str) -> Path | None:
        """Ask where to write a result, initially next to the tissue; None if nowhere."""
        chosen, _ = QFileDialog.getSaveFileName(self, title, beside(self.workspace.path, name), pattern)
        if chosen:
            keep_result(Path(chosen))
        return Path(chosen) if chosen else None

    def write(self, path: Path, write: Callable[[Path], object]) -> None:
        """Let ``write`` make a file, and report its path or the error."""
        self.clear_error()
        try:
            write(path)
        except TissueDynamicsError as error:
            self.show_error(str(error))
        else:
            self.announce(f"Saved to {path}")

    def write_text(self, path: Path, text: str) -> None:
        """Write a text to a file, and report its path or the error."""

        def write(target: Path) -> None:
            with replacing(target) as temporary:
                temporary.write_text(text, encoding="utf-8")

        self.write(path, write)

    def on_keys(self, keys: str, call: Callable[[], object]) -> None:
        """Call something when keys are pressed while the focus is in the dock."""
        shortcut = QShortcut(QKeySequence(keys), self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(call)

    def offer_stored(self, button: QPushButton, tooltip: str, *, there: bool) -> None:
        """Show a button that loads results of the file where there are some; it waits while something is running."""
        button.setVisible(there and self.workspace.source is not None)
        button.setEnabled(not self.workspace.busy)
        button.setToolTip(self.workspace.busy or tooltip)

    def event(self, event: QEvent) -> bool:
        """Stop the running job when the dock is taken out of the window."""
        if event.type() == QEvent.Type.ParentChange:
            removed = self._docked and self.parent() is None
            self._docked = self.parent() is not None
            if removed:
                self.stop()
        return super().event(event)

    def use_shown(self) -> None:
        """Read the tissue whose layers a drop on the viewer or the sample made, in a worker."""
        source = shown_source(self.viewer)
        if source:
            viewer, workspace = self.viewer, self.workspace
            self.run("Loading", opening(source), lambda opened: show_tissue(viewer, workspace, opened))

    def _offer_shown(self, event: object = None) -> None:
        self.take_shown.setVisible(self.workspace.tissue is None and bool(shown_source(self.viewer)))

    def _copy_details(self) -> None:
        QApplication.clipboard().setText(f"{self.message.text()}\n\n{self._details}")


def _while_alive(dock: Dock, begin: Callable[[], None]) -> Callable[[], None]:
    """Return what begins a run unless its dock is gone by then."""
    gone: list[bool] = []
    dock.destroyed.connect(lambda *_: gone.append(True))

    def begin_if_alive() -> None:
        if not gone:
            begin()

    return begin_if_alive
