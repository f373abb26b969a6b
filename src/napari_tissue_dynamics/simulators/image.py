"""A picture of a simulated tissue that looks like a section stained with haematoxylin and eosin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_tissue_dynamics.data.tissue import Histology

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXEL_SIZE = 1.25
MOST_PIXELS = 1500
MARGIN = 40.0
NUCLEUS_SIGMA = 1.9
STROMA_SIGMA = 9.0
EOSIN = np.array([0.10, 0.42, 0.22])
HAEMATOXYLIN = np.array([0.85, 1.10, 0.45])
INK = np.array([2.6, 1.8, 0.4])
MARK = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]], dtype=bool)
MARK_INSET = 0.25


def render(positions: NDArray[np.float64], rng: np.random.Generator) -> tuple[Histology, tuple[float, float]]:
    """Render the tissue: white glass, pink stroma, a purple nucleus at every cell, and a letter F in blue ink.

    The letter stands in the corner of the smallest x and y, upright when x runs to the right and y down;
    no flip or turn of the image maps it onto itself.

    Parameters
    ----------
    positions
        (cells, 2) coordinates of the cells in um.
    rng
        Random numbers for the texture.

    Returns
    -------
    The image, and the (x, y) of the centre of the letter's first stroke end (its upper left corner) in um.
    """
    low, high = positions.min(axis=0) - MARGIN, positions.max(axis=0) + MARGIN
    pixel_size = max(PIXEL_SIZE, float((high - low).max()) / MOST_PIXELS)
    columns, rows = np.ceil((high - low) / pixel_size).astype(int) + 1
    pixels = np.rint((positions - low) / pixel_size).astype(int)[:, ::-1]
    density = _paint(stroma(pixels, (rows, columns), pixel_size, rng), nuclei(pixels, (rows, columns), pixel_size, rng))
    block = max(2, round(12.0 / pixel_size))
    corner = round(MARGIN * MARK_INSET / pixel_size)
    letter = np.kron(MARK, np.ones((block, block), dtype=bool))
    density[corner : corner + letter.shape[0], corner : corner + letter.shape[1]][letter] = INK
    image = (250.0 * np.exp(-density)).clip(0, 255).astype(np.uint8)
    centre = low + (corner + (block - 1) / 2) * pixel_size
    origin = (float(low[0]), float(low[1]))
    return Histology("simulated", image, pixel_size, origin), (float(centre[0]), float(centre[1]))


def stroma(
    pixels: NDArray[np.int_], shape: tuple[int, int], pixel_size: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return how much stroma is in every pixel, (rows, columns): a textured sheet around the cells."""
    cells = np.zeros(shape, dtype=np.float32)
    np.add.at(cells, tuple(pixels.T), 1.0)
    smooth = ndimage.gaussian_filter(cells, STROMA_SIGMA / pixel_size, truncate=3.0)
    sheet = (smooth / (0.35 * np.median(smooth[tuple(pixels.T)]))).clip(0, 1) ** 3
    fibres = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), (1.2, 3.0), truncate=3.0)
    return np.asarray(sheet * (1 + 0.18 * fibres / fibres.std()).clip(0.4, 1.6), dtype=np.float32)


def nuclei(
    pixels: NDArray[np.int_], shape: tuple[int, int], pixel_size: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return how much nucleus is in every pixel, (rows, columns), about 1 at every cell and less around."""
    dots = np.zeros(shape, dtype=np.float32)
    dots[tuple(pixels.T)] = rng.uniform(0.8, 1.2, len(pixels))
    sigma = max(NUCLEUS_SIGMA / pixel_size, 0.5)
    blurred = ndimage.gaussian_filter(dots, sigma, truncate=3.0) * (2 * np.pi * sigma**2)
    return np.asarray(1 - np.exp(-2.0 * blurred), dtype=np.float32)


def _paint(pink: NDArray[np.float32], purple: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the optical density of the stains, (rows, columns, 3) for red, green and blue light."""
    return pink[..., None] * EOSIN + purple[..., None] * HAEMATOXYLIN
