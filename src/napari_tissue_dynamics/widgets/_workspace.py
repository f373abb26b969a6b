"""What is loaded and fitted in one viewer, shared by its docks."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_tissue_dynamics.errors import FitError

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.data.anndata_look import Contents
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.workflow import VelocityResult


class Workspace:
    """The tissue, the results and the running fit of one viewer.

    Everything in it is immutable and replaced as a whole; the signals say what was replaced.

    Attributes
    ----------
    tissue
        The loaded tissue, or None.
    source, contents
        The file it came from and what that file holds, None for simulated tissues.
    velocity, regulation
        Results on this tissue, or None.
    velocity_config, regulation_config
        The settings they were fitted with.
    velocity_model
        File of the network behind the velocity, for other tissues, or None.
    running
        What is running, in words; empty when nothing is.
    layer_ids
        ``unique_id`` of the napari layer drawn for each of our keys.
    legend_opened
        Whether the legend has been opened in this viewer before.
    """

    tissue_changed = Signal()
    velocity_changed = Signal()
    regulation_changed = Signal()
    running_changed = Signal(str)
    legend_changed = Signal()

    def __init__(self) -> None:
        self.tissue: Tissue | None = None
        self.source: Path | None = None
        self.contents: Contents | None = None
        self.velocity: VelocityResult | None = None
        self.velocity_config: SteerConfig | None = None
        self.velocity_model: Path | None = None
        self.regulation: RegulationField | None = None
        self.regulation_config: TravlrConfig | None = None
        self.running = ""
        self.layer_ids: dict[str, str] = {}
        self.legend_opened = False
        self._folder: Path | None = None
        self._models = 0

    def set_tissue(self, tissue: Tissue, source: Path | None = None, contents: Contents | None = None) -> None:
        """Replace the tissue; results on the previous one are dropped with it."""
        self.tissue, self.source, self.contents = tissue, source, contents
        self.velocity = self.regulation = None
        self.velocity_config = self.regulation_config = self.velocity_model = None
        self.tissue_changed.emit()
        self.velocity_changed.emit()
        self.regulation_changed.emit()

    def set_velocity(
        self, velocity: VelocityResult, config: SteerConfig | None = None, model: Path | None = None
    ) -> None:
        """Replace the velocity of the tissue."""
        self.velocity, self.velocity_config, self.velocity_model = velocity, config, model
        self.velocity_changed.emit()

    def set_regulation(self, regulation: RegulationField, config: TravlrConfig | None = None) -> None:
        """Replace the regulation of the tissue."""
        self.regulation, self.regulation_config = regulation, config
        self.regulation_changed.emit()

    def new_model(self) -> Path:
        """Return where the network of a next fit can be written to; it is gone when the workspace is."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="tissue-dynamics-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        for old in self._folder.iterdir():
            if old != self.velocity_model:
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
            raise FitError(f"{self.running} is still running. Wait for its end or press its Stop button.")
        self.running = what
        self.running_changed.emit(what)

    def end(self) -> None:
        """Give the workspace free again."""
        self.running = ""
        self.running_changed.emit("")


_WORKSPACES: WeakKeyDictionary[Any, Workspace] = WeakKeyDictionary()


def workspace_of(viewer: napari.viewer.Viewer) -> Workspace:
    """Return the workspace of a viewer, the same for all of its docks."""
    # Docks get a short-lived proxy of the viewer; the viewer itself is what lives on.
    key = getattr(viewer, "__wrapped__", viewer)
    if key not in _WORKSPACES:
        _WORKSPACES[key] = Workspace()
    return _WORKSPACES[key]
