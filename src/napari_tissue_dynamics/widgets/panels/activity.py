"""A bar of a running job in napari's activity dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils import cancelable_progress
from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from napari_tissue_dynamics.widgets.state.jobs import Job, Report

STEPS = 1000


class ActivityBar(QObject):
    """Shows where a job is in the window's own list of activities, and ends the job when it is canceled there.

    Parameters
    ----------
    job
        The job; the bar belongs to it and is gone when the job ends.
    """

    def __init__(self, job: Job, what: str) -> None:
        super().__init__(job)
        self._job = job
        self._busy = False
        self.bar = cancelable_progress(total=STEPS, desc=what)
        job.reported.connect(self._take)
        job.ended.connect(self._close)

    def _take(self, report: Report) -> None:
        if self._busy:
            return  # to draw the bar napari handles events, and another report may come with them
        self._busy = True
        try:
            if self.bar.is_canceled:
                self._job.stop()
            else:
                self.bar.update(max(0, round(STEPS * report.fraction) - self.bar.n))
        finally:
            self._busy = False

    def _close(self) -> None:
        self.bar.close()
