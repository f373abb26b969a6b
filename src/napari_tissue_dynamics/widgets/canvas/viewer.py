"""Add, replace and find our layers in a viewer without touching those of the user."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer, Points, Shapes, Vectors

from napari_tissue_dynamics.layers.axes import KEY, PLUGIN
from napari_tissue_dynamics.layers.colors import hex_to_rgba
from napari_tissue_dynamics.layers.images import LIGHT, brightness
from napari_tissue_dynamics.layers.rings import MARKS, REACH, REGIONS, SENDERS
from napari_tissue_dynamics.layers.vectors import CELL_ARROW_COLOR, CELL_ARROW_ON_LIGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import napari
    from numpy.typing import NDArray

    from napari_tissue_dynamics.widgets.state.workspace import Key, Workspace

KEPT = {"points": ("size", "symbol"), "vectors": ("edge_width", "length", "vector_style")}
"""What else the user may have changed in a layer, by kind."""

IMAGE, CELLS, RESULT, GRID, ARROWS = range(5)

ROOM = 0.85
"""Share of the canvas that cells take when the view comes near to them."""

ARROW_LAYERS = ("velocity", "velocity grid", "streamlines")
WITH_ARROWS = ("cells", "expert", "latent time")
"""What the cells show while arrows are shown."""

RUNNING = "running: "
"""What keys and names of layers begin with that show a fit which is not done."""


def rank(key: Key) -> int:
    """Return where a layer belongs in the stack: image, cells, results, arrows on a grid, arrows on cells."""
    if str(key).startswith("histology"):
        return IMAGE
    ranks = {
        "cells": CELLS,
        "velocity grid": GRID,
        "streamlines": GRID,
        "particles": GRID,
        "selected cells": GRID,
        "velocity": ARROWS,
        "true movement": ARROWS,
        **dict.fromkeys((SENDERS, REACH, MARKS, REGIONS), ARROWS),
    }
    return ranks.get(str(key).removeprefix(RUNNING), RESULT)


def own_key(options: dict[str, Any]) -> Key:
    """Return what a layer tuple shows: the key in its metadata, else its name."""
    key: Key = options.get("metadata", {}).get(PLUGIN, {}).get(KEY, options["name"])
    return key


def find(viewer: napari.viewer.Viewer, workspace: Workspace, key: Key) -> Layer | None:
    """Return the layer that shows ``key``, None if it was never drawn or the user deleted it."""
    wanted = workspace.layer_ids.get(key)
    if wanted is None:
        return None
    return next((layer for layer in viewer.layers if str(layer.unique_id) == wanted), None)


def key_of(workspace: Workspace, layer: Layer | None) -> Key:
    """Return what a layer of ours shows, empty for other layers."""
    wanted = "" if layer is None else str(layer.unique_id)
    return next((key for key, layer_id in workspace.layer_ids.items() if layer_id == wanted), "")


def show(
    viewer: napari.viewer.Viewer,
    workspace: Workspace,
    data: tuple[Any, dict[str, Any], str],
    *,
    key: Key = "",
    visible: bool = True,
) -> Layer:
    """Draw a layer tuple; a layer drawn before for the same key is replaced at its place.

    Parameters
    ----------
    data
        ``(array, options, kind)``.
    key
        What the layer shows; when empty the key in the metadata, or the name; at most one of our layers shows it.
    visible
        Whether a layer that is new can be seen at once. A replaced layer hands on its name, visibility, opacity
        and the like instead, as the user left them.
    """
    array, given, kind = data
    key = key or own_key(given)
    old = find(viewer, workspace, key)
    layer = Layer.create(
        array,
        {**given, "visible": visible, "metadata": _marked(given, key, workspace), **_kept(old, array, kind)},
        kind,
    )
    if old is None:
        viewer.layers.insert(_place(viewer, workspace, key), layer)
    else:
        layer.name = old.name
        old.name = f"{old.name} (previous)"  # two layers cannot have the same name, not even for a moment
        viewer.layers.insert(viewer.layers.index(old) + 1, layer)
        viewer.layers.remove(old)
    workspace.layer_ids[key] = str(layer.unique_id)
    if rank(key) == IMAGE:
        follow_ground(viewer, workspace, layer)
    elif rank(key) == ARROWS and isinstance(layer, Vectors):
        ink(viewer, workspace, layer)
    return layer


def present(
    viewer: napari.viewer.Viewer,
    workspace: Workspace,
    data: tuple[Any, dict[str, Any], str],
    *,
    key: Key = "",
    over_arrows: bool = False,
) -> Layer:
    """Draw a layer of colored cells as the active one: shown, active, other colorings out of sight.

    Parameters
    ----------
    viewer, workspace, data, key
        As of :func:`show`.
    over_arrows
        Whether arrows make way, see :func:`make_way`.
    """
    key = key or own_key(data[1])
    with same_selection(viewer):
        layer = show(viewer, workspace, data, key=key)
        if over_arrows:
            make_way(viewer, workspace)
        hide_other_results(viewer, workspace, [key])
    activate(viewer, layer)
    return layer


def activate(viewer: napari.viewer.Viewer, layer: Layer) -> None:
    """Show a layer and make it active."""
    layer.visible = True
    viewer.layers.selection.active = layer


def colorings(viewer: napari.viewer.Viewer, workspace: Workspace) -> list[tuple[Key, Layer]]:
    """Return keys and layers of ours that color the cells, bottom first."""
    ours = [(key_of(workspace, layer), layer) for layer in viewer.layers]
    return [(key, layer) for key, layer in ours if key and rank(key) in (CELLS, RESULT)]


def whole_tissue(viewer: napari.viewer.Viewer, n_cells: int) -> Iterator[Points]:
    """Yield the visible layers with a point for every cell, the one on top first."""
    for layer in reversed(viewer.layers):
        if layer.visible and isinstance(layer, Points) and len(layer.data) == n_cells:
            yield layer


def color_events(layer: Layer) -> tuple[Any, ...]:
    """Return the signals of a change of the colors of points, also of those made in place; none for other layers."""
    if not isinstance(layer, Points):
        return ()
    return layer.events.visible, layer.events.face_color, layer.events.border_color, layer.events.set_data


def active_shapes(viewer: napari.viewer.Viewer) -> Shapes | None:
    """Return the layer of shapes that is active, None without one."""
    active = viewer.layers.selection.active
    return active if isinstance(active, Shapes) else None


def ground(viewer: napari.viewer.Viewer, workspace: Workspace) -> float:
    """Return how bright it is behind the cells, 0 to 1: the brightest histology that is shown, else the canvas."""
    keys = [key for key in workspace.layer_ids if rank(key) == IMAGE]
    images = [layer for key in keys if (layer := find(viewer, workspace, key)) is not None and layer.visible]
    if not images:
        return float(viewer.canvas.background_color[:3].mean())
    # The whole pyramid of a multiscale image has the brightness of its smallest level.
    return max(brightness(layer.data[-1] if layer.multiscale else layer.data) for layer in images)


def ink(viewer: napari.viewer.Viewer, workspace: Workspace, layer: Layer) -> None:
    """Make arrows dark on a light ground and white on a dark one, as opaque as they are.

    Arrows recolored by the user keep their color.
    """
    light = ground(viewer, workspace) > LIGHT
    inks = [np.array(hex_to_rgba(color)[:3], np.float32) for color in (CELL_ARROW_COLOR, CELL_ARROW_ON_LIGHT)]
    colors = np.array(layer.edge_color, dtype=np.float32)
    ours = np.any([np.abs(colors[:, :3] - each).max(axis=1) < 1e-3 for each in inks], axis=0)
    wanted = inks[int(light)]
    if ours.all() and not np.allclose(colors[:, :3], wanted, atol=1e-3):
        colors[:, :3] = wanted
        layer.edge_color = colors
        workspace.legend_changed.emit()


def ink_all(viewer: napari.viewer.Viewer, workspace: Workspace) -> None:
    """Make all our arrows on cells fit what is behind them."""
    for key in workspace.layer_ids:
        layer = find(viewer, workspace, key)
        if layer is not None and rank(key) == ARROWS and isinstance(layer, Vectors):
            ink(viewer, workspace, layer)


def follow_ground(viewer: napari.viewer.Viewer, workspace: Workspace, image: Layer) -> None:
    """Make arrows fit what is behind them whenever the user shows or hides ``image``, from now on."""
    window = weakref.ref(getattr(viewer, "__wrapped__", viewer))  # the proxy that a dock has lives shortly
    owner = weakref.ref(workspace)

    def again(event: object = None) -> None:
        there, its = window(), owner()
        if there is not None and its is not None:
            ink_all(there, its)

    image.events.visible.connect(again)
    again()


@contextmanager
def same_selection(viewer: napari.viewer.Viewer) -> Iterator[None]:
    """Give the selection of layers back that was there before; napari selects every layer that is added."""
    before = set(viewer.layers.selection)
    yield
    gone = any(layer not in viewer.layers for layer in before)  # replaced: what took its place stays selected
    if not gone and set(viewer.layers.selection) != before:
        viewer.layers.selection = before


def _marked(options: dict[str, Any], key: Key, workspace: Workspace) -> dict[str, Any]:
    """Return the metadata of a layer tuple with its key, where its tissue came from and whose it is."""
    metadata = dict(options.get("metadata", {}))
    ours = {"key": key, "source": source_of(workspace), "workspace": workspace.token}
    metadata[PLUGIN] = {**metadata.get(PLUGIN, {}), **ours}
    return metadata


def _kept(old: Layer | None, array: Any, kind: str) -> dict[str, Any]:
    if old is None:
        return {}
    kept = {name: getattr(old, name) for name in ("visible", "opacity", "blending")}
    for name in KEPT.get(kind, ()):
        value = getattr(old, name)
        if np.ndim(value) == 0 or len(value) == len(array):
            kept[name] = value
    return kept


def remove(viewer: napari.viewer.Viewer, workspace: Workspace, wanted: Callable[[Key], bool]) -> None:
    """Take away those of our layers whose key is ``wanted``."""
    for key in [key for key in workspace.layer_ids if wanted(key)]:
        layer = find(viewer, workspace, key)
        if layer is not None:
            viewer.layers.remove(layer)
        del workspace.layer_ids[key]


def hide_other_results(viewer: napari.viewer.Viewer, workspace: Workspace, keys: Iterable[Key]) -> None:
    """Show one coloring of the cells at a time: hide cells and results that are not among ``keys``."""
    kept = set(keys)
    for key, layer in colorings(viewer, workspace):
        if layer.visible != (key in kept):
            layer.visible = key in kept  # redraws the layer even if nothing changes


def make_way(viewer: napari.viewer.Viewer, workspace: Workspace) -> None:
    """Hide the arrows when the cells are about to get other colors than those of the velocity.

    Arrows on all cells cover most of their colors. Arrows shown again by the user over the new colors stay.
    """
    seen = [layer for key in WITH_ARROWS if (layer := find(viewer, workspace, key)) is not None and layer.visible]
    if not seen:
        return
    for key in ARROW_LAYERS:
        layer = find(viewer, workspace, key)
        if layer is not None and layer.visible:
            layer.visible = False


def shows_result(viewer: napari.viewer.Viewer, workspace: Workspace) -> bool:
    """Return whether the cells are seen by a result, which hides their own layer."""
    keys = [key for key in workspace.layer_ids if rank(key) == RESULT]
    return any(layer.visible for key in keys if (layer := find(viewer, workspace, key)) is not None)


def come_near(viewer: napari.viewer.Viewer, positions: NDArray[np.float64]) -> None:
    """Zoom from all layers, as seen after a reset of the view, to the cells where a slide is much larger than these.

    Parameters
    ----------
    positions
        (cells, 2 or 3) positions, (x, y[, z]); those in three dimensions are seen as they are.
    """
    if positions.shape[1] != 2 or viewer.dims.ndisplay != 2 or not len(positions):
        return
    low, high = positions.min(axis=0), positions.max(axis=0)
    whole = viewer.layers.extent.world[:, -2:]
    size = np.maximum(high - low, 1e-9)[::-1]
    closer = float(((whole[1] - whole[0]) / size).min()) * ROOM
    if closer > 1:
        camera = viewer.scene.camera
        camera.center = (*camera.center[:-2], *((low + high) / 2)[::-1])
        camera.zoom *= closer


def show_scale_bar(viewer: napari.viewer.Viewer, *, visible: bool) -> None:
    """Show or hide the scale bar; its unit is that of the layers."""
    viewer.canvas.overlays.scale_bar.visible = visible


def our_layers(viewer: napari.viewer.Viewer) -> list[tuple[Layer, dict[str, Any]]]:
    """Return the layers that carry our metadata, also those that the reader made, with the metadata."""
    return [(layer, layer.metadata[PLUGIN]) for layer in viewer.layers if PLUGIN in layer.metadata]


def adopt(viewer: napari.viewer.Viewer, workspace: Workspace) -> None:
    """Take the layers that our reader or sample made of the tissue as ours, so that a run replaces them."""
    source, known = source_of(workspace), set(workspace.layer_ids.values())
    for layer, about in our_layers(viewer):
        if about.get("source") == source and str(layer.unique_id) not in known:
            workspace.layer_ids.setdefault(about["key"], str(layer.unique_id))
            if rank(about["key"]) == IMAGE:
                follow_ground(viewer, workspace, layer)


def source_of(workspace: Workspace) -> str:
    """Return what layers of this tissue name as their source: the path of the file or the name of the sample."""
    if workspace.path is not None:
        return str(workspace.path)
    return "" if workspace.tissue is None else workspace.tissue.source


def _place(viewer: napari.viewer.Viewer, workspace: Workspace, key: Key) -> int:
    """Return the index for a new layer: above our layers of the same or a lower rank, below the others."""
    ranks = {layer_id: rank(other) for other, layer_id in workspace.layer_ids.items()}
    places = [(i, ranks.get(str(layer.unique_id))) for i, layer in enumerate(viewer.layers)]
    higher = [i for i, other in places if other is not None and other > rank(key)]
    lower = [i for i, other in places if other is not None and other <= rank(key)]
    if lower:
        return max(lower) + 1
    return min(higher) if higher else len(places)
