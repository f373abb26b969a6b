"""A word cloud: words drawn as large as they count, the largest in the middle, none over another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CANVAS = (800.0, 300.0)
FIGURE_INCHES = (16, 8)
TITLE_SIZE = 20
MOST_WORDS = 200
# Largest and smallest letters, as shares of the height of the canvas, before everything is shrunk until it fits.
LETTERS = (0.35, 0.04)
SHRINK = 0.9
MARGIN = 2.0
# The spiral along which a place is looked for: pixels between its turns, and steps.
TURN, STEPS = 4.0, 4000


@dataclass(frozen=True, slots=True)
class Word:
    """One word, how much it counts (0 and more), and its color map."""

    text: str
    weight: float
    colors: str


def draw_words(figure: Figure, words: Sequence[Word], title: str, seed: int) -> None:
    """Draw a word cloud on a white canvas of 800 x 300.

    Parameters
    ----------
    figure
        What to draw in.
    words
        At most 200 are drawn, those that count most. If none counts, all are equally large.
    title
        Written above.
    seed
        Of where in its color map each word's color lies.
    """
    from matplotlib import colormaps
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    axes = figure.subplots()
    axes.set(xlim=(0, CANVAS[0]), ylim=(0, CANVAS[1]), aspect="equal")
    axes.set_axis_off()
    axes.set_title(title, fontsize=TITLE_SIZE)
    chosen = sorted(words, key=lambda word: -word.weight)[:MOST_WORDS]
    paths: list[Any] = [TextPath((0, 0), word.text, size=100, prop=FontProperties()) for word in chosen]
    boxes = np.array([path.get_extents().bounds for path in paths]).reshape(-1, 4)
    letters, places = layout(boxes[:, 2:] / 100, letter_sizes([word.weight for word in chosen]))
    draws = np.random.default_rng(seed)
    for word, path, box, size, place in zip(chosen, paths, boxes, letters, places, strict=True):
        move = Affine2D().translate(-box[0], -box[1]).scale(size / 100).translate(*place)
        color = colormaps[word.colors](draws.random())
        axes.add_patch(PathPatch(path, transform=move + axes.transData, color=color, linewidth=0, gid=word.text))


def draw_gene_kinds(
    kinds: Mapping[str, Sequence[str]], weights: Mapping[str, float], title: str, seed: int, *, show: bool
) -> Figure | None:
    """Draw genes in the color map of their kind; a gene of several kinds takes the first.

    Parameters
    ----------
    kinds
        Genes of each color map.
    weights
        How much each gene counts.
    title, seed
        As for :func:`draw_words`.
    show
        Show the figure and return None; else return a figure that no window shows.
    """
    from matplotlib.figure import Figure

    colors: dict[str, str] = {}
    for name, genes in kinds.items():
        for gene in genes:
            colors.setdefault(gene, name)
    words = [Word(gene, weights[gene], name) for gene, name in colors.items()]
    if not show:
        figure = Figure(figsize=FIGURE_INCHES, facecolor="white")
        draw_words(figure, words, title, seed)
        return figure
    from matplotlib import pyplot as plt

    draw_words(plt.figure(figsize=FIGURE_INCHES, facecolor="white"), words, title, seed)
    plt.show()
    return None


def letter_sizes(weights: Sequence[float]) -> NDArray[np.float64]:
    """Return the size of the letters of every word, in pixels: proportional to its weight, but never unreadable."""
    share = np.nan_to_num(np.asarray(weights, dtype=np.float64)).clip(min=0)
    share = share / share.max() if share.size and share.max() > 0 else np.ones(len(share))
    return np.asarray(CANVAS[1] * np.maximum(LETTERS[0] * share, LETTERS[1]))


def layout(
    extents: NDArray[np.floating], letters: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find a place for every word, in their order, along a spiral from the middle.

    Parameters
    ----------
    extents
        (words, 2) width and height of each word for letters of size 1.
    letters
        (words,) size of the letters asked for.

    Returns
    -------
    (words,) size of the letters, all shrunk alike until every word has a place, and (words, 2) lower left corners.
    """
    size: NDArray[np.float64] = np.array(letters, dtype=np.float64)
    while True:
        places = _placed(extents * size[:, None] + MARGIN)
        if places is not None:
            return size, places + MARGIN / 2
        size *= SHRINK


def _placed(sizes: NDArray[np.floating]) -> NDArray[np.float64] | None:
    angle = np.linspace(0, 1, STEPS) ** 0.5 * 2 * np.pi * CANVAS[1] / 2 / TURN
    away = TURN * angle / (2 * np.pi)
    stretch = CANVAS[0] / CANVAS[1]  # as flat as the canvas
    spiral = np.array(CANVAS) / 2 + np.column_stack([stretch * away * np.cos(angle), away * np.sin(angle)])
    low, high = np.zeros((len(sizes), 2)), np.zeros((len(sizes), 2))
    for k, size in enumerate(sizes):
        corner = spiral - size / 2
        free = (corner >= 0).all(axis=1) & (corner + size <= CANVAS).all(axis=1)
        for j in range(k):
            free &= (corner >= high[j]).any(axis=1) | (corner + size <= low[j]).any(axis=1)
        if not free.any():
            return None
        low[k] = corner[int(free.argmax())]
        high[k] = low[k] + size
    return low
