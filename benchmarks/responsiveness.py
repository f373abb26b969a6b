"""How long the window is ever blocked while STEER trains in it, and how fast Stop ends the run.

A timer fires every 10 ms in the Qt event loop; the gap between two shots is how long the window was busy.
"""

import argparse
import time

import numpy as np

from napari_tissue_dynamics.widgets.docks.display import has_display, virtual_display

CELLS, GENES = 3000, 500
SECONDS = 60


def measure(cells, genes, seconds):
    """Train in an open viewer for some seconds, then press Stop."""
    import napari
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    from napari_tissue_dynamics.simulators.tissue import simulate_tissue
    from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
    from napari_tissue_dynamics.widgets.state.workspace import workspace_of

    viewer = napari.Viewer()
    dock = VelocityDock(viewer)
    viewer.window.add_dock_widget(dock, name="STEER")
    workspace_of(viewer).set_tissue(simulate_tissue(cells, genes, seed=0).tissue)
    shots = []
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: shots.append(time.perf_counter()))
    app = QApplication.instance()

    def run_loop(until):
        while not until():
            app.processEvents()
            time.sleep(0.001)

    idle_start = time.perf_counter()
    timer.start()
    run_loop(lambda: time.perf_counter() > idle_start + 3)
    idle = np.diff(shots)
    shots.clear()
    dock.start()
    start = time.perf_counter()
    run_loop(lambda: time.perf_counter() > start + seconds or not dock.is_running)
    gaps = np.diff(shots)
    still_running = dock.is_running
    pressed = time.perf_counter()
    dock.stop()
    run_loop(lambda: not dock.is_running)
    stop_seconds = time.perf_counter() - pressed
    timer.stop()
    for name, values in (("idle", idle), ("training", gaps)):
        p50, p99, worst = np.percentile(values * 1000, [50, 99, 100])
        print(f"event loop {name}: gap median {p50:.0f} ms, 99 % {p99:.0f} ms, longest {worst:.0f} ms")
    ratio = np.percentile(gaps, 99) / np.percentile(idle, 99)
    print(f"99 % gap training over idle: x {ratio:.1f} (target: gap < 200 ms, {cells} x {genes})")
    when = f"after {seconds:.0f} s" if still_running else "after the run had ended by itself"
    print(f"stop {when}: {stop_seconds:.2f} s (target 1 s)")
    viewer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--genes", type=int, default=GENES)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    if has_display():
        measure(options.cells, options.genes, options.seconds)
    else:
        with virtual_display():
            measure(options.cells, options.genes, options.seconds)


if __name__ == "__main__":
    main()
