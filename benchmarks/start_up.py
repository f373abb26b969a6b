"""How much longer napari takes to open with the plugin: manifest, menus, commands and readers included."""

import statistics
import subprocess
import sys

from napari_tissue_dynamics.widgets.display import has_display, virtual_display

ROUNDS = 9


def seconds(*, without):
    """Return the seconds until an empty viewer stands, in a fresh process."""
    disabled = (
        "from npe2 import PluginManager as P; P.instance().disable('napari-tissue-dynamics')\n" if without else ""
    )
    code = (
        "import time; start = time.perf_counter()\n"
        "import napari\n"
        "from npe2 import PluginManager as P\n"
        f"{disabled}"
        "viewer = napari.Viewer()\n"
        "napari.qt.get_qapp().processEvents()\n"
        "print(time.perf_counter() - start)\n"
        "viewer.close()\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(answer.stdout.split()[-1])


def measure():
    """Alternate the two and print medians."""
    times = {True: [], False: []}
    for _ in range(ROUNDS):
        for without in (True, False):
            times[without].append(seconds(without=without))
    without, with_plugin = (statistics.median(times[key][1:]) for key in (True, False))
    print(
        f"opening napari: {without:.2f} s without, {with_plugin:.2f} s with the plugin: "
        f"{with_plugin - without:+.3f} s (x {with_plugin / without:.2f}), target < 0.3 s"
    )


if __name__ == "__main__":
    if has_display():
        measure()
    else:
        with virtual_display():
            measure()
