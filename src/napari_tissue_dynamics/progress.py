"""How a fit reports where it is, and how it is driven without a window."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias, TypeVar

Result = TypeVar("Result")
Report = TypeVar("Report")
Converted = TypeVar("Converted")

SECONDS_BETWEEN_REPORTS = 0.125
LEAST_SHARE, LEAST_SECONDS = 0.02, 1.0
"""Done and gone by before a time left is given: before that, loading a library decides the rate."""


class StopToken(Protocol):
    """Anything that can signal that the user wants the fit to end (``threading.Event`` is one)."""

    def is_set(self) -> bool:
        """Return True once the fit should end."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a running fit.

    Parameters
    ----------
    phase
        Description of the current step.
    step, total
        Position inside the phase, ``step`` of ``total``.
    fraction
        Share of the whole fit that is done, 0 to 1.
    loss
        Value that is being minimized, if there is one.
    snapshot
        A part of the result that is already final, to be drawn at once (for example, a fitted gene).
    """

    phase: str
    step: int
    total: int
    fraction: float
    loss: float | None = None
    snapshot: object | None = None


Steps: TypeAlias = Callable[[StopToken], Generator[Progress, None, Any]]
"""Work that has not begun: called with what ends it early, it reports until it returns its result."""


def stopped(stop: StopToken | None) -> bool:
    """Return True if a stop token was given and is set."""
    return stop is not None and stop.is_set()


@dataclass(slots=True)
class Throttle:
    """Decides when the next report is due, eight times a second."""

    last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Return whether an eighth of a second has gone by since this last was True."""
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_REPORTS:
            return False
        self.last = now
        return True


class TimeLeft:
    """Estimates how long a run still takes, for windows and terminals alike.

    The rate is that since the first report, so that a resumed run is not taken for a fast one.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._first: float | None = None

    def waited(self, seconds: float) -> None:
        """Exclude a pause of this many seconds from the rate."""
        self._start += seconds

    def after(self, fraction: float) -> float | None:
        """Return the seconds left once ``fraction`` of the run is done, None while there is too little to go by."""
        if self._first is None:
            self._start, self._first = time.monotonic(), fraction
        elapsed, done = time.monotonic() - self._start, fraction - self._first
        return elapsed * (1 - fraction) / done if done >= LEAST_SHARE and elapsed > LEAST_SECONDS else None


def duration(seconds: float) -> str:
    """Return a length of time in a unit that suits it: ``40 s``, ``12 min``, ``3.1 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def run_to_end(steps: Generator[Progress, None, Result], report: Callable[[Progress], None] | None = None) -> Result:
    """Drain a fit and return its result.

    Parameters
    ----------
    steps
        A fit: a generator of progress that returns its result.
    report
        Called with every progress report, for a script that wants to show it.
    """
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if report is not None:
            report(progress)


def drained(steps: Generator[object, None, Result]) -> Result:
    """Run any generator to its end and return what it returns; its progress reports are discarded."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def part_of(steps: Generator[Progress, None, Result], start: float, end: float) -> Generator[Progress, None, Result]:
    """Pass on the reports of one part of a longer work, whose share of the whole lies between ``start`` and ``end``."""
    return (yield from converted(steps, lambda made: replace(made, fraction=start + (end - start) * made.fraction)))


def converted(
    steps: Generator[Report, None, Result], convert: Callable[[Report], Converted]
) -> Generator[Converted, None, Result]:
    """Yield ``convert`` of each report, and return the result."""
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            return end.value
        yield convert(report)


def share_of(steps: Generator[float, None, Result], part: int, parts: int) -> Generator[float, None, Result]:
    """Pass on shares of one of several equal parts as shares of the whole."""
    return (yield from converted(steps, lambda done: (part + done) / parts))


def timed(
    steps: Generator[float, None, Result], phase: str, stop: StopToken | None, span: tuple[float, float] = (0.0, 1.0)
) -> Generator[Progress, None, Result | None]:
    """Pass shares of a part on as progress within ``span``, on the clock; None when stopped."""
    throttle, (start, end) = Throttle(), span
    while not stopped(stop):
        try:
            done = next(steps)
        except StopIteration as finished:
            return finished.value
        if throttle.due():
            yield Progress(phase, round(100 * done), 100, start + (end - start) * done)
    return None


def single_step(phase: str, make: Callable[[], Result]) -> Callable[[StopToken], Generator[Progress, None, Result]]:
    """Return work that reports once and then returns what ``make`` does."""

    def steps(_: StopToken) -> Generator[Progress, None, Result]:
        yield Progress(phase, 0, 1, 0.0)
        return make()

    return steps
