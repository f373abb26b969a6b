"""What is loaded and fitted in one viewer, shared by its docks."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_tissue_dynamics.data.io.action_log import IMAGE, LOAD, ActionLog
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.layers.coloring import shown_cells
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue
from napari_tissue_dynamics.widgets.state.run_queue import RunQueue
from napari_tissue_dynamics.widgets.state.runs import Run, kept
from napari_tissue_dynamics.widgets.state.undo import UndoStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import napari
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.fate.fate import FateConfig
    from napari_tissue_dynamics.analysis.image.alignment import ImageCheck
    from napari_tissue_dynamics.analysis.readiness.readiness import Readiness
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.file_contents import Contents
    from napari_tissue_dynamics.data.io.read import ReadOptions
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.regulation_field import LayerKey, RegulationField
    from napari_tissue_dynamics.data.tissue import Histology, Labels, Tissue
    from napari_tissue_dynamics.layers.coloring import Coloring
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.widgets.state.runs import Kind
    from napari_tissue_dynamics.workflow import VelocityResult


IN_MEMORY = "an AnnData in memory"
"""Where a tissue without a file comes from, in the log; to do it again a file is named."""

Key: TypeAlias = "str | LayerKey"
"""What a layer of ours shows."""


class Workspace:
    """The tissue, the results and the running fit of one viewer.

    Everything in it is immutable and replaced as a whole; the signals announce what was replaced.

    Attributes
    ----------
    token
        What layers of this workspace carry, so that they are known among those of other viewers.
    tissue
        The loaded tissue, or None.
    source, contents
        The file or the AnnData it came from and what that holds, None for simulated tissues.
    read_options
        Which parts of the file were read as what, None for the defaults.
    readiness
        What the file holds for a fit and what stands in its way, or None.
    image_check
        Where the images of the tissue show tissue, to judge how they lie, or None.
    velocity, regulation
        Results on this tissue, or None.
    fate
        Where the cells end up by this velocity, or None.
    velocity_config, regulation_config, fate_config
        The settings they were fitted with.
    velocity_model
        File of the network behind the velocity, for other tissues, or None.
    runs
        Results on this tissue, the latest last; the oldest give way when they take too much memory.
    running
        What is running, in words; empty when nothing is.
    layer_ids
        ``unique_id`` of the napari layer drawn for each of our keys.
    legend_opened
        Whether the legend has been opened in this viewer before.
    current_cell
        Index of the cell that was clicked last, or None.
    selection
        (cells,) mask of the selected cells, read-only, or None when no cell is selected.
    hidden
        Categories that are out of sight, by the name of their column.
    coloring
        How the Explore dock colors the cells now, or None.
    palettes
        Colors set by the user for categories, ``#rrggbb`` by category, by the name of their column.
    queue
        Runs on this tissue that wait for the one that is running.
    log
        What was done with the tissue, to be done again.
    undo
        What can be undone: selections, hidden categories and moves of images.
    """

    tissue_changed = Signal()
    velocity_changed = Signal()
    fate_changed = Signal()
    regulation_changed = Signal()
    runs_changed = Signal()
    running_changed = Signal(str)
    legend_changed = Signal()
    cell_changed = Signal()
    selection_changed = Signal()
    hidden_changed = Signal()
    images_changed = Signal()
    coloring_changed = Signal()
    palettes_changed = Signal()

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self.tissue: Tissue | None = None
        self.source: Source | None = None
        self.contents: Contents | None = None
        self.image_check: ImageCheck | None = None
        self.readiness: Readiness | None = None
        self.read_options: ReadOptions | None = None
        self.velocity: VelocityResult | None = None
        self.velocity_config: Any = None
        self.velocity_model: Path | None = None
        self.fate: FateResult | None = None
        self.fate_config: FateConfig | None = None
        self.regulation: RegulationField | None = None
        self.regulation_config: TravlrConfig | None = None
        self.runs: tuple[Run, ...] = ()
        self.running = ""
        self.layer_ids: dict[Key, str] = {}
        self.legend_opened = False
        self.current_cell: int | None = None
        self.selection: NDArray[np.bool_] | None = None
        self.hidden: Mapping[str, frozenset[str]] = {}
        self.coloring: Coloring | None = None
        self.palettes: Mapping[str, Mapping[str, str]] = {}
        self.undo = UndoStack()
        self.log = ActionLog()
        self.queue = RunQueue()
        self._hidden_labels: dict[str, Labels] = {}
        self._folder: Path | None = None
        self._models = 0

    @property
    def path(self) -> Path | None:
        """The file that the tissue came from, None where there is none."""
        return self.source if isinstance(self.source, Path) else None

    @property
    def busy(self) -> str:
        """Why nothing else can begin now, a sentence; empty when nothing is running."""
        return f"{self.running} is still running." if self.running else ""

    def set_tissue(self, opened: OpenedTissue | Tissue) -> None:
        """Replace the tissue; results on the previous one are dropped with it."""
        opened = opened if isinstance(opened, OpenedTissue) else OpenedTissue(opened)
        self.tissue, self.source, self.contents = opened.tissue, opened.source, opened.contents
        self.image_check, self.readiness, self.read_options = opened.image_check, opened.readiness, opened.options
        self.velocity = self.regulation = self.fate = None
        self.runs = ()
        self.velocity_config = self.regulation_config = self.velocity_model = self.fate_config = None
        self.current_cell, self.selection, self.hidden = None, None, {}
        self.coloring, self.palettes = None, {}
        self._hidden_labels.clear()
        self.undo.clear()
        self.queue.clear()
        self.log = ActionLog()
        place = IN_MEMORY if self.path is None and self.source is not None else self.path
        self.log.add(LOAD, path=place, options=opened.options, cells=opened.tissue.n_cells, genes=opened.tissue.n_genes)
        self.tissue_changed.emit()
        self.velocity_changed.emit()
        self.fate_changed.emit()
        self.regulation_changed.emit()
        self.runs_changed.emit()
        self.cell_changed.emit()
        self.selection_changed.emit()
        self.hidden_changed.emit()
        self.coloring_changed.emit()

    def set_image(self, image: Histology) -> None:
        """Put an image in the place of the one of its name; cells and results stay."""
        if self.tissue is not None:
            images = tuple(image if each.name == image.name else each for each in self.tissue.histology)
            self.tissue = self.tissue.with_(histology=images)
            self.log.add(IMAGE, image=image.name, placement=str(image.placement))
            self.images_changed.emit()

    def set_velocity(
        self,
        velocity: VelocityResult,
        config: Any = None,
        model: Path | None = None,
    ) -> None:
        """Replace the velocity of the tissue; fates are dropped unless the same velocities were only redrawn."""
        same = self.velocity is not None and self.velocity.field is velocity.field
        self.velocity, self.velocity_config, self.velocity_model = velocity, config, model
        self._remember("velocity", velocity, config, model)
        self.velocity_changed.emit()
        if not same and self.fate is not None:
            self.set_fate(None)

    def set_fate(self, fate: FateResult | None, config: FateConfig | None = None) -> None:
        """Replace where the cells end up."""
        self.fate, self.fate_config = fate, config
        self.fate_changed.emit()

    def set_regulation(self, regulation: RegulationField, config: TravlrConfig | None = None) -> None:
        """Replace the regulation of the tissue."""
        self.regulation, self.regulation_config = regulation, config
        self._remember("regulation", regulation, config)
        self.regulation_changed.emit()

    def _remember(self, kind: Kind, result: Any, config: Any, model: Path | None = None) -> None:
        """Keep a result among the runs; the same velocities redrawn take their own place."""
        if result is None:
            return
        runs = list(self.runs)
        for index, run in enumerate(runs):
            if run.kind == kind and _same(run.result, result):
                runs[index] = replace(run, result=result)
                break
        else:
            number = 1 + max((run.number for run in runs), default=0)
            runs.append(Run(number, kind, result, config, model, datetime.now().astimezone()))
        self.runs = kept(tuple(runs))
        self.runs_changed.emit()

    def saver(self) -> Callable[..., Path]:
        """Return a function that writes the tissue and all results as they are now; it takes the path.

        It may be called in another thread, and takes ``overwrite_source`` as :func:`.workflow.save`.

        Raises
        ------
        DataError
            If there is no tissue.
        """
        if self.tissue is None:
            raise DataError("There is nothing to save. Load a file first.")
        from napari_tissue_dynamics.workflow import save

        made = (self.velocity_config, self.regulation_config, self.fate_config)
        return partial(
            save,
            tissue=self.tissue,
            source=self.source,
            velocity=self.velocity,
            regulation=self.regulation,
            fate=self.fate,
            settings=[each for each in made if each is not None],
            actions=self.log.actions,
            palettes=self.palettes,
        )

    def pick(self, cell: int | None) -> None:
        """Make a cell, counted from 0, the current one; None for no cell.

        Raises
        ------
        DataError
            If there is no such cell.
        """
        n_cells = 0 if self.tissue is None else self.tissue.n_cells
        if cell is not None and not 0 <= cell < n_cells:
            raise DataError(f"There is no cell {cell}; the tissue has {n_cells} cells, counted from 0. Choose another.")
        if cell != self.current_cell:
            self.current_cell = cell
            self.cell_changed.emit()

    def select(self, mask: NDArray[np.bool_] | None, words: str = "selection") -> None:
        """Replace the selection; this can be undone.

        Parameters
        ----------
        mask
            (cells,) which cells are selected; None or a mask without any cell for no selection. It is copied.
        words
            What the step is called by Undo.

        Raises
        ------
        DataError
            If the mask has another number of cells than the tissue.
        """
        before, after = self.selection, self._checked(mask)
        if before is after is None or (before is not None and after is not None and np.array_equal(before, after)):
            return
        self._set_selection(after)
        self.undo.add(words, lambda: self._set_selection(before), lambda: self._set_selection(after))

    def hide(self, labels: Labels, names: Iterable[str], words: str = "hidden categories") -> None:
        """Put exactly these categories out of sight; this can be undone.

        Parameters
        ----------
        names
            Those that are not seen; "unassigned" are the cells without a category.
        words
            What the step is called by Undo.
        """
        before, after = self.hidden, {**self.hidden, labels.name: frozenset(names)}
        if before.get(labels.name, frozenset()) != after[labels.name]:
            self._hidden_labels[labels.name] = labels
            self._set_hidden(after)
            self.undo.add(words, lambda: self._set_hidden(before), lambda: self._set_hidden(after))

    def show_all(self) -> None:
        """Show all hidden categories of all columns."""
        before, after = self.hidden, dict[str, frozenset[str]]()
        if any(before.values()):
            self._set_hidden(after)
            self.undo.add("show all", lambda: self._set_hidden(before), lambda: self._set_hidden(after))

    def set_palette(self, column: str, colors: Mapping[str, str], words: str = "color") -> None:
        """Give the categories of a column other colors, ``#rrggbb``; this can be undone."""
        before, after = self.palettes, {**self.palettes, column: dict(colors)}
        self._set_palettes(after)
        self.undo.add(words, lambda: self._set_palettes(before), lambda: self._set_palettes(after))

    @property
    def shown_cells(self) -> NDArray[np.bool_] | None:
        """(cells,) which cells are in no hidden category, None when all are seen."""
        masks = [shown_cells(self._hidden_labels[name], names) for name, names in self.hidden.items() if names]
        return np.logical_and.reduce(masks) if masks else None

    def set_coloring(self, coloring: Coloring | None) -> None:
        """Replace how the cells are colored."""
        self.coloring = coloring
        self.coloring_changed.emit()

    def _checked(self, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if mask is None:
            return None
        n_cells = 0 if self.tissue is None else self.tissue.n_cells
        checked = np.array(mask, dtype=np.bool_)
        if checked.shape != (n_cells,):
            raise DataError(f"The selection is {checked.shape}; ({n_cells},) was expected, one truth value per cell.")
        checked.flags.writeable = False
        return checked if checked.any() else None

    def _set_selection(self, mask: NDArray[np.bool_] | None) -> None:
        self.selection = mask
        self.selection_changed.emit()

    def _set_palettes(self, palettes: Mapping[str, Mapping[str, str]]) -> None:
        self.palettes = palettes
        self.palettes_changed.emit()

    def _set_hidden(self, hidden: Mapping[str, frozenset[str]]) -> None:
        self.hidden = hidden
        self.hidden_changed.emit()

    def new_model(self) -> Path:
        """Return where the network of a next fit can be written to; it is gone when the workspace is."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="tissue-dynamics-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        needed = {self.velocity_model, *(run.model for run in self.runs)}
        for old in self._folder.iterdir():
            if old not in needed:
                old.unlink()
        self._models += 1
        return self._folder / f"{self._models}.safetensors"

    def begin(self, what: str) -> None:
        """Reserve the workspace for one running job.

        Raises
        ------
        FitError
            If something is running already.
        """
        if self.running:
            raise FitError(f"{self.busy} Wait until it finishes or press Stop.")
        self.running = what
        self.running_changed.emit(what)

    def end(self) -> None:
        """Give the workspace free again; the next run that waits begins once all have heard of the end of this."""
        self.running = ""
        self.running_changed.emit("")
        if len(self.queue):
            QTimer.singleShot(0, self._begin_next)

    def _begin_next(self) -> None:
        following = None if self.running else self.queue.take()
        if following is not None:
            following.begin()


def _same(one: Any, other: Any) -> bool:
    """Return whether two results are of one fit."""
    return one is other or (hasattr(one, "field") and getattr(other, "field", None) is one.field)


def workspaces() -> tuple[Workspace, ...]:
    """Return the workspaces of all viewers."""
    return tuple(_WORKSPACES.values())


_WORKSPACES: WeakKeyDictionary[Any, Workspace] = WeakKeyDictionary()


def workspace_of(viewer: napari.viewer.Viewer) -> Workspace:
    """Return the workspace of a viewer, the same for all of its docks."""
    # Docks get a short-lived proxy of the viewer; the viewer itself is what lives on.
    key = getattr(viewer, "__wrapped__", viewer)
    if key not in _WORKSPACES:
        _WORKSPACES[key] = Workspace()
    return _WORKSPACES[key]
