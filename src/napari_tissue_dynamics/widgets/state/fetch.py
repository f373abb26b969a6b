"""Values that are read in a thread in the background; only the last request is answered."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_tissue_dynamics.widgets.state.jobs import explain

if TYPE_CHECKING:
    from collections.abc import Callable


class Fetcher(QObject):
    """Reads one thing after the other; unlike a job it does not reserve the workspace, so it works beside a fit.

    Attributes
    ----------
    arrived
        Emits what was read, in the thread of the window.
    failed
        Emits a sentence for the user and the details.
    """

    arrived = Signal(object)
    failed = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wish = 0
        self._workers: set[Any] = set()

    @property
    def is_busy(self) -> bool:
        """Whether something is being read."""
        return bool(self._workers)

    def fetch(self, read: Callable[[], object]) -> None:
        """Call ``read`` in a thread; what was wished for before and has not arrived is forgotten."""
        self._wish += 1
        worker = create_worker(_answer, read, self._wish, _start_thread=False)
        self._workers.add(worker)
        worker.returned.connect(self._take)
        worker.finished.connect(lambda: self._workers.discard(worker))
        worker.start()

    def forget(self) -> None:
        """Let nothing arrive that has been wished for so far."""
        self._wish += 1

    def _take(self, answer: tuple[int, object, BaseException | None]) -> None:
        wish, found, error = answer
        if wish != self._wish:
            return
        if error is None:
            self.arrived.emit(found)
        else:
            self.failed.emit(explain(error), "".join(traceback.format_exception(error)))


def _answer(read: Callable[[], object], wish: int) -> tuple[int, object, BaseException | None]:
    """Return what was read or why not: an exception of a worker may be taken for a deleted widget and be lost."""
    try:
        return wish, read(), None
    except Exception as error:  # noqa: BLE001  # reported to the user
        return wish, None, error
