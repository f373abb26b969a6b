"""Root cells, if known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, push_button, rows, sentences, stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.file_contents import Contents
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetics.root_cells import Origin

    Known = Callable[[Tissue], Origin | None]

NOTHING, CELLS, TYPE, STAGE = "unknown", "selected cells", "cell type", "stage of the cells"
STOPPED = "as in the stopped run"


class OriginForm(QWidget):
    """Chooses cells, a cell type or a column of stages with which latent time begins."""

    selection_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind, self.cell_type, self.stage = narrow_combo(), narrow_combo(), narrow_combo()
        self.use_selected = push_button("Use selected cells", "Use the cells selected in a points layer as root cells.")
        self.words = sentences("Root cells")
        self._source: Source | None = None
        self._roots: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._stopped: Origin | None = None
        self._fields = rows()
        for name, combo, tooltip in (
            ("Known", self.kind, "Known order of the cells; inferred from splicing if unset."),
            ("Cell type", self.cell_type, "The cell type of the root cells."),
            (
                "Stage",
                self.stage,
                "Column of obs with stages: numbers, names with a number in each, or ordered categories.",
            ),
        ):
            add_row(self._fields, name, combo, tooltip)
        stacked(self, self._fields, self.use_selected, self.words)
        self.kind.currentTextChanged.connect(self._refresh)
        self.use_selected.clicked.connect(self.selection_requested.emit)
        self.offer(None, None, None)

    def offer(self, tissue: Tissue | None, source: Source | None, contents: Contents | None) -> None:
        """Offer the choices for a tissue, and forget those for the last one."""
        types = () if tissue is None or tissue.cell_types is None else tissue.cell_types.categories
        stages = contents.stages if contents is not None and source is not None else ()
        self._source = source
        self._roots = np.empty(0, dtype=np.intp)
        self._stopped = None
        kinds = [NOTHING, CELLS, *([TYPE] if types else []), *([STAGE] if stages else [])]
        for combo, items in ((self.cell_type, types), (self.stage, stages), (self.kind, kinds)):
            combo.clear()
            combo.addItems(list(items))
        self._refresh()

    def take_cells(self, cells: Sequence[int]) -> None:
        """Begin with these cells, given by their place in the tissue."""
        self._roots = np.array(sorted(cells), dtype=np.intp)
        self._refresh()

    def take_stopped(self, origin: Origin) -> None:
        """Use the root cells of the run to be resumed."""
        self._stopped = origin
        nothing = origin.roots is None and origin.stage is None
        if not nothing and self.kind.findText(STOPPED) < 0:
            self.kind.addItem(STOPPED)
        self.kind.setCurrentText(NOTHING if nothing else STOPPED)

    def block(self, reason: str) -> None:
        """Disable the fields for ``reason``; an empty reason enables them."""
        for widget in (self.kind, self.cell_type, self.stage, self.use_selected):
            widget.setEnabled(not reason)
        self.setToolTip(reason)
        self._refresh()

    def value(self) -> Known:
        """Return what gives the beginning for a tissue; it may read from the file and belongs into a worker.

        Raises
        ------
        DataError
            If cells are to be chosen and none are.
        """
        from napari_tissue_dynamics.kinetics.root_cells import Origin
        from napari_tissue_dynamics.workflow import origin_of

        kind, source = self.kind.currentText(), self._source
        root_type, stage, roots = self.cell_type.currentText(), self.stage.currentText(), self._roots
        if not self.kind.isEnabled() or kind == NOTHING:
            return lambda tissue: None
        if kind == STOPPED:
            stopped = self._stopped
            return lambda tissue: stopped
        if kind == TYPE:
            return lambda tissue: origin_of(tissue, root_type=root_type)
        if kind == STAGE:
            return lambda tissue: origin_of(tissue, stage=stage, source=source)
        if not len(roots):
            raise DataError(
                "Root cells are set to selected cells, but none are selected. "
                "Select points in a layer of the cells and press 'Use selected cells', or choose 'unknown'."
            )
        return lambda tissue: Origin(roots=roots)

    def in_words(self, tissue: Tissue) -> dict[str, Any]:
        """Return what is given, by the names of the arguments of :func:`.workflow.origin_of`, for the log."""
        kind = self.kind.currentText()
        if not self.kind.isEnabled() or kind == NOTHING:
            return {}
        if kind == TYPE:
            return {"root_type": self.cell_type.currentText()}
        if kind == STAGE:
            return {"stage": self.stage.currentText()}
        if kind == STOPPED:
            roots = None if self._stopped is None else self._stopped.roots
            return {} if roots is None else {"root_cells": [tissue.cells[cell] for cell in roots]}
        return {"root_cells": [tissue.cells[cell] for cell in self._roots]}

    def _refresh(self, *_: object) -> None:
        kind = self.kind.currentText()
        for combo, shown in ((self.cell_type, TYPE), (self.stage, STAGE)):
            self._fields.setRowVisible(combo, kind == shown)
        self.use_selected.setVisible(kind == CELLS)
        n = len(self._roots)
        text = self.toolTip()
        if kind == CELLS and not text:
            text = f"Root cells: {n} selected cell{'' if n == 1 else 's'}." if n else "No root cells selected."
        self.words.setText(text)
        self.words.setVisible(bool(text))
