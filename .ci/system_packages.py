"""See to it that napari can draw without a screen: install what is missing, or say what to install."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys

# Debian and Ubuntu package -> how to see that it is there (a program, or a shared library).
PROGRAMS = {"xvfb": "Xvfb"}
LIBRARIES = {
    "libegl1": "EGL",
    "libgl1": "GL",
    "libdbus-1-3": "dbus-1",
    "libfontconfig1": "fontconfig",
    "libxkbcommon-x11-0": "xkbcommon-x11",
    "libxcb-cursor0": "xcb-cursor",
    "libxcb-icccm4": "xcb-icccm",
    "libxcb-image0": "xcb-image",
    "libxcb-keysyms1": "xcb-keysyms",
    "libxcb-render-util0": "xcb-render-util",
    "libxcb-shape0": "xcb-shape",
    "libxcb-xinerama0": "xcb-xinerama",
}
# Mesa's software driver has no fixed library name; it comes along with the others.
DRIVER = "libgl1-mesa-dri"


def missing() -> list[str]:
    """Return the Debian names of what is not there."""
    absent = [package for package, program in PROGRAMS.items() if shutil.which(program) is None]
    absent += [package for package, library in LIBRARIES.items() if ctypes.util.find_library(library) is None]
    return [*absent, DRIVER] if absent else []


def privilege() -> list[str] | None:
    """Return the words to put before apt-get, or None when we may not install."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    may_sudo = shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    return ["sudo", "-n"] if may_sudo else None


def main() -> int:
    """Install the missing packages or explain."""
    if not sys.platform.startswith("linux"):
        return 0
    absent = missing()
    if not absent:
        return 0
    prefix = privilege()
    if prefix is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", *absent]):
            if subprocess.run([*prefix, "apt-get", "-qq", *command], env=environment).returncode != 0:
                break
        absent = missing()
        if not absent:
            return 0
    sys.stderr.write(
        "napari needs these system packages to draw without a screen; they could not be installed:\n"
        f"  {' '.join(absent)}\n"
        "On Debian or Ubuntu:\n"
        f"  sudo apt-get update && sudo apt-get install -y {' '.join(absent)}\n"
        "On other systems: the packages of your distribution with Xvfb, EGL, OpenGL (Mesa) and these xcb "
        "libraries.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
