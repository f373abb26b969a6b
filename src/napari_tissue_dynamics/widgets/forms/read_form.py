"""Which parts of a file are read as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QWidget

from napari_tissue_dynamics.data.io import ReadOptions
from napari_tissue_dynamics.widgets.forms.fields import add_row, narrow_combo, refill, rows, stacked
from napari_tissue_dynamics.widgets.forms.file_edit import FileEdit
from napari_tissue_dynamics.widgets.forms.number_box import NumberBox

if TYPE_CHECKING:
    from napari_tissue_dynamics.data.io.file_contents import Contents

AUTOMATIC = "automatic"
NONE = "(none)"
ALL_CELLS = "all cells"
LARGEST_PIXEL = 1e6


class ReadForm(QWidget):
    """Combos for the parts of an AnnData, filled from what the file holds."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spliced, self.unspliced, self.expression = narrow_combo(), narrow_combo(), narrow_combo()
        self.spatial, self.cell_type, self.library = narrow_combo(), narrow_combo(), narrow_combo()
        self.sections, self.only = narrow_combo(), narrow_combo()
        self._subsets: tuple[tuple[str, str], ...] = ()
        self.image = FileEdit("image of the tissue", "Images (*.png *.jpg *.jpeg *.tif *.tiff)")
        self.image_pixel_size, self.pixel_size_um = _size(), _size()
        fields = rows()
        for name, field, tooltip in (
            ("Spliced", self.spliced, "Layer with the counts of spliced (or cytoplasmic) RNA."),
            ("Unspliced", self.unspliced, "Layer with the counts of unspliced (or nuclear) RNA."),
            ("Expression", self.expression, "Matrix used for regulation fits and gene colors."),
            ("Coordinates", self.spatial, "Key in obsm with the coordinates of each cell."),
            ("Cell type", self.cell_type, "Column of obs with the type of every cell."),
            ("Image library", self.library, "The image of the file to show."),
            (
                "Sections",
                self.sections,
                "Column of obs with the section; overlapping sections are placed side by side.",
            ),
            ("Only cells", self.only, "Read one section, or only in-tissue spots."),
        ):
            add_row(fields, name, field, tooltip)
        tooltip = "An image file to show behind the cells instead of an image in the file."
        add_row(fields, "Image file", self.image.line, tooltip, inside=self.image)
        tooltip = "Side of one pixel of that image, in the unit of the coordinates; 0 for 1."
        add_row(fields, "Image pixel", self.image_pixel_size, tooltip)
        tooltip = "Micrometers per unit of the coordinates; 0 keeps the unit unchanged."
        add_row(fields, "µm per unit", self.pixel_size_um, tooltip)
        stacked(self, fields)
        self.clear()

    def clear(self) -> None:
        """Forget the last file."""
        self.offer(None)
        self.image.line.clear()
        self.image_pixel_size.setValue(0)
        self.pixel_size_um.setValue(0)

    def offer(self, contents: Contents | None) -> None:
        """Fill the combos with what a file holds; None empties them."""
        layers = contents.layers if contents else ()
        types = [name for name, kind in contents.obs.items() if kind == "categorical"] if contents else ()
        refill(self.spliced, [*layers, NONE], "spliced", NONE)
        refill(self.unspliced, [*layers, NONE], "unspliced", NONE)
        refill(self.expression, [AUTOMATIC, *layers, NONE])
        refill(self.spatial, [AUTOMATIC, *(contents.obsm if contents else ())])
        guess = contents.cell_type if contents else None
        refill(self.cell_type, [AUTOMATIC, *types, NONE], guess or AUTOMATIC)
        refill(self.library, [AUTOMATIC, *(contents.libraries if contents else ())])
        refill(self.sections, [AUTOMATIC, *types, NONE])
        self._subsets = contents.subsets if contents else ()
        refill(self.only, [ALL_CELLS, *(f"{column} = {value}" for column, value in self._subsets)])

    def take(self, options: ReadOptions) -> None:
        """Choose what was chosen before, as far as the file still holds it."""
        for combo, wanted in (
            (self.spliced, options.spliced or NONE),
            (self.unspliced, options.unspliced or NONE),
            (self.expression, _name(options.expression)),
            (self.spatial, _name(options.spatial)),
            (self.cell_type, _name(options.cell_type)),
            (self.library, _name(options.library)),
            (self.sections, _name(options.sections)),
            (self.only, ALL_CELLS if options.only is None else " = ".join(options.only)),
        ):
            if combo.findText(wanted) >= 0:
                combo.setCurrentText(wanted)
        if options.image is not None and options.image.is_file():
            self.image.line.setText(str(options.image))
        self.image_pixel_size.setValue(options.image_pixel_size or 0)
        self.pixel_size_um.setValue(options.pixel_size_um or 0)

    def value(self) -> ReadOptions:
        """Return what is chosen."""
        return ReadOptions(
            spliced=_text(self.spliced) or "",
            unspliced=_text(self.unspliced) or "",
            expression=_text(self.expression),
            spatial=_text(self.spatial),
            cell_type=_text(self.cell_type),
            library=_text(self.library),
            image=self.image.path(),
            image_pixel_size=self.image_pixel_size.value() or None,
            pixel_size_um=self.pixel_size_um.value() or None,
            sections=_text(self.sections),
            only=self._subsets[self.only.currentIndex() - 1] if self.only.currentIndex() > 0 else None,
        )


def _size() -> NumberBox:
    box = NumberBox()
    box.setRange(0, LARGEST_PIXEL)
    box.setSpecialValueText("as in the file")
    return box


def _name(choice: str | None) -> str:
    """Return what a combo calls a choice."""
    return AUTOMATIC if choice is None else choice or NONE


def _text(combo: QComboBox) -> str | None:
    """Return the choice: None for "automatic", an empty text for "none"."""
    text = combo.currentText()
    return None if text == AUTOMATIC else "" if text == NONE else text
