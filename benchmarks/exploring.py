"""What a choice in the Explore dock and a move of the mouse cost the thread of the window at 100 000 cells.

The viewer has no canvas, so what is drawn by OpenGL is not in the figures. Each figure is the median of several and
stands beside a yardstick of the same run on the same machine: sorting as many random numbers.
"""

import argparse
import os
import threading
import time
from contextlib import contextmanager

import numpy as np
from scipy import sparse

CELLS, GENES, REPEATS = 100_000, 2000, 9
LIMITS = {"recolor": 150.0, "hover": 16.0}


def tissue_of(n_cells, n_genes, rng):
    """Return evenly spread cells of 20 types with sparse counts, a tenth of them above zero."""
    from napari_tissue_dynamics.data.tissue import Labels, Tissue

    side = np.sqrt(n_cells) * 10.0
    codes = rng.integers(0, 20, n_cells).astype(np.int32)
    return Tissue(
        tuple(f"cell {i}" for i in range(n_cells)),
        tuple(f"gene {i}" for i in range(n_genes)),
        rng.uniform(0, side, (n_cells, 2)),
        expression=sparse.random_array((n_cells, n_genes), density=0.1, format="csr", dtype=np.float32, rng=rng),
        cell_types=Labels("type", codes, tuple(f"type {k}" for k in range(20))),
    )


def median_ms(call, repeats=REPEATS):
    """Return the median time of a call in milliseconds; the call gets the number of the repeat."""
    times = []
    for k in range(repeats):
        start = time.perf_counter()
        call(k)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def measure(n_cells, n_genes):
    """Return what reading, recoloring, dragging, hiding, hovering and searching take, in milliseconds."""
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QApplication

    from napari_tissue_dynamics.layers.colorable import Catalogue, Entry
    from napari_tissue_dynamics.layers.coloring import prepared
    from napari_tissue_dynamics.layers.points import cell_points
    from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
    from napari_tissue_dynamics.widgets.canvas.hover_card import HoverCard
    from napari_tissue_dynamics.widgets.canvas.picking import picker_of
    from napari_tissue_dynamics.widgets.docks.explore import ExploreDock
    from napari_tissue_dynamics.widgets.panels.colorable_sources import sources_of
    from napari_tissue_dynamics.widgets.state.workspace import workspace_of

    app = QApplication.instance() or QApplication([])
    rng = np.random.default_rng(0)
    viewer = ViewerModel()
    workspace = workspace_of(viewer)
    workspace.set_tissue(tissue_of(n_cells, n_genes, rng))
    tissue = workspace.tissue
    _viewer.show(viewer, workspace, cell_points(tissue))
    dock = ExploreDock(viewer)
    dock.resize(320, 600)
    dock.show()
    app.processEvents()
    sources = sources_of(workspace)
    entries = [Entry("gene", name) for name in tissue.genes[:REPEATS]]
    values = [prepared(entry.name, sources.read(entry)) for entry in entries]
    kinds = prepared("type", tissue.cell_types)
    types = Entry("column", "type")
    found = {"yardstick": median_ms(lambda k: np.sort(rng.random(n_cells)))}
    found["read a gene (in a thread)"] = median_ms(lambda k: prepared("", sources.read(entries[k])))
    found["first choice, makes the layer"] = median_ms(lambda k: dock._arrived((tissue, entries[0], values[0])), 1)
    found["recolor by a gene"] = median_ms(lambda k: dock._arrived((tissue, entries[k], values[k])))
    scale = workspace.coloring.scale

    def drag(k):
        dock._changed(workspace.coloring.with_limits(scale.low, scale.high * (0.5 + k / 20)))
        dock._draw()

    found["recolor while a limit is dragged"] = median_ms(drag)
    found["recolor by a type"] = median_ms(lambda k: dock._arrived((tissue, types, kinds)))
    found["recolor when a type is hidden"] = median_ms(lambda k: dock._hide(frozenset({f"type {k}"})))
    workspace.show_all()
    card, picker = HoverCard(viewer, dock), picker_of(viewer)
    places = rng.uniform(0, np.ptp(tissue.positions), (200, 2))
    found["hover, first time"] = median_ms(lambda k: picker.cell_at(places[0]), 1)

    def hover(k):
        card._hovered(picker.cell_at(places[k]))
        card.draw()

    found["hover, cell and card"] = median_ms(hover, len(places))
    found |= searching(Catalogue(sources.names()))
    many = {"beta": [f"gene {i} ← gene {j}" for i in range(1000) for j in range(100)]}
    return found | searching(Catalogue(many))


def searching(catalogue):
    """Return the time of a search for a few letters."""
    words = ("g", "gene 19", "type", "9", "e 1")
    return {f"search among {len(catalogue):,}": median_ms(lambda k: catalogue.search(words[k % len(words)]))}


@contextmanager
def fit_beside():
    """Train STEER in a thread of this process while the block runs, as the docks do."""
    from napari_tissue_dynamics.simulators.tissue import simulate_tissue
    from napari_tissue_dynamics.steer import SteerConfig, fit_steps

    stop, started = threading.Event(), threading.Event()
    config = SteerConfig(n_genes=300, device="cpu", seed=0)

    def train():
        for progress in fit_steps(simulate_tissue(2000, 400, seed=0).tissue, config, stop):
            if progress.loss is not None:
                started.set()
            if stop.is_set():
                return

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    started.wait(60)
    yield
    stop.set()
    thread.join(30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--genes", type=int, default=GENES)
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    alone = measure(options.cells, options.genes)
    with fit_beside():
        beside = measure(options.cells, options.genes)
    print(f"{options.cells} cells x {options.genes} genes, time of the thread of the window without OpenGL")
    for name, ms in alone.items():
        target = next((f" (target {limit:.0f} ms)" for word, limit in LIMITS.items() if name.startswith(word)), "")
        ratios = f"yardstick x {ms / alone['yardstick']:.2f}, beside a fit {beside[name]:.1f} ms"
        print(f"{name:38s} {ms:8.1f} ms, {ratios} (x {beside[name] / ms:.1f}){target}")


if __name__ == "__main__":
    main()
