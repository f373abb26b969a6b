"""How far a STEER fit has come: one share of the whole for steps of very different kinds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from napari_tissue_dynamics.compute import INTERVAL, in_background
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import Progress, StopToken, converted, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

Result = TypeVar("Result")

# Seconds between two pictures of the present state.
PREVIEW_SECONDS = 3.0
PREVIEW_SHARE = 0.1
PARTS = 1000

STOPPED = "The fit was stopped before velocities were computed; nothing was changed."


class Journey:
    """The parts of a fit in their order, the clock of the reports, and the wish to stop.

    Parameters
    ----------
    costs
        Expected cost of every part, in any unit, in the order in which they are done.
    stop
        Looked at between steps.
    """

    def __init__(self, costs: Mapping[str, float], stop: StopToken | None = None) -> None:
        whole = sum(costs.values())
        self._start: dict[str, float] = {}
        self._share = {part: cost / whole for part, cost in costs.items()}
        done = 0.0
        for part, share in self._share.items():
            self._start[part] = done
            done += share
        self._stop = stop
        self._last = 0.0
        self._next_preview = 0.0

    @property
    def token(self) -> StopToken | None:
        """What says that the fit should end, for work that looks at it itself."""
        return self._stop

    @property
    def stopped(self) -> bool:
        """Whether the fit should end."""
        return stopped(self._stop)

    def due(self) -> bool:
        """Return True when it is time for the next report; a clock decides, not the number of steps."""
        now = time.monotonic()
        if now - self._last < INTERVAL:
            return False
        self._last = now
        return True

    def preview(self, look: Callable[[], Result]) -> Result | None:
        """Look at the present state when it is time for it; at most a tenth of the time is spent on looking."""
        start = time.monotonic()
        if start < self._next_preview:
            return None
        seen = look()
        now = time.monotonic()
        self._next_preview = now + max(PREVIEW_SECONDS, (now - start) / PREVIEW_SHARE)
        return seen

    def at(
        self, part: str, step: int, total: int, loss: float | None = None, snapshot: object | None = None
    ) -> Progress:
        """Return the report of ``step`` of ``total`` in ``part``."""
        fraction = self._start[part] + self._share[part] * min(step / max(total, 1), 1.0)
        return Progress(part, step, total, min(fraction, 1.0), loss, snapshot)

    def part(self, part: str, steps: Generator[Progress, None, Result]) -> Generator[Progress, None, Result]:
        """Pass the reports of a part of the fit on, as a share of the whole."""
        whole = converted(steps, lambda report: self.at(part, round(PARTS * (report.fraction or 0)), PARTS))
        return (yield from whole)

    def wait(self, part: str, call: Callable[[], Result]) -> Generator[Progress, None, Result]:
        """Do one long call in a thread of its own and report while it runs.

        A call cannot be interrupted. When the fit is to stop, its result is given up and the thread ends by
        itself; the call must therefore change nothing outside.

        Raises
        ------
        FitError
            If the fit was stopped.
        """
        yield self.at(part, 0, 1)
        steps = in_background(call)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            if self.stopped:
                raise FitError(STOPPED)
            yield self.at(part, 0, 1)
