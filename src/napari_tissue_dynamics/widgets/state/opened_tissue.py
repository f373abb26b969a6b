"""A tissue as it was opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_tissue_dynamics.analysis.image.alignment import ImageCheck
    from napari_tissue_dynamics.analysis.readiness.readiness import Readiness
    from napari_tissue_dynamics.data.io.file_contents import Contents
    from napari_tissue_dynamics.data.io.read import ReadOptions
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue


@dataclass(frozen=True, slots=True, eq=False)
class OpenedTissue:
    """A tissue and what was found out when it was opened.

    Parameters
    ----------
    source
        The file or AnnData it came from, None for a sample or a tissue in memory.
    contents
        What else is in the source, or None.
    image_check
        Where the images of the tissue show tissue, to judge how they lie, or None.
    readiness
        What the source holds for a fit and what stands in its way, or None.
    options
        Which parts of the source were read as what, None for the best guess.
    """

    tissue: Tissue
    source: Source | None = None
    contents: Contents | None = None
    image_check: ImageCheck | None = None
    readiness: Readiness | None = None
    options: ReadOptions | None = None

    @property
    def path(self) -> Path | None:
        """The file that the tissue came from, None where there is none."""
        return self.source if isinstance(self.source, Path) else None
