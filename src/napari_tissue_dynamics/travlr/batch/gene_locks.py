"""Who fits which gene, when several runs share a directory.

A claim is a file ``<gene>.<n>`` that only one run can make (exclusive creation). Its run keeps touching it. When it has
not been touched for two minutes, or its process on this machine has ended, its run is gone, and the gene is free again
for whoever makes ``<gene>.<n + 1>``; nothing is ever taken away from under a name, so that two runs cannot both believe
to have it. Times are those of the file system, not of the clocks of the machines.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from platform import node
from typing import TYPE_CHECKING

from napari_tissue_dynamics.travlr.batch.tensor_file import safe_name

if TYPE_CHECKING:
    from pathlib import Path

# Seconds between two touches, and without a touch until a claim counts as left behind.
TOUCH_SECONDS = 10.0
STALE_SECONDS = 120.0


class Claims:
    """The claims of one run in a directory.

    Parameters
    ----------
    folder
        Where the claims of all runs are; made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mine: dict[str, Path] = {}
        self._touched = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, target: str) -> bool:
        """Claim a gene; False when another run has it."""
        base = safe_name(target)
        names = (name.rpartition(".") for name in os.listdir(self._folder))
        numbers = sorted(int(number) for stem, _, number in names if stem == base)
        if numbers and not self._left_behind(self._folder / f"{base}.{numbers[-1]}"):
            return False
        path = self._folder / f"{base}.{numbers[-1] + 1 if numbers else 0}"
        try:
            with path.open("x") as file:
                file.write(owner())
        except FileExistsError:
            return False
        self._mine[target] = path
        return True

    def touch(self) -> None:
        """Signal that this run is alive; has an effect every few seconds only."""
        if time.monotonic() - self._touched < TOUCH_SECONDS:
            return
        self._touched = time.monotonic()
        for path in self._mine.values():
            path.touch()

    def release(self, target: str) -> None:
        """Give up a gene, or mark it as done."""
        path = self._mine.pop(target, None)
        if path is None:
            return
        stem, _, number = path.name.rpartition(".")
        for older in range(int(number) + 1):
            (self._folder / f"{stem}.{older}").unlink(missing_ok=True)

    def release_all(self) -> None:
        """Give all genes up."""
        for target in list(self._mine):
            self.release(target)

    def _left_behind(self, path: Path) -> bool:
        probe = self._folder / f".{uuid.uuid4().hex}"
        try:
            probe.touch()
            return probe.stat().st_mtime - path.stat().st_mtime > STALE_SECONDS or is_gone(path.read_text())
        except FileNotFoundError:  # released just now
            return False
        finally:
            probe.unlink(missing_ok=True)


def owner() -> str:
    """Return this machine and process."""
    return json.dumps([node(), os.getpid()])


def is_gone(owner: str) -> bool:
    """Return whether a process of :func:`owner` was one of this machine and has ended."""
    try:
        host, process = json.loads(owner)
    except ValueError:  # being written
        return False
    if host != node() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)  # signal 0 asks only
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
