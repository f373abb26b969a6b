"""How well cells and images coincide, and buttons that move an image until they do."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QGridLayout, QWidget

from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.layers.images import histology_image
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.forms.fields import add_row, push_button, rows, sentences, stacked
from napari_tissue_dynamics.widgets.forms.number_box import NumberBox
from napari_tissue_dynamics.widgets.state.connect import listen

if TYPE_CHECKING:
    import napari

    from napari_tissue_dynamics.analysis.image.alignment import Alignment
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

ALL = "all images"
NO_IMAGE = "This tissue has no image, so there is nothing to align."
FLIP_X, FLIP_Y, SWAP = Placement(flip_x=True), Placement(flip_y=True), Placement(swap=True)
LARGEST_SCALE = 1e4


class AlignmentPanel(QWidget):
    """Buttons that move the images of a tissue, and a ``verdict`` on how they lie, to be put where it is seen."""

    def __init__(self, viewer: napari.viewer.Viewer, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._workspace = viewer, workspace
        self._verdicts: tuple[Alignment, ...] = ()
        self.verdict = sentences("Alignment of cells and image", NO_IMAGE)
        self.library = QComboBox()
        self.propose = push_button("Apply proposed alignment", "Move the image so that more cells lie on tissue.")
        self.flip_x = push_button("Flip left-right", "Mirror the image horizontally.")
        self.flip_y = push_button("Flip top-bottom", "Mirror the image vertically.")
        self.swap = push_button("Swap x and y", "Turn rows of the image into columns.")
        self.scale = NumberBox()
        self.scale.setRange(1 / LARGEST_SCALE, LARGEST_SCALE)
        self.scale.setValue(1.0)
        self.enlarge = push_button("Scale", "Enlarge the image by the factor next to it.")
        self.undo = push_button("Undo", "Undo the last move.")
        self._arrange()
        self.propose.clicked.connect(self._as_proposed)
        for button, move in ((self.flip_x, FLIP_X), (self.flip_y, FLIP_Y), (self.swap, SWAP)):
            button.clicked.connect(lambda _=False, move=move: self.move_images(move))
        self.enlarge.clicked.connect(lambda: self.move_images(Placement(scale=self.scale.value())))
        self.undo.clicked.connect(workspace.undo.undo)
        for signal in (workspace.tissue_changed, workspace.images_changed):
            listen(self, signal, self.judge)
        for signal in (workspace.running_changed, workspace.undo.changed):
            listen(self, signal, self._refresh)
        self.judge()

    def judge(self) -> None:
        """Show how the images are aligned."""
        tissue, check = self._workspace.tissue, self._workspace.image_check
        images = () if tissue is None else tissue.histology
        self._offer([image.name for image in images])
        self._verdicts = () if tissue is None or check is None else check.alignments(tissue)
        lines = [str(verdict) for verdict in self._verdicts]
        lines += [f"{image.name} was moved: {image.placement}." for image in images if image.placement != Placement()]
        self.verdict.setText("\n".join(lines) or NO_IMAGE)
        self.verdict.setVisible(tissue is not None)
        self._refresh()

    @property
    def needed(self) -> bool:
        """Whether an image is misaligned, as far as the outlines show."""
        return any(verdict.known and not verdict.good for verdict in self._verdicts)

    def move_images(self, move: Placement, library: str = "") -> None:
        """Move one image, or those that are chosen; it can be undone."""
        names = (library,) if library else self._chosen()
        if not names or move == Placement():
            return
        viewer = weakref.ref(getattr(self._viewer, "__wrapped__", self._viewer))
        workspace = weakref.ref(self._workspace)
        _move(viewer, workspace, names, move)
        self._workspace.undo.add(
            f"image moved ({move})",
            undo=lambda: _move(viewer, workspace, names, move.undone),
            redo=lambda: _move(viewer, workspace, names, move),
        )

    def _as_proposed(self) -> None:
        for verdict in self._verdicts:
            if verdict.better is not None and verdict.library in self._chosen():
                self.move_images(verdict.better, verdict.library)

    def _chosen(self) -> tuple[str, ...]:
        tissue = self._workspace.tissue
        names = () if tissue is None else tuple(image.name for image in tissue.histology)
        chosen = self.library.currentText()
        return (chosen,) if chosen in names else names

    def _offer(self, names: list[str]) -> None:
        choices = names if len(names) < 2 else [ALL, *names]
        if choices != [self.library.itemText(i) for i in range(self.library.count())]:
            self.library.clear()
            self.library.addItems(choices)

    def _refresh(self, *_: object) -> None:
        running = self._workspace.running
        free = bool(self._chosen()) and not running
        for button in (self.flip_x, self.flip_y, self.swap, self.enlarge):
            button.setEnabled(free)
        self.scale.setEnabled(free)
        self.library.setEnabled(self.library.count() > 1)
        self.propose.setEnabled(free)
        self.propose.setVisible(any(verdict.better is not None for verdict in self._verdicts))
        self.undo.setEnabled(free and self._workspace.undo.undo_words.startswith("image moved"))

    def _arrange(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.propose, 0, 0, 1, 2)
        grid.addWidget(self.flip_x, 1, 0)
        grid.addWidget(self.flip_y, 1, 1)
        grid.addWidget(self.swap, 2, 0)
        grid.addWidget(self.undo, 2, 1)
        grid.addWidget(self.scale, 3, 0)
        grid.addWidget(self.enlarge, 3, 1)
        tooltip = "Factor by which the image is enlarged about the origin of the coordinates."
        self.scale.setToolTip(tooltip)
        self.scale.setAccessibleName("Factor of the image")
        self.scale.setAccessibleDescription(tooltip)
        fields = rows()
        add_row(fields, "Image", self.library, "Which image the buttons move.")
        stacked(self, fields, grid)


def _move(
    viewer: weakref.ref[napari.viewer.Viewer],
    workspace: weakref.ref[Workspace],
    names: tuple[str, ...],
    move: Placement,
) -> None:
    """Move images and draw them where they are now; cells, arrows and results stay."""
    window, owner = viewer(), workspace()
    if window is None or owner is None or owner.tissue is None:
        return
    tissue = owner.tissue
    with _viewer.same_selection(window):
        for image in tissue.histology:
            if image.name in names:
                other = image.moved(move)
                owner.set_image(other)
                _viewer.show(window, owner, histology_image(other, unit=tissue.unit))
