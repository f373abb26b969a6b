"""Run and pause buttons, progress, loss and time left of one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from napari_tissue_dynamics.progress import duration
from napari_tissue_dynamics.widgets.forms.fields import push_button, sentences, stacked
from napari_tissue_dynamics.widgets.plots.loss_curve import LossCurve

if TYPE_CHECKING:
    from napari_tissue_dynamics.widgets.state.jobs import Job, Report

STEPS = 1000
# At least 4.5 : 1 on both themes of napari, as dark text on a light ground.
WARNING_STYLE = "QLabel { background: #fff4d6; color: #5c4400; border: 1px solid #b58900; padding: 6px; }"


class RunPanel(QWidget):
    """A button that starts and stops a job, and where the job is.

    Parameters
    ----------
    title
        Text of the button while nothing runs.
    """

    run_requested = Signal()
    stop_requested = Signal()
    queue_requested = Signal()

    def __init__(self, title: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._tooltip = title, tooltip
        self._state = "idle"
        self._blocked = ""
        self._waits = False
        self._job: Job | None = None
        self.button = QPushButton(title)
        self.pause_button = push_button("Pause")
        self.pause_button.setCheckable(True)
        self.pause_button.hide()
        self.queue_button = push_button("Queue", "Queue a run with the current settings.")
        self.queue_button.setAccessibleName(f"Queue: {title}")
        self.queue_button.hide()
        self.curve = LossCurve()
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.bar.setAccessibleName(f"Progress: {title}")
        self.bar.setToolTip("Fraction of the work completed.")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setAccessibleName(f"Status: {title}")
        layout = stacked(self)
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.pause_button)
        buttons.addWidget(self.queue_button)
        self.estimate = sentences("Estimated cost")
        self.estimate.hide()
        layout.addWidget(self.estimate)
        layout.addLayout(buttons)
        for widget in (self.bar, self.curve, self.status):
            layout.addWidget(widget)
        self.bar.hide()
        self.button.clicked.connect(self._clicked)
        self.pause_button.toggled.connect(self._pause)
        self.queue_button.clicked.connect(self.queue_requested.emit)
        self._refresh()

    def follow(self, job: Job) -> None:
        """Show where ``job`` is until it ends."""
        self._job = job
        self.bar.setValue(0)
        self.curve.clear()
        self.status.setText("Starting …")
        job.state_changed.connect(self._set_state)
        job.reported.connect(self._reported)

    def block(self, reason: str, *, waits: bool = False) -> None:
        """Disable the button for ``reason``; an empty reason enables it.

        Parameters
        ----------
        waits
            Whether the reason is that something else is running; a run can be put into the queue then.
        """
        self._blocked, self._waits = reason, waits
        self._refresh()

    def show_estimate(self, words: str, warning: bool = False) -> None:
        """Show the estimated cost above the button, as a warning if it exceeds what is available."""
        self.estimate.setText(words)
        self.estimate.setVisible(bool(words))
        self.estimate.setStyleSheet(WARNING_STYLE if warning else "")

    def report(self, report: Report) -> None:
        """Show phase, percentage and time left."""
        self.bar.setValue(round(STEPS * report.fraction))
        self.bar.setFormat(f"{report.fraction:.0%}")
        parts = [report.phase]
        if report.loss is not None:
            parts.append(f"loss {report.loss:.4g}")
            self.curve.add(report.phase, report.loss)
        if report.seconds_left is not None:
            parts.append(f"about {duration(report.seconds_left)} left")
        if self._job is None or not self._job.paused:
            self.status.setText(" · ".join(parts))

    def _pause(self, on: bool) -> None:
        if self._job is not None:
            self._job.pause(on)
            self.status.setText("Paused before the next step." if on else "Resuming …")
        self._refresh()

    def _reported(self, report: Report) -> None:
        # The bar of the window's activities handles events while it is moved: the job may have ended meanwhile.
        if self._job is not None:
            self.report(report)

    def _clicked(self) -> None:
        (self.run_requested if self._state == "idle" else self.stop_requested).emit()

    def _set_state(self, state: str) -> None:
        self._state = state
        self._refresh()
        if state == "stopping":
            self.status.setText("Stopping …")
        elif state == "idle":
            self._job = None
            self.pause_button.setChecked(False)
            self.curve.clear()

    def _refresh(self) -> None:
        text = {"running": "Stop", "stopping": "Stopping …"}.get(self._state, self._title)
        tooltip = "End the run; earlier results are unchanged." if self._state != "idle" else self._tooltip
        blocked = self._blocked if self._state == "idle" else ""
        self.button.setText(text)
        self.button.setAccessibleName(text)
        self.button.setEnabled(self._state != "stopping" and not blocked)
        self.button.setToolTip(blocked or tooltip)
        self.bar.setVisible(self._state != "idle")
        if self._state == "idle":
            self.status.setText(self._blocked)
        self.status.setVisible(bool(self.status.text()) or self._state != "idle")
        paused = self.pause_button.isChecked()
        self.pause_button.setText("Resume" if paused else "Pause")
        self.pause_button.setAccessibleName(self.pause_button.text())
        self.pause_button.setToolTip("Resume the run." if paused else "Pause the run to free the processor.")
        self.pause_button.setVisible(self._state != "idle")
        self.pause_button.setEnabled(self._state == "running")
        self.queue_button.setVisible(self._waits or self._state != "idle")
