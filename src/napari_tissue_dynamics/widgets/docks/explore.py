"""The dock to color cells by any of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_tissue_dynamics.layers.colorable import GROUPS, Catalog, Entry, Sources
from napari_tissue_dynamics.layers.colored_points import NAME, colored_values
from napari_tissue_dynamics.layers.coloring import CategoryColoring, ValueColoring, coloring_of, prepared
from napari_tissue_dynamics.layers.colors import category_colors
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.coloring_view import draw_coloring, recolor
from napari_tissue_dynamics.widgets.canvas.hover_card import HoverCard
from napari_tissue_dynamics.widgets.forms.fields import check_box, push_button, sentences
from napari_tissue_dynamics.widgets.forms.search_box import SearchBox
from napari_tissue_dynamics.widgets.panels.category_panel import CategoryPanel
from napari_tissue_dynamics.widgets.panels.colorable_sources import sources_of
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.value_panel import ValuePanel
from napari_tissue_dynamics.widgets.plots.legend import legend_of
from napari_tissue_dynamics.widgets.state.connect import listen
from napari_tissue_dynamics.widgets.state.preferences import preferences

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.layers.coloring import Coloring
    from napari_tissue_dynamics.layers.colors import MapName

DRAW_EVERY = 40
"""Milliseconds between two drawings while a limit is dragged; what comes in between is skipped."""
NO_TISSUE = "Load a tissue first."
NOTHING = "Choose what to show: type part of its name above."
RESULTS = ("result", "velocity", "beta")


class ExploreDock(Dock):
    """Joins the search, the legends that can be changed, and one layer of cells that is recolored in place."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.search = SearchBox()
        self.title = sentences("What is shown")
        self.pinned = push_button("Pin", "Keep this entry at the top of the list (Ctrl+P).")
        self.values, self.categories = ValuePanel(), CategoryPanel()
        self.hidden = QLabel()
        self.undo, self.redo = push_button("Undo"), push_button("Redo")
        tip = "Name, type, shown value, time and expert of the cell under the mouse."
        self.hover = check_box("Card of the cell under the mouse", tip)
        self.card = HoverCard(viewer, self)
        self.entry: Entry | None = None
        self._wanted: Entry | None = None
        kept = preferences()
        self._maps: dict[bool, MapName] = {False: kept.values_map, True: kept.signed_map}
        self._draw_soon = QTimer(self)
        self._arrange()
        self._connect()
        self._offer()
        self._show_panels()

    def color_by(self, entry: Entry) -> None:
        """Color the cells by an entry; it is read in a thread."""
        sources = sources_of(self.workspace)
        if sources is None:
            self.show_error(NO_TISSUE)
            return
        self.clear_error()
        self._wanted = entry
        self.workspace.log.add("color", by=entry.group, name=entry.name)
        self._read(sources, entry)

    def _read(self, sources: Sources, entry: Entry) -> None:
        self.fetcher.fetch(lambda: (sources.tissue, entry, prepared(entry.name, sources.read(entry))))

    def _arrived(self, found: tuple[object, Entry, Coloring]) -> None:
        tissue, entry, coloring = found
        if tissue is not self.workspace.tissue:
            return  # another tissue was loaded meanwhile
        again = entry == self.entry
        self.entry = entry
        self.search.remember(entry)
        self.workspace.set_coloring(self._as_left(coloring))
        wanted, self._wanted = self._wanted, None
        if not again or entry == wanted:
            self._draw(alone=True)
        elif _viewer.find(self.viewer, self.workspace, NAME) is not None:
            self._draw()  # a new fit of what was chosen; a layer that was deleted stays away

    def _as_left(self, coloring: Coloring) -> Coloring:
        """Return a new coloring with the colors and the map chosen by the user before."""
        if isinstance(coloring, ValueColoring):
            chosen = self._maps.get(coloring.values.signed)
            return coloring.with_map(chosen) if chosen else coloring
        labels = coloring.labels
        own = self.workspace.palettes.get(labels.name, {})
        if not own:
            return coloring
        colors = category_colors(labels.categories, labels.colors) | dict(own)
        return coloring.with_colors([colors[name] for name in labels.categories])

    def _changed(self, coloring: ValueColoring) -> None:
        before = self.workspace.coloring
        if isinstance(before, ValueColoring) and before.scale.colormap != coloring.scale.colormap:
            self._maps[coloring.values.signed] = coloring.scale.colormap
        self.workspace.set_coloring(coloring)
        if not self._draw_soon.isActive():
            self._draw_soon.start()

    def _draw_seen(self) -> None:
        """Update the layer after a manual change, and show it."""
        layer = _viewer.find(self.viewer, self.workspace, NAME)
        self._draw(alone=layer is None or not layer.visible)

    def _draw(self, *, alone: bool = False) -> None:
        draw_coloring(self.viewer, self.workspace, alone=alone)

    def _hide(self, names: frozenset[str]) -> None:
        coloring = self.workspace.coloring
        if isinstance(coloring, CategoryColoring):
            self.workspace.hide(coloring.labels, names)
            self.workspace.log.add("hide", column=coloring.labels.name, categories=sorted(names))

    def _recolor_category(self, name: str, color: str) -> None:
        coloring = self.workspace.coloring
        if isinstance(coloring, CategoryColoring):
            labels = coloring.with_color(name, color).labels
            seen = dict(zip(labels.categories, labels.colors or (), strict=True))  # all, as they are seen now
            self.workspace.set_palette(labels.name, seen, f"color of {name}")

    def _palettes_changed(self) -> None:
        coloring = self.workspace.coloring
        if isinstance(coloring, CategoryColoring) and self.entry is not None:
            self._read_again()  # colors that are undone may be those of the file
        types = self.workspace.tissue.cell_types if self.workspace.tissue else None
        cells = _viewer.find(self.viewer, self.workspace, "cells")
        legend = None if cells is None else legend_of(cells)
        if types is not None and cells is not None and legend is not None and legend.title == types.name:
            recolor(cells, colored_values(self._as_left(coloring_of(types.name, types))))
            self.workspace.legend_changed.emit()

    def _hidden_changed(self) -> None:
        self._show_panels()
        if self.workspace.coloring is not None:
            self._draw_seen()

    def _offer(self) -> None:
        sources = sources_of(self.workspace)
        self.search.offer(Catalog({} if sources is None else sources.names()))

    def _results_changed(self) -> None:
        self._offer()
        if self.entry is not None and self.entry.group in RESULTS and self.workspace.coloring is not None:
            self._read_again()

    def _read_again(self) -> None:
        """Read what is shown once more, when there still is such an entry."""
        sources, entry = sources_of(self.workspace), self.entry
        if sources is not None and entry is not None and entry in Catalog(sources.names()):
            self._wanted = None
            self._read(sources, entry)

    def _tissue_changed(self) -> None:
        self.fetcher.forget()
        self.entry = self._wanted = None
        self._offer()

    def _show_panels(self) -> None:
        coloring = self.workspace.coloring
        if coloring is None or (self.entry is not None and coloring.title != self.entry.name):
            self.entry = None  # another dock has colored the cells
        self.values.setVisible(isinstance(coloring, ValueColoring))
        self.categories.setVisible(isinstance(coloring, CategoryColoring))
        self.pinned.setVisible(self.entry is not None)
        if isinstance(coloring, ValueColoring):
            self.values.show_coloring(coloring)
        elif isinstance(coloring, CategoryColoring):
            hidden = self.workspace.hidden.get(coloring.labels.name, frozenset())
            self.categories.show_coloring(coloring, hidden)
        if coloring is None:
            self.title.setText(NO_TISSUE if self.workspace.tissue is None else NOTHING)
        else:
            kind = "" if self.entry is None else f" ({GROUPS[self.entry.group]})"
            self.title.setText(f"<b>{_plain(coloring.title)}</b>{kind}")
            self.pinned.setChecked(self.entry in self.search.pinned)
        self._tell_hidden()

    def _tell_hidden(self) -> None:
        shown = self.workspace.shown_cells
        self.hidden.setVisible(shown is not None)
        if shown is not None:
            columns = ", ".join(name for name, names in self.workspace.hidden.items() if names)
            self.hidden.setText(f"{int((~shown).sum()):,} of {len(shown):,} cells hidden ({columns}).")
        self.categories.all.setEnabled(shown is not None)

    def _undo_changed(self) -> None:
        stack = self.workspace.undo
        for button, words, key in (
            (self.undo, stack.undo_words, "Ctrl+Z"),
            (self.redo, stack.redo_words, "Ctrl+Shift+Z"),
        ):
            button.setEnabled(bool(words))
            what = button.text().lower()
            button.setToolTip(f"{button.text()}: {words} ({key})" if words else f"There is nothing to {what} ({key}).")

    def _toggle_pin(self, pinned: bool) -> None:
        if self.entry is not None:
            self.search.pin(self.entry, pinned)

    def _hover_toggled(self, on: bool) -> None:
        self.card.enabled = on
        self.card.draw()

    def _connect(self) -> None:
        self._draw_soon.setSingleShot(True)
        self._draw_soon.setInterval(DRAW_EVERY)
        self._draw_soon.timeout.connect(self._draw_seen)
        self.search.chosen.connect(self.color_by)
        self.values.changed.connect(self._changed)
        self.categories.hidden_changed.connect(self._hide)
        self.categories.color_changed.connect(self._recolor_category)
        self.categories.all.clicked.connect(self.workspace.show_all)
        self.pinned.toggled.connect(self._toggle_pin)
        self.undo.clicked.connect(self.workspace.undo.undo)
        self.redo.clicked.connect(self.workspace.undo.redo)
        self.hover.toggled.connect(self._hover_toggled)
        workspace = self.workspace
        listen(self, workspace.tissue_changed, self._tissue_changed)
        listen(self, workspace.velocity_changed, self._results_changed)
        listen(self, workspace.regulation_changed, self._results_changed)
        listen(self, workspace.fate_changed, self._results_changed)
        listen(self, workspace.hidden_changed, self._hidden_changed)
        listen(self, workspace.coloring_changed, self._show_panels)
        listen(self, workspace.palettes_changed, self._palettes_changed)
        listen(self, workspace.undo.changed, self._undo_changed)
        self.on_keys("Ctrl+F", self.search.line.setFocus)
        self.on_keys("Ctrl+Z", workspace.undo.undo)
        self.on_keys("Ctrl+Shift+Z", workspace.undo.redo)
        self.on_keys("Ctrl+P", self.pinned.toggle)
        self._undo_changed()

    def _arrange(self) -> None:
        self.pinned.setCheckable(True)
        self.pinned.setAccessibleName("Pin this entry")
        self.title.setTextFormat(Qt.TextFormat.RichText)
        self.hover.setChecked(preferences().hover_card)
        self.hidden.setWordWrap(True)
        self.hidden.setAccessibleName("Hidden cells")
        head, steps = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.pinned, 0, Qt.AlignmentFlag.AlignTop)
        steps.addWidget(self.undo)
        steps.addWidget(self.redo)
        self.column.addWidget(self.search)
        self.column.addLayout(head)
        for widget in (self.values, self.categories, self.hidden):
            self.column.addWidget(widget)
        self.column.addLayout(steps)
        self.column.addWidget(self.hover)
        self.column.addStretch()


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
