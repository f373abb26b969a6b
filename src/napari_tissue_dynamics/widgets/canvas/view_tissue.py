"""A tissue from a script or a notebook, opened as the dock for loading opens a file."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.data.io.action_log import VELOCITY
from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.progress import drained
from napari_tissue_dynamics.widgets.canvas.fate_view import draw_fates
from napari_tissue_dynamics.widgets.canvas.open_tissue import opening, show_tissue
from napari_tissue_dynamics.widgets.canvas.velocity_view import draw_velocity
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.data.io import ReadOptions
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

DOCKS = ("Load tissue", "Velocity", "Explore")
"""What a window begins with; the others are in the menu."""
FIELDS = frozenset({keys.VELOCITY, keys.MOMENTS_SPLICED, keys.MOMENTS_UNSPLICED})


def view_tissue(
    data: Source | Tissue, viewer: napari.viewer.Viewer | None = None, options: ReadOptions | None = None
) -> napari.viewer.Viewer:
    """Open a tissue in the docks, with the results that it comes with.

    Parameters
    ----------
    data
        A file, an AnnData in memory or a tissue.
    viewer
        Where to open it; a new viewer if None.
    options
        Which parts are read as what, None for the best guess.

    Raises
    ------
    DataError
        If it cannot be used.
    FitError
        If something is running in the viewer.
    """
    import napari

    opened = _opened(data, options)  # what cannot be used opens no window
    viewer = napari.Viewer() if viewer is None else viewer
    workspace = workspace_of(viewer)
    workspace.begin("Loading")
    try:
        show_tissue(viewer, workspace, opened)
        _take_results(viewer, workspace, opened)
    finally:
        workspace.end()
    _open_docks(viewer)
    return viewer


def _opened(data: Source | Tissue, options: ReadOptions | None) -> OpenedTissue:
    if isinstance(data, Tissue):
        from napari_tissue_dynamics.analysis.image.alignment import image_check
        from napari_tissue_dynamics.analysis.readiness.readiness import tissue_readiness_steps

        return OpenedTissue(data, None, None, image_check(data), drained(tissue_readiness_steps(data)))
    source = Path(data).expanduser().absolute() if isinstance(data, (str, Path)) else data
    return drained(opening(source, options)(threading.Event()))


def _take_results(viewer: napari.viewer.Viewer, workspace: Workspace, opened: OpenedTissue) -> None:
    """Take up the velocity, fates and betas that lie beside a tissue; what does not match is reported and omitted."""
    if opened.source is None or opened.contents is None:
        return
    contents, prefix = opened.contents, keys.BETAS.format(target="")
    takes = [
        (any(key.startswith(prefix) for key in contents.obsm), _take_betas),
        (set(contents.layers) >= FIELDS, _take_velocity),
        (keys.TERMINAL_STATES in contents.obs and keys.FATES in contents.obsm, _take_fates),
    ]
    for there, take in takes:
        try:
            if there:
                take(viewer, workspace, opened.tissue, opened.source)
        except DataError as error:
            warnings.warn(str(error), UserWarning, stacklevel=4)


def _take_velocity(viewer: napari.viewer.Viewer, workspace: Workspace, tissue: Tissue, source: Source) -> None:
    from napari_tissue_dynamics import workflow

    result = drained(workflow.stored_steps(tissue, source))
    draw_velocity(viewer, workspace, tissue, result, lambda: workspace.set_velocity(result))
    workspace.log.add(VELOCITY, projection=result.projection, stored=True)


def _take_fates(viewer: napari.viewer.Viewer, workspace: Workspace, tissue: Tissue, source: Source) -> None:
    from napari_tissue_dynamics import workflow

    result = drained(workflow.stored_fate_steps(tissue, source))
    workspace.set_fate(result)
    draw_fates(viewer, workspace, tissue, result)


def _take_betas(viewer: napari.viewer.Viewer, workspace: Workspace, tissue: Tissue, source: Source) -> None:
    from napari_tissue_dynamics.data.io import read_regulation

    field = read_regulation(source)
    if any(fit.coefficients.shape[0] != tissue.n_cells for fit in field.genes):
        raise DataError(f"The betas of {tissue.source} belong to cells other than those loaded. Load all cells.")
    workspace.set_regulation(field)


def _open_docks(viewer: napari.viewer.Viewer) -> None:
    window = getattr(viewer, "window", None)
    if window is None:
        return
    for name in DOCKS:
        if not any(title.startswith(name) for title in window.dock_widgets):
            window.add_plugin_dock_widget(PLUGIN, name)
