"""What this machine computes with and how much memory is free, without loading torch."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MIB = 2**20
ASK_SECONDS = 5.0
"""Longest wait for the driver of a graphics card."""

GROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files of Linux with the memory that a container may take and has taken, of both versions."""


@dataclass(frozen=True, slots=True)
class Device:
    """Something to compute with.

    Parameters
    ----------
    name
        As the settings call it: ``cpu``, ``cuda`` or ``mps``.
    free
        Bytes of free memory, None if unknown.
    """

    name: str
    title: str
    free: int | None


def devices() -> tuple[Device, ...]:
    """Return the processor and every graphics card that torch could use; may take a second, never fails."""
    found = [Device("cpu", "CPU", free_memory())]
    if _torch_is_built_for("torch_cuda"):
        found += nvidia_cards(_ask_driver())
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.append(Device("mps", "Apple GPU", free_memory()))  # shares the memory of the processor
    return tuple(found)


def free_memory() -> int | None:
    """Return the bytes of memory that a program can still have, None where the system does not report it.

    What the system only uses to remember files counts as free; in a container its limit counts.
    """
    import psutil

    try:
        free = int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, NotImplementedError):
        return None
    allowed = [left for limit, used in GROUP_LIMITS if (left := _left_in_group(Path(limit), Path(used))) is not None]
    return min([free, *allowed])


def nvidia_cards(answer: str) -> list[Device]:
    """Return the cards in an answer of ``nvidia-smi``: one comma-separated line each with name and free MiB."""
    cards = []
    for line in answer.splitlines():
        name, _, free = line.rpartition(",")
        if name.strip():
            known = int(free) * MIB if free.strip().isdigit() else None
            cards.append(Device("cuda", name.strip(), known))
    return cards


def _ask_driver() -> str:
    question = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(question, capture_output=True, text=True, timeout=ASK_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""  # no driver, no card


def _torch_is_built_for(library: str) -> bool:
    found = find_spec("torch")  # looks for the package, does not run it
    folders = found.submodule_search_locations if found is not None else None
    return any(any(Path(folder, "lib").glob(f"*{library}.*")) for folder in folders or ())


def _left_in_group(limit: Path, used: Path) -> int | None:
    try:
        return max(0, int(limit.read_text()) - int(used.read_text()))
    except (OSError, ValueError):  # no such file; "max" stands for no limit
        return None
