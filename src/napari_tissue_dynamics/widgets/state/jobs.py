"""A fit generator as a thread worker: own stop token, own messages, exactly one end.

The worker machinery takes a ``RuntimeError`` of a generator for a deleted Qt object and reports it by no signal,
and after ``quit()`` it neither returns nor closes the generator. So nothing here relies on its signals:
every exception becomes a :class:`Failed` message and the end of a job is one of our own messages.
"""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from napari_tissue_dynamics.compute import load_torch, wait_for
from napari_tissue_dynamics.errors import FitError, TissueDynamicsError
from napari_tissue_dynamics.progress import TimeLeft
from napari_tissue_dynamics.widgets.state.memory_advice import in_words, is_short

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_tissue_dynamics.progress import Progress, Steps, StopToken
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

State = Literal["idle", "running", "stopping"]

REPORT_EVERY = 0.2
"""Seconds between two reports; more would queue up in the thread of the window."""


PAUSE_LOOK = 0.05
"""Seconds between two looks at a pause."""

STOPPED_EARLY = "The run was stopped before it began; earlier results are unchanged."


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """How far a job is.

    Parameters
    ----------
    fraction
        Share that is done, 0 to 1.
    seconds_left
        Estimated time to the end, None while unknown.
    loss
        Value that is being minimized, or None.
    snapshots
        Finished parts of the result since the last report.
    """

    phase: str
    fraction: float
    seconds_left: float | None
    loss: float | None = None
    snapshots: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """The job has its result."""

    result: Any


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The job stopped by an error: one sentence for the user, the details for a report."""

    message: str
    details: str


def guarded(
    make_steps: Steps,
    stop: StopToken,
    threads: Callable[[], int] | None = None,
    pause: StopToken | None = None,
) -> Generator[Report | Done | Failed, None, None]:
    """Pass a fit through as messages: reports on a clock, then one :class:`Done` or :class:`Failed`.

    Parameters
    ----------
    make_steps
        Called with the stop token, returns the fit.
    threads
        Returns how many threads torch may use during the fit; None leaves torch alone (and unloaded).
    pause
        While it is set, the fit waits for its next step.
    """
    try:
        result = yield from _reports(_with_threads(make_steps, stop, threads), stop, pause)
    except Exception as error:  # noqa: BLE001  # whatever escaped here would leave the job running for ever
        yield Failed(explain(error), "".join(traceback.format_exception(error)))
    else:
        yield Done(result)


def _reports(
    steps: Generator[Progress, None, Any], stop: StopToken, pause: StopToken | None
) -> Generator[Report, None, Any]:
    left = TimeLeft()
    last = 0.0
    pending: list[object] = []
    while True:
        left.waited(_waited(stop, pause))
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        seconds_left = left.after(progress.fraction)
        if progress.snapshot is not None:
            pending.append(progress.snapshot)
        now = time.monotonic()
        if now - last < REPORT_EVERY:
            continue
        last = now
        yield Report(progress.phase, progress.fraction, seconds_left, progress.loss, tuple(pending))
        pending.clear()


def _waited(stop: StopToken, pause: StopToken | None) -> float:
    """Wait while there is a pause and no wish to stop; return the seconds that took."""
    begun = time.monotonic()
    while pause is not None and pause.is_set() and not stop.is_set():
        time.sleep(PAUSE_LOOK)
    return time.monotonic() - begun


def _with_threads(
    make_steps: Steps, stop: StopToken, threads: Callable[[], int] | None
) -> Generator[Progress, None, Any]:
    """Pass a fit on with this many torch threads; loading torch takes seconds and can be stopped, too."""
    if threads is None:
        return (yield from make_steps(stop))
    yield from wait_for("loading torch", load_torch, 0.0, stop, STOPPED_EARLY)
    with _torch_threads(threads):
        return (yield from make_steps(stop))


@contextmanager
def _torch_threads(threads: Callable[[], int]) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def explain(error: BaseException) -> str:
    """Return one sentence for the user: what happened and what to do."""
    if isinstance(error, TissueDynamicsError):
        return str(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ImportError):
        return f"A library is missing ({text}). Install it with pip and start again."
    if is_short(error):
        return in_words(error)
    return (
        f"The run failed with an unexpected error ({type(error).__name__}: {text[:200]}). "
        "Earlier results are unchanged; start again with other settings or report the error with 'Copy report'."
    )


class Job(QObject):
    """One running thing: idle, running or stopping, following its messages.

    It lives in the thread of the window. Create it with :func:`start_job`.
    """

    reported = Signal(object)
    succeeded = Signal(object)
    failed = Signal(str, str)
    stopped = Signal()
    state_changed = Signal(str)
    paused_changed = Signal(bool)
    ended = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.state: State = "idle"
        self.token = threading.Event()
        self._pause = threading.Event()
        self._outcome: Done | Failed | None = None

    def start(self, make_steps: Steps, threads: Callable[[], int] | None) -> None:
        """Begin the work in a thread."""
        self._set_state("running")
        self._worker = create_worker(guarded, make_steps, self.token, threads, self._pause, _start_thread=False)
        self._worker.yielded.connect(self._take)
        self._worker.finished.connect(self._finish)
        self._worker.start()

    @property
    def paused(self) -> bool:
        """Whether the work waits for its next step."""
        return self._pause.is_set()

    def pause(self, on: bool) -> None:
        """Pause the work before its next step, or resume it."""
        if on != self.paused:
            (self._pause.set if on else self._pause.clear)()
            self.paused_changed.emit(on)

    def stop(self) -> None:
        """Ask the work to end."""
        self.token.set()
        if self.state == "running":
            self._set_state("stopping")

    def _take(self, message: Report | Done | Failed) -> None:
        if isinstance(message, Report):
            if self.state == "running":
                self.reported.emit(message)
            return
        self._outcome = message
        self._finish()

    def _finish(self) -> None:
        """Emit the one end of this job; the worker also comes here when napari made it quit."""
        if self.state == "idle":
            return
        outcome, self._outcome = self._outcome, None
        wanted = not self.token.is_set()
        self._set_state("idle")
        self.ended.emit()
        if not wanted:
            self.stopped.emit()
        elif isinstance(outcome, Done):
            self.succeeded.emit(outcome.result)
        elif isinstance(outcome, Failed):
            self.failed.emit(outcome.message, outcome.details)
        _JOBS.discard(self)

    def _set_state(self, state: State) -> None:
        self.state = state
        self.state_changed.emit(state)


_JOBS: set[Job] = set()
_APPLICATIONS: WeakSet[QApplication] = WeakSet()


def start_job(
    workspace: Workspace,
    what: str,
    make_steps: Steps,
    *,
    prepare: Callable[[Job], None],
    owner: QObject,
    threads: Callable[[], int] | None = None,
) -> Job:
    """Start the one job of a workspace.

    Parameters
    ----------
    workspace
        Reserved for this job until it ends.
    make_steps
        Called in the worker with the stop token, returns the generator to drain.
    prepare
        Connects the signals of the job before it starts.
    owner
        The dock; when it is destroyed the job is requested to stop.
    threads
        How many threads torch may use, None for work without torch.

    Raises
    ------
    FitError
        If something is running in this workspace already.
    """
    workspace.begin(what)
    job = Job()
    _JOBS.add(job)
    token = job.token
    owner.destroyed.connect(lambda *_: token.set())
    _stop_all_at_the_end()
    job.ended.connect(lambda: workspace.end())
    prepare(job)
    job.start(make_steps, threads)
    return job


def _stop_all_at_the_end() -> None:
    application = QApplication.instance()
    if application is None:
        raise FitError("There is no running Qt application; use napari_tissue_dynamics.workflow in a script.")
    if application not in _APPLICATIONS:
        _APPLICATIONS.add(application)
        application.aboutToQuit.connect(stop_all)


def stop_all() -> None:
    """Request every running job to stop."""
    for job in tuple(_JOBS):
        job.token.set()
