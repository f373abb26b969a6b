"""Run button, progress and time left of one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_tissue_dynamics.widgets._jobs import Job, Report

STEPS = 1000


class RunPanel(QWidget):
    """A button that starts and stops a job, and where the job is.

    Parameters
    ----------
    title
        Text of the button while nothing runs.
    tooltip
        What the button does.
    parent
        The Qt parent.
    """

    run_requested = Signal()
    stop_requested = Signal()

    def __init__(self, title: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._tooltip = title, tooltip
        self._state = "idle"
        self._blocked = ""
        self.button = QPushButton(title)
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.bar.setAccessibleName(f"Progress: {title}")
        self.bar.setToolTip("How much of the work is done.")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setAccessibleName(f"Status: {title}")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.button, self.bar, self.status):
            layout.addWidget(widget)
        self.bar.hide()
        self.button.clicked.connect(self._clicked)
        self._refresh()

    def follow(self, job: Job) -> None:
        """Show where ``job`` is until it ends."""
        self.bar.setValue(0)
        self.status.setText("Starting …")
        job.state_changed.connect(self._set_state)
        job.reported.connect(self.report)

    def block(self, reason: str) -> None:
        """Disable the button for ``reason``; an empty reason enables it."""
        self._blocked = reason
        self._refresh()

    def report(self, report: Report) -> None:
        """Show phase, percentage and time left."""
        self.bar.setValue(round(STEPS * report.fraction))
        self.bar.setFormat(f"{report.fraction:.0%}")
        parts = [report.phase]
        if report.loss is not None:
            parts.append(f"loss {report.loss:.4g}")
        if report.seconds_left is not None:
            parts.append(f"about {in_words(report.seconds_left)} left")
        self.status.setText(" · ".join(parts))

    def _clicked(self) -> None:
        (self.run_requested if self._state == "idle" else self.stop_requested).emit()

    def _set_state(self, state: str) -> None:
        self._state = state
        self._refresh()
        if state == "stopping":
            self.status.setText("Stopping …")
        elif state == "idle":
            self.status.clear()

    def _refresh(self) -> None:
        text = {"running": "Stop", "stopping": "Stopping …"}.get(self._state, self._title)
        tooltip = "End the run; earlier results stay as they are." if self._state != "idle" else self._tooltip
        blocked = self._blocked if self._state == "idle" else ""
        self.button.setText(text)
        self.button.setAccessibleName(text)
        self.button.setEnabled(self._state != "stopping" and not blocked)
        self.button.setToolTip(blocked or tooltip)
        self.bar.setVisible(self._state != "idle")


def in_words(seconds: float) -> str:
    """Return a length of time as a person says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
