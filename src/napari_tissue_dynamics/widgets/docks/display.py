"""A screen for napari where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import TissueDynamicsError

if TYPE_CHECKING:
    from collections.abc import Iterator

SCREEN = "1600x1000x24"


def has_display() -> bool:
    """Return whether windows can be shown on this machine as it is."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def virtual_display() -> Iterator[None]:
    """Run an off-screen X server (Xvfb) and point this process to it while the block runs.

    Raises
    ------
    TissueDynamicsError
        If Xvfb is not installed or does not start.
    """
    program = shutil.which("Xvfb")
    if program is None:
        raise TissueDynamicsError(
            "There is no screen and no Xvfb to draw without one. Install it "
            "(on Debian or Ubuntu: sudo apt-get install xvfb) or run on a machine with a screen."
        )
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(write_end), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        number = answer.readline().strip()
    before = os.environ.get("DISPLAY")
    try:
        if not number:
            raise TissueDynamicsError(
                "Xvfb did not start, so there is nothing to draw on. Run Xvfb by hand to see why."
            )
        os.environ["DISPLAY"] = f":{number}"
        yield
    finally:
        if before is None:
            os.environ.pop("DISPLAY", None)
        else:
            os.environ["DISPLAY"] = before
        server.terminate()
        server.wait()
