"""How far a run is, shown in a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from napari_tissue_dynamics.progress import TimeLeft, duration

if TYPE_CHECKING:
    from types import TracebackType

    from tqdm import tqdm

    from napari_tissue_dynamics.progress import Progress

Style: TypeAlias = Literal["auto", "bar", "plain", "quiet"]
COLUMNS, ROWS = 80, 24
"""Size of a terminal that does not report its own, such as that of a log."""
STEP = 0.1
"""Share of a run after which a plain line is repeated within one phase."""


class TerminalProgress:
    """Shows progress on stderr; a context, and a function that is called with every report.

    Parameters
    ----------
    style
        ``bar``: phase, bar and time left on one line. ``plain``: a line for every phase and every tenth of the run.
        ``quiet``: nothing. ``auto``: the bar on a terminal, nothing elsewhere.
    stream
        Where to write; stderr if None.

    Examples
    --------
    >>> from napari_tissue_dynamics.progress import Progress
    >>> with TerminalProgress("plain", sys.stdout) as report:
    ...     report(Progress("reading", 0, 1, 0.0))
      0% reading
    """

    def __init__(self, style: Style = "auto", stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._style = ("bar" if self._stream.isatty() else "quiet") if style == "auto" else style
        self._bar: tqdm[None] | None = None
        self._written: tuple[str, float] = ("", -1.0)
        self._left = TimeLeft()

    def __call__(self, progress: Progress) -> None:
        """Show one report."""
        left = self._left.after(progress.fraction)
        if self._style == "bar":
            self._show_bar(progress, "?" if left is None else duration(left))
        elif self._style == "plain":
            self._write_line(progress, "" if left is None else f", {duration(left)} left")

    def __enter__(self) -> TerminalProgress:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar, whatever happened."""
        self.end()

    def end(self) -> None:
        """Remove the bar, so that what is written next begins on a clean line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._written, self._left = ("", -1.0), TimeLeft()

    def _show_bar(self, progress: Progress, left: str) -> None:
        first = self._bar is None
        if self._bar is None:
            from tqdm import tqdm

            sized = _has_size(self._stream)
            self._bar = tqdm(
                total=1.0,
                initial=progress.fraction,
                delay=1e-9,  # not drawn before it has its phase
                file=self._stream,
                leave=False,
                dynamic_ncols=sized,
                ncols=None if sized else COLUMNS,
                nrows=None if sized else ROWS,  # tqdm hides a bar on a terminal of no height
                bar_format="{percentage:3.0f}% |{bar}| {desc}",
            )
        self._bar.set_description_str(f"{progress.phase}, {left} left", refresh=first)
        self._bar.update(max(0.0, progress.fraction - self._bar.n))

    def _write_line(self, progress: Progress, left: str) -> None:
        phase, fraction = self._written
        if progress.phase == phase and progress.fraction < fraction + STEP - 1e-9:
            return
        self._written = progress.phase, progress.fraction
        self._stream.write(f"{progress.fraction:4.0%} {progress.phase}{left}\n")
        self._stream.flush()


def _has_size(stream: TextIO) -> bool:
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, AttributeError, ValueError):
        return False
