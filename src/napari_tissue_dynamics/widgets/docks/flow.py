"""The dock that shows a velocity as arrows, lines, moving particles and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QWidget

from napari_tissue_dynamics.analysis.arrows.streamlines import streamlines
from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.layers.expert_blend import BLEND, ENTROPY, blend_points, entropy_points
from napari_tissue_dynamics.layers.points import expert_points
from napari_tissue_dynamics.layers.streams import stream_vectors
from napari_tissue_dynamics.layers.vectors import arrow_length_words, grid_vectors, velocity_vectors
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.particle_animation import ParticleFilm
from napari_tissue_dynamics.widgets.canvas.time_animation import TimeFilm
from napari_tissue_dynamics.widgets.forms.fields import add_row, check_box, push_button, rows, sentences, stacked
from napari_tissue_dynamics.widgets.forms.section import Section
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.layers.points import LayerData

CELL_ARROWS, GRID_ARROWS, LINES = "velocity", "velocity grid", "streamlines"
FADED = "Fade low-confidence arrows"
NO_VELOCITY = "There is no velocity yet. Load a tissue and estimate its velocity first."
EXPERTS = {"one color each": "expert", "mixed colors": BLEND, "entropy": ENTROPY}
DRAW_EXPERTS = {"expert": expert_points, BLEND: blend_points, ENTROPY: entropy_points}


class FlowDock(Dock):
    """Chooses how the velocity of the workspace is drawn, and plays it."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.words = sentences("Shown layers")
        self.boxes = {
            CELL_ARROWS: check_box("Arrows on cells", "Draw an arrow on every cell."),
            GRID_ARROWS: check_box("Arrows on a grid", "Draw arrows smoothed over neighboring cells."),
            LINES: check_box("Streamlines", "Draw evenly spaced lines along the smoothed arrows."),
        }
        self.faded = check_box(FADED, "Arrows that differ from those of the nearest cells are faint.")
        self.faded.setChecked(True)
        self.length = sentences("Meaning of the arrows")
        self.particles = ParticleFilm(viewer, self.workspace)
        self.clear_particles = push_button("Remove particles", "Stop the particle animation.")
        self.time = TimeFilm(viewer, self.workspace)
        self.experts = QComboBox()
        self.show_experts = push_button("Show experts", "Color the cells by the experts.")
        self._arrange()
        self._connect()
        self._refresh()

    def draw(self, key: str, *, shown: bool) -> None:
        """Draw arrows or lines, or put them out of sight."""
        layer = _viewer.find(self.viewer, self.workspace, key)
        if layer is not None:
            layer.visible = shown
        elif shown:
            data = self._layer_data(key)
            if data is not None:
                with _viewer.same_selection(self.viewer):
                    _viewer.show(self.viewer, self.workspace, data, key=key)

    def draw_experts(self) -> None:
        """Color the cells by the experts as chosen."""
        tissue, result = self.workspace.tissue, self.workspace.velocity
        if tissue is None or result is None:
            self.show_error(NO_VELOCITY)
            return
        self.clear_error()
        self.time.stop()
        key = EXPERTS[self.experts.currentText()]
        _viewer.present(self.viewer, self.workspace, DRAW_EXPERTS[key](tissue, result.field), key=key)

    def _layer_data(self, key: str) -> LayerData | None:
        tissue, result = self.workspace.tissue, self.workspace.velocity
        if tissue is None or result is None:
            self.show_error(NO_VELOCITY)
            return None
        if key == LINES:
            return stream_vectors(streamlines(result.grid), unit=tissue.unit, evidence=result.evidence)
        if key == GRID_ARROWS:
            return grid_vectors(result.grid, unit=tissue.unit, evidence=result.evidence)
        sure = result.confidence if self.faded.isChecked() else None
        places, evidence = tissue.positions, result.evidence
        return velocity_vectors(places, result.arrows, unit=tissue.unit, evidence=evidence, confidence=sure)

    def _fade(self) -> None:
        """Redraw the arrows on cells, faint or not."""
        layer = _viewer.find(self.viewer, self.workspace, CELL_ARROWS)
        data = self._layer_data(CELL_ARROWS) if layer is not None else None
        if data is not None:
            with _viewer.same_selection(self.viewer):
                _viewer.show(self.viewer, self.workspace, data, key=CELL_ARROWS)

    def _arrange(self) -> None:
        drawn, films, moving, experts = (QWidget() for _ in range(4))
        stacked(drawn, *self.boxes.values(), self.faded)
        stacked(moving, self.particles, self.clear_particles)
        stacked(films, self.time)
        fields = rows()
        self.experts.addItems(list(EXPERTS))
        add_row(fields, "Experts as", self.experts, "How the expert weights of the cells are colored.")
        stacked(experts, fields, self.show_experts)
        self.sections = {
            "drawn": Section("Arrows and lines", drawn, "Show or hide the arrows and streamlines."),
            "particles": Section("Moving particles", moving, "Show or hide particles that drift with the velocity."),
            "time": Section("Latent time animation", films, "Show or hide the animation of latent time."),
            "experts": Section("Experts", experts, "Show or hide how experts are drawn."),
        }
        for widget in (self.words, self.sections["drawn"], self.length, *list(self.sections.values())[1:]):
            self.column.addWidget(widget)
        for name in ("drawn", "particles", "time"):
            self.sections[name].expand(animate=False)
        self.column.addStretch()

    def _connect(self) -> None:
        for key, box in self.boxes.items():
            box.toggled.connect(lambda shown, key=key: self.draw(key, shown=shown))
        self.faded.toggled.connect(lambda *_: self._fade())
        self.show_experts.clicked.connect(self.draw_experts)
        self.clear_particles.clicked.connect(self.particles.stop)
        listen(self, self.workspace.tissue_changed, self._refresh)
        listen(self, self.workspace.velocity_changed, self._refresh)
        listen(self, self.viewer.layers.events.inserted, self._watch)
        listen(self, self.viewer.layers.events.removed, self._follow)
        for layer, _ in _viewer.our_layers(self.viewer):
            listen(self, layer.events.visible, self._follow)
        self.destroyed.connect(self.particles.player.pause)

    def _refresh(self) -> None:
        """Fit the controls to the velocity of the workspace; films of an earlier one end."""
        tissue, result = self.workspace.tissue, self.workspace.velocity
        self.particles.stop()
        self.time.stop()
        _viewer.remove(self.viewer, self.workspace, lambda key: key in (LINES, BLEND, ENTROPY))
        has = tissue is not None and result is not None
        self.words.setText("" if has else NO_VELOCITY)
        self.words.setVisible(not has)
        for box in (*self.boxes.values(), self.particles, self.clear_particles):
            box.setEnabled(has)
        field = result.field if has and result is not None else None
        self.faded.setEnabled(result is not None and result.confidence is not None)
        self.time.setEnabled(field is not None and field.time is not None)
        self.sections["experts"].setVisible(field is not None and field.expert_probability is not None)
        if tissue is None or result is None:
            self.length.clear()
        else:
            words = direction_in_words(result.evidence), arrow_length_words(result.arrows, tissue.unit)
            self.length.setText("\n".join(words))
        self._follow()

    def _watch(self, event: Any) -> None:
        """Follow a new layer also when it is hidden in the list of layers."""
        listen(self, event.value.events.visible, self._follow)
        self._follow()

    def _follow(self, event: object = None) -> None:
        """Update the check boxes to what is visible."""
        # By the key that a layer carries: one that is being added is not known to the workspace yet.
        seen = {about.get("key") for layer, about in _viewer.our_layers(self.viewer) if layer.visible}
        for key, box in self.boxes.items():
            with QSignalBlocker(box):
                box.setChecked(key in seen)
