"""How much longer napari takes to open with the plugin: manifest, menus, commands and readers included."""

import statistics
import subprocess
import sys

from napari_tissue_dynamics.widgets.docks.display import has_display, virtual_display

ROUNDS = 9
PLUGIN = "napari-tissue-dynamics"
# Makes the installed plugin invisible, as if it were not installed.
HIDE = f"""
from importlib import metadata
every = metadata.distributions
metadata.distributions = lambda **options: (d for d in every(**options) if d.metadata["Name"] != "{PLUGIN}")
"""
OPEN = f"""
import time; start = time.perf_counter()
import napari
viewer = napari.Viewer()
napari.qt.get_qapp().processEvents()
seconds = time.perf_counter() - start
from npe2 import PluginManager
print(seconds, "{PLUGIN}" in [m.name for m in PluginManager.instance().iter_manifests()])
viewer.close()
"""


def seconds(*, without):
    """Return the seconds until an empty viewer stands, in a fresh process."""
    code = (HIDE if without else "") + OPEN
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    took, known = answer.stdout.split()[-2:]
    if (known == "True") == without:
        raise RuntimeError(f"the plugin was {'found' if without else 'not found'} by napari")
    return float(took)


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
