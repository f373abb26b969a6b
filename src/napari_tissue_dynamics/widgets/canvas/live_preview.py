"""The picture of a running fit: layers of its own that change in place and leave no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.preview import live_layers, live_values
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.workflow import VelocityPreview

if TYPE_CHECKING:
    from collections.abc import Iterable

    import napari
    from napari.layers import Layer

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData
    from napari_tissue_dynamics.widgets.state.jobs import Report
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

CELLS = ("expert", "latent time")
ARROWS = ("velocity grid", "velocity")
"""Results of an earlier fit that are out of sight while those of a running one are shown."""


class LivePreview:
    """Shows what a running fit has found so far in place of earlier results, which come back as they were.

    Parameters
    ----------
    first_seen
        Names of the layers that can be seen at once when there is no earlier result.
    arrows_only
        Show nothing but new arrows; all else stays.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        workspace: Workspace,
        tissue: Tissue,
        first_seen: Iterable[str],
        *,
        arrows_only: bool = False,
    ) -> None:
        self._viewer, self._workspace, self._tissue = viewer, workspace, tissue
        self._first_seen = tuple(first_seen)
        self._arrows_only = arrows_only
        self._drawn = False
        self._hidden: list[str] = []
        self._last: dict[str, dict[str, Any]] = {}

    def take(self, report: Report) -> None:
        """Show the last picture that a report brings, if it brings one."""
        previews = [each for each in report.snapshots if isinstance(each, VelocityPreview)]
        if previews:
            self.show(previews[-1])

    def show(self, preview: VelocityPreview) -> None:
        """Draw a picture: the first one on new layers, all later ones on these."""
        time, experts = preview.time, preview.expert_probability
        if self._arrows_only:
            time = experts = None
        parts = (self._tissue, time, experts, preview.arrows)
        if not self._drawn:
            self._drawn = True
            self._draw(live_layers(*parts))
            return
        self._last = {_viewer.RUNNING + name: values for name, values in live_values(*parts).items()}
        self._catch_up()
        self._workspace.legend_changed.emit()

    def end(self) -> None:
        """Take the layers away and show again what they stood for."""
        _viewer.remove(self._viewer, self._workspace, lambda key: str(key).startswith(_viewer.RUNNING))
        for layer in self._viewer.layers:
            if str(layer.unique_id) in self._hidden:
                layer.visible = True
        self._hidden.clear()
        self._last.clear()
        self._workspace.legend_changed.emit()

    def _draw(self, layers: list[LayerData]) -> None:
        seen = self._seen()
        with _viewer.same_selection(self._viewer):
            for array, options, kind in layers:
                name = options["name"]
                data = (array, {**options, "name": _viewer.RUNNING + name}, kind)
                layer = _viewer.show(self._viewer, self._workspace, data, visible=name in seen)
                layer.events.visible.connect(self._catch_up)
        self._workspace.legend_changed.emit()

    def _seen(self) -> set[str]:
        """Return what to show, and hide what is shown in its place."""
        covered = ARROWS if self._arrows_only else (*CELLS, *ARROWS)
        earlier = {name: _viewer.find(self._viewer, self._workspace, name) for name in covered}
        if not self._arrows_only and all(layer is None for layer in earlier.values()):
            self._hide(layer for _, layer in _viewer.colorings(self._viewer, self._workspace))
            return set(self._first_seen)
        seen = {name for name, layer in earlier.items() if layer is not None and layer.visible}
        self._hide(layer for layer in earlier.values() if layer is not None)
        return seen

    def _hide(self, layers: Iterable[Layer]) -> None:
        for layer in layers:
            if layer.visible:
                self._hidden.append(str(layer.unique_id))
                layer.visible = False

    def _catch_up(self, event: object = None) -> None:
        """Bring the layers that can be seen up to date; the others are when they are shown."""
        for key in list(self._last):
            layer = _viewer.find(self._viewer, self._workspace, key)
            if layer is not None and layer.visible:
                values = self._last.pop(key)
                _change(layer, values)
                if "data" in values:
                    _viewer.ink(
                        self._viewer, self._workspace, layer
                    )  # arrows that were added have the color of the first drawing


def _change(layer: Layer, values: dict[str, Any]) -> None:
    if "metadata" in values:
        layer.metadata[PLUGIN].update(values["metadata"][PLUGIN])
    if "data" in values:
        layer.data = values["data"]
    if "face_color" in values:
        with layer.events.blocker_all():  # the color of the borders draws both
            layer.face_color = values["face_color"]
        layer.border_color = values["border_color"]
