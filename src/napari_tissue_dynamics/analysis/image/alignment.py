"""Whether cells and histology coincide: how many cells lie on tissue, and which move of the image makes it more."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.image.tissue_mask import tissue_mask
from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io.file_contents import obs_column
from napari_tissue_dynamics.data.io.images import other_pixel_sizes
from napari_tissue_dynamics.data.io.sections import IN_TISSUE, TRUE
from napari_tissue_dynamics.data.io.table import open_table
from napari_tissue_dynamics.data.tissue import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Histology, Tissue

MOST_CELLS = 20_000
"""Number of cells, evenly sampled, for which other placements are tried."""

CLEARLY = 0.05
"""A move is proposed when it puts this much more of the cells where they belong."""

ALIKE = 0.02
"""Moves that lose less than this fit equally well: the outline of the tissue cannot decide."""

GOOD = 0.9
FULL = 0.9
"""Tissue that covers this share of the picture leaves nothing to compare with."""

MOVES = tuple(Placement(*switches) for switches in product((False, True), repeat=3))


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Where an image shows tissue; made once, it moves with the image.

    Parameters
    ----------
    mask
        (rows, columns) at a reduced resolution, as the file has the image.
    """

    library: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Alignment:
    """How well the cells lie on the tissue of one image.

    Parameters
    ----------
    n_cells
        Number of cells that should lie on tissue.
    on_tissue, in_image
        Share of them on tissue, and within the frame of the image.
    tissue_share
        Share of the picture that is tissue.
    better
        Move of the image that would put clearly more cells in their place, or None.
    better_on_tissue
        Share of cells on tissue after it.
    alike
        Moves without scaling that would fit as well as the current placement; the outline cannot distinguish them.
    """

    library: str
    n_cells: int
    on_tissue: float
    in_image: float
    tissue_share: float
    better: Placement | None = None
    better_on_tissue: float = 0.0
    alike: tuple[Placement, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the image is informative: it shows both tissue and glass."""
        return 0 < self.tissue_share < FULL

    @property
    def good(self) -> bool:
        """Whether most cells lie on tissue and no other place is clearly better."""
        return self.known and self.better is None and self.on_tissue >= GOOD

    def __str__(self) -> str:
        name = self.library
        if self.tissue_share == 0:
            return f"{name}: the image has no contrast between tissue and background; compare cells and image by eye."
        text = f"{name}: {self.on_tissue:.0%} of {self.n_cells:,} cells are on tissue"
        if self.in_image < 1 - ALIKE:
            text += f", {1 - self.in_image:.0%} outside the image"
        if not self.known:
            return f"{text}; tissue fills the image, so this is not informative. Compare cells and image by eye."
        if self.better is not None:
            return f"{text}. With the image moved ({self.better}) it would be {self.better_on_tissue:.0%}."
        if self.alike:
            others = "; ".join(map(str, self.alike))
            return f"{text}. Other placements fit equally well ({others}): compare a landmark by eye."
        if self.good:
            return f"{text}. No flip, swap or scale is better."
        return f"{text}. No flip, swap or scale tried is better: image and cells may be from different sections."


@dataclass(frozen=True, slots=True, eq=False)
class ImageCheck:
    """What is needed to judge where images lie, read once; judging again after a move is then quick.

    Parameters
    ----------
    outlines
        Where each image shows tissue.
    expected
        (cells,) which cells should lie on tissue, None if the file does not state it.
    pixel_sizes
        Other sides of a pixel that the file could have meant.
    """

    outlines: tuple[Outline, ...] = ()
    expected: NDArray[np.bool_] | None = None
    pixel_sizes: tuple[float, ...] = ()

    def alignments(self, tissue: Tissue) -> tuple[Alignment, ...]:
        """Return a verdict for every image of a tissue whose outline is known."""
        known = {outline.library: outline for outline in self.outlines}
        found = []
        for image in tissue.histology:
            if image.name in known:
                own = _own_cells(tissue, image.name)
                expected = None if self.expected is None else self.expected[own]
                places, sizes = tissue.positions[own], self.pixel_sizes
                found.append(alignment(places, image, known[image.name], expected=expected, pixel_sizes=sizes))
        return tuple(found)


def image_check(tissue: Tissue, source: Source | None = None) -> ImageCheck:
    """Return what is needed to judge the images of a tissue.

    Parameters
    ----------
    source
        The file or AnnData they were read from: its column ``in_tissue`` and its scale factors are taken into account.
    """
    outlines = tuple(outline_of(image) for image in tissue.histology)
    if source is None or not outlines:
        return ImageCheck(outlines)
    with open_table(source) as table:
        known = IN_TISSUE in table.keys("obs")
        sizes = other_pixel_sizes(table)
    labels = obs_column(source, IN_TISSUE, tissue.cells) if known else None
    expected = None
    if labels is not None:
        values = labels.values() if isinstance(labels, Labels) else labels
        expected = np.isin(np.array([str(value).lower() for value in values]), TRUE)
    return ImageCheck(outlines, expected if expected is not None and expected.any() else None, sizes)


def _own_cells(tissue: Tissue, library: str) -> NDArray[np.bool_]:
    """Return which cells belong to an image: those of the section of its name, else all."""
    sections = tissue.sections
    if sections is None or library not in sections.categories:
        return np.ones(tissue.n_cells, dtype=np.bool_)
    return sections.codes == sections.categories.index(library)


def outline_of(image: Histology) -> Outline:
    """Return where an image shows tissue, as the file has the image; it stays valid when the image is moved."""
    return Outline(image.name, _moved(tissue_mask(image.image), image.placement.undone))


def alignment(
    positions: NDArray[np.float64],
    image: Histology,
    outline: Outline,
    *,
    expected: NDArray[np.bool_] | None = None,
    pixel_sizes: Sequence[float] = (),
) -> Alignment:
    """Return whether cells lie on the tissue of an image, and whether they would after another move of it.

    All eight flips and turns are tried, and with other pixel sizes those, too.

    Parameters
    ----------
    positions
        (cells, 2 or 3), (x, y[, z]).
    image
        The image where it lies now.
    outline
        From :func:`outline_of`.
    expected
        (cells,) which cells should lie on tissue, as in a column ``in_tissue``; all if None. When some should
        not, off-tissue cells count as much as those on tissue.
    pixel_sizes
        Other sides of a pixel that the file could have meant, in the unit of the positions.
    """
    wanted = np.ones(len(positions), dtype=np.bool_) if expected is None else expected
    mask = _moved(outline.mask, image.placement)
    on, inside = _on(positions[:, :2], image, mask, Placement())
    n_wanted = max(1, int(wanted.sum()))
    shares = (float(on[wanted].sum()) / n_wanted, float(inside[wanted].sum()) / n_wanted, float(mask.mean()))
    verdict = Alignment(image.name, int(wanted.sum()), *shares)
    if not verdict.known or not wanted.any():
        return verdict
    every = max(1, -(-len(positions) // MOST_CELLS))
    some, belong = positions[::every, :2], wanted[::every]
    if not belong.any():
        return verdict
    present = _score(_on(some, image, mask, Placement())[0], belong)
    tried = [
        (_score(_on(some, image, mask, move)[0], belong), move) for move in _candidates(image.pixel_size, pixel_sizes)
    ]
    best = max(score for score, _ in tried)
    if best >= present + CLEARLY:
        least = max(best - ALIKE, present + CLEARLY)
        move = min((move for score, move in tried if score >= least), key=_steps)
        share = _on(some, image, mask, move)[0][belong].mean()
        return Alignment(image.name, verdict.n_cells, *shares, better=move, better_on_tissue=float(share))
    alike = tuple(each for score, each in tried if each.scale == 1 and score >= present - ALIKE)
    return Alignment(image.name, verdict.n_cells, *shares, alike=alike if present >= GOOD else ())


def _candidates(pixel_size: float, others: Sequence[float]) -> list[Placement]:
    scales = {float(f"{size / pixel_size:.12g}") for size in others if np.isfinite(size) and size > 0} - {1.0}
    simple = [move for move in MOVES if move != Placement()]
    return simple + [
        Placement(move.swap, move.flip_x, move.flip_y, scale) for scale in sorted(scales) for move in MOVES
    ]


def _steps(move: Placement) -> int:
    return move.swap + move.flip_x + move.flip_y + (move.scale != 1)


def _score(on: NDArray[np.bool_], belong: NDArray[np.bool_]) -> float:
    share = float(on[belong].mean())
    return share if belong.all() else (share + float((~on[~belong]).mean())) / 2


def _on(
    xy: NDArray[np.float64], image: Histology, mask: NDArray[np.bool_], move: Placement
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which cells would lie on tissue, and which in the frame, if the image were moved."""
    here = _moved(mask, move)
    rows, columns = image.image.shape[:2][::-1] if move.swap else image.image.shape[:2]
    zero = np.array(image.zero)
    first = np.array(image.origin) - zero
    first = zero + (first[::-1] if move.swap else first) * move.scale
    # The frame begins half a pixel before the center of the first pixel.
    share = ((xy - first) / (image.pixel_size * move.scale) + 0.5) / (columns, rows)
    inside: NDArray[np.bool_] = np.all((share >= 0) & (share < 1), axis=1)
    column, row = (share[inside] * here.shape[::-1]).astype(np.intp).T
    on = np.zeros(len(xy), dtype=np.bool_)
    on[inside] = here[row, column]
    return on, inside


def _moved(mask: NDArray[np.bool_], move: Placement) -> NDArray[np.bool_]:
    turned = mask.swapaxes(0, 1) if move.swap else mask
    return turned[:: -1 if move.flip_y else 1, :: -1 if move.flip_x else 1]
